#include "transport/sip_loop.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/udp_socket.h"
#include "sip/agent_limits.h"
#include "stun/message.h"
#include "transport/dns_resolver.h"
#include "transport/endpoint.h"
#include "transport/limits.h"
#include "transport/streams.h"
#include "transport/stun_binding.h"

namespace earshot::transport {

namespace asio = boost::asio;
using asio::ip::udp;
using base::NetAddress;
using base::Reason;
using base::Result;
using boost::system::error_code;

namespace {

Reason bind_reason(const Listen& listen, const Streams::Bound& bound) {
    return {.code = bound.is_in_use ? "address_in_use" : "cannot_listen",
            .text = fmt::format(
                "SIP cannot listen on {} ({}): {}{}", base::to_string(listen.address),
                sip::via_name(listen.transport), bound.fault,
                bound.is_in_use ? ". Another program has this port: is a server running already?"
                                : "")};
}

}  // namespace

class SipLoop::Impl {
public:
    Impl(base::Log& log, SipLoopOptions options)
        : log_(log), options_(std::move(options)), timer_(io_), signals_(io_) {}

    std::optional<Reason> bind(const std::vector<Listen>& listens) {
        for (const Listen& listen : listens) {
            auto listener = std::make_unique<Listener>(io_, listen);
            const Streams::Bound bound = listen.transport == sip::Transport::Udp
                                             ? open_udp(*listener)
                                             : streams_.listen(listener_count(), listen);
            if (!bound.fault.empty()) return bind_reason(listen, bound);
            listener->bound = bound.address;
            listeners_.push_back(std::move(listener));
        }
        return std::nullopt;
    }

    void run(Handler& handler) {
        handler_ = &handler;
        for (std::uint16_t i = 0; i < listener_count(); ++i)
            if (transport(i) == sip::Transport::Udp) wait_datagrams(i);
        streams_.serve(&handler);
        const auto guard = asio::make_work_guard(io_);
        io_.run();
        streams_.serve(nullptr);
        handler_ = nullptr;
    }

    void send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
              std::string_view tls_name) {
        if (flow.transport == sip::Transport::Udp)
            send_datagram(flow, *bytes, transaction);
        else
            streams_.send(flow, std::move(bytes), transaction, tls_name);
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
    Streams& streams() { return streams_; }
    const Counters& counters() const { return counters_; }

private:
    struct Listener {
        Listener(asio::io_context& io, Listen what) : listen(what), datagrams(io) {}
        Listen listen;
        NetAddress bound{};
        udp::socket datagrams;  // closed where the listener is one of streams
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

    static Streams::Bound open_udp(Listener& listener) {
        const auto endpoint = to_endpoint<udp::endpoint>(listener.listen.address);
        udp::socket& socket = listener.datagrams;
        error_code error;
        static_cast<void>(socket.open(endpoint.protocol(), error));
        if (!error) keep_to_family(socket, listener.listen.address, error);
        if (!error) static_cast<void>(socket.bind(endpoint, error));
        if (!error) static_cast<void>(socket.non_blocking(true, error));
        if (error)
            return {.address = listener.listen.address,
                    .fault = error.message(),
                    .is_in_use = error == asio::error::address_in_use};
        // A burst of INVITEs waits in the kernel, not in the network: best effort, the kernel caps
        // it.
        error_code ignored;
        static_cast<void>(
            socket.set_option(asio::socket_base::receive_buffer_size(4 << 20), ignored));
        return {.address = from_endpoint(socket.local_endpoint())};
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
        const auto to = to_endpoint<udp::endpoint>(datagram.source);
        error_code ignored;  // as good as a lost answer: the client asks again
        listener.datagrams.send_to(asio::buffer(*answer), to, 0, ignored);
        return true;
    }

    void send_datagram(const sip::Flow& flow, const std::string& bytes,
                       sip::TransactionId transaction) {
        const auto to = to_endpoint<udp::endpoint>(flow.remote);
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

    // ---- where names lead

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
    asio::signal_set signals_;
    std::function<void(int)> on_signal_;
    std::optional<base::TimePoint> deadline_;
    std::optional<base::TimePoint> rings_at_;  // of the timer: at the deadline or before
    Handler* handler_ = nullptr;
    Counters counters_;
    io::DatagramBatch datagrams_{kDatagramsAtOnce, kMaxDatagramBytes};
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<Watched>> watched_;
    Streams streams_{io_, log_, options_, counters_};
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
void SipLoop::send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
                   std::string_view tls_name) {
    impl_->send(flow, std::move(bytes), transaction, tls_name);
}
void SipLoop::add_alias(const sip::Flow& flow, const NetAddress& address) {
    impl_->streams().add_alias(flow, address);
}
void SipLoop::set_tls(std::shared_ptr<const io::TlsContext> tls) {
    impl_->streams().set_tls(std::move(tls));
}
const io::TlsPeer* SipLoop::peer(const sip::Flow& flow) const {
    return impl_->streams().peer(flow);
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
