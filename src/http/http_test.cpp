#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/message.h"
#include "http/range.h"
#include "http/response_head.h"
#include "http/router.h"
#include "http/url.h"

namespace earshot::http {
namespace {

using testing::HasSubstr;
using testing::Not;

Request make_request(std::string_view method, std::string_view target) {
    Request request = *parse_target(target);
    request.method = std::string(method);
    return request;
}

TEST(ParseTarget, DecodesPathAndQuery) {
    const auto request = parse_target("/a%20b/c?q=alice+b%26c&limit=2&flag&&x=%3d");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->path, "/a b/c");
    EXPECT_EQ(request->query_value("q"), "alice b&c");
    EXPECT_EQ(request->query_value("limit"), "2");
    EXPECT_EQ(request->query_value("flag"), "");
    EXPECT_EQ(request->query_value("x"), "=");
    EXPECT_EQ(request->query_value("y"), std::nullopt);
}

TEST(ParseTarget, RefusesWhatIsNoPath) {
    for (const char* bad : {"", "a", "*", "http://x/", "/%", "/%4", "/%zz", "/%00", "/?a=%0"})
        EXPECT_FALSE(parse_target(bad)) << bad;
    std::string many = "/?";
    for (int i = 0; i < 65; ++i) many += "a=1&";
    EXPECT_FALSE(parse_target(many));
}

TEST(PercentEncode, ComesBack) {
    std::string all;
    for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_encode("a-b ~/"), "a-b%20~%2F");
}

TEST(Request, FindsACookieAmongOthers) {
    Request request;
    request.headers.push_back({"Cookie", "a=1; earshot=tok=en ;b=2"});
    EXPECT_EQ(request.cookie("earshot"), "tok=en");
    EXPECT_EQ(request.cookie("b"), "2");
    EXPECT_EQ(request.cookie("c"), "");
}

TEST(Problem, IsRfc9457) {
    const Response response = problem(404, "not_found", "There is no recording \xff.");
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    const auto body = nlohmann::json::parse(response.text());
    EXPECT_EQ(body["status"], 404);
    EXPECT_EQ(body["title"], "Not Found");
    EXPECT_EQ(body["code"], "not_found");
}

TEST(EncodeEvent, SplitsLines) {
    EXPECT_EQ(encode_event("live", "{}"), "event: live\ndata: {}\n\n");
    EXPECT_EQ(encode_event("live", "a\nb"), "event: live\ndata: a\ndata: b\n\n");
    EXPECT_EQ(encode_event("live", ""), "event: live\ndata: \n\n");
}

TEST(ParseRange, FollowsRfc9110Section14) {
    using Kind = Range::Kind;
    const struct {
        const char* field;
        Range expected;
    } cases[] = {
        {"", {Kind::Whole, 0, 1000}},
        {"bytes=0-499", {Kind::Part, 0, 500}},
        {"bytes=500-999", {Kind::Part, 500, 500}},
        {"bytes=500-", {Kind::Part, 500, 500}},
        {"bytes=-500", {Kind::Part, 500, 500}},
        {"bytes=-5000", {Kind::Part, 0, 1000}},
        {"bytes=999-5000", {Kind::Part, 999, 1}},
        {"Bytes= 1 - 2", {Kind::Part, 1, 2}},
        {"bytes=1000-", {Kind::Unsatisfiable, 0, 0}},
        {"bytes=-0", {Kind::Unsatisfiable, 0, 0}},
        {"bytes=5-4", {Kind::Whole, 0, 1000}},
        {"bytes=0-1,5-6", {Kind::Whole, 0, 1000}},
        {"bytes=a-b", {Kind::Whole, 0, 1000}},
        {"bytes=-", {Kind::Whole, 0, 1000}},
        {"bytes=99999999999999999999-", {Kind::Whole, 0, 1000}},
        {"lines=0-1", {Kind::Whole, 0, 1000}},
    };
    for (const auto& [field, expected] : cases)
        EXPECT_EQ(parse_range(field, 1000), expected) << field;
    EXPECT_EQ(parse_range("bytes=0-", 0).kind, Kind::Unsatisfiable);
}

