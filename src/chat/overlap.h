// Octets of a message that come again have to be the same ones: the headers that were judged, and
// what is recorded, are then what all read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "msrp/received_ranges.h"

namespace earshot::chat {

// `known`: what has come, from the first octet on, with holes where `received` has none; `bytes`
// come now, for `at`.
inline bool differs(base::ByteView known, const msrp::ReceivedRanges& received, std::uint64_t at,
                    base::ByteView bytes) {
    const auto& ranges = received.ranges();
    return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
        const std::uint64_t from = std::max(at, range.begin);
        const std::uint64_t to = std::min(at + bytes.size(), range.end);
        if (from >= to) return false;
        const auto size = static_cast<std::size_t>(to - from);
        const auto before = known.subspan(static_cast<std::size_t>(from), size);
        const auto again = bytes.subspan(static_cast<std::size_t>(from - at), size);
        return !std::equal(before.begin(), before.end(), again.begin());
    });
}

}  // namespace earshot::chat
