// Encrypts, decrypts and authenticates packets under the session keys of one master key: AES in
// counter mode with HMAC-SHA1 (RFC 3711 section 4, RFC 6188) or AES-GCM (RFC 7714). SRTP and SRTCP
// differ in nothing here but what is authenticated beside the packet. One thread at a time; nothing
// is allocated per packet.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "srtp/session_keys.h"

namespace earshot::srtp {

struct Unit {
    std::span<std::uint8_t> packet;  // header and body, without what SRTP appends
    std::size_t header_bytes = 0;    // stay in the clear; all of it: nothing is encrypted
    std::uint32_t ssrc = 0;
    std::uint64_t index = 0;  // 48 bits of SRTP, 31 of SRTCP
    // The rollover counter of SRTP, the E flag and index of SRTCP.
    std::array<std::uint8_t, 4> trailer{};
};

class PacketCipher {
public:
    static std::unique_ptr<PacketCipher> make(const MasterKey& master, PacketKind kind);
    static std::unique_ptr<PacketCipher> make(const SessionKeys& keys, bool is_aead,
                                              PacketKind kind);

    PacketCipher() = default;
    PacketCipher(const PacketCipher&) = delete;
    PacketCipher& operator=(const PacketCipher&) = delete;
    virtual ~PacketCipher() = default;

    // `tag` is as long as the suite has it, and lies outside of the packet.
    virtual void seal(const Unit& unit, std::span<std::uint8_t> tag) = 0;
    // False: not authentic; the packet is then as it was.
    virtual bool open(const Unit& unit, base::ByteView tag) = 0;
};

}  // namespace earshot::srtp
