#include "transport/stream_loop.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "io/log_allowance.h"
#include "io/tls_session.h"
#include "transport/endpoint.h"
#include "transport/handshake_guard.h"

namespace earshot::transport {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::NetAddress;
using base::Reason;
using boost::system::error_code;

namespace {

constexpr std::uint8_t kTlsHandshake = 22;
constexpr std::size_t kReadBytes = 256U << 10;  // at once

// Kept in connections_ until close(); handlers hold a shared_ptr because Asio still calls them,
// with an error, after the close.
struct Connection {
    explicit Connection(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    StreamLoop::ConnectionId id = 0;
    NetAddress remote{};
    std::unique_ptr<io::TlsSession> tls{};
    std::string tls_name{};  // of ours: who must be there
    std::string waiting{};   // plain octets that are not under way
    std::size_t writing_bytes = 0;
    base::TimePoint expires{};  // until it is open
    bool is_ours = false;
    bool connected = false;
    bool is_told = false;  // on_open() was called
    bool is_reading = false;
    bool wants_reading = true;
    bool is_writing = false;
    bool close_after_writing = false;
    bool closed = false;
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct Door {
    explicit Door(asio::io_context& io) : acceptor(io), pause(io) {}
    tcp::acceptor acceptor;
    asio::steady_timer pause;
};

NetAddress host_of(const NetAddress& address) {
    NetAddress host = address;
    host.port = 0;
    return host;
}

}  // namespace

class StreamLoop::Impl {
public:
    Impl(base::Log& log, StreamLoopOptions options)
        : log_(log), options_(std::move(options)), tls_(options_.tls), ticks_(io_) {}

    void set_tls(std::shared_ptr<const io::TlsContext> tls) { tls_ = std::move(tls); }

    std::optional<Reason> bind(const std::vector<NetAddress>& listens) {
        for (const NetAddress& listen : listens) {
            auto door = std::make_unique<Door>(io_);
            if (const error_code error = open(*door, listen)) {
                const bool is_in_use = error == asio::error::address_in_use;
                return Reason{.code = is_in_use ? "address_in_use" : "cannot_listen",
                              .text = fmt::format("{} cannot listen on {}: {}", options_.protocol,
                                                  base::to_string(listen), error.message())};
            }
            bound_.push_back(from_endpoint(door->acceptor.local_endpoint()));
            doors_.push_back(std::move(door));
        }
        return std::nullopt;
    }

    const std::vector<NetAddress>& bound() const { return bound_; }

    void run(Handler& handler) {
        handler_ = &handler;
        for (std::size_t i = 0; i < doors_.size(); ++i) accept_next(i);
        tick();
        io_.run();
        // Handlers that are still queued never run; what they hold goes with io_.
        handler_ = nullptr;
    }

    void post(std::function<void()> work) { asio::post(io_, std::move(work)); }
    void stop() { io_.stop(); }
    const Counters& counters() const { return counters_; }

    void send(ConnectionId id, std::string bytes) {
        const ConnectionPtr connection = find(id);
        if (connection == nullptr || connection->close_after_writing) return;
        if (connection->waiting.empty())
            connection->waiting = std::move(bytes);
        else
            connection->waiting += bytes;
        if (connection->waiting.size() + connection->writing_bytes > options_.max_queued_bytes) {
            // Later: the caller is in the middle of its work.
            asio::post(io_, [this, connection] { lose(connection); });
            return;
        }
        write_next(connection);
    }

    void close(ConnectionId id) {
        const ConnectionPtr connection = find(id);
        if (connection == nullptr) return;
        connection->close_after_writing = true;
        connection->is_told = false;  // its owner has done with it
        write_next(connection);
    }

    void set_reading(ConnectionId id, bool reading) {
        const ConnectionPtr connection = find(id);
        if (connection == nullptr) return;
        connection->wants_reading = reading;
        read_next(connection);
    }

    std::size_t queued_bytes(ConnectionId id) const {
        const ConnectionPtr connection = find(id);
        return connection == nullptr ? 0 : connection->waiting.size() + connection->writing_bytes;
    }

    ConnectionId connect(const NetAddress& to, const std::string& tls_name) {
        if (connections_.size() >= options_.max_connections) return 0;
        if (!tls_name.empty() && tls_ == nullptr) return 0;
        tcp::socket socket(io_);
        const auto endpoint = to_endpoint<tcp::endpoint>(to);
        error_code error;
        static_cast<void>(socket.open(endpoint.protocol(), error));
        if (error) return 0;
        const ConnectionPtr connection = add(to, std::move(socket));
        connection->is_ours = true;
        connection->is_told = true;  // its owner wants to know how it ends
        connection->tls_name = tls_name;
        connection->expires = std::chrono::steady_clock::now() + kConnectTime;
        connection->socket.async_connect(endpoint, [this, connection](const error_code& failure) {
            if (connection->closed) return;
            if (failure) return lose(connection);
            on_connected(connection);
        });
        return connection->id;
    }

