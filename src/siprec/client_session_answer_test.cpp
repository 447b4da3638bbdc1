// A recording session that the server begins (RFC 7866 section 6.2).
#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using testing::ElementsAre;
using testing::IsEmpty;

class ClientSessionAnswer : public ClientSessionTest {
protected:
    void SetUp() override {
        settings_.servers.clear();
        settings_.fails_over = true;
        session_ = std::make_unique<RecordingClientSession>(settings_, *this, random_);
        our_call_id_ = "by-server@198.51.100.7";
    }
    // The server's INVITE, which the session gets to answer.
    void ask(const std::vector<sip::ExtraHeader>& headers = {}, bool is_paused = false) {
        auto builder = sip::MessageBuilder::request("INVITE", "sip:192.0.2.10:5060");
        builder.add("Via",
                    fmt::format("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKs{}", ++server_cseq_));
        builder.add("Max-Forwards", "70");
        builder.add("From", "<sip:rec@198.51.100.7>;tag=srs");
        builder.add("To", "<sip:client@192.0.2.10>");
        builder.add("Call-ID", our_call_id_);
        builder.add("CSeq", fmt::format("{} INVITE", server_cseq_));
        builder.add("Contact", fmt::format("<{}>;+sip.srs", server_contact_));
        builder.add("Require", "siprec");
        for (const sip::ExtraHeader& header : headers) builder.add(header.name, header.value);
        sip::ParsedMessage parsed = sip::parse_message(std::string_view{builder.build()});
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
        agent_.on_message(now_.steady, peer_, std::move(parsed.message));
        while (auto action = agent_.poll_action()) {
            if (const auto* request = std::get_if<sip::RequestArrived>(&*action))
                session_->answer(now_, state(), *request, is_paused);
            else
                std::visit([this](auto& it) { obey(it); }, *action);
        }
        if (status() == 200) our_tag_ = std::string{last_response().to_tag()};
    }
};

TEST_F(ClientSessionAnswer, P45_A8_Our2xxOffersAndTellsAllAndTheAckAnswers) {
    ask();
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(lines_of(sdp_of(last_response()), "a=label"),
                ElementsAre("a=label:1", "a=label:2"));
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    EXPECT_EQ(last_document_.objects.count(), describe(call_).objects.count() + 1);
    EXPECT_NE(std::string{*last_response().find("Contact")}.find("+sip.src"), std::string::npos);
    EXPECT_THAT(events(), IsEmpty());
    server_ack(server_sdp(2));
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_EQ(events_[0].server, server_contact_);
    EXPECT_EQ(events_[0].rs_call_id, our_call_id_);
    EXPECT_TRUE(session_->view().is_by_server);
    ASSERT_EQ(forks_.size(), 1U);
    EXPECT_THAT(ports_of(forks_[0]), ElementsAre(50000, 50002));
    session_->stop(now_);
    drain();
    answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("start 200", "stop 0"));
}

TEST_F(ClientSessionAnswer, ChangesBeforeTheAckFollowIt) {
    ask();
    set_state(state({"1", "2", "3"}));
    EXPECT_EQ(count("INVITE"), 0U);
    server_ack(server_sdp(2));
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(ports_of(sdp_of(*last("INVITE"))), ElementsAre(40000, 40002, 40004));
}

TEST_F(ClientSessionAnswer, APausedCallIsOfferedPaused) {
    ask({}, true);
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    server_ack(server_sdp(2, "inactive"));
    EXPECT_THAT(forks_, ElementsAre("paused"));
}

TEST_F(ClientSessionAnswer, AnAckWithoutAnAnswerIsNoRecording) {
    ask();
    server_ack();
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, ClientEvent::Kind::Failed);
    EXPECT_TRUE(events_[0].is_last);
    EXPECT_THAT(forks_, IsEmpty());
}

TEST_F(ClientSessionAnswer, AnAckThatRefusesEveryStreamIsNoRecording) {
    ask();
    server_ack("v=0\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\n");
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("failed 200 no_media"));
}

TEST_F(ClientSessionAnswer, WithoutAnAckItIsGivenUp) {
    ask();
    wait(kAckTime + std::chrono::seconds{1});
    EXPECT_THAT(events(), ElementsAre("failed 200 no_ack"));
    wait(std::chrono::minutes{2});
    EXPECT_TRUE(session_->is_done());
    EXPECT_EQ(agent_.dialog_count(), 0U);
}

TEST_F(ClientSessionAnswer, AByeAtOnceEndsIt) {
    ask();
    server_request("BYE");
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(events(), ElementsAre("failed 200 ended_by_server"));
    EXPECT_THAT(forks_, IsEmpty());
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionAnswer, AStopBeforeTheAckEndsIt) {
    ask();
    session_->stop(now_);
    drain();
    EXPECT_THAT(events(), ElementsAre("failed 200 cancelled"));
    server_ack(server_sdp(2));
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(forks_, IsEmpty());
}

TEST_F(ClientSessionAnswer, WhatIsRequiredAndUnknownIsRefused) {
    ask({{"Require", "teleport"}});
    EXPECT_EQ(status(), 420);
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_TRUE(events_[0].is_last);
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionAnswer, ALostServerThatBeganItIsNotReplaced) {
    ask();
    server_ack(server_sdp(2));
    wait(kShortRecording);
    clear();
    server_request("BYE");
    EXPECT_THAT(events(), ElementsAre("stop 0 ended_by_server"));
    EXPECT_TRUE(events_[0].is_last);
    EXPECT_EQ(count("INVITE"), 0U);
}

}  // namespace
}  // namespace earshot::siprec
