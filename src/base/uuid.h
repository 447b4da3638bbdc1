// UUIDs (RFC 9562). A recording's id is a version 7 in lower case; the ids of SIPREC metadata are
// the 16 bytes in base64 (RFC 7865 section 6.10).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace earshot::base {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};
    // Of the operator the compiler writes. NOLINTNEXTLINE(modernize-use-nullptr)
    friend auto operator<=>(const Uuid&, const Uuid&) = default;

    int version() const { return bytes[6] >> 4; }
    bool is_nil() const { return *this == Uuid{}; }
};

Uuid make_uuid_v4(Random& random);
Uuid make_uuid_v7(WallTime now, Random& random);  // sorts by time, to the millisecond

std::string to_string(const Uuid& uuid);  // 8-4-4-4-12, lower case
std::string to_base64(const Uuid& uuid);  // 24 characters ending "=="
std::optional<Uuid> parse_uuid(
    std::string_view text);  // 8-4-4-4-12 or 32 digits, any case, urn:uuid: too
std::optional<Uuid> parse_uuid_base64(std::string_view text);  // exactly 16 bytes

struct UuidHash {
    std::size_t operator()(const Uuid& uuid) const {
        return load_le<std::uint64_t>(uuid.bytes, 0) ^ load_le<std::uint64_t>(uuid.bytes, 8);
    }
};

}  // namespace earshot::base