    std::optional<Reason> find_fault(ConnectionId id,
                                     const std::vector<base::CertificateFingerprint>& told) const {
        const ConnectionPtr connection = find(id);
        if (connection == nullptr || connection->tls == nullptr) return std::nullopt;
        return connection->tls->find_fault(told);
    }

private:
    static error_code open(Door& door, const NetAddress& address) {
        const auto endpoint = to_endpoint<tcp::endpoint>(address);
        tcp::acceptor& acceptor = door.acceptor;
        error_code error;
        static_cast<void>(acceptor.open(endpoint.protocol(), error));
        if (!error)
            static_cast<void>(acceptor.set_option(tcp::acceptor::reuse_address(true), error));
        if (!error)
            static_cast<void>(
                acceptor.set_option(asio::socket_base::enable_connection_aborted(true), error));
        if (!error) keep_to_family(acceptor, address, error);
        if (!error) static_cast<void>(acceptor.bind(endpoint, error));
        if (!error) static_cast<void>(acceptor.listen(1024, error));
        return error;
    }

    ConnectionPtr find(ConnectionId id) const {
        const auto found = connections_.find(id);
        return found == connections_.end() ? nullptr : found->second;
    }

    ConnectionPtr add(const NetAddress& remote, tcp::socket socket) {
        auto connection = std::make_shared<Connection>(std::move(socket));
        connection->id = ++last_id_;
        connection->remote = remote;
        connections_.emplace(last_id_, connection);
        ++hosts_[host_of(remote)];
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        return connection;
    }

    // ---- who comes

    void accept_next(std::size_t index) {
        doors_[index]->acceptor.async_accept(
            [this, index](const error_code& error, tcp::socket socket) {
                if (error == asio::error::operation_aborted) return;
                if (error == asio::error::connection_aborted) return accept_next(index);
                if (error) return accept_later(index);
                take(std::move(socket));
                accept_next(index);
            });
    }

    // Most likely no descriptor is free; the next accept would fail at once.
    void accept_later(std::size_t index) {
        asio::steady_timer& pause = doors_[index]->pause;
        pause.expires_after(kAcceptPause);
        pause.async_wait([this, index](const error_code& error) {
            if (!error) accept_next(index);
        });
    }

    void take(tcp::socket socket) {
        error_code error;
        const tcp::endpoint remote = socket.remote_endpoint(error);
        if (error) return;
        const NetAddress peer = from_endpoint(remote);
        const auto known = hosts_.find(host_of(peer));
        if (connections_.size() >= options_.max_connections ||
            (known != hosts_.end() && known->second >= options_.max_connections_per_host)) {
            counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
            tell_refused(peer);
            return;  // the socket closes itself
        }
        const ConnectionPtr connection = add(peer, std::move(socket));
        connection->connected = true;
        connection->expires = std::chrono::steady_clock::now() + options_.first_bytes_time;
        set_up(*connection);
        read_next(connection);
    }

    // Once a minute, with how many there have been.
    void tell_refused(const NetAddress& peer) {
        const auto now = std::chrono::steady_clock::now();
        if (now < tell_refused_at_) return;
        tell_refused_at_ = now + std::chrono::minutes(1);
        log_.warning("a connection was refused: too many are open, of its host or of all",
                     {{"protocol", options_.protocol},
                      {"peer", base::to_string(peer)},
                      {"open", std::to_string(connections_.size())},
                      {"refused_so_far", std::to_string(counters_.connections_refused.load())}});
    }

    static void set_up(Connection& connection) {
        error_code ignored;
        static_cast<void>(connection.socket.non_blocking(true, ignored));
        static_cast<void>(connection.socket.set_option(tcp::no_delay(true), ignored));
        static_cast<void>(
            connection.socket.set_option(asio::socket_base::keep_alive(true), ignored));
    }

    void on_connected(const ConnectionPtr& connection) {
        connection->connected = true;
        set_up(*connection);
        if (connection->tls_name.empty()) {
            connection->expires = {};
            handler_->on_open(connection->id, connection->remote, nullptr);
            if (connection->closed) return;
        } else {
            connection->tls =
                io::TlsSession::connect(tls_, connection->tls_name, options_.peer_check);
            connection->expires = std::chrono::steady_clock::now() + options_.handshake_time;
        }
        read_next(connection);
        write_next(connection);
    }

