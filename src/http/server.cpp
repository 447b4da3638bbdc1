#include "http/server.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <exception>
#include <future>
#include <thread>
#include <unordered_set>

#include "base/net_address.h"
#include "http/range.h"
#include "http/response_head.h"
#include "io/clock.h"
#include "io/thread_name.h"

namespace earshot::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using RequestParser = beast::http::request_parser<beast::http::string_body>;

constexpr std::size_t kPieceBytes = 64ULL * 1024;

class Connection;

// All of it belongs to the http thread, but the two atomics and what the pool runs.
class ServerCore {
public:
    ServerCore(ServerOptions server_options, Server::Handler server_handler, base::Log& server_log)
        : options(std::move(server_options)),
          handler(std::move(server_handler)),
          log(server_log),
          acceptor(io),
          accept_pause(io),
          pool(options.workers) {}

    void accept();
    void begin_stop();
    void remove(Connection* connection);

    const ServerOptions options;
    const Server::Handler handler;
    base::Log& log;
    const io::SystemClock clock;
    std::unordered_set<Connection*> connections;  // outlives `io`, which destroys the last of them
    std::atomic<std::size_t> listeners{0};
    std::promise<void> drained;
    bool is_stopping = false;
    asio::io_context io{1};
    tcp::acceptor acceptor;
    asio::steady_timer accept_pause;
    asio::thread_pool pool;
};

// One TCP connection and its requests, one after another. Shared by the operations that are under
// way on it: the last one to end destroys it.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(ServerCore& server, tcp::socket socket)
        : server_(server), stream_(std::move(socket)), ping_(server.io), parked_(server.io) {
        ErrorCode ignored;
        const tcp::endpoint peer = stream_.socket().remote_endpoint(ignored);
        peer_ = fmt::format("{}:{}", peer.address().to_string(), peer.port());
        server_.connections.insert(this);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        if (is_listener_) server_.listeners.fetch_sub(1);
        server_.remove(this);
    }

    void read_request() {
        if (server_.is_stopping) return close();
        is_idle_ = true;
        parser_.emplace();
        parser_->header_limit(server_.options.header_limit);
        parser_->body_limit(server_.options.body_limit);
        stream_.expires_after(server_.options.timeout);
        beast::http::async_read(
            stream_, buffer_, *parser_,
            [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_read(error); });
    }

    void refuse_for_load() {
        keep_alive_ = false;
        send(problem(503, "too_many_connections", "The server has too many connections open."));
    }

    // Ends it when nothing is being answered; otherwise after the answer.
    void stop() {
        keep_alive_ = false;
        if (is_idle_ || is_listener_) close();  // is_idle_: also while it reads a request
    }

    bool is_listener() const { return is_listener_; }

    void push_event(const std::string& text) {
        if (events_.size() >= server_.options.event_backlog) {
            server_.log.warning("A reader of the event stream was too slow and was dropped.",
                                {{"peer", peer_}});
            return close();
        }
        events_.push_back(text);
        write_events();
    }

