// The call against a host that writes down what it is asked, and a server whose answers are
// scripted.
#include "loadgen/call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "mime/multipart.h"
#include "sdp/fingerprint.h"
#include "sdp/offer_answer.h"
#include "sip/builder.h"
#include "sip/parser.h"

namespace earshot::loadgen {
namespace {

constexpr sip::DialogId kDialog{100};

class FakeHost : public CallHost {
public:
    base::Result<sip::TransactionId> start_request(std::uint32_t,
                                                   const sip::OutOfDialogSpec& spec) override {
        requests.push_back({spec.method, spec.headers, spec.content_type, spec.body});
        cseq = spec.cseq;
        from_tag = spec.from_tag;
        return sip::TransactionId{++next_id};
    }
    base::Result<sip::TransactionId> send_request(std::uint32_t, sip::DialogId,
                                                  const sip::RequestSpec& spec) override {
        requests.push_back(spec);
        return sip::TransactionId{++next_id};
    }
    void acknowledge(sip::DialogId) override { ++acks; }
    void respond(sip::TransactionId, const sip::ResponseSpec& spec) override {
        responses.push_back(spec);
    }
    void cancel(sip::TransactionId) override { ++cancels; }
    void end_dialog(sip::DialogId) override { ++ended_dialogs; }
    void authenticate(sip::DialogId, const sip::Credentials&, const base::NetAddress&,
                      std::vector<sip::ExtraHeader>) override {}
    void set_media(std::uint32_t, const MediaPlan& plan) override { plans.push_back(plan); }
    void stop_media(std::uint32_t) override { is_media_stopped = true; }

    sip::TransactionId last() const { return {next_id}; }
    const sip::RequestSpec& request() const { return requests.back(); }

    std::vector<sip::RequestSpec> requests;
    std::vector<sip::ResponseSpec> responses;
    std::vector<MediaPlan> plans;
    std::uint64_t next_id = 0;
    std::uint32_t cseq = 0;
    std::string from_tag;
    int acks = 0;
    int cancels = 0;
    int ended_dialogs = 0;
    bool is_media_stopped = false;
};

class CallTest : public testing::Test {
protected:
    explicit CallTest(std::optional<std::chrono::milliseconds> hold_at = std::nullopt)
        : call_(setup(hold_at), host_, random_, log_) {}

    CallSetup setup(std::optional<std::chrono::milliseconds> hold_at) {
        base::SeededRandom random{1};
        CallSetup setup;
        setup.request_uri = "sip:srs@192.0.2.7";
        setup.from = "<sip:src@192.0.2.1>";
        setup.hold_at = hold_at;
        setup.documents = siprec::make_client_call(random, now_.wall, kParties);
        for (std::uint16_t i = 0; i < kParties; ++i) {
            siprec::ClientParty& party = setup.documents.parties[i];
            party.aor = "sip:p@example.test";
            party.rtp = *base::parse_host("192.0.2.1", static_cast<std::uint16_t>(20000 + 2 * i));
            party.rtcp = party.rtp;
            ++party.rtcp.port;
        }
        return setup;
    }

    void advance(std::chrono::milliseconds by) {
        now_.steady += by;
        now_.wall += by;
    }

    sip::Message message(const sip::MessageBuilder& builder) {
        auto parsed = sip::parse_message(builder.build());
        EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
        return std::move(parsed.message);
    }

