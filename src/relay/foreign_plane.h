// A media plane in other processes, on this host or others: what RTPEngine and RTPProxy have in
// common for who chooses between them and the relay of our own, and for who shows what they do.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "relay/control_link.h"
#include "relay/media_plane.h"

namespace earshot::relay {

// One process, in the order of the configuration.
struct PlaneInstance {
    std::string name{};  // HOST:PORT of its control socket
    bool is_usable = true;
    std::string fault{};  // why it is not; a sentence
    std::size_t calls = 0;
    std::uint64_t answers = 0;   // to commands
    std::uint64_t resent = 0;    // commands that were sent again
    std::uint64_t given_up = 0;  // commands without an answer
    std::uint64_t refused = 0;   // commands that it answered with an error
    std::uint64_t nonsense = 0;  // datagrams that are no answer
    std::chrono::microseconds round_trip{0};
    friend bool operator==(const PlaneInstance&, const PlaneInstance&) = default;
};

// The first offer of a call picks the first usable instance that takes it. Where none does, offer()
// fails; the next offer of the call tries anew. Reasons beside those of MediaPlane:
// media_server_silent, media_server_unreachable, media_server_nonsense, media_server_overloaded,
// media_server_refused.
class ForeignPlane : public MediaPlane, public ControlUser {
public:
    // The instance that has the call is not reached, or has lost the call: what its legs and its
    // recordings get of each other's media is not known any more. Told once until it is found
    // again, never while a verb runs.
    using Lost = std::function<void(CallKey, const base::Reason&)>;
    virtual void when_lost(Lost lost) = 0;
    virtual std::vector<PlaneInstance> instances() const = 0;
};

}  // namespace earshot::relay
