// Session timers of a recording session in the server's role (RFC 4028, E-21).
#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kOffer =
    "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
    "m=audio 40000 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=sendonly\na=label:1\n";
constexpr std::string_view kMetadata =
    "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>"
    "</recording>\n";

class SessionRefresh : public SessionTest {
protected:
    void invite(std::string_view headers) {
        const std::string body = "--b\nContent-Type: application/sdp\n\n" + std::string{kOffer} +
                                 "\n--b\nContent-Type: application/rs-metadata+xml\n\n" +
                                 std::string{kMetadata} + "\n--b--\n";
        start(message_of(in_dialog(
            "INVITE",
            "Require: siprec\nContent-Type: multipart/mixed;boundary=b\n" + std::string{headers},
            body)));
    }
    void establish(std::string_view headers) {
        invite(headers);
        ASSERT_EQ(response().status, 200);
        ack();
        actions_.clear();
    }
    void answer(int status, std::string_view method, std::string_view headers = {},
                std::string_view body = {},
                std::optional<std::chrono::milliseconds> retry_after = std::nullopt) {
        actions_.clear();
        session_->on_response(
            now_,
            message_of(to_wire("SIP/2.0 " + std::to_string(status) +
                               " X\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n"
                               "From: <sip:a@a.example>;tag=1\nTo: <sip:b@b.example>;tag=2\n"
                               "Call-ID: 1\nCSeq: 1 " +
                               std::string{method} + "\n" + std::string{headers} + "\n" +
                               std::string{body})),
            retry_after);
        drain();
    }
    sip::RequestSpec sent() const {
        const auto requests = all<SendRequest>();
        EXPECT_EQ(requests.size(), 1U);
        return requests.empty() ? sip::RequestSpec{} : requests.front().request;
    }
    static std::string header_of(const sip::RequestSpec& request, std::string_view name) {
        for (const sip::ExtraHeader& one : request.headers)
            if (one.name == name) return one.value;
        return {};
    }
    void expect_lost(std::string_view code, std::string_view text) const {
        ASSERT_EQ(all<SendRequest>().size(), 1U);
        EXPECT_EQ(sent().method, "BYE");
        EXPECT_EQ(all<CloseStream>().size(), 1U);
        ASSERT_EQ(all<End>().size(), 1U);
        EXPECT_TRUE(all<End>().front().accepted);
        EXPECT_EQ(all<End>().front().reason.code, code);
        EXPECT_THAT(all<End>().front().reason.text, HasSubstr(std::string{text}));
        EXPECT_TRUE(session_->is_ended());
    }
};

TEST_F(SessionRefresh, TellsTheIntervalAndWhoRefreshesInThe200) {
    invite("Supported: timer\nSession-Expires: 600\n");
    EXPECT_EQ(header(response(), "Session-Expires"), "600;refresher=uac");
    EXPECT_EQ(header(response(), "Require"), "timer");
    EXPECT_EQ(header(response(), "Supported"), "timer");
}

TEST_F(SessionRefresh, LeavesClientsWithoutTimersAlone) {
    invite("");
    EXPECT_THAT(header(response(), "Session-Expires"), IsEmpty());
    ack();
    EXPECT_FALSE(session_->deadline());
}

TEST_F(SessionRefresh, RefreshesClientsWithoutTimersWhenConfigured) {
    config_.session_timer.refresh_always = true;
    establish("");
    wait(900s);
    EXPECT_EQ(sent().method, "UPDATE");
    answer(200, "UPDATE");
    wait(900s);
    EXPECT_EQ(sent().method, "UPDATE");
}

TEST_F(SessionRefresh, RefusesAnIntervalThatIsTooShort) {
    invite("Supported: timer\nSession-Expires: 60\n");
    EXPECT_EQ(response().status, 422);
    EXPECT_EQ(header(response(), "Min-SE"), "90");
    EXPECT_EQ(all<End>().at(0).reason.code, "session_interval_too_small");
}

TEST_F(SessionRefresh, AShortIntervalInAReinviteLeavesTheSessionAsItWas) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uac\n");
    const auto before = session_->deadline();
    request("UPDATE", "Supported: timer\nSession-Expires: 60\n");
    EXPECT_EQ(response().status, 422);
    EXPECT_EQ(session_->deadline(), before);
}

// interop section 3.8: OpenSIPS answers an UPDATE without a body with 200, anything else with 405.
TEST_F(SessionRefresh, E21_RefreshesByAnUpdateWithoutABody) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
    wait(300s);
    EXPECT_EQ(sent().method, "UPDATE");
    EXPECT_THAT(sent().body, IsEmpty());
    EXPECT_EQ(header_of(sent(), "Session-Expires"), "600;refresher=uac");
    EXPECT_EQ(header_of(sent(), "Supported"), "timer");
    answer(200, "UPDATE", "Session-Expires: 600;refresher=uac\n");
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
}

