// The HTTP server and the HTTP client against each other, and the server against raw octets, over
// loopback on a free port.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "http/client.h"
#include "http/server.h"

namespace earshot::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TextSource : public ByteSource {
public:
    explicit TextSource(std::string text) : text_(std::move(text)) {}
    std::uint64_t size() const override { return text_.size(); }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                 std::span<std::uint8_t> out) override {
        const std::string_view rest = std::string_view(text_).substr(offset, out.size());
        std::copy(rest.begin(), rest.end(), out.begin());
        return rest.size();
    }

private:
    std::string text_;
};

// Sends raw octets and reads until the server closes or falls silent.
std::string talk(std::uint16_t port, const std::string& text) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string reply;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) reply = "";
        std::array<char, 4096> room{};
        for (ssize_t n = 0; (n = ::recv(fd, room.data(), room.size(), 0)) > 0;)
            reply.append(room.data(), static_cast<std::size_t>(n));
    }
    ::close(fd);
    return reply;
}

class HttpLoopback : public testing::Test {
protected:
    void SetUp() override { start({}); }

    void start(ServerOptions options) {
        options.port = 0;
        auto server = start_server(
            options, [this](const Request& request) { return answer(request); }, log_);
        ASSERT_TRUE(server) << server.error().text;
        server_ = std::move(*server);
    }

