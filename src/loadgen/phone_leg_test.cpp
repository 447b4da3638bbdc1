// Caller and callee against a host that writes down what they ask, and another side whose messages
// are scripted.
#include <gtest/gtest.h>

#include "loadgen/phone_callee.h"
#include "loadgen/phone_caller.h"
#include "sip/builder.h"
#include "sip/parser.h"

namespace earshot::loadgen {
namespace {

using sip::HeaderId;
using std::chrono::milliseconds;

constexpr sip::DialogId kDialog{100};
constexpr sip::TransactionId kInvite{50};
constexpr sip::TransactionId kRequest{77};

class FakeHost : public PhoneHost {
public:
    base::Result<sip::TransactionId> start_request(LegId,
                                                   const sip::OutOfDialogSpec& spec) override {
        requests.push_back({spec.method, spec.headers, spec.content_type, spec.body});
        return sip::TransactionId{++next_id};
    }
    base::Result<sip::TransactionId> send_request(LegId, sip::DialogId,
                                                  const sip::RequestSpec& spec) override {
        requests.push_back(spec);
        return sip::TransactionId{++next_id};
    }
    base::Result<sip::DialogId> respond(LegId, sip::TransactionId,
                                        const sip::ResponseSpec& spec) override {
        responses.push_back(spec);
        return kDialog;
    }
    void acknowledge(sip::DialogId, const sip::RequestSpec& spec) override { acks.push_back(spec); }
    void cancel(sip::TransactionId) override { ++cancels; }
    void set_media(LegId, const PhonePlan& plan) override { plans.push_back(plan); }
    void play_digits(LegId, const std::string& text) override { digits += text; }
    void fall_silent(LegId) override { is_silent = true; }
    void on_record_change(LegId, const RecordNotice& notice) override { notices.push_back(notice); }

    void end_dialog(sip::DialogId) override {}
    void authenticate(sip::DialogId, const sip::Credentials&, const base::NetAddress&,
                      std::vector<sip::ExtraHeader>) override {}
    std::optional<std::array<base::NetAddress, kParties>> open_recording(LegId) override {
        return std::array{*base::parse_host("192.0.2.1", 22000),
                          *base::parse_host("192.0.2.1", 22002)};
    }
    void set_recording(LegId, const MediaPlan& plan) override { recording_plans.push_back(plan); }
    void stop_recording(LegId) override { has_recording_stopped = true; }

    sip::TransactionId last() const { return {next_id}; }
    const sip::RequestSpec& request() const { return requests.back(); }
    const sip::ResponseSpec& response() const { return responses.back(); }

    std::vector<sip::RequestSpec> requests;
    std::vector<sip::ResponseSpec> responses;
    std::vector<sip::RequestSpec> acks;
    std::vector<PhonePlan> plans;
    std::vector<RecordNotice> notices;
    std::vector<MediaPlan> recording_plans;
    bool has_recording_stopped = false;
    std::string digits;
    std::uint64_t next_id = 0;
    int cancels = 0;
    bool is_silent = false;
};

std::string header_of(const std::vector<sip::ExtraHeader>& headers, std::string_view name) {
    for (const auto& header : headers)
        if (header.name == name) return header.value;
    return "";
}

class PhoneLegTest : public testing::Test {
protected:
    PhoneSdp sdp(std::uint16_t port) const {
        return PhoneSdp{*base::parse_host("192.0.2.1", port), 7};
    }
    CallerLeg& caller() {
        if (!caller_)
            caller_ = std::make_unique<CallerLeg>(4, options_, sdp(20000), host_,
                                                  CallerSetup{"sip:bo@192.0.2.1",
                                                              "<sip:ada@example.test>",
                                                              "<sip:bo@example.test>",
                                                              "c1",
                                                              {},
                                                              "cnonce",
                                                              {},
                                                              &random_});
        return *caller_;
    }
    CalleeLeg& callee() {
        if (!callee_) callee_ = std::make_unique<CalleeLeg>(5, options_, sdp(20002), host_);
        return *callee_;
    }

    void advance(milliseconds by) {
        now_.steady += by;
        now_.wall += by;
    }
    void pass(PhoneLeg& leg, milliseconds by) {
        advance(by);
        leg.on_time(now_);
    }

