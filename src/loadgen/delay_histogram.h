// How long packets were under way: counted in steps of 10 us, since a load run has millions of
// them. Values past its end are counted as the end, the greatest is kept as it is. No I/O.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace earshot::loadgen {

class DelayHistogram {
public:
    static constexpr std::int64_t kStepNs = 10'000;
    static constexpr std::size_t kSteps = 100'000;  // 1 s

    void add(std::int64_t ns) {
        if (counts_.empty()) counts_.resize(kSteps + 1);
        const auto step = static_cast<std::size_t>(std::max<std::int64_t>(ns, 0) / kStepNs);
        ++counts_[std::min(step, kSteps)];
        ++total_;
        max_ns_ = std::max(max_ns_, ns);
    }

    std::uint64_t count() const { return total_; }
    std::chrono::nanoseconds max() const { return std::chrono::nanoseconds{max_ns_}; }

    // The upper edge of the step in which the value lies that `part` of all do not exceed; 0 when
    // there is none.
    std::chrono::nanoseconds quantile(double part) const {
        std::uint64_t seen = 0;
        for (std::size_t step = 0; step < counts_.size(); ++step) {
            seen += counts_[step];
            if (seen != 0 && static_cast<double>(seen) >= part * static_cast<double>(total_))
                return std::chrono::nanoseconds{
                    std::min<std::int64_t>(static_cast<std::int64_t>(step + 1) * kStepNs, max_ns_)};
        }
        return std::chrono::nanoseconds{0};
    }

private:
    std::vector<std::uint64_t> counts_;  // by step; made with the first value
    std::uint64_t total_ = 0;
    std::int64_t max_ns_ = 0;
};

}  // namespace earshot::loadgen