    Response answer(const Request& request) {
        if (request.path == "/echo") return make_response(200, "text/plain", request.body);
        if (request.path == "/source") {
            Response response = make_response(200, "text/plain", "");
            response.headers.push_back({"ETag", "\"1\""});
            response.body = std::make_unique<TextSource>(std::string(200'000, 'a') + "end");
            return response;
        }
        if (request.path == "/produced") {
            Response response = make_response(200, "text/plain", "");
            response.body = Producer([n = 0](std::string& chunk) mutable {
                chunk = std::string(1000, static_cast<char>('a' + n));
                return base::Result<bool, base::Reason>(n++ < 20);
            });
            return response;
        }
        if (request.path == "/broken") {
            Response response = make_response(200, "text/plain", "");
            response.body = Producer([n = 0](std::string& chunk) mutable {
                chunk = "piece";
                if (n++ < 2) return base::Result<bool, base::Reason>(true);
                return base::Result<bool, base::Reason>(base::Reason{"damaged", "no"});
            });
            return response;
        }
        if (request.path == "/deferred") {
            Response response;
            response.body = Deferred([] { return make_response(201, "text/plain", "later"); });
            return response;
        }
        if (request.path == "/parked") {
            ++waiting_;
            return look();
        }
        if (request.path == "/trickle") {
            Response response = make_response(200, "text/plain", "");
            response.body =
                Producer([this, is_known = false, is_told = false](std::string& chunk) mutable {
                    if (!std::exchange(is_known, true)) ++waiting_;
                    if (is_told) return base::Result<bool, base::Reason>(false);
                    is_told = is_there_;
                    if (is_told) chunk = "all of it";
                    return base::Result<bool, base::Reason>(true);
                });
            return response;
        }
        if (request.path == "/throws") throw std::runtime_error("a library said no");
        if (request.path == "/events") {
            Response response;
            response.body = EventStream{encode_event("hello", "1")};
            return response;
        }
        return problem(404, "not_found", "no");
    }

    // An answer that waits for what is not there yet.
    Response look() {
        if (is_there_) return make_response(200, "text/plain", "found");
        Response response;
        response.body = Parked{[this] { return look(); }};
        return response;
    }

    Reply get(const std::string& path, Fields headers = {}, std::string method = "GET") {
        auto reply = fetch({.method = std::move(method),
                            .url = fmt::format("http://127.0.0.1:{}{}", server_->port(), path),
                            .headers = std::move(headers)});
        EXPECT_TRUE(reply) << reply.error().text;
        return reply ? *reply : Reply{};
    }

    base::NullLog log_;
    std::atomic<bool> is_there_{false};
    std::atomic<int> waiting_{0};
    std::unique_ptr<Server> server_;
};

TEST_F(HttpLoopback, EchoesABody) {
    auto reply = fetch({.method = "POST",
                        .url = fmt::format("http://127.0.0.1:{}/echo", server_->port()),
                        .body = std::string(100'000, 'x')});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->body.size(), 100'000U);
    EXPECT_EQ(reply->header("x-content-type-options"), "nosniff");
}

TEST_F(HttpLoopback, ServesWholeSourcesAndRanges) {
    EXPECT_EQ(get("/source").body.size(), 200'003U);
    const Reply part = get("/source", {{"Range", "bytes=199999-"}});
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, "aend");
    EXPECT_EQ(part.header("content-range"), "bytes 199999-200002/200003");
    EXPECT_EQ(get("/source", {{"Range", "bytes=300000-"}}).status, 416);
    EXPECT_EQ(get("/source", {{"Range", "bytes=-3"}, {"If-Range", "\"2\""}}).status, 200);
    EXPECT_EQ(get("/source", {{"If-None-Match", "\"1\""}}).status, 304);
}

TEST_F(HttpLoopback, AnswersHeadWithoutABody) {
    const Reply reply = get("/source", {}, "HEAD");
    EXPECT_EQ(reply.header("content-length"), "200003");
    EXPECT_EQ(reply.body, "");
}

TEST_F(HttpLoopback, StreamsWhatIsProduced) {
    const Reply reply = get("/produced");
    EXPECT_EQ(reply.body.size(), 20'000U);
    EXPECT_EQ(reply.body.back(), 't');
    EXPECT_EQ(reply.header("transfer-encoding"), "chunked");
}

TEST_F(HttpLoopback, HandsABodyToASinkThatMayStop) {
    std::size_t seen = 0;
    const auto reply = fetch({.url = fmt::format("http://127.0.0.1:{}/source", server_->port())},
                             [&](std::string_view piece) {
                                 seen += piece.size();
                                 return seen < 1000;
                             });
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, "stopped");
}

TEST_F(HttpLoopback, ShowsABrokenBodyAsBroken) {
    const auto reply = fetch({.url = fmt::format("http://127.0.0.1:{}/broken", server_->port())});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, "broken");
}

TEST_F(HttpLoopback, RunsDeferredWorkAndSurvivesExceptions) {
    EXPECT_EQ(get("/deferred").body, "later");
    EXPECT_EQ(get("/throws").status, 500);
    EXPECT_EQ(get("/deferred").status, 201);
}

// More of them than there are workers, and each waits until the test has got another answer.
TEST_F(HttpLoopback, HoldsNoWorkerForWhoWaits) {
    server_.reset();
    start({.workers = 1});
    std::vector<std::thread> readers;
    std::array<Reply, 6> replies;
    for (std::size_t i = 0; i < replies.size(); ++i)
        readers.emplace_back(
            [this, i, &replies] { replies.at(i) = get(i % 2 == 0 ? "/parked" : "/trickle"); });
    while (waiting_ < 6) std::this_thread::yield();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(get("/deferred").status, 201);
    is_there_ = true;
    for (std::thread& reader : readers) reader.join();
    for (std::size_t i = 0; i < replies.size(); ++i)
        EXPECT_EQ(replies.at(i).body, i % 2 == 0 ? "found" : "all of it");
}

TEST_F(HttpLoopback, LetsGoOfWhoWaitsWhenItStops) {
    std::thread reader([&] {
        const auto reply =
            fetch({.url = fmt::format("http://127.0.0.1:{}/parked", server_->port())});
        EXPECT_FALSE(reply);
    });
    while (waiting_ == 0) std::this_thread::yield();
    server_->stop(std::chrono::hours(1));  // would be the test's end by its time limit
    reader.join();
}

TEST_F(HttpLoopback, KeepsAConnectionForTheNextRequest) {
    const std::string one = "GET /deferred HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string last = "GET /deferred HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const std::string reply = talk(server_->port(), one + last);
    EXPECT_NE(reply.find("HTTP/1.1 201"), reply.rfind("HTTP/1.1 201"));
}

TEST_F(HttpLoopback, RefusesWhatIsTooLargeOrNoHttp) {
    const std::string large(9000, 'x');
    EXPECT_THAT(talk(server_->port(), "GET / HTTP/1.1\r\nX: " + large + "\r\n\r\n"),
                StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(talk(server_->port(), "POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n"),
                StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(talk(server_->port(), "\x16\x03\x01 hello\r\n\r\n"), StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(talk(server_->port(), "GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n"),
                StartsWith("HTTP/1.1 400"));
    // Two lengths are how requests are smuggled past a proxy.
    EXPECT_THAT(talk(server_->port(),
                     "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpLoopback, TimesOutAHalfRequest) {
    server_.reset();
    start({.timeout = std::chrono::seconds(1)});
    EXPECT_EQ(talk(server_->port(), "GET / HT"), "");
}

TEST_F(HttpLoopback, RefusesBeyondItsConnections) {
    server_.reset();
    start({.connection_limit = 0});
    EXPECT_THAT(talk(server_->port(), ""), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpLoopback, PublishesToEventStreamsAndEndsThemAtStop) {
    std::string seen;
    std::thread reader([&] {
        const auto reply =
            fetch({.url = fmt::format("http://127.0.0.1:{}/events", server_->port())},
                  [&](std::string_view piece) {
                      if (seen.find("hello") == std::string::npos &&
                          piece.find("hello") != std::string_view::npos)
                          server_->publish("live", "{\"a\":1}");
                      seen += piece;
                      return seen.find("live") == std::string::npos;
                  });
        EXPECT_FALSE(reply);
    });
    reader.join();
    EXPECT_THAT(seen, HasSubstr("event: hello\ndata: 1\n\n"));
    EXPECT_THAT(seen, HasSubstr("event: live\ndata: {\"a\":1}\n\n"));

    std::atomic<bool> is_open{false};
    std::thread held([&] {
        (void)fetch({.url = fmt::format("http://127.0.0.1:{}/events", server_->port())},
                    [&](std::string_view) { return is_open = true; });
    });
    while (!is_open) std::this_thread::yield();
    server_->stop(std::chrono::seconds(2));
    held.join();
}

TEST_F(HttpLoopback, SaysWhoHoldsThePort) {
    base::NullLog log;
    const auto second = start_server({.port = server_->port()}, {}, log);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "cannot_listen");
    EXPECT_THAT(second.error().text, HasSubstr("--http"));
    const auto port = server_->port();
    server_.reset();
    const auto nobody = fetch({.url = fmt::format("http://127.0.0.1:{}/", port)});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, "unreachable");
}

}  // namespace
}  // namespace earshot::http
