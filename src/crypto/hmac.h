// HMAC (RFC 2104) with SHA-256.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace earshot::crypto {

using HmacSha256 = std::array<std::uint8_t, 32>;

HmacSha256 hmac_sha256(base::ByteView key, base::ByteView message);

}  // namespace earshot::crypto
