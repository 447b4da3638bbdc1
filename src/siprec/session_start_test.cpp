// Recording sessions that the server begins (P-9, P-12, P-45).
#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kOffer =
    "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
    "m=audio 40000 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=sendonly\na=label:1\n";

class SessionStart : public SessionTest {
protected:
    void start(const std::string& call = "call-7@pbx") {
        session_ = std::make_unique<RecordingServerSession>(config_, 42);
        session_->start(now_, {.by = {"ada", "token", "127.0.0.1:1", "audit"},
                               .from = "<sip:earshot@192.0.2.80>",
                               .to = "<sip:src@192.0.2.10>",
                               .call = call,
                               .peer = peer_});
        drain();
    }
    void respond(const std::string& status_line, std::string_view headers = {},
                 std::string_view body = {}) {
        actions_.clear();
        session_->on_response(
            now_, message_of(to_wire("SIP/2.0 " + status_line +
                                     "\nVia: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKx\n"
                                     "From: <sip:earshot@192.0.2.80>;tag=b\n"
                                     "To: <sip:src@192.0.2.10>;tag=a\nCall-ID: ours@192.0.2.80\n"
                                     "CSeq: 1 INVITE\nContact: <sip:src@192.0.2.10>;+sip.src\n" +
                                     std::string{headers} + "\n" + std::string{body})));
        drain();
    }
    void accept() { respond("200 OK", "Content-Type: application/sdp\n", kOffer); }
    Acknowledge acknowledgement() const {
        const auto acks = all<Acknowledge>();
        EXPECT_EQ(acks.size(), 1U);
        return acks.empty() ? Acknowledge{} : acks.front();
    }
    base::Reason end_reason() const {
        const auto ends = all<End>();
        EXPECT_EQ(ends.size(), 1U);
        EXPECT_TRUE(ends.empty() || !ends.front().accepted);
        return ends.empty() ? base::Reason{} : ends.front().reason;
    }
    void expect_bye() const {
        ASSERT_EQ(all<SendRequest>().size(), 1U);
        EXPECT_EQ(all<SendRequest>().front().request.method, "BYE");
    }
};

TEST_F(SessionStart, P12_RequiresSiprecAndNamesTheCall) {
    start();
    ASSERT_EQ(actions_.size(), 1U);
    const SendInvite invite = all<SendInvite>().at(0);
    const auto value = [&](std::string_view name) {
        for (const sip::ExtraHeader& header : invite.headers)
            if (header.name == name) return header.value;
        return std::string{};
    };
    EXPECT_EQ(value("Require"), "siprec");
    EXPECT_EQ(value("Supported"), "timer");
    EXPECT_EQ(value("Target-Dialog"), "call-7@pbx");
    start("");
    EXPECT_EQ(all<SendInvite>().at(1).headers.size(), invite.headers.size() - 1);
}

TEST_F(SessionStart, P45_TheOfferOfThe2xxIsAnsweredInTheAckWhenPortsAndRowAreThere) {
    start();
    respond("180 Ringing");
    EXPECT_THAT(actions_, IsEmpty());
    accept();
    ASSERT_EQ(all<CreateRow>().size(), 1U);
    EXPECT_EQ(all<CreateRow>()[0].facts.from, "<sip:earshot@192.0.2.80>");
    EXPECT_EQ(all<CreateRow>()[0].facts.headers.at(0).second, "call-7@pbx");
    EXPECT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(acknowledgement().request.content_type, "application/sdp");
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 10000 "));
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("a=recvonly"));
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("a=label:1"));
    EXPECT_TRUE(session_->is_established());
    EXPECT_EQ(count("recording_started"), 1U);
    EXPECT_THAT(events("recording_requested").at(0), HasSubstr(R"("who":"ada")"));
    EXPECT_EQ(count("sip_leniency"), 0U);
}

TEST_F(SessionStart, WaitsWithTheAckForTheRow) {
    stores_rows_ = false;
    start();
    accept();
    EXPECT_THAT(all<Acknowledge>(), IsEmpty());
    session_->on_row_durable(now_);
    drain();
    EXPECT_EQ(all<Acknowledge>().size(), 1U);
}