    static sip::Message message(sip::MessageBuilder builder, std::string_view method,
                                const std::string& sdp,
                                const std::vector<sip::ExtraHeader>& extra = {}) {
        builder.add(HeaderId::Via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx")
            .add(HeaderId::From, "<sip:ada@example.test>;tag=a")
            .add(HeaderId::To, "<sip:bo@example.test>;tag=b")
            .add(HeaderId::CallId, "c1")
            .add(HeaderId::Cseq, "1 " + std::string{method});
        for (const auto& header : extra) builder.add(header.name, header.value);
        if (!sdp.empty()) builder.body("application/sdp", sdp);
        auto parsed = sip::parse_message(builder.build());
        EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
        return std::move(parsed.message);
    }
    void answer(PhoneLeg& leg, int status, const std::string& sdp = {},
                sip::DialogId dialog = kDialog, std::optional<milliseconds> retry = std::nullopt) {
        const std::string method = host_.request().method;
        leg.on_response(now_, {host_.last(),
                               dialog,
                               {},
                               message(sip::MessageBuilder::response(status), method, sdp),
                               status >= 200,
                               retry});
    }
    void ask(PhoneLeg& leg, std::string_view method, const std::string& sdp = {},
             const std::vector<sip::ExtraHeader>& extra = {}) {
        leg.on_request(now_, {kRequest,
                              kDialog,
                              {},
                              message(sip::MessageBuilder::request(method, "sip:x@192.0.2.1"),
                                      method, sdp, extra)});
    }
    void invite(const std::string& sdp, const std::vector<sip::ExtraHeader>& extra = {}) {
        callee().on_invite(now_, {kInvite,
                                  {},
                                  {},
                                  message(sip::MessageBuilder::request("INVITE", "sip:x@192.0.2.1"),
                                          "INVITE", sdp, extra)});
    }

    // What the other side says: its audio at port 4000.
    static std::string peer_sdp(std::string_view attributes = {}) {
        return "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
               "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n" +
               std::string{attributes};
    }
    void establish() {
        caller().start(now_);
        answer(caller(), 200, peer_sdp());
    }

    base::SeededRandom random_{1};
    PhoneOptions options_;
    FakeHost host_;
    base::Now now_{base::TimePoint{std::chrono::hours{1}},
                   base::wall_from_ns(1'770'000'000'000'000'000)};
    std::unique_ptr<CallerLeg> caller_;
    std::unique_ptr<CalleeLeg> callee_;
};

TEST_F(PhoneLegTest, P24_BothPhonesClaimAwarenessWhereTheCallIsSetUp) {
    caller().start(now_);
    EXPECT_EQ(header_of(host_.request().headers, "Supported"), "100rel, record-aware");
    EXPECT_EQ(header_of(host_.request().headers, "X-Earshot-Call"), "2");
    invite(peer_sdp());
    EXPECT_EQ(host_.response().status, 200);
    EXPECT_EQ(header_of(host_.response().headers, "Supported"), "record-aware");
}

TEST_F(PhoneLegTest, P27_NotAwareTheyClaimNothing) {
    options_.is_aware = false;
    caller().start(now_);
    EXPECT_EQ(header_of(host_.request().headers, "Supported"), "100rel");
    invite(peer_sdp());
    EXPECT_EQ(header_of(host_.response().headers, "Supported"), "");
}

TEST_F(PhoneLegTest, ACallIsPlacedSpokenInAndEnded) {
    caller().start(now_);
    advance(milliseconds{3});
    answer(caller(), 180);
    advance(milliseconds{4});
    answer(caller(), 200, peer_sdp());
    ASSERT_EQ(host_.acks.size(), 1U);
    ASSERT_EQ(host_.plans.size(), 1U);
    EXPECT_TRUE(host_.plans[0].stream.sends);
    EXPECT_EQ(host_.plans[0].stream.rtp.port, 4000);
    EXPECT_EQ(caller().deadline(), now_.steady + options_.duration);

    pass(caller(), options_.duration);
    EXPECT_TRUE(host_.is_silent);
    EXPECT_NE(host_.request().method, "BYE") << "what is on its way arrives first";
    pass(caller(), CallerLeg::kLinger);
    EXPECT_EQ(host_.request().method, "BYE");
    answer(caller(), 200);
    EXPECT_TRUE(caller().is_done());
    const PhoneLegResult& result = caller().result();
    EXPECT_EQ(result.result, "ok");
    EXPECT_EQ(result.ringing, milliseconds{3});
    EXPECT_EQ(result.answered, milliseconds{7});
}

TEST_F(PhoneLegTest, P25_P26_P39_P46_WhatTheRecorderTellsIsShownAsItChanges) {
    caller().start(now_);
    answer(caller(), 200, peer_sdp("a=record:off\r\n"));
    advance(milliseconds{500});
    ask(caller(), "INVITE", peer_sdp("a=record:on\r\n"));
    EXPECT_EQ(host_.response().status, 200);
    ask(caller(), "UPDATE", peer_sdp("a=record:paused\r\n"));
    ask(caller(), "UPDATE", peer_sdp("a=record:paused\r\n"));
    ASSERT_EQ(host_.notices.size(), 3U);
    EXPECT_EQ(host_.notices[0].state, sdp::RecordState::Off);
    EXPECT_EQ(host_.notices[1].state, sdp::RecordState::On);
    EXPECT_EQ(host_.notices[1].at, milliseconds{500});
    EXPECT_EQ(host_.notices[1].media, "audio");
    EXPECT_EQ(host_.notices[2].state, sdp::RecordState::Paused);
    EXPECT_EQ(caller().result().record, std::vector{sdp::RecordState::Paused});
    EXPECT_EQ(caller().result().record_changes.size(), 3U);
}

TEST_F(PhoneLegTest, P24_TheCalleeIsToldByTheOfferOfTheInvite) {
    invite(peer_sdp("a=record:on\r\n"));
    ASSERT_EQ(host_.notices.size(), 1U);
    EXPECT_EQ(host_.notices[0].state, sdp::RecordState::On);
}

TEST_F(PhoneLegTest, P49_ThePreferenceIsSaidInTheInvite) {
    options_.preference = sdp::RecordPreference::Off;
    caller().start(now_);
    EXPECT_NE(host_.request().body.find("a=recordpref:off\r\n"), std::string::npos);
}

TEST_F(PhoneLegTest, P49_OrInMidCallAndItStays) {
    options_.preference = sdp::RecordPreference::Pause;
    options_.preference_at = milliseconds{2000};
    establish();
    EXPECT_EQ(host_.request().body.find("recordpref"), std::string::npos);
    pass(caller(), milliseconds{2000});
    EXPECT_EQ(host_.request().method, "INVITE");
    EXPECT_NE(host_.request().body.find("a=recordpref:pause\r\n"), std::string::npos);
    answer(caller(), 200, peer_sdp("a=record:paused\r\n"));
    EXPECT_EQ(caller().result().record, std::vector{sdp::RecordState::Paused});
    EXPECT_EQ(host_.acks.size(), 2U);
    ask(caller(), "UPDATE", peer_sdp());
    EXPECT_NE(host_.response().body.find("a=recordpref:pause\r\n"), std::string::npos);
}

TEST_F(PhoneLegTest, EarlyMediaIsHeardBeforeTheAnswerAndTheAnswerNeedNotRepeatIt) {
    caller().start(now_);
    answer(caller(), 183, peer_sdp("a=record:on\r\n"));
    ASSERT_EQ(host_.plans.size(), 1U);
    EXPECT_EQ(host_.notices.size(), 1U);
    answer(caller(), 200);
    EXPECT_EQ(host_.plans.size(), 2U);
    EXPECT_TRUE(caller().was_answered());
}

TEST_F(PhoneLegTest, AnEndOfAnotherBranchIsNotTheEnd) {
    establish();
    caller().on_dialog_ended(now_, {101});
    EXPECT_FALSE(caller().is_done());
    caller().on_dialog_ended(now_, kDialog);
    EXPECT_TRUE(caller().is_done());
    EXPECT_EQ(caller().result().reason.code, "session_lost");
}

TEST_F(PhoneLegTest, AnAnswerOfASecondBranchIsHungUpOn) {
    caller().start(now_);
    const sip::TransactionId first = host_.last();
    answer(caller(), 200, peer_sdp());
    caller().on_response(now_, {first,
                                {101},
                                {},
                                message(sip::MessageBuilder::response(200), "INVITE", peer_sdp()),
                                true,
                                {}});
    EXPECT_EQ(host_.acks.size(), 2U);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_FALSE(caller().is_done());
}

TEST_F(PhoneLegTest, WithoutAnOfferTheAckAnswers) {
    options_.is_late_offer = true;
    caller().start(now_);
    EXPECT_TRUE(host_.request().body.empty());
    EXPECT_EQ(header_of(host_.request().headers, "Supported"), "record-aware");
    answer(caller(), 200, peer_sdp());
    ASSERT_EQ(host_.acks.size(), 1U);
    EXPECT_EQ(host_.acks[0].content_type, "application/sdp");
    EXPECT_EQ(host_.plans.size(), 1U);
}

TEST_F(PhoneLegTest, TheCalleeOffersWhenNobodyDid) {
    invite({});
    EXPECT_EQ(host_.response().status, 200);
    EXPECT_NE(host_.response().body.find("m=audio 20002"), std::string::npos);
    EXPECT_TRUE(host_.plans.empty());
    callee().on_ack(
        now_, {kDialog,
               kInvite,
               {},
               message(sip::MessageBuilder::request("ACK", "sip:x@192.0.2.1"), "ACK", peer_sdp())});
    EXPECT_EQ(host_.plans.size(), 1U);
}

TEST_F(PhoneLegTest, AHoldIsSendonlyForTwoSeconds) {
    options_.hold_at = milliseconds{1000};
    establish();
    pass(caller(), milliseconds{1000});
    EXPECT_NE(host_.request().body.find("a=sendonly\r\n"), std::string::npos);
    answer(caller(), 200, peer_sdp("a=recvonly\r\n"));
    EXPECT_TRUE(host_.plans.back().stream.sends);
    pass(caller(), CallerLeg::kHoldTime);
    EXPECT_NE(host_.request().body.find("a=sendrecv\r\n"), std::string::npos);
    answer(caller(), 200, peer_sdp());
    EXPECT_EQ(caller().result().result, "");
}

TEST_F(PhoneLegTest, AfterGlareTheHoldIsTriedAgain) {
    options_.hold_at = milliseconds{1000};
    establish();
    pass(caller(), milliseconds{1000});
    answer(caller(), 491, {}, kDialog, milliseconds{300});
    const std::size_t before = host_.requests.size();
    pass(caller(), milliseconds{300});
    EXPECT_EQ(host_.requests.size(), before + 1);
    EXPECT_NE(host_.request().body.find("a=sendonly\r\n"), std::string::npos);
}

TEST_F(PhoneLegTest, ARefusedChangeIsAFaultOfTheCall) {
    options_.hold_at = milliseconds{1000};
    establish();
    pass(caller(), milliseconds{1000});
    answer(caller(), 488);
    EXPECT_EQ(caller().result().reason.code, "change_refused");
}

TEST_F(PhoneLegTest, DigitsGoByRtpOrByInfo) {
    options_.digits = "19";
    establish();
    pass(caller(), CallerLeg::kDigitsAfter);
    EXPECT_EQ(host_.digits, "19");
    options_.has_digits_by_info = true;
    caller_.reset();
    establish();
    pass(caller(), CallerLeg::kDigitsAfter);
    EXPECT_EQ(host_.request().method, "INFO");
    EXPECT_EQ(host_.request().body, "Signal=9\r\nDuration=160\r\n");
}

TEST_F(PhoneLegTest, DigitsOfInfoAreHeardInBothForms) {
    invite(peer_sdp());
    const auto info = [this](std::string_view type, const std::string& body) {
        auto builder = sip::MessageBuilder::request("INFO", "sip:x@192.0.2.1");
        builder.body(type, body);
        callee().on_request(now_, {kRequest, kDialog, {}, message(std::move(builder), "INFO", {})});
    };
    info("application/dtmf-relay", "Signal= 5\r\nDuration=160\r\n");
    info("application/dtmf", "#");
    info("application/dtmf", "x");
    info("text/plain", "7");
    EXPECT_EQ(callee().result().info_digits, "5#");
    EXPECT_EQ(host_.response().status, 200);
}

TEST_F(PhoneLegTest, TheCalleeRingsThenAnswers) {
    options_.ring = milliseconds{2000};
    options_.is_early = true;
    invite(peer_sdp());
    EXPECT_EQ(host_.response().status, 183);
    EXPECT_FALSE(host_.response().body.empty());
    EXPECT_EQ(host_.plans.size(), 1U);
    pass(callee(), milliseconds{2000});
    EXPECT_EQ(host_.response().status, 200);
    EXPECT_EQ(host_.response().body, host_.responses.front().body) << "the same answer";
}

TEST_F(PhoneLegTest, ItRingsReliablyWhereThatIsWantedAndKnown) {
    options_.is_reliable = true;
    invite(peer_sdp());
    EXPECT_FALSE(host_.responses.front().is_reliable);
    callee_.reset();
    host_.responses.clear();
    invite(peer_sdp(), {{"Supported", "100rel"}});
    EXPECT_TRUE(host_.responses.front().is_reliable);
    EXPECT_FALSE(host_.responses.back().is_reliable);
    ask(callee(), "PRACK");
    EXPECT_EQ(host_.response().status, 200);
}

TEST_F(PhoneLegTest, WithoutPrackTheCalleeRefuses) {
    invite(peer_sdp(), {{"Require", "100rel"}});
    EXPECT_TRUE(host_.responses.front().is_reliable);
    callee().on_no_ack({.dialog = kDialog, .invite = kInvite, .is_prack = true});
    EXPECT_EQ(host_.response().status, 504);
    EXPECT_EQ(callee().result().reason.code, "no_prack");
}

TEST_F(PhoneLegTest, TheCalleeRefusesAsItIsTold) {
    options_.reject = 603;
    invite(peer_sdp());
    EXPECT_EQ(host_.response().status, 603);
    EXPECT_EQ(callee().result().result, "refused");
}

TEST_F(PhoneLegTest, WhatACalleeCannotTakeIsRefused) {
    invite(peer_sdp(), {{"Require", "siprec"}});
    EXPECT_EQ(host_.response().status, 420);
    EXPECT_EQ(header_of(host_.response().headers, "Unsupported"), "siprec");
    callee_.reset();
    invite("v=0\r\nm=video 4000 RTP/AVP 96\r\n");
    EXPECT_EQ(host_.response().status, 488);
}

TEST_F(PhoneLegTest, ACallerThatGivesUpCancelsAndHangsUpOnALateAnswer) {
    options_.give_up = milliseconds{1000};
    caller().start(now_);
    const sip::TransactionId invite = host_.last();
    answer(caller(), 180);
    pass(caller(), milliseconds{1000});
    EXPECT_EQ(host_.cancels, 1);
    caller().on_response(now_, {invite,
                                kDialog,
                                {},
                                message(sip::MessageBuilder::response(200), "INVITE", peer_sdp()),
                                true,
                                {}});
    EXPECT_EQ(host_.acks.size(), 1U);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_TRUE(host_.plans.empty());
    answer(caller(), 200);
    EXPECT_EQ(caller().result().result, "cancelled");
}

TEST_F(PhoneLegTest, ACancelledCalleeIsDone) {
    options_.ring = milliseconds{5000};
    invite(peer_sdp());
    callee().on_cancel();
    EXPECT_EQ(callee().result().result, "cancelled");
    EXPECT_FALSE(callee().deadline());
}

TEST_F(PhoneLegTest, ACalleeThatIsNotToldOfTheEndHangsUpAndSaysSo) {
    invite(peer_sdp());
    callee().on_caller_done(now_);
    pass(callee(), CalleeLeg::kOrphanTime);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_EQ(callee().result().reason.code, "not_told");
}

TEST_F(PhoneLegTest, AnEndByTheOtherSideIsOrdinaryForTheCalleeAlone) {
    invite(peer_sdp());
    ask(callee(), "BYE");
    EXPECT_EQ(callee().result().result, "ok");
    establish();
    ask(caller(), "BYE");
    EXPECT_EQ(caller().result().reason.code, "ended_by_peer");
}

TEST_F(PhoneLegTest, AbortedCallsAreCancelledOrEnded) {
    caller().start(now_);
    caller().abort(now_);
    EXPECT_EQ(host_.cancels, 1);
    caller_.reset();
    establish();
    caller().abort(now_);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_EQ(caller().result().result, "cancelled");
}

TEST_F(PhoneLegTest, AnUnansweredInviteAndByeAreTold) {
    caller().start(now_);
    caller().on_failure(now_, host_.last(), true);
    EXPECT_EQ(caller().result().result, "timeout");
    EXPECT_EQ(caller().result().sip_status, 408);
    caller_.reset();
    establish();
    pass(caller(), options_.duration);
    pass(caller(), CallerLeg::kLinger);
    caller().on_failure(now_, host_.last(), true);
    EXPECT_EQ(caller().result().reason.code, "session_lost");
}

TEST_F(PhoneLegTest, ATransferIsFollowedToItsEnd) {
    options_.transfer_to = "sip:cy@192.0.2.3";
    establish();
    pass(caller(), options_.duration / 2);
    EXPECT_EQ(host_.request().method, "REFER");
    EXPECT_EQ(header_of(host_.request().headers, "Refer-To"), "<sip:cy@192.0.2.3>");
    answer(caller(), 202);
    const auto notify = [this](const std::string& fragment) {
        auto builder = sip::MessageBuilder::request("NOTIFY", "sip:x@192.0.2.1");
        builder.body("message/sipfrag", fragment);
        caller().on_request(now_,
                            {kRequest, kDialog, {}, message(std::move(builder), "NOTIFY", {})});
    };
    notify("SIP/2.0 100 Trying\r\n");
    EXPECT_EQ(host_.response().status, 200);
    EXPECT_EQ(caller().result().transfer_status, 100);
    notify("SIP/2.0 200 OK\r\n");
    EXPECT_EQ(host_.request().method, "BYE");
    answer(caller(), 200);
    EXPECT_EQ(caller().result().result, "ok");
    EXPECT_EQ(caller().result().transfer_status, 200);
}

TEST_F(PhoneLegTest, ATransferThatFailsIsTold) {
    options_.transfer_to = "sip:cy@192.0.2.3";
    establish();
    pass(caller(), options_.duration / 2);
    answer(caller(), 603);
    EXPECT_EQ(caller().result().reason.code, "transfer_refused");
}

TEST_F(PhoneLegTest, WhoWasTransferredMayLeave) {
    options_.transfer_to = "sip:cy@192.0.2.3";
    establish();
    pass(caller(), options_.duration / 2);
    answer(caller(), 202);
    ask(caller(), "BYE");
    EXPECT_EQ(caller().result().result, "ok");
}

TEST_F(PhoneLegTest, MethodsThatAPhoneDoesNotKnowAreRefused) {
    establish();
    ask(caller(), "REFER");
    EXPECT_EQ(host_.response().status, 405);
    ask(caller(), "NOTIFY");
    EXPECT_EQ(host_.response().status, 200);
    ask(caller(), "UPDATE", "v=0\r\nm=audio 4000 RTP/AVP 9\r\n");
    EXPECT_EQ(host_.response().status, 488);
}

// A caller that records itself; the recording server's messages are scripted, too.
class RecordedCallTest : public PhoneLegTest {
protected:
    static constexpr sip::DialogId kRecordingDialog{200};

