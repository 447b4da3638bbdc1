#include "sip/session_timer.h"

#include <gtest/gtest.h>

#include "sip/parser.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using Refresher = SessionTimerFields::Refresher;
using Due = SessionTimer::Due;

constexpr base::TimePoint kStart{1h};

std::string value_of(const std::vector<ExtraHeader>& headers, std::string_view name) {
    for (const ExtraHeader& header : headers)
        if (header.name == name) return header.value;
    return "";
}

SessionTimerFields asked(std::optional<std::chrono::seconds> expires,
                         Refresher refresher = Refresher::None, bool is_supported = true) {
    return {.session_expires = expires, .refresher = refresher, .is_supported = is_supported};
}

SessionTimerFields fields_of(std::string_view headers) {
    const ParsedMessage parsed = parse_message(
        "UPDATE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n"
        "To: <sip:a@b>;tag=2\r\nCall-ID: f\r\nCSeq: 2 UPDATE\r\n" +
        std::string{headers} + "\r\n");
    EXPECT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    return read_session_timer(parsed.message);
}

TEST(SessionTimerFields, AreReadInLongAndCompactForm) {
    const auto fields = fields_of("x: 1200 ;Refresher=UAC\r\nMin-SE: 120\r\nk: 100rel, timer\r\n");
    EXPECT_EQ(fields.session_expires, 1200s);
    EXPECT_EQ(fields.min_se, 120s);
    EXPECT_EQ(fields.refresher, Refresher::Uac);
    EXPECT_TRUE(fields.is_supported);
}

TEST(SessionTimerFields, ThatCannotBeReadAreAbsent) {
    const auto fields = fields_of("Session-Expires: soon\r\nMin-SE: 0\r\n");
    EXPECT_FALSE(fields.session_expires);
    EXPECT_FALSE(fields.min_se);
    EXPECT_FALSE(fields.is_supported);
    EXPECT_EQ(fields_of("Session-Expires: 4294967295;refresher=both\r\n").refresher,
              Refresher::None);
    EXPECT_EQ(fields_of("Session-Expires: 86401\r\n").session_expires, 86400s);
    EXPECT_EQ(fields_of("Session-Expires: 86400\r\n").session_expires, 86400s);
}

// RFC 4028 table 2, and what our configuration adds to it.
TEST(SessionTimer, AnswersByTheTableOfRefreshers) {
    struct Case {
        const char* what;
        SessionTimerFields request;
        bool always;
        const char* session_expires;  // of the 2xx
        const char* require;
    };
    const std::vector<Case> cases{
        {"none asked, not supported", asked({}, Refresher::None, false), false, "", ""},
        {"the same, but configured", asked({}, Refresher::None, false), true, "1800;refresher=uas",
         ""},
        {"a proxy asks for a client without timers", asked(600s, Refresher::None, false), false,
         "600;refresher=uas", ""},
        {"supported, none asked", asked({}), false, "1800;refresher=uac", "timer"},
        {"supported, no preference", asked(600s), false, "600;refresher=uac", "timer"},
        {"uac", asked(600s, Refresher::Uac), false, "600;refresher=uac", "timer"},
        {"uas", asked(600s, Refresher::Uas), false, "600;refresher=uas", "timer"},
        {"longer than ours is cut", asked(7200s, Refresher::Uas), false, "1800;refresher=uas",
         "timer"},
        {"at our minimum", asked(90s), false, "90;refresher=uac", "timer"},
        {"a proxy's that is too short", asked(89s, Refresher::None, false), false, "", ""},
    };
    for (const Case& c : cases) {
        SessionTimer timer({.refresh_always = c.always});
        EXPECT_FALSE(timer.find_refusal(c.request)) << c.what;
        const auto headers = timer.accept(kStart, c.request);
        EXPECT_EQ(value_of(headers, "Session-Expires"), c.session_expires) << c.what;
        EXPECT_EQ(value_of(headers, "Require"), c.require) << c.what;
        EXPECT_EQ(timer.is_running(), *c.session_expires != '\0') << c.what;
    }
}

TEST(SessionTimer, CutsALongIntervalNoFurtherThanTheRequestsMinSe) {
    SessionTimer timer({.session_expires = 100s});
    SessionTimerFields request = asked(7200s);
    request.min_se = 3600s;
    EXPECT_EQ(value_of(timer.accept(kStart, request), "Session-Expires"), "3600;refresher=uac");
}

TEST(SessionTimer, RefusesAShorterIntervalThanItsMinimum) {
    const SessionTimer timer({.min_se = 120s});
    const auto refusal = timer.find_refusal(asked(119s));
    ASSERT_TRUE(refusal);
    EXPECT_EQ(value_of(*refusal, "Min-SE"), "120");
    EXPECT_FALSE(timer.find_refusal(asked(120s)));
    EXPECT_FALSE(timer.find_refusal(asked(119s, Refresher::None, false)));
}

TEST(SessionTimer, RefreshesAfterHalfTheInterval) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    EXPECT_TRUE(timer.is_refresher());
    EXPECT_EQ(timer.deadline(true), kStart + 300s);
    EXPECT_EQ(timer.due(kStart + 300s - 1ms), Due::Nothing);
    EXPECT_EQ(timer.due(kStart + 300s), Due::Refresh);
    // We are the UAC of this transaction, so the refresher's name changes.
    EXPECT_EQ(value_of(timer.request_headers(), "Session-Expires"), "600;refresher=uac");
    timer.on_accepted(kStart + 301s, asked(600s, Refresher::Uac));
    EXPECT_EQ(timer.deadline(true), kStart + 601s);
    EXPECT_TRUE(timer.is_refresher());
}

