#include "http/async_client.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <thread>

#include "http/url.h"
#include "io/thread_name.h"

namespace earshot::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// Shared: whichever of its asynchronous steps and its deadline is still pending keeps it alive.
class Exchange : public std::enable_shared_from_this<Exchange> {
public:
    Exchange(asio::io_context& io, Call call, Url url, AsyncClient::Done done)
        : call_(std::move(call)),
          url_(std::move(url)),
          done_(std::move(done)),
          resolver_(io),
          stream_(io),
          deadline_(io) {
        parser_.body_limit(call_.body_limit);
        text_ = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", call_.method,
                            url_.target, url_.authority);
        for (const Field& field : call_.headers)
            text_ += fmt::format("{}: {}\r\n", field.name, field.value);
        text_ += fmt::format("Content-Length: {}\r\n\r\n", call_.body.size()) + call_.body;
    }

    void run(std::chrono::milliseconds limit) {
        deadline_.expires_after(limit);
        deadline_.async_wait([self = shared_from_this()](ErrorCode error) {
            if (!error) self->on_deadline();
        });
        ErrorCode error;
        const auto literal = asio::ip::make_address(url_.host, error);
        if (!error) return connect(tcp::endpoint(literal, port()));
        resolver_.async_resolve(
            url_.host, url_.port, [self = shared_from_this()](ErrorCode failed, auto results) {
                if (failed) return self->fail("unreachable", "There is no address for", failed);
                self->connect(results);
            });
    }

private:
    std::uint16_t port() const {
        return static_cast<std::uint16_t>(std::strtoul(url_.port.c_str(), nullptr, 10));
    }

    // One endpoint, or the results of the resolver.
    template <class Target>
    void connect(const Target& target) {
        stream_.async_connect(target, [self = shared_from_this()](ErrorCode error, auto&&...) {
            if (error) return self->fail("unreachable", "No server answers at", error);
            self->send();
        });
    }

    void send() {
        asio::async_write(stream_, asio::buffer(text_),
                          [self = shared_from_this()](ErrorCode error, auto) {
                              // A server that refuses may close before it read all; its answer
                              // still counts.
                              if (error && error != asio::error::broken_pipe &&
                                  error != asio::error::connection_reset)
                                  return self->fail("broken", "The request was cut by", error);
                              self->receive();
                          });
    }

    void receive() {
        beast::http::async_read(
            stream_, buffer_, parser_, [self = shared_from_this()](ErrorCode error, auto) {
                if (error == beast::http::error::body_limit)
                    return self->finish(base::Reason{
                        "too_large", fmt::format("The answer of {} is larger than {} bytes.",
                                                 self->url_.authority, self->call_.body_limit)});
                if (error) return self->fail("broken", "There is no HTTP answer from", error);
                Reply reply;
                reply.status = static_cast<int>(self->parser_.get().result_int());
                for (const auto& field : self->parser_.get())
                    reply.headers.push_back(
                        {std::string(field.name_string()), std::string(field.value())});
                reply.body = std::move(self->parser_.get().body());
                self->finish(std::move(reply));
            });
    }

    void on_deadline() {
        finish(base::Reason{"timeout", fmt::format("{} did not answer in time.", url_.authority)});
    }

    void fail(std::string_view code, std::string_view what, ErrorCode error) {
        finish(base::Reason{std::string(code),
                            fmt::format("{} {}: {}", what, url_.authority, error.message())});
    }

    void finish(base::Result<Reply, base::Reason> result) {
        const AsyncClient::Done done = std::exchange(done_, nullptr);
        if (!done) return;  // the deadline came first; what it cancelled ends here
        deadline_.cancel();
        resolver_.cancel();
        stream_.close();
        done(std::move(result));
    }

    const Call call_;
    const Url url_;
    std::string text_;
    AsyncClient::Done done_;
    tcp::resolver resolver_;
    beast::tcp_stream stream_;
    asio::steady_timer deadline_;
    beast::flat_buffer buffer_;
    beast::http::response_parser<beast::http::string_body> parser_;
};

}  // namespace

class AsyncClient::Impl {
public:
    explicit Impl(const Options& options)
        : max_in_flight_(options.max_in_flight),
          work_(io_.get_executor()),
          thread_([this, name = options.thread_name] {
              io::set_thread_name(name);
              io_.run();
          }) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        io_.stop();
        thread_.join();
    }

    bool start(Call call, std::chrono::milliseconds deadline, Done done) {
        if (in_flight_.fetch_add(1) >= max_in_flight_) {
            in_flight_.fetch_sub(1);
            return false;
        }
        asio::post(io_, [this, call = std::move(call), deadline, done = std::move(done)]() mutable {
            const auto finished = [this, done = std::move(done)](auto result) {
                in_flight_.fetch_sub(1);
                done(std::move(result));
            };
            auto url = parse_url(call.url);
            if (!url)
                return finished(base::Result<Reply, base::Reason>(base::Reason{
                    "bad_url", fmt::format("\"{}\" is not a URL of the form http://HOST[:PORT]/.",
                                           call.url)}));
            std::make_shared<Exchange>(io_, std::move(call), std::move(*url), finished)
                ->run(deadline);
        });
        return true;
    }

private:
    const std::size_t max_in_flight_;
    std::atomic<std::size_t> in_flight_{0};
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;  // last: it uses all of the above
};

AsyncClient::AsyncClient(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
AsyncClient::~AsyncClient() = default;

bool AsyncClient::start(Call call, std::chrono::milliseconds deadline, Done done) {
    return impl_->start(std::move(call), deadline, std::move(done));
}

}  // namespace earshot::http
