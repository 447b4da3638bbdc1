// A server that is lost while it records, and the next one instead.
#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kFirst = "sip:rec@198.51.100.7";
constexpr const char* kSecond = "sip:rec@198.51.100.8:5070";

class ClientSessionFailover : public ClientSessionTest {
protected:
    void SetUp() override { settings_.fails_over = true; }
    // Recorded by the first server for so long that it may be asked again.
    void start_and_settle() {
        start_and_accept();
        wait(kShortRecording);
    }
    std::string asked() const { return std::string{last("INVITE")->request_uri()}; }
    void lose_media(MediaLoss how = MediaLoss::ServerDead) {
        session_->on_media_lost(now_, how, {"media_refused", "Its port is closed."});
        drain();
    }
};

TEST_F(ClientSessionFailover, TheNextServerGetsAllMetadataTheOfferAndTheSameIds) {
    start_and_settle();
    call_.streams[0].is_held = true;
    set_state(state({"1", "2", "3"}));
    answer("INVITE", 200, server_sdp(3));
    const auto started = session_->view().started;
    clear();
    lose_media();
    EXPECT_EQ(asked(), kSecond);
    const sip::Message& invite = *last("INVITE");
    EXPECT_TRUE(invite.lists(sip::HeaderId::Require, "siprec"));
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    EXPECT_EQ(last_document_.objects.sessions[0].id.text(), base::to_base64(uuid_of(1)));
    EXPECT_EQ(last_document_.objects.count(), describe(call_).objects.count() + 1);
    EXPECT_TRUE(model_.is_held("1"));
    EXPECT_THAT(ports_of(sdp_of(invite)), ElementsAre(40000, 40002, 40004));
    EXPECT_THAT(lines_of(sdp_of(invite), "o="), ElementsAre("o=relay 77 1 IN IP4 192.0.2.10"));
    EXPECT_TRUE(session_->view().is_failing_over);
    EXPECT_EQ(count("BYE"), 1U);  // to the lost one, should it still be there
    answer("INVITE", 200, server_sdp(3));
    EXPECT_THAT(events(),
                ElementsAre("stop 0 media_refused", "failover 200 media_refused", "start 200"));
    EXPECT_TRUE(events_[0].is_server_dead);
    EXPECT_FALSE(events_[0].is_last);
    EXPECT_EQ(events_[0].server, kFirst);
    EXPECT_EQ(events_[1].from_server, kFirst);
    EXPECT_EQ(events_[1].server, kSecond);
    EXPECT_EQ(events_[2].server, kSecond);
    EXPECT_EQ(events_[2].session_id, base::to_base64(uuid_of(1)));
    ASSERT_EQ(forks_.size(), 2U);
    EXPECT_EQ(forks_[0], "lost");
    EXPECT_THAT(ports_of(forks_[1]), ElementsAre(50000, 50002, 50004));
    EXPECT_EQ(session_->view().started, started);
    EXPECT_FALSE(session_->view().is_failing_over);
}

// The other server may be able to use what this one's answer spoilt, or find our relay back again.
TEST_F(ClientSessionFailover, NoServerIsToBlameForMediaThatOurOwnSideCannotGiveIt) {
    for (const bool is_own : {true, false}) {
        start_and_settle();
        lose_media(is_own ? MediaLoss::OwnFault : MediaLoss::BadAnswer);
        EXPECT_EQ(asked(), kSecond);
        accept();
        ASSERT_EQ(events_.size(), 3U);
        EXPECT_FALSE(events_[0].is_server_dead);
        EXPECT_EQ(events_[0].is_own_fault, is_own);
        lose_media(is_own ? MediaLoss::OwnFault : MediaLoss::BadAnswer);
        answer("INVITE", 486);
        session_->stop(now_);
        drain();
    }
}

TEST_F(ClientSessionFailover, TheLastServerIsNotBlamedEither) {
    settings_.fails_over = false;
    start_and_settle();
    lose_media(MediaLoss::OwnFault);
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_TRUE(events_[0].is_last);
    EXPECT_TRUE(events_[0].is_own_fault);
    EXPECT_FALSE(events_[0].is_server_dead);
}

