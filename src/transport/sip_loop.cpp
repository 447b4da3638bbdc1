#include "transport/sip_loop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "io/udp_socket.h"
#include "sip/agent_limits.h"
#include "stun/message.h"
#include "transport/dns_resolver.h"
#include "transport/limits.h"
#include "transport/stun_binding.h"

namespace earshot::transport {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using base::NetAddress;
using base::Reason;
using base::Result;
using boost::system::error_code;

namespace {

asio::ip::address to_asio(const NetAddress& address) {
    if (!address.is_v4()) return asio::ip::address_v6(address.ip);
    return asio::ip::address_v4({address.ip[12], address.ip[13], address.ip[14], address.ip[15]});
}

template <class Endpoint>
NetAddress from_asio(const Endpoint& endpoint) {
    const asio::ip::address ip = endpoint.address();
    NetAddress address{.port = endpoint.port()};
    address.ip = ip.is_v6() ? ip.to_v6().to_bytes()
                            : asio::ip::make_address_v6(asio::ip::v4_mapped, ip.to_v4()).to_bytes();
    return address;
}

Reason bind_reason(const Listen& listen, const error_code& error) {
    const bool in_use = error == asio::error::address_in_use;
    return {.code = in_use ? "address_in_use" : "cannot_listen",
            .text = fmt::format(
                "SIP cannot listen on {} ({}): {}{}", base::to_string(listen.address),
                sip::via_name(listen.transport), error.message(),
                in_use ? ". Another program has this port: is a server running already?" : "")};
}

}  // namespace

class SipLoop::Impl {
public:
    Impl(base::Log& log, SipLoopOptions options)
        : log_(log), options_(std::move(options)), timer_(io_), signals_(io_) {}

    std::optional<Reason> bind(const std::vector<Listen>& listens) {
        for (const Listen& listen : listens) {
            error_code error;
            auto listener = std::make_unique<Listener>(io_, listen);
            if (listen.transport == sip::Transport::Udp)
                open_udp(*listener, error);
            else
                open_tcp(*listener, error);
            if (error) return bind_reason(listen, error);
            listeners_.push_back(std::move(listener));
        }
        return std::nullopt;
    }

    void run(Handler& handler) {
        handler_ = &handler;
        std::uint16_t index = 0;
        for (const auto& listener : listeners_) {
            if (listener->listen.transport == sip::Transport::Udp)
                wait_datagrams(index);
            else if (listener->listen.accept)
                accept_next(index);
            ++index;
        }
        watch_connections();
        const auto guard = asio::make_work_guard(io_);
        io_.run();
        handler_ = nullptr;
    }

    void send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction) {
        if (flow.transport == sip::Transport::Udp)
            send_datagram(flow, *bytes, transaction);
        else
            send_on_stream(flow, std::move(bytes), transaction);
    }

    void add_alias(const sip::Flow& flow, const NetAddress& address) {
        const auto found = connections_.find(flow.connection);
        if (found == connections_.end() || found->second->alias == address) return;
        drop_alias(*found->second);
        found->second->alias = address;
        by_remote_[address] = flow.connection;
    }

    void locate(const std::string& uri, base::Random& random, Located found) {
        std::vector<sip::Transport> transports;
        for (const auto& listener : listeners_)
            if (std::find(transports.begin(), transports.end(), listener->listen.transport) ==
                transports.end())
                transports.push_back(listener->listen.transport);
        auto location = sip::ServerLocation::start(uri, std::move(transports), random);
        if (!location) return asio::post(io_, [found = std::move(found)] { found({}); });
        const auto one = std::make_shared<Locating>(
            Locating{*std::move(location), std::move(found), asio::steady_timer(io_)});
        one->enough.expires_after(sip::kMaxLocationTime - kLocationMargin);
        one->enough.async_wait([one](const error_code& error) {
            if (!error) tell(*one, false);
        });
        ask_next(one);
    }

    // The timer is set again only for something earlier: it then rings too soon now and again,
    // which is cheaper than two system calls for each message.
    void set_deadline(std::optional<base::TimePoint> when) {
        deadline_ = when;
        if (when && (!rings_at_ || *when < *rings_at_)) set_timer(*when);
    }

