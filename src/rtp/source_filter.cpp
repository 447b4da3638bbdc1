#include "rtp/source_filter.h"

#include <algorithm>
#include <limits>

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

void SourceFilter::on_bye(std::uint32_t ssrc) {
    if (has_source() && current_ssrc() == ssrc) change_expected_ = true;
}

void SourceFilter::on_break() {
    for (Source& source : sources_) source.tracker.on_break();
}

bool SourceFilter::may_change(std::int64_t arrival_ns) const {
    return !has_source() || change_expected_ ||
           arrival_ns - sources_[current_].last_arrival_ns >= kSilenceNs;
}

std::int64_t SourceFilter::held_since_ns() const {
    if (!has_source()) return std::numeric_limits<std::int64_t>::min();
    return sources_[current_].last_arrival_ns - kSilenceNs;
}

SourceVerdict SourceFilter::on_packet(const base::NetAddress& source, const RtpHeader& header,
                                      std::int64_t arrival_ns) {
    if (!is_allowed_host(source)) return SourceVerdict::RejectHost;

    const std::size_t known = find_source(header.ssrc);
    const bool signalled = is_signalled(header.ssrc);
    const bool counts = known != kNoSource && (known == current_ || signalled ||
                                               arrival_ns - replaced_at_ns_ < kOldSourceGraceNs);
    if (counts) {
        Source& accepted = sources_[known];
        accepted.tracker.on_packet(header.sequence);
        accepted.last_arrival_ns = std::max(accepted.last_arrival_ns, arrival_ns);
        return SourceVerdict::Accept;
    }
    if (signalled) {
        Source newcomer{.ssrc = header.ssrc,
                        .first_arrival_ns = arrival_ns,
                        .last_arrival_ns = arrival_ns,
                        .tracker = SequenceTracker(true)};
        newcomer.tracker.on_packet(header.sequence);
        accept(newcomer);
        return SourceVerdict::AcceptAndHeld;  // it may have been held before it was signalled
    }
    return on_candidate(header, arrival_ns);
}

SourceVerdict SourceFilter::on_candidate(const RtpHeader& header, std::int64_t arrival_ns) {
    std::optional<Source>* slot = slot_for_candidate(header.ssrc, arrival_ns);
    if (slot == nullptr) return SourceVerdict::RejectSsrc;
    if (!*slot) {
        *slot = Source{.ssrc = header.ssrc,
                       .first_arrival_ns = arrival_ns,
                       .last_arrival_ns = arrival_ns,
                       .tracker = SequenceTracker()};
    }
    Source& candidate = **slot;
    candidate.tracker.on_packet(header.sequence);
    candidate.last_arrival_ns = arrival_ns;
    if (!candidate.tracker.is_proven() || !may_change(arrival_ns)) return SourceVerdict::Hold;
    const Source newcomer = candidate;
    slot->reset();
    accept(newcomer);
    return SourceVerdict::AcceptAndHeld;
}

// Its own, a free one, or that of a candidate which fell silent; null when all are busy.
std::optional<SourceFilter::Source>* SourceFilter::slot_for_candidate(std::uint32_t ssrc,
                                                                      std::int64_t arrival_ns) {
    std::optional<Source>* usable = nullptr;
    for (std::optional<Source>& slot : candidates_) {
        if (slot && slot->ssrc == ssrc) return &slot;
        if (slot && arrival_ns - slot->last_arrival_ns >= kSilenceNs) slot.reset();
        if (!slot && usable == nullptr) usable = &slot;
    }
    return usable;
}

void SourceFilter::accept(const Source& source) {
    change_ = SourceChange{.from = has_source() ? std::optional(current_ssrc()) : std::nullopt,
                           .to = source.ssrc,
                           .arrival_ns = source.first_arrival_ns};
    replaced_at_ns_ = source.last_arrival_ns;
    change_expected_ = false;
    for (std::optional<Source>& slot : candidates_) {
        if (slot && slot->ssrc == source.ssrc) slot.reset();
    }
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
    for (std::optional<Source>& slot : candidates_) {
        if (!slot) continue;
        const bool follows =
            !has_source() || change_expected_ ||
            slot->first_arrival_ns >= sources_[current_].last_arrival_ns - kOverlapNs;
        const bool proven = slot->tracker.is_proven();
        // Where nothing else ever came, a single packet is better evidence than none.
        if (follows && (proven || !has_source()) &&
            (!chosen || (proven && !chosen->tracker.is_proven()))) {
            chosen = slot;
        }
        slot.reset();
    }
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