TEST_F(ClientSessionFailover, E20_AByeThatNobodyWishedForFailsOver) {
    start_and_settle();
    server_request("BYE", {}, {}, {{"Reason", "SIP;cause=503;text=\"disk full\""}});
    EXPECT_EQ(status(), 200);
    EXPECT_EQ(asked(), kSecond);
    EXPECT_EQ(count("BYE"), 0U);
    accept();
    EXPECT_THAT(events(),
                ElementsAre("stop 0 ended_by_server", "failover 200 ended_by_server", "start 200"));
    EXPECT_FALSE(events_[0].is_server_dead);
    EXPECT_THAT(events_[1].reason.text, HasSubstr("disk full"));
}

TEST_F(ClientSessionFailover, AByeThatTellsOfAWishEndsTheRecording) {
    for (const char* reason : {"SIP;cause=200;text=\"Stopped\"", "Q.850;cause=16", "SIP ;cause=603",
                               "Q.850;cause=41, SIP;cause=603"}) {
        settings_.skip_failover_codes = *SkipCodes::parse("603");
        start_and_settle();
        server_request("BYE", {}, {}, {{"Reason", reason}});
        EXPECT_EQ(count("INVITE"), 0U) << reason;
        EXPECT_THAT(events(), ElementsAre("stop 0 ended_by_server")) << reason;
        EXPECT_TRUE(events_[0].is_last);
        EXPECT_THAT(forks_, ElementsAre("stopped"));
        EXPECT_TRUE(session_->is_done());
    }
}

TEST_F(ClientSessionFailover, WhatIsNoReasonEndsNothing) {
    for (const char* reason : {"", "SIP", "SIP;cause=", "SIP;cause=x", "Q.850;cause=200", ";;;"}) {
        start_and_settle();
        server_request("BYE", {}, {}, {{"Reason", reason}});
        EXPECT_EQ(asked(), kSecond) << reason;
        session_->stop(now_);
        drain();
    }
}

TEST_F(ClientSessionFailover, AServerThatSaidByeIsNotAskedAgainInThatRound) {
    settings_.failover_time = milliseconds{0};
    start_and_settle();
    server_request("BYE");
    answer("INVITE", 486);
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(events(),
                ElementsAre("stop 0 ended_by_server", "refused 486 refused", "failed 486 refused"));
    EXPECT_TRUE(events_.back().is_last);
    EXPECT_THAT(forks_, ElementsAre("lost", "stopped"));
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionFailover, TheLostServerIsTheLastOfTheRound) {
    settings_.failover_time = milliseconds{0};
    start_and_settle();
    lose_media();
    answer("INVITE", 503);
    EXPECT_EQ(asked(), kFirst);  // it may be back
    accept();
    EXPECT_THAT(events(), ElementsAre("stop 0 media_refused", "refused 503 refused",
                                      "failover 200 media_refused", "start 200"));
    EXPECT_EQ(events_[2].from_server, kFirst);
    EXPECT_EQ(events_[2].server, kFirst);
}

TEST_F(ClientSessionFailover, ASingleServerIsAskedAgainWhenItWasLost) {
    settings_.servers.resize(1);
    start_and_settle();
    lose_media();
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_EQ(asked(), kFirst);
}

TEST_F(ClientSessionFailover, ServersThatEndAtOnceWhatTheyTakeMakeNoLoop) {
    start_and_accept();
    server_request("BYE");
    accept();
    server_request("BYE");
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0 ended_by_server", "failover 200 ended_by_server",
                                      "start 200", "stop 0 ended_by_server"));
    EXPECT_TRUE(events_.back().is_last);
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionFailover, ThereAreOnlySoManyFailovers) {
    start_and_settle();
    for (std::size_t i = 0; i < kMaxFailovers; ++i) {
        server_request("BYE");
        accept();
        wait(kShortRecording);
    }
    EXPECT_TRUE(session_->is_running());
    clear();
    server_request("BYE");
    EXPECT_EQ(count("INVITE"), 0U);
    EXPECT_THAT(events(), ElementsAre("stop 0 ended_by_server"));
}

TEST_F(ClientSessionFailover, RoundsGoOnWithPausesUntilTheTimeIsOver) {
    start_and_settle();
    lose_media();
    answer("INVITE", 503);
    answer("INVITE", 503);
    EXPECT_EQ(count("INVITE"), 2U);
    wait(kFirstRoundDelay);
    EXPECT_EQ(count("INVITE"), 3U);
    EXPECT_EQ(asked(), kSecond);
    answer("INVITE", 503);
    answer("INVITE", 503);
    wait(2 * kFirstRoundDelay);
    EXPECT_EQ(count("INVITE"), 5U);
    for (int i = 0; i < 20 && !session_->is_done(); ++i) {
        if (session_->view().state == ClientSessionView::State::Inviting && count("INVITE") > 0)
            answer("INVITE", 503);
        wait(kMaxRoundDelay);
    }
    EXPECT_TRUE(events_.back().is_last);
    EXPECT_EQ(events().back(), "failed 503 refused");
    EXPECT_EQ(count(ClientEvent::Kind::Stop), 1U);
}

