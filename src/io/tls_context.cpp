#include "io/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/self_signed.h"
#include "io/file_mode.h"
#include "io/linux_file.h"
#include "io/tls_openssl.h"

namespace earshot::io {

using base::Reason;
using base::Result;

namespace {

constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of TLS 1.2
constexpr const char* kGroups = "X25519:P-256:P-384";
// Read by others: no secret. Written by the group: not ours alone. Debian's ssl-cert group reads.
constexpr std::uint32_t kTooOpen = 0027;

std::string openssl_text() {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    const char* text = error == 0 ? nullptr : ERR_reason_error_string(error);
    return text == nullptr ? "unknown" : text;
}

Result<std::string, Reason> read_file(const std::string& path, const char* code) {
    LinuxFileSystem files;
    auto bytes = files.read_file(path, kMaxTlsFileBytes);
    if (!bytes) return Reason{code, fmt::format("{} cannot be read: {}", path, bytes.error().what)};
    std::string text(base::as_text(*bytes));
    base::Bytes copy = *std::move(bytes);  // it may be a key
    OPENSSL_cleanse(copy.data(), copy.size());
    return text;
}

BioPtr reader_of(const std::string& text) {
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A password on a terminal is no way to start a daemon.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return -1; }

base::WallTime to_wall(const ASN1_TIME* time) {
    constexpr std::time_t kLatest = 9'000'000'000;  // in 2255: later ones do not fit a WallTime
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return base::WallTime{} + std::chrono::seconds{std::min(kLatest, ::timegm(&parts))};
}

TlsCertificate facts_of(X509& own, const std::string& file) {
    const TlsPeer names = read_identities(own);
    return {.file = file,
            .subject = names.subject,
            .names = names.domains,
            .not_before = to_wall(X509_get0_notBefore(&own)),
            .not_after = to_wall(X509_get0_notAfter(&own))};
}

std::optional<Reason> use_certificate(SSL_CTX& context, const std::string& file,
                                      TlsCertificate& facts) {
    const auto text = read_file(file, "tls_certificate");
    if (!text) return text.error();
    const BioPtr in = reader_of(*text);
    const X509Ptr own(PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr));
    if (!own)
        return Reason{"tls_certificate", fmt::format("{} holds no certificate in PEM form ({})",
                                                     file, openssl_text())};
    if (SSL_CTX_use_certificate(&context, own.get()) != 1)
        return Reason{"tls_certificate",
                      fmt::format("{} cannot be used: {}", file, openssl_text())};
    while (X509* next = PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr))
        if (SSL_CTX_add0_chain_cert(&context, next) != 1) {
            X509_free(next);
            return Reason{"tls_certificate",
                          fmt::format("the chain in {} cannot be used: {}", file, openssl_text())};
        }
    ERR_clear_error();  // that there was no more
    facts = facts_of(*own, file);
    return std::nullopt;
}

std::optional<Reason> use_key(SSL_CTX& context, const TlsIdentity& identity) {
    const std::string& file = identity.private_key_file;
    const auto mode = find_mode(file);
    if (mode && (*mode & kTooOpen) != 0)
        return Reason{
            "tls_private_key",
            fmt::format("{} is open to others (mode {:04o}): chmod 600 or 640", file, *mode)};
    auto text = read_file(file, "tls_private_key");
    if (!text) return text.error();
    const BioPtr in = reader_of(*text);
    const PrivateKeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
    const std::string why = key ? std::string{} : openssl_text();
    std::string secret = *std::move(text);
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!key)
        return Reason{
            "tls_private_key",
            fmt::format("{} holds no private key in PEM form without a password ({})", file, why)};
    if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1)
        return Reason{"tls_private_key", fmt::format("the key in {} is not that of {} ({})", file,
                                                     identity.certificate_file, openssl_text())};
    return std::nullopt;
}

std::optional<Reason> use_cas(SSL_CTX& context, const TlsSettings& settings) {
    if (settings.ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(&context) == 1) return std::nullopt;
        return Reason{"tls_ca", "the system's CAs cannot be read: " + openssl_text()};
    }
    const auto text = read_file(settings.ca_file, "tls_ca");
    if (!text) return text.error();
    const BioPtr in = reader_of(*text);
    X509_STORE* store = SSL_CTX_get_cert_store(&context);
    std::size_t count = 0;
    for (; const X509Ptr ca{PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)}; ++count) {
        if (X509_STORE_add_cert(store, ca.get()) != 1)
            return Reason{"tls_ca", fmt::format("a certificate in {} cannot be used: {}",
                                                settings.ca_file, openssl_text())};
        // So that a client with several knows which one to show.
        if (settings.client_certificate != ClientCertificate::No)
            SSL_CTX_add_client_CA(&context, ca.get());
    }
    ERR_clear_error();
    if (count == 0) return Reason{"tls_ca", settings.ca_file + " holds no certificate in PEM form"};
    return std::nullopt;
}

