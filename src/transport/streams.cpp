#include "transport/streams.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "io/log_allowance.h"
#include "io/tls_session.h"
#include "transport/endpoint.h"
#include "transport/handshake_guard.h"
#include "transport/limits.h"

namespace earshot::transport {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::NetAddress;
using boost::system::error_code;

namespace {

struct Outgoing {
    sip::SharedBytes bytes;
    sip::TransactionId transaction;
};

// One connection. Kept in connections_ until close(); handlers hold a shared_ptr because Asio still
// calls them, with an error, after the close.
struct Connection {
    explicit Connection(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    sip::Flow flow{};
    std::optional<NetAddress> alias{};      // see add_alias()
    std::unique_ptr<io::TlsSession> tls{};  // none: TCP, or TLS whose connection is being made
    std::string tls_name{};                 // of ours: who must be there
    sip::StreamFramer framer{};
    std::array<std::uint8_t, 16384> buffer{};
    std::deque<Outgoing> queue{};
    std::size_t queued_bytes = 0;
    // Written on a connection of ours on which nothing has come back yet: when it ends they have
    // failed, whatever their timers would still wait for.
    std::vector<sip::TransactionId> unheard{};
    base::TimePoint expires{};
    bool connected = false;  // and can be written to
    bool is_writing = false;
    bool close_after_writing = false;
    bool is_lingering = false;  // all is said; waits for the peer to close
    bool closed = false;
    bool is_ours = false;      // we opened it
    bool is_heard = false;     // something came on it
    bool has_message = false;  // a whole message came: not a stranger who only holds the line

    bool is_tls() const { return flow.transport == sip::Transport::Tls; }
    bool is_handshaking() const { return is_tls() && (tls == nullptr || !tls->is_open()); }
    bool is_ready() const { return connected && !is_handshaking(); }
    // Whether requests to `name` may go over it; empty: to whoever is there (RFC 5923 section 9).
    bool leads_to(std::string_view name) const {
        if (!is_tls() || name.empty()) return true;
        if (is_ours && base::iequals(tls_name, name)) return true;
        return tls != nullptr && tls->is_open() && tls->peer().speaks_for(name);
    }
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct Door {
    Door(asio::io_context& io, Listen what) : listen(what), acceptor(io), pause(io) {}
    Listen listen;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
};

NetAddress host_of(const NetAddress& address) {
    NetAddress host = address;
    host.port = 0;
    return host;
}

}  // namespace

class Streams::Impl {
public:
    Impl(asio::io_context& io, base::Log& log, const SipLoopOptions& options,
         SipLoop::Counters& counters)
        : io_(io),
          log_(log),
          options_(options),
          counters_(counters),
          tls_(options.tls),
          watch_(io) {}

    Bound listen(std::uint16_t index, const Listen& what) {
        auto door = std::make_unique<Door>(io_, what);
        if (!what.accept) return {.address = what.address};
        const auto endpoint = to_endpoint<tcp::endpoint>(what.address);
        tcp::acceptor& acceptor = door->acceptor;
        error_code error;
        static_cast<void>(acceptor.open(endpoint.protocol(), error));
        if (!error)
            static_cast<void>(acceptor.set_option(tcp::acceptor::reuse_address(true), error));
        // Else Asio keeps such an error to itself and waits for the next peer, with others in line.
        if (!error)
            static_cast<void>(
                acceptor.set_option(asio::socket_base::enable_connection_aborted(true), error));
        if (!error) keep_to_family(acceptor, what.address, error);
        if (!error) static_cast<void>(acceptor.bind(endpoint, error));
        if (!error) static_cast<void>(acceptor.listen(1024, error));
        if (error)
            return {.address = what.address,
                    .fault = error.message(),
                    .is_in_use = error == asio::error::address_in_use};
        const NetAddress bound = from_endpoint(acceptor.local_endpoint());
        doors_[index] = std::move(door);
        return {.address = bound};
    }

    void serve(SipLoop::Handler* handler) {
        handler_ = handler;
        if (handler == nullptr) return;
        for (const auto& [index, door] : doors_) accept_next(index);
        watch_connections();
    }