    static sip::MessageBuilder& fill(sip::MessageBuilder& builder, std::string_view method) {
        builder.add(sip::HeaderId::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
            .add(sip::HeaderId::From, "<sip:src@192.0.2.1>;tag=a")
            .add(sip::HeaderId::To, "<sip:srs@192.0.2.7>;tag=b")
            .add(sip::HeaderId::CallId, "c1")
            .add(sip::HeaderId::Cseq, "1 " + std::string{method});
        return builder;
    }

    void answer(int status, const std::string& sdp = {}, std::string_view allow = {}) {
        auto builder = sip::MessageBuilder::response(status);
        fill(builder, host_.request().method);
        if (!allow.empty()) builder.add(sip::HeaderId::Allow, allow);
        if (!sdp.empty()) builder.body("application/sdp", sdp);
        sip::ResponseArrived arrived{host_.last(), kDialog, {}, message(builder), status >= 200};
        call_.on_response(now_, arrived);
    }

    void ask(std::string_view method, std::string_view type = {}, const std::string& body = {}) {
        auto builder = sip::MessageBuilder::request(method, "sip:src@192.0.2.1");
        fill(builder, method);
        if (!body.empty()) builder.body(type, body);
        sip::RequestArrived arrived{{77}, kDialog, {}, message(builder)};
        call_.on_request(now_, arrived);
    }

    // What a recording server would answer to the offer that was sent last.
    std::string answer_sdp(bool accept = true, const std::string& security = {}) const {
        const sip::RequestSpec& request = host_.request();
        const auto body = mime::parse_body(request.content_type, {}, request.body);
        const auto offer = sdp::parse(body->find("application/sdp")->body);
        std::vector<sdp::MediaDecision> decisions(kParties);
        for (std::uint16_t i = 0; i < kParties; ++i) {
            const auto port = static_cast<std::uint16_t>(10000 + 2 * i);
            decisions[i] = {accept, port, static_cast<std::uint16_t>(port + 1), false};
            decisions[i].security = security;
        }
        sdp::LocalOrigin origin;
        origin.address = *base::parse_host("192.0.2.7", 0);
        return sdp::make_recording_answer(*offer, origin, decisions);
    }

    void establish() {
        call_.start(now_);
        answer(200, answer_sdp());
    }

    base::NullLog log_;
    base::SeededRandom random_{1};
    FakeHost host_;
    base::Now now_{base::TimePoint{std::chrono::hours{1}},
                   base::wall_from_ns(1'770'000'000'000'000'000)};
    Call call_;
};

TEST_F(CallTest, OffersTwoStreamsWithCompleteMetadata) {
    call_.start(now_);
    const sip::RequestSpec& invite = host_.request();
    EXPECT_EQ(invite.method, "INVITE");
    const auto body = mime::parse_body(invite.content_type, {}, invite.body);
    ASSERT_TRUE(body);
    const auto offer = sdp::parse(body->find("application/sdp")->body);
    ASSERT_EQ(offer->media.size(), 2U);
    EXPECT_EQ(offer->media[1].label, "2");
    EXPECT_EQ(offer->media[1].direction, sdp::Direction::SendOnly);
    const mime::Part* metadata = body->find("application/rs-metadata+xml");
    ASSERT_NE(metadata, nullptr);
    EXPECT_EQ(metadata->disposition, "recording-session");
    EXPECT_NE(metadata->body.find(call_.result().session_id), std::string_view::npos);
    const bool requires_siprec = std::any_of(
        invite.headers.begin(), invite.headers.end(),
        [](const auto& header) { return header.name == "Require" && header.value == "siprec"; });
    EXPECT_TRUE(requires_siprec);
}

class DtlsCall : public CallTest {
protected:
    void start() {
        CallSetup with_dtls = setup(std::nullopt);
        for (siprec::ClientParty& party : with_dtls.documents.parties)
            party.dtls = siprec::ClientDtls{ours_, "0123456789abcdef0123"};
        call_by_dtls_ = std::make_unique<Call>(std::move(with_dtls), host_, random_, log_);
        call_by_dtls_->start(now_);
    }
    void answer_with(const std::string& security) {
        auto builder = sip::MessageBuilder::response(200);
        fill(builder, "INVITE");
        const std::string sdp = answer_sdp(true, security);
        builder.body("application/sdp", sdp);
        call_by_dtls_->on_response(now_, {host_.last(), kDialog, {}, message(builder), true});
    }
    static base::CertificateFingerprint fingerprint(std::uint8_t octet) {
        base::CertificateFingerprint made;
        made.function = base::HashFunction::Sha256;
        made.digest.assign(32, octet);
        return made;
    }

