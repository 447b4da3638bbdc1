// Which packets belong to a stream (threats: media injection). A forged packet is forged evidence,
// a lost one is lost evidence; so:
// - the host must be that of the SDP or of the SIP peer, the port may be any (RTPProxy sends from
//   ports that it does not announce, NAT changes them);
// - but who sends from the very address and port of the SDP is preferred: once two packets have
//   come from there, their source displaces one that is heard elsewhere;
// - a source (SSRC) is accepted once two packets follow each other (RFC 3550 A.1), at once when it
//   was signalled;
// - another source is accepted when signalled, when the present one said BYE (from where its media
//   comes: everyone who hears a stream knows its SSRC), when the SDP moved and the present one does
//   not speak where it says now, or when that one has been silent for 500 ms. Until that is known
//   its packets are held by the caller, not discarded.
// Pure: the caller keeps the held packets and obeys. Times are the packets' arrivals in ns.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/net_address.h"
#include "rtp/limits.h"
#include "rtp/rtp_packet.h"
#include "rtp/sequence_tracker.h"

namespace earshot::rtp {

enum class SourceVerdict {
    Accept,         // of an accepted source
    Hold,           // unproven: keep it until its source is accepted or the hold is given up
    AcceptAndHeld,  // the held packets of this SSRC first, then this one
    RejectHost,
    RejectSsrc,  // too many sources are on probation already
};

struct SourceChange {
    std::optional<std::uint32_t> from;  // nothing: the first source of the stream
    std::uint32_t to = 0;
    std::int64_t arrival_ns = 0;  // of the newcomer's first packet
};

class SourceFilter {
public:
    static constexpr std::int64_t kSilenceNs = 500'000'000;
    // Late packets of the source before the present one still count for so long.
    static constexpr std::int64_t kOldSourceGraceNs = 1'000'000'000;
    static constexpr std::size_t kMaxCandidates = 4;

    // Hosts that may send; unspecified addresses are passed over. None left: any host.
    void set_hosts(const std::vector<base::NetAddress>& hosts);
    void set_signalled(std::vector<std::uint32_t> ssrcs) { signalled_ = std::move(ssrcs); }
    // Where the SDP says that the peer's media and RTCP are; unspecified: it does not say.
    void set_address(const base::NetAddress& rtp, const base::NetAddress& rtcp);
    // A new SDP moved the remote address: the next source need not wait for silence.
    void expect_change() { has_moved_ = true; }
    // RTCP BYE, when it is the present source's own: the next source need not wait either.
    void on_bye(const base::NetAddress& from, std::uint32_t ssrc);
    // Media was not read for a while (pause): what is missing is no loss.
    void on_break();

    bool is_allowed_host(const base::NetAddress& source) const;

    SourceVerdict on_packet(const base::NetAddress& source, const RtpHeader& header,
                            std::int64_t arrival_ns);
    // What the newest packet changed, taken once.
    std::optional<SourceChange> take_change() { return std::exchange(change_, std::nullopt); }

    // Held packets that arrived before this were overlapped by the present source: reject them.
    std::int64_t held_since_ns() const;

    // The stream ends or is paused: is there a source whose held packets count? It does when
    // nothing else ever came, or when it is proven and began as the present one fell silent. It is
    // the present one from now on (take_change()). All other candidates are forgotten.
    std::optional<std::uint32_t> settle();

    bool has_source() const { return current_ != kNoSource; }
    // The present source; only when has_source().
    std::uint32_t current_ssrc() const { return sources_[current_].ssrc; }
    SequenceTracker& current_tracker() { return sources_[current_].tracker; }
    const SequenceTracker& current_tracker() const { return sources_[current_].tracker; }

    // Over all accepted sources.
    std::uint64_t lost() const;
    std::uint64_t duplicates() const;
    std::uint64_t reordered() const;

private:
    static constexpr std::size_t kNoSource = static_cast<std::size_t>(-1);
    static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min() / 2;
    struct Source {
        std::uint32_t ssrc = 0;
        std::int64_t first_arrival_ns = 0;
        std::int64_t last_arrival_ns = 0;
        std::int64_t signalled_arrival_ns = kNever;  // the newest from the address of the SDP
        base::NetAddress address{};                  // of the newest
        bool was_signalled = false;                  // it spoke where the SDP said at that time
        SequenceTracker tracker{};
    };

    bool is_signalled(std::uint32_t ssrc) const;
    bool is_signalled_address(const base::NetAddress& source) const;
    static bool speaks_at_signalled_address(const Source& source, std::int64_t arrival_ns);
    bool may_change(const Source& to, std::int64_t arrival_ns) const;
    std::size_t find_source(std::uint32_t ssrc) const;
    SourceVerdict on_candidate(const base::NetAddress& from, const RtpHeader& header,
                               std::int64_t arrival_ns);
    Source* find_or_add_candidate(const base::NetAddress& from, std::uint32_t ssrc,
                                  std::int64_t arrival_ns);
    void note(Source& source, const base::NetAddress& from, const RtpHeader& header,
              std::int64_t arrival_ns) const;
    void accept(const Source& source);  // it becomes the present one
    void retire(const Source& source);

    std::vector<std::array<std::uint8_t, 16>> hosts_;
    std::vector<std::uint32_t> signalled_;
    base::NetAddress signalled_rtp_;
    base::NetAddress signalled_rtcp_;
    std::vector<Source> sources_;  // accepted, at most kMaxSources
    std::size_t current_ = kNoSource;
    std::size_t previous_ = kNoSource;      // the source before the present one
    std::int64_t grace_until_ns_ = kNever;  // of it
    std::vector<Source> candidates_;  // the newest first; on the heap only while there are any
    bool has_said_bye_ = false;       // the present source
    bool has_moved_ = false;          // the SDP, since the present source was accepted
    std::optional<SourceChange> change_;
    std::uint64_t retired_lost_ = 0;
    std::uint64_t retired_duplicates_ = 0;
    std::uint64_t retired_reordered_ = 0;
};

}  // namespace earshot::rtp
