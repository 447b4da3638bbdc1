#include "sip/retry.h"

#include <gtest/gtest.h>

#include "sip/parser.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;

Message response(int status, std::string_view method, std::string_view headers = {}) {
    ParsedMessage parsed =
        parse_message("SIP/2.0 " + std::to_string(status) +
                      " Any\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n"
                      "To: <sip:a@b>;tag=2\r\nCall-ID: f\r\nCSeq: 2 " +
                      std::string{method} + "\r\n" + std::string{headers} + "\r\n");
    EXPECT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    return std::move(parsed.message);
}

// RFC 3261 §14.1; the intervals of the two sides do not meet.
TEST(GlareDelay, E18_IsLongForTheOwnerOfTheCallIdAndShortForTheOther) {
    struct Case {
        bool owns_call_id;
        std::chrono::milliseconds least;
        std::chrono::milliseconds most;
    };
    base::SeededRandom random(1);
    for (const Case c : {Case{true, 2100ms, 4000ms}, Case{false, 0ms, 2000ms}}) {
        auto least = std::chrono::milliseconds::max();
        auto most = std::chrono::milliseconds::min();
        for (int i = 0; i < 5000; ++i) {
            const auto delay = glare_delay(response(491, "INVITE"), c.owns_call_id, random);
            ASSERT_TRUE(delay);
            EXPECT_EQ(delay->count() % 10, 0);
            least = std::min(least, *delay);
            most = std::max(most, *delay);
        }
        EXPECT_EQ(least, c.least);
        EXPECT_EQ(most, c.most);
    }
}

TEST(GlareDelay, IsGivenForTheseAnswersAlone) {
    struct Case {
        int status;
        const char* method;
        const char* headers;
        std::optional<std::chrono::milliseconds> delay;
    };
    const std::vector<Case> cases{
        {500, "UPDATE", "Retry-After: 7\r\n", 7s},
        {500, "INVITE", "Retry-After: 0\r\n", 0s},
        {500, "INVITE", "Retry-After: 60 (busy);duration=1\r\n", 60s},
        {500, "INVITE", "Retry-After: 61\r\n", std::nullopt},
        {500, "INVITE", "Retry-After: soon\r\n", std::nullopt},
        {500, "INVITE", "", std::nullopt},
        {503, "INVITE", "Retry-After: 7\r\n", std::nullopt},
        {488, "INVITE", "", std::nullopt},
        {200, "UPDATE", "", std::nullopt},
        {491, "INFO", "", std::nullopt},
        {500, "BYE", "Retry-After: 7\r\n", std::nullopt},
    };
    base::SeededRandom random(1);
    for (const Case& c : cases) {
        EXPECT_EQ(glare_delay(response(c.status, c.method, c.headers), true, random), c.delay)
            << c.status << " " << c.method << " " << c.headers;
    }
}

}  // namespace
}  // namespace earshot::sip
