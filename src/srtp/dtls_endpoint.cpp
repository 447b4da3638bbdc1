#include "srtp/dtls_endpoint.h"

#include <openssl/err.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fingerprint_check.h"
#include "crypto/hmac.h"
#include "crypto/secret_key.h"
#include "srtp/dtls_peer_check.h"
#include "srtp/fault.h"
#include "srtp/limits.h"

namespace earshot::srtp {

namespace {

constexpr std::string_view kExporterLabel = "EXTRACTOR-dtls_srtp";  // RFC 5764 section 4.2

// RFC 6347 section 4.2.4.1: doubled each time, up to a limit. In microseconds.
unsigned next_timeout(SSL* /*ssl*/, unsigned last) {
    using std::chrono::microseconds;
    if (last == 0) return static_cast<unsigned>(microseconds(kFirstDtlsTimeout).count());
    return std::min(2 * last, static_cast<unsigned>(microseconds(kMaxDtlsTimeout).count()));
}

const EVP_MD* algorithm_of(base::HashFunction function) {
    switch (function) {
        case base::HashFunction::Sha1:
            return EVP_sha1();
        case base::HashFunction::Sha224:
            return EVP_sha224();
        case base::HashFunction::Sha256:
            return EVP_sha256();
        case base::HashFunction::Sha384:
            return EVP_sha384();
        case base::HashFunction::Sha512:
            return EVP_sha512();
    }
    return EVP_sha256();
}

std::optional<Suite> suite_of(unsigned long profile) {
    for (const base::SrtpSuiteFacts& facts : base::srtp_suites())
        if (facts.dtls_profile != 0 && facts.dtls_profile == profile) return facts.suite;
    return std::nullopt;
}

// What OpenSSL's newest error was about.
DtlsFault fault_of_queue() {
    const unsigned long error = ERR_peek_last_error();
    const int reason = ERR_GET_REASON(error);
    // Alerts of the peer are reasons from SSL_AD_REASON_OFFSET on.
    return reason >= SSL_AD_REASON_OFFSET ? DtlsFault::Refused : DtlsFault::Protocol;
}

}  // namespace

std::string_view to_string(DtlsFault fault) {
    constexpr std::array<std::string_view, 7> kNames{
        "none", "fingerprint", "profile", "refused", "protocol", "timed_out", "too_much"};
    return kNames.at(static_cast<std::size_t>(fault));
}

base::Bytes digest_of(const x509_st* certificate, base::HashFunction function) {
    base::Bytes digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    if (X509_digest(certificate, algorithm_of(function), digest.data(), &size) != 1) size = 0;
    digest.resize(size);
    return digest;
}

bool is_told_by(const std::vector<base::CertificateFingerprint>& fingerprints,
                const x509_st* certificate) {
    return base::is_told_by(fingerprints, [&](base::HashFunction function) {
        return digest_of(certificate, function);
    });
}

int check_dtls_peer(x509_store_ctx_st* store, void* /*argument*/) {
    const auto* const ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* const endpoint = static_cast<DtlsEndpoint*>(SSL_get_app_data(ssl));
    if (endpoint->admits(X509_STORE_CTX_get0_cert(store))) return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);  // alert: bad_certificate
    return 0;
}

void DtlsEndpoint::SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

DtlsEndpoint::DtlsEndpoint(const DtlsIdentity& identity, DtlsRole role,
                           std::vector<base::CertificateFingerprint> peer)
    : role_(role), peer_(std::move(peer)), ssl_(SSL_new(identity.context_.get())) {
    BIO* const bio = ssl_ ? make_datagram_bio(identity.datagrams_.get(), datagrams_) : nullptr;
    if (bio == nullptr) {
        fail(DtlsFault::Protocol);
        return;
    }
    SSL* const ssl = ssl_.get();
    SSL_set_bio(ssl, bio, bio);  // it has both ends of it, and frees it
    SSL_set_app_data(ssl, this);
    SSL_set_mtu(ssl, static_cast<long>(kDtlsMtuBytes));
    DTLS_set_timer_cb(ssl, next_timeout);
    if (role == DtlsRole::Client) {
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
}

DtlsEndpoint::~DtlsEndpoint() = default;

bool DtlsEndpoint::admits(const x509_st* certificate) {
    if (certificate != nullptr && is_told_by(peer_, certificate)) return true;
    fault_ = DtlsFault::Fingerprint;
    return false;
}

void DtlsEndpoint::start(base::TimePoint now) {
    if (role_ == DtlsRole::Client && state_ == DtlsState::Handshaking) advance(now);
}

void DtlsEndpoint::on_datagram(base::TimePoint now, base::ByteView datagram) {
    if (state_ == DtlsState::Failed || state_ == DtlsState::Closed || datagram.empty() ||
        datagram.size() > kMaxDtlsDatagramBytes)
        return;
    if (state_ == DtlsState::Handshaking) {
        received_bytes_ += datagram.size();
        if (received_bytes_ > kMaxDtlsHandshakeBytes) return fail(DtlsFault::TooMuch);
    }
    datagrams_.received = datagram;
    advance(now);
    datagrams_.received = {};
}

void DtlsEndpoint::on_time(base::TimePoint now) {
    if (state_ != DtlsState::Handshaking || !began_at_) return;
    if (now - *began_at_ >= kMaxDtlsHandshakeTime) return fail(DtlsFault::TimedOut);
    if (!retransmit_at_ || now < *retransmit_at_) return;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(ssl_.get()) < 0) return fail(DtlsFault::TimedOut);
    plan(now);
}

