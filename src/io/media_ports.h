// Pairs of media ports, open before they are asked for: opening one takes some fourteen system
// calls, which the thread that answers calls has no time for. A thread of media keeps a few pairs
// ready; when a burst has used them up, the next is opened on the spot. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "io/port_allocator.h"
#include "io/udp_socket.h"

namespace earshot::io {

struct MediaPortOptions {
    base::NetAddress bind_host;                       // where they are bound; port ignored
    std::optional<base::NetAddress> other_bind_host;  // of the other IP family, if there is one
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 0;
    std::size_t max_pairs = 65'536 / 2;  // what there are descriptors for
    UdpOptions rtp{};                    // of RTP sockets
    UdpOptions rtcp{};
};

class MediaPorts {
public:
    // `random` is used only here: the order of the ports.
    MediaPorts(const MediaPortOptions& options, base::Random& random);

    // An open pair; what strangers sent to it before has been thrown away. Reasons: no_media_ports,
    // media_socket (with errno's text). `ipv6`: the family wanted, where both are bound.
    base::Result<UdpPair, base::Reason> take(base::TimePoint now, bool ipv6 = false);
    // The sockets of this pair are closed; the ports rest.
    void release(std::uint16_t rtp_port, base::TimePoint now);
    // Opens pairs until enough are ready. Takes only ports that need no rest any more.
    void refill(base::TimePoint now);

    struct Counters {
        std::size_t pairs = 0;
        std::size_t in_use = 0;  // taken, not yet released
        std::size_t ready = 0;
        std::size_t free = 0;  // ready, or rested long enough to be taken
        PortAllocator::Counters allocator;
    };
    Counters counters(base::TimePoint now) const;

private:
    bool has_descriptors() const { return allocator_.in_use() < options_.max_pairs; }
    // One IP family: its host, and the pairs that are open there. A port number is used in one
    // family at a time, so that one allocator knows of all.
    struct Family {
        base::NetAddress host;
        std::deque<UdpPair> ready;
    };
    Family& family(bool ipv6);
    base::Result<UdpPair> open(const Family& family, std::uint16_t rtp_port) const;
    bool refill_one(Family& family, base::TimePoint now);
    std::size_t ready() const;

    const MediaPortOptions options_;
    mutable std::mutex mutex_;
    PortAllocator allocator_;
    std::deque<Family> families_;  // one or two
    std::size_t ready_aim_;        // of each
};

}  // namespace earshot::io