    // ---- what comes

    void read_next(const ConnectionPtr& connection) {
        if (connection->is_reading || connection->closed || !connection->connected ||
            !connection->wants_reading)
            return;
        connection->is_reading = true;
        connection->socket.async_wait(tcp::socket::wait_read,
                                      [this, connection](const error_code& error) {
                                          connection->is_reading = false;
                                          if (connection->closed) return;
                                          if (error) return lose(connection);
                                          read(connection);
                                          read_next(connection);
                                      });
    }

    // All connections are read into the same buffer, so one that rests holds none.
    void read(const ConnectionPtr& connection) {
        if (!connection->wants_reading) return;  // any more
        error_code error;
        const std::size_t size = connection->socket.read_some(asio::buffer(*read_buffer_), error);
        if (error == asio::error::would_block) return;
        if (error) return lose(connection);
        take_bytes(connection, base::ByteView(*read_buffer_).first(size));
    }

    void take_bytes(const ConnectionPtr& connection, base::ByteView bytes) {
        if (connection->close_after_writing) return;
        if (connection->tls != nullptr) return take_cipher(connection, bytes);
        const bool is_first = !connection->is_ours && !connection->is_told;
        if (is_first && bytes.front() == kTlsHandshake) {
            if (tls_ == nullptr || tls_->certificates().empty() ||
                !guard_.admits(std::chrono::steady_clock::now(), connection->remote))
                return lose(connection);
            connection->tls = io::TlsSession::accept(tls_, options_.peer_check);
            connection->expires = std::chrono::steady_clock::now() + options_.handshake_time;
            return take_cipher(connection, bytes);
        }
        if (is_first && !tell_open(connection, nullptr)) return;
        handler_->on_bytes(connection->id, bytes);
    }

    void take_cipher(const ConnectionPtr& connection, base::ByteView cipher) {
        io::TlsSession& tls = *connection->tls;
        const bool was_open = tls.is_open();
        tls.on_bytes(cipher);
        if (!was_open && tls.is_open() && !tell_open(connection, &tls.peer())) return;
        if (const base::Bytes plain = tls.take_plain(); !plain.empty()) {
            handler_->on_bytes(connection->id, plain);
            if (connection->closed) return;
        }
        if (tls.failure()) return on_tls_failed(connection);
        if (tls.is_closed_by_peer() || tls.output_size() > kMaxTlsOutputBytes)
            return lose(connection);
        write_next(connection);
    }

    bool tell_open(const ConnectionPtr& connection, const io::TlsPeer* peer) {
        connection->expires = {};
        connection->is_told = true;
        handler_->on_open(connection->id, connection->remote, peer);
        return !connection->closed;
    }

    void on_tls_failed(const ConnectionPtr& connection) {
        counters_.tls_failures.fetch_add(1, std::memory_order_relaxed);
        const Reason& why = *connection->tls->failure();
        if (!connection->is_ours)
            guard_.on_failed(std::chrono::steady_clock::now(), connection->remote);
        if (failure_log_.take())
            log_.warning("a TLS connection was refused",
                         {{"protocol", options_.protocol},
                          {"peer", base::to_string(connection->remote)},
                          {"code", why.code},
                          {"reason", why.text}});
        if (connection->is_told) handler_->on_closed(connection->id);
        connection->is_told = false;
        connection->close_after_writing = true;  // the alert that says why
        connection->expires = std::chrono::steady_clock::now() + kAlertTime;
        write_next(connection);
    }

    // ---- what goes

    void write_next(const ConnectionPtr& connection) {
        if (connection->closed || connection->is_writing || !connection->connected) return;
        std::string bytes;
        io::TlsSession* tls = connection->tls.get();
        if (tls != nullptr && tls->is_open() && !connection->waiting.empty())
            tls->write(std::exchange(connection->waiting, {}));
        if (tls != nullptr)
            bytes = tls->take_output();
        else
            bytes = std::exchange(connection->waiting, {});
        if (bytes.empty()) {
            if (connection->close_after_writing) finish(connection);
            return;
        }
        connection->is_writing = true;
        connection->writing_bytes = bytes.size();
        const auto shared = std::make_shared<const std::string>(std::move(bytes));
        asio::async_write(connection->socket, asio::buffer(*shared),
                          [this, connection, shared](const error_code& error, std::size_t) {
                              connection->is_writing = false;
                              connection->writing_bytes = 0;
                              if (connection->closed) return;
                              if (error) return lose(connection);
                              write_next(connection);
                              if (!connection->is_writing && connection->is_told)
                                  handler_->on_writable(connection->id);
                          });
    }

