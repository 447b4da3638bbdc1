// The way from the first INVITE to the server that records, or to none.
#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ClientSessionStart : public ClientSessionTest {};

TEST_F(ClientSessionStart, P1_P2_P4_TheInviteIsMarkedAndAddressed) {
    start();
    const sip::Message& invite = *last("INVITE");
    EXPECT_EQ(invite.request_uri(), "sip:rec@198.51.100.7");
    EXPECT_TRUE(invite.lists(sip::HeaderId::Require, "siprec"));
    EXPECT_FALSE(invite.lists(sip::HeaderId::Supported, "siprec"));  // P-13
    EXPECT_THAT(std::string{*invite.find("Contact")}, HasSubstr(">;+sip.src"));
    EXPECT_EQ(invite.from().uri, "sip:rec@198.51.100.7");  // as OpenSIPS does
    EXPECT_EQ(invite.to().uri, "sip:rec@198.51.100.7");
    EXPECT_TRUE(invite.lists(sip::HeaderId::Supported, "timer"));
}

TEST_F(ClientSessionStart, FromAndToAreAsSet) {
    settings_.from_uri = "sip:client@here.example";
    settings_.to_uri = "sip:any@there.example;x=1";
    start();
    EXPECT_EQ(last("INVITE")->from().uri, "sip:client@here.example");
    EXPECT_EQ(last("INVITE")->to().uri, "sip:any@there.example;x=1");
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.7");
}

