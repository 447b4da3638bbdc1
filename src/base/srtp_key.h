// What SRTP is keyed with (RFC 3711): a suite, a master key and a master salt. SDP reads and writes
// them (RFC 4568), DTLS exports them (RFC 5764), signalling hands them on, srtp/ uses them; so they
// stand here. They are wiped when they go, and have no text form.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"

namespace earshot::base {

// The underscore keeps key and tag apart. NOLINTBEGIN(readability-identifier-naming)
enum class SrtpSuite : std::uint8_t {
    AesCm128Sha1_80,  // RFC 3711, the one that all must have
    AesCm128Sha1_32,
    AesCm192Sha1_80,  // RFC 6188
    AesCm192Sha1_32,
    AesCm256Sha1_80,
    AesCm256Sha1_32,
    AeadAes128Gcm,  // RFC 7714
    AeadAes256Gcm,
};
// NOLINTEND(readability-identifier-naming)
inline constexpr std::size_t kSrtpSuites = 8;

struct SrtpSuiteFacts {
    SrtpSuite suite = SrtpSuite::AesCm128Sha1_80;
    std::string_view name;       // of SDP (RFC 4568, 6188, 7714)
    std::size_t key_bytes = 0;   // of the master key
    std::size_t salt_bytes = 0;  // of the master salt
    std::size_t rtp_tag = 0;     // octets of an RTP packet's authentication tag
    std::size_t rtcp_tag = 0;    // octets of an RTCP packet's
    bool is_aead = false;
    std::uint16_t dtls_profile = 0;  // RFC 5764 section 4.1.2; 0: none is registered

    constexpr std::size_t material_bytes() const { return key_bytes + salt_bytes; }
};
std::span<const SrtpSuiteFacts> srtp_suites();
const SrtpSuiteFacts& facts_of(SrtpSuite suite);
std::string_view to_string(SrtpSuite suite);
std::optional<SrtpSuite> find_srtp_suite(std::string_view name);  // without regard to case

// RFC 4568 section 6.1 allows 128 octets.
inline constexpr std::size_t kMaxMkiBytes = 128;

// Overwrites memory in a way that no compiler leaves out.
void wipe(std::span<std::uint8_t> bytes);

class SrtpMasterKey {
public:
    static constexpr std::size_t kMaxMaterialBytes = 46;  // AES-256-CM: 32 and 14

    // `material`: the key, then the salt. Malformed when its length is not the suite's, or `mki` is
    // longer than kMaxMkiBytes. Wiping `material` is its owner's affair.
    static Result<SrtpMasterKey> from(SrtpSuite suite, ByteView material, ByteView mki = {});
    static SrtpMasterKey generate(SrtpSuite suite, Random& random);

    SrtpMasterKey(const SrtpMasterKey&) = default;
    SrtpMasterKey& operator=(const SrtpMasterKey&) = default;
    ~SrtpMasterKey();

    SrtpSuite suite() const { return suite_; }
    ByteView material() const {
        return ByteView{material_}.first(facts_of(suite_).material_bytes());
    }
    ByteView key() const { return material().first(facts_of(suite_).key_bytes); }
    ByteView salt() const { return material().subspan(facts_of(suite_).key_bytes); }
    // The master key identifier that packets carry (RFC 3711 section 3.1); empty: none.
    ByteView mki() const { return mki_; }

    friend bool operator==(const SrtpMasterKey&, const SrtpMasterKey&) = default;

private:
    explicit SrtpMasterKey(SrtpSuite suite) : suite_(suite) {}
    SrtpSuite suite_;
    std::array<std::uint8_t, kMaxMaterialBytes> material_{};
    Bytes mki_;
};

}  // namespace earshot::base
