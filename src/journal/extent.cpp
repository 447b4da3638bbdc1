#include "journal/extent.h"

#include <algorithm>

namespace earshot::journal {

namespace {

void put_varint(base::Bytes& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
    out.push_back(static_cast<std::uint8_t>(value));
}

std::uint64_t take_varint(base::ByteView& in) {  // only what put_varint() made
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const std::uint8_t byte = in.front();
        in = in.subspan(1);
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if (byte < 0x80) return value;
    }
}

// Differences modulo 2^32: forward ones, which are the rule, stay small; any others still work.
constexpr std::uint32_t end_of(const Extent& extent) { return extent.offset + extent.length; }

}  // namespace

void ExtentList::append(const Extent& extent) {
    const std::uint32_t expected = extent.segment == last_.segment ? end_of(last_) : 0;
    put_varint(packed_, extent.segment - last_.segment);
    put_varint(packed_, extent.offset - expected);
    put_varint(packed_, extent.length);
    last_ = extent;
    ++count_;
    total_bytes_ += extent.length;
}

bool ExtentList::Cursor::next(Extent& extent) {
    if (rest_.empty()) return false;
    const auto segment = static_cast<std::uint32_t>(last_.segment + take_varint(rest_));
    const std::uint32_t expected = segment == last_.segment ? end_of(last_) : 0;
    const auto offset = static_cast<std::uint32_t>(expected + take_varint(rest_));
    last_ = Extent{segment, offset, static_cast<std::uint32_t>(take_varint(rest_))};
    extent = last_;
    return true;
}

std::vector<Extent> ExtentList::to_vector() const {
    std::vector<Extent> all;
    all.reserve(count_);
    Cursor cursor(*this);
    for (Extent extent; cursor.next(extent);) all.push_back(extent);
    return all;
}

std::vector<std::uint32_t> ExtentList::segments() const {
    std::vector<std::uint32_t> all;
    Cursor cursor(*this);
    for (Extent extent; cursor.next(extent);) {
        if (all.empty() || all.back() != extent.segment) all.push_back(extent.segment);
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

void append_if_stepped(std::vector<ClockSample>& clocks, const ClockSample& sample) {
    constexpr std::int64_t kStepNs = 1'000'000;
    if (!clocks.empty()) {
        const std::int64_t moved = sample.offset_ns() - clocks.back().offset_ns();
        if (moved >= -kStepNs && moved <= kStepNs) return;
    }
    clocks.push_back(sample);
}

}  // namespace earshot::journal