    void set_tls(std::shared_ptr<const io::TlsContext> tls) { tls_ = std::move(tls); }

    const io::TlsPeer* peer(const sip::Flow& flow) const {
        const auto found = connections_.find(flow.connection);
        if (found == connections_.end() || found->second->is_handshaking()) return nullptr;
        return found->second->tls == nullptr ? nullptr : &found->second->tls->peer();
    }

    void add_alias(const sip::Flow& flow, const NetAddress& address) {
        const auto found = connections_.find(flow.connection);
        if (found == connections_.end() || found->second->alias == address) return;
        Connection& connection = *found->second;
        // RFC 5923 section 9: over TLS a certificate says who may be asked here; without one
        // nobody.
        if (connection.is_tls() &&
            (connection.tls == nullptr || !connection.tls->peer().is_verified))
            return;
        drop_alias(connection);
        connection.alias = address;
        by_remote_.emplace(Remote{connection.flow.transport, address}, connection.flow.connection);
    }

    void send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
              std::string_view tls_name) {
        ConnectionPtr connection = find_connection(flow, tls_name);
        if (connection == nullptr) connection = connect(flow, tls_name);
        if (connection == nullptr) return fail(transaction);
        enqueue(connection, {.bytes = std::move(bytes), .transaction = transaction});
    }

private:
    using Remote = std::pair<sip::Transport, NetAddress>;

    // Later, not now: the sender is in the middle of draining its actions.
    void fail(sip::TransactionId transaction) {
        counters_.send_failures.fetch_add(1, std::memory_order_relaxed);
        if (!transaction) return;
        asio::post(io_, [this, transaction] {
            if (handler_ != nullptr) handler_->on_send_failed(transaction);
        });
    }

    // ---- who comes

    void accept_next(std::uint16_t index) {
        Door& door = *doors_.at(index);
        if (door.listen.transport == sip::Transport::Tls)
            if (const auto wait = guard_.take_turn(std::chrono::steady_clock::now());
                wait.count() > 0)
                return accept_later(index, wait);
        door.acceptor.async_accept([this, index](const error_code& error, tcp::socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (error == asio::error::connection_aborted) return accept_next(index);
            if (error) return accept_later(index, kAcceptPause);
            take_connection(index, std::move(socket));
            accept_next(index);
        });
    }

    // Of an error: most likely no descriptor is free, the next accept would fail at once, and so on
    // for ever.
    void accept_later(std::uint16_t index, std::chrono::milliseconds wait) {
        asio::steady_timer& pause = doors_.at(index)->pause;
        pause.expires_after(wait);
        pause.async_wait([this, index](const error_code& error) {
            if (!error) accept_next(index);
        });
    }

    void take_connection(std::uint16_t index, tcp::socket socket) {
        error_code error;
        const tcp::endpoint remote = socket.remote_endpoint(error);
        if (error) return;
        const NetAddress peer = from_endpoint(remote);
        const sip::Transport transport = doors_.at(index)->listen.transport;
        if (!has_room(peer) ||
            (transport == sip::Transport::Tls && !has_room_for_handshake(peer))) {
            counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
            if (transport == sip::Transport::Tls) guard_.give_back_turn();
            return;  // the socket closes itself
        }
        const ConnectionPtr connection =
            add_connection({transport, index, 0, peer}, std::move(socket));
        connection->connected = true;
        set_up(*connection);
        if (connection->is_tls()) {
            connection->tls = io::TlsSession::accept(tls_);
            handshaking_.insert(connection->flow.connection);
            ++handshakes_of_[host_of(peer)];
            connection->expires = std::chrono::steady_clock::now() + options_.handshake_time;
        } else {
            connection->expires = std::chrono::steady_clock::now() + options_.first_message_time;
        }
        read_next(connection);
    }

    bool has_room(const NetAddress& peer) const {
        const auto known = hosts_.find(host_of(peer));
        return connections_.size() < options_.max_connections &&
               (known == hosts_.end() || known->second < options_.max_connections_per_host);
    }

