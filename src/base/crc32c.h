// CRC-32C (Castagnoli, RFC 3720 appendix B.4), as in each frame and block that we write to disk.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace earshot::base {

// Continue over several pieces by giving the last result as `seed`.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

}  // namespace earshot::base