    void watch_signals(const std::vector<int>& signals, std::function<void(int)> handle) {
        for (const int signal : signals) signals_.add(signal);
        on_signal_ = std::move(handle);
        wait_signal();
    }

    void watch(int descriptor, std::function<void()> readable) {
        const int own = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
        if (own < 0) return;
        watched_.push_back(std::make_unique<Watched>(io_, own, std::move(readable)));
        wait_readable(*watched_.back());
    }

    NetAddress local_address(std::uint16_t listener) const {
        return listeners_.at(listener)->bound;
    }
    std::uint16_t listener_count() const { return static_cast<std::uint16_t>(listeners_.size()); }
    sip::Transport transport(std::uint16_t listener) const {
        return listeners_.at(listener)->listen.transport;
    }
    asio::io_context& io() { return io_; }
    const Counters& counters() const { return counters_; }

private:
    struct Listener {
        Listener(asio::io_context& io, Listen what)
            : listen(what), datagrams(io), acceptor(io), accept_pause(io) {}
        Listen listen;
        NetAddress bound{};
        udp::socket datagrams;
        tcp::acceptor acceptor;
        asio::steady_timer accept_pause;
    };

    struct Locating {  // shared by the callbacks of its questions
        sip::ServerLocation location;
        Located found;              // empty once it was called
        asio::steady_timer enough;  // then what is known by then is told
    };

    struct Watched {
        Watched(asio::io_context& io, int descriptor, std::function<void()> what)
            : handle(io, descriptor), readable(std::move(what)) {}
        asio::posix::stream_descriptor handle;
        std::function<void()> readable;
    };

    void wait_readable(Watched& watched) {
        watched.handle.async_wait(asio::posix::stream_descriptor::wait_read,
                                  [this, &watched](const error_code& error) {
                                      if (error) return;
                                      watched.readable();
                                      wait_readable(watched);
                                  });
    }

    struct Outgoing {
        sip::SharedBytes bytes;
        sip::TransactionId transaction;
    };

    // One TCP connection. Kept in connections_ until close(); handlers hold a shared_ptr because
    // Asio still calls them, with an error, after the close.
    struct Connection {
        explicit Connection(tcp::socket s) : socket(std::move(s)) {}
        tcp::socket socket;
        sip::Flow flow{};
        std::optional<NetAddress> alias{};  // see add_alias()
        sip::StreamFramer framer{};
        std::array<std::uint8_t, 16384> buffer{};
        std::deque<Outgoing> queue{};
        std::size_t queued_bytes = 0;
        base::TimePoint expires{};
        bool connected = false;
        bool close_after_writing = false;
        bool closed = false;
        bool is_ours = false;      // we opened it
        bool has_message = false;  // a whole message came: not a stranger who only holds the line
    };
    using ConnectionPtr = std::shared_ptr<Connection>;

    void set_timer(base::TimePoint when) {
        rings_at_ = when;
        timer_.expires_at(when);  // whoever waited for it is told that it was cancelled
        timer_.async_wait([this](const error_code& error) {
            if (error || handler_ == nullptr) return;
            rings_at_.reset();
            if (deadline_ && *deadline_ > std::chrono::steady_clock::now())
                return set_timer(*deadline_);
            if (!deadline_) return;
            deadline_.reset();
            handler_->on_deadline();
        });
    }

    // A listener serves one IP family, so that 0.0.0.0 and [::] can stand beside each other and an
    // IPv4 peer is one address wherever it comes in.
    template <class Socket, class Endpoint>
    static void keep_to_family(Socket& socket, const Endpoint& endpoint, error_code& error) {
        if (endpoint.address().is_v6())
            static_cast<void>(socket.set_option(asio::ip::v6_only(true), error));
    }