    bool has_room_for_handshake(const NetAddress& peer) {
        if (tls_ == nullptr || !guard_.admits(std::chrono::steady_clock::now(), peer)) return false;
        const auto known = handshakes_of_.find(host_of(peer));
        if (known != handshakes_of_.end() && known->second >= options_.max_handshakes_per_host)
            return false;
        if (handshaking_.size() >= options_.max_handshakes)
            close(connections_.at(*handshaking_.begin()));
        return true;
    }

    ConnectionPtr add_connection(const sip::Flow& flow, tcp::socket socket) {
        auto connection = std::make_shared<Connection>(std::move(socket));
        connection->flow = flow;
        connection->flow.connection = ++last_connection_;
        connections_.emplace(last_connection_, connection);
        by_remote_.emplace(Remote{flow.transport, flow.remote}, last_connection_);
        ++hosts_[host_of(flow.remote)];
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        return connection;
    }

    static void set_up(Connection& connection) {
        error_code ignored;
        static_cast<void>(connection.socket.non_blocking(true, ignored));
        static_cast<void>(connection.socket.set_option(tcp::no_delay(true), ignored));
        // A peer that went away without a word is found out while its connection rests.
        static_cast<void>(
            connection.socket.set_option(asio::socket_base::keep_alive(true), ignored));
    }

    // ---- whom we ask

    ConnectionPtr find_connection(const sip::Flow& flow, std::string_view tls_name) const {
        if (const auto own = connections_.find(flow.connection); own != connections_.end())
            return own->second;
        // The connection that the request came on is gone: another one to the same peer will do
        // (RFC 3261 §18.2.2), the newest.
        auto [first, last] = by_remote_.equal_range({flow.transport, flow.remote});
        while (last != first) {
            const auto found = connections_.find((--last)->second);
            if (found != connections_.end() && !found->second->close_after_writing &&
                found->second->leads_to(tls_name))
                return found->second;
        }
        return nullptr;
    }

    // By TLS only to somebody: an answer whose connection is gone names nobody.
    ConnectionPtr connect(const sip::Flow& flow, std::string_view tls_name) {
        if (connections_.size() >= options_.max_connections) return nullptr;
        const bool is_tls = flow.transport == sip::Transport::Tls;
        if (is_tls && (tls_ == nullptr || tls_name.empty())) return nullptr;
        tcp::socket socket(io_);
        const auto to = to_endpoint<tcp::endpoint>(flow.remote);
        error_code error;
        static_cast<void>(socket.open(to.protocol(), error));
        if (error) return nullptr;
        ConnectionPtr connection = add_connection(flow, std::move(socket));
        connection->is_ours = true;
        connection->has_message = true;
        connection->tls_name = tls_name;
        connection->expires = std::chrono::steady_clock::now() + options_.idle_time;
        const auto patience = std::make_shared<asio::steady_timer>(io_, kConnectTime);
        patience->async_wait([this, connection](const error_code& cancelled) {
            if (!cancelled && !connection->connected) close(connection);
        });
        connection->socket.async_connect(to,
                                         [this, connection, patience](const error_code& failure) {
                                             patience->cancel();
                                             if (connection->closed) return;
                                             if (failure) return close(connection);
                                             on_connected(connection);
                                         });
        return connection;
    }

    void on_connected(const ConnectionPtr& connection) {
        connection->connected = true;
        set_up(*connection);
        const auto now = std::chrono::steady_clock::now();
        connection->expires = now + options_.idle_time;
        if (connection->is_tls()) {
            connection->tls = io::TlsSession::connect(tls_, connection->tls_name);
            connection->expires = now + options_.handshake_time;
        }
        read_next(connection);
        write_next(connection);
    }

    // ---- what comes

    void read_next(const ConnectionPtr& connection) {
        connection->socket.async_read_some(
            asio::buffer(connection->buffer),
            [this, connection](const error_code& error, std::size_t size) {
                if (connection->closed) return;
                if (error) return on_end(connection);
                const base::ByteView bytes = base::ByteView(connection->buffer).first(size);
                if (connection->is_lingering) return read_next(connection);
                if (connection->is_tls())
                    take_cipher(connection, bytes);
                else
                    take_bytes(connection, bytes);
                if (!connection->closed && !connection->close_after_writing) read_next(connection);
            });
    }