TEST_F(ClientSessionStart, P30_P31_P94_P97_P98_TheFirstDocumentIsCompleteBesideTheOffer) {
    start();
    const std::string sdp = sdp_of(*last("INVITE"));
    EXPECT_THAT(directions_of(sdp), ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(lines_of(sdp, "a=label"), ElementsAre("a=label:1", "a=label:2"));
    EXPECT_THAT(lines_of(sdp, "o="), ElementsAre("o=relay 77 1 IN IP4 192.0.2.10"));
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    EXPECT_EQ(last_document_.objects.participants.size(), 2U);
    ASSERT_EQ(last_document_.objects.session_recordings.size(), 1U);
    EXPECT_EQ(last_document_.objects.session_recordings[0].periods[0].associate, now_.wall);
    EXPECT_EQ(model_.senders_of("2").at(0)->names[0].name, "Bo \xc3\x85kesson");
    const std::string body{base::as_text(last("INVITE")->body())};
    EXPECT_THAT(body, HasSubstr("Content-Disposition: recording-session\r\n"));  // P-90
}

TEST_F(ClientSessionStart, A2xxStartsTheRecordingOnce) {
    start();
    answer("INVITE", 180);
    EXPECT_THAT(events(), IsEmpty());
    accept();
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_EQ(events_[0].server, "sip:rec@198.51.100.7");
    EXPECT_EQ(events_[0].rs_call_id, last("INVITE")->call_id());
    EXPECT_EQ(events_[0].session_id, base::to_base64(uuid_of(1)));
    EXPECT_EQ(events_[0].instance, "main");
    EXPECT_EQ(count("ACK"), 1U);
    ASSERT_EQ(forks_.size(), 1U);
    EXPECT_THAT(ports_of(forks_[0]), ElementsAre(50000, 50002));
    EXPECT_EQ(session_->view().streams_sent, 2U);
    receive(response_text(*last("INVITE"), 200, server_sdp(2)));  // it comes again
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_EQ(forks_.size(), 1U);
}

TEST_F(ClientSessionStart, TheHeadersOfARuleGoOutWithTheFirstRequestOnly) {
    settings_.headers = {{"X-Agent", "7"}, {"Subject", "a call"}};
    start();
    EXPECT_EQ(last("INVITE")->find("X-Agent"), "7");
    accept();
    set_state(state({"1", "2", "3"}));
    EXPECT_EQ(count("INVITE"), 2U);
    EXPECT_FALSE(last("INVITE")->find("X-Agent"));
    EXPECT_TRUE(last("INVITE")->lists(sip::HeaderId::Require, "siprec"));
}

TEST_F(ClientSessionStart, TheNextServerGetsTheSameIdsAndOffer) {
    start();
    const sip::Message first = *last("INVITE");
    answer("INVITE", 486);
    EXPECT_EQ(count("INVITE"), 2U);
    const sip::Message& second = *last("INVITE");
    EXPECT_EQ(second.request_uri(), "sip:rec@198.51.100.8:5070");
    EXPECT_NE(second.call_id(), first.call_id());
    EXPECT_EQ(sdp_of(second), sdp_of(first));
    EXPECT_EQ(metadata_of(second), metadata_of(first));
    accept();
    EXPECT_THAT(events(), ElementsAre("refused 486 refused", "start 200"));
    EXPECT_EQ(events_[0].server, "sip:rec@198.51.100.7");
    EXPECT_EQ(events_[0].rs_call_id, first.call_id());
    EXPECT_EQ(events_[1].server, "sip:rec@198.51.100.8:5070");
}

TEST_F(ClientSessionStart, WithoutSkipCodesEachNegativeReplyFailsOver) {
    for (const int code : {400, 408, 487, 500, 503, 600, 603}) {
        clear();
        start();
        answer("INVITE", code);
        EXPECT_EQ(count("INVITE"), 2U) << code;
    }
}

TEST_F(ClientSessionStart, ASkipCodeEndsTheAttempt) {
    settings_.skip_failover_codes = *SkipCodes::parse("408|487");
    start();
    answer("INVITE", 487);
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(events(), ElementsAre("refused 487 refused", "failed 487 refused"));
    EXPECT_TRUE(session_->is_done());
    EXPECT_FALSE(session_->deadline());
    clear();
    start();
    answer("INVITE", 486);
    EXPECT_EQ(count("INVITE"), 2U);
}

TEST_F(ClientSessionStart, SilenceCountsAs408) {
    start();
    wait(settings_.silence_time);
    EXPECT_EQ(count("INVITE"), 2U);
    EXPECT_THAT(events(), ElementsAre("refused 408 silent"));
    accept();
    EXPECT_THAT(events(), ElementsAre("refused 408 silent", "start 200"));
    clear();

    settings_.skip_failover_codes = *SkipCodes::parse("408");
    start();
    wait(settings_.silence_time);
    EXPECT_THAT(events(), ElementsAre("refused 408 silent", "failed 408 silent"));
    EXPECT_EQ(count("INVITE"), 1U);
}

TEST_F(ClientSessionStart, OfTheLastServerTheAgentWaitsForAllItsAddresses) {
    settings_.servers.resize(1);
    start();
    wait(settings_.silence_time + std::chrono::seconds{20});
    EXPECT_THAT(events(), IsEmpty());
    wait(std::chrono::seconds{10});
    EXPECT_THAT(events(), ElementsAre("refused 408 silent", "failed 408 silent"));
}

TEST_F(ClientSessionStart, AServerThatRingsForeverIsCancelled) {
    start();
    answer("INVITE", 180);
    const sip::Message first = *last("INVITE");
    wait(settings_.answer_time);
    EXPECT_EQ(count("CANCEL"), 1U);
    EXPECT_THAT(events(), ElementsAre("refused 408 timeout"));
    // Its answer crosses our CANCEL while the second one is being asked.
    receive(response_text(first, 200, server_sdp(2)));
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(forks_, IsEmpty());
    accept();
    EXPECT_THAT(events(), ElementsAre("refused 408 timeout", "start 200"));
}

TEST_F(ClientSessionStart, TheAnswerOfAServerThatWasGivenUpIsCleanedUp) {
    start();
    const sip::Message first = *last("INVITE");
    wait(settings_.silence_time);
    accept();
    clear();
    receive(response_text(first, 200, server_sdp(2)));
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), IsEmpty());
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionStart, ARedirectionIsFollowedOnce) {
    start();
    server_contact_ = "sip:rec@198.51.100.9:5080";
    answer("INVITE", 302);
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.9:5080");
    answer("INVITE", 302);
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.8:5070");
    accept();
    EXPECT_THAT(events(),
                ElementsAre("refused 302 redirected", "refused 302 redirected", "start 200"));
    EXPECT_EQ(events_[1].server, "sip:rec@198.51.100.9:5080");
}

