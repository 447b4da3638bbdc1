// Pairs of media ports, open before they are asked for: opening one takes some fourteen system
// calls, which the thread that answers calls has no time for. The capture thread keeps a few pairs
// ready; when a burst has used them up, the next is opened on the spot. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "capture/capture_options.h"
#include "io/port_allocator.h"
#include "io/udp_socket.h"

namespace earshot::capture {

class MediaPorts {
public:
    // `random` is used only here: the order of the ports.
    MediaPorts(const CaptureOptions& options, base::Random& random);

    // An open pair; what strangers sent to it before has been thrown away. Reasons: no_media_ports,
    // media_socket (with errno's text).
    base::Result<io::UdpPair, base::Reason> take(base::TimePoint now);
    // The sockets of this pair are closed; the ports rest.
    void release(std::uint16_t rtp_port, base::TimePoint now);
    // Opens pairs until enough are ready. Takes only ports that need no rest any more.
    void refill(base::TimePoint now);

    struct Counters {
        std::size_t pairs = 0;
        std::size_t in_use = 0;  // taken, not yet released
        std::size_t ready = 0;
        std::size_t free = 0;  // ready, or rested long enough to be taken
        io::PortAllocator::Counters allocator;
    };
    Counters counters(base::TimePoint now) const;

private:
    bool has_descriptors() const { return allocator_.in_use() < options_.max_port_pairs; }
    base::Result<io::UdpPair> open(std::uint16_t rtp_port) const;

    const CaptureOptions options_;
    mutable std::mutex mutex_;
    io::PortAllocator allocator_;
    std::deque<io::UdpPair> ready_;
    std::size_t ready_aim_;
};

}  // namespace earshot::capture