    static void open_udp(Listener& listener, error_code& error) {
        const udp::endpoint endpoint(to_asio(listener.listen.address),
                                     listener.listen.address.port);
        static_cast<void>(listener.datagrams.open(endpoint.protocol(), error));
        if (!error) keep_to_family(listener.datagrams, endpoint, error);
        if (!error) static_cast<void>(listener.datagrams.bind(endpoint, error));
        if (!error) static_cast<void>(listener.datagrams.non_blocking(true, error));
        if (error) return;
        // A burst of INVITEs waits in the kernel, not in the network: best effort, the kernel caps
        // it.
        error_code ignored;
        static_cast<void>(listener.datagrams.set_option(
            asio::socket_base::receive_buffer_size(4 << 20), ignored));
        listener.bound = from_asio(listener.datagrams.local_endpoint());
    }

    static void open_tcp(Listener& listener, error_code& error) {
        if (!listener.listen.accept) {
            listener.bound = listener.listen.address;
            return;
        }
        const tcp::endpoint endpoint(to_asio(listener.listen.address),
                                     listener.listen.address.port);
        static_cast<void>(listener.acceptor.open(endpoint.protocol(), error));
        if (!error)
            static_cast<void>(
                listener.acceptor.set_option(tcp::acceptor::reuse_address(true), error));
        // Else Asio keeps such an error to itself and waits for the next peer, with others in line.
        if (!error)
            static_cast<void>(listener.acceptor.set_option(
                asio::socket_base::enable_connection_aborted(true), error));
        if (!error) keep_to_family(listener.acceptor, endpoint, error);
        if (!error) static_cast<void>(listener.acceptor.bind(endpoint, error));
        if (!error) static_cast<void>(listener.acceptor.listen(1024, error));
        if (!error) listener.bound = from_asio(listener.acceptor.local_endpoint());
    }

    // ---- UDP

    void wait_datagrams(std::uint16_t index) {
        listeners_[index]->datagrams.async_wait(udp::socket::wait_read,
                                                [this, index](const error_code& error) {
                                                    if (error) return;
                                                    read_datagrams(index);
                                                    wait_datagrams(index);
                                                });
    }

    void read_datagrams(std::uint16_t index) {
        Listener& listener = *listeners_[index];
        for (std::size_t i = 0; i < kDatagramsPerTurn; i += kDatagramsAtOnce) {
            // None also when an earlier send's ICMP error is reported; the wait for more then ends
            // at once if there are more.
            const std::size_t count = datagrams_.receive(listener.datagrams.native_handle());
            for (const io::Datagram& datagram : datagrams_.datagrams()) {
                if (take_keep_alive(listener, datagram)) continue;
                counters_.datagrams.fetch_add(1, std::memory_order_relaxed);
                const sip::Flow flow{.transport = sip::Transport::Udp,
                                     .listener = index,
                                     .connection = 0,
                                     .remote = datagram.source};
                handler_->on_bytes(flow, base::Bytes(datagram.bytes.begin(), datagram.bytes.end()));
            }
            if (count < kDatagramsAtOnce) return;
        }
    }

    // RFC 5626 §4.4: what keeps a NAT's binding open is no message. CRLF needs no answer over UDP;
    // STUN gets its own.
    static bool take_keep_alive(Listener& listener, const io::Datagram& datagram) {
        if (datagram.bytes.size() <= kMaxKeepAliveBytes) return true;
        if (!stun::is_stun(datagram.bytes)) return false;
        const auto answer = answer_stun_binding(datagram.bytes, datagram.source);
        if (!answer) return true;
        const udp::endpoint to(to_asio(datagram.source), datagram.source.port);
        error_code ignored;  // as good as a lost answer: the client asks again
        listener.datagrams.send_to(asio::buffer(*answer), to, 0, ignored);
        return true;
    }

    void send_datagram(const sip::Flow& flow, const std::string& bytes,
                       sip::TransactionId transaction) {
        const udp::endpoint to(to_asio(flow.remote), flow.remote.port);
        error_code error;
        listeners_.at(flow.listener)->datagrams.send_to(asio::buffer(bytes), to, 0, error);
        // A full socket buffer is like a lost datagram: the transaction sends again.
        if (error && error != asio::error::would_block) fail(transaction);
    }

    // Later, not now: the sender is in the middle of draining its actions.
    void fail(sip::TransactionId transaction) {
        counters_.send_failures.fetch_add(1, std::memory_order_relaxed);
        if (!transaction) return;
        asio::post(io_, [this, transaction] {
            if (handler_ != nullptr) handler_->on_send_failed(transaction);
        });
    }

