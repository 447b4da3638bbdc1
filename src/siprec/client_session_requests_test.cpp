// What a recording server asks of a running session.
#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kMetadataType = "application/rs-metadata+xml";

class ClientSessionRequests : public ClientSessionTest {
protected:
    void SetUp() override { start_and_accept(); }
};

TEST_F(ClientSessionRequests, E20_AByeOfTheServerEndsTheSessionWithItsReason) {
    server_request("BYE", {}, {}, {{"Reason", "SIP;cause=503;text=\"disk full\""}});
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(events(), ElementsAre("stop 0 ended_by_server"));
    EXPECT_THAT(events_[0].reason.text, HasSubstr(": disk full."));
    EXPECT_THAT(forks_, ElementsAre("stopped"));
    EXPECT_TRUE(session_->is_done());
    EXPECT_EQ(count("INVITE"), 0U);  // no further server: the recording ends
}

TEST_F(ClientSessionRequests, AByeAcrossOursEndsItOnce) {
    session_->stop(now_);
    drain();
    server_request("BYE");
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(events(), ElementsAre("stop 0"));
    EXPECT_TRUE(session_->is_done());
}

TEST_F(ClientSessionRequests, P42_P43_TheServerPausesResumesAndMoves) {
    server_request("INVITE", server_sdp(2, "inactive"));
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    EXPECT_THAT(directions_of(forks_.back()),
                ElementsAre(Direction::Inactive, Direction::Inactive));
    server_ack();
    std::string moved = server_sdp(2);
    moved.replace(moved.find("50000"), 5, "51000");
    server_request("UPDATE", moved);
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(lines_of(sdp_of(last_response()), "o="),
                ElementsAre("o=relay 77 3 IN IP4 192.0.2.10"));
    EXPECT_THAT(ports_of(forks_.back()), ElementsAre(51000, 50002));
    // Our state has not changed: nothing to tell.
    wait(seconds{1});
    EXPECT_EQ(count("INVITE") + count("UPDATE"), 0U);
}

TEST_F(ClientSessionRequests, P43_ALineThatTheServerRemovesStaysRemoved) {
    std::string sdp = server_sdp(2);
    sdp.replace(sdp.find("50002"), 5, "0");
    server_request("INVITE", sdp);
    EXPECT_THAT(ports_of(sdp_of(last_response())), ElementsAre(40000, 0));
    server_ack();
    set_state(state({"1", "2", "3"}));
    EXPECT_THAT(ports_of(sdp_of(*last("INVITE"))), ElementsAre(40000, 0, 40004));
}

TEST_F(ClientSessionRequests, RemovingAllOfThemEndsTheSession) {
    std::string sdp = server_sdp(2);
    sdp.replace(sdp.find("50002"), 5, "0");
    sdp.replace(sdp.find("50000"), 5, "0");
    server_request("UPDATE", sdp);
    EXPECT_THAT(events(), ElementsAre("stop 0 no_media"));
    EXPECT_EQ(count("BYE"), 1U);
}