    const base::CertificateFingerprint ours_ = fingerprint(1);
    const base::CertificateFingerprint theirs_ = fingerprint(2);
    std::unique_ptr<Call> call_by_dtls_;
};

TEST_F(DtlsCall, ShakesHandsInTheRoleThatTheAnswerLeaves) {
    start();
    answer_with("a=fingerprint:" + sdp::to_string(theirs_) + "\r\na=setup:passive\r\n");
    ASSERT_FALSE(host_.plans.empty());
    const StreamPlan& plan = host_.plans.back()[1];
    EXPECT_TRUE(plan.sends);
    ASSERT_TRUE(plan.security.dtls);
    EXPECT_EQ(plan.security.dtls->peer, std::vector{theirs_});
    EXPECT_TRUE(plan.security.dtls->are_we_active);
}

TEST_F(DtlsCall, SendsNothingWithoutAFingerprintOrARole) {
    start();
    answer_with("a=setup:passive\r\n");
    EXPECT_FALSE(host_.plans.back()[0].sends);
    EXPECT_EQ(call_by_dtls_->result().reason.code, "bad_key_answer");
}

TEST_F(DtlsCall, HangsUpWhenTheHandshakeFails) {
    start();
    answer_with("a=fingerprint:" + sdp::to_string(theirs_) + "\r\na=setup:active\r\n");
    EXPECT_FALSE(host_.plans.back()[0].security.dtls->are_we_active);
    call_by_dtls_->on_no_keys(now_, "fingerprint");
    EXPECT_EQ(call_by_dtls_->result().reason.code, "dtls_failed");
    EXPECT_EQ(host_.request().method, "UPDATE");     // the last metadata
    call_by_dtls_->on_no_keys(now_, "fingerprint");  // the other line
    EXPECT_EQ(host_.requests.size(), 2U);
    auto builder = sip::MessageBuilder::response(200);
    fill(builder, "UPDATE");
    call_by_dtls_->on_response(now_, {host_.last(), kDialog, {}, message(builder), true});
    EXPECT_EQ(host_.request().method, "BYE");
}

class ChallengedCall : public CallTest {
protected:
    // Its own call: the fixture's has no credentials.
    void start() {
        CallSetup with_password = setup(std::nullopt);
        with_password.credentials = {"branch", "tulip"};
        asked_ = std::make_unique<Call>(std::move(with_password), host_, random_, log_);
        asked_->start(now_);
    }
    void challenge(Call& call) {
        auto builder = sip::MessageBuilder::response(401);
        fill(builder, "INVITE")
            .add(sip::HeaderId::WwwAuthenticate,
                 R"(Digest realm="r", nonce="n", algorithm=MD5, qop="auth")");
        call.on_response(now_, {host_.last(), {}, {}, message(builder), true});
    }
    std::unique_ptr<Call> asked_;
};

TEST_F(ChallengedCall, E22_GivesItsCredentialsOnceAndThenFails) {
    start();
    const std::string from_tag = host_.from_tag;
    challenge(*asked_);
    ASSERT_EQ(host_.requests.size(), 2U);
    EXPECT_EQ(host_.cseq, 2U);
    EXPECT_EQ(host_.from_tag, from_tag);
    const sip::ExtraHeader& header = host_.request().headers.back();
    EXPECT_EQ(header.name, "Authorization");
    EXPECT_NE(header.value.find("username=\"branch\""), std::string::npos);
    EXPECT_EQ(header.value.find("tulip"), std::string::npos);
    EXPECT_FALSE(asked_->is_done());
    challenge(*asked_);
    EXPECT_EQ(host_.requests.size(), 2U);
    EXPECT_TRUE(asked_->is_done());
    EXPECT_EQ(asked_->result().result, "refused");
    EXPECT_EQ(asked_->result().sip_status, 401);
}

TEST_F(ChallengedCall, IsRefusedWhenItHasNoCredentials) {
    call_.start(now_);
    challenge(call_);
    EXPECT_EQ(host_.requests.size(), 1U);
    EXPECT_EQ(call_.result().sip_status, 401);
}

TEST_F(CallTest, TakesTheAnswerFromAReliableProvisionalResponse) {
    call_.start(now_);
    auto ringing = sip::MessageBuilder::response(183);
    fill(ringing, "INVITE").add(sip::HeaderId::Require, "100rel").add(sip::HeaderId::Rseq, "1");
    ringing.body("application/sdp", answer_sdp());
    call_.on_response(now_, {host_.last(), kDialog, {}, message(ringing), false});
    answer(200);
    ASSERT_EQ(host_.plans.size(), 1U);
    EXPECT_TRUE(host_.plans[0][0].sends);
}

TEST_F(CallTest, RunsFromInviteToBye) {
    establish();
    EXPECT_EQ(host_.acks, 1);
    ASSERT_EQ(host_.plans.size(), 1U);
    EXPECT_TRUE(host_.plans[0][0].sends);
    EXPECT_EQ(to_string(host_.plans[0][1].rtp), "192.0.2.7:10002");
    EXPECT_EQ(to_string(*host_.plans[0][1].rtcp), "192.0.2.7:10003");

    call_.on_media_finished(now_);
    EXPECT_TRUE(host_.is_media_stopped);
    EXPECT_EQ(host_.request().method, "UPDATE");
    EXPECT_NE(host_.request().body.find("stop-time"), std::string::npos);
    answer(200);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_FALSE(call_.is_done());
    answer(200);
    EXPECT_TRUE(call_.is_done());
    EXPECT_EQ(call_.result().result, "ok");
    EXPECT_EQ(call_.result().sip_status, 200);
}

TEST_F(CallTest, PutsTheLastMetadataIntoTheByeOfAServerWithoutUpdate) {
    call_.start(now_);
    answer(200, answer_sdp(), "INVITE, ACK, BYE, CANCEL");
    call_.on_media_finished(now_);
    EXPECT_EQ(host_.request().method, "BYE");
    EXPECT_EQ(host_.request().content_type, "application/rs-metadata+xml");
    EXPECT_NE(host_.request().body.find("stop-time"), std::string::npos);
}

TEST_F(CallTest, ReportsARefusal) {
    call_.start(now_);
    answer(100);
    EXPECT_FALSE(call_.is_done());
    answer(503);
    EXPECT_TRUE(call_.is_done());
    EXPECT_EQ(call_.result().result, "refused");
    EXPECT_EQ(call_.result().sip_status, 503);
    EXPECT_TRUE(host_.plans.empty());
}

TEST_F(CallTest, TellsTheServersReasonForARefusal) {
    const struct {
        sip::HeaderId header;
        const char* value;
        const char* text;
    } cases[] = {{sip::HeaderId::Warning, "399 srs \"No codec \xff\"", "No codec"},
                 {sip::HeaderId::Reason, "SIP;cause=488;text=\"No audio\"", "No audio."},
                 {sip::HeaderId::Reason, "SIP;cause=488", "SIP;cause=488."},
                 {sip::HeaderId::Reason, "\"", ": \"."}};
    for (const auto& [header, value, text] : cases) {
        Call call{setup({}), host_, random_, log_};
        call.start(now_);
        auto builder = sip::MessageBuilder::response(488);
        fill(builder, "INVITE").add(header, value);
        call.on_response(now_, {host_.last(), kDialog, {}, message(builder), true});
        EXPECT_EQ(call.result().result, "refused");
        EXPECT_NE(call.result().reason.text.find(text), std::string::npos)
            << call.result().reason.text;
    }
}

TEST_F(CallTest, FailsWhenTheServerForgotTheSessionBeforeItsEnd) {
    establish();
    call_.on_media_finished(now_);
    answer(481);
    EXPECT_EQ(host_.request().method, "UPDATE");  // there is nobody to say BYE to
    EXPECT_EQ(host_.ended_dialogs, 1);
    EXPECT_TRUE(call_.is_done());
    EXPECT_EQ(call_.result().result, "failed");
    EXPECT_EQ(call_.result().reason.code, "session_lost");
}

TEST_F(CallTest, FailsWhenTheByeIsNotTaken) {
    for (const bool is_answered : {true, false}) {
        Call call{setup({}), host_, random_, log_};
        const auto respond = [&](int status, const std::string& sdp = {}) {
            auto builder = sip::MessageBuilder::response(status);
            fill(builder, host_.request().method);
            if (!sdp.empty()) builder.body("application/sdp", sdp);
            call.on_response(now_, {host_.last(), kDialog, {}, message(builder), true});
        };
        call.start(now_);
        respond(200, answer_sdp());
        call.on_media_finished(now_);
        respond(200);
        ASSERT_EQ(host_.request().method, "BYE");
        if (is_answered)
            respond(481);
        else
            call.on_failure(now_, host_.last(), true);
        EXPECT_TRUE(call.is_done());
        EXPECT_EQ(call.result().result, "failed");
        EXPECT_EQ(call.result().reason.code, "session_lost");
    }
}

TEST_F(CallTest, FailsWhenTheLastUpdateIsNotAnswered) {
    establish();
    call_.on_media_finished(now_);
    call_.on_failure(now_, host_.last(), true);
    EXPECT_EQ(host_.request().method, "BYE");
    answer(200);
    EXPECT_EQ(call_.result().result, "failed");
}

TEST(RunCalls, RefusesAHoldOutsideTheCall) {
    base::NullLog log;
    const std::atomic<bool> stop{true};
    for (const int hold_at : {-1, 10'000, 20'000}) {
        CallOptions options;
        options.hold_at = std::chrono::milliseconds{hold_at};
        const auto results = run_calls(options, log, {}, stop);
        ASSERT_FALSE(results);
        EXPECT_EQ(results.error().code, "bad_hold");
    }
}

TEST_F(CallTest, ReportsSilenceAsTimeout) {
    call_.start(now_);
    call_.on_failure(now_, host_.last(), true);
    EXPECT_EQ(call_.result().result, "timeout");
    EXPECT_EQ(call_.result().sip_status, 408);
}

TEST_F(CallTest, CancelsAnInviteThatOnlyRings) {
    call_.start(now_);
    answer(180);
    advance(Call::kAnswerTime);
    ASSERT_EQ(call_.deadline(), now_.steady);
    call_.on_time(now_);
    EXPECT_EQ(host_.cancels, 1);
    answer(487);
    EXPECT_EQ(call_.result().result, "timeout");
}

TEST_F(CallTest, EndsACallWhoseStreamsAreAllRefused) {
    call_.start(now_);
    answer(200, answer_sdp(false));
    EXPECT_EQ(host_.acks, 1);
    EXPECT_EQ(host_.request().method, "BYE");
    answer(200);
    EXPECT_EQ(call_.result().result, "failed");
    EXPECT_EQ(call_.result().reason.code, "no_media");
}

TEST_F(CallTest, EndsACallWhoseAnswerIsNoSdp) {
    call_.start(now_);
    answer(200);
    EXPECT_EQ(host_.request().method, "BYE");
    answer(200);
    EXPECT_EQ(call_.result().reason.code, "bad_answer");
}

TEST_F(CallTest, AbortsInEachState) {
    call_.abort(now_);
    EXPECT_TRUE(call_.is_done());
    EXPECT_EQ(call_.result().result, "cancelled");

    Call inviting{setup({}), host_, random_, log_};
    inviting.start(now_);
    inviting.abort(now_);
    EXPECT_EQ(host_.cancels, 1);
    EXPECT_FALSE(inviting.is_done());
}

TEST_F(CallTest, AbortOfARunningCallSaysBye) {
    establish();
    call_.abort(now_);
    EXPECT_EQ(host_.request().method, "UPDATE");
    answer(200);
    EXPECT_EQ(host_.request().method, "BYE");
    answer(200);
    EXPECT_EQ(call_.result().result, "cancelled");
}

TEST_F(CallTest, EndsWhenTheServerHangsUp) {
    establish();
    ask("BYE");
    EXPECT_EQ(host_.responses.back().status, 200);
    EXPECT_TRUE(call_.is_done());
    EXPECT_TRUE(host_.is_media_stopped);
    EXPECT_EQ(call_.result().reason.code, "ended_by_server");
}

TEST_F(CallTest, AnswersTheRequestForASnapshot) {
    establish();
    ask("UPDATE", "application/rs-metadata+xml", "<requestsnapshot/>");
    EXPECT_EQ(host_.responses.back().status, 200);
    EXPECT_EQ(host_.request().method, "UPDATE");
    EXPECT_NE(host_.request().body.find("<datamode>complete</datamode>"), std::string::npos);
    EXPECT_NE(host_.request().body.find("m=audio"), std::string::npos);
}

TEST_F(CallTest, ObeysAnOfferOfTheServer) {
    establish();
    ask("INVITE", "application/sdp",
        "v=0\r\nc=IN IP4 192.0.2.8\r\nm=audio 11000 RTP/AVP 0\r\na=inactive\r\n"
        "m=audio 11002 RTP/AVP 0\r\na=recvonly\r\n");
    EXPECT_EQ(host_.responses.back().status, 200);
    EXPECT_EQ(host_.responses.back().content_type, "application/sdp");
    EXPECT_FALSE(host_.plans.back()[0].sends);
    EXPECT_TRUE(host_.plans.back()[1].sends);
    EXPECT_EQ(to_string(host_.plans.back()[1].rtp), "192.0.2.8:11002");
    ask("INFO");
    EXPECT_EQ(host_.responses.back().status, 200);
    ask("REFER");
    EXPECT_EQ(host_.responses.back().status, 405);
}

class HeldCallTest : public CallTest {
protected:
    HeldCallTest() : CallTest(std::chrono::milliseconds{3000}) {}