TEST_F(ClientSessionFailover, ADeadServerAtTheEndOfARoundIsNotWaitedFor) {
    start_and_settle();
    lose_media();
    answer("INVITE", 503);
    EXPECT_EQ(asked(), kFirst);
    wait(settings_.silence_time + kFirstRoundDelay);
    EXPECT_EQ(asked(), kSecond);
    accept();
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionFailover, ASingleServerMeetsOurInviteWhenItIsBack) {
    settings_.servers.resize(1);
    start_and_settle();
    lose_media();
    wait(seconds{25});
    EXPECT_EQ(count("INVITE"), 1U);
    accept();
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionFailover, ASkipCodeEndsIt) {
    settings_.skip_failover_codes = *SkipCodes::parse("486");
    start_and_settle();
    lose_media();
    answer("INVITE", 486);
    EXPECT_THAT(events(),
                ElementsAre("stop 0 media_refused", "refused 486 refused", "failed 486 refused"));
}

TEST_F(ClientSessionFailover, AChangeThatIsNotAnsweredInTimeLosesTheServer) {
    start_and_settle();
    set_state(state({"1", "2", "3"}));
    const sip::Message change = *last("INVITE");
    wait(settings_.silence_time);
    EXPECT_EQ(asked(), kSecond);
    answer("INVITE", 200, server_sdp(3));
    EXPECT_THAT(events(),
                ElementsAre("stop 0 session_lost", "failover 200 session_lost", "start 200"));
    EXPECT_TRUE(events_[0].is_server_dead);
    // What it says late is cleaned up.
    clear();
    receive(response_text(change, 200, server_sdp(3)));
    EXPECT_TRUE(session_->is_running());
    EXPECT_THAT(events(), IsEmpty());
    EXPECT_THAT(forks_, IsEmpty());
}

TEST_F(ClientSessionFailover, AProvisionalResponseToAChangeIsAnAnswer) {
    start_and_settle();
    set_state(state({"1", "2", "3"}));
    answer("INVITE", 180);
    wait(settings_.silence_time);
    EXPECT_TRUE(session_->is_running());
    EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ClientSessionFailover, Rfc5057_AnswersThatEndTheDialogLoseTheServer) {
    for (const int code : {404, 408, 410, 480, 481, 482, 483, 502, 604}) {
        start_and_settle();
        set_state(state({"1", "2", "3"}));
        answer("INVITE", code);
        EXPECT_EQ(asked(), kSecond) << code;
        EXPECT_EQ(count(ClientEvent::Kind::Stop), 1U) << code;
    }
    for (const int code : {403, 488, 500, 503}) {
        start_and_settle();
        set_state(state({"1", "2", "3"}));
        answer("INVITE", code);
        EXPECT_TRUE(session_->is_running()) << code;
    }
}

TEST_F(ClientSessionFailover, AProbeThatIsNotAnsweredLosesTheServer) {
    start_and_settle();
    session_->probe(now_);
    session_->probe(now_);
    drain();
    EXPECT_EQ(count("UPDATE"), 1U);
    answer("UPDATE", 500);
    EXPECT_THAT(events(), IsEmpty());
    session_->probe(now_);
    drain();
    EXPECT_EQ(count("UPDATE"), 2U);
    wait(settings_.silence_time);
    EXPECT_EQ(asked(), kSecond);
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
    EXPECT_TRUE(events_[0].is_server_dead);
}

TEST_F(ClientSessionFailover, AProbeOfASingleServerIsNotWaitedForLonger) {
    settings_.servers.resize(1);
    start_and_settle();
    set_state(state({"1", "2", "3"}));
    session_->probe(now_);
    drain();
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_EQ(count("UPDATE"), 0U);
    wait(settings_.silence_time);
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
}

TEST_F(ClientSessionFailover, AProbeFindsThatTheServerHasForgottenUs) {
    start_and_settle();
    session_->probe(now_);
    drain();
    answer("UPDATE", 481);
    EXPECT_EQ(asked(), kSecond);
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
    EXPECT_FALSE(events_[0].is_server_dead);
    EXPECT_EQ(count("BYE"), 0U);
}

