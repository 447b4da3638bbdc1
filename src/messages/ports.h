// What the message desk needs of the world: connections and a journal. In the server a
// transport::StreamLoop and the capture engine; in tests lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/uuid.h"
#include "journal/record.h"

namespace earshot::messages {

using ConnectionId = std::uint64_t;  // never used again; 0: none

// One m-line of a recording.
struct SessionKey {
    base::Uuid recording;
    std::uint16_t stream = 0;
    friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

class Network {
public:
    Network() = default;
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    virtual ~Network() = default;

    virtual void send(ConnectionId connection, std::string bytes) = 0;
    virtual void close(ConnectionId connection) = 0;  // after what was sent has gone out
    virtual void set_reading(ConnectionId connection, bool reading) = 0;
    virtual std::size_t queued_bytes(ConnectionId connection) const = 0;  // not taken by it yet
    // 0: it cannot. Empty `tls_name`: TCP; else who must be there.
    virtual ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) = 0;
    // Why the other end of a TLS connection is not who it has to be: `told` are the fingerprints
    // that its SDP names (RFC 8122); empty: it is known by the name in its certificate.
    virtual std::optional<base::Reason> find_fault(
        ConnectionId connection, const std::vector<base::CertificateFingerprint>& told) = 0;
};

class Journal {
public:
    Journal() = default;
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    virtual ~Journal() = default;

    // False: its queue is full; nothing was taken, and `payload` is as it was.
    virtual bool append(const SessionKey& key, journal::RecordType type, std::int64_t arrival_ns,
                        base::Bytes& payload) = 0;
    // Desk::on_durable(token) follows once all that was appended for the recording is durable.
    // False as above.
    virtual bool request_durable(const base::Uuid& recording, std::uint64_t token) = 0;
};

}  // namespace earshot::messages