    sdp::Direction offered_direction() const {
        const auto body = mime::parse_body(host_.request().content_type, {}, host_.request().body);
        return sdp::parse(body->find("application/sdp")->body)->media.at(0).direction;
    }
};

TEST_F(HeldCallTest, PausesAndResumesWithPartialMetadata) {
    establish();
    advance(std::chrono::seconds{3});
    call_.on_time(now_);
    EXPECT_EQ(host_.request().method, "INVITE");
    EXPECT_EQ(offered_direction(), sdp::Direction::Inactive);
    EXPECT_NE(host_.request().body.find("<datamode>partial</datamode>"), std::string::npos);
    EXPECT_FALSE(host_.plans.back()[0].sends);
    answer(200, answer_sdp());
    EXPECT_EQ(host_.acks, 2);

    advance(Call::kHoldTime);
    EXPECT_EQ(call_.deadline(), now_.steady);
    call_.on_time(now_);
    EXPECT_EQ(offered_direction(), sdp::Direction::SendOnly);
    EXPECT_FALSE(host_.plans.back()[0].sends);  // not before the answer
    answer(200, answer_sdp());
    EXPECT_TRUE(host_.plans.back()[0].sends);
    EXPECT_GT(call_.deadline(), now_.steady + std::chrono::minutes{10});  // the refresh
}

TEST_F(HeldCallTest, SpeaksOnWhenTheHoldIsRefused) {
    establish();
    advance(std::chrono::seconds{3});
    call_.on_time(now_);
    answer(488);
    EXPECT_TRUE(host_.plans.back()[0].sends);
    EXPECT_EQ(offered_direction(), sdp::Direction::SendOnly);  // a snapshot after the refusal
    answer(200, answer_sdp());
    call_.on_media_finished(now_);
    answer(200);
    answer(200);
    EXPECT_EQ(call_.result().result, "ok");
}

TEST_F(HeldCallTest, EndsOnlyAfterTheAnswerToItsOffer) {
    establish();
    advance(std::chrono::seconds{3});
    call_.on_time(now_);
    call_.on_media_finished(now_);
    EXPECT_EQ(host_.request().method, "INVITE");
    answer(200, answer_sdp());
    EXPECT_EQ(host_.request().method, "UPDATE");
}

TEST_F(HeldCallTest, GivesUpALostSession) {
    establish();
    advance(std::chrono::seconds{3});
    call_.on_time(now_);
    answer(481);
    EXPECT_TRUE(call_.is_done());
    EXPECT_EQ(call_.result().result, "failed");
    EXPECT_EQ(call_.result().reason.code, "session_lost");
}

// ---- what is shared, and a chat

class ChattingHost : public FakeHost {
public:
    void set_video(std::uint32_t, std::size_t line, const VideoPlan& plan) override {
        videos.emplace_back(line, plan);
    }
    void set_chat(std::uint32_t, std::size_t line, const ChatPlan& plan) override {
        chats.emplace_back(line, plan);
    }
    void finish_chat(std::uint32_t, std::size_t) override { ++finished_chats; }