TEST_F(SessionRefresh, RefreshesByAReinviteWhenTheClientTakesNoUpdate) {
    establish(
        "Allow: INVITE, ACK, BYE, CANCEL\nSupported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    EXPECT_EQ(sent().method, "INVITE");
    EXPECT_EQ(sent().content_type, "application/sdp");
    EXPECT_THAT(sent().body, HasSubstr("a=recvonly"));
    answer(200, "INVITE", "Session-Expires: 600;refresher=uac\nContent-Type: application/sdp\n",
           kOffer);
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
    EXPECT_THAT(all<CloseStream>(), IsEmpty());
}

TEST_F(SessionRefresh, AnUpdateThatIsNotAllowedIsFollowedByAReinvite) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    answer(405, "UPDATE");
    EXPECT_EQ(sent().method, "INVITE");
    answer(405, "INVITE");
    EXPECT_EQ(count("session_refresh_refused"), 1U);
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    EXPECT_FALSE(session_->is_ended());
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
}

TEST_F(SessionRefresh, E21_A408Or481EndsTheSession) {
    for (const int status : {408, 481}) {
        establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
        wait(300s);
        answer(status, "UPDATE");
        expect_lost("session_lost", std::to_string(status));
    }
}

TEST_F(SessionRefresh, E21_ARefreshWithoutAnAnswerEndsTheSession) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    actions_.clear();
    session_->on_request_timed_out(now_);
    drain();
    expect_lost("session_lost", "did not answer");
}

TEST_F(SessionRefresh, OtherRefusalsAreToldAndTolerated) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    answer(500, "UPDATE");
    EXPECT_THAT(events("session_refresh_refused").at(0), HasSubstr("500"));
    EXPECT_FALSE(session_->is_ended());
    wait(300s);
    EXPECT_EQ(sent().method, "UPDATE");
}

TEST_F(SessionRefresh, ALongerIntervalIsAskedForAfterA422) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    answer(422, "UPDATE", "Min-SE: 900\n");
    EXPECT_EQ(header_of(sent(), "Session-Expires"), "900;refresher=uac");
    EXPECT_EQ(header_of(sent(), "Min-SE"), "900");
    answer(422, "UPDATE", "Min-SE: 900\n");  // it asks for what it got: no endless loop
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    EXPECT_EQ(count("session_refresh_refused"), 1U);
}

TEST_F(SessionRefresh, WhatCannotBeSentIsTriedAgainUntilTheSessionExpires) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    const auto end = now_.steady + 600s;
    for (int tries = 0; tries < 100 && !session_->is_ended(); ++tries) {
        actions_.clear();
        now_.steady = *session_->deadline();
        session_->on_time(now_);
        drain();
        if (!session_->is_ended()) session_->on_request_not_sent(now_);
    }
    expect_lost("session_expired", "600 s");
    EXPECT_EQ(now_.steady, end);
}

TEST_F(SessionRefresh, E21_ASessionThatTheClientDoesNotRefreshExpires) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uac\n");
    wait(567s);
    EXPECT_FALSE(session_->is_ended());
    wait(1s);
    expect_lost("session_expired", "did not refresh the session within 600 s");
}

TEST_F(SessionRefresh, EachReinviteAndUpdateOfTheClientStartsTheTimeAnew) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uac\n");
    wait(500s);
    request("UPDATE", "Supported: timer\nSession-Expires: 600;refresher=uac\n");
    EXPECT_EQ(header(response(), "Session-Expires"), "600;refresher=uac");
    wait(500s);
    request("INVITE",
            "Supported: timer\nSession-Expires: 600;refresher=uas\nContent-Type: "
            "application/sdp\n",
            kOffer);
    EXPECT_EQ(header(response(), "Session-Expires"), "600;refresher=uas");
    ack();
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
}

TEST_F(SessionRefresh, AnInfoIsNoRefresh) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uac\n");
    wait(500s);
    request("INFO");
    wait(68s);
    EXPECT_TRUE(session_->is_ended());
}

TEST_F(SessionRefresh, OurSnapshotRequestRefreshesToo) {
    start(message_of(in_dialog("INVITE",
                               "Require: siprec\nContent-Type: application/sdp\nSupported: timer\n"
                               "Session-Expires: 600;refresher=uas\n",
                               kOffer)));
    ack();
    wait(5s);
    EXPECT_EQ(sent().content_type, "application/rs-metadata+xml");
    EXPECT_EQ(header_of(sent(), "Session-Expires"), "600;refresher=uac");
    answer(200, "UPDATE", "Session-Expires: 600;refresher=uac\n");
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
}

TEST_F(SessionRefresh, NoRefreshGoesOutWhileAnInviteIsUnderWay) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    request("INVITE",
            "Supported: timer\nSession-Expires: 600;refresher=uas\nContent-Type: "
            "application/sdp\n",
            kOffer);
    wait(300s);  // its ACK has not come
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    ack();
    wait(0s);
    EXPECT_EQ(sent().method, "UPDATE");
}

