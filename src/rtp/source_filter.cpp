#include "rtp/source_filter.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace earshot::rtp {

void SourceFilter::set_hosts(const std::vector<base::NetAddress>& hosts) {
    hosts_.clear();
    for (const base::NetAddress& host : hosts) {
        if (!host.is_unspecified()) hosts_.push_back(host.ip);
    }
}

bool SourceFilter::is_allowed_host(const base::NetAddress& source) const {
    if (hosts_.empty()) return true;
    return std::find(hosts_.begin(), hosts_.end(), source.ip) != hosts_.end();
}

bool SourceFilter::is_signalled(std::uint32_t ssrc) const {
    return std::find(signalled_.begin(), signalled_.end(), ssrc) != signalled_.end();
}

std::size_t SourceFilter::find_source(std::uint32_t ssrc) const {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        if (sources_[i].ssrc == ssrc) return i;
    }
    return kNoSource;
}

void SourceFilter::set_address(const base::NetAddress& rtp, const base::NetAddress& rtcp) {
    signalled_rtcp_ = rtcp;
    if (rtp == signalled_rtp_) return;
    signalled_rtp_ = rtp;
    // Who speaks there already, spoke there (media may come before the SDP that names its place).
    const auto note_anew = [this](Source& source) {
        const bool is_there = is_signalled_address(source.address);
        source.signalled_arrival_ns = is_there ? source.last_arrival_ns : kNever;
        source.was_signalled = source.was_signalled || is_there;
    };
    for (Source& source : sources_) note_anew(source);
    for (Source& candidate : candidates_) note_anew(candidate);
}

bool SourceFilter::is_signalled_address(const base::NetAddress& source) const {
    return source == signalled_rtp_ && source.port != 0 && !source.is_unspecified();
}

// RTPProxy and NAT send RTCP from any port of the host; but who speaks at the address of the SDP
// says BYE at one of them, too.
void SourceFilter::on_bye(const base::NetAddress& from, std::uint32_t ssrc) {
    if (!has_source() || current_ssrc() != ssrc) return;
    const base::NetAddress& heard_at = sources_[current_].address;
    const bool is_own = is_signalled_address(heard_at)
                            ? from == signalled_rtp_ || from == signalled_rtcp_
                            : from.same_host(heard_at);
    if (is_own) has_said_bye_ = true;
}

void SourceFilter::on_break() {
    for (Source& source : sources_) source.tracker.on_break();
}

bool SourceFilter::speaks_at_signalled_address(const Source& source, std::int64_t arrival_ns) {
    return arrival_ns - source.signalled_arrival_ns < kSilenceNs;
}

bool SourceFilter::may_change(const Source& to, std::int64_t arrival_ns) const {
    const bool is_preferred = speaks_at_signalled_address(to, arrival_ns);
    // Whoever is heard where the SDP says goes before all others that wait.
    const bool is_another_preferred =
        std::any_of(candidates_.begin(), candidates_.end(), [&](const Source& other) {
            return other.ssrc != to.ssrc && speaks_at_signalled_address(other, arrival_ns);
        });
    if (!is_preferred && is_another_preferred) return false;
    if (!has_source()) return true;
    const Source& present = sources_[current_];
    if (has_said_bye_) return true;
    // Nobody from elsewhere follows who speaks where the new SDP says.
    if (has_moved_ && (is_preferred || !speaks_at_signalled_address(present, arrival_ns)))
        return true;
    if (arrival_ns - present.last_arrival_ns >= kSilenceNs) return true;
    return is_preferred && !speaks_at_signalled_address(present, arrival_ns);
}

std::int64_t SourceFilter::held_since_ns() const {
    if (!has_source()) return std::numeric_limits<std::int64_t>::min();
    return sources_[current_].last_arrival_ns - kSilenceNs;
}

void SourceFilter::note(Source& source, const base::NetAddress& from, const RtpHeader& header,
                        std::int64_t arrival_ns) const {
    source.tracker.on_packet(header.sequence);
    source.last_arrival_ns = std::max(source.last_arrival_ns, arrival_ns);
    source.address = from;
    if (!is_signalled_address(from)) return;
    source.signalled_arrival_ns = arrival_ns;
    source.was_signalled = true;
}

SourceVerdict SourceFilter::on_packet(const base::NetAddress& source, const RtpHeader& header,
                                      std::int64_t arrival_ns) {
    if (!is_allowed_host(source)) return SourceVerdict::RejectHost;

    const std::size_t known = find_source(header.ssrc);
    const bool signalled = is_signalled(header.ssrc);
    const bool counts =
        known != kNoSource &&
        (known == current_ || signalled || (known == previous_ && arrival_ns < grace_until_ns_));
    if (counts) {
        note(sources_[known], source, header, arrival_ns);
        return SourceVerdict::Accept;
    }
    if (signalled) {
        Source newcomer{.ssrc = header.ssrc,
                        .first_arrival_ns = arrival_ns,
                        .last_arrival_ns = arrival_ns,
                        .tracker = SequenceTracker(true)};
        note(newcomer, source, header, arrival_ns);
        accept(newcomer);
        return SourceVerdict::AcceptAndHeld;  // it may have been held before it was signalled
    }
    return on_candidate(source, header, arrival_ns);
}