TEST(WriteHead, AddsSecurityFieldsAndFraming) {
    const Response response = make_response(200, "text/html", "x");
    const std::string head =
        write_head(response, {.length = 1}, base::wall_from_ns(784'111'777'000'000'000));
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 1\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nContent-Security-Policy: default-src 'none'"));
    EXPECT_THAT(head, Not(HasSubstr("Connection: close")));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(WriteHead, LetsNoValueStartALine) {
    Response response = make_response(200, "text/plain", "");
    response.headers.push_back({"X-Name", "a\r\nSet-Cookie: b"});
    EXPECT_THAT(write_head(response, {}, {}), HasSubstr("X-Name: a  Set-Cookie: b\r\n"));
}

TEST(IsNotModified, ComparesWeakly) {
    Response response = make_response(200, "text/plain", "x");
    response.headers.push_back({"ETag", "\"a\""});
    Request request = make_request("GET", "/");
    EXPECT_FALSE(is_not_modified(request, response));
    request.headers.push_back({"If-None-Match", "\"b\", W/\"a\""});
    EXPECT_TRUE(is_not_modified(request, response));
    request.method = "POST";
    EXPECT_FALSE(is_not_modified(request, response));
}

class RouterTest : public testing::Test {
protected:
    RouterTest() {
        router_.add("GET", "/things", [](const auto&, const auto&) {
            return make_response(200, "text/plain", "all");
        });
        router_.add(
            "GET", "/things/{id}/parts/{part}", [](const auto&, const Parameters& parameters) {
                return make_response(200, "text/plain",
                                     std::string(parameters[0]) + "," + std::string(parameters[1]));
            });
        router_.add("POST", "/things/{id}/parts/{part}",
                    [](const auto&, const auto&) { return make_response(201, "text/plain", ""); });
    }
    Router router_;
};

TEST_F(RouterTest, FindsByPathAndMethod) {
    EXPECT_EQ(router_.route(make_request("GET", "/things")).text(), "all");
    EXPECT_EQ(router_.route(make_request("HEAD", "/things")).status, 200);
    EXPECT_EQ(router_.route(make_request("GET", "/things/a%20b/parts/2")).text(), "a b,2");
    EXPECT_EQ(router_.route(make_request("POST", "/things/1/parts/2")).status, 201);
}

TEST_F(RouterTest, TellsWhatIsNotThere) {
    EXPECT_EQ(router_.route(make_request("GET", "/thing")).status, 404);
    EXPECT_EQ(router_.route(make_request("GET", "/things/1/parts")).status, 404);
    const Response response = router_.route(make_request("DELETE", "/things/1/parts/2"));
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.header("allow"), "GET, POST");
}

TEST(ParseUrl, TakesNamesAndAddresses) {
    const auto plain = parse_url("http://example.com");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "example.com");
    EXPECT_EQ(plain->port, "80");
    EXPECT_EQ(plain->target, "/");
    const auto full = parse_url("HTTP://[::1]:8080/a?b=c#d");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->host, "::1");
    EXPECT_EQ(full->port, "8080");
    EXPECT_EQ(full->target, "/a?b=c");
    EXPECT_EQ(full->authority, "[::1]:8080");
    EXPECT_EQ(parse_url("http://h?x")->target, "/?x");
}

TEST(ParseUrl, RefusesTheRest) {
    for (const char* bad : {"", "https://h/", "http://", "http://h:0/", "http://h:x/",
                            "http://h:70000/", "http://u@h/", "http://h/ a", "http://[::1]x/"})
        EXPECT_FALSE(parse_url(bad)) << bad;
}

}  // namespace
}  // namespace earshot::http
