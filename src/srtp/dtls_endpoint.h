// One DTLS association for SRTP keys (RFC 5764, RFC 6347): datagrams go in and come out, the end is
// two master keys or a reason why there are none. It does no I/O; the time for sending a flight
// again is the caller's `now`, measured from OpenSSL's own clock, which cannot be given from
// outside. Belongs to one thread.
//
//     endpoint.start(now);
//     endpoint.on_datagram(now, bytes);       // of the peer's address alone: the caller knows it
//     endpoint.on_time(now);                  // at deadline()
//     while (auto out = endpoint.poll_datagram()) send(*out);
//     if (endpoint.state() == ...Connected) auto keys = endpoint.take_keys();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/certificate_fingerprint.h"
#include "base/srtp_key.h"
#include "base/time.h"
#include "srtp/dtls_datagrams.h"
#include "srtp/dtls_identity.h"

struct ssl_st;  // OpenSSL's SSL
struct x509_st;
struct x509_store_ctx_st;

namespace earshot::srtp {

// By a=setup (RFC 8842): the active side is the client.
enum class DtlsRole : std::uint8_t { Client, Server };

enum class DtlsState : std::uint8_t {
    Handshaking,
    Connected,
    Closed,  // after Connected, by the peer's close_notify: the keys stay good
    Failed,  // for good
};

// Why a handshake failed.
enum class DtlsFault : std::uint8_t {
    None,
    Fingerprint,  // the peer's certificate is not the one of its SDP
    Profile,      // no protection profile in common (RFC 5764 section 4.1.2)
    Refused,      // the peer sent a fatal alert
    Protocol,     // broken or forbidden: a version, a cipher, no certificate, a lying record
    TimedOut,     // kMaxDtlsHandshakeTime
    TooMuch,      // kMaxDtlsHandshakeBytes
};
std::string_view to_string(DtlsFault fault);  // none, fingerprint, profile, ...

struct DtlsKeys {
    base::SrtpMasterKey ours;    // protects what we send
    base::SrtpMasterKey theirs;  // what we receive
};

class DtlsEndpoint {
public:
    // `peer`: of its SDP. Without any no certificate is right.
    DtlsEndpoint(const DtlsIdentity& identity, DtlsRole role,
                 std::vector<base::CertificateFingerprint> peer);
    DtlsEndpoint(const DtlsEndpoint&) = delete;
    DtlsEndpoint& operator=(const DtlsEndpoint&) = delete;
    ~DtlsEndpoint();

    void start(base::TimePoint now);  // a client's hello; a server waits
    void on_datagram(base::TimePoint now, base::ByteView datagram);
    void on_time(base::TimePoint now);
    std::optional<base::TimePoint> deadline() const;  // nothing: none while the peer is silent
    std::optional<base::Bytes> poll_datagram();

    DtlsState state() const { return state_; }
    DtlsFault fault() const { return fault_; }
    DtlsRole role() const { return role_; }
    // Once, when Connected.
    std::optional<DtlsKeys> take_keys();

private:
    friend int check_dtls_peer(x509_store_ctx_st* store, void* argument);
    bool admits(const x509_st* certificate);

    void advance(base::TimePoint now);
    void on_result(int result);
    void read_on();
    void export_keys();
    void fail(DtlsFault fault);
    void plan(base::TimePoint now);

    struct SslDeleter {
        void operator()(ssl_st* ssl) const;
    };

    const DtlsRole role_;
    const std::vector<base::CertificateFingerprint> peer_;
    DtlsDatagrams datagrams_;
    std::unique_ptr<ssl_st, SslDeleter> ssl_;
    DtlsState state_ = DtlsState::Handshaking;
    DtlsFault fault_ = DtlsFault::None;
    std::size_t received_bytes_ = 0;  // in the handshake
    std::optional<base::TimePoint> began_at_;
    std::optional<base::TimePoint> retransmit_at_;
    std::optional<DtlsKeys> keys_;
};

}  // namespace earshot::srtp