    void on_end(const ConnectionPtr& connection) {
        if (connection->is_handshaking() && connection->tls != nullptr &&
            !connection->is_lingering && (connection->is_ours || connection->tls->has_begun()))
            tell_failure(*connection,
                         {"tls_closed", "The peer closed the connection within the handshake."});
        close(connection);
    }

    void take_cipher(const ConnectionPtr& connection, base::ByteView cipher) {
        io::TlsSession& tls = *connection->tls;
        const bool was_open = tls.is_open();
        tls.on_bytes(cipher);
        if (!was_open && tls.is_open()) on_open(connection);
        if (const base::Bytes plain = tls.take_plain(); !plain.empty()) {
            take_bytes(connection, plain);
            if (connection->closed) return;
        }
        if (tls.failure()) return on_tls_failed(connection);
        if (tls.is_closed_by_peer() || tls.output_size() > kMaxTlsOutputBytes)
            return close(connection);
        write_next(connection);
    }

    void on_open(const ConnectionPtr& connection) {
        counters_.tls_handshakes.fetch_add(1, std::memory_order_relaxed);
        end_handshake(*connection);
        connection->expires =
            std::chrono::steady_clock::now() +
            (connection->is_ours ? options_.idle_time : options_.first_message_time);
        const io::TlsPeer& peer = connection->tls->peer();
        if (log_.writes(base::LogLevel::Debug))
            log_.write(base::LogLevel::Debug, "a TLS connection is open",
                       {{"peer", base::to_string(connection->flow.remote)},
                        {"with", connection->tls->describe()},
                        {"certificate", peer.is_verified ? peer.subject : "none"}});
    }

    // The alert that says why is still to be written.
    void on_tls_failed(const ConnectionPtr& connection) {
        tell_failure(*connection, *connection->tls->failure());
        end_handshake(*connection);
        connection->close_after_writing = true;
        connection->expires = std::chrono::steady_clock::now() + kAlertTime;
        write_next(connection);
    }

    void tell_failure(const Connection& connection, const base::Reason& why) {
        counters_.tls_failures.fetch_add(1, std::memory_order_relaxed);
        if (!connection.is_ours)
            guard_.on_failed(std::chrono::steady_clock::now(), connection.flow.remote);
        if (!failure_log_.take()) return;
        const std::string peer = base::to_string(connection.flow.remote);
        if (connection.is_ours)
            log_.warning("there is no TLS connection", {{"peer", peer},
                                                        {"name", connection.tls_name},
                                                        {"code", why.code},
                                                        {"reason", why.text}});
        else
            log_.warning("a TLS connection was refused",
                         {{"peer", peer}, {"code", why.code}, {"reason", why.text}});
    }

    void end_handshake(const Connection& connection) {
        if (handshaking_.erase(connection.flow.connection) == 0) return;
        const auto known = handshakes_of_.find(host_of(connection.flow.remote));
        if (--known->second == 0) handshakes_of_.erase(known);
    }

    void take_bytes(const ConnectionPtr& connection, base::ByteView bytes) {
        connection->is_heard = true;
        connection->unheard.clear();
        const bool was_idle = connection->framer.is_idle();
        connection->framer.feed(bytes);
        bool whole = false;
        while (!connection->closed) {
            auto event = connection->framer.poll_event();
            if (!event) break;
            whole = true;
            on_stream_event(connection, std::move(*event));
        }
        if (!connection->closed) set_expiry(*connection, was_idle || whole);
    }

    void on_stream_event(const ConnectionPtr& connection, sip::StreamEvent&& event) {
        using Kind = sip::StreamEvent::Kind;
        switch (event.kind) {
            case Kind::Message:
                connection->has_message = true;
                handler_->on_bytes(connection->flow, std::move(event.bytes));
                break;
            case Kind::Ping: {
                static const sip::SharedBytes kPong = std::make_shared<const std::string>("\r\n");
                // Who asks faster than it reads gets one for all.
                if (!connection->queue.empty() && connection->queue.back().bytes == kPong) break;
                enqueue(connection, {.bytes = kPong, .transaction = {}});
                break;
            }
            case Kind::Pong:
                break;
            case Kind::Broken:
                handler_->on_broken_stream(connection->flow, event);
                connection->close_after_writing = true;
                write_next(connection);
                break;
        }
    }