Result<SslContextPtr, Reason> make_context(const TlsSettings& settings) {
    SslContextPtr context(SSL_CTX_new(TLS_method()));
    if (!context) return Reason{"tls_context", "TLS cannot be set up: " + openssl_text()};
    SSL_CTX* raw = context.get();
    const int version = settings.min_version == TlsVersion::V13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);  // a connection that rests needs 34 kB less
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(raw, static_cast<long>(kMaxPeerCertificates));
    SSL_CTX_set_verify_depth(raw, kMaxCertificateDepth);
    if (SSL_CTX_set_min_proto_version(raw, version) != 1 || SSL_CTX_set_num_tickets(raw, 0) != 1 ||
        SSL_CTX_set_cipher_list(raw, kCiphers) != 1 || SSL_CTX_set1_groups_list(raw, kGroups) != 1)
        return Reason{"tls_context", "TLS cannot be set up: " + openssl_text()};
    if (auto reason = use_cas(*raw, settings)) return *reason;
    return context;
}

// The certificate that bears the name which the client asks for.
int choose_certificate(SSL* ssl, int* /*alert*/, void* user) {
    const auto& impl = *static_cast<const TlsContext::Impl*>(user);
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (asked == nullptr) return SSL_TLSEXT_ERR_NOACK;
    for (std::size_t i = 0; i < impl.certificates.size(); ++i) {
        const auto& names = impl.certificates[i].names;
        if (std::find(names.begin(), names.end(), base::to_lower(asked)) == names.end()) continue;
        SSL_set_SSL_CTX(ssl, impl.contexts[i].get());
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

std::optional<std::string> find_expiry(const TlsCertificate& certificate, base::WallTime now) {
    if (now < certificate.not_before)
        return fmt::format("{} is good only from {} on", certificate.file,
                           base::to_rfc3339(certificate.not_before));
    if (now >= certificate.not_after)
        return fmt::format("{} has ended at {}", certificate.file,
                           base::to_rfc3339(certificate.not_after));
    if (certificate.not_after - now > kExpiryNotice) return std::nullopt;
    const auto hours =
        std::chrono::duration_cast<std::chrono::hours>(certificate.not_after - now).count();
    return fmt::format("{} ends in {} days and {} hours, at {}", certificate.file, hours / 24,
                       hours % 24, base::to_rfc3339(certificate.not_after));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>, Reason> TlsContext::load(const TlsSettings& settings) {
    ERR_clear_error();
    auto impl = std::make_unique<Impl>();
    impl->settings = settings;
    if (settings.identities.size() > kMaxTlsIdentities)
        return Reason{"tls_certificate",
                      fmt::format("there are more than {} certificates", kMaxTlsIdentities)};
    for (const TlsIdentity& identity : settings.identities) {
        auto context = make_context(settings);
        if (!context) return context.error();
        TlsCertificate facts;
        if (auto reason = use_certificate(**context, identity.certificate_file, facts))
            return *reason;
        if (auto reason = use_key(**context, identity)) return *reason;
        impl->contexts.push_back(*std::move(context));
        impl->certificates.push_back(std::move(facts));
    }
    if (impl->contexts.empty()) {
        auto context = make_context(settings);
        if (!context) return context.error();
        impl->contexts.push_back(*std::move(context));
    }
    SSL_CTX* first = impl->contexts.front().get();
    SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(first, impl.get());
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::shared_ptr<const TlsContext>, Reason> TlsContext::make_self_signed(
    const TlsSettings& settings, base::WallTime now) {
    auto impl = std::make_unique<Impl>();
    impl->settings = settings;
    auto context = make_context(settings);
    if (!context) return context.error();
    const auto own = crypto::make_self_signed(now, "tls");
    if (!own) return Reason{"tls_context", std::string(own.error().what)};
    if (SSL_CTX_use_certificate(context->get(), own->certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context->get(), own->key.get()) != 1)
        return Reason{"tls_context", "TLS cannot be set up: " + openssl_text()};
    impl->certificates.push_back(facts_of(*own->certificate, {}));
    impl->contexts.push_back(*std::move(context));
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

const TlsSettings& TlsContext::settings() const { return impl_->settings; }
const std::vector<TlsCertificate>& TlsContext::certificates() const { return impl_->certificates; }

}  // namespace earshot::io
