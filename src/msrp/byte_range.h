// Byte-Range of a chunk (RFC 4975 section 7.1.1): "1-2048/9000", "1-*/*". The first octet of a
// message is 1; an empty message is "1-0/0". `end` and `total` are what the sender says: a receiver
// counts the octets that really come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace earshot::msrp {

struct ByteRange {
    std::uint64_t start = 1;
    std::optional<std::uint64_t> end;    // empty: '*', not known or interruptible
    std::optional<std::uint64_t> total;  // empty: '*', not known yet
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Nothing for what the grammar does not allow, a start of 0, an end before the start (but 1-0), a
// total below the end.
std::optional<ByteRange> parse_byte_range(std::string_view text);
std::string to_string(const ByteRange& range);

}  // namespace earshot::msrp
