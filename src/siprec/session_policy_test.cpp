// What the server's policy may make of an INVITE: P-42 (inactive now, recvonly later), P-43 (single
// streams), P-126 (its own admission).
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;
using testing::Not;

class Policy : public SessionTest {
protected:
    Policy() { config_.asks_policy = true; }

    static Ruling ruling(Ruling::Kind kind) {
        Ruling ruling;
        ruling.kind = kind;
        return ruling;
    }
    static Ruling inactive(std::optional<std::chrono::milliseconds> release_after) {
        Ruling wait = ruling(Ruling::Kind::Inactive);
        wait.release_after = release_after;
        return wait;
    }
    void decide(const Ruling& ruling) {
        actions_.clear();
        session_->on_decision(now_, ruling);
        drain();
    }
    void respond(int status, const std::string& sdp = {},
                 std::optional<std::chrono::milliseconds> retry_after = std::nullopt) {
        const std::string type = sdp.empty() ? "" : "Content-Type: application/sdp\n";
        actions_.clear();
        session_->on_response(
            now_,
            message_of(to_wire("SIP/2.0 " + std::to_string(status) +
                               " Whatever\nVia: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKx\n"
                               "From: <sip:srs@srs.example>;tag=b\n"
                               "To: <sip:src@src.example>;tag=a\nCall-ID: c1@src.example\n"
                               "CSeq: 1 INVITE\nContact: <sip:src@192.0.2.10>\n" +
                               type + "\n" + sdp)),
            retry_after);
        drain();
    }
    std::size_t lines_with(const std::string& text) const {
        std::size_t count = 0;
        const std::string body = response().body;
        for (std::size_t at = body.find(text); at != std::string::npos;
             at = body.find(text, at + 1))
            ++count;
        return count;
    }
    static std::string answer(const std::string& direction) {
        return "v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
               "m=audio 40000 RTP/AVP 8 0 101\na=" +
               direction + "\nm=audio 40002 RTP/AVP 8 0 101\na=" + direction + "\n";
    }
};

TEST_F(Policy, IsAskedWithTheFactsOfTheInviteBeforeAnythingElseHappens) {
    start(message_from("two-party.sip"));
    ASSERT_EQ(actions_.size(), 1U);
    const auto questions = all<Decide>();
    ASSERT_EQ(questions.size(), 1U);
    EXPECT_EQ(questions[0].facts.participants.size(), 2U);
    ASSERT_EQ(questions[0].streams.size(), 2U);
    EXPECT_EQ(questions[0].streams[0].media, "audio");
    EXPECT_FALSE(questions[0].streams[0].label.empty());
    EXPECT_FALSE(questions[0].streams[0].encodings.empty());
}

TEST_F(Policy, RecordsAsIfItHadNotBeenAsked) {
    start(message_from("two-party.sip"));
    Ruling record = ruling(Ruling::Kind::Record);
    record.event = make_event("policy", kNoStream, {{"rule", std::string{"all"}}});
    decide(record);
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_EQ(count("policy"), 1U);
    EXPECT_TRUE(std::holds_alternative<CreateRow>(actions_.front()));
}

TEST_F(Policy, P126_DeclinesWithItsCodeAndLeavesARow) {
    Ruling decline = ruling(Ruling::Kind::Decline);
    decline.status = 603;
    decline.phrase = "Not Recorded";
    decline.reason = {"declined_by_rule", "The rule \"hr\" declines it."};
    ruling_ = decline;
    start(message_from("two-party.sip"));
    EXPECT_EQ(response().status, 603);
    EXPECT_EQ(response().phrase, "Not Recorded");
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    EXPECT_TRUE(all<OpenStream>().empty());
    ASSERT_EQ(all<End>().size(), 1U);
    EXPECT_FALSE(all<End>()[0].accepted);
    EXPECT_EQ(all<End>()[0].reason.code, "declined_by_rule");
}

TEST_F(Policy, IsNotAskedAboutAnInviteThatIsRefusedAnyway) {
    start(message_of(in_dialog("INVITE", "", "")));  // +sip.src, but no SDP: asked
    EXPECT_EQ(all<Decide>().size(), 1U);
    start(message_of(in_dialog("INVITE", "Require: siprec, foo\n", "")));
    EXPECT_EQ(all<Decide>().size(), 1U);
    EXPECT_EQ(response().status, 420);
}

TEST_F(Policy, CancelWhileItThinksLeavesARowAndTheLateDecisionNothing) {
    start(message_from("two-party.sip"));
    actions_.clear();
    session_->on_cancel(now_);
    drain();
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    ASSERT_EQ(all<End>().size(), 1U);
    EXPECT_EQ(all<End>()[0].reason.code, "cancelled");
    decide(ruling(Ruling::Kind::Record));
    EXPECT_TRUE(actions_.empty());
}

TEST_F(Policy, StopWhileItThinksAnswers503) {
    start(message_from("two-party.sip"));
    actions_.clear();
    session_->stop(now_, {"stopped", ""});
    drain();
    EXPECT_EQ(response().status, 503);
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    EXPECT_TRUE(session_->is_ended());
}

