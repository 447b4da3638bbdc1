// Pause, resume and stop by an operator (P-35, P-42, E-18, E-25).
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kOffer =
    "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
    "m=audio 40000 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=sendonly\na=label:1\n"
    "m=audio 40002 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=sendonly\na=label:2\n";

std::string with_direction(std::string_view direction) {
    std::string sdp{kOffer};
    for (std::size_t at = sdp.find("sendonly"); at != std::string::npos;
         at = sdp.find("sendonly", at + 1))
        sdp.replace(at, 8, direction);
    return sdp;
}

std::string without_second(std::string_view direction) {
    std::string sdp = with_direction(direction);
    return sdp.replace(sdp.find("40002"), 5, "0");
}

class OperatorControl : public SessionTest {
protected:
    void establish() {
        start(message_of(
            in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n", kOffer)));
        ASSERT_EQ(response().status, 200);
        ack();
        actions_.clear();
    }
    bool pause(std::string reason = "card number") {
        actions_.clear();
        const bool done = session_->pause(now_, {"ada", "token", "127.0.0.1:1", std::move(reason)});
        drain();
        return done;
    }
    bool drop(std::string_view label) {
        actions_.clear();
        const bool done = session_->drop_stream(now_, label, {"ada", "token", "127.0.0.1:1", ""});
        drain();
        return done;
    }
    bool resume() {
        actions_.clear();
        const bool done = session_->resume(now_, {"ada", "token", "127.0.0.1:1", ""});
        drain();
        return done;
    }
    void answer(int status, const std::string& sdp = {},
                std::optional<std::chrono::milliseconds> retry_after = std::nullopt) {
        actions_.clear();
        const std::string body = sdp.empty() ? "" : "Content-Type: application/sdp\n";
        session_->on_response(
            now_,
            message_of(to_wire("SIP/2.0 " + std::to_string(status) +
                               " X\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n"
                               "From: <sip:a@a.example>;tag=1\nTo: <sip:b@b.example>;tag=2\n"
                               "Call-ID: 1\nCSeq: 1 INVITE\n" +
                               body + "\n" + sdp)),
            retry_after);
        drain();
    }
    void modify(std::string_view direction) {
        request("INVITE", "Content-Type: application/sdp\n", with_direction(direction));
    }
    std::vector<std::string> sent() const {
        std::vector<std::string> bodies;
        for (const SendRequest& one : all<SendRequest>()) {
            EXPECT_EQ(one.request.method, "INVITE");
            bodies.push_back(one.request.body);
        }
        return bodies;
    }
    void expect_sent(std::string_view direction) const {
        ASSERT_EQ(sent().size(), 1U);
        const std::string sdp = sent().front();
        std::size_t lines = 0;
        for (std::size_t at = sdp.find("a=" + std::string{direction}); at != std::string::npos;
             at = sdp.find("a=" + std::string{direction}, at + 1))
            ++lines;
        EXPECT_EQ(lines, 2U) << sdp;
    }
};

TEST_F(OperatorControl, E25_PausesCaptureBeforeTheClientHearsOfIt) {
    establish();
    ASSERT_TRUE(pause());
    ASSERT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_TRUE(std::holds_alternative<PauseStream>(actions_.front()));
    EXPECT_TRUE(std::holds_alternative<SendRequest>(actions_.back()));
    expect_sent("inactive");
    EXPECT_TRUE(session_->is_paused());
}

TEST_F(OperatorControl, TellsWhoAskedAndWhy) {
    establish();
    pause("card \"number\"");
    ASSERT_EQ(count("recording_paused"), 1U);
    EXPECT_EQ(events("recording_paused").front(),
              R"({"type":"recording_paused","by":"operator","who":"ada","access":"token",)"
              R"("from":"127.0.0.1:1","reason":"card \"number\""})");
}

TEST_F(OperatorControl, P42_ResumesWithRecvonly) {
    establish();
    pause();
    answer(200, with_direction("inactive"));
    EXPECT_THAT(events("control_answered").at(0), HasSubstr(R"("status":200,"refused":false)"));
    EXPECT_EQ(session_->operator_pause().client, OperatorPause::Client::Agreed);
    ASSERT_TRUE(resume());
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    expect_sent("recvonly");
    answer(200, with_direction("sendonly"));
    EXPECT_THAT(all<PauseStream>(), IsEmpty());
    EXPECT_FALSE(session_->is_paused());
}

TEST_F(OperatorControl, P44_OffersTheSameLinesWithAVersionOneUp) {
    establish();
    pause();
    const std::string first = sent().at(0);
    EXPECT_THAT(first, HasSubstr("o=earshot 42 1 "));
    EXPECT_THAT(first, HasSubstr("a=label:2"));
    answer(200, with_direction("inactive"));
    resume();
    EXPECT_THAT(sent().at(0), HasSubstr("o=earshot 42 2 "));
}

TEST_F(OperatorControl, AskingTwiceChangesNothing) {
    establish();
    pause();
    EXPECT_TRUE(pause());
    EXPECT_THAT(actions_, IsEmpty());
    answer(200, with_direction("inactive"));
    resume();
    answer(200, with_direction("sendonly"));
    EXPECT_TRUE(resume());
    EXPECT_THAT(actions_, IsEmpty());
}

class OperatorControlRefused : public OperatorControl, public testing::WithParamInterface<int> {};

TEST_P(OperatorControlRefused, ThePauseHoldsByDiscardingAndIsMarked) {
    establish();
    pause();
    answer(GetParam());
    EXPECT_THAT(events("control_answered").at(0),
                HasSubstr("\"status\":" + std::to_string(GetParam()) + ",\"refused\":true"));
    EXPECT_THAT(all<ResumeStream>(), IsEmpty());
    EXPECT_TRUE(session_->is_paused());
    EXPECT_FALSE(session_->is_ended());
    EXPECT_EQ(session_->operator_pause().client, OperatorPause::Client::Refused);
    EXPECT_EQ(session_->operator_pause().status, GetParam());
    // Its SDP never said inactive, so there is nothing to take back; unless it was silent, and may
    // have done what it was asked.
    resume();
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_EQ(sent().size(), GetParam() == 408 ? 1U : 0U);
}

TEST_F(OperatorControl, AResumeThatTheClientDidNotTakeIsSentAgainWhenItIsAskedForAgain) {
    establish();
    pause();
    answer(200, with_direction("inactive"));
    resume();
    answer(500);
    EXPECT_TRUE(resume());
    ASSERT_EQ(sent().size(), 1U);
    answer(200, with_direction("sendonly"));
    EXPECT_TRUE(resume());
    EXPECT_THAT(actions_, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Statuses, OperatorControlRefused,
                         testing::Values(405, 408, 481, 488, 500, 603));

TEST_F(OperatorControl, ATimeoutIsARefusal) {
    establish();
    pause();
    actions_.clear();
    session_->on_request_timed_out(now_);
    drain();
    EXPECT_THAT(events("control_answered").at(0), HasSubstr(R"("status":408,"refused":true)"));
    EXPECT_TRUE(session_->is_paused());
}

TEST_F(OperatorControl, TheClientsResumeDoesNotUndoOurPause) {
    establish();
    pause();
    answer(200, with_direction("inactive"));
    modify("sendonly");
    EXPECT_THAT(response().body, HasSubstr("a=inactive"));
    EXPECT_THAT(response().body, Not(HasSubstr("a=recvonly")));
    EXPECT_THAT(all<ResumeStream>(), IsEmpty());
    EXPECT_TRUE(session_->is_paused());
}

TEST_F(OperatorControl, OurResumeDoesNotUndoTheClientsPause) {
    establish();
    modify("inactive");
    ack();
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    pause();
    EXPECT_THAT(all<PauseStream>(), IsEmpty());  // they are
    answer(200, with_direction("inactive"));
    resume();
    EXPECT_THAT(all<ResumeStream>(), IsEmpty());
    expect_sent("recvonly");
    answer(200, with_direction("inactive"));
    EXPECT_TRUE(session_->is_paused());
    modify("sendonly");
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
}

TEST_F(OperatorControl, AnInactiveAnswerToOurPauseIsNoPauseOfTheClient) {
    establish();
    pause();
    answer(200, with_direction("inactive"));
    resume();
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_FALSE(session_->is_paused());
    answer(200, with_direction("inactive"));  // that one is
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_TRUE(session_->is_paused());
}

TEST_F(OperatorControl, E18_GlareIsRetriedWhenTheAgentSays) {
    establish();
    pause();
    answer(491, {}, 2s);
    EXPECT_THAT(actions_, IsEmpty());
    EXPECT_TRUE(session_->is_paused());
    EXPECT_EQ(session_->deadline(), now_.steady + 2s);
    wait(2s);
    expect_sent("inactive");
    EXPECT_THAT(sent().at(0), HasSubstr("o=earshot 42 1 "));
}

TEST_F(OperatorControl, E18_EndlessGlareIsARefusal) {
    establish();
    pause();
    for (int i = 0; i < 5; ++i) {
        answer(491, {}, 2s);
        EXPECT_EQ(count("control_answered"), 0U);
        wait(2s);
        expect_sent("inactive");
    }
    answer(491, {}, 2s);
    EXPECT_THAT(events("control_answered").at(0), HasSubstr(R"("status":491,"refused":true)"));
}

TEST_F(OperatorControl, E18_AnOfferThatCrossesOursGets491) {
    establish();
    pause();
    modify("sendonly");
    EXPECT_EQ(response().status, 491);
}

TEST_F(OperatorControl, WaitsForTheAckOfARunningReinviteWhoseAnswerTellsIt) {
    establish();
    modify("sendonly");  // the 200 is out, its ACK is not here
    pause();
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_THAT(sent(), IsEmpty());
    EXPECT_FALSE(session_->deadline());
    ack();
    ASSERT_TRUE(session_->deadline());
    wait(0ms);
    expect_sent("inactive");
}

TEST_F(OperatorControl, AWishThatIsTakenBackWhileTheClientThinksIsToldAfterwards) {
    establish();
    pause();
    resume();
    EXPECT_THAT(sent(), IsEmpty());
    EXPECT_FALSE(session_->is_paused());
    answer(200, with_direction("inactive"));
    expect_sent("recvonly");
}

TEST_F(OperatorControl, ANewStreamOfAPausedSessionStartsPaused) {
    establish();
    pause();
    answer(200, with_direction("inactive"));
    request("INVITE", "Content-Type: application/sdp\n",
            std::string{kOffer} + "m=audio 40004 RTP/AVP 8\na=sendonly\na=label:3\n");
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_TRUE(all<OpenStream>().front().facts.paused);
    EXPECT_EQ(count("stream_paused"), 1U);
}

TEST_F(OperatorControl, P43_DropsOneStreamByPortZero) {
    establish();
    ASSERT_TRUE(drop("2"));
    ASSERT_EQ(all<PauseStream>().size(), 1U);
    EXPECT_EQ(all<PauseStream>().front().stream, 1);
    EXPECT_THAT(events("stream_stopped").at(0), HasSubstr(R"("stream":1,"by":"operator")"));
    EXPECT_THAT(events("stream_paused"), IsEmpty());  // nothing will resume it
    ASSERT_EQ(sent().size(), 1U);
    EXPECT_THAT(sent().at(0), HasSubstr("m=audio 10000 "));
    EXPECT_THAT(sent().at(0), HasSubstr("m=audio 0 "));
    EXPECT_THAT(sent().at(0), HasSubstr("a=recvonly"));
    // Its port is kept until the client has agreed: what it sends may not reach the next call.
    EXPECT_THAT(all<CloseStream>(), IsEmpty());
    answer(200, without_second("sendonly"));
    ASSERT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_EQ(all<CloseStream>().front().stream, 1);
    EXPECT_THAT(events("control_answered").at(0), HasSubstr(R"("request":"stop_stream")"));
    EXPECT_FALSE(session_->is_paused());
    EXPECT_FALSE(drop("2"));  // it is gone
}

TEST_F(OperatorControl, P43_ADroppedStreamStaysGoneHoweverOftenTheClientOffersIt) {
    establish();
    drop("2");
    answer(200, without_second("sendonly"));
    modify("sendonly");
    EXPECT_THAT(response().body, HasSubstr("m=audio 0 "));
    EXPECT_THAT(all<OpenStream>(), IsEmpty());
    ack();
    // Once the client has disabled it itself, the place is free for another stream (P-34).
    request("INVITE", "Content-Type: application/sdp\n", without_second("sendonly"));
    ack();
    modify("sendonly");
    EXPECT_EQ(all<OpenStream>().size(), 1U);
}

TEST_F(OperatorControl, P43_AClientThatRefusesIsDiscardedUntilTheEnd) {
    establish();
    drop("2");
    answer(488);
    EXPECT_THAT(events("control_answered").at(0), HasSubstr(R"("status":488,"refused":true)"));
    EXPECT_THAT(all<CloseStream>(), IsEmpty());
    pause();
    EXPECT_EQ(all<PauseStream>().size(), 1U);  // of the other one
    answer(488);
    resume();
    ASSERT_EQ(all<ResumeStream>().size(), 1U);
    EXPECT_EQ(all<ResumeStream>().front().stream, 0);
    EXPECT_EQ(sent().size(), 1U);  // it is asked once more, beside the resume
    answer(488);
    modify("sendonly");  // its next offer is answered by port 0
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_THAT(response().body, HasSubstr("m=audio 0 "));
}

TEST_F(OperatorControl, P43_AnAnswerThatKeepsTheStreamDoesNotBringItBack) {
    establish();
    drop("2");
    answer(200, with_direction("sendonly"));
    EXPECT_THAT(all<ResumeStream>(), IsEmpty());
    EXPECT_THAT(all<CloseStream>(), IsEmpty());
}

TEST_F(OperatorControl, P43_DroppingBesideAPauseIsToldInOneOffer) {
    establish();
    pause();
    drop("2");
    EXPECT_THAT(sent(), IsEmpty());  // one re-INVITE at a time
    answer(200, with_direction("inactive"));
    ASSERT_EQ(sent().size(), 1U);
    EXPECT_THAT(sent().at(0), HasSubstr("m=audio 0 "));
    EXPECT_THAT(sent().at(0), Not(HasSubstr("a=recvonly")));
}

TEST_F(OperatorControl, AStreamOfAnUnknownLabelCannotBeDropped) {
    establish();
    EXPECT_FALSE(drop("3"));
    EXPECT_THAT(actions_, IsEmpty());
}

TEST_F(OperatorControl, P42_APauseOutlastsTheTimeOfARuleThatWithholds) {
    config_.asks_policy = true;
    ruling_.emplace();
    ruling_->kind = Ruling::Kind::Inactive;
    ruling_->release_after = 2s;
    establish();
    pause();
    EXPECT_THAT(sent(), IsEmpty());  // inactive it is already
    wait(3s);
    EXPECT_THAT(sent(), IsEmpty());
    resume();
    expect_sent("recvonly");
    answer(200, with_direction("sendonly"));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_FALSE(session_->is_withheld());
}

TEST_F(OperatorControl, P42_ADropDoesNotReleaseWhatARuleWithholds) {
    config_.asks_policy = true;
    ruling_.emplace();
    ruling_->kind = Ruling::Kind::Inactive;
    establish();
    drop("2");
    ASSERT_EQ(sent().size(), 1U);
    EXPECT_THAT(sent().at(0), Not(HasSubstr("a=recvonly")));
    answer(200, without_second("inactive"));
    EXPECT_TRUE(session_->is_withheld());
    EXPECT_THAT(all<ResumeStream>(), IsEmpty());
}

TEST_F(OperatorControl, StopSaysByeAndWhoDidIt) {
    establish();
    ASSERT_TRUE(session_->stop_by_operator(now_, {"ada", "token", "127.0.0.1:1", "no consent"}));
    drain();
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    const sip::RequestSpec bye = all<SendRequest>().front().request;
    EXPECT_EQ(bye.method, "BYE");
    // RFC 3326: a client that would go on elsewhere is told that this was wished for.
    ASSERT_EQ(bye.headers.size(), 1U);
    EXPECT_EQ(bye.headers[0].value, "SIP;cause=200");
    EXPECT_EQ(count("recording_stopped"), 1U);
    ASSERT_EQ(all<End>().size(), 1U);
    EXPECT_EQ(all<End>().front().reason.code, "stopped_by_operator");
    EXPECT_EQ(all<End>().front().reason.text, "Stopped by ada: no consent");
}

TEST_F(OperatorControl, WhatHasEndedCannotBeControlled) {
    establish();
    request("BYE");
    EXPECT_FALSE(pause());
    EXPECT_FALSE(resume());
    EXPECT_FALSE(session_->stop_by_operator(now_, {}));
}

TEST_F(OperatorControl, TextsOfAnOperatorAreCutAtTheirLimit) {
    establish();
    pause(std::string(256, 'x'));
    EXPECT_THAT(events("recording_paused").front(), HasSubstr(std::string(256, 'x') + "\""));
    resume();
    pause(std::string(257, 'y'));
    EXPECT_THAT(events("recording_paused").front(), HasSubstr(std::string(256, 'y') + "\""));
}

}  // namespace
}  // namespace earshot::siprec