SourceVerdict SourceFilter::on_candidate(const base::NetAddress& from, const RtpHeader& header,
                                         std::int64_t arrival_ns) {
    Source* const candidate = find_or_add_candidate(from, header.ssrc, arrival_ns);
    if (candidate == nullptr) return SourceVerdict::RejectSsrc;
    note(*candidate, from, header, arrival_ns);
    if (!candidate->tracker.is_proven() || !may_change(*candidate, arrival_ns))
        return SourceVerdict::Hold;
    accept(Source(*candidate));
    return SourceVerdict::AcceptAndHeld;
}

// Its own place, a free one, or that of a candidate which fell silent; null when all are busy. The
// last free one is for the address of the SDP, so that strangers cannot crowd it out.
SourceFilter::Source* SourceFilter::find_or_add_candidate(const base::NetAddress& from,
                                                          std::uint32_t ssrc,
                                                          std::int64_t arrival_ns) {
    const auto own = std::find_if(candidates_.begin(), candidates_.end(),
                                  [&](const Source& one) { return one.ssrc == ssrc; });
    if (own != candidates_.end()) return &*own;
    std::erase_if(candidates_, [&](const Source& one) {
        return arrival_ns - one.last_arrival_ns >= kSilenceNs;
    });
    const std::size_t free = kMaxCandidates - candidates_.size();
    if (free == 0 || (free == 1 && !is_signalled_address(from))) return nullptr;
    return &*candidates_.insert(
        candidates_.begin(),
        Source{.ssrc = ssrc, .first_arrival_ns = arrival_ns, .last_arrival_ns = arrival_ns});
}

void SourceFilter::accept(const Source& source) {
    // What is late of the source before still counts; but not when it spoke from elsewhere, and
    // this one speaks where the SDP says.
    const bool is_displaced =
        has_source() && source.was_signalled && !sources_[current_].was_signalled;
    grace_until_ns_ = is_displaced ? kNever : source.last_arrival_ns + kOldSourceGraceNs;
    change_ = SourceChange{.from = has_source() ? std::optional(current_ssrc()) : std::nullopt,
                           .to = source.ssrc,
                           .arrival_ns = source.first_arrival_ns};
    has_said_bye_ = false;
    has_moved_ = false;
    previous_ = current_;
    std::erase_if(candidates_, [&](const Source& one) { return one.ssrc == source.ssrc; });
    if (candidates_.empty()) std::vector<Source>().swap(candidates_);
    // A source that comes back takes its old place; a new one that of the oldest when all are
    // taken.
    std::size_t place = find_source(source.ssrc);
    if (place == kNoSource && sources_.size() == kMaxSources) {
        place = current_ == 0 ? 1 : 0;
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            if (i != current_ && sources_[i].last_arrival_ns < sources_[place].last_arrival_ns) {
                place = i;
            }
        }
    }
    if (place == kNoSource) {
        sources_.push_back(source);
        current_ = sources_.size() - 1;
        return;
    }
    retire(sources_[place]);
    sources_[place] = source;
    current_ = place;
}

void SourceFilter::retire(const Source& source) {
    retired_lost_ += source.tracker.lost();
    retired_duplicates_ += source.tracker.duplicates();
    retired_reordered_ += source.tracker.reordered();
}

std::optional<std::uint32_t> SourceFilter::settle() {
    constexpr std::int64_t kOverlapNs = 100'000'000;  // reordering on the way
    std::optional<Source> chosen;
    // Who was heard where the SDP says; others follow it only after its silence.
    const auto is_preferred = [](const Source& one) { return one.signalled_arrival_ns != kNever; };
    const auto rank = [&](const Source& one) {
        return std::pair{one.tracker.is_proven(), is_preferred(one)};
    };
    for (const Source& one : candidates_) {
        const bool follows =
            !has_source() || has_said_bye_ ||
            (has_moved_ && (is_preferred(one) || !is_preferred(sources_[current_]))) ||
            (one.first_arrival_ns >= sources_[current_].last_arrival_ns - kOverlapNs &&
             (is_preferred(one) || !is_preferred(sources_[current_]) ||
              one.last_arrival_ns - sources_[current_].last_arrival_ns >= kSilenceNs));
        // Where nothing else ever came, a single packet is better evidence than none.
        const bool counts = follows && (one.tracker.is_proven() || !has_source());
        if (counts && (!chosen || rank(one) > rank(*chosen))) chosen = one;
    }
    std::vector<Source>().swap(candidates_);
    if (!chosen) return std::nullopt;
    accept(*chosen);
    return chosen->ssrc;
}

std::uint64_t SourceFilter::lost() const {
    std::uint64_t sum = retired_lost_;
    for (const Source& source : sources_) sum += source.tracker.lost();
    return sum;
}

std::uint64_t SourceFilter::duplicates() const {
    std::uint64_t sum = retired_duplicates_;
    for (const Source& source : sources_) sum += source.tracker.duplicates();
    return sum;
}

std::uint64_t SourceFilter::reordered() const {
    std::uint64_t sum = retired_reordered_;
    for (const Source& source : sources_) sum += source.tracker.reordered();
    return sum;
}

}  // namespace earshot::rtp
