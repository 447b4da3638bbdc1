// One TLS connection without its socket: bytes of the network and of the application go in and come
// out of memory. The owner moves them; nothing here blocks. One thread.
//
// The loop: after on_bytes(), write() and close(), send take_output(); after on_bytes() also look
// at take_plain() and failure().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/certificate_fingerprint.h"
#include "base/reason.h"
#include "io/tls_context.h"
#include "io/tls_peer.h"

namespace earshot::io {

// When the certificate of the peer is judged.
enum class PeerCheck : std::uint8_t {
    AtOnce,  // in the handshake, as the settings and the name say: who fails gets an alert
    // Once it is open, by whoever knows which fingerprints were told (RFC 8122): each peer is asked
    // for its certificate, and any is let in. Ask find_fault().
    Later,
};

// Of the certificate that we show to who asks for no name (SNI), by sha-256; nothing: we have none.
std::optional<base::CertificateFingerprint> fingerprint_of(const TlsContext& context);

class TlsSession {
public:
    // We were connected to: asks for a client certificate as the settings say.
    static std::unique_ptr<TlsSession> accept(std::shared_ptr<const TlsContext> context,
                                              PeerCheck check = PeerCheck::AtOnce);
    // We have connected: shows the first certificate if it is asked for one. The peer's must speak
    // for `host`, the host of the URI that is called (RFC 5922 section 7.3), and not where DNS led.
    static std::unique_ptr<TlsSession> connect(std::shared_ptr<const TlsContext> context,
                                               std::string host,
                                               PeerCheck check = PeerCheck::AtOnce);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    void on_bytes(base::ByteView cipher);
    // Only once is_open(); of any size.
    void write(std::string_view plain);
    // Says goodbye (close_notify); nothing can be written then.
    void close();

    std::string take_output();
    std::size_t output_size() const;
    base::Bytes take_plain();

    bool is_open() const;  // the handshake is done and nothing has failed since
    bool has_begun() const { return has_begun_; }  // the peer has said anything at all
    bool is_closed_by_peer() const { return is_closed_by_peer_; }
    // Why there is no connection (any more). The codes: tls_wrong_ca, tls_expired,
    // tls_not_yet_valid, tls_name_mismatch, tls_wrong_usage, tls_bad_certificate,
    // tls_no_client_certificate, tls_old_version, tls_no_common_cipher, tls_not_tls, tls_refused
    // (by the peer, which says why), tls_error.
    const std::optional<base::Reason>& failure() const { return failure_; }
    // Who it is, once is_open().
    const TlsPeer& peer() const { return peer_; }
    // PeerCheck::Later, once is_open(): why the peer is not who it has to be. `told`: it has to
    // show one of these certificates, whoever signed it; empty: what AtOnce would have said. The
    // codes: fingerprint_mismatch, and those of failure().
    std::optional<base::Reason> find_fault(
        const std::vector<base::CertificateFingerprint>& told) const;
    std::string describe() const;  // "TLSv1.3, TLS_AES_256_GCM_SHA384"

    class Impl;  // tls_session.cpp

private:
    TlsSession(std::shared_ptr<const TlsContext> context, std::string host, bool is_server,
               PeerCheck check);
    void advance();
    void read_plain();
    void fail(int result);

    std::shared_ptr<const TlsContext> context_;
    std::unique_ptr<Impl> impl_;
    std::string host_;  // empty: we are the server
    TlsPeer peer_;
    base::Bytes plain_;
    std::optional<base::Reason> failure_;
    bool is_handshaken_ = false;
    bool has_begun_ = false;
    bool is_closed_by_peer_ = false;
};

}  // namespace earshot::io
