#include "http/client.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>

#include "base/text.h"
#include "http/url.h"

namespace earshot::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Parser = beast::http::response_parser<beast::http::buffer_body>;

// One request on a connection of its own. Blocking calls cannot time out in Asio, so each step is
// asynchronous and run to its end here.
class Exchange {
public:
    Exchange(const Call& call, Url url) : call_(call), url_(std::move(url)), stream_(io_) {
        parser_.body_limit(boost::none);  // limited while it is read
    }

    base::Result<Reply, base::Reason> run(const BodySink& sink) {
        if (auto failure = connect()) return *failure;
        if (auto failure = send()) return *failure;
        if (auto failure = read_head()) return *failure;
        Reply reply;
        reply.status = static_cast<int>(parser_.get().result_int());
        for (const auto& field : parser_.get())
            reply.headers.push_back({std::string(field.name_string()), std::string(field.value())});
        const bool is_good = reply.status >= 200 && reply.status < 300;
        if (call_.method != "HEAD")
            if (auto failure = read_body(reply, is_good ? sink : BodySink())) return *failure;
        return reply;
    }

private:
    // Starts one step and waits for it.
    template <class Start>
    ErrorCode wait(std::chrono::milliseconds limit, Start start) {
        ErrorCode result;
        stream_.expires_after(limit);
        start([&result](ErrorCode error, auto&&...) { result = error; });
        io_.restart();
        io_.run();
        return result;
    }

    base::Reason reason(std::string_view code, std::string_view what, ErrorCode error) const {
        if (error == beast::error::timeout)
            return {"timeout", fmt::format("{} did not answer in time.", url_.authority)};
        return {std::string(code), fmt::format("{} {}: {}", what, url_.authority, error.message())};
    }

    std::optional<base::Reason> connect() {
        tcp::resolver resolver(io_);
        ErrorCode error;
        const auto endpoints = resolver.resolve(url_.host, url_.port, error);
        if (error) return reason("unreachable", "There is no address for", error);
        error =
            wait(call_.connect_timeout, [&](auto done) { stream_.async_connect(endpoints, done); });
        if (error) return reason("unreachable", "No server answers at", error);
        return std::nullopt;
    }

    std::optional<base::Reason> send() {
        std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                       call_.method, url_.target, url_.authority);
        for (const Field& field : call_.headers)
            text += fmt::format("{}: {}\r\n", field.name, field.value);
        if (!call_.body.empty() || call_.method == "POST")
            text += fmt::format("Content-Length: {}\r\n", call_.body.size());
        text += "\r\n" + call_.body;
        const ErrorCode error = wait(call_.timeout, [&](auto done) {
            asio::async_write(stream_, asio::buffer(text), done);
        });
        // A server that refuses may close before it read all; its answer still counts.
        if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset)
            return reason("broken", "The request was cut by", error);
        return std::nullopt;
    }

    std::optional<base::Reason> read_head() {
        if (call_.method == "HEAD") parser_.skip(true);
        const ErrorCode error = wait(call_.timeout, [&](auto done) {
            beast::http::async_read_header(stream_, buffer_, parser_, done);
        });
        if (error) return reason("broken", "There is no HTTP answer from", error);
        return std::nullopt;
    }

    std::optional<base::Reason> read_body(Reply& reply, const BodySink& sink) {
        std::array<char, 64 * 1024> room{};
        while (!parser_.is_done()) {
            parser_.get().body().data = room.data();
            parser_.get().body().size = room.size();
            const ErrorCode error = wait(call_.timeout, [&](auto done) {
                beast::http::async_read_some(stream_, buffer_, parser_, done);
            });
            if (error && error != beast::http::error::need_buffer)
                return reason("broken", "The answer was cut by", error);
            const std::string_view piece(room.data(), room.size() - parser_.get().body().size);
            if (piece.empty()) continue;
            if (sink) {
                if (!sink(piece)) return base::Reason{"stopped", "The transfer was stopped."};
                continue;
            }
            if (reply.body.size() + piece.size() > call_.body_limit)
                return base::Reason{"too_large", fmt::format("The answer of {} is larger than {} "
                                                             "bytes.",
                                                             url_.authority, call_.body_limit)};
            reply.body += piece;
        }
        return std::nullopt;
    }

    const Call& call_;
    const Url url_;
    asio::io_context io_{1};
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    Parser parser_;
};

}  // namespace

std::string_view Reply::header(std::string_view name) const {
    for (const Field& field : headers)
        if (base::iequals(field.name, name)) return field.value;
    return {};
}

base::Result<Reply, base::Reason> fetch(const Call& call, const BodySink& sink) {
    auto url = parse_url(call.url);
    if (!url)
        return base::Reason{"bad_url", fmt::format("\"{}\" is not a URL of the form "
                                                   "http://HOST[:PORT]/.",
                                                   call.url)};
    return Exchange(call, std::move(*url)).run(sink);
}

}  // namespace earshot::http
