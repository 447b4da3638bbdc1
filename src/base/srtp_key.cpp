#include "base/srtp_key.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/text.h"

namespace earshot::base {
namespace {

// In the order of the enumeration. RFC 6188 and 7714 name no profile of DTLS for AES-192 and
// AES-256 in counter mode. SRTCP's tag is never cut to 32 bits (RFC 4568 section 6.2.2).
constexpr std::array<SrtpSuiteFacts, kSrtpSuites> kSuites{{
    {SrtpSuite::AesCm128Sha1_80, "AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10, false, 0x0001},
    {SrtpSuite::AesCm128Sha1_32, "AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10, false, 0x0002},
    {SrtpSuite::AesCm192Sha1_80, "AES_192_CM_HMAC_SHA1_80", 24, 14, 10, 10, false, 0},
    {SrtpSuite::AesCm192Sha1_32, "AES_192_CM_HMAC_SHA1_32", 24, 14, 4, 10, false, 0},
    {SrtpSuite::AesCm256Sha1_80, "AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10, false, 0},
    {SrtpSuite::AesCm256Sha1_32, "AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10, false, 0},
    {SrtpSuite::AeadAes128Gcm, "AEAD_AES_128_GCM", 16, 12, 16, 16, true, 0x0007},
    {SrtpSuite::AeadAes256Gcm, "AEAD_AES_256_GCM", 32, 12, 16, 16, true, 0x0008},
}};

}  // namespace

std::span<const SrtpSuiteFacts> srtp_suites() { return kSuites; }

const SrtpSuiteFacts& facts_of(SrtpSuite suite) { return kSuites[static_cast<std::size_t>(suite)]; }

std::string_view to_string(SrtpSuite suite) { return facts_of(suite).name; }

std::optional<SrtpSuite> find_srtp_suite(std::string_view name) {
    const auto* const found =
        std::find_if(kSuites.begin(), kSuites.end(),
                     [&](const SrtpSuiteFacts& facts) { return iequals(facts.name, name); });
    if (found == kSuites.end()) return std::nullopt;
    return found->suite;
}

Result<SrtpMasterKey> SrtpMasterKey::from(SrtpSuite suite, ByteView material, ByteView mki) {
    if (material.size() != facts_of(suite).material_bytes())
        return Error{Errc::Malformed, "SRTP: a key of another length than the suite's",
                     material.size()};
    if (mki.size() > kMaxMkiBytes)
        return Error{Errc::Malformed, "SRTP: the MKI is too long", mki.size()};
    SrtpMasterKey key{suite};
    std::copy(material.begin(), material.end(), key.material_.begin());
    key.mki_.assign(mki.begin(), mki.end());
    return key;
}

SrtpMasterKey SrtpMasterKey::generate(SrtpSuite suite, Random& random) {
    SrtpMasterKey key{suite};
    random.fill(std::span(key.material_).first(facts_of(suite).material_bytes()));
    return key;
}

SrtpMasterKey::~SrtpMasterKey() { wipe(material_); }

void wipe(std::span<std::uint8_t> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

}  // namespace earshot::base