    // A message that has begun must end soon; between messages a known peer may rest.
    void set_expiry(Connection& connection, bool restart) const {
        if (!restart) return;
        const auto now = std::chrono::steady_clock::now();
        if (!connection.framer.is_idle())
            connection.expires = now + options_.message_time;
        else if (connection.has_message)
            connection.expires = now + options_.idle_time;
    }

    // ---- what goes

    void enqueue(const ConnectionPtr& connection, Outgoing outgoing) {
        connection->queued_bytes += outgoing.bytes->size();
        connection->queue.push_back(std::move(outgoing));
        const std::size_t limit =
            connection->is_ours ? kMaxQueuedBytesOfOurs : kMaxQueuedBytesPerConnection;
        if (connection->queued_bytes > limit) {
            asio::post(io_, [this, connection] { close(connection); });
            return;
        }
        if (!connection->is_writing) write_next(connection);
    }

    // What TLS has to say goes before the next message, and each message is encrypted when its turn
    // has come: none is lost in a handshake that fails.
    void write_next(const ConnectionPtr& connection) {
        if (connection->closed || connection->is_writing || !connection->connected) return;
        sip::SharedBytes bytes;
        io::TlsSession* tls = connection->tls.get();
        if (tls != nullptr && tls->output_size() > 0)
            bytes = std::make_shared<const std::string>(tls->take_output());
        else if (connection->is_ready() && !connection->queue.empty())
            return write_message(connection);
        else if (connection->close_after_writing)
            return end_writing(connection);
        else
            return;
        write(connection, std::move(bytes), false);
    }

    void write_message(const ConnectionPtr& connection) {
        sip::SharedBytes bytes = connection->queue.front().bytes;
        if (connection->tls != nullptr) {
            connection->tls->write(*bytes);
            if (connection->tls->failure()) return on_tls_failed(connection);
            bytes = std::make_shared<const std::string>(connection->tls->take_output());
        }
        write(connection, std::move(bytes), true);
    }

    void write(const ConnectionPtr& connection, sip::SharedBytes bytes, bool is_message) {
        connection->is_writing = true;
        const auto buffer = asio::buffer(*bytes);
        asio::async_write(connection->socket, buffer,
                          [this, connection, bytes = std::move(bytes), is_message](
                              const error_code& error, std::size_t) {
                              connection->is_writing = false;
                              if (connection->closed) return;
                              if (error) return on_write_failed(connection);
                              if (is_message) on_written(*connection);
                              write_next(connection);
                          });
    }

    // What the peer said before it closed may still be there to be read: why, by TLS.
    void on_write_failed(const ConnectionPtr& connection) {
        if (connection->tls == nullptr || connection->close_after_writing) return close(connection);
        connection->connected = false;  // nothing more is written
        connection->expires = std::chrono::steady_clock::now() + kAlertTime;
    }

    static void on_written(Connection& connection) {
        const Outgoing& sent = connection.queue.front();
        connection.queued_bytes -= sent.bytes->size();
        if (connection.is_ours && !connection.is_heard && sent.transaction)
            connection.unheard.push_back(sent.transaction);
        connection.queue.pop_front();
    }

    void end_writing(const ConnectionPtr& connection) {
        const bool has_alert = connection->tls != nullptr && connection->tls->failure();
        if (!has_alert) return close(connection);
        if (connection->is_lingering) return;
        connection->is_lingering = true;
        error_code ignored;
        static_cast<void>(connection->socket.shutdown(tcp::socket::shutdown_send, ignored));
        read_next(connection);
    }

    // ---- the end

    void drop_alias(Connection& connection) {
        if (connection.alias) forget({connection.flow.transport, *connection.alias}, connection);
        connection.alias.reset();
    }

    void forget(const Remote& remote, const Connection& connection) {
        const auto [first, last] = by_remote_.equal_range(remote);
        for (auto it = first; it != last; ++it) {
            if (it->second != connection.flow.connection) continue;
            by_remote_.erase(it);
            return;
        }
    }

