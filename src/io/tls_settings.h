// What TLS can be told: certificates, whom to trust, what is asked of the other end. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace earshot::io {

// What a listener asks of who connects (RFC 8446 section 4.3.2).
enum class ClientCertificate : std::uint8_t {
    No,       // nothing
    Request,  // who has one must have a good one; who has none comes in, too
    Require,
};

enum class TlsVersion : std::uint8_t { V12, V13 };

struct TlsIdentity {
    std::string certificate_file{};  // PEM: ours first, then those up to the CA
    std::string private_key_file{};  // PEM, without a password
    friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

struct TlsSettings {
    // Chosen by the name that the peer asks for (SNI, RFC 6066 section 3); the first where none
    // has it, and where we connect. Empty: we can only connect, and have no certificate to show.
    std::vector<TlsIdentity> identities{};
    std::string ca_file{};  // PEM of those that we trust; empty: the system's
    ClientCertificate client_certificate = ClientCertificate::No;
    TlsVersion min_version = TlsVersion::V12;
    friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

// Whether who connects is known by its certificate: such a listener is not open to anyone.
inline bool is_guarded(const TlsSettings& tls) {
    return tls.client_certificate == ClientCertificate::Require && !tls.ca_file.empty();
}

}  // namespace earshot::io