private:
    void on_read(ErrorCode error) {
        is_idle_ = false;
        if (!error) return on_request();
        keep_alive_ = false;
        if (error == beast::http::error::header_limit)
            return send(problem(431, "header_too_large", "The request's header is too large."));
        if (error == beast::http::error::body_limit)
            return send(problem(413, "body_too_large", "The request's body is too large."));
        const ErrorCode some_syntax_error = beast::http::error::bad_method;
        const bool is_cut = error == beast::http::error::end_of_stream ||
                            error == beast::http::error::partial_message;
        if (is_cut || error.category() != some_syntax_error.category()) return close();
        send(problem(400, "bad_request", "This is not an HTTP/1.1 request: " + error.message()));
    }

    void on_request() {
        auto message = parser_->release();
        is_http11_ = message.version() >= 11;
        keep_alive_ = is_http11_ && message.keep_alive() && !server_.is_stopping;
        auto target = parse_target({message.target().data(), message.target().size()});
        if (!target)
            return send(problem(400, "bad_target", "The request's path cannot be decoded."));
        request_ = std::move(*target);
        request_.method = std::string(message.method_string());
        for (const auto& field : message)
            request_.headers.push_back(
                {std::string(field.name_string()), std::string(field.value())});
        request_.body = std::move(message.body());
        request_.peer = peer_;
        send(run([this] { return server_.handler(request_); }));
    }

    // The last guard: whatever a library throws at a handler ends a request, not the server.
    template <class Work>
    Response run(const Work& work) {
        try {
            return work();
        } catch (const std::exception& problem_found) {
            server_.log.error("A request could not be answered.",
                              {{"path", request_.path}, {"error", problem_found.what()}});
        }
        return problem(500, "internal", "The server could not answer; its log says why.");
    }

    void send(Response response) {
        if (auto* work = std::get_if<Deferred>(&response.body))
            return run_deferred(std::move(*work));
        if (auto* later = std::get_if<Parked>(&response.body))
            return park([work = std::move(later->then)](Connection& connection) mutable {
                connection.run_deferred(std::move(work));
            });
        response_ = std::move(response);
        if (is_not_modified(request_, response_)) {
            response_.status = 304;
            response_.body = std::string();
        }
        is_head_ = request_.method == "HEAD";
        if (auto* text = std::get_if<std::string>(&response_.body)) return send_text(*text);
        if (auto* source = std::get_if<std::unique_ptr<ByteSource>>(&response_.body))
            return send_source(**source);
        if (auto* stream = std::get_if<EventStream>(&response_.body))
            return send_events(stream->greeting);
        send_produced();
    }

    // From a worker back to the http thread. The connection moves along, so that its last owner,
    // who destroys it, is never a worker.
    template <class Then>
    static void return_home(std::shared_ptr<Connection> self, Then then) {
        ServerCore& server = self->server_;
        asio::post(server.io, [self = std::move(self), then] { then(*self); });
    }

    void run_deferred(Deferred given) {
        asio::post(server_.pool, [self = shared_from_this(), work = std::move(given)]() mutable {
            auto answer = std::make_shared<Response>(self->run(work));
            work = nullptr;
            return_home(std::move(self),
                        [answer](Connection& connection) { connection.send(std::move(*answer)); });
        });
    }

    // Goes on with `then` after a while, on the http thread, unless the peer has gone meanwhile. A
    // timer costs next to nothing: readers of what is only being made are many, workers are few.
    template <class Then>
    void park(Then then) {
        parked_.expires_after(kParkTime);
        parked_.async_wait(
            [self = shared_from_this(), then = std::move(then)](ErrorCode error) mutable {
                if (error || self->server_.is_stopping || self->has_peer_gone())
                    return self->close();
                then(*self);
            });
    }

    // Else nobody would notice before the next octets are written, which may be hours off. A peer
    // that only ends its own direction is taken for gone, as on an event stream.
    bool has_peer_gone() {
        ErrorCode error;
        std::array<char, 1> next{};
        stream_.socket().non_blocking(true, error);
        stream_.socket().receive(asio::buffer(next), tcp::socket::message_peek, error);
        return error && error != asio::error::would_block && error != asio::error::try_again;
    }

    std::string head(Framing framing) {
        framing.keep_alive = keep_alive_;
        return write_head(response_, framing, server_.clock.now().wall);
    }

    void send_text(const std::string& text) {
        out_ = head({.kind = Framing::Kind::Length, .length = text.size()});
        if (!is_head_) out_ += text;
        write([this] { finish(); });
    }

    void send_source(const ByteSource& source) {
        const std::uint64_t total = source.size();
        const bool may_range = response_.status == 200 && request_.method == "GET" &&
                               (request_.header("if-range").empty() ||
                                request_.header("if-range") == response_.header("etag"));
        const Range range = parse_range(may_range ? request_.header("range") : "", total);
        response_.headers.push_back({"Accept-Ranges", "bytes"});
        if (range.kind == Range::Kind::Unsatisfiable) {
            Response refusal = problem(416, "bad_range", "The content is shorter than the range.");
            refusal.headers.push_back({"Content-Range", fmt::format("bytes */{}", total)});
            return send(std::move(refusal));
        }
        if (range.kind == Range::Kind::Part) {
            response_.status = 206;
            response_.headers.push_back(
                {"Content-Range", fmt::format("bytes {}-{}/{}", range.offset,
                                              range.offset + range.size - 1, total)});
        }
        offset_ = range.offset;
        rest_ = is_head_ ? 0 : range.size;
        out_ = head({.kind = Framing::Kind::Length, .length = range.size});
        write([this] { send_piece(); });
    }

    void send_piece() {
        if (rest_ == 0) return finish();
        asio::post(server_.pool, [self = shared_from_this()]() mutable {
            self->out_.resize(std::min<std::uint64_t>(self->rest_, kPieceBytes));
            const std::span<std::uint8_t> room(reinterpret_cast<std::uint8_t*>(self->out_.data()),
                                               self->out_.size());
            auto& source = *std::get<std::unique_ptr<ByteSource>>(self->response_.body);
            auto count = source.read(self->offset_, room);
            return_home(std::move(self),
                        [count](Connection& connection) { connection.on_piece(count); });
        });
    }

    void on_piece(const base::Result<std::size_t, base::Reason>& count) {
        if (!count) return fail(count.error());
        if (*count == 0) return fail({"short", "The content ended before its size."});
        out_.resize(*count);
        offset_ += *count;
        rest_ -= *count;
        write([this] { send_piece(); });
    }

    void send_produced() {
        is_chunked_ = is_http11_;
        keep_alive_ = keep_alive_ && is_chunked_;
        out_ = head({.kind = is_chunked_ ? Framing::Kind::Chunked : Framing::Kind::UntilClose});
        if (is_head_) return write([this] { finish(); });
        write([this] { produce(); });
    }

    void produce() {
        asio::post(server_.pool, [self = shared_from_this()]() mutable {
            self->out_.clear();
            auto more = std::get<Producer>(self->response_.body)(self->out_);
            return_home(std::move(self),
                        [more](Connection& connection) { connection.on_produced(more); });
        });
    }

    void on_produced(const base::Result<bool, base::Reason>& more) {
        if (!more) return fail(more.error());
        const bool is_last = !*more;
        if (is_last) out_.clear();
        if (is_chunked_) {
            if (is_last) out_ = "0\r\n\r\n";
            if (!is_last && !out_.empty()) out_ = fmt::format("{:x}\r\n{}\r\n", out_.size(), out_);
        }
        if (is_last) return write([this] { finish(); });
        if (out_.empty()) return park([](Connection& connection) { connection.produce(); });
        write([this] { produce(); });
    }

    void send_events(const std::string& greeting) {
        is_listener_ = true;
        server_.listeners.fetch_add(1);
        keep_alive_ = false;
        response_.headers.push_back({"Content-Type", "text/event-stream"});
        events_.push_back(head({.kind = Framing::Kind::UntilClose}));
        events_.push_back(": here\n\n" + greeting);
        // The peer sends nothing more: this read ends when it goes away.
        stream_.expires_never();
        stream_.async_read_some(
            buffer_.prepare(512),
            [self = shared_from_this()](ErrorCode, std::size_t) { self->close(); });
        write_events();
        ping();
    }

    void write_events() {
        if (is_writing_ || events_.empty()) return;
        is_writing_ = true;
        out_ = std::move(events_.front());
        events_.pop_front();
        write([this] {
            is_writing_ = false;
            write_events();
        });
    }

    void ping() {
        ping_.expires_after(server_.options.event_interval);
        ping_.async_wait([weak = weak_from_this()](ErrorCode error) {
            const auto self = weak.lock();
            if (error || !self) return;
            if (self->events_.empty()) self->push_event(": still here\n\n");
            self->ping();
        });
    }

    // `next` runs on success; a peer that went away or does not read ends the connection.
    template <class Next>
    void write(Next next) {
        stream_.expires_after(server_.options.timeout);
        asio::async_write(stream_, asio::buffer(out_),
                          [self = shared_from_this(), next](ErrorCode error, std::size_t) {
                              if (error) return self->close();
                              next();
                          });
    }

    void finish() {
        response_ = Response();
        out_ = std::string();
        if (keep_alive_) return read_request();
        ErrorCode ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        // Closing with unread octets would send a reset, and the peer might lose the answer.
        stream_.expires_after(std::chrono::seconds(1));
        discard_rest();
    }

    void discard_rest() {
        buffer_.clear();
        stream_.async_read_some(buffer_.prepare(4096),
                                [self = shared_from_this()](ErrorCode error, std::size_t) {
                                    if (error) return self->close();
                                    self->discard_rest();
                                });
    }

    // The head is out already, so only a broken connection can tell that the body is not whole.
    void fail(const base::Reason& reason) {
        server_.log.error("A response was broken off: " + reason.text,
                          {{"path", request_.path}, {"reason", reason.code}});
        close();
    }

    void close() {
        ping_.cancel();
        parked_.cancel();
        stream_.close();
    }

    ServerCore& server_;
    beast::tcp_stream stream_;
    asio::steady_timer ping_;
    asio::steady_timer parked_;
    beast::flat_buffer buffer_;
    std::optional<RequestParser> parser_;
    std::string peer_;
    Request request_;
    Response response_;
    std::string out_;  // what is being written
    std::uint64_t offset_ = 0;
    std::uint64_t rest_ = 0;
    std::deque<std::string> events_;
    bool is_idle_ = true;  // waits for a request
    bool is_head_ = false;
    bool is_http11_ = true;
    bool is_chunked_ = false;
    bool keep_alive_ = false;
    bool is_listener_ = false;
    bool is_writing_ = false;
};