TEST_F(ClientSessionStart, ARedirectionThatIsASkipCodeEndsTheAttempt) {
    settings_.skip_failover_codes = *SkipCodes::parse("[34][0-9][0-9]");
    start();
    answer("INVITE", 302);
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(events(), ElementsAre("refused 302 redirected", "failed 302 redirected"));
}

TEST_F(ClientSessionStart, P125_E22_AChallengeIsAnsweredOnce) {
    settings_.credentials = {"client", "secret"};
    const std::vector<sip::ExtraHeader> challenge{
        {"WWW-Authenticate",
         "Digest realm=\"srs\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\""}};
    start();
    const sip::Message first = *last("INVITE");
    answer("INVITE", 401, {}, challenge);
    ASSERT_EQ(count("INVITE"), 2U);
    EXPECT_EQ(last("INVITE")->call_id(), first.call_id());
    EXPECT_EQ(last("INVITE")->from_tag(), first.from_tag());
    EXPECT_EQ(last("INVITE")->cseq().number, 2U);
    EXPECT_THAT(std::string{*last("INVITE")->find("Authorization")},
                HasSubstr("username=\"client\""));
    accept();
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_TRUE(last("ACK")->has(sip::HeaderId::Authorization));  // RFC 3261 section 22.1
    clear();

    start();
    answer("INVITE", 401, {}, challenge);
    answer("INVITE", 401, {}, challenge);
    EXPECT_THAT(events(), ElementsAre("refused 401 wrong_credentials"));
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.8:5070");
    EXPECT_FALSE(last("INVITE")->has(sip::HeaderId::Authorization));
}

TEST_F(ClientSessionStart, AChallengeWithoutCredentialsIsARefusal) {
    start();
    answer("INVITE", 407, {}, {{"Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\""}});
    EXPECT_THAT(events(), ElementsAre("refused 407 password_needed"));
    EXPECT_EQ(count("INVITE"), 2U);
}

TEST_F(ClientSessionStart, ThePlaceOfARedirectionGetsNoCredentials) {
    settings_.credentials = {"client", "secret"};
    start();
    server_contact_ = "sip:rec@203.0.113.66";
    answer("INVITE", 302);
    answer("INVITE", 401, {}, {{"WWW-Authenticate", "Digest realm=\"x\", nonce=\"n\""}});
    for (const sip::Message& message : sent_)
        EXPECT_FALSE(message.has(sip::HeaderId::Authorization));
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.8:5070");
}

TEST_F(ClientSessionStart, AnIntervalTooSmallIsRaised) {
    start();
    answer("INVITE", 422, {}, {{"Min-SE", "3600"}});
    EXPECT_EQ(count("INVITE"), 2U);
    EXPECT_EQ(last("INVITE")->find("Session-Expires"), "3600");
    EXPECT_EQ(last("INVITE")->find("Min-SE"), "3600");
    EXPECT_EQ(last("INVITE")->cseq().number, 2U);
}

TEST_F(ClientSessionStart, E1_AServerThatDoesNotKnowSiprecIsNotAskedAsAPlainOne) {
    start();
    answer("INVITE", 420, {}, {{"Unsupported", "siprec"}});
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.8:5070");
    EXPECT_TRUE(last("INVITE")->lists(sip::HeaderId::Require, "siprec"));
}

TEST_F(ClientSessionStart, AnAnswerWithoutSdpIsHungUpAndTheNextServerAsked) {
    start();
    answer("INVITE", 200);
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_EQ(last("INVITE")->request_uri(), "sip:rec@198.51.100.8:5070");
    EXPECT_THAT(events(), ElementsAre("refused 200 bad_answer"));
    accept();
    EXPECT_THAT(events(), ElementsAre("refused 200 bad_answer", "start 200"));
}

TEST_F(ClientSessionStart, AServerThatTakesNoStreamRecordsNothing) {
    start();
    std::string sdp = server_sdp(2);
    sdp.replace(sdp.find("50000"), 5, "0");
    sdp.replace(sdp.find("50002"), 5, "0");
    answer("INVITE", 200, sdp);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("refused 200 no_media"));
}

