// Where a leg's media comes from, and so where its peer's goes (symmetric RTP, RFC 4961). Behind
// NAT the address in the SDP is of no use, and whoever may simply send and be believed takes over
// the call; so:
// - the host must be one of those that were signalled (SDP, or who sent it);
// - the first address from which two good packets come is latched: ours go there, and none from
//   another port counts any more, but
// - when the SDP moves, when the latched one has been silent, or when it is not the very address of
//   the SDP and that one speaks: then the next two good packets latch anew.
// rtp::SourceFilter judges the sources (SSRC) of a recording, and holds packets until it knows; a
// relay cannot wait, and which SSRCs its peers use is none of its business.
// Pure. Times are in ns of a steady clock.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/net_address.h"
#include "relay/limits.h"

namespace earshot::relay {

class SourceLatch {
public:
    // What makes two packets follow each other.
    struct Mark {
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
    };

    // `proof`: good packets that latch an address.
    SourceLatch(int proof, std::chrono::nanoseconds silence)
        : proof_(proof), silence_ns_(silence.count()) {}

    // What signalling says. Unspecified hosts are passed over; with none at all those before hold.
    // `announced` is unspecified for a name and for 0.0.0.0 (on hold): then the one before holds.
    void set_signalled(const base::NetAddress& announced, std::span<const base::NetAddress> hosts);

    // Whether the packet counts. Without `mark` it proves nothing (DTLS).
    bool accepts(const base::NetAddress& source, const std::optional<Mark>& mark,
                 std::int64_t now_ns);

    // Where to send; unspecified: nowhere yet.
    const base::NetAddress& destination() const {
        return has_source_ && !has_moved_ ? source_ : announced_;
    }
    // Unspecified before an address is latched.
    const base::NetAddress& source() const { return source_; }
    bool has_hosts() const { return host_count_ > 0; }

private:
    struct Candidate {
        base::NetAddress address;
        Mark mark;
        std::int64_t last_ns = std::numeric_limits<std::int64_t>::min();
        int good = 0;
    };
    bool is_allowed(const base::NetAddress& source) const;
    bool is_proven(const base::NetAddress& source, const Mark& mark, std::int64_t now_ns);
    Candidate& slot_for(const base::NetAddress& source);

    int proof_;
    std::int64_t silence_ns_;
    base::NetAddress announced_;
    std::array<base::NetAddress, kMaxHosts> hosts_{};
    std::size_t host_count_ = 0;
    base::NetAddress source_;
    std::int64_t last_ns_ = 0;
    bool has_source_ = false;
    bool has_moved_ = false;
    std::array<Candidate, kMaxCandidates> candidates_{};
};

}  // namespace earshot::relay
