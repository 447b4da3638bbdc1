#include "srtp/session_keys.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "srtp/evp.h"

namespace earshot::srtp {
namespace {

// RFC 3711 section 4.3.1: x = the label, in octet 7 of the salt; section 4.3.3: the key stream of
// AES in counter mode from x * 2^16. A salt of 96 bits is filled up with zeros at its end (RFC 7714
// section 11). The key stream is as long as what is derived: at most two blocks.
void derive(EVP_CIPHER_CTX* context, base::ByteView salt, std::uint8_t label,
            std::span<std::uint8_t> out) {
    std::array<std::uint8_t, 16> counter{};
    std::copy(salt.begin(), salt.end(), counter.begin());
    counter[7] ^= label;
    require(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, counter.data(), 1));
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    update(context, out.data(), out);
}

}  // namespace

SessionKeys::~SessionKeys() {
    OPENSSL_cleanse(cipher.data(), cipher.size());
    OPENSSL_cleanse(authentication.data(), authentication.size());
    OPENSSL_cleanse(salt.data(), salt.size());
}

void derive_session_keys(const MasterKey& master, PacketKind kind, SessionKeys& out) {
    const std::uint8_t first_label = kind == PacketKind::Rtp ? 0 : 3;
    const base::SrtpSuiteFacts& facts = base::facts_of(master.suite());
    const CipherContext context =
        make_cipher_context(aes_counter_mode(facts.key_bytes), master.key());
    out.cipher_bytes = facts.key_bytes;
    derive(context.get(), master.salt(), first_label, std::span(out.cipher).first(facts.key_bytes));
    derive(context.get(), master.salt(), static_cast<std::uint8_t>(first_label + 1),
           out.authentication);
    derive(context.get(), master.salt(), static_cast<std::uint8_t>(first_label + 2),
           std::span(out.salt).first(facts.salt_bytes));
}

}  // namespace earshot::srtp