TEST_F(SessionStart, ARowThatCannotBeStoredIsRefusedInTheAckAndEndsByBye) {
    stores_rows_ = false;
    start();
    accept();
    session_->on_row_failed(now_, {"storage_error", ""});
    drain();
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    expect_bye();
    EXPECT_EQ(end_reason().code, "storage_error");
}

TEST_F(SessionStart, P98_MetadataMayComeInThe2xxOrIsAskedFor) {
    start();
    respond("200 OK", "Content-Type: multipart/mixed;boundary=x\n",
            "--x\nContent-Type: application/sdp\n\n" + std::string{kOffer} +
                "--x\nContent-Type: application/rs-metadata+xml\n"
                "Content-Disposition: recording-session\n\n@01-two-party-complete.xml@\n--x--\n");
    EXPECT_EQ(all<StoreMetadata>().size(), 1U);
    EXPECT_FALSE(all<CreateRow>().at(0).facts.participants.empty());
    start();
    accept();
    wait(5s);
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(all<SendRequest>()[0].request.method, "UPDATE");
}

TEST_F(SessionStart, ARefusalIsTheReasonOfTheEnd) {
    start();
    respond("486 Busy Here");
    EXPECT_EQ(end_reason().code, "refused_by_client");
    EXPECT_EQ(end_reason().text, "The client answered 486 Busy Here.");
    EXPECT_THAT(all<CreateRow>(), IsEmpty());
    EXPECT_THAT(all<Acknowledge>(), IsEmpty());  // the transaction does it
    start();
    respond("302 Moved Temporarily");
    EXPECT_EQ(end_reason().code, "redirected");
    EXPECT_THAT(end_reason().text, HasSubstr("sip:src@192.0.2.10"));
}

TEST_F(SessionStart, NoAnswerAndNoWayAreToldApart) {
    start();
    session_->on_request_timed_out(now_);
    drain();
    EXPECT_EQ(end_reason().code, "no_response");
    actions_.clear();
    start();
    session_->on_request_not_sent(now_);
    drain();
    EXPECT_EQ(end_reason().code, "unreachable");
}

TEST_F(SessionStart, AClientThatRingsForEverIsCancelledAtTheLimit) {
    start();
    respond("180 Ringing");
    wait(kMaxRingingTime - 1s);
    EXPECT_THAT(actions_, IsEmpty());
    EXPECT_EQ(session_->deadline(), now_.steady + 1s);
    wait(1s);
    EXPECT_EQ(all<CancelInvite>().size(), 1U);
    EXPECT_EQ(end_reason().code, "no_answer");
}

TEST_F(SessionStart, AStopCancelsTheInvite) {
    start();
    session_->stop(now_, {"stopped", ""});
    drain();
    EXPECT_EQ(all<CancelInvite>().size(), 1U);
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    EXPECT_EQ(end_reason().code, "stopped");
}

TEST_F(SessionStart, AnOfferThatCannotBeTakenIsAcknowledgedAndEnded) {
    start();
    respond("200 OK");
    EXPECT_EQ(acknowledgement().request.body, "");
    expect_bye();
    EXPECT_EQ(end_reason().code, "no_offer");
    start();
    respond("200 OK", "Content-Type: application/sdp\n", "nonsense\n");
    EXPECT_EQ(acknowledgement().request.body, "");
    expect_bye();
    EXPECT_EQ(end_reason().code, "bad_sdp");
    start();
    respond("200 OK", "Content-Type: application/sdp\n",
            "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
            "m=audio 40000 RTP/SAVP 8\na=sendonly\n");
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    expect_bye();
    EXPECT_EQ(end_reason().code, "no_common_media");
}

TEST_F(SessionStart, AByeThatIsFasterThanOurAckEndsIt) {
    stores_rows_ = false;
    start();
    accept();
    request("BYE");
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(end_reason().code, "ended_early");
    EXPECT_THAT(all<SendRequest>(), IsEmpty());
    actions_.clear();
    session_->on_row_durable(now_);
    drain();
    EXPECT_THAT(actions_, IsEmpty());
}