    // ---- TCP

    void accept_next(std::uint16_t index) {
        listeners_[index]->acceptor.async_accept(
            [this, index](const error_code& error, tcp::socket socket) {
                if (error == asio::error::operation_aborted) return;
                if (error) return accept_later(index);
                take_connection(index, std::move(socket));
                accept_next(index);
            });
    }

    // Most likely no descriptor is free: the next accept would fail at once, and so on for ever.
    void accept_later(std::uint16_t index) {
        asio::steady_timer& pause = listeners_[index]->accept_pause;
        pause.expires_after(kAcceptPause);
        pause.async_wait([this, index](const error_code& error) {
            if (!error) accept_next(index);
        });
    }

    void take_connection(std::uint16_t index, tcp::socket socket) {
        error_code error;
        const tcp::endpoint remote = socket.remote_endpoint(error);
        if (error) return;
        const NetAddress peer = from_asio(remote);
        NetAddress host = peer;
        host.port = 0;
        if (connections_.size() >= options_.max_connections ||
            hosts_[host] >= options_.max_connections_per_host) {
            counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
            if (hosts_[host] == 0) hosts_.erase(host);
            return;  // the socket closes itself
        }
        const ConnectionPtr connection = add_connection(index, std::move(socket), peer);
        connection->connected = true;
        connection->expires = std::chrono::steady_clock::now() + options_.first_message_time;
        set_no_delay(*connection);
        read_next(connection);
    }

    ConnectionPtr add_connection(std::uint16_t index, tcp::socket socket, const NetAddress& peer) {
        auto connection = std::make_shared<Connection>(std::move(socket));
        connection->flow = {.transport = sip::Transport::Tcp,
                            .listener = index,
                            .connection = ++last_connection_,
                            .remote = peer};
        connections_.emplace(connection->flow.connection, connection);
        by_remote_[peer] = connection->flow.connection;
        NetAddress host = peer;
        host.port = 0;
        ++hosts_[host];
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        return connection;
    }

    static void set_no_delay(Connection& connection) {
        error_code ignored;
        static_cast<void>(connection.socket.set_option(tcp::no_delay(true), ignored));
        // A peer that went away without a word is found out while its connection rests.
        static_cast<void>(
            connection.socket.set_option(asio::socket_base::keep_alive(true), ignored));
    }

    void read_next(const ConnectionPtr& connection) {
        connection->socket.async_read_some(
            asio::buffer(connection->buffer),
            [this, connection](const error_code& error, std::size_t size) {
                if (connection->closed) return;
                if (error) return close(connection);
                take_bytes(connection, base::ByteView(connection->buffer).first(size));
            });
    }