TEST(SessionTimer, ExpiresAThirdOrHalfAMinuteBeforeTheEndWhenThePeerDoesNotRefresh) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(90s, Refresher::Uac));
    EXPECT_FALSE(timer.is_refresher());
    EXPECT_EQ(timer.deadline(true), kStart + 60s);
    EXPECT_EQ(timer.due(kStart + 60s - 1ms), Due::Nothing);
    EXPECT_EQ(timer.due(kStart + 60s), Due::Expired);
    (void)timer.accept(kStart + 59s, asked(1800s, Refresher::Uac));
    EXPECT_EQ(timer.deadline(true), kStart + 59s + 1768s);
}

TEST(SessionTimer, ARequestOfThePeerWithoutTimerFieldsKeepsTheRoles) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    const auto headers = timer.accept(kStart + 10s, asked({}, Refresher::None, false));
    EXPECT_EQ(value_of(headers, "Session-Expires"), "1800;refresher=uas");
    EXPECT_TRUE(timer.is_refresher());
}

TEST(SessionTimer, ThePeerMayTakeOverOrDropTheTimer) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    timer.on_accepted(kStart, asked(600s, Refresher::Uas));  // the UAS of our request: the peer
    EXPECT_FALSE(timer.is_refresher());
    EXPECT_TRUE(timer.is_running());
    timer.on_accepted(kStart, asked({}));
    EXPECT_FALSE(timer.is_running());
    EXPECT_EQ(timer.deadline(true), std::nullopt);
    EXPECT_EQ(timer.due(kStart + 24h), Due::Nothing);
}

TEST(SessionTimer, APeerWithoutTimersIsRefreshedOnByPlainAnswers) {
    SessionTimer timer({.refresh_always = true});
    (void)timer.accept(kStart, asked({}, Refresher::None, false));
    timer.on_accepted(kStart + 900s, asked({}, Refresher::None, false));
    EXPECT_EQ(timer.deadline(true), kStart + 1800s);
}

// It named "timer" in its INVITE and drops it in a 2xx to a request of ours.
TEST(SessionTimer, APeerThatDropsTheTimerIsRefreshedOnWhereAllAre) {
    SessionTimer timer({.refresh_always = true});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    timer.on_accepted(kStart + 1s, asked({}));
    EXPECT_TRUE(timer.is_refresher());
    EXPECT_EQ(timer.deadline(true), kStart + 301s);
}

TEST(SessionTimer, ATooSmallIntervalIsRaisedOnceForEachNewMinimum) {
    SessionTimer timer({});
    EXPECT_EQ(value_of(timer.request_headers(), "Session-Expires"), "1800");
    EXPECT_EQ(value_of(timer.request_headers(), "Min-SE"), "");
    SessionTimerFields answer;
    answer.min_se = 3600s;
    EXPECT_TRUE(timer.on_too_small(answer));
    EXPECT_EQ(value_of(timer.request_headers(), "Session-Expires"), "3600");
    EXPECT_EQ(value_of(timer.request_headers(), "Min-SE"), "3600");
    EXPECT_FALSE(timer.on_too_small(answer));
    EXPECT_FALSE(timer.on_too_small({}));
}

// §10: the session's end does not move for a 422, but the next request asks for more.
TEST(SessionTimer, AnEverLargerMinimumIsNotFollowedForEver) {
    SessionTimer timer{SessionTimerConfig{}};
    SessionTimerFields answer;
    int raised = 0;
    for (int tries = 1; tries <= 100; ++tries) {
        answer.min_se = std::chrono::seconds{2000 + tries};
        if (timer.on_too_small(answer)) ++raised;
    }
    EXPECT_EQ(raised, 3);
    answer.session_expires = std::chrono::seconds{2200};
    timer.on_accepted(kStart, answer);
    answer.min_se = std::chrono::seconds{3000};
    EXPECT_TRUE(timer.on_too_small(answer));
}

TEST(SessionTimer, AnAbsurdlyShortIntervalOfA2xxIsNotFollowed) {
    SessionTimer timer{SessionTimerConfig{}};
    SessionTimerFields answer;
    answer.session_expires = std::chrono::seconds{1};
    timer.on_accepted(kStart, answer);
    EXPECT_EQ(timer.interval(), std::chrono::seconds{10});
}

TEST(SessionTimer, ATooSmallIntervalDoesNotExtendTheSession) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    SessionTimerFields answer;
    answer.min_se = 3600s;
    EXPECT_TRUE(timer.on_too_small(answer));
    EXPECT_EQ(timer.due(kStart + 600s), Due::Expired);
    EXPECT_EQ(value_of(timer.request_headers(), "Session-Expires"), "3600;refresher=uac");
}

TEST(SessionTimer, ARefusalProvesLifeAndFailureToSendDoesNot) {
    SessionTimer timer({});
    (void)timer.accept(kStart, asked(600s, Refresher::Uas));
    timer.on_not_sent(kStart + 300s);
    EXPECT_EQ(timer.deadline(true), kStart + 310s);
    EXPECT_EQ(timer.due(kStart + 600s), Due::Expired);
    timer.on_refused(kStart + 310s);
    EXPECT_EQ(timer.deadline(true), kStart + 610s);
    EXPECT_EQ(timer.deadline(false), kStart + 910s);  // a transaction is in the way
}

}  // namespace
}  // namespace earshot::sip
