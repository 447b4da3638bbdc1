// What a running session tells its server, and how it ends.
#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ClientSessionChanges : public ClientSessionTest {
protected:
    void SetUp() override { start_and_accept(); }
    void hold() { call_.streams[0].is_held = true; }
    // Lets the gathering time of metadata pass.
    void change_metadata() {
        set_state(state());
        wait(kMetadataDelay);
    }
    void stop(base::Reason reason = {}) {
        session_->stop(now_, std::move(reason));
        drain();
    }
};

TEST_F(ClientSessionChanges, F2_P36_HoldIsAPartialUpdateOfMetadataAlone) {
    hold();
    change_metadata();
    ASSERT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(count("INVITE"), 0U);
    EXPECT_EQ(sdp_of(*last("UPDATE")), "");
    EXPECT_TRUE(last("UPDATE")->lists(sip::HeaderId::Require, "siprec"));
    EXPECT_THAT(std::string{*last("UPDATE")->find("Contact")}, HasSubstr(";+sip.src"));
    EXPECT_EQ(last("UPDATE")->find("Content-Disposition"), "recording-session");
    EXPECT_EQ(last_document_.mode, DataMode::Partial);
    EXPECT_EQ(last_document_.objects.count(), 2U);
    EXPECT_TRUE(model_.is_held("1"));
    EXPECT_FALSE(model_.is_held("2"));
    answer("UPDATE", 200);
    call_.streams[0].is_held = false;
    change_metadata();
    EXPECT_FALSE(model_.is_held("1"));
}

TEST_F(ClientSessionChanges, P92_ChangesThatComeTogetherAreToldTogether) {
    for (int i = 0; i < 10; ++i) {
        call_.streams[0].is_held = i % 2 == 0;
        call_.participants[0].names[0].name = "Ada " + std::to_string(i);
        set_state(state());
        wait(milliseconds{5});
    }
    wait(kMetadataDelay);
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(model_.senders_of("1").at(0)->names[0].name, "Ada 9");
}

TEST_F(ClientSessionChanges, TheHostIsToldWhenTheServerKnowsAllThatWasSaid) {
    EXPECT_EQ(metadata_told_, 1U);  // by the INVITE
    hold();
    change_metadata();
    call_.participants[0].names[0].name = "Ada B";
    set_state(state());
    EXPECT_EQ(metadata_told_, 1U);
    answer("UPDATE", 200);
    EXPECT_EQ(metadata_told_, 1U);  // more has been said meanwhile
    wait(kMetadataDelay);
    answer("UPDATE", 200);
    EXPECT_EQ(metadata_told_, 2U);
    set_state(state());  // nothing new: it knows
    EXPECT_EQ(metadata_told_, 3U);
}

TEST_F(ClientSessionChanges, WhileARequestRunsChangesWaitForItsEnd) {
    hold();
    change_metadata();
    ASSERT_EQ(count("UPDATE"), 1U);
    call_.participants[1].names[0].name = "Bosse";
    change_metadata();
    call_.streams[0].is_held = false;
    change_metadata();
    EXPECT_EQ(count("UPDATE"), 1U);
    answer("UPDATE", 200);
    EXPECT_EQ(count("UPDATE"), 2U);
    EXPECT_FALSE(model_.is_held("1"));
    EXPECT_EQ(model_.senders_of("2").at(0)->names[0].name, "Bosse");
    answer("UPDATE", 200);
    wait(seconds{1});
    EXPECT_EQ(count("UPDATE"), 2U);
}