void ServerCore::remove(Connection* connection) {
    connections.erase(connection);
    if (is_stopping && connections.empty()) drained.set_value();
}

void ServerCore::accept() {
    acceptor.async_accept([this](ErrorCode error, tcp::socket socket) {
        if (is_stopping) return;
        if (error) {  // most likely no descriptor is free: wait for one
            accept_pause.expires_after(std::chrono::milliseconds(100));
            accept_pause.async_wait([this](ErrorCode cancelled) {
                if (!cancelled) accept();
            });
            return;
        }
        const auto connection = std::make_shared<Connection>(*this, std::move(socket));
        if (connections.size() > options.connection_limit)
            connection->refuse_for_load();
        else
            connection->read_request();
        accept();
    });
}

void ServerCore::begin_stop() {
    if (is_stopping) return;
    is_stopping = true;
    ErrorCode ignored;
    acceptor.close(ignored);
    accept_pause.cancel();
    if (connections.empty()) return drained.set_value();
    for (Connection* connection : connections) connection->stop();
}

class BeastServer final : public Server {
public:
    BeastServer(ServerOptions options, Handler handler, base::Log& log)
        : core_(std::move(options), std::move(handler), log) {}
    BeastServer(const BeastServer&) = delete;
    BeastServer& operator=(const BeastServer&) = delete;
    // A thread that cannot be ended ends the process, as any exception here does.
    // NOLINTNEXTLINE(bugprone-exception-escape)
    ~BeastServer() override { stop(std::chrono::milliseconds(0)); }