    RecordedCallTest() { options_.record_to = "sip:rec@192.0.2.7"; }

    // Our request with that number, counted from 1 as the host gives ids.
    void answer_to(std::size_t number, int status, const std::string& sdp, sip::DialogId dialog) {
        const std::string method = host_.requests[number - 1].method;
        caller().on_response(now_, {{number},
                                    dialog,
                                    {},
                                    message(sip::MessageBuilder::response(status), method, sdp),
                                    status >= 200,
                                    {}});
        caller().settle(now_);
    }
    void let_time_pass(milliseconds by) {
        pass(caller(), by);
        caller().settle(now_);
    }
    static std::string server_sdp() {
        return "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
               "m=audio 5000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
               "a=recvonly\r\na=label:1\r\n"
               "m=audio 5002 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
               "a=recvonly\r\na=label:2\r\n";
    }
    // The call is answered by an aware phone, and its recording by a server.
    void establish_recorded() {
        caller().start(now_);
        caller().on_response(now_, {{1},
                                    kDialog,
                                    {},
                                    message(sip::MessageBuilder::response(200), "INVITE",
                                            peer_sdp(), {{"Supported", "record-aware"}}),
                                    true,
                                    {}});
        caller().settle(now_);
        ASSERT_EQ(host_.requests.size(), 2U);
        answer_to(2, 200, server_sdp(), kRecordingDialog);
    }
};

TEST_F(RecordedCallTest, P81_TwoStreamsOfItsOwnGoToTheServerOnceTheCallIsAnswered) {
    caller().start(now_);
    answer_to(1, 200, peer_sdp(), kDialog);
    ASSERT_EQ(host_.requests.size(), 2U);
    const sip::RequestSpec& invite = host_.requests[1];
    EXPECT_EQ(header_of(invite.headers, "Require"), "siprec");
    EXPECT_NE(invite.body.find("m=audio 22000 "), std::string::npos) << invite.body;
    EXPECT_NE(invite.body.find("m=audio 22002 "), std::string::npos) << invite.body;
    EXPECT_NE(invite.body.find("aor=\"sip:ada@example.test\""), std::string::npos) << invite.body;
    answer_to(2, 200, server_sdp(), kRecordingDialog);
    ASSERT_FALSE(host_.recording_plans.empty());
    EXPECT_TRUE(host_.recording_plans.back()[0].sends);
    EXPECT_EQ(host_.recording_plans.back()[1].rtp.port, 5002);
    let_time_pass(milliseconds{0});
    EXPECT_EQ(host_.requests.size(), 2U) << "who is not aware is not told";
}

TEST_F(RecordedCallTest, P39_AnAwarePartyIsTold) {
    establish_recorded();
    let_time_pass(milliseconds{0});
    ASSERT_EQ(host_.requests.size(), 3U);
    EXPECT_NE(host_.request().body.find("a=record:on\r\n"), std::string::npos);
}

TEST_F(RecordedCallTest, P40_P41_P51_ThePartysWishIsHonouredAndItIsToldTheOutcome) {
    establish_recorded();
    let_time_pass(milliseconds{0});
    answer_to(3, 200, peer_sdp("a=recordpref:pause\r\n"), kDialog);
    EXPECT_FALSE(host_.recording_plans.back()[0].sends);
    ASSERT_GE(host_.requests.size(), 4U);
    EXPECT_NE(host_.requests[3].body.find("a=inactive"), std::string::npos) << "to the server";
    let_time_pass(milliseconds{0});
    EXPECT_NE(host_.request().body.find("a=record:paused\r\n"), std::string::npos);
}

TEST_F(RecordedCallTest, WhoWishesForNoRecordingGetsNone) {
    caller().start(now_);
    answer_to(1, 200, peer_sdp("a=recordpref:off\r\n"), kDialog);
    EXPECT_EQ(host_.requests.size(), 1U);
}

TEST_F(RecordedCallTest, TheRecordingEndsWithTheCall) {
    establish_recorded();
    ask(caller(), "BYE");
    caller().settle(now_);
    EXPECT_TRUE(host_.has_recording_stopped);
    EXPECT_FALSE(caller().is_done()) << "the server is told";
    for (int i = 0; i < 10 && !caller().is_done(); ++i)
        answer_to(host_.requests.size(), 200, {}, kRecordingDialog);
    EXPECT_TRUE(caller().is_done());
    EXPECT_TRUE(caller().result().recording.was_started);
}

TEST_F(RecordedCallTest, ARefusedRecordingIsAFaultOfTheCallAndDoesNotDisturbIt) {
    caller().start(now_);
    answer_to(1, 200, peer_sdp(), kDialog);
    answer_to(2, 503, {}, {});
    EXPECT_FALSE(caller().is_done());
    let_time_pass(options_.duration);
    let_time_pass(CallerLeg::kLinger);
    EXPECT_EQ(host_.request().method, "BYE");
    answer_to(host_.requests.size(), 200, {}, kDialog);
    EXPECT_TRUE(caller().is_done());
    EXPECT_EQ(caller().result().result, "failed");
    EXPECT_EQ(caller().result().recording.status, 503);
}

}  // namespace
}  // namespace earshot::loadgen