    void take_bytes(const ConnectionPtr& connection, base::ByteView bytes) {
        const bool was_idle = connection->framer.is_idle();
        connection->framer.feed(bytes);
        bool whole = false;
        while (!connection->closed) {
            auto event = connection->framer.poll_event();
            if (!event) break;
            whole = true;
            on_stream_event(connection, std::move(*event));
        }
        if (connection->closed) return;
        set_expiry(*connection, was_idle || whole);
        if (!connection->close_after_writing) read_next(connection);
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
                if (connection->queue.empty()) close(connection);
                break;
        }
    }

    // A message that has begun must end soon; between messages a known peer may rest.
    void set_expiry(Connection& connection, bool restart) {
        if (!restart) return;
        const auto now = std::chrono::steady_clock::now();
        if (!connection.framer.is_idle())
            connection.expires = now + options_.message_time;
        else if (connection.has_message)
            connection.expires = now + options_.idle_time;
    }

    ConnectionPtr find_connection(const sip::Flow& flow) {
        std::uint64_t id = flow.connection;
        if (!connections_.contains(id)) {
            // The connection that the request came on is gone: another one to the same peer will do
            // (RFC 3261 §18.2.2).
            const auto known = by_remote_.find(flow.remote);
            if (known == by_remote_.end()) return nullptr;
            id = known->second;
        }
        const auto found = connections_.find(id);
        return found == connections_.end() ? nullptr : found->second;
    }

    void send_on_stream(const sip::Flow& flow, sip::SharedBytes bytes,
                        sip::TransactionId transaction) {
        ConnectionPtr connection = find_connection(flow);
        if (connection == nullptr) connection = connect(flow);
        if (connection == nullptr) return fail(transaction);
        enqueue(connection, {.bytes = std::move(bytes), .transaction = transaction});
    }

    ConnectionPtr connect(const sip::Flow& flow) {
        if (connections_.size() >= options_.max_connections) return nullptr;
        tcp::socket socket(io_);
        const tcp::endpoint to(to_asio(flow.remote), flow.remote.port);
        error_code error;
        static_cast<void>(socket.open(to.protocol(), error));
        if (error) return nullptr;
        ConnectionPtr connection = add_connection(flow.listener, std::move(socket), flow.remote);
        connection->is_ours = true;
        connection->has_message = true;
        connection->expires = std::chrono::steady_clock::now() + options_.idle_time;
        const auto patience = std::make_shared<asio::steady_timer>(io_, kConnectTime);
        patience->async_wait([this, connection](const error_code& cancelled) {
            if (!cancelled && !connection->connected) close(connection);
        });
        connection->socket.async_connect(
            to, [this, connection, patience](const error_code& failure) {
                patience->cancel();
                if (connection->closed) return;
                if (failure) return close(connection);
                connection->connected = true;
                connection->expires = std::chrono::steady_clock::now() + options_.idle_time;
                set_no_delay(*connection);
                read_next(connection);
                write_next(connection);
            });
        return connection;
    }

    void enqueue(const ConnectionPtr& connection, Outgoing outgoing) {
        connection->queued_bytes += outgoing.bytes->size();
        const bool is_first = connection->queue.empty();
        connection->queue.push_back(std::move(outgoing));
        const std::size_t limit =
            connection->is_ours ? kMaxQueuedBytesOfOurs : kMaxQueuedBytesPerConnection;
        if (connection->queued_bytes > limit) {
            asio::post(io_, [this, connection] { close(connection); });
            return;
        }
        if (is_first && connection->connected) write_next(connection);
    }

    void write_next(const ConnectionPtr& connection) {
        if (connection->closed || connection->queue.empty()) return;
        const sip::SharedBytes bytes = connection->queue.front().bytes;
        asio::async_write(connection->socket, asio::buffer(*bytes),
                          [this, connection, bytes](const error_code& error, std::size_t) {
                              if (connection->closed) return;
                              if (error) return close(connection);
                              connection->queued_bytes -= bytes->size();
                              connection->queue.pop_front();
                              if (!connection->queue.empty())
                                  write_next(connection);
                              else if (connection->close_after_writing)
                                  close(connection);
                          });
    }

    void drop_alias(Connection& connection) {
        if (!connection.alias) return;
        const auto known = by_remote_.find(*connection.alias);
        if (known != by_remote_.end() && known->second == connection.flow.connection)
            by_remote_.erase(known);
        connection.alias.reset();
    }

    // Where the DNS has not answered everything yet, nothing found so far is no answer: who waits
    // knows best what to do without.
    static void tell(Locating& one, bool is_all) {
        one.enough.cancel();
        const Located found = std::exchange(one.found, nullptr);
        if (found && (is_all || !one.location.targets().empty())) found(one.location.targets());
    }

    void ask_next(const std::shared_ptr<Locating>& one) {
        if (one->found == nullptr) return;  // nobody waits for it any more
        const sip::DnsQuestion* question = one->location.question();
        if (question == nullptr) return asio::post(io_, [one] { tell(*one, true); });
        dns_.ask(*question, [this, one](const sip::DnsAnswer& answer) {
            one->location.on_answer(answer);
            ask_next(one);
        });
    }

    void close(const ConnectionPtr& connection) {
        if (connection->closed) return;
        connection->closed = true;
        error_code ignored;
        static_cast<void>(connection->socket.close(ignored));
        connections_.erase(connection->flow.connection);
        counters_.connections.store(connections_.size(), std::memory_order_relaxed);
        const auto known = by_remote_.find(connection->flow.remote);
        if (known != by_remote_.end() && known->second == connection->flow.connection)
            by_remote_.erase(known);
        drop_alias(*connection);
        NetAddress host = connection->flow.remote;
        host.port = 0;
        if (--hosts_[host] == 0) hosts_.erase(host);
        for (const Outgoing& lost : connection->queue) fail(lost.transaction);
        connection->queue.clear();
        if (handler_ != nullptr) handler_->on_flow_closed(connection->flow);
    }

    // Once a second: connections that took too long.
    void watch_connections() {
        watch_.expires_after(std::chrono::seconds{1});
        watch_.async_wait([this](const error_code& error) {
            if (error) return;
            const auto now = std::chrono::steady_clock::now();
            std::vector<ConnectionPtr> late;
            for (const auto& [id, connection] : connections_)
                if (connection->expires < now) late.push_back(connection);
            for (const ConnectionPtr& connection : late) {
                counters_.connections_timed_out.fetch_add(1, std::memory_order_relaxed);
                log_.info("a TCP connection was closed: no whole message in time",
                          {{"peer", base::to_string(connection->flow.remote)}});
                close(connection);
            }
            watch_connections();
        });
    }

    void wait_signal() {
        signals_.async_wait([this](const error_code& error, int signal) {
            if (error) return;
            on_signal_(signal);
            wait_signal();
        });
    }

    base::Log& log_;
    const SipLoopOptions options_;
    asio::io_context io_{1};
    DnsResolver dns_{io_, options_.dns_servers};
    asio::steady_timer timer_;
    asio::steady_timer watch_{io_};
    asio::signal_set signals_;
    std::function<void(int)> on_signal_;
    std::optional<base::TimePoint> deadline_;
    std::optional<base::TimePoint> rings_at_;  // of the timer: at the deadline or before
    Handler* handler_ = nullptr;
    Counters counters_;
    io::DatagramBatch datagrams_{kDatagramsAtOnce, kMaxDatagramBytes};
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<Watched>> watched_;
    std::unordered_map<std::uint64_t, ConnectionPtr> connections_;
    std::map<NetAddress, std::uint64_t> by_remote_;  // the newest connection to a peer
    std::map<NetAddress, std::size_t> hosts_;        // open connections a host
    std::uint64_t last_connection_ = 0;
};

