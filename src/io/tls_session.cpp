#include "io/tls_session.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <array>

#include "base/fingerprint_check.h"
#include "io/tls_failure.h"
#include "io/tls_openssl.h"

namespace earshot::io {

class TlsSession::Impl {
public:
    SslPtr ssl;
    BIO* in = nullptr;   // of ssl
    BIO* out = nullptr;  // of ssl
    const std::string* host = nullptr;
    std::optional<CertificateFault> fault;  // of the peer's certificate
    bool lets_all_in = false;               // PeerCheck::Later
};

namespace {

std::string joined(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return all;
}

// Of each certificate of the chain, the peer's own last. What is for SIP, and whose it must be, is
// asked here, so that the peer is told by an alert.
int on_certificate(int is_good, X509_STORE_CTX* store) {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& impl = *static_cast<TlsSession::Impl*>(SSL_get_app_data(ssl));
    X509* certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate == nullptr) return is_good;
    int error = is_good == 1 ? X509_V_OK : X509_STORE_CTX_get_error(store);
    TlsPeer peer;
    if (is_good == 1 && X509_STORE_CTX_get_error_depth(store) == 0) {
        peer = read_identities(*certificate);
        peer.is_verified = true;
        if (!is_for_sip(*certificate)) error = X509_V_ERR_INVALID_PURPOSE;
        if (!impl.host->empty() && !peer.speaks_for(*impl.host))
            error = X509_V_ERR_HOSTNAME_MISMATCH;
    }
    if (error == X509_V_OK) return 1;
    X509_STORE_CTX_set_error(store, error);
    std::vector<std::string> names = std::move(peer.domains);
    for (const auto& address : peer.addresses) names.push_back(base::host_to_string(address));
    impl.fault = {.error = error,
                  .subject = name_text(X509_get_subject_name(certificate)),
                  .issuer = name_text(X509_get_issuer_name(certificate)),
                  .wanted = *impl.host,
                  .names = joined(names),
                  .has_wildcard = peer.has_wildcard};
    return impl.lets_all_in ? 1 : 0;
}

int verify_mode(const TlsSettings& settings, bool is_server, PeerCheck check) {
    if (!is_server || check == PeerCheck::Later) return SSL_VERIFY_PEER;
    switch (settings.client_certificate) {
        case ClientCertificate::Require:
            return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        case ClientCertificate::Request:
            return SSL_VERIFY_PEER;
        case ClientCertificate::No:
            break;
    }
    return SSL_VERIFY_NONE;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, std::string host, bool is_server,
                       PeerCheck check)
    : context_(std::move(context)), impl_(std::make_unique<Impl>()), host_(std::move(host)) {
    impl_->host = &host_;
    impl_->lets_all_in = check == PeerCheck::Later;
    impl_->ssl.reset(SSL_new(context_->impl().contexts.front().get()));
    SSL* ssl = impl_->ssl.get();
    if (ssl == nullptr) {
        failure_ = tls_failure(ERR_peek_last_error(), is_server);
        ERR_clear_error();
        return;
    }
    impl_->in = BIO_new(BIO_s_mem());
    impl_->out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, impl_->in, impl_->out);
    SSL_set_app_data(ssl, impl_.get());
    SSL_set_verify(ssl, verify_mode(context_->settings(), is_server, check), on_certificate);
    SSL_set_purpose(ssl, X509_PURPOSE_ANY);  // is_for_sip() asks instead
    if (is_server) {
        // Whose certificate is its own and known by its fingerprint must not look for a CA of ours.
        if (check == PeerCheck::Later) SSL_set_client_CA_list(ssl, sk_X509_NAME_new_null());
        SSL_set_accept_state(ssl);
        return;
    }
    if (!base::parse_host(host_, 0))  // RFC 6066: no addresses
        SSL_set_tlsext_host_name(ssl, host_.c_str());
    SSL_set_connect_state(ssl);
    advance();
}

TlsSession::~TlsSession() = default;

std::unique_ptr<TlsSession> TlsSession::accept(std::shared_ptr<const TlsContext> context,
                                               PeerCheck check) {
    return std::unique_ptr<TlsSession>(new TlsSession(std::move(context), {}, true, check));
}

std::unique_ptr<TlsSession> TlsSession::connect(std::shared_ptr<const TlsContext> context,
                                                std::string host, PeerCheck check) {
    return std::unique_ptr<TlsSession>(
        new TlsSession(std::move(context), std::move(host), false, check));
}