    std::vector<std::pair<std::size_t, VideoPlan>> videos;
    std::vector<std::pair<std::size_t, ChatPlan>> chats;
    int finished_chats = 0;
};

class ChattingCall : public CallTest {
protected:
    CallSetup chatting(bool has_audio, std::optional<std::chrono::milliseconds> share_at) {
        CallSetup made = setup(std::nullopt);
        made.has_audio = has_audio;
        made.share_at = share_at;
        VideoLine shared;
        shared.label = "3";
        shared.stream_id = base::make_uuid_v4(random_);
        shared.rtp = *base::parse_host("192.0.2.1", 21000);
        shared.sharing = Sharing::Application;
        made.video = {shared};
        ChatLine chat;
        chat.at = *base::parse_host("192.0.2.1", 22000);
        chat.own = new_chat_uri(chat.at, false, random_);
        chat.label = "4";
        made.chats = {chat};
        made.chat_streams = {base::make_uuid_v4(random_)};
        return made;
    }
    sdp::SessionDescription offered() const {
        const sip::RequestSpec& request = chat_host_.request();
        const auto body = mime::parse_body(request.content_type, {}, request.body);
        return *sdp::parse(body->find("application/sdp")->body);
    }
    // Takes all that is offered; a chat at the server's listener, if there is one.
    std::string answer_all(bool takes_chat = true) const {
        std::string text =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n";
        int port = 10000;
        for (const sdp::MediaDescription& medium : offered().media) {
            const bool is_chat = medium.media == "message";
            const int told = is_chat ? (takes_chat ? 2855 : 0) : port += 2;
            text += "m=" + std::string{medium.media} + " " + std::to_string(told) + " " +
                    std::string{medium.proto} + " " + std::string{medium.formats} + "\r\n";
            if (is_chat && takes_chat)
                text +=
                    "a=path:msrp://192.0.2.7:2855/abcdef;tcp\r\na=setup:passive\r\n"
                    "a=accept-types:*\r\n";
            text += "a=label:" + std::string{medium.label.value_or("")} + "\r\na=recvonly\r\n";
        }
        return text;
    }
    void answer_to(Call& call, int status, const std::string& sdp) {
        auto builder = sip::MessageBuilder::response(status);
        fill(builder, chat_host_.request().method);
        if (!sdp.empty()) builder.body("application/sdp", sdp);
        call.on_response(now_, {chat_host_.last(), kDialog, {}, message(builder), status >= 200});
    }