TEST_F(SessionStart, NoPortsAreRefusedInTheAck) {
    failing_stream_ = 0;
    start();
    accept();
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    expect_bye();
    EXPECT_EQ(end_reason().code, "no_ports");
}

TEST_F(SessionStart, GoesOnAsAnyOtherSession) {
    start();
    accept();
    request("INVITE", "Content-Type: application/sdp\n", kOffer);
    EXPECT_EQ(response().status, 200);
    ack();
    EXPECT_TRUE(session_->pause(now_, {}));
    drain();
    actions_.clear();
    session_->stop(now_, {"stopped", ""});
    drain();
    expect_bye();
    ASSERT_EQ(all<End>().size(), 1U);
    EXPECT_TRUE(all<End>()[0].accepted);
}

TEST_F(SessionStart, AClientWithoutItsFeatureTagIsTakenAndTold) {
    start();
    session_->on_response(
        now_, message_of(to_wire("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKx\n"
                                 "From: <sip:e@192.0.2.80>;tag=b\nTo: <sip:s@192.0.2.10>;tag=a\n"
                                 "Call-ID: x\nCSeq: 1 INVITE\nContact: <sip:src@192.0.2.10>\n"
                                 "Content-Type: application/sdp\n\n" +
                                 std::string{kOffer})));
    drain();
    EXPECT_TRUE(session_->is_established());
    EXPECT_EQ(count("sip_leniency"), 1U);
}

// ---- rules and the decision hook --------------------------------------------------------------

class SessionStartPolicy : public SessionStart {
protected:
    SessionStartPolicy() { config_.asks_policy = true; }
    void decide(const Ruling& ruling) {
        actions_.clear();
        session_->on_decision(now_, ruling);
        drain();
    }
};

TEST_F(SessionStartPolicy, P42_TheClientsOfferIsPutToThePolicyBeforeItIsAnswered) {
    start();
    EXPECT_THAT(all<Decide>(), IsEmpty());  // nothing is known of the call yet
    respond("200 OK", "Content-Type: application/sdp\nX-Department: sales\n", kOffer);
    ASSERT_EQ(actions_.size(), 1U);
    const Decide question = all<Decide>().at(0);
    EXPECT_EQ(question.facts.from, "<sip:earshot@192.0.2.80>");
    ASSERT_EQ(question.facts.headers.size(), 2U);
    EXPECT_EQ(question.facts.headers[0].first, "X-Department");
    ASSERT_EQ(question.streams.size(), 1U);
    EXPECT_EQ(question.streams[0].label, "1");
    Ruling ruling;
    ruling.event = make_event("policy_decision", kNoStream);
    decide(ruling);
    EXPECT_TRUE(session_->is_established());
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("a=recvonly"));
    EXPECT_EQ(count("recording_requested"), 1U);
    EXPECT_EQ(count("policy_decision"), 1U);
}

TEST_F(SessionStartPolicy, ADeclineRefusesEveryLineInTheAckAndSaysBye) {
    start();
    accept();
    Ruling ruling;
    ruling.kind = Ruling::Kind::Decline;
    ruling.reason = {"declined_by_rule", "The rule \"x\" declines it."};
    decide(ruling);
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    expect_bye();
    const auto headers = all<SendRequest>().front().request.headers;
    ASSERT_EQ(headers.size(), 1U);
    EXPECT_EQ(headers[0].name + ": " + headers[0].value, "Reason: SIP;cause=603");
    EXPECT_EQ(end_reason().code, "declined_by_rule");
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    EXPECT_THAT(all<OpenStream>(), IsEmpty());
    EXPECT_THAT(all<Respond>(), IsEmpty());
}