SipLoop::SipLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SipLoop::~SipLoop() = default;

Result<std::unique_ptr<SipLoop>, Reason> SipLoop::create(const std::vector<Listen>& listens,
                                                         base::Log& log,
                                                         const SipLoopOptions& options) {
    auto impl = std::make_unique<Impl>(log, options);
    if (auto reason = impl->bind(listens)) return *reason;
    return std::unique_ptr<SipLoop>(new SipLoop(std::move(impl)));
}

std::uint16_t SipLoop::listener_count() const { return impl_->listener_count(); }
sip::Transport SipLoop::transport(std::uint16_t listener) const {
    return impl_->transport(listener);
}
NetAddress SipLoop::local_address(std::uint16_t listener) const {
    return impl_->local_address(listener);
}
void SipLoop::run(Handler& handler) { impl_->run(handler); }
void SipLoop::post(std::function<void()> work) { asio::post(impl_->io(), std::move(work)); }
void SipLoop::stop() { impl_->io().stop(); }
void SipLoop::set_deadline(std::optional<base::TimePoint> when) { impl_->set_deadline(when); }
void SipLoop::send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction) {
    impl_->send(flow, std::move(bytes), transaction);
}
void SipLoop::add_alias(const sip::Flow& flow, const NetAddress& address) {
    impl_->add_alias(flow, address);
}
void SipLoop::locate(const std::string& uri, base::Random& random, Located found) {
    impl_->locate(uri, random, std::move(found));
}
void SipLoop::watch(int descriptor, std::function<void()> readable) {
    impl_->watch(descriptor, std::move(readable));
}
void SipLoop::watch_signals(const std::vector<int>& signals, std::function<void(int)> handle) {
    impl_->watch_signals(signals, std::move(handle));
}
const SipLoop::Counters& SipLoop::counters() const { return impl_->counters(); }

}  // namespace earshot::transport
