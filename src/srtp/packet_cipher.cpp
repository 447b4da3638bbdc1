#include "srtp/packet_cipher.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "srtp/evp.h"
#include "srtp/hmac_sha1.h"

namespace earshot::srtp {
namespace {

// SSRC and 48-bit index in a row, ten octets: both kinds of initialisation vector have them, before
// the last 16 bits of counter mode's and at the end of GCM's. SRTCP's index has leading zeros.
void mix_in(std::span<std::uint8_t> vector, std::size_t at, const Unit& unit) {
    for (std::size_t i = 0; i < 4; ++i)
        vector[at + i] ^= static_cast<std::uint8_t>(unit.ssrc >> (24 - 8 * i));
    for (std::size_t i = 0; i < 6; ++i)
        vector[at + 4 + i] ^= static_cast<std::uint8_t>(unit.index >> (40 - 8 * i));
}

class CounterModeCipher : public PacketCipher {
public:
    explicit CounterModeCipher(const SessionKeys& keys)
        : context_(make_cipher_context(aes_counter_mode(keys.cipher_bytes), keys.cipher_key())),
          hmac_(keys.authentication),
          salt_(keys.salt) {}

    void seal(const Unit& unit, std::span<std::uint8_t> tag) override {
        apply(unit);
        const HmacSha1Code code = hmac_.code(unit.packet, unit.trailer);
        std::copy_n(code.begin(), tag.size(), tag.begin());
    }
    bool open(const Unit& unit, base::ByteView tag) override {
        const HmacSha1Code code = hmac_.code(unit.packet, unit.trailer);
        if (CRYPTO_memcmp(code.data(), tag.data(), tag.size()) != 0) return false;
        apply(unit);
        return true;
    }

private:
    // RFC 3711 section 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16).
    void apply(const Unit& unit) {
        const auto body = unit.packet.subspan(unit.header_bytes);
        if (body.empty()) return;
        std::array<std::uint8_t, 16> vector{};
        std::copy(salt_.begin(), salt_.end(), vector.begin());
        mix_in(vector, 4, unit);
        require(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, vector.data(), 1));
        update(context_.get(), body.data(), body);
    }

    CipherContext context_;
    HmacSha1 hmac_;
    std::array<std::uint8_t, 14> salt_;
};

class GcmCipher : public PacketCipher {
public:
    GcmCipher(const SessionKeys& keys, PacketKind kind)
        : context_(make_cipher_context(
              keys.cipher_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), keys.cipher_key())),
          kind_(kind) {
        std::copy_n(keys.salt.begin(), salt_.size(), salt_.begin());
    }

    void seal(const Unit& unit, std::span<std::uint8_t> tag) override {
        begin(unit, true);
        authenticate_header(unit);
        update_body(unit);
        int length = 0;
        require(EVP_CipherFinal_ex(context_.get(), tag.data(), &length));
        require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG,
                                    static_cast<int>(tag.size()), tag.data()));
    }
    bool open(const Unit& unit, base::ByteView tag) override {
        begin(unit, false);
        authenticate_header(unit);
        update_body(unit);
        std::array<std::uint8_t, 16> expected{};
        std::copy(tag.begin(), tag.end(), expected.begin());
        require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG,
                                    static_cast<int>(expected.size()), expected.data()));
        int length = 0;
        std::array<std::uint8_t, 16> unused{};
        if (EVP_CipherFinal_ex(context_.get(), unused.data(), &length) == 1) return true;
        // The body has been through the cipher: the same key stream once more brings it back.
        begin(unit, true);
        update_body(unit);
        return false;
    }

private:
    // RFC 7714 section 8.1 and 9.1: IV = (0 || SSRC || ROC || SEQ) XOR salt.
    void begin(const Unit& unit, bool is_sealing) {
        std::array<std::uint8_t, 12> vector = salt_;
        mix_in(vector, 2, unit);
        require(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, vector.data(),
                                  is_sealing ? 1 : 0));
    }
    // RFC 7714 section 8.2 and 9.2: SRTCP's trailer is associated data, SRTP's rollover counter is
    // in the initialisation vector already.
    void authenticate_header(const Unit& unit) {
        update(context_.get(), nullptr, unit.packet.first(unit.header_bytes));
        if (kind_ == PacketKind::Rtcp) update(context_.get(), nullptr, unit.trailer);
    }
    void update_body(const Unit& unit) {
        const auto body = unit.packet.subspan(unit.header_bytes);
        if (!body.empty()) update(context_.get(), body.data(), body);
    }

    CipherContext context_;
    PacketKind kind_;
    std::array<std::uint8_t, 12> salt_{};
};

}  // namespace

std::unique_ptr<PacketCipher> PacketCipher::make(const MasterKey& master, PacketKind kind) {
    SessionKeys keys;
    derive_session_keys(master, kind, keys);
    return make(keys, base::facts_of(master.suite()).is_aead, kind);
}

std::unique_ptr<PacketCipher> PacketCipher::make(const SessionKeys& keys, bool is_aead,
                                                 PacketKind kind) {
    if (is_aead) return std::make_unique<GcmCipher>(keys, kind);
    return std::make_unique<CounterModeCipher>(keys);
}

}  // namespace earshot::srtp