    void close(const ConnectionPtr& connection) {
        if (connection->closed) return;
        say_goodbye(*connection);
        connection->closed = true;
        error_code ignored;
        static_cast<void>(connection->socket.close(ignored));
        end_handshake(*connection);
        connections_.erase(connection->flow.connection);
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        forget({connection->flow.transport, connection->flow.remote}, *connection);
        drop_alias(*connection);
        const auto known = hosts_.find(host_of(connection->flow.remote));
        if (--known->second == 0) hosts_.erase(known);
        for (const sip::TransactionId lost : connection->unheard) fail(lost);
        for (const Outgoing& lost : connection->queue) fail(lost.transaction);
        connection->queue.clear();
        if (handler_ != nullptr) handler_->on_flow_closed(connection->flow);
    }

    // RFC 8446 section 6.1; as far as the socket takes it at once.
    static void say_goodbye(Connection& connection) {
        if (connection.tls == nullptr || !connection.tls->is_open() || connection.is_writing)
            return;
        connection.tls->close();
        const std::string bytes = connection.tls->take_output();
        error_code ignored;
        connection.socket.write_some(asio::buffer(bytes), ignored);
    }

    // Once a second: connections that took too long.
    void watch_connections() {
        watch_.expires_after(std::chrono::seconds{1});
        watch_.async_wait([this](const error_code& error) {
            if (error) return;
            if (const std::uint64_t omitted = failure_log_.next_second(); omitted > 0)
                log_.warning("more TLS connections failed than the log tells",
                             {{"connections", std::to_string(omitted)}});
            const auto now = std::chrono::steady_clock::now();
            std::vector<ConnectionPtr> late;
            for (const auto& [id, connection] : connections_)
                if (connection->expires < now) late.push_back(connection);
            for (const ConnectionPtr& connection : late) on_late(connection);
            watch_connections();
        });
    }

    void on_late(const ConnectionPtr& connection) {
        if (!connection->is_lingering) {
            counters_.connections_timed_out.fetch_add(1, std::memory_order_relaxed);
            if (connection->is_handshaking())
                tell_failure(*connection,
                             {"tls_timeout", "The TLS handshake was not done in time."});
            else
                log_.info("a connection was closed: no whole message in time",
                          {{"peer", base::to_string(connection->flow.remote)}});
        }
        close(connection);
    }

    asio::io_context& io_;
    base::Log& log_;
    const SipLoopOptions& options_;
    SipLoop::Counters& counters_;
    std::shared_ptr<const io::TlsContext> tls_;  // of what begins from now on
    asio::steady_timer watch_;
    SipLoop::Handler* handler_ = nullptr;
    std::map<std::uint16_t, std::unique_ptr<Door>> doors_;  // by the listener's number
    std::unordered_map<std::uint64_t, ConnectionPtr> connections_;
    std::multimap<Remote, std::uint64_t> by_remote_;   // the newest of a peer last
    std::map<NetAddress, std::size_t> hosts_;          // open connections a host
    std::set<std::uint64_t> handshaking_;              // taken, not open yet; the oldest first
    std::map<NetAddress, std::size_t> handshakes_of_;  // of them a host
    HandshakeGuard guard_;
    io::LogAllowance failure_log_;
    std::uint64_t last_connection_ = 0;
};

Streams::Streams(asio::io_context& io, base::Log& log, const SipLoopOptions& options,
                 SipLoop::Counters& counters)
    : impl_(std::make_unique<Impl>(io, log, options, counters)) {}
Streams::~Streams() = default;

Streams::Bound Streams::listen(std::uint16_t index, const Listen& listen) {
    return impl_->listen(index, listen);
}
void Streams::serve(SipLoop::Handler* handler) { impl_->serve(handler); }
void Streams::send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
                   std::string_view tls_name) {
    impl_->send(flow, std::move(bytes), transaction, tls_name);
}
void Streams::add_alias(const sip::Flow& flow, const NetAddress& address) {
    impl_->add_alias(flow, address);
}
void Streams::set_tls(std::shared_ptr<const io::TlsContext> tls) { impl_->set_tls(std::move(tls)); }
const io::TlsPeer* Streams::peer(const sip::Flow& flow) const { return impl_->peer(flow); }

}  // namespace earshot::transport
