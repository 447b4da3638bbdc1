// The hash of a certificate as SDP tells it (RFC 8122 section 5) and DTLS checks it. Signalling
// hands it from one to the other, so it stands here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace earshot::base {

// From weak to strong: do not reorder. RFC 8122 also names MD5 and MD2, which prove nothing.
enum class HashFunction : std::uint8_t { Sha1, Sha224, Sha256, Sha384, Sha512 };

std::string_view to_string(HashFunction function);                      // "sha-1", "sha-224", ...
std::optional<HashFunction> find_hash_function(std::string_view name);  // without regard to case
std::size_t digest_bytes(HashFunction function);

struct CertificateFingerprint {
    HashFunction function = HashFunction::Sha256;
    Bytes digest;  // digest_bytes(function) octets
    friend bool operator==(const CertificateFingerprint&, const CertificateFingerprint&) = default;
};

}  // namespace earshot::base