    // ---- the end

    // Of our own will: TLS says goodbye as far as the socket takes it at once.
    void finish(const ConnectionPtr& connection) {
        if (connection->tls != nullptr && connection->tls->is_open()) {
            connection->tls->close();
            const std::string bytes = connection->tls->take_output();
            error_code ignored;
            connection->socket.write_some(asio::buffer(bytes), ignored);
        }
        forget(connection);
    }

    void lose(const ConnectionPtr& connection) {
        if (connection->closed) return;
        const bool is_told = connection->is_told;
        forget(connection);
        if (is_told && handler_ != nullptr) handler_->on_closed(connection->id);
    }

    void forget(const ConnectionPtr& connection) {
        if (connection->closed) return;
        connection->closed = true;
        error_code ignored;
        static_cast<void>(connection->socket.close(ignored));
        connections_.erase(connection->id);
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        const auto known = hosts_.find(host_of(connection->remote));
        if (--known->second == 0) hosts_.erase(known);
    }

    void tick() {
        ticks_.expires_after(options_.tick);
        ticks_.async_wait([this](const error_code& error) {
            if (error) return;
            const auto now = std::chrono::steady_clock::now();
            std::vector<ConnectionPtr> late;
            for (const auto& [id, connection] : connections_)
                if (connection->expires != base::TimePoint{} && connection->expires < now)
                    late.push_back(connection);
            for (const ConnectionPtr& connection : late) lose(connection);
            if (now - second_ >= std::chrono::seconds{1}) {
                second_ = now;
                static_cast<void>(failure_log_.next_second());
            }
            handler_->on_tick();
            tick();
        });
    }

    base::Log& log_;
    const StreamLoopOptions options_;
    std::shared_ptr<const io::TlsContext> tls_;
    asio::io_context io_{1};
    asio::steady_timer ticks_;
    Handler* handler_ = nullptr;
    std::vector<std::unique_ptr<Door>> doors_;
    std::vector<NetAddress> bound_;
    using ReadBuffer = std::array<std::uint8_t, kReadBytes>;
    const std::unique_ptr<ReadBuffer> read_buffer_ = std::make_unique<ReadBuffer>();
    std::unordered_map<ConnectionId, ConnectionPtr> connections_;
    std::map<NetAddress, std::size_t> hosts_;  // open connections a host
    std::chrono::steady_clock::time_point tell_refused_at_{};
    HandshakeGuard guard_;
    io::LogAllowance failure_log_;
    base::TimePoint second_{};
    Counters counters_;
    ConnectionId last_id_ = 0;
};

base::Result<std::unique_ptr<StreamLoop>, Reason> StreamLoop::create(
    const std::vector<NetAddress>& listens, base::Log& log, StreamLoopOptions options) {
    auto impl = std::make_unique<Impl>(log, std::move(options));
    if (auto reason = impl->bind(listens)) return *reason;
    return std::unique_ptr<StreamLoop>(new StreamLoop(std::move(impl)));
}

StreamLoop::StreamLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamLoop::~StreamLoop() = default;

const std::vector<NetAddress>& StreamLoop::local_addresses() const { return impl_->bound(); }
void StreamLoop::run(Handler& handler) { impl_->run(handler); }
void StreamLoop::post(std::function<void()> work) { impl_->post(std::move(work)); }
void StreamLoop::stop() { impl_->stop(); }
const StreamLoop::Counters& StreamLoop::counters() const { return impl_->counters(); }
void StreamLoop::send(ConnectionId connection, std::string bytes) {
    impl_->send(connection, std::move(bytes));
}
void StreamLoop::close(ConnectionId connection) { impl_->close(connection); }
void StreamLoop::set_reading(ConnectionId connection, bool reading) {
    impl_->set_reading(connection, reading);
}
std::size_t StreamLoop::queued_bytes(ConnectionId connection) const {
    return impl_->queued_bytes(connection);
}
StreamLoop::ConnectionId StreamLoop::connect(const NetAddress& to, const std::string& tls_name) {
    return impl_->connect(to, tls_name);
}
std::optional<Reason> StreamLoop::find_fault(
    ConnectionId connection, const std::vector<base::CertificateFingerprint>& told) const {
    return impl_->find_fault(connection, told);
}
void StreamLoop::set_tls(std::shared_ptr<const io::TlsContext> tls) {
    impl_->set_tls(std::move(tls));
}

}  // namespace earshot::transport