TEST_F(ClientSessionFailover, APauseMeanwhileHoldsForTheNextServer) {
    start_and_settle();
    lose_media();
    session_->pause(now_);
    drain();
    EXPECT_THAT(forks_, ElementsAre("lost", "paused"));
    accept();  // of the INVITE that offered to send
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    EXPECT_THAT(forks_, ElementsAre("lost", "paused"));
    session_->resume(now_);
    drain();
    accept();
    EXPECT_EQ(forks_.size(), 3U);
}

TEST_F(ClientSessionFailover, APausedSessionFailsOverPaused) {
    start_and_settle();
    session_->pause(now_);
    drain();
    answer("INVITE", 200, server_sdp(2, "inactive"));
    clear();
    server_request("BYE");
    EXPECT_THAT(directions_of(sdp_of(*last("INVITE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_THAT(forks_, ElementsAre("lost", "paused"));
}

TEST_F(ClientSessionFailover, AStopMeanwhileEndsIt) {
    start_and_settle();
    lose_media();
    answer("INVITE", 100);
    session_->stop(now_);
    drain();
    EXPECT_EQ(count("CANCEL"), 1U);
    EXPECT_THAT(events(), ElementsAre("stop 0 media_refused", "refused 487 cancelled",
                                      "failed 487 cancelled"));
    EXPECT_THAT(forks_, ElementsAre("lost", "stopped"));
}

TEST_F(ClientSessionFailover, AStopBetweenRoundsEndsIt) {
    start_and_settle();
    lose_media();
    answer("INVITE", 503);
    answer("INVITE", 503);
    clear();
    session_->stop(now_);
    drain();
    EXPECT_THAT(events(), ElementsAre("failed 487 cancelled"));
    EXPECT_FALSE(session_->deadline());
}

TEST_F(ClientSessionFailover, ALossWhileItEndsFailsNothingOver) {
    start_and_settle();
    session_->stop(now_);
    drain();
    session_->on_media_lost(now_, MediaLoss::ServerDead, {});
    session_->probe(now_);
    answer("UPDATE", 481);
    EXPECT_EQ(count("INVITE"), 0U);
    EXPECT_THAT(events(), ElementsAre("stop 0 session_lost"));
}

TEST_F(ClientSessionFailover, ChangesMeanwhileAreInTheInviteOrFollowIt) {
    start_and_settle();
    lose_media();
    call_.streams[0].is_held = true;
    set_state(state());
    EXPECT_EQ(count("UPDATE"), 0U);
    accept();
    EXPECT_EQ(count("UPDATE"), 0U);
    wait(kMetadataDelay);
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(last_document_.mode, DataMode::Partial);
    EXPECT_TRUE(model_.is_held("1"));
}

TEST_F(ClientSessionFailover, TheHostChoosesAmongThoseThatAreLeft) {
    settings_.servers.push_back("sip:rec@198.51.100.9");
    chooses_last_ = true;
    start();
    EXPECT_EQ(asked(), "sip:rec@198.51.100.9");
    answer("INVITE", 503, {}, {{"Retry-After", "120 (maintenance)"}});
    EXPECT_EQ(events_.back().retry_after, seconds{120});
    EXPECT_EQ(asked(), kSecond);
    accept();
    wait(kShortRecording);
    server_request("BYE");
    EXPECT_EQ(asked(), kFirst);
}

TEST_F(ClientSessionFailover, LinesThatALostServerRemovedAreOfferedToTheNext) {
    start_and_settle();
    std::string sdp = server_sdp(2);
    sdp.replace(sdp.find("50002"), 5, "0");
    server_request("INVITE", sdp);
    server_ack();
    lose_media();
    EXPECT_THAT(ports_of(sdp_of(*last("INVITE"))), ElementsAre(40000, 40002));
}

TEST_F(ClientSessionFailover, WithoutItALossIsTheEnd) {
    settings_.fails_over = false;
    start_and_settle();
    lose_media();
    EXPECT_EQ(count("INVITE"), 0U);
    EXPECT_THAT(events(), ElementsAre("stop 0 media_refused"));
    EXPECT_TRUE(events_[0].is_last);
    EXPECT_THAT(forks_, ElementsAre("stopped"));
}

}  // namespace
}  // namespace earshot::siprec