void TlsSession::on_bytes(base::ByteView cipher) {
    if (failure_ || is_closed_by_peer_ || cipher.empty()) return;
    has_begun_ = true;
    BIO_write(impl_->in, cipher.data(), static_cast<int>(cipher.size()));
    advance();
}

void TlsSession::advance() {
    ERR_clear_error();
    SSL* ssl = impl_->ssl.get();
    if (!is_handshaken_) {
        const int result = SSL_do_handshake(ssl);
        if (result != 1) return fail(result);
        is_handshaken_ = true;
        if (const X509Ptr certificate{SSL_get1_peer_certificate(ssl)}) {
            peer_ = read_identities(*certificate);
            // Only the verify callback lets a handshake go on; without it nobody was asked.
            peer_.is_verified = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                                SSL_get_verify_result(ssl) == X509_V_OK;
        }
    }
    read_plain();
}

void TlsSession::read_plain() {
    std::array<std::uint8_t, 16384> piece{};  // a record of TLS
    while (true) {
        const int count = SSL_read(impl_->ssl.get(), piece.data(), static_cast<int>(piece.size()));
        if (count <= 0) return fail(count);
        plain_.insert(plain_.end(), piece.begin(), piece.begin() + count);
    }
}

// Of what returned 0 or less; most often OpenSSL only waits for more.
void TlsSession::fail(int result) {
    switch (SSL_get_error(impl_->ssl.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return;
        case SSL_ERROR_ZERO_RETURN:
            is_closed_by_peer_ = true;
            return;
        default:
            break;
    }
    failure_ = impl_->fault && !impl_->lets_all_in ? certificate_failure(*impl_->fault)
                                                   : tls_failure(ERR_peek_error(), host_.empty());
    ERR_clear_error();
}

void TlsSession::write(std::string_view plain) {
    if (!is_open() || plain.empty()) return;
    ERR_clear_error();
    const int count = SSL_write(impl_->ssl.get(), plain.data(), static_cast<int>(plain.size()));
    if (count <= 0) fail(count);
}

void TlsSession::close() {
    if (!is_open()) return;
    ERR_clear_error();
    SSL_shutdown(impl_->ssl.get());
    ERR_clear_error();
}

std::size_t TlsSession::output_size() const {
    return impl_->out == nullptr ? 0 : BIO_ctrl_pending(impl_->out);
}

std::string TlsSession::take_output() {
    std::string bytes(output_size(), '\0');
    if (!bytes.empty()) BIO_read(impl_->out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

base::Bytes TlsSession::take_plain() { return std::exchange(plain_, {}); }

bool TlsSession::is_open() const { return is_handshaken_ && !failure_; }

std::optional<base::CertificateFingerprint> fingerprint_of(const TlsContext& context) {
    if (context.certificates().empty()) return std::nullopt;
    const X509* own = SSL_CTX_get0_certificate(context.impl().contexts.front().get());
    return base::CertificateFingerprint{.function = base::HashFunction::Sha256,
                                        .digest = digest_of(*own, base::HashFunction::Sha256)};
}

std::optional<base::Reason> TlsSession::find_fault(
    const std::vector<base::CertificateFingerprint>& told) const {
    const X509Ptr shown{SSL_get1_peer_certificate(impl_->ssl.get())};
    const ClientCertificate wanted = context_->settings().client_certificate;
    const bool is_server = host_.empty();
    if (!shown) {
        if (told.empty() && is_server && wanted != ClientCertificate::Require) return std::nullopt;
        return base::Reason{"tls_no_client_certificate",
                            "The other side has shown no certificate, and one is required."};
    }
    if (told.empty()) {
        if (!impl_->fault || (is_server && wanted == ClientCertificate::No)) return std::nullopt;
        return certificate_failure(*impl_->fault);
    }
    const auto hash = [&](base::HashFunction function) { return digest_of(*shown, function); };
    if (base::is_told_by(told, hash)) return std::nullopt;
    return base::Reason{
        "fingerprint_mismatch",
        fmt::format("The certificate of {} is not the one that a=fingerprint names.",
                    peer_.subject)};
}

std::string TlsSession::describe() const {
    return fmt::format("{}, {}", SSL_get_version(impl_->ssl.get()),
                       SSL_get_cipher_name(impl_->ssl.get()));
}

}  // namespace earshot::io