TEST_F(ClientSessionStart, E27_AMultipartAnswerIsRead) {
    start();
    answer("INVITE", 200,
           "--b\r\nContent-Type: application/sdp\r\n\r\n" + server_sdp(2) +
               "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n<x/>\r\n--b--\r\n",
           {}, "multipart/mixed;boundary=b");
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_THAT(ports_of(forks_.at(0)), ElementsAre(50000, 50002));
}

TEST_F(ClientSessionStart, P42_AServerThatIsNotReadyGetsNothingUntilItSaysSo) {
    start();
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_THAT(directions_of(forks_.at(0)), ElementsAre(Direction::Inactive, Direction::Inactive));
    EXPECT_EQ(session_->view().streams_sent, 0U);
    server_request("INVITE", server_sdp(2));
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(directions_of(forks_.back()),
                ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
    EXPECT_EQ(session_->view().streams_sent, 2U);
}

TEST_F(ClientSessionStart, TheAnswerOfAReliableProvisionalResponseCounts) {
    start();
    answer("INVITE", 183, server_sdp(2), {{"Require", "100rel"}, {"RSeq", "1"}});
    EXPECT_EQ(count("PRACK"), 1U);
    answer("INVITE", 200);
    EXPECT_THAT(events(), ElementsAre("start 200"));
    EXPECT_THAT(ports_of(forks_.at(0)), ElementsAre(50000, 50002));
}

TEST_F(ClientSessionStart, ASecondBranchOfAForkIsHungUp) {
    start();
    accept();
    clear();
    const sip::Message invite = [this] {
        start();
        return *last("INVITE");
    }();
    accept();
    receive(response_text(invite, 200, server_sdp(2), {}, "application/sdp", "other"));
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_EQ(last("BYE")->to_tag(), "other");
    EXPECT_THAT(events(), ElementsAre("start 200"));
}

TEST_F(ClientSessionStart, StoppingBeforeAnAnswerCancels) {
    start();
    answer("INVITE", 180);
    session_->stop(now_);
    drain();
    EXPECT_EQ(count("CANCEL"), 1U);
    EXPECT_THAT(events(), ElementsAre("refused 487 cancelled", "failed 487 cancelled"));
    EXPECT_FALSE(session_->is_done());  // the 487 is still to come
    answer("CANCEL", 200);
    answer("INVITE", 487);
    EXPECT_TRUE(session_->is_done());
    EXPECT_EQ(events_.size(), 2U);
}

TEST_F(ClientSessionStart, StoppingWhileA2xxIsUnderWayEndsThatSession) {
    start();
    answer("INVITE", 180);
    session_->stop(now_);
    drain();
    accept();
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_EQ(count("BYE"), 1U);
    answer("BYE", 200);
    EXPECT_TRUE(session_->is_done());
    EXPECT_EQ(count(ClientEvent::Kind::Start), 0U);
    EXPECT_EQ(count(ClientEvent::Kind::Stop), 0U);
}

TEST_F(ClientSessionStart, WhatCannotBeSentCountsAs503) {
    cannot_send_ = true;
    start();
    EXPECT_THAT(events(), ElementsAre("refused 503 cannot_send", "refused 503 cannot_send",
                                      "failed 503 cannot_send"));
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionStart, AnOfferThatIsNoneFailsWithoutBlamingAServer) {
    session_ = std::make_unique<RecordingClientSession>(settings_, *this, random_);
    session_->start(now_, {describe(call_).objects, "garbage"});
    EXPECT_THAT(events(), ElementsAre("failed 0 bad_sdp"));
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionStart, APausedStartOffersInactiveLines) {
    start(true);
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    answer("INVITE", 200, server_sdp(2));  // it says recvonly all the same
    EXPECT_THAT(forks_, ElementsAre("paused"));
    session_->resume(now_);
    drain();
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    accept();
    EXPECT_THAT(directions_of(forks_.back()),
                ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
}

}  // namespace
}  // namespace earshot::siprec
