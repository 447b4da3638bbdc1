// HMAC-SHA1 (RFC 2104) with the state behind the padded key computed once: half the blocks of a
// short packet are those. One thread at a time.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace earshot::srtp {

using HmacSha1Code = std::array<std::uint8_t, 20>;

class HmacSha1 {
public:
    explicit HmacSha1(base::ByteView key);  // at most 64 octets
    HmacSha1(const HmacSha1&) = delete;
    HmacSha1& operator=(const HmacSha1&) = delete;
    ~HmacSha1();

    // Of `message` and `trailer` in a row.
    HmacSha1Code code(base::ByteView message, base::ByteView trailer) const;

private:
    SHA_CTX inner_{};
    SHA_CTX outer_{};
};

}  // namespace earshot::srtp