std::optional<base::TimePoint> DtlsEndpoint::deadline() const {
    if (state_ != DtlsState::Handshaking || !began_at_) return std::nullopt;
    const base::TimePoint end = *began_at_ + kMaxDtlsHandshakeTime;
    return retransmit_at_ ? std::min(*retransmit_at_, end) : end;
}

std::optional<base::Bytes> DtlsEndpoint::poll_datagram() {
    if (datagrams_.to_send.empty()) return std::nullopt;
    base::Bytes datagram = std::move(datagrams_.to_send.front());
    datagrams_.to_send.pop_front();
    return datagram;
}

std::optional<DtlsKeys> DtlsEndpoint::take_keys() { return std::exchange(keys_, std::nullopt); }

void DtlsEndpoint::advance(base::TimePoint now) {
    ERR_clear_error();  // another user of the thread may have left something
    if (state_ == DtlsState::Handshaking) {
        if (!began_at_) began_at_ = now;
        on_result(SSL_do_handshake(ssl_.get()));
    }
    // Also right after the handshake: the datagram may hold more.
    if (state_ == DtlsState::Connected) read_on();
    plan(now);
}

void DtlsEndpoint::on_result(int result) {
    if (result == 1) return export_keys();
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    fail(fault_ != DtlsFault::None ? fault_ : fault_of_queue());
}

// What comes after the handshake: a flight that the peer repeats, which OpenSSL answers, and the
// end. There is no data in DTLS-SRTP; it is thrown away.
void DtlsEndpoint::read_on() {
    std::array<std::uint8_t, 256> nobody_reads_it{};
    int result = 0;
    do {
        result =
            SSL_read(ssl_.get(), nobody_reads_it.data(), static_cast<int>(nobody_reads_it.size()));
    } while (result > 0);
    if ((SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) state_ = DtlsState::Closed;
    // A fatal alert or a broken record ends what DTLS may still do; the keys were agreed.
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL) state_ = DtlsState::Closed;
}

void DtlsEndpoint::export_keys() {
    const SRTP_PROTECTION_PROFILE* const profile = SSL_get_selected_srtp_profile(ssl_.get());
    const auto suite = profile == nullptr ? std::nullopt : suite_of(profile->id);
    if (!suite) return fail(DtlsFault::Profile);
    const base::SrtpSuiteFacts& facts = base::facts_of(*suite);

    // RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt.
    std::array<std::uint8_t, 2 * base::SrtpMasterKey::kMaxMaterialBytes> exported{};
    if (SSL_export_keying_material(ssl_.get(), exported.data(), 2 * facts.material_bytes(),
                                   kExporterLabel.data(), kExporterLabel.size(), nullptr, 0,
                                   0) != 1)
        return fail(DtlsFault::Protocol);
    std::array<std::uint8_t, base::SrtpMasterKey::kMaxMaterialBytes> material{};
    const auto key_of = [&](std::size_t side) {
        const auto* const key = exported.data() + side * facts.key_bytes;
        const auto* const salt = exported.data() + 2 * facts.key_bytes + side * facts.salt_bytes;
        std::copy_n(key, facts.key_bytes, material.begin());
        std::copy_n(salt, facts.salt_bytes, material.begin() + facts.key_bytes);
        return *base::SrtpMasterKey::from(*suite,
                                          base::ByteView(material).first(facts.material_bytes()));
    };
    const base::SrtpMasterKey client = key_of(0);
    const base::SrtpMasterKey server = key_of(1);
    crypto::wipe(exported);
    crypto::wipe(material);
    const bool are_we_client = role_ == DtlsRole::Client;
    keys_ = DtlsKeys{.ours = are_we_client ? client : server,
                     .theirs = are_we_client ? server : client};
    state_ = DtlsState::Connected;
}

void DtlsEndpoint::fail(DtlsFault fault) {
    state_ = DtlsState::Failed;
    fault_ = fault;
    retransmit_at_.reset();
}

void DtlsEndpoint::plan(base::TimePoint now) {
    retransmit_at_.reset();
    timeval left{};
    if (state_ != DtlsState::Handshaking || DTLSv1_get_timeout(ssl_.get(), &left) != 1) return;
    retransmit_at_ =
        now + std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
}

}  // namespace earshot::srtp
