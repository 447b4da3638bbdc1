#include "msrp/received_ranges.h"

#include <algorithm>

#include "msrp/limits.h"

namespace earshot::msrp {

bool ReceivedRanges::add(std::uint64_t begin, std::uint64_t end) {
    if (begin >= end) return true;
    // Nearly always the next octets of the last piece.
    if (!ranges_.empty() && ranges_.back().end == begin) {
        ranges_.back().end = end;
        return true;
    }
    // All that touch the new piece become one with it.
    const auto first =
        std::lower_bound(ranges_.begin(), ranges_.end(), begin,
                         [](const Range& range, std::uint64_t at) { return range.end < at; });
    auto last = first;
    while (last != ranges_.end() && last->begin <= end) {
        begin = std::min(begin, last->begin);
        end = std::max(end, last->end);
        ++last;
    }
    if (first == last) {
        if (ranges_.size() == kMaxOpenRanges) return false;
        ranges_.insert(first, Range{.begin = begin, .end = end});
        return true;
    }
    *first = Range{.begin = begin, .end = end};
    ranges_.erase(first + 1, last);
    return true;
}

bool ReceivedRanges::is_whole(std::uint64_t total) const {
    if (total == 0) return true;
    return ranges_.size() == 1 && ranges_[0].begin == 0 && ranges_[0].end >= total;
}

std::uint64_t ReceivedRanges::count() const {
    std::uint64_t count = 0;
    for (const Range& range : ranges_) count += range.end - range.begin;
    return count;
}

std::uint64_t ReceivedRanges::end() const { return ranges_.empty() ? 0 : ranges_.back().end; }

}  // namespace earshot::msrp
