#include "client/companion_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/limits.h"

namespace earshot::client {
namespace {

constexpr std::string_view kWhole =
    R"({"call_id": "c1@pc33", "from_tag": "ft", "to_tag": "tt",
        "from": {"uri": "sip:ada@example.com", "name": "Ada"}, "to": "sip:bob@example.com",
        "session_id": "ab30317f1a784dc48ff824d0d3715d86;remote=0", "instance": "qm",
        "servers": ["sip:rec1@192.0.2.9", "sip:rec2@192.0.2.9"], "headers": {"X-Order": "17"},
        "group": "team", "rtpengine": "127.0.0.1:2223", "longest_s": 60, "wait": true})";

std::string fault_of(std::string_view body) {
    const auto wish = read_companion_wish(body);
    return wish ? "" : wish.error().text;
}

TEST(CompanionWish, IsReadFromJson) {
    const auto wish = read_companion_wish(kWhole);
    ASSERT_TRUE(wish) << wish.error().text;
    EXPECT_EQ(wish->call_id, "c1@pc33");
    EXPECT_EQ(wish->from_tag, "ft");
    EXPECT_EQ(wish->to_tag, "tt");
    EXPECT_EQ(wish->from.uri, "sip:ada@example.com");
    EXPECT_EQ(wish->from.name, "Ada");
    EXPECT_EQ(wish->to.uri, "sip:bob@example.com");
    EXPECT_EQ(wish->instance, "qm");
    EXPECT_EQ(wish->servers.size(), 2U);
    EXPECT_EQ(wish->headers.at(0).second, "17");
    EXPECT_EQ(wish->group, "team");
    EXPECT_EQ(wish->longest, std::chrono::seconds{60});
    EXPECT_TRUE(wish->waits);
}

TEST(CompanionWish, IsReadFromAForm) {
    const auto wish = read_companion_wish(
        "call_id=a%26b%2Fc&from_tag=ft&to_tag=tt&from=sip%3Aada%40example.com&to=&wait=true"
        "&longest_s=5&servers=sip%3Arec%40192.0.2.9");
    ASSERT_TRUE(wish) << wish.error().text;
    EXPECT_EQ(wish->call_id, "a&b/c");
    EXPECT_EQ(wish->from.uri, "sip:ada@example.com");
    EXPECT_TRUE(wish->waits);
    EXPECT_EQ(wish->longest, std::chrono::seconds{5});
    EXPECT_THAT(wish->servers, testing::ElementsAre("sip:rec@192.0.2.9"));
}

TEST(CompanionWish, IsRefusedAtEachTruncation) {
    for (std::size_t size = 0; size < kWhole.size(); ++size)
        EXPECT_FALSE(read_companion_wish(kWhole.substr(0, size))) << size;
}

TEST(CompanionWish, NamesWhatIsMissingOrWrong) {
    EXPECT_THAT(fault_of("[]"), testing::HasSubstr("neither"));
    EXPECT_THAT(fault_of("a%2"), testing::HasSubstr("neither"));
    EXPECT_THAT(fault_of(R"({"call_id": "c", "from_tag": "f"})"), testing::HasSubstr("to_tag"));
    EXPECT_THAT(fault_of("call_id=c&from_tag=t&to_tag=t"), testing::HasSubstr("the same"));
    const auto with = [](const std::string& field) {
        return fault_of(R"({"call_id": "c", "from_tag": "f", "to_tag": "t", )" + field + "}");
    };
    EXPECT_EQ(with(R"("wait": false)"), "");
    EXPECT_THAT(with(R"("wait": 1)"), testing::HasSubstr("wait is neither"));
    EXPECT_THAT(with(R"("from": 5)"), testing::HasSubstr("from is neither"));
    EXPECT_THAT(with(R"("from": "ada")"), testing::HasSubstr("no URI"));
    EXPECT_THAT(with(R"("servers": "http://x")"), testing::HasSubstr("no SIP URI"));
    EXPECT_THAT(with(R"("headers": {"X": 1})"), testing::HasSubstr("X is no text"));
    EXPECT_THAT(with(R"("headers": {"X": "a\r\nVia: b"})"), testing::HasSubstr("control"));
    EXPECT_THAT(with(R"("longest_s": -1)"), testing::HasSubstr("seconds"));
    EXPECT_THAT(with(R"("rtpengine": "a b")"), testing::HasSubstr("blank"));
}

TEST(CompanionWish, HasAsManyServersAndHeadersAsTheLimitsAndNoMore) {
    const auto with = [](std::size_t servers, std::size_t headers) {
        std::string body = R"({"call_id": "c", "from_tag": "f", "to_tag": "t", "servers": [)";
        for (std::size_t i = 0; i < servers; ++i)
            body += std::string(i == 0 ? "" : ", ") + R"("sip:rec@192.0.2.9")";
        body += R"(], "headers": {)";
        for (std::size_t i = 0; i < headers; ++i)
            body += (i == 0 ? "\"X-" : ", \"X-") + std::to_string(i) + R"(": "a")";
        return body + "}}";
    };
    EXPECT_EQ(fault_of(with(policy::kMaxServers, policy::kMaxSetHeaders)), "");
    EXPECT_NE(fault_of(with(policy::kMaxServers + 1, 1)), "");
    EXPECT_NE(fault_of(with(1, policy::kMaxSetHeaders + 1)), "");
}

}  // namespace
}  // namespace earshot::client
