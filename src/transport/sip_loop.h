// The event loop of a signalling thread: SIP over UDP, TCP and TLS (RFC 3261 §18, §26.2), one
// timer, and functions posted by other threads. It moves bytes; what they mean is sip::Agent's
// business. All of Asio that signalling needs is inside the sources of this folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "io/tls_context.h"
#include "io/tls_peer.h"
#include "sip/agent.h"
#include "sip/flow.h"
#include "sip/server_location.h"
#include "sip/stream_framer.h"
#include "transport/limits.h"

namespace earshot::transport {

struct Listen {
    sip::Transport transport = sip::Transport::Udp;
    base::NetAddress address;  // port 0: any free one
    // Streams: false for a client, which only connects from this address.
    bool accept = true;
};

// The limits are those of limits.h; tests have smaller ones.
struct SipLoopOptions {
    std::string dns_servers{};  // HOST[:PORT] separated by commas; empty: those of the system
    std::size_t max_connections = kMaxConnections;
    std::size_t max_connections_per_host = kMaxConnectionsPerHost;
    std::chrono::milliseconds first_message_time = kFirstMessageTime;
    std::chrono::milliseconds message_time = kMessageTime;
    std::chrono::milliseconds idle_time = kIdleTime;
    std::shared_ptr<const io::TlsContext> tls{};  // none: no TLS, neither way
    std::size_t max_handshakes = kMaxHandshakes;
    std::size_t max_handshakes_per_host = kMaxHandshakesPerHost;
    std::chrono::milliseconds handshake_time = kHandshakeTime;
};

class SipLoop {
public:
    // Called on the loop's thread, one at a time.
    class Handler {
    public:
        Handler() = default;
        Handler(const Handler&) = delete;
        Handler& operator=(const Handler&) = delete;
        virtual ~Handler() = default;

        // One datagram, or one message cut out of a stream.
        virtual void on_bytes(const sip::Flow& flow, base::Bytes&& bytes) = 0;
        // The stream cannot be followed; it is closed after what you send now has gone out.
        virtual void on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) = 0;
        virtual void on_flow_closed(const sip::Flow& flow) = 0;
        virtual void on_send_failed(sip::TransactionId transaction) = 0;
        virtual void on_deadline() = 0;
    };

    struct Counters {
        std::atomic<std::uint64_t> datagrams{0};
        std::atomic<std::uint64_t> connections_refused{0};  // over a limit
        std::atomic<std::uint64_t> connections_timed_out{0};
        std::atomic<std::uint64_t> send_failures{0};
        std::atomic<std::uint64_t> connections{0};     // open now
        std::atomic<std::uint64_t> tls_handshakes{0};  // that were done
        std::atomic<std::uint64_t> tls_failures{
            0};  // connections that did not come to be, or broke
    };

    // Binds all addresses. The reason names the address and what occupies it, as far as it can be
    // told.
    static base::Result<std::unique_ptr<SipLoop>, base::Reason> create(
        const std::vector<Listen>& listens, base::Log& log, const SipLoopOptions& options = {});
    SipLoop(const SipLoop&) = delete;
    SipLoop& operator=(const SipLoop&) = delete;
    ~SipLoop();

    // What was bound, in the order of `listens` (Flow::listener is the index).
    std::uint16_t listener_count() const;
    sip::Transport transport(std::uint16_t listener) const;
    base::NetAddress local_address(std::uint16_t listener) const;

    // Serves until stop(). `handler` is borrowed for the run.
    void run(Handler& handler);

    // Any thread.
    void post(std::function<void()> work);
    void stop();

    // The loop's thread only, from here on.
    // on_deadline() is called at or after `when`; nullopt: never. Replaces the one before.
    void set_deadline(std::optional<base::TimePoint> when);
    // A stream without an open connection is connected first; failures come by on_send_failed.
    // `tls_name`: by TLS to whose certificate speaks for this host (RFC 5922); empty: only over a
    // connection that is there.
    void send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
              std::string_view tls_name = {});
    // Requests to `address` go over this connection, which its peer has offered for that
    // (RFC 5923); until it closes. One address for each connection; by TLS only to names that its
    // peer's certificate has.
    void add_alias(const sip::Flow& flow, const base::NetAddress& address);
    // What TLS connections are made with from now on; those that run keep theirs.
    void set_tls(std::shared_ptr<const io::TlsContext> tls);
    // Who is at the other end of a TLS connection; null: another transport, or it is closed.
    // Borrowed until the connection closes.
    const io::TlsPeer* peer(const sip::Flow& flow) const;
    // Looks for the targets of a SIP URI (RFC 3263); `found` is called later, on this thread, with
    // none when there are none. `random` is borrowed until then.
    using Located = std::function<void(std::vector<sip::Target>)>;
    void locate(const std::string& uri, base::Random& random, Located found);
    // `readable` is called whenever there is something to read from the descriptor, or an error to
    // fetch: it reads until there is nothing, or is called again. For the life of the loop; the
    // descriptor, which stays the caller's, may be closed meanwhile.
    void watch(int descriptor, std::function<void()> readable);
    // `handle` is called for each of these signals; for the program's main loop only.
    void watch_signals(const std::vector<int>& signals, std::function<void(int)> handle);

    const Counters& counters() const;

private:
    class Impl;
    explicit SipLoop(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::transport