TEST_F(SessionStartPolicy, InactiveIsTheAnswerUntilItsTimeIsOver) {
    start();
    accept();
    Ruling ruling;
    ruling.kind = Ruling::Kind::Inactive;
    ruling.release_after = 5s;
    decide(ruling);
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("a=inactive"));
    EXPECT_TRUE(session_->is_withheld());
    wait(5s);
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(all<SendRequest>()[0].request.method, "INVITE");
    EXPECT_THAT(all<SendRequest>()[0].request.body, HasSubstr("a=recvonly"));
}

TEST_F(SessionStartPolicy, P43_SingleStreamsGetPortZero) {
    start();
    respond("200 OK", "Content-Type: application/sdp\n",
            std::string{kOffer} +
                "m=video 40002 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
                "a=sendonly\na=label:2\n");
    Ruling ruling;
    ruling.declines = [](const OfferedStream& stream) { return stream.media == "video"; };
    decide(ruling);
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 10000 "));
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=video 0 "));
}

TEST_F(SessionStartPolicy, AByeOrAStopBeforeTheDecisionLeavesARowAndNothingElse) {
    start();
    accept();
    request("BYE");
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(end_reason().code, "ended_early");
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    decide({});
    EXPECT_THAT(actions_, IsEmpty());
    start();
    accept();
    actions_.clear();
    session_->stop(now_, {"stopped", ""});
    drain();
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("m=audio 0 "));
    expect_bye();
    EXPECT_EQ(end_reason().code, "stopped");
    EXPECT_THAT(all<OpenStream>(), IsEmpty());
}

// ---- where it goes ----------------------------------------------------------------------------

TEST_F(SessionStart, ANameThatLeadsElsewhereTakesWhatIsConfiguredThere) {
    start();
    RecordingServerConfig other = config_;
    other.media.usual = *base::parse_host("192.0.2.81", 0);
    session_->retarget(*base::parse_net_address("203.0.113.9:5060"), other);
    accept();
    EXPECT_THAT(acknowledgement().request.body, HasSubstr("c=IN IP4 192.0.2.81"));
    EXPECT_THAT(events("recording_started").at(0), HasSubstr("203.0.113.9:5060"));
    session_->retarget(peer_, config_);  // too late
    actions_.clear();
    request("INVITE", "Content-Type: application/sdp\n", kOffer);
    EXPECT_THAT(response().body, HasSubstr("c=IN IP4 192.0.2.81"));
}

TEST_F(SessionStart, WhyItCouldNotBeSentIsTold) {
    start();
    session_->on_request_not_sent(now_, {"not_located", "The DNS knows nothing."});
    drain();
    EXPECT_EQ(end_reason().code, "not_located");
}

// None of these may become a recording, nor a row that says so.
TEST_F(SessionStart, A2xxWhoseSdpIsMissingOrUnreadableIsAcknowledgedAndEnded) {
    const struct {
        const char* headers;
        const char* body;
        const char* reason;
    } table[] = {{"Content-Type: text/plain\n", "hello", "no_offer"},
                 {"", "v=0\n", "bad_sdp"},
                 {"Content-Type: application/sdp\n", "", "no_offer"},
                 {"Content-Type: application/sdp\n", "v=1\n", "bad_sdp"},
                 {"Content-Type: application/sdp\n", "\x01\x02", "bad_sdp"},
                 {"Content-Type: application/sdp\n", "v=0\n", "bad_sdp"},
                 {"Content-Type: multipart/mixed\n", "--x\n", "no_offer"},
                 {"Content-Type: multipart/mixed;boundary=x\n", "garbage", "bad_body"},
                 {"Content-Type: multipart/mixed;boundary=x\n",
                  "--x\nContent-Type: text/plain\n\na\n--x--\n", "no_offer"}};
    for (const auto& row : table) {
        start();
        respond("200 OK", row.headers, row.body);
        EXPECT_EQ(end_reason().code, row.reason) << row.headers << row.body;
        EXPECT_EQ(acknowledgement().request.body, "") << row.body;
        expect_bye();
        EXPECT_THAT(all<CreateRow>(), IsEmpty()) << row.body;
        EXPECT_FALSE(session_->is_established());
    }
}

}  // namespace
}  // namespace earshot::siprec