    std::optional<base::Reason> listen() {
        const auto address = base::parse_host(core_.options.host, core_.options.port);
        if (!address)
            return base::Reason{"bad_address",
                                fmt::format("\"{}\" is not an IP address.", core_.options.host)};
        ErrorCode error;
        const tcp::endpoint endpoint(asio::ip::make_address(base::host_to_string(*address), error),
                                     address->port);
        if (!error) core_.acceptor.open(endpoint.protocol(), error);
        if (!error) core_.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
        // Else Asio keeps such an error to itself and waits for the next peer, with others in line.
        if (!error)
            core_.acceptor.set_option(asio::socket_base::enable_connection_aborted(true), error);
        if (!error) core_.acceptor.bind(endpoint, error);
        if (!error) core_.acceptor.listen(asio::socket_base::max_listen_connections, error);
        if (error)
            return base::Reason{
                "cannot_listen",
                fmt::format("HTTP cannot listen at {}: {}. Is another server running there? Choose "
                            "another address with --http HOST:PORT.",
                            base::to_string(*address), error.message())};
        port_ = core_.acceptor.local_endpoint(error).port();
        core_.accept();
        thread_ = std::thread([this] {
            io::set_thread_name("http");
            core_.io.run();
        });
        return std::nullopt;
    }

    std::uint16_t port() const override { return port_; }
    std::size_t listener_count() const override { return core_.listeners.load(); }

    void publish(std::string_view event, std::string_view data) override {
        if (listener_count() == 0) return;
        asio::post(core_.io, [this, text = encode_event(event, data)] {
            // Dropping a slow reader destroys it later, never within this loop.
            for (Connection* connection : core_.connections)
                if (connection->is_listener()) connection->push_event(text);
        });
    }

    void stop(std::chrono::milliseconds grace) override {
        if (!thread_.joinable()) return;
        auto drained = core_.drained.get_future();
        asio::post(core_.io, [this] { core_.begin_stop(); });
        drained.wait_for(grace);
        core_.io.stop();
        thread_.join();
        core_.pool.stop();
        core_.pool.join();
    }

private:
    ServerCore core_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace

base::Result<std::unique_ptr<Server>, base::Reason> start_server(ServerOptions options,
                                                                 Server::Handler handler,
                                                                 base::Log& log) {
    auto server = std::make_unique<BeastServer>(std::move(options), std::move(handler), log);
    if (auto failure = server->listen()) return *failure;
    return std::unique_ptr<Server>(std::move(server));
}

}  // namespace earshot::http
