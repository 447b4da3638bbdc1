// The event loop of a thread that serves byte streams: TCP, and TLS over it at the same port, told
// apart by the first octet (RFC 8446 section 5.1: a handshake begins with 22, no text does). It
// moves bytes; what they mean is its Handler's business. All of Asio is in the source.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/tls_context.h"
#include "io/tls_peer.h"
#include "io/tls_session.h"
#include "transport/limits.h"

namespace earshot::transport {

// The limits are those of limits.h; tests have smaller ones.
struct StreamLoopOptions {
    std::string protocol{};  // for texts: "MSRP"
    std::size_t max_connections = kMaxConnections;
    std::size_t max_connections_per_host = kMaxConnectionsPerHost;
    std::size_t max_queued_bytes = kMaxQueuedBytesPerConnection;
    std::chrono::milliseconds first_bytes_time = kFirstMessageTime;
    std::chrono::milliseconds handshake_time = kHandshakeTime;
    std::chrono::milliseconds tick = std::chrono::milliseconds{250};
    std::shared_ptr<const io::TlsContext> tls{};  // null: no TLS, neither way
    // Later: whoever serves the connection asks find_fault() before it believes who that is.
    io::PeerCheck peer_check = io::PeerCheck::AtOnce;
};

class StreamLoop {
public:
    using ConnectionId = std::uint64_t;  // never used again; 0: none

    // Called on the loop's thread, one at a time.
    class Handler {
    public:
        Handler() = default;
        Handler(const Handler&) = delete;
        Handler& operator=(const Handler&) = delete;
        virtual ~Handler() = default;

        // It can be written to: its first octets have come, or the handshake is done, or connect()
        // has. `peer`: by TLS, else null.
        virtual void on_open(ConnectionId connection, const base::NetAddress& remote,
                             const io::TlsPeer* peer) = 0;
        virtual void on_bytes(ConnectionId connection, base::ByteView bytes) = 0;
        // Also of a connect() that failed; not of a close() of ours.
        virtual void on_closed(ConnectionId connection) = 0;
        // All that was sent has been taken by its socket.
        virtual void on_writable(ConnectionId /*connection*/) {}
        virtual void on_tick() = 0;
    };

    struct Counters {
        std::atomic<std::uint64_t> connections{0};          // open now
        std::atomic<std::uint64_t> connections_refused{0};  // over a limit
        std::atomic<std::uint64_t> tls_failures{0};
    };

    // Binds all addresses; port 0: any free one.
    static base::Result<std::unique_ptr<StreamLoop>, base::Reason> create(
        const std::vector<base::NetAddress>& listens, base::Log& log, StreamLoopOptions options);
    StreamLoop(const StreamLoop&) = delete;
    StreamLoop& operator=(const StreamLoop&) = delete;
    ~StreamLoop();

    const std::vector<base::NetAddress>& local_addresses() const;  // in the order of `listens`

    // Serves until stop(). `handler` is borrowed for the run.
    void run(Handler& handler);

    // Any thread.
    void post(std::function<void()> work);
    void stop();
    const Counters& counters() const;

    // The loop's thread only, from here on. What is not open (any more) is passed over.
    // A peer that does not read is closed when max_queued_bytes wait for it.
    void send(ConnectionId connection, std::string bytes);
    // After what was sent has gone out.
    void close(ConnectionId connection);
    // Off: nothing is read from it, so that its peer waits.
    void set_reading(ConnectionId connection, bool reading);
    // Octets that its socket has not taken yet.
    std::size_t queued_bytes(ConnectionId connection) const;
    // 0: too many connections, or TLS that we do not have. `tls_name`: who must be there; empty:
    // TCP.
    ConnectionId connect(const base::NetAddress& to, const std::string& tls_name);
    // As TlsSession::find_fault(); of a connection without TLS none.
    std::optional<base::Reason> find_fault(
        ConnectionId connection, const std::vector<base::CertificateFingerprint>& told) const;
    // Of connections that begin from now on.
    void set_tls(std::shared_ptr<const io::TlsContext> tls);

private:
    class Impl;
    explicit StreamLoop(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::transport