TEST_F(SessionRefresh, E18_AnOfferThatMeetsOurReinviteIsRefused) {
    establish(
        "Allow: INVITE, ACK, BYE, CANCEL\nSupported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    request("UPDATE", "Content-Type: application/sdp\n", kOffer);
    EXPECT_EQ(response().status, 491);
    request("UPDATE");
    EXPECT_EQ(response().status, 200);
}

TEST_F(SessionRefresh, E18_ARefreshThatMetTheirsIsTriedAgainWhenTold) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    answer(491, "UPDATE", {}, {}, 1230ms);
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    EXPECT_EQ(session_->deadline(), now_.steady + 1230ms);
    wait(1229ms);
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    wait(1ms);
    EXPECT_EQ(sent().method, "UPDATE");
}

TEST_F(SessionRefresh, E18_GlareWithoutEndIsARefusalAndEndsNothing) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    for (std::uint32_t i = 0; i < kMaxGlareRetries; ++i) {
        answer(491, "UPDATE", {}, {}, 100ms);
        wait(100ms);
        ASSERT_EQ(all<SendRequest>().size(), 1U) << i;
    }
    answer(491, "UPDATE", {}, {}, 100ms);
    EXPECT_EQ(count("session_refresh_refused"), 1U);
    EXPECT_FALSE(session_->is_ended());
    EXPECT_EQ(session_->deadline(), now_.steady + 300s);
}

TEST_F(SessionRefresh, E18_ASnapshotRequestThatMetTheirsIsTriedAgain) {
    start(message_of(
        in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n", kOffer)));
    ack();
    wait(5s);
    answer(500, "UPDATE", "Retry-After: 3\n", {}, 3s);
    EXPECT_EQ(count("snapshot_refused"), 0U);
    request("INFO");
    wait(3s);
    EXPECT_EQ(sent().content_type, "application/rs-metadata+xml");
}

TEST_F(SessionRefresh, AnAnswerAfterTheEndChangesNothing) {
    establish("Supported: timer\nSession-Expires: 600;refresher=uas\n");
    wait(300s);
    session_->stop(now_, {"stopped", ""});
    drain();
    answer(481, "UPDATE");
    EXPECT_THAT(actions_, IsEmpty());
}

// ---- clients without session timers -----------------------------------------------------------

TEST_F(SessionRefresh, ASilentClientIsAskedAndLivesByAnyAnswer) {
    establish({});
    for (const int status : {200, 405, 500}) {
        actions_.clear();
        session_->probe();
        drain();
        EXPECT_EQ(sent().method, "OPTIONS");
        answer(status, "OPTIONS");
        EXPECT_THAT(actions_, IsEmpty());
    }
}

TEST_F(SessionRefresh, ASilentClientThatKnowsTheSessionNoMoreEndsIt) {
    establish({});
    session_->probe();
    drain();
    answer(481, "OPTIONS");
    EXPECT_EQ(sent().method, "BYE");
    EXPECT_EQ(all<End>().at(0).reason.code, "session_lost");
}

TEST_F(SessionRefresh, ASilentClientThatDoesNotAnswerEndsIt) {
    establish({});
    session_->probe();
    drain();
    actions_.clear();
    session_->on_request_timed_out(now_);
    drain();
    EXPECT_EQ(all<End>().at(0).reason.code, "session_lost");
}

TEST_F(SessionRefresh, NobodyIsAskedWhereATimerRuns) {
    establish("Supported: timer\nSession-Expires: 1800;refresher=uac\n");
    session_->probe();
    drain();
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
}

// RFC 7866 section 8.1.7.1.1, RFC 5168.
TEST_F(SessionRefresh, AsksForAKeyFrameByInfoWhereNoFeedbackWasNegotiated) {
    establish("");
    session_->ask_for_key_frame(0, "start");
    drain();
    EXPECT_EQ(sent().method, "INFO");
    EXPECT_EQ(sent().content_type, "application/media_control+xml");
    EXPECT_NE(sent().body.find("<picture_fast_update/>"), std::string::npos);
    EXPECT_EQ(count("key_frame_requested"), 1U);
    // One request at a time; who wants it asks again.
    session_->ask_for_key_frame(0, "loss");
    drain();
    EXPECT_EQ(all<SendRequest>().size(), 1U);
    answer(200, "INFO");
    session_->ask_for_key_frame(0, "loss");
    drain();
    EXPECT_EQ(sent().method, "INFO");
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(SessionRefresh, AsksNobodyByInfoWhoRefusedIt) {
    for (const int status : {415, 481, 501}) {
        SetUp();
        establish("");
        session_->ask_for_key_frame(0, "start");
        drain();
        answer(status, "INFO");
        EXPECT_EQ(count("key_frame_refused"), 1U) << status;
        session_->ask_for_key_frame(0, "loss");
        drain();
        EXPECT_THAT(all<SendRequest>(), IsEmpty()) << status;
        EXPECT_FALSE(session_->is_ended()) << status;
    }
}

}  // namespace
}  // namespace earshot::siprec
