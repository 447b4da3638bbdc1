// HMAC (RFC 2104) with SHA-256, and with SHA-1, which STUN and SRTP ask for.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace earshot::crypto {

using HmacSha256 = std::array<std::uint8_t, 32>;

HmacSha256 hmac_sha256(base::ByteView key, base::ByteView message);

inline constexpr std::size_t kHmacSha1Bytes = 20;
using HmacSha1 = std::array<std::uint8_t, kHmacSha1Bytes>;

HmacSha1 hmac_sha1(base::ByteView key, base::ByteView message);

// In a time that does not tell how much of it is right.
bool is_same_code(base::ByteView a, base::ByteView b);

}  // namespace earshot::crypto
