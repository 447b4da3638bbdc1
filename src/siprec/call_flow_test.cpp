// The call flows of RFC 8068 (F-1 to F-5 of the conformance list), and INVITEs shaped like those of
// deployed clients, whole and in order.
#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;

class CallFlow : public SessionTest {};

TEST_F(CallFlow, F1_TwoPartyAudioAndVideoUnmixed) {
    establish("f1-two-party-av.sip");
    EXPECT_EQ(response().status, 200);
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 4U);
    EXPECT_EQ(opened[1].facts.media, "video");
    EXPECT_EQ(opened[1].facts.payload_types[0].encoding, "H264");
    EXPECT_EQ(base::to_string(opened[3].facts.peer_rtp), "192.0.2.20:22458");
    EXPECT_EQ(aor_of_sender("96"), "sip:anna@desk.example");
    EXPECT_EQ(aor_of_sender("98"), "sip:bert@desk.example");
    EXPECT_EQ(answer_lines("a=label:"),
              (std::vector<std::string>{"a=label:96", "a=label:97", "a=label:98", "a=label:99"}));
    EXPECT_EQ(answer_lines("a=recvonly").size(), 4U);
}

TEST_F(CallFlow, F2_HoldAndResume) {
    establish("f1-two-party-av.sip");
    request(message_from("f2-hold.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("stream_held"), 2U);  // the held side's audio and video
    EXPECT_THAT(events("stream_held")[0], HasSubstr("\"stream\":0"));
    EXPECT_THAT(events("stream_held")[1], HasSubstr("\"stream\":1"));
    EXPECT_TRUE(all<PauseStream>().empty());  // the media of the RS stays sendonly
    EXPECT_TRUE(all<UpdateStream>().empty());
    ack();
    request(message_from("f2-resume.sip"));
    EXPECT_EQ(count("stream_unheld"), 2U);
}

TEST_F(CallFlow, F3_TransferByReinvite) {
    establish("f1-two-party-av.sip");
    request(message_from("f3-transfer-reinvite.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(aor_of_sender("98"), "sip:carla@desk.example");
    const MetadataObjects& all_objects = session_->metadata().objects();
    EXPECT_EQ(all_objects.sessions.size(), 1U);
    ASSERT_EQ(all_objects.sessions[0].sip_session_ids.size(), 1U);
    EXPECT_THAT(all_objects.sessions[0].sip_session_ids[0], HasSubstr("a358d2b81a444a8c"));
    EXPECT_EQ(all_objects.participants.size(), 3U);
    EXPECT_TRUE(all_objects.participant_sessions[1].periods[0].disassociate);
    EXPECT_EQ(count("stream_held"), 0U);
    EXPECT_EQ(all<UpdateRow>().at(0).facts.participants.size(), 3U);
}

TEST_F(CallFlow, F4_TransferByReferMakesANewSessionInTheSameGroup) {
    establish("f1-two-party-av.sip");
    request(message_from("f4-refer-stop.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("stream_held"), 0U);  // over, not held
    request(message_from("f4-refer-new-session.sip"));
    EXPECT_EQ(response().status, 200);
    const MetadataModel& model = session_->metadata();
    ASSERT_EQ(model.objects().sessions.size(), 2U);
    EXPECT_TRUE(model.objects().sessions[0].stop);
    EXPECT_EQ(model.objects().sessions[1].group, model.objects().groups[0].id);
    EXPECT_EQ(model.find_stream_by_label("96")->session, model.objects().sessions[1].id);
    EXPECT_EQ(aor_of_sender("98"), "sip:carla@desk.example");
    EXPECT_EQ(all<UpdateRow>().at(0).facts.session_ids.size(), 2U);
    EXPECT_TRUE(all<OpenStream>().empty());
}

TEST_F(CallFlow, F5_X8_TheByeMayCarryTheClosingUpdate) {
    establish("f1-two-party-av.sip");
    request(message_from("f5-bye.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<StoreMetadata>().size(), 1U);
    EXPECT_TRUE(session_->metadata().objects().sessions[0].stop);
    EXPECT_EQ(count("stream_held"), 0U);
    EXPECT_EQ(all<CloseStream>().size(), 4U);
    EXPECT_TRUE(session_->is_ended());
}

std::vector<std::string> aors_of(const std::vector<const Participant*>& participants) {
    std::vector<std::string> aors;
    for (const Participant* one : participants) aors.push_back(one->names.at(0).aor);
    return aors;
}

// No CSRC list comes with a mix of this client: who is in it is known by the metadata (P-85).
TEST_F(CallFlow, F6_P85_AFocusRecordsAMixOfAllItsParties) {
    establish("f6-focus-mixed.sip");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(aors_of(session_->metadata().senders_of("96")),
              (std::vector<std::string>{"sip:anna@desk.example", "sip:bert@desk.example"}));
    EXPECT_EQ(session_->metadata().objects().sessions.at(0).sip_session_ids.size(), 2U);
    EXPECT_EQ(count("sip_leniency") + count("metadata_error"), 0U);
}

TEST_F(CallFlow, F7_HoldAndResumeOfOnePartyInAMix) {
    establish("f6-focus-mixed.sip");
    request(message_from("f7-hold.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(aors_of(session_->metadata().senders_of("96")),
              std::vector<std::string>{"sip:bert@desk.example"});
    EXPECT_EQ(count("stream_held"), 0U);  // the other one speaks on
    request(message_from("f7-resume.sip"));
    EXPECT_EQ(session_->metadata().senders_of("96").size(), 2U);
}

TEST_F(CallFlow, F8_AJoinLengthensAndALeaveShortensTheListOfSessionIds) {
    establish("f6-focus-mixed.sip");
    const MetadataObjects& objects = session_->metadata().objects();
    request(message_from("f8-join.sip"));
    EXPECT_EQ(objects.sessions.at(0).sip_session_ids.size(), 3U);
    EXPECT_EQ(session_->metadata().senders_of("96").size(), 3U);
    EXPECT_EQ(all<UpdateRow>().at(0).facts.participants.size(), 3U);
    request(message_from("f8-leave.sip"));
    EXPECT_EQ(objects.sessions.at(0).sip_session_ids.size(), 2U);  // replaced, not merged
    EXPECT_EQ(session_->metadata().senders_of("96").size(), 2U);
    ASSERT_EQ(objects.participant_sessions.size(), 3U);
    EXPECT_TRUE(objects.participant_sessions[2].periods[0].disassociate);
    EXPECT_EQ(objects.participants.size(), 3U);  // who was there stays known
}

TEST_F(CallFlow, F9_X8_AConferenceEndsByAByeWithTheClosingUpdate) {
    establish("f6-focus-mixed.sip");
    request(message_from("f9-bye.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_TRUE(session_->metadata().objects().sessions.at(0).stop);
    EXPECT_EQ(count("stream_held"), 0U);
    EXPECT_TRUE(session_->is_ended());
}

// X-9: the RFC's sample is a re-INVITE with metadata and without an offer; it gets our lines again.
TEST_F(CallFlow, F10_X9_P110_ThePersistentSessionOutlivesItsCall) {
    establish("f6-focus-mixed.sip");
    request(message_from("f10-cs-ends.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(answer_lines("m=audio").size(), 1U);
    EXPECT_FALSE(session_->is_ended());
    EXPECT_TRUE(all<CloseStream>().empty());
    EXPECT_EQ(count("stream_held"), 0U);  // over, not held
    ack();
    request(message_from("f10-next-cs.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(aor_of_sender("96"), "sip:carla@desk.example");
    EXPECT_EQ(all<UpdateRow>().at(0).facts.session_ids.size(), 2U);
}

TEST_F(CallFlow, F11_ATurretMixesTwoCallsOfOneGroup) {
    establish("f11-turret.sip");
    const MetadataModel& model = session_->metadata();
    ASSERT_EQ(model.objects().sessions.size(), 2U);
    EXPECT_EQ(model.objects().sessions[0].group, model.objects().sessions[1].group);
    EXPECT_EQ(model.find_stream_by_label("96")->session, model.objects().sessions[0].id);
    EXPECT_EQ(model.senders_of("96").size(), 3U);
    EXPECT_EQ(model.objects().participant_sessions.size(), 4U);  // the trader is in both
    EXPECT_EQ(all<CreateRow>().at(0).facts.session_ids.size(), 2U);
}

// Figures 1 to 3 and 7 of RFC 7866: a snapshot, updates, and our request for one.
TEST_F(CallFlow, F12_SnapshotThenUpdatesThenTheRequestForASnapshot) {
    establish("f6-focus-mixed.sip");
    EXPECT_TRUE(session_->metadata().has_snapshot());
    request(message_from("f8-join.sip"));
    EXPECT_THAT(events("metadata_received").at(0), HasSubstr("\"mode\":\"partial\""));
    std::string broken = read_data("siprec/f8-leave.sip");
    broken.replace(broken.find("</recording>"), 12, "");
    request(message_of(to_wire(broken)));
    EXPECT_EQ(response().status, 200);
    wait(std::chrono::seconds{1});
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(all<SendRequest>()[0].request.method, "UPDATE");
    EXPECT_THAT(all<SendRequest>()[0].request.body, HasSubstr("requestsnapshot"));
    EXPECT_THAT(all<SendRequest>()[0].request.body, HasSubstr("requestreason"));  // P-108
}

TEST_F(CallFlow, F13_P38_RecordAttributesAreFactsAndNoOrders) {
    establish("f13-record-on.sip");
    EXPECT_THAT(events("record_attributes").at(0),
                HasSubstr(R"("record":["on","on"],"recordpref":["",""])"));
    request(message_from("f13-record-off.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(events("record_attributes").at(0),  // the medium's own word beats the session's
                HasSubstr(R"("record":["on","off"],"recordpref":["","off"])"));
    EXPECT_TRUE(all<PauseStream>().empty());
    EXPECT_THAT(response().body, testing::Not(HasSubstr("a=record")));  // ours tells none
    ack();
    request(message_from("f13-record-off.sip"));
    EXPECT_EQ(count("record_attributes"), 0U);
}

TEST_F(CallFlow, P38_AnOfferWithoutRecordAttributesTellsNothing) {
    establish("two-party.sip");
    EXPECT_EQ(count("record_attributes"), 0U);
}

// ---- the measured points of interop.md section 1, the quirks of section 2 ---------------------

TEST_F(CallFlow, Point1_AnswersEveryPayloadTypeOfEveryLine) {
    establish("opensips.sip");
    const auto lines = answer_lines("m=");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], "m=audio 10000 RTP/AVP 0 8 101");
    EXPECT_EQ(lines[1], "m=audio 10002 RTP/AVP 0 8 96 101");
}

TEST_F(CallFlow, Point2_Q2_EchoesEachLabel) {
    establish("opensips.sip");
    EXPECT_EQ(answer_lines("a=label:"), (std::vector<std::string>{"a=label:0", "a=label:1"}));
}

TEST_F(CallFlow, Point6_TakesOddPortsAndRtcpAttributes) {
    establish("opensips.sip");
    const auto opened = all<OpenStream>();
    EXPECT_EQ(opened[0].facts.peer_rtp.port, 35001);
    EXPECT_EQ(opened[0].facts.peer_rtcp.port, 35002);
}

TEST_F(CallFlow, Point8_Q1_Q4_Q5_Q6_Q7_TakesTheInviteOfOpenSips) {
    establish("opensips.sip");
    EXPECT_EQ(response().status, 200);
    const RowFacts facts = all<CreateRow>().at(0).facts;
    EXPECT_EQ(facts.call_id, "B2B.315.7751803.1712345678");
    ASSERT_EQ(facts.participants.size(), 2U);
    EXPECT_EQ(facts.participants[0].aor, "sip:ann@pbx.example;noa=international;srvattri=national");
    EXPECT_EQ(facts.participants[0].name, "Ann & Sons;lang=en-US;id=22");
    EXPECT_EQ(session_->metadata().objects().sessions[0].sip_session_ids[0],
              "7731-callid-of-the-cs");
    EXPECT_EQ(count("metadata_error"), 3U);  // the bare ampersand, the time, the sipSessionID
    EXPECT_EQ(count("sip_leniency"), 0U);
}

TEST_F(CallFlow, Point8_EveryReinviteRepeatsTheWholeMetadataAndItsFaultsAreToldOnce) {
    establish("opensips.sip");
    std::string again = to_wire(read_data("siprec/opensips.sip"));
    for (int i = 0; i < 3; ++i) {
        request(message_of(again));
        EXPECT_EQ(response().status, 200);
        EXPECT_EQ(count("metadata_error"), 0U);
        EXPECT_EQ(count("metadata_received"), 1U);
        EXPECT_TRUE(all<UpdateRow>().empty());
        EXPECT_TRUE(all<UpdateStream>().empty());
        ack();
    }
}

TEST_F(CallFlow, Point8_HoldInTwoReinvitesAndResumeInTwo) {
    establish("opensips.sip");
    const auto with = [&](const char* first, const char* second) {
        std::string text = read_data("siprec/opensips.sip");
        const std::size_t one = text.find("a=sendonly");
        text.replace(one, 10, first);
        const std::size_t two = text.find("a=sendonly", one + 8);
        text.replace(two == std::string::npos ? text.find("a=inactive", one + 8) : two, 10, second);
        request(message_of(to_wire(text)));
    };
    with("a=inactive", "a=sendonly");
    EXPECT_EQ(all<PauseStream>().size(), 1U);
    with("a=inactive", "a=inactive");
    EXPECT_EQ(all<PauseStream>().size(), 1U);
    EXPECT_TRUE(session_->is_paused());
    with("a=sendonly", "a=inactive");
    EXPECT_EQ(all<ResumeStream>().size(), 1U);
    with("a=sendonly", "a=sendonly");
    EXPECT_EQ(all<ResumeStream>().size(), 1U);
}

TEST_F(CallFlow, Point9_JoinsByLabelAndNotByOrder) {
    // Four lines as audio 0, video 2, audio 1, video 3; the streams of the metadata in another
    // order.
    establish("f1-two-party-av.sip");
    EXPECT_EQ(aor_of_sender("97"), "sip:anna@desk.example");
    EXPECT_EQ(all<OpenStream>()[1].facts.label, "97");
    EXPECT_EQ(all<OpenStream>()[1].facts.media, "video");
}

TEST_F(CallFlow, Point7_FailoverBringsTheSameSessionWithANewCallId) {
    establish("opensips.sip");
    const auto first = all<CreateRow>().at(0).facts.session_ids;
    std::string text = read_data("siprec/opensips.sip");
    text.replace(text.find("B2B.315"), 7, "B2B.316");
    actions_.clear();
    start(message_of(to_wire(text)));
    EXPECT_EQ(all<CreateRow>().at(0).facts.session_ids, first);
    EXPECT_NE(all<CreateRow>()[0].facts.call_id, "B2B.315.7751803.1712345678");
}

TEST_F(CallFlow, Point11_Point12_Q24_TakesTheInviteOfBroadWorks) {
    establish("broadworks.sip");
    EXPECT_EQ(response().status, 200);
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 1U);
    EXPECT_EQ(opened[0].facts.label, "10");
    EXPECT_EQ(aor_of_sender("10"), "sip:ada@bw.example");
    EXPECT_THAT(events("metadata_received").at(0), HasSubstr("\"older_form\":true"));
    EXPECT_EQ(all<CreateRow>()[0].facts.session_ids[0],
              "urn:uuid:a846c246-7e95-4b28-8115-1597039d23cc");
}

TEST_F(CallFlow, Q22_TakesTheInviteOfMetaswitch) {
    establish("metaswitch.sip");
    EXPECT_EQ(response().status, 200);
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 1U);
    ASSERT_EQ(opened[0].facts.payload_types.size(), 3U);  // none has an rtpmap
    EXPECT_EQ(opened[0].facts.payload_types[1].encoding, "PCMA");
    EXPECT_FALSE(opened[0].facts.paused);
    EXPECT_EQ(answer_lines("m=")[0], "m=audio 10000 RTP/AVP 0 8 2");
    EXPECT_EQ(aor_of_sender("1"), "2125550100");
}

TEST_F(CallFlow, Q19_Q38_TakesTheInviteOfCiscoWithoutMetadata) {
    establish("cisco-nbr.sip");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_EQ(all<OpenStream>()[1].facts.label, "1");
    EXPECT_EQ(all<CreateRow>()[0].facts.headers.size(), 2U);
    EXPECT_EQ(count("sip_leniency"), 3U);  // both marks, the labels
}

TEST_F(CallFlow, Q33_TakesBareLineFeedsThroughout) {
    std::string text = read_data("siprec/broadworks.sip");
    const std::size_t blank = text.find("\n\n");
    text.insert(blank, "\nContent-Length: " + std::to_string(text.size() - blank - 2));
    start(message_of(text));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<OpenStream>().size(), 1U);
}

TEST_F(CallFlow, SurvivesEveryTruncationOfABody) {
    const std::string text = read_data("siprec/opensips.sip");
    const std::size_t body = text.find("\n\n") + 2;
    for (std::size_t size = body; size < text.size(); size += 7) {
        actions_.clear();
        start(message_of(to_wire(text.substr(0, size))));
        EXPECT_EQ(all<Respond>().size(), 1U) << size;
    }
}

}  // namespace
}  // namespace earshot::siprec
