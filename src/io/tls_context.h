// Certificates, keys and trust as they were read from their files: what TLS sessions are made from.
// Never changes: a reload makes another one, and sessions keep theirs. Any thread may hold it; what
// makes sessions of one context is one thread.
//
// TLS 1.2 with ECDHE and AEAD, and TLS 1.3 (RFC 9325); no renegotiation, no compression, and no
// resumption: SIP connections last for days, so a ticket saves nothing and is one more secret.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "io/tls_settings.h"

namespace earshot::io {

inline constexpr std::size_t kMaxTlsFileBytes = 1U << 20;      // a certificate, a key, the CAs
inline constexpr std::size_t kMaxTlsIdentities = 64;           // certificates of one listener
inline constexpr std::size_t kMaxPeerCertificates = 64 << 10;  // octets of a peer's chain
inline constexpr int kMaxCertificateDepth = 8;
// A certificate that ends sooner is told of, in time to get another.
inline constexpr std::chrono::hours kExpiryNotice{14 * 24};

struct TlsCertificate {
    std::string file{};
    std::string subject{};
    std::vector<std::string> names{};  // as in TlsPeer
    base::WallTime not_before{};
    base::WallTime not_after{};
};

// "tls.pem ends in 3 days (2026-03-02T...)" or that it has ended; nullopt: nothing to tell.
std::optional<std::string> find_expiry(const TlsCertificate& certificate, base::WallTime now);

class TlsContext {
public:
    // Reasons name the file and what is wrong with it: "tls_certificate", "tls_private_key",
    // "tls_ca". A key that others than its owner and group may read is refused.
    static base::Result<std::shared_ptr<const TlsContext>, base::Reason> load(
        const TlsSettings& settings);
    // The same where `settings` name no certificate: with one of our own making, for peers that go
    // by its fingerprint (RFC 8122). certificates() has it, without a file.
    static base::Result<std::shared_ptr<const TlsContext>, base::Reason> make_self_signed(
        const TlsSettings& settings, base::WallTime now);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    const TlsSettings& settings() const;
    const std::vector<TlsCertificate>& certificates() const;  // ours, in the order of the settings

    class Impl;  // tls_context.cpp, tls_session.cpp
    const Impl& impl() const { return *impl_; }

private:
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::io
