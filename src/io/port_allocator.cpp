#include "io/port_allocator.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace earshot::io {

PortAllocator::PortAllocator(std::uint16_t low, std::uint16_t high, base::Random& random) {
    const std::uint32_t first = low + (low % 2U);
    for (std::uint32_t port = first; port + 1 <= high; port += 2) {
        fresh_.push_back(static_cast<std::uint16_t>(port));
    }
    // Random order: the next call's port cannot be told from the last one's (threats section 4.5).
    for (std::size_t i = fresh_.size(); i > 1; --i) {
        std::swap(fresh_[i - 1], fresh_[random.u64() % i]);
    }
    pairs_ = fresh_.size();
}

bool PortAllocator::has_rested(base::TimePoint now) const {
    return !fresh_.empty() || (!resting_.empty() && now - resting_.front().since >= kRest);
}

std::optional<std::uint16_t> PortAllocator::allocate(base::TimePoint now) {
    const bool rested = !resting_.empty() && now - resting_.front().since >= kRest;
    if (!rested && !fresh_.empty()) {
        const std::uint16_t port = fresh_.front();
        fresh_.pop_front();
        ++counters_.allocated;
        return port;
    }
    if (resting_.empty() || now - resting_.front().since < kShortestRest) {
        ++counters_.exhausted;
        return std::nullopt;
    }
    if (!rested) ++counters_.short_rests;
    const std::uint16_t port = resting_.front().port;
    resting_.pop_front();
    ++counters_.allocated;
    return port;
}

std::size_t PortAllocator::available(base::TimePoint now) const {
    const auto first_too_fresh = std::partition_point(
        resting_.begin(), resting_.end(),
        [now](const Resting& resting) { return now - resting.since >= kShortestRest; });
    return fresh_.size() + static_cast<std::size_t>(first_too_fresh - resting_.begin());
}

void PortAllocator::release(std::uint16_t rtp_port, base::TimePoint now) {
    resting_.push_back({.port = rtp_port, .since = now});
}

}  // namespace earshot::io
