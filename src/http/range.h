// Byte ranges (RFC 9110 section 14). One range is served; a list of several is answered as if there
// were none, which the RFC allows.
#pragma once

#include <cstdint>
#include <string_view>

namespace earshot::http {

struct Range {
    enum class Kind { Whole, Part, Unsatisfiable };
    Kind kind = Kind::Whole;
    std::uint64_t offset = 0;  // Whole and Part: the bytes to send
    std::uint64_t size = 0;
    friend bool operator==(const Range&, const Range&) = default;
};

// `field` is the value of Range, empty when there is none; `total` the size of the content.
Range parse_range(std::string_view field, std::uint64_t total);

}  // namespace earshot::http