    ChattingHost chat_host_;
};

TEST_F(ChattingCall, OffersBothAndSendsWhereTheAnswerSays) {
    Call call{chatting(true, std::nullopt), chat_host_, random_, log_};
    call.start(now_);
    const auto offer = offered();
    ASSERT_EQ(offer.media.size(), 4U);
    EXPECT_EQ(offer.media[2].content, "slides");
    EXPECT_EQ(offer.media[3].media, "message");
    EXPECT_NE(chat_host_.request().body.find(R"(kind="application")"), std::string::npos)
        << chat_host_.request().body;
    answer_to(call, 200, answer_all());
    ASSERT_FALSE(chat_host_.chats.empty());
    EXPECT_EQ(chat_host_.chats.back().second.connect_to->port, 2855);
    EXPECT_TRUE(chat_host_.chats.back().second.sends);
    ASSERT_FALSE(chat_host_.videos.empty());
    EXPECT_TRUE(chat_host_.videos.back().second.sends);
    // It ends when all that was written has been acknowledged, too.
    call.on_media_finished(now_);
    EXPECT_EQ(chat_host_.finished_chats, 1);
    call.on_line_ended(now_);
    EXPECT_EQ(chat_host_.request().method, "INVITE");
    call.on_line_ended(now_);
    EXPECT_EQ(chat_host_.request().method, "UPDATE");  // the last metadata, then the BYE
}

TEST_F(ChattingCall, WithoutVoiceTheChatIsTheFirstLine) {
    Call call{chatting(false, std::chrono::milliseconds{1000}), chat_host_, random_, log_};
    call.start(now_);
    ASSERT_EQ(offered().media.size(), 1U);
    EXPECT_EQ(offered().media[0].media, "message");
    answer_to(call, 200, answer_all());
    EXPECT_EQ(chat_host_.chats.size(), 1U);
    EXPECT_FALSE(chat_host_.plans.empty());  // the clock of the call runs
}

TEST_F(ChattingCall, BeginsToShareInMidCallByALineMore) {
    Call call{chatting(true, std::chrono::milliseconds{1000}), chat_host_, random_, log_};
    call.start(now_);
    EXPECT_EQ(offered().media.size(), 3U);
    answer_to(call, 200, answer_all());
    EXPECT_TRUE(chat_host_.videos.empty());
    advance(std::chrono::milliseconds{1000});
    call.on_time(now_);
    ASSERT_EQ(chat_host_.request().method, "INVITE");
    const auto offer = offered();
    ASSERT_EQ(offer.media.size(), 4U);
    EXPECT_EQ(offer.media[2].media, "message");  // lines keep their places
    EXPECT_EQ(offer.media[3].content, "slides");
    answer_to(call, 200, answer_all());
    ASSERT_FALSE(chat_host_.videos.empty());
    EXPECT_TRUE(chat_host_.videos.back().second.sends);
}

TEST_F(ChattingCall, GoesOnWithoutTheChatThatTheServerRefusesAndSaysSo) {
    Call call{chatting(true, std::nullopt), chat_host_, random_, log_};
    call.start(now_);
    answer_to(call, 200, answer_all(false));
    EXPECT_TRUE(chat_host_.chats.empty());
    EXPECT_FALSE(call.is_done());
    EXPECT_TRUE(chat_host_.plans.back()[0].sends);
    EXPECT_EQ(call.result().result, "failed");
    EXPECT_EQ(call.result().reason.code, "line_refused");
}

}  // namespace
}  // namespace earshot::loadgen
