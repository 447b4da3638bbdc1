// The session keys of SRTP and SRTCP, derived from a master key (RFC 3711 section 4.3, RFC 6188
// section 3, RFC 7714 section 11). The key derivation rate is 0: derived once.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "srtp/fault.h"

namespace earshot::srtp {

enum class PacketKind : std::uint8_t { Rtp, Rtcp };

struct SessionKeys {
    SessionKeys() = default;
    SessionKeys(const SessionKeys&) = delete;
    SessionKeys& operator=(const SessionKeys&) = delete;
    ~SessionKeys();  // wipes

    base::ByteView cipher_key() const { return base::ByteView{cipher}.first(cipher_bytes); }

    std::array<std::uint8_t, 32> cipher{};
    std::size_t cipher_bytes = 16;
    std::array<std::uint8_t, 20> authentication{};  // HMAC-SHA1's; not used with AEAD
    std::array<std::uint8_t, 14> salt{};            // AEAD: the first 12
};

void derive_session_keys(const MasterKey& master, PacketKind kind, SessionKeys& out);

}  // namespace earshot::srtp