TEST_F(Policy, P43_SingleStreamsGetPortZeroNowAndLater) {
    Ruling some = ruling(Ruling::Kind::Record);
    some.declines = [](const OfferedStream& stream) { return stream.media == "video"; };
    ruling_ = some;
    start(message_from("f1-two-party-av.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_EQ(lines_with("m=video 0 "), 2U);
    EXPECT_EQ(count("stream_refused"), 2U);
    ack();
    const std::string audio = "m=audio 40000 RTP/AVP 8\na=sendonly\n";
    const std::string video = "m=video 40004 RTP/AVP 96\na=rtpmap:96 H264/90000\na=sendonly\n";
    request("INVITE", "Content-Type: application/sdp\n",
            "v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" + audio + video +
                audio + video + video);
    EXPECT_EQ(lines_with("m=video 0 "), 3U);
    EXPECT_TRUE(all<OpenStream>().empty());
}

TEST_F(Policy, P42_AnswersInactiveAndOffersRecvonlyWhenItsTimeHasCome) {
    ruling_ = inactive(std::chrono::seconds{2});
    start(message_from("two-party.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(lines_with("a=inactive"), 2U);
    EXPECT_EQ(lines_with("a=recvonly"), 0U);
    for (const OpenStream& open : all<OpenStream>()) EXPECT_TRUE(open.facts.paused);
    ack();
    wait(std::chrono::seconds{1});
    EXPECT_TRUE(all<SendRequest>().empty());
    wait(std::chrono::seconds{1});
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    const sip::RequestSpec offer = all<SendRequest>()[0].request;
    EXPECT_EQ(offer.method, "INVITE");
    EXPECT_THAT(offer.body, HasSubstr("a=recvonly"));
    EXPECT_THAT(offer.body, Not(HasSubstr("a=inactive")));
    EXPECT_THAT(offer.body, HasSubstr("o=earshot 42 1 "));  // RFC 3264 section 8: by one
    respond(200, answer("sendonly"));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_EQ(count("stream_resumed"), 2U);
}

TEST_F(Policy, P42_StaysInactiveUntilTheOperatorReleasesIt) {
    ruling_ = inactive(std::nullopt);
    start(message_from("two-party.sip"));
    ack();
    request("INVITE", "Content-Type: application/sdp\n", answer("sendonly"));
    EXPECT_EQ(lines_with("a=inactive"), 2U);
    EXPECT_TRUE(all<ResumeStream>().empty());
    ack();
    actions_.clear();
    EXPECT_TRUE(session_->resume(now_, {}));
    drain();
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    respond(200, answer("sendonly"));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_FALSE(session_->is_withheld());
    actions_.clear();
    EXPECT_TRUE(session_->resume(now_, {}));  // nothing is withheld any more
    drain();
    EXPECT_TRUE(actions_.empty());
}

TEST_F(Policy, P42_ReleaseBeforeTheAckWaitsForIt) {
    ruling_ = inactive(std::nullopt);
    start(message_from("two-party.sip"));
    actions_.clear();
    EXPECT_TRUE(session_->resume(now_, {}));
    drain();
    EXPECT_TRUE(all<SendRequest>().empty());
    ack();
    wait(std::chrono::milliseconds{1});
    EXPECT_EQ(all<SendRequest>().size(), 1U);
}

TEST_F(Policy, P42_GlareIsTriedAgainAfterTheTimeOfTheRfc) {
    ruling_ = inactive(std::chrono::milliseconds{0});
    start(message_from("two-party.sip"));
    ack();
    wait(std::chrono::milliseconds{0});
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    respond(491, {}, std::chrono::milliseconds{1500});
    wait(std::chrono::milliseconds{1490});
    EXPECT_TRUE(all<SendRequest>().empty());
    wait(std::chrono::milliseconds{10});
    EXPECT_EQ(all<SendRequest>().size(), 1U);
}

TEST_F(Policy, P42_AClientThatRefusesStaysInactiveAndIsTold) {
    ruling_ = inactive(std::chrono::milliseconds{0});
    start(message_from("two-party.sip"));
    ack();
    wait(std::chrono::milliseconds{0});
    respond(488);
    EXPECT_EQ(count("media_offer_refused"), 1U);
    EXPECT_TRUE(all<ResumeStream>().empty());
    EXPECT_FALSE(session_->is_ended());
    wait(std::chrono::seconds{3});
    EXPECT_TRUE(all<SendRequest>().empty());
}

TEST_F(Policy, P42_AClientThatStillSendsNothingStaysPaused) {
    ruling_ = inactive(std::chrono::milliseconds{0});
    start(message_from("two-party.sip"));
    ack();
    wait(std::chrono::milliseconds{0});
    respond(200, answer("inactive"));
    EXPECT_TRUE(all<ResumeStream>().empty());
    request("INVITE", "Content-Type: application/sdp\n", answer("sendonly"));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);  // and by its own offer when it likes
}

TEST_F(Policy, P42_AnInviteWithoutAnOfferIsOfferedInactiveLines) {
    ruling_ = inactive(std::nullopt);
    start(message_of(in_dialog("INVITE", "", "")));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(lines_with("a=inactive"), 2U);
}

}  // namespace
}  // namespace earshot::siprec
