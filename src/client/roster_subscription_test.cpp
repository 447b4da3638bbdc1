#include "client/roster_subscription.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/limits.h"
#include "sip/parser.h"

namespace earshot::client {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = RosterSubscription::Told::Kind;

class RosterSubscriptionTest : public testing::Test {
protected:
    explicit RosterSubscriptionTest(sip::Credentials credentials = {})
        : subscription_(
              {.uri = "sip:c@d", .from = "sip:a@b", .credentials = std::move(credentials)},
              random_) {
        subscription_.start(now_);
    }

    void wait(std::chrono::milliseconds time) {
        now_.steady += time;
        now_.wall += time;
        subscription_.on_time(now_);
    }
    // The SUBSCRIBE that is to be sent; the test ends without one.
    sip::OutOfDialogSpec asked() {
        auto spec = subscription_.poll_request();
        EXPECT_TRUE(spec.has_value());
        return spec.value_or(sip::OutOfDialogSpec{});
    }
    static sip::Message parse(const std::string& text) {
        sip::ParsedMessage parsed = sip::parse_message(text);
        EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason << text;
        return std::move(parsed.message);
    }
    void respond(const std::string& status, const std::string& headers = {}) {
        subscription_.on_response(
            now_, parse("SIP/2.0 " + status +
                        "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                        "From: <sip:a@b>;tag=ours\r\nTo: <sip:c@d>;tag=theirs\r\nCall-ID: x\r\n"
                        "CSeq: 1 SUBSCRIBE\r\nContact: <sip:c@192.0.2.9>\r\n"
                        "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n" +
                        headers + "Content-Length: 0\r\n\r\n"));
    }
    struct Notify {
        std::string state = "active;expires=3600";
        std::string body{};
        std::string type = "application/conference-info+xml";
        std::string event = "conference";
        std::string tag = "theirs";
        std::uint32_t cseq = 0;  // 0: the next one
    };
    int notify(const Notify& what) {
        if (what.cseq == 0) ++cseq_;
        const std::uint32_t cseq = what.cseq == 0 ? cseq_ : what.cseq;
        const sip::Message message = parse(fmt::format(
            "NOTIFY sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{0}\r\n"
            "From: <sip:c@d>;tag={1}\r\nTo: <sip:a@b>;tag=ours\r\nCall-ID: x\r\nCSeq: {0} "
            "NOTIFY\r\n"
            "Contact: <sip:c@192.0.2.9>\r\nEvent: {2}\r\nSubscription-State: {3}\r\n"
            "Content-Type: {4}\r\nContent-Length: {5}\r\n\r\n{6}",
            cseq, what.tag, what.event, what.state, what.type, what.body.size(), what.body));
        return subscription_.on_notify(now_, message).status;
    }
    static std::string document(int version, const std::string& users,
                                const std::string& state = "full") {
        return fmt::format(
            "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:c@d' "
            "state='{1}' version='{0}'><users state='{1}'>{2}</users></conference-info>",
            version, state, users);
    }
    std::vector<Kind> told() {
        std::vector<Kind> kinds;
        for (const auto& one : subscription_.take_told()) kinds.push_back(one.kind);
        return kinds;
    }
    void begin() {
        asked();
        respond("200 OK", "Expires: 3600\r\n");
        EXPECT_EQ(notify({.body = document(0, "<user entity='sip:a@x'/>")}), 200);
        EXPECT_THAT(told(), ElementsAre(Kind::Changed));
    }
    void expect_silence() { EXPECT_FALSE(subscription_.poll_request()); }

    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::WallTime{std::chrono::hours{24 * 20'000}}};
    base::SeededRandom random_{7};
    RosterSubscription subscription_;
    std::uint32_t cseq_ = 0;
};

TEST_F(RosterSubscriptionTest, AsksForThePackageAndRefreshesWithinTheDialog) {
    const sip::OutOfDialogSpec first = asked();
    EXPECT_EQ(first.method, "SUBSCRIBE");
    EXPECT_EQ(first.request_uri, "sip:c@d");
    EXPECT_EQ(first.headers[0].value, "conference");
    EXPECT_EQ(first.headers[1].value, "3600");
    EXPECT_EQ(first.headers[2].value, "application/conference-info+xml");
    expect_silence();
    respond("200 OK", "Expires: 600\r\n");
    EXPECT_TRUE(subscription_.is_active());
    wait(seconds{600} - kRosterAhead - std::chrono::milliseconds{1});
    expect_silence();
    wait(std::chrono::milliseconds{1});
    const sip::OutOfDialogSpec second = asked();
    EXPECT_EQ(second.request_uri, "sip:c@192.0.2.9");
    EXPECT_THAT(second.to, HasSubstr(";tag=theirs"));
    EXPECT_THAT(second.routes, ElementsAre("<sip:p2;lr>", "<sip:p1;lr>"));
    EXPECT_EQ(second.call_id, first.call_id);
    EXPECT_EQ(second.cseq, first.cseq + 1);
}

TEST_F(RosterSubscriptionTest, ANotifyBeforeThe200MakesTheDialog) {
    asked();
    EXPECT_EQ(notify({.body = document(0, "<user entity='sip:a@x'/>")}), 200);
    EXPECT_EQ(subscription_.roster().present_count(), 1U);
    EXPECT_EQ(notify({.tag = "another"}), 481);  // of a fork
}

TEST_F(RosterSubscriptionTest, DocumentsBecomeChanges) {
    begin();
    EXPECT_EQ(notify({.body = document(1, "<user entity='sip:b@x'/>", "partial")}), 200);
    const auto changes = subscription_.take_told();
    ASSERT_EQ(changes.size(), 1U);
    ASSERT_EQ(changes[0].changes.size(), 1U);
    EXPECT_EQ(changes[0].changes[0].member.user, "sip:b@x");
}

TEST_F(RosterSubscriptionTest, RefusalsThatStayAreTheEnd) {
    for (const char* status : {"403 Forbidden", "489 Bad Event", "401 Unauthorized", "603 No"}) {
        RosterSubscription one{{.uri = "sip:c@d", .from = "sip:a@b"}, random_};
        one.start(now_);
        EXPECT_TRUE(one.poll_request());
        one.on_response(now_, parse("SIP/2.0 " + std::string(status) +
                                    "\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;"
                                    "tag=o\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: x\r\nCSeq: 1 "
                                    "SUBSCRIBE\r\nContent-Length: 0\r\n\r\n"));
        EXPECT_TRUE(one.is_over()) << status;
        const auto told = one.take_told();
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(told[0].kind, Kind::Refused);
        EXPECT_THAT(told[0].reason.text, HasSubstr(status));
    }
}

class RosterSubscriptionByName : public RosterSubscriptionTest {
protected:
    RosterSubscriptionByName() : RosterSubscriptionTest({.username = "us", .password = "secret"}) {}
};

TEST_F(RosterSubscriptionByName, AChallengeIsAnsweredOnce) {
    const std::string challenge =
        "WWW-Authenticate: Digest realm=\"conf\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
    const sip::OutOfDialogSpec first = asked();
    respond("401 Unauthorized", challenge);
    const sip::OutOfDialogSpec second = asked();
    EXPECT_EQ(second.call_id, first.call_id);
    EXPECT_EQ(second.cseq, first.cseq + 1);
    EXPECT_EQ(second.to, "<sip:c@d>");
    EXPECT_EQ(second.headers.back().name, "Authorization");
    EXPECT_THAT(second.headers.back().value,
                testing::AllOf(HasSubstr("username=\"us\""), HasSubstr("uri=\"sip:c@d\"")));
    respond("200 OK", "Expires: 3600\r\n");
    EXPECT_TRUE(subscription_.is_active());

    subscription_.stop(now_);  // challenged again: by the remote target, and still the end
    EXPECT_NE(asked().headers.back().name, "Authorization");
    respond("401 Unauthorized", challenge);
    const sip::OutOfDialogSpec end = asked();
    EXPECT_EQ(end.headers[1].value, "0");
    EXPECT_THAT(end.headers.back().value, HasSubstr("uri=\"sip:c@192.0.2.9\""));
    respond("401 Unauthorized", challenge);  // who asks twice does not know us
    EXPECT_TRUE(subscription_.is_over());
}

TEST_F(RosterSubscriptionTest, TriesAgainLaterAndEachTimeLater) {
    asked();
    respond("503 Busy", "Retry-After: 20\r\n");
    EXPECT_THAT(told(), ElementsAre(Kind::Waiting));
    wait(seconds{19});
    expect_silence();
    wait(seconds{1});
    const sip::OutOfDialogSpec second = asked();
    EXPECT_EQ(second.to, "<sip:c@d>");  // a new dialog
    subscription_.on_no_answer(now_, "it does not answer");
    wait(2 * kFirstRosterRetry);  // doubled by the first failure
    asked();
    subscription_.on_no_answer(now_, "it does not answer");
    wait(2 * kFirstRosterRetry);
    expect_silence();
    wait(2 * kFirstRosterRetry);
    asked();
}

TEST_F(RosterSubscriptionTest, ObeysAnIntervalThatIsTooBriefTwice) {
    asked();
    respond("423 Interval Too Brief", "Min-Expires: 7200\r\n");
    EXPECT_EQ(asked().headers[1].value, "7200");
    respond("423 Interval Too Brief", "Min-Expires: 4000000\r\n");
    EXPECT_EQ(asked().headers[1].value, std::to_string(kMaxRosterExpiry.count()));
    respond("423 Interval Too Brief", "Min-Expires: 4000000\r\n");
    EXPECT_TRUE(subscription_.is_over());
}

TEST_F(RosterSubscriptionTest, AnEndByTheFocusIsObeyed) {
    begin();
    EXPECT_EQ(notify({.state = "terminated;reason=deactivated"}), 200);
    EXPECT_THAT(told(), ElementsAre(Kind::Waiting));
    wait(seconds{1});
    asked();
    respond("200 OK", "Expires: 3600\r\n");
    EXPECT_EQ(notify({.state = "terminated;reason=noresource"}), 200);
    EXPECT_THAT(told(), ElementsAre(Kind::Ended));
    EXPECT_TRUE(subscription_.is_over());
    // That they left is not known.
    EXPECT_EQ(subscription_.roster().present_count(), 1U);
}

TEST_F(RosterSubscriptionTest, AFocusThatForgotTheDialogGetsANewOne) {
    begin();
    wait(seconds{3600});
    asked();
    respond("481 Gone");
    EXPECT_THAT(told(), ElementsAre(Kind::Waiting));
    wait(kFirstRosterRetry);
    EXPECT_EQ(asked().to, "<sip:c@d>");
}

TEST_F(RosterSubscriptionTest, HostileNotifiesAreAnsweredAndTold) {
    begin();
    EXPECT_EQ(notify({.event = "presence"}), 489);
    EXPECT_EQ(notify({.body = "x", .type = "text/plain"}), 415);
    EXPECT_EQ(notify({.body = "not xml"}), 400);
    EXPECT_THAT(told(), ElementsAre(Kind::Fault, Kind::Fault));
    EXPECT_EQ(notify({.cseq = 1}), 500);
    asked();  // for the whole state
    respond("200 OK", "Expires: 3600\r\n");
    EXPECT_EQ(subscription_.roster().present_count(), 1U);
}

TEST_F(RosterSubscriptionTest, AMissingVersionIsAskedForOnceInAWhile) {
    begin();
    for (int version = 5; version < 10; ++version) {
        EXPECT_EQ(notify({.body = document(version, "<user entity='sip:b@x'/>", "partial")}), 200);
        if (version == 5) {
            asked();
            respond("200 OK", "Expires: 3600\r\n");
        }
        expect_silence();
    }
    EXPECT_THAT(told(), IsEmpty());
    wait(kFullRosterInterval);
    asked();
}

TEST_F(RosterSubscriptionTest, AFloodIsBounded) {
    begin();
    for (std::size_t i = 1; i < kMaxNotifiesPerSecond; ++i) EXPECT_EQ(notify({}), 200);
    EXPECT_EQ(notify({}), 500);
    EXPECT_THAT(told(), ElementsAre(Kind::Fault));
    wait(seconds{1});
    EXPECT_EQ(notify({}), 200);
    for (std::size_t i = 0; i < 2 * kMaxRosterFaults; ++i) {
        wait(seconds{1});
        notify({.body = "x", .type = "text/plain"});
    }
    EXPECT_EQ(told().size(), kMaxRosterFaults - 1);
}

TEST_F(RosterSubscriptionTest, StopsByAnExpiryOfZero) {
    begin();
    subscription_.stop(now_);
    EXPECT_EQ(asked().headers[1].value, "0");
    respond("200 OK", "Expires: 0\r\n");
    EXPECT_FALSE(subscription_.is_over());
    EXPECT_EQ(notify({.state = "terminated;reason=timeout"}), 200);
    EXPECT_TRUE(subscription_.is_over());
    EXPECT_THAT(told(), IsEmpty());
}

TEST_F(RosterSubscriptionTest, AStoppedOneWaitsForNobodyForLong) {
    begin();
    subscription_.stop(now_);
    asked();
    wait(kRosterStopTime);
    EXPECT_TRUE(subscription_.is_over());
}

TEST_F(RosterSubscriptionTest, OneThatIsAcceptedWhenItIsNotWantedAnyMoreIsEnded) {
    asked();
    subscription_.stop(now_);
    expect_silence();
    respond("200 OK", "Expires: 3600\r\n");
    EXPECT_EQ(asked().headers[1].value, "0");
}

TEST_F(RosterSubscriptionTest, TheEndOfTheConferenceIsTheEnd) {
    begin();
    EXPECT_EQ(notify({.body = document(1, "", "deleted")}), 200);
    EXPECT_THAT(told(), ElementsAre(Kind::Changed, Kind::Ended));
    EXPECT_EQ(subscription_.roster().present_count(), 0U);
}

}  // namespace
}  // namespace earshot::client
