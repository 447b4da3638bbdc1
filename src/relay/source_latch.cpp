#include "relay/source_latch.h"

#include <algorithm>

namespace earshot::relay {

void SourceLatch::set_signalled(const base::NetAddress& announced,
                                std::span<const base::NetAddress> hosts) {
    std::size_t count = 0;
    std::array<base::NetAddress, kMaxHosts> allowed{};
    for (const base::NetAddress& host : hosts)
        if (!host.is_unspecified() && count < allowed.size()) allowed[count++] = host;
    if (count > 0) {
        hosts_ = allowed;
        host_count_ = count;
    }
    if (has_source_ && !is_allowed(source_)) {
        has_source_ = false;
        source_ = {};
    }
    // Who does not say where it is (a name, an old hold), has not moved for that.
    if (announced.is_unspecified() || announced == announced_) return;
    has_moved_ = has_source_ && source_ != announced;
    announced_ = announced;
}

bool SourceLatch::is_allowed(const base::NetAddress& source) const {
    const auto end = hosts_.begin() + static_cast<std::ptrdiff_t>(host_count_);
    return std::any_of(hosts_.begin(), end,
                       [&](const auto& host) { return host.same_host(source); });
}

bool SourceLatch::accepts(const base::NetAddress& source, const std::optional<Mark>& mark,
                          std::int64_t now_ns) {
    if (has_source_ && source == source_) {
        last_ns_ = now_ns;
        return true;
    }
    if (!is_allowed(source)) return false;
    const bool is_open = !has_source_ || has_moved_ || now_ns - last_ns_ >= silence_ns_;
    // The latched one still speaks, but not where the SDP says: who is there goes before it.
    const bool is_preferred = source == announced_;
    if (!is_open && !is_preferred) return false;
    if (!mark || !is_proven(source, *mark, now_ns)) return is_open;
    source_ = source;
    last_ns_ = now_ns;
    has_source_ = true;
    has_moved_ = false;
    candidates_.fill({});
    return true;
}

bool SourceLatch::is_proven(const base::NetAddress& source, const Mark& mark, std::int64_t now_ns) {
    Candidate& candidate = slot_for(source);
    const auto step = static_cast<std::uint16_t>(mark.sequence - candidate.mark.sequence);
    const bool follows = candidate.good > 0 && candidate.mark.ssrc == mark.ssrc && step >= 1 &&
                         step <= kMaxSequenceGap;
    candidate.good = follows ? candidate.good + 1 : 1;
    candidate.mark = mark;
    candidate.last_ns = now_ns;
    return candidate.good >= proof_;
}

// Its own, a free one, else that of whoever was heard longest ago: only addresses of allowed hosts
// come here, so a stranger cannot push them out.
SourceLatch::Candidate& SourceLatch::slot_for(const base::NetAddress& source) {
    const auto own = std::find_if(candidates_.begin(), candidates_.end(), [&](const auto& one) {
        return one.good > 0 && one.address == source;
    });
    if (own != candidates_.end()) return *own;
    Candidate& slot = *std::min_element(
        candidates_.begin(), candidates_.end(),
        [](const Candidate& a, const Candidate& b) { return a.last_ns < b.last_ns; });
    slot = {};
    slot.address = source;
    return slot;
}

}  // namespace earshot::relay