TEST_F(ClientSessionChanges, TheSameStateAgainTellsNothing) {
    change_metadata();
    wait(seconds{5});
    EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(ClientSessionChanges, P34_P96_ANewStreamComesWithItsOffer) {
    call_.streams.push_back({.id = uuid_of(22), .label = "3", .senders = {0}});
    set_state(state({"1", "2", "3"}));  // media does not wait
    ASSERT_EQ(count("INVITE"), 1U);
    const sip::Message& invite = *last("INVITE");
    EXPECT_THAT(lines_of(sdp_of(invite), "o="), ElementsAre("o=relay 77 2 IN IP4 192.0.2.10"));
    EXPECT_EQ(last_document_.mode, DataMode::Partial);
    EXPECT_EQ(last_document_.objects.streams.size(), 3U);  // P-32: labels of this message
    EXPECT_THAT(last_document_.objects.sessions, IsEmpty());
    answer("INVITE", 200, server_sdp(3));
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_THAT(ports_of(forks_.back()), ElementsAre(50000, 50002, 50004));
    EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ClientSessionChanges, P33_AStreamThatIsGoneGetsPort0) {
    call_.streams.pop_back();
    set_state(state({"1"}));
    EXPECT_THAT(ports_of(sdp_of(*last("INVITE"))), ElementsAre(40000, 0));
    answer("INVITE", 200, server_sdp(1));
    EXPECT_THAT(ports_of(forks_.back()), ElementsAre(50000, 0));
}

TEST_F(ClientSessionChanges, F3_APartyThatChangesIsToldInFull) {
    call_.participants[1].id = uuid_of(12);
    call_.participants[1].names = {{"sip:carla@desk.example", "Carla", ""}};
    change_metadata();
    EXPECT_EQ(model_.senders_of("2").at(0)->names[0].name, "Carla");
    EXPECT_EQ(model_.senders_of("2").size(), 1U);
    const auto& members = model_.objects().participant_sessions;
    ASSERT_EQ(members.size(), 3U);
    EXPECT_TRUE(members[1].periods.back().disassociate);
}

TEST_F(ClientSessionChanges, F8_AConferenceGrowsAndShrinks) {
    call_.participants.push_back({.id = uuid_of(13), .names = {{"sip:dov@x.example", "Dov", ""}}});
    call_.sip_session_ids.push_back("c23faf843fdf414fb0bbf578774931f4;remote=" +
                                    std::string(32, '0'));
    change_metadata();
    EXPECT_EQ(model_.objects().participants.size(), 3U);
    EXPECT_EQ(model_.objects().sessions[0].sip_session_ids.size(), 2U);
    answer("UPDATE", 200);
    call_.participants.pop_back();
    call_.sip_session_ids.pop_back();
    change_metadata();
    EXPECT_EQ(model_.objects().sessions[0].sip_session_ids.size(), 1U);
    EXPECT_TRUE(model_.objects().participant_sessions[2].periods.back().disassociate);
}

TEST_F(ClientSessionChanges, P110_F4_ATransferMayBeANewSessionOfTheSameGroup) {
    call_.group = CsGroup{.id = uuid_of(5), .name = "calls"};
    change_metadata();
    answer("UPDATE", 200);
    call_.session_id = uuid_of(2);
    call_.streams[0].id = uuid_of(25);
    call_.streams[1].id = uuid_of(26);
    set_state(state());
    wait(kMetadataDelay);
    EXPECT_EQ(count("INVITE"), 1U);  // labels: P-96
    EXPECT_THAT(lines_of(sdp_of(*last("INVITE")), "o="),
                ElementsAre("o=relay 77 1 IN IP4 192.0.2.10"));  // nothing of it has changed
    ASSERT_EQ(model_.objects().sessions.size(), 2U);
    EXPECT_TRUE(model_.find_session(MetadataId{uuid_of(1)})->stop);
    EXPECT_EQ(model_.find_session(MetadataId{uuid_of(2)})->group, MetadataId{uuid_of(5)});
}

TEST_F(ClientSessionChanges, P35_A9_APauseStopsTheForkAtOnceAndAResumeWaitsForTheAnswer) {
    EXPECT_TRUE(session_->pause(now_));
    drain();
    EXPECT_FALSE(session_->pause(now_));
    EXPECT_THAT(forks_, ElementsAre("paused"));
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    EXPECT_TRUE(session_->view().is_paused);
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_THAT(forks_, ElementsAre("paused"));
    clear();
    EXPECT_TRUE(session_->resume(now_));
    drain();
    EXPECT_FALSE(session_->resume(now_));
    EXPECT_THAT(forks_, IsEmpty());
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    accept();
    EXPECT_THAT(directions_of(forks_.at(0)), ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
}

TEST_F(ClientSessionChanges, APauseThatTheServerRefusesPausesAllTheSame) {
    session_->pause(now_);
    drain();
    answer("INVITE", 488);
    EXPECT_THAT(events(), ElementsAre("change_refused 488 change_refused"));
    EXPECT_THAT(forks_, ElementsAre("paused"));
    // Nothing of the server can undo it.
    server_request("INVITE", server_sdp(2));
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    server_ack();
    EXPECT_THAT(forks_, ElementsAre("paused"));
    session_->resume(now_);
    drain();
    EXPECT_THAT(forks_, ElementsAre("paused"));
    accept();
    EXPECT_THAT(directions_of(forks_.back()),
                ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
}

TEST_F(ClientSessionChanges, AfterARefusedPauseTheServerStillTakesWhatWasOfferedFirst) {
    session_->pause(now_);
    drain();
    answer("INVITE", 488);
    session_->resume(now_);
    drain();
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(directions_of(forks_.back()),
                ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
}

TEST_F(ClientSessionChanges, PauseAndResumeWithinOneRequestEndSending) {
    hold();
    change_metadata();  // an UPDATE is under way
    session_->pause(now_);
    session_->resume(now_);
    drain();
    ASSERT_EQ(forks_.size(), 2U);  // it waits for nothing
    answer("UPDATE", 200);
    EXPECT_EQ(count("INVITE"), 0U);
    ASSERT_EQ(forks_.size(), 2U);
    EXPECT_EQ(forks_[0], "paused");
    EXPECT_THAT(directions_of(forks_[1]), ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
}

TEST_F(ClientSessionChanges, APauseDuringAResumeIsNotUndoneByItsAnswer) {
    session_->pause(now_);
    drain();
    answer("INVITE", 200, server_sdp(2, "inactive"));
    session_->resume(now_);
    drain();
    session_->pause(now_);
    drain();
    accept();  // of the resume
    EXPECT_THAT(forks_, ElementsAre("paused"));
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
}

TEST_F(ClientSessionChanges, E18_GlareIsTriedAgain) {
    session_->pause(now_);
    drain();
    answer("INVITE", 491);
    EXPECT_EQ(count("INVITE"), 1U);
    wait(seconds{4});
    EXPECT_EQ(count("INVITE"), 2U);
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_THAT(events(), IsEmpty());
    hold();
    change_metadata();
    answer("UPDATE", 500, {}, {{"Retry-After", "3"}});
    wait(seconds{3});
    EXPECT_EQ(count("UPDATE"), 2U);
}

TEST_F(ClientSessionChanges, GlareWithoutEndIsARefusal) {
    session_->pause(now_);
    drain();
    for (std::uint32_t i = 0; i <= kMaxGlareRetries; ++i) {
        answer("INVITE", 491);
        wait(seconds{5});
    }
    EXPECT_EQ(count("INVITE"), kMaxGlareRetries + 1);
    EXPECT_THAT(events(), ElementsAre("change_refused 491 change_refused"));
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionChanges, AfterARefusedDocumentTheNextOneIsASnapshot) {
    hold();
    change_metadata();
    answer("UPDATE", 415);
    EXPECT_THAT(events(), ElementsAre("change_refused 415 change_refused"));
    wait(seconds{5});
    EXPECT_EQ(count("UPDATE") + count("INVITE"), 1U);  // not again by itself
    call_.participants[0].names[0].name = "Ada L";
    change_metadata();
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    accept();
    call_.participants[0].names[0].name = "Ada";
    change_metadata();
    EXPECT_EQ(last_document_.mode, DataMode::Partial);
}

TEST_F(ClientSessionChanges, AServerThatTakesNoUpdateIsToldByInvite) {
    hold();
    change_metadata();
    answer("UPDATE", 405);
    wait(milliseconds{0});
    ASSERT_EQ(count("INVITE"), 1U);
    EXPECT_NE(sdp_of(*last("INVITE")), "");
    EXPECT_TRUE(model_.is_held("1"));
    EXPECT_THAT(events(), IsEmpty());
    accept();
    stop();
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_NE(metadata_of(*last("BYE")), "");
}

TEST_F(ClientSessionChanges, AServerThatForgetsTheSessionEndsIt) {
    hold();
    change_metadata();
    answer("UPDATE", 481);
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
    EXPECT_THAT(forks_, ElementsAre("stopped"));
    EXPECT_EQ(count("BYE"), 0U);
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionChanges, AServerThatFallsSilentEndsIt) {
    hold();
    change_metadata();
    wait(seconds{33});
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_FALSE(session_->is_done());
    wait(seconds{33});
    EXPECT_TRUE(session_->is_done());
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(ClientSessionChanges, ARefusedOfferLeavesTheMediaAsItWas) {
    set_state(state({"1", "2", "3"}));
    answer("INVITE", 488);
    EXPECT_THAT(events(), ElementsAre("change_refused 488 change_refused"));
    EXPECT_THAT(forks_, IsEmpty());
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionChanges, AnAnswerInMidCallWithoutSdpMeansTheOneBefore) {
    set_state(state({"1", "2", "3"}));
    answer("INVITE", 200);
    EXPECT_EQ(count("ACK"), 1U);
    EXPECT_THAT(events(),
                ElementsAre("answer_fault 0 answer_fault", "answer_fault 0 answer_fault"));
    EXPECT_THAT(ports_of(forks_.back()), ElementsAre(50000, 50002, 0));
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionChanges, AnAnswerThatRefusesEveryStreamEndsTheSession) {
    set_state(state({"1", "2", "3"}));
    answer("INVITE", 200, "v=0\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\n");
    EXPECT_THAT(events(), ElementsAre("stop 0 no_media"));
    EXPECT_EQ(count("BYE"), 1U);
}

TEST_F(ClientSessionChanges, AnOfferThatIsNoneChangesNothing) {
    set_state({describe(call_).objects, "garbage"});
    wait(seconds{1});
    EXPECT_THAT(events(), ElementsAre("change_refused 0 bad_sdp"));
    EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(ClientSessionChanges, TheSessionIsRefreshed) {
    settings_.session_timer.session_expires = seconds{100};
    start();
    answer("INVITE", 200, server_sdp(2), {{"Session-Expires", "100;refresher=uac"}});
    clear();
    wait(seconds{50});
    ASSERT_EQ(count("UPDATE"), 1U);
    EXPECT_TRUE(last("UPDATE")->body().empty());
    EXPECT_EQ(last("UPDATE")->find("Session-Expires"), "100;refresher=uac");
    answer("UPDATE", 200, {}, {{"Session-Expires", "100;refresher=uac"}});
    wait(seconds{49});
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ClientSessionChanges, E21_AServerThatDoesNotRefreshHasDied) {
    start();
    answer("INVITE", 200, server_sdp(2), {{"Session-Expires", "90;refresher=uas"}});
    clear();
    wait(seconds{90});
    EXPECT_THAT(events(), ElementsAre("stop 0 session_expired"));
    EXPECT_EQ(count("BYE"), 1U);
}

TEST_F(ClientSessionChanges, ARefusedRefreshEndsNothing) {
    start();
    answer("INVITE", 200, server_sdp(2), {{"Session-Expires", "100;refresher=uac"}});
    clear();
    wait(seconds{50});
    answer("UPDATE", 500);
    EXPECT_THAT(events(), IsEmpty());
    EXPECT_TRUE(session_->is_running());
    wait(seconds{50});
    EXPECT_EQ(count("UPDATE"), 2U);
}

TEST_F(ClientSessionChanges, F5_TheEndIsToldByUpdateThenBye) {
    wait(seconds{10});
    call_.stop = now_.wall;
    set_state(state());
    stop();
    EXPECT_THAT(forks_, ElementsAre("stopped"));
    ASSERT_EQ(count("UPDATE"), 1U);  // one for both
    EXPECT_EQ(count("BYE"), 0U);
    EXPECT_EQ(model_.objects().sessions[0].stop, now_.wall);
    EXPECT_EQ(model_.objects().session_recordings[0].periods[0].disassociate, now_.wall);
    EXPECT_THAT(events(), IsEmpty());
    answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0"));
    EXPECT_FALSE(session_->is_done());
    answer("BYE", 200);
    EXPECT_TRUE(session_->is_done());
    EXPECT_FALSE(session_->deadline());
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(ClientSessionChanges, AnEndThatIsHeldIsToldWhenTheMediaHasLeft) {
    hold();
    change_metadata();  // whose answer comes meanwhile
    session_->stop(now_, {}, milliseconds{500});
    drain();
    answer("UPDATE", 200);
    wait(milliseconds{499});
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(count("BYE"), 0U);
    wait(milliseconds{1});
    ASSERT_EQ(count("UPDATE"), 2U);
    answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0"));
}

TEST_F(ClientSessionChanges, AStopInMidCallDoesNotEndTheSession) {
    stop({"stopped", "By rule 3."});
    EXPECT_FALSE(model_.objects().sessions[0].stop);
    EXPECT_TRUE(model_.objects().session_recordings[0].periods[0].disassociate);
    answer("UPDATE", 200);
    EXPECT_THAT(events(), ElementsAre("stop 0 stopped"));
}

TEST_F(ClientSessionChanges, TheEndWaitsForTheRequestUnderWayButNotForEver) {
    hold();
    change_metadata();
    stop();
    EXPECT_EQ(count("UPDATE"), 1U);
    answer("UPDATE", 200);
    EXPECT_EQ(count("UPDATE"), 2U);
    wait(kClosingTime);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0"));
    wait(std::chrono::minutes{2});
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionChanges, StopTwiceAndChangesAfterItDoNothing) {
    stop();
    stop();
    set_state(state({"1", "2", "3"}));
    EXPECT_FALSE(session_->pause(now_));
    EXPECT_FALSE(session_->resume(now_));
    answer("UPDATE", 200);
    stop();
    answer("BYE", 481);
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(count("BYE"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0"));
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionChanges, TheUserSpeaksInTheDialog) {
    const auto sent = session_->send({"INFO", {{"X-Digit", "5"}}, "application/dtmf", "5"});
    drain();
    ASSERT_TRUE(sent);
    EXPECT_EQ(last("INFO")->find("X-Digit"), "5");
    EXPECT_EQ(base::as_text(last("INFO")->body()), "5");
    answer("INFO", 200);
    EXPECT_THAT(events(), ElementsAre("request_answered 200"));
    EXPECT_EQ(events_[0].transaction, *sent);
    EXPECT_EQ(session_->send({"BYE", {}, {}, {}}).error().code, "bad_method");
    clear();
    for (std::size_t i = 0; i < kMaxUserRequests; ++i) {
        EXPECT_TRUE(session_->send({"INFO", {}, {}, {}}));
    }
    EXPECT_EQ(session_->send({"INFO", {}, {}, {}}).error().code, "too_many_requests");
    drain();
    answer("INFO", 481);
    EXPECT_THAT(events(), ElementsAre("request_answered 481", "stop 0 session_lost"));
    EXPECT_EQ(session_->send({"INFO", {}, {}, {}}).error().code, "not_running");
}

TEST_F(ClientSessionChanges, ARequestOfTheUserThatIsNotAnsweredEndsTheSession) {
    static_cast<void>(session_->send({"INFO", {}, {}, {}}));
    drain();
    wait(seconds{33});
    EXPECT_THAT(events(), ElementsAre("request_answered 408 silent", "stop 0 session_lost"));
    EXPECT_EQ(count("BYE"), 1U);
}

TEST_F(ClientSessionChanges, AServerWithoutTimersIsAskedWhetherItLives) {
    wait(std::chrono::minutes{15});
    EXPECT_EQ(count("UPDATE"), 1U);
    wait(seconds{33});
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
}

TEST_F(ClientSessionChanges, AChallengeInMidCallIsAnsweredByTheAgent) {
    settings_.credentials = {"client", "secret"};
    start_and_accept();
    hold();
    change_metadata();
    answer("UPDATE", 401, {}, {{"WWW-Authenticate", "Digest realm=\"srs\", nonce=\"n\""}});
    EXPECT_EQ(count("UPDATE"), 2U);
    EXPECT_TRUE(last("UPDATE")->has(sip::HeaderId::Authorization));
    answer("UPDATE", 200);
    EXPECT_THAT(events(), IsEmpty());
}

}  // namespace
}  // namespace earshot::siprec