TEST_F(ClientSessionRequests, P44_AnOfferWithMoreLinesIsRefused) {
    server_request("INVITE", server_sdp(3));
    EXPECT_EQ(status(), 488);
    EXPECT_TRUE(last_response().has(sip::HeaderId::Warning));
    EXPECT_THAT(forks_, IsEmpty());
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionRequests, AnInviteWithoutAnOfferGetsOurs) {
    server_request("INVITE");
    EXPECT_EQ(status(), 200);
    EXPECT_THAT(directions_of(sdp_of(last_response())),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(lines_of(sdp_of(last_response()), "o="),
                ElementsAre("o=relay 77 1 IN IP4 192.0.2.10"));
    // Changes wait for the answer.
    set_state(state({"1", "2", "3"}));
    EXPECT_EQ(count("INVITE"), 0U);
    std::string moved = server_sdp(2);
    moved.replace(moved.find("50000"), 5, "51000");
    server_ack(moved);
    EXPECT_THAT(ports_of(forks_.back()), ElementsAre(51000, 50002));
    EXPECT_EQ(count("INVITE"), 1U);
}

TEST_F(ClientSessionRequests, AnAckWithoutAnAnswerOrNoAckAtAllLeaveTheMediaAsItWas) {
    server_request("INVITE");
    server_ack();
    EXPECT_THAT(events(), ElementsAre("answer_fault 0 answer_fault"));
    EXPECT_THAT(forks_, IsEmpty());
    server_request("INVITE");
    set_state(state({"1", "2", "3"}));
    EXPECT_EQ(count("INVITE"), 0U);
    wait(kAckTime);
    EXPECT_EQ(count("INVITE"), 1U);
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionRequests, E18_AnOfferAcrossOursIsGlare) {
    session_->pause(now_);
    drain();
    server_request("UPDATE", server_sdp(2));
    EXPECT_EQ(status(), 491);
    EXPECT_THAT(forks_, ElementsAre("paused"));
}

TEST_F(ClientSessionRequests, AnUpdateWithoutABodyIsARefresh) {
    server_request("UPDATE", {}, {},
                   {{"Session-Expires", "200;refresher=uac"}, {"Supported", "timer"}});
    EXPECT_EQ(status(), 200);
    EXPECT_EQ(last_response().find("Session-Expires"), "200;refresher=uac");
    EXPECT_TRUE(last_response().body().empty());
    server_request("UPDATE", {}, {}, {{"Session-Expires", "20"}, {"Supported", "timer"}});
    EXPECT_EQ(status(), 422);
    EXPECT_EQ(last_response().find("Min-SE"), "90");
    EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ClientSessionRequests, E28_OptionsAndInfoAreAnsweredAndTheRestRefused) {
    server_request("OPTIONS");
    EXPECT_EQ(status(), 200);
    EXPECT_TRUE(last_response().has(sip::HeaderId::Accept));
    EXPECT_TRUE(last_response().lists(sip::HeaderId::Allow, "UPDATE"));
    server_request("INFO", "5", "application/dtmf");
    EXPECT_EQ(status(), 200);
    server_request("MESSAGE", "hello", "text/plain");
    EXPECT_EQ(status(), 405);
    server_request("REFER");
    EXPECT_EQ(status(), 405);
    server_request("VENDOR");
    EXPECT_EQ(status(), 501);
    server_request("PRACK");
    EXPECT_EQ(status(), 481);
    server_request("INFO", {}, {}, {{"Require", "teleport"}});
    EXPECT_EQ(status(), 420);
    EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ClientSessionRequests, P99_ASnapshotRequestIsAnsweredInATransactionOfItsOwn) {
    server_request("UPDATE", write_snapshot_request("lost the first one"), kMetadataType,
                   {{"Content-Disposition", "recording-session"}});
    EXPECT_EQ(status(), 200);
    EXPECT_TRUE(last_response().body().empty());
    EXPECT_THAT(events(), ElementsAre("snapshot_requested 0 snapshot_requested"));
    EXPECT_EQ(events_[0].reason.text, "lost the first one");  // P-108
    ASSERT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    EXPECT_EQ(last_document_.objects.count(), describe(call_).objects.count() + 1);
    EXPECT_THAT(lines_of(sdp_of(*last("UPDATE")), "o="),
                ElementsAre("o=relay 77 1 IN IP4 192.0.2.10"));
    answer("UPDATE", 200, server_sdp(2));
    EXPECT_TRUE(session_->is_running());
}

TEST_F(ClientSessionRequests, X4_TheOlderFormOfTheRequestCountsWhateverItsBody) {
    for (const char* body : {"Need a snapshot", "x", "<requestsnapshot"}) {
        clear();
        server_request("UPDATE", body, "application/rs-metadata-request");
        ASSERT_EQ(count("UPDATE"), 1U) << body;
        EXPECT_EQ(last_document_.mode, DataMode::Complete);
        answer("UPDATE", 200, server_sdp(2));
        wait(kSnapshotInterval);
    }
    clear();
    server_request("UPDATE", {}, {}, {{"Content-Type", "application/rs-metadata-request"}});
    EXPECT_EQ(count("UPDATE"), 1U);
}

TEST_F(ClientSessionRequests, P99_ARequestDuringATransactionIsAnsweredAfterIt) {
    session_->pause(now_);
    drain();
    server_request("UPDATE", write_snapshot_request(""), kMetadataType);
    EXPECT_EQ(status(), 200);
    EXPECT_EQ(count("UPDATE"), 0U);
    answer("INVITE", 200, server_sdp(2, "inactive"));
    EXPECT_EQ(count("UPDATE"), 1U);
    EXPECT_EQ(last_document_.mode, DataMode::Complete);
    EXPECT_THAT(directions_of(sdp_of(*last("UPDATE"))),
                ElementsAre(Direction::Inactive, Direction::Inactive));
}

TEST_F(ClientSessionRequests, P106_PartialsAfterASnapshotBuildOnIt) {
    model_ = {};  // the server has lost all
    server_request("UPDATE", write_snapshot_request(""), kMetadataType);
    answer("UPDATE", 200, server_sdp(2));
    call_.streams[0].is_held = true;
    set_state(state());
    wait(kMetadataDelay);
    EXPECT_EQ(last_document_.mode, DataMode::Partial);
    EXPECT_TRUE(model_.is_held("1"));
    EXPECT_TRUE(model_.unresolved().empty());
}

TEST_F(ClientSessionRequests, AStormOfRequestsGetsOneSnapshotASecond) {
    for (int i = 0; i < 50; ++i) {
        server_request("UPDATE", write_snapshot_request("again"), kMetadataType);
        EXPECT_EQ(status(), 200);
        if (count("UPDATE") == static_cast<std::size_t>(i) + 1)
            answer("UPDATE", 200, server_sdp(2));
    }
    EXPECT_EQ(count("UPDATE"), 1U);
    wait(kSnapshotInterval);
    EXPECT_EQ(count("UPDATE"), 2U);
    EXPECT_LE(count(ClientEvent::Kind::SnapshotRequested), 2U);
}

TEST_F(ClientSessionRequests, BodiesThatAreNoneHarmNothing) {
    for (const char* type :
         {"multipart/mixed", "application/sdp", "application/rs-metadata+xml", "x"}) {
        server_request("INFO", "\x01\xff garbage", type);
        EXPECT_EQ(status(), 200) << type;
        server_request("UPDATE", "\x01\xff garbage", type);
        EXPECT_TRUE(session_->is_running()) << type;
    }
}

TEST_F(ClientSessionRequests, WhatComesForASessionThatIsOverGets481) {
    session_->stop(now_);
    drain();
    answer("UPDATE", 200);
    server_request("INVITE", server_sdp(2));
    EXPECT_EQ(status(), 481);
    EXPECT_THAT(forks_, ElementsAre("stopped"));
}

}  // namespace
}  // namespace earshot::siprec
