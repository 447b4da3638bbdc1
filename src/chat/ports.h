// What chats need of the world: byte streams. In the client a transport::StreamLoop; in tests
// lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/reason.h"

namespace earshot::chat {

using ConnectionId = std::uint64_t;  // never used again; 0: none

// None of these calls back.
class Network {
public:
    Network() = default;
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    virtual ~Network() = default;

    virtual void send(ConnectionId connection, std::string bytes) = 0;
    virtual void close(ConnectionId connection) = 0;  // after what was sent has gone out
    // Off: nothing is read from it, so that its peer waits.
    virtual void set_reading(ConnectionId connection, bool reading) = 0;
    // 0: it cannot. Empty `tls_name`: TCP; else who must be there.
    virtual ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) = 0;
    // Why the other end of a TLS connection is not who it has to be: `told` are the fingerprints
    // that its SDP names (RFC 8122); empty: it is known by the name in its certificate.
    virtual std::optional<base::Reason> find_fault(
        ConnectionId connection, const std::vector<base::CertificateFingerprint>& told) = 0;
    // Octets that its socket has not taken yet.
    virtual std::size_t queued_bytes(ConnectionId connection) const = 0;
};

}  // namespace earshot::chat
