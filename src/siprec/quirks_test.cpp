// The quirks of deployed clients, by their numbers in docs/siprec-conformance.md: each message is
// ours, written after the description of what the client sends.
#include <set>

#include "siprec/leniency.h"
#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

using Codes = std::set<std::string>;

class Quirk : public SessionTest {
protected:
    // The codes of all leniencies told since actions_ was cleared; each must name the peer.
    Codes codes() const {
        Codes found;
        for (const Event& event : all<Event>()) {
            if (event.leniency == Leniency::None) continue;
            const LeniencyFacts& facts = facts_of(event.leniency);
            EXPECT_THAT(event.json, HasSubstr("\"code\":\"" + std::string{facts.code} + "\""));
            EXPECT_THAT(event.json, HasSubstr("\"peer\":\"" + base::to_string(peer_) + "\""));
            EXPECT_THAT(event.json, HasSubstr("\"done\":\"" + std::string{facts.done} + "\""));
            found.emplace(facts.code);
        }
        return found;
    }
    std::vector<std::string> parties() const {
        std::vector<std::string> aors;
        const RowFacts facts = all<CreateRow>().at(0).facts;
        for (const auto& party : facts.participants) aors.push_back(party.aor);
        return aors;
    }
    std::vector<std::string> updated_parties() const {
        std::vector<std::string> aors;
        const RowFacts facts = all<UpdateRow>().at(0).facts;
        for (const auto& party : facts.participants) aors.push_back(party.aor);
        return aors;
    }
};

// ---- every message, lenient and strict --------------------------------------------------------

struct QuirkCase {
    const char* file;
    int strict_status;    // 200: the standards do not forbid what it does
    const char* reason;   // of strict mode's refusal
    bool fails_metadata;  // strict: the document counts as unreadable (E-9)
    Codes codes;
};

class EachQuirk : public Quirk, public testing::WithParamInterface<QuirkCase> {};

TEST_P(EachQuirk, IsTakenAndToldWithThePeerAndTheFault) {
    const QuirkCase& one = GetParam();
    start(message_from(one.file));
    EXPECT_EQ(response().status, 200);
    EXPECT_TRUE(session_->is_established());
    EXPECT_EQ(codes(), one.codes);
}

TEST_P(EachQuirk, IsRefusedInStrictModeWhereTheStandardsForbidIt) {
    const QuirkCase& one = GetParam();
    config_.strict = true;
    start(message_from(one.file));
    EXPECT_EQ(response().status, one.strict_status);
    EXPECT_EQ(all<CreateRow>().size(), 1U);
    if (one.strict_status != 200) {
        EXPECT_EQ(all<End>().at(0).reason.code, one.reason);
        return;
    }
    // Media goes on; the document is asked for again, and the second bad one ends the session.
    ack();
    const std::size_t objects = session_->metadata().objects().count();
    EXPECT_EQ(objects == 0, one.fails_metadata);
    if (!one.fails_metadata) return;
    wait(std::chrono::seconds{1});
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(all<SendRequest>()[0].request.method, "UPDATE");
    session_->on_response(now_,
                          message_of("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
                                     "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
                                     "Call-ID: 1\r\nCSeq: 1 UPDATE\r\n\r\n"));
    drain();
    request(message_from(one.file));
    EXPECT_TRUE(session_->is_ended());
    EXPECT_EQ(all<SendRequest>().at(0).request.method, "BYE");
    EXPECT_EQ(all<End>().at(0).reason.code, "bad_metadata");
}

INSTANTIATE_TEST_SUITE_P(
    OfTheField, EachQuirk,
    testing::Values(
        QuirkCase{"opensips.sip",
                  200,
                  "",
                  true,
                  {"bare_ampersand", "time_form", "sip_session_id_form"}},          // Q4, Q7
        QuirkCase{"opensips-without-streams.sip", 200, "", false, {"no_streams"}},  // Q3
        QuirkCase{"opensips-group.sip", 200, "", true, {"bad_id", "unnamespaced_extension"}},
        QuirkCase{"opensips-rtpengine.sip", 200, "", true, {"bad_id", "unnamespaced_extension"}},
        QuirkCase{"opensips-unset-address.sip",
                  200,
                  "",
                  true,
                  {"unset_media_address", "bad_id", "unnamespaced_extension"}},  // Q8
        QuirkCase{"opensips-loopback-address.sip",
                  200,
                  "",
                  true,
                  {"loopback_media_address", "bad_id", "unnamespaced_extension"}},  // Q8
        QuirkCase{"opensips-without-address.sip",
                  488,
                  "sdp_lacks_lines",
                  false,
                  {"sdp_lacks_lines", "bad_id", "unnamespaced_extension"}},  // Q8
        QuirkCase{"opensips-mixed-profiles.sip",
                  200,
                  "",
                  true,
                  {"bad_id", "unnamespaced_extension"}},  // Q9
        QuirkCase{"oracle.sip",
                  200,
                  "",
                  true,
                  {"older_metadata_form", "time_form", "unnamespaced_extension"}},  // Q10-Q13
        QuirkCase{"oracle-two-sdp.sip", 400, "second_sdp", false, {"second_sdp"}},  // Q15
        QuirkCase{"cisco-cube.sip",
                  400,
                  "no_closing_boundary",
                  false,
                  {"no_closing_boundary", "revealing_id"}},  // Q16, Q18
        QuirkCase{"cisco-nbr.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"no_option_tag", "no_feature_tag", "no_label"}},  // Q19, Q38
        QuirkCase{"cucm-near.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"no_option_tag", "no_feature_tag", "no_offer"}},  // Q20
        QuirkCase{
            "ribbon.sip",
            200,
            "",
            true,
            {"older_metadata_form", "implausible_time", "aor_without_scheme", "bad_id"}},  // Q21
        QuirkCase{"metaswitch.sip",
                  400,
                  "unterminated_contact",
                  false,
                  {"unterminated_contact", "short_metadata_type", "older_metadata_form",
                   "aor_without_scheme"}},  // Q22
        QuirkCase{"broadworks.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"no_option_tag", "feature_tag_unprefixed", "short_metadata_type",
                   "older_metadata_form"}},  // Q24
        QuirkCase{"webex.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"no_option_tag", "feature_tag_unprefixed", "short_metadata_type",
                   "older_metadata_form"}},  // Q26
        QuirkCase{"avaya.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"feature_tag_in_uri", "short_metadata_type", "older_metadata_form", "time_form",
                   "no_id", "bad_id", "placeholder_participant"}},  // Q27
        QuirkCase{"audiocodes.sip",
                  403,
                  "not_a_recording_session",
                  false,
                  {"no_option_tag", "feature_tag_unprefixed", "short_metadata_type",
                   "older_metadata_form", "bad_id", "aor_without_scheme"}},                   // Q28
        QuirkCase{"jambonz.sip", 403, "not_a_recording_session", false, {"no_feature_tag"}},  // Q30
        QuirkCase{"netsapiens-1.0.sip", 200, "", false, {"bad_id"}},                          // Q31
        QuirkCase{"procomm.sip",
                  200,
                  "",
                  false,
                  {"direction_both", "short_metadata_type", "no_streams"}},  // Q32
        QuirkCase{"intrado.sip", 200, "", false, {}},                        // Q36
        QuirkCase{"two-party.sip", 200, "", false, {}}),
    [](const auto& instance) {
        std::string name = instance.param.file;
        name = name.substr(0, name.size() - 4);
        std::replace_if(
            name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
        return name;
    });

TEST(LeniencyCatalogue, EachHasAStableCodeOfItsOwnAndSaysWhatWasDone) {
    Codes seen;
    for (std::size_t i = 1; i < kLeniencies; ++i) {
        const LeniencyFacts& facts = facts_of(static_cast<Leniency>(i));
        EXPECT_TRUE(seen.emplace(facts.code).second) << facts.code;
        EXPECT_FALSE(facts.fault.empty() || facts.done.empty()) << facts.code;
        EXPECT_EQ(std::string{facts.code}.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
                  std::string::npos);
    }
}

// ---- OpenSIPS ---------------------------------------------------------------------------------

TEST_F(Quirk, Q3_TakesTheParticipantsInTheOrderOfTheLinesWhenNoStreamIsNamed) {
    establish("opensips-without-streams.sip");
    EXPECT_EQ(count("stream_held"), 0U);
    EXPECT_THAT(events("parties_assumed").at(0),
                HasSubstr(R"("source":"order","participants":["sip:ann@pbx.example",)"
                          R"("sip:bob@pbx.example"],"labels":["0","1"])"));
    request(message_from("opensips-without-streams.sip"));
    EXPECT_EQ(count("parties_assumed"), 0U);  // nothing new
}

TEST_F(Quirk, Q8_TakesLinesWhoseAddressIsUnsetMissingOrOurOwnLoopback) {
    for (const char* file : {"opensips-unset-address.sip", "opensips-without-address.sip",
                             "opensips-loopback-address.sip"}) {
        SCOPED_TRACE(file);
        actions_.clear();
        establish(file);
        const auto opened = all<OpenStream>();
        ASSERT_EQ(opened.size(), 2U);
        EXPECT_FALSE(opened[0].facts.paused);
        // RTP is taken from the SIP peer's host beside this one (capture/stream_receiver).
        EXPECT_EQ(opened[0].facts.peer_rtp.port, 35000);
    }
}

TEST_F(Quirk, Q9_RecordsTheClearLineAndTheSecureOne) {
    establish("opensips-mixed-profiles.sip");
    ASSERT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_FALSE(all<OpenStream>()[0].facts.sdes);
    EXPECT_TRUE(all<OpenStream>()[1].facts.sdes);
    const auto lines = answer_lines("m=");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], "m=audio 10000 RTP/AVP 0 8 101");
    EXPECT_THAT(lines[1], HasSubstr("m=audio 10002 RTP/SAVP"));
    EXPECT_EQ(answer_lines("a=crypto:").size(), 1U);
}

// interop.md section 3.5: the metadata names two streams, the SDP has three lines.
TEST_F(Quirk, OpenSipsWithRtpengineMayOfferLinesThatTheMetadataDoesNotName) {
    establish("opensips-rtpengine.sip");
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 3U);
    EXPECT_EQ(opened[2].facts.label, "4");
    EXPECT_EQ(opened[2].facts.peer_rtcp.port, 30005);
    EXPECT_EQ(aor_of_sender("0"), "sip:ann@pbx.example");
}

// Section 3.4: a group is free text of the administrator, a profile's name and no call's.
TEST_F(Quirk, OpenSipsGroupIsAFreeTextThatIsKept) {
    establish("opensips-group.sip");
    EXPECT_EQ(all<CreateRow>()[0].facts.group, "inbound");
    const auto& group = session_->metadata().objects().groups.at(0);
    EXPECT_EQ(group.extensions[0].name, "tenant");
}

// Section 3.5: the o= version of rtpproxy's SDP is never raised.
TEST_F(Quirk, OpenSipsNeverRaisesTheVersionAndIsTakenByTheBody) {
    establish("opensips-group.sip");
    std::string text = read_data("siprec/opensips-group.sip");
    text.replace(text.find("m=audio 35002"), 13, "m=audio 36002");
    request(message_of(to_wire(text)));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<UpdateStream>().at(0).facts.peer_rtp.port, 36002);
    EXPECT_THAT(codes(), testing::Contains("sdp_version_not_raised"));
    config_.strict = true;
    std::string strict = read_data("siprec/two-party.sip");
    start(message_of(to_wire(strict)));
    ack();
    strict.replace(strict.find("a=sendonly"), 10, "a=inactive");
    request(message_of(to_wire(strict)));
    EXPECT_EQ(response().status, 488);
    EXPECT_THAT(header(response(), "Warning"), HasSubstr("version"));
    EXPECT_TRUE(all<PauseStream>().empty());  // what is refused changes nothing
}

// Section 3.8: it refuses our snapshot request by 488 and even our BYE by 405.
TEST_F(Quirk, OpenSipsRefusesWhatWeSendAndTheCallGoesOnOrEnds) {
    start(message_of(in_dialog("INVITE",
                               "Require: siprec\nContent-Type: application/sdp\n"
                               "User-Agent: OpenSIPS (3.4.5 (x86_64/linux))\n",
                               "v=0\no=- 1 1 IN IP4 192.0.2.30\ns=-\nc=IN IP4 192.0.2.30\nt=0 0\n"
                               "m=audio 35000 RTP/AVP 0\na=sendonly\na=label:0\n")));
    ack();
    wait(kSnapshotDelay);
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    const auto answer = [&](const char* status, const char* method) {
        actions_.clear();
        session_->on_response(
            now_, message_of(std::string{"SIP/2.0 "} + status +
                             "\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
                             "To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 " +
                             method + "\r\n\r\n"));
        drain();
    };
    answer("488 Not Acceptable", "UPDATE");
    EXPECT_EQ(count("snapshot_refused"), 1U);
    EXPECT_FALSE(session_->is_ended());
    actions_.clear();
    session_->stop(now_, {"stopped", "The recording server was stopped."});
    drain();
    EXPECT_EQ(all<SendRequest>().at(0).request.method, "BYE");
    EXPECT_TRUE(session_->is_ended());
    answer("405 Method Not Allowed", "BYE");
    EXPECT_TRUE(actions_.empty());
}

// ---- Oracle -----------------------------------------------------------------------------------

TEST_F(Quirk, Q10_Q11_Q12_Q13_TakesTheInviteOfOracle) {
    establish("oracle.sip");
    EXPECT_EQ(answer_lines("a=label:"),
              (std::vector<std::string>{"a=label:16777227", "a=label:771757897"}));
    EXPECT_EQ(aor_of_sender("16777227"), "sip:1001@oracle.example");
    const MetadataObjects& objects = session_->metadata().objects();
    ASSERT_EQ(objects.participants.at(0).extensions.size(), 1U);
    const std::string& extension = objects.participants[0].extensions[0].xml;
    EXPECT_THAT(extension, HasSubstr("callingParty"));
    EXPECT_THAT(extension, HasSubstr("P-Asserted-Identity"));
    EXPECT_THAT(objects.sessions.at(0).extensions[0].xml, HasSubstr(";encoding=hex"));
    EXPECT_EQ(all<CreateRow>()[0].facts.from, "<sip:acmeSrc@192.0.2.20>;tag=a1");
}

TEST_F(Quirk, Q14_TakesTheRealSdpAndMetadataThatFollowTheAnswerOfTheCallee) {
    establish("oracle.sip");
    EXPECT_EQ(parties(), std::vector<std::string>{"sip:1001@oracle.example"});
    request(message_from("oracle-answered.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<UpdateStream>().size(), 2U);
    EXPECT_EQ(all<UpdateStream>()[0].facts.peer_rtp.port, 20010);
    EXPECT_TRUE(all<OpenStream>().empty());
    EXPECT_THAT(updated_parties(),
                ElementsAre("sip:1001@oracle.example", "sip:1002@oracle.example"));
    // It can require even RTP ports: ours always are (io/port_allocator).
    for (const std::string& line : answer_lines("m=audio "))
        EXPECT_EQ(std::stoi(line.substr(8)) % 2, 0) << line;
}

TEST_F(Quirk, Q14_E18_AsksOnceMoreWhenItsRequestMetOneOfTheClient) {
    establish("cisco-nbr.sip");
    wait(kSnapshotDelay);
    for (std::uint32_t tries = 0; tries <= kMaxGlareRetries; ++tries) {
        ASSERT_EQ(all<SendRequest>().size(), 1U) << tries;
        EXPECT_EQ(count("snapshot_refused"), 0U);
        session_->on_response(
            now_,
            message_of("SIP/2.0 491 Request Pending\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
                       "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\n"
                       "CSeq: 1 UPDATE\r\n\r\n"),
            1s);
        drain();
        if (tries < kMaxGlareRetries) wait(1s);
    }
    EXPECT_EQ(count("snapshot_refused"), 1U);
    wait(60s);
    EXPECT_THAT(all<SendRequest>(), IsEmpty()) << "it asks for ever";
}

TEST_F(Quirk, Q15_TakesTheFirstOfTwoDescriptionsAndTextBetweenPartsAsNoise) {
    for (const char* file : {"oracle-two-sdp.sip", "oracle-stray-part.sip"}) {
        SCOPED_TRACE(file);
        actions_.clear();
        establish(file);
        EXPECT_EQ(response().status, 200);
        const auto opened = all<OpenStream>();
        ASSERT_GE(opened.size(), 2U);
        EXPECT_EQ(opened[0].facts.peer_rtp.port, 20000);
        EXPECT_EQ(opened[1].facts.peer_rtp.port, 20002);
    }
}

// ---- Cisco ------------------------------------------------------------------------------------

TEST_F(Quirk, Q16_Q18_TakesTheInviteOfCubeWithAThirdPartAndWithoutAnEnd) {
    establish("cisco-cube.sip");
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_EQ(aor_of_sender("1"), "sip:1001@cube.example");  // elements come interleaved
    EXPECT_EQ(aor_of_sender("2"), "sip:1002@cube.example");
    const MetadataObjects& objects = session_->metadata().objects();
    EXPECT_EQ(objects.sessions.at(0).sip_session_ids.at(0),
              "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2");
    EXPECT_EQ(objects.participants.at(0).names.at(0).language, "en");
    EXPECT_EQ(objects.participants.at(1).names.at(0).name, "");
    EXPECT_EQ(all<OpenStream>()[0].facts.payload_types.at(2).encoding, "CN");  // Q17: as 19
}

TEST_F(Quirk, Q17_HoldIsInactiveLinesWithEmptyAssociations) {
    establish("cisco-cube.sip");
    request(message_from("cisco-cube-hold.sip"));
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_EQ(answer_lines("a=inactive").size(), 2U);
    EXPECT_EQ(count("stream_held"), 2U);
    EXPECT_EQ(count("parties_assumed"), 0U);
    ack();
    request(message_from("cisco-cube.sip"));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
    EXPECT_EQ(count("stream_unheld"), 2U);
}

TEST_F(Quirk, Q19_NamesThePartiesOfTheHeadersAndTakesATransferOfThem) {
    establish("cisco-nbr.sip");
    EXPECT_THAT(parties(), ElementsAre("sip:1000@192.0.2.61", "sip:2000@192.0.2.62"));
    EXPECT_THAT(events("parties_assumed").at(0), HasSubstr(R"("source":"headers")"));
    EXPECT_THAT(events("parties_assumed").at(0), HasSubstr(R"("labels":["0","1"])"));
    request(message_from("cisco-nbr-transfer.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(events("parties_assumed").at(0), HasSubstr("sip:3000@192.0.2.63"));
    EXPECT_THAT(updated_parties(), ElementsAre("sip:1000@192.0.2.61", "sip:3000@192.0.2.63"));
    EXPECT_TRUE(all<OpenStream>().empty());
}

TEST_F(Quirk, Q20_RecordsBothDialogsOfABuiltInBridgeWithTheOfferInTheAck) {
    for (const char* file : {"cucm-near.sip", "cucm-far.sip"}) {
        SCOPED_TRACE(file);
        actions_.clear();
        start(message_from(file));
        ASSERT_EQ(response().status, 200);
        EXPECT_EQ(answer_lines("a=recvonly").size(), 2U);
        session_->on_ack(now_, message_of(in_dialog(
                                   "ACK", "Content-Type: application/sdp\n",
                                   "v=0\no=CUCM 1 1 IN IP4 192.0.2.71\ns=-\nc=IN IP4 192.0.2.71\n"
                                   "t=0 0\nm=audio 18000 RTP/AVP 0 101\n"
                                   "a=rtpmap:101 telephone-event/8000\na=sendonly\n"
                                   "m=audio 0 RTP/AVP 0\n")));
        drain();
        EXPECT_EQ(base::to_string(all<UpdateStream>().at(0).facts.peer_rtp), "192.0.2.71:18000");
        EXPECT_EQ(all<CloseStream>().size(), 1U);  // one party a dialog
        EXPECT_FALSE(session_->is_ended());
        EXPECT_THAT(all<CreateRow>()[0].facts.from, HasSubstr("x-refci=27298698"));
    }
}

// ---- Ribbon, Metaswitch, BroadWorks, Webex ----------------------------------------------------

TEST_F(Quirk, Q21_BelievesWhoSendsAndNotTheOrderOfTheLabels) {
    establish("ribbon.sip");
    EXPECT_EQ(aor_of_sender("2"), "+12125550111@ribbon.example");
    EXPECT_EQ(aor_of_sender("1"), "+12125550122@ribbon.example");
    const MetadataObjects& objects = session_->metadata().objects();
    EXPECT_THAT(objects.groups.at(0).extensions[0].xml, HasSubstr("gcid"));
    EXPECT_EQ(objects.participants.at(0).names.at(0).name, "");  // a space
}

TEST_F(Quirk, Q22_BothPartiesMaySendOneLine) {
    establish("metaswitch.sip");
    EXPECT_EQ(aor_of_sender("1"), "2125550100");
    EXPECT_FALSE(all<OpenStream>().at(0).facts.paused);  // no direction: sendrecv
    EXPECT_EQ(answer_lines("a=recvonly").size(), 1U);
}

TEST_F(Quirk, Q23_ANewPortInAReinviteGoesOnInTheSameStream) {
    establish("metaswitch.sip");
    std::string text = read_data("siprec/metaswitch.sip");
    text.replace(text.find("m=audio 20000"), 13, "m=audio 20044");
    text.replace(text.find("o=- 1 1"), 7, "o=- 1 2");
    request(message_of(to_wire(text)));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<UpdateStream>().at(0).facts.peer_rtp.port, 20044);
    EXPECT_EQ(answer_lines("m=").at(0), "m=audio 10000 RTP/AVP 0 8 2");  // ours stays
}

TEST_F(Quirk, Q23_OneHumanCallMayComeOnceForEachSubscriber) {
    establish("metaswitch.sip");
    const auto first = all<CreateRow>().at(0).facts.session_ids;
    std::string text = read_data("siprec/metaswitch.sip");
    text.replace(text.find("Call-ID: meta1"), 14, "Call-ID: meta2");
    actions_.clear();
    start(message_of(to_wire(text)));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<CreateRow>().at(0).facts.session_ids, first);  // what a search finds both by
}

TEST_F(Quirk, Q25_AConferenceIsAnUpdateOfMetadataAlone) {
    establish("broadworks.sip");
    request(message_from("broadworks-conference.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_TRUE(response().body.empty());
    EXPECT_THAT(updated_parties(),
                ElementsAre("sip:ada@bw.example", "sip:bo@bw.example", "sip:chi@bw.example"));
    EXPECT_EQ(session_->metadata().senders_of("10").size(), 3U);
    EXPECT_TRUE(all<OpenStream>().empty());
    EXPECT_THAT(session_->metadata().objects().extensions[0].xml, HasSubstr("extTrackingID"));
}

TEST_F(Quirk, Q26_KeepsTheOpaquePartiesOfWebexAndTheThirdOneThatAnUpdateBrings) {
    establish("webex.sip");
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 1U);
    EXPECT_EQ(opened[0].facts.payload_types.at(0).encoding, "opus");
    EXPECT_EQ(opened[0].facts.payload_types.at(2).clock_rate, 48000U);
    EXPECT_THAT(all<CreateRow>()[0].facts.from, HasSubstr("+12125550100"));
    request(message_from("webex-conference.sip"));
    EXPECT_EQ(updated_parties().size(), 3U);
    EXPECT_EQ(updated_parties().back(), "+12125550188@webex.example");
    EXPECT_THAT(codes(), testing::Contains("aor_without_scheme"));
}

// ---- Avaya, AudioCodes, jambonz ---------------------------------------------------------------

TEST_F(Quirk, Q27_ForgetsThePlaceholderOnceTheUpdateNamesTheParties) {
    establish("avaya.sip");
    EXPECT_EQ(answer_lines("a=label:"), (std::vector<std::string>{"a=label:10", "a=label:20"}));
    request(message_from("avaya-update.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(updated_parties(), ElementsAre("sip:3001@avaya.example", "sip:3002@avaya.example"));
    EXPECT_EQ(aor_of_sender("10"), "sip:3001@avaya.example");
    EXPECT_EQ(aor_of_sender("20"), "sip:3002@avaya.example");
}

TEST_F(Quirk, Q27_MayBeCancelledEarly) {
    stores_rows_ = false;
    start(message_from("avaya.sip"));
    session_->on_cancel(now_);
    drain();
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_EQ(all<End>().at(0).reason.code, "cancelled");
}

TEST_F(Quirk, Q28_JoinsByLabelWhenTheCalleesLineComesFirst) {
    establish("audiocodes.sip");
    EXPECT_EQ(all<OpenStream>().at(0).facts.label, "2");
    EXPECT_EQ(aor_of_sender("2"), "+12125550144@ac.example");
    EXPECT_EQ(aor_of_sender("1"), "+12125550133@ac.example");
    const auto& participant = session_->metadata().objects().participants.at(0);
    EXPECT_EQ(participant.id.text(), "+12125550133");
    EXPECT_THAT(participant.extensions[0].xml, HasSubstr("AvayaUCID"));
}

TEST_F(Quirk, Q29_TakesOffersThatGrowAndShrinkAndAnswersForeignInfo) {
    start(message_from("audiocodes-one-line.sip"));
    ack();
    EXPECT_EQ(response().status, 200);
    EXPECT_TRUE(all<OpenStream>().at(0).facts.paused);
    request(message_from("audiocodes.sip"));  // hold: two lines
    EXPECT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(all<ResumeStream>().size(), 1U);
    ack();
    request(message_from("audiocodes-one-line.sip"));
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_THAT(codes(), testing::Contains("fewer_media_lines"));
    ack();
    request("INFO", "X-AC-Action: start-siprec\n");
    EXPECT_EQ(response().status, 200);
}

TEST_F(Quirk, Q30_PausesByPlainSdpAndGetsPlainSdp) {
    establish("jambonz.sip");
    EXPECT_EQ(response().content_type, "application/sdp");
    request(message_from("jambonz-pause.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(response().content_type, "application/sdp");
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_EQ(count("metadata_error"), 0U);
    EXPECT_EQ(aor_of_sender("1"), "sip:+12125550155@jambonz.example");  // nothing is forgotten
    EXPECT_THAT(session_->metadata().objects().sessions.at(0).extensions[0].xml,
                HasSubstr("callingNumber"));  // swapped by the client; kept, never interpreted
}

// ---- others -----------------------------------------------------------------------------------

TEST_F(Quirk, Q31_EchoesLabelsAndTakesEitherKindOfParticipantId) {
    establish("netsapiens-1.0.sip");
    EXPECT_EQ(answer_lines("a=label:").size(), 2U);
    EXPECT_EQ(aor_of_sender("1"), "sip:101@ns.example");
    EXPECT_EQ(base::to_string(all<OpenStream>().at(0).facts.peer_rtp), "192.0.2.86:22000");
    actions_.clear();
    establish("netsapiens-1.1.sip");
    EXPECT_EQ(aor_of_sender("1"), "sip:101@ns.example");
    const auto& participant = session_->metadata().objects().participants.at(0);
    EXPECT_EQ(participant.id.text(), "20260302091500-a@192.0.2.85");
    EXPECT_THAT(participant.extensions[0].xml, HasSubstr("transferred-from"));
}

TEST_F(Quirk, Q32_TakesWordsForLabelsAndTagsOverSeveralLines) {
    establish("procomm.sip");
    EXPECT_EQ(answer_lines("a=label:"),
              (std::vector<std::string>{"a=label:a_leg", "a=label:b_leg"}));
    EXPECT_EQ(answer_lines("a=recvonly").size(), 2U);
    EXPECT_FALSE(all<OpenStream>().at(0).facts.paused);
    EXPECT_THAT(events("parties_assumed").at(0), HasSubstr(R"("labels":["a_leg","b_leg"])"));
}

TEST_F(Quirk, Q33_BareLineFeedsAreTold) {
    std::string text = read_data("siprec/intrado.sip");
    const std::size_t blank = text.find("\n\n");
    text.insert(blank, "\nContent-Length: " + std::to_string(text.size() - blank - 2));
    start(message_of(text));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(codes(), Codes{"bare_line_feeds"});
    config_.strict = true;
    actions_.clear();
    start(message_of(text));
    EXPECT_EQ(response().status, 400);
    EXPECT_EQ(all<End>().at(0).reason.code, "bare_line_feeds");
}

TEST_F(Quirk, Q36_OneLineMayCarryBothParties) {
    establish("intrado.sip");
    EXPECT_EQ(answer_lines("m=").size(), 1U);
    EXPECT_EQ(session_->metadata().senders_of("1").size(), 2U);
    EXPECT_EQ(parties().size(), 2U);
}

TEST_F(Quirk, EachFaultIsToldOnceInASession) {
    establish("cisco-cube.sip");
    request(message_from("cisco-cube.sip"));
    EXPECT_EQ(codes(), Codes{});
}

TEST_F(Quirk, EachMessageSurvivesEveryTruncationOfItsBody) {
    for (const char* file : {"oracle.sip", "cisco-cube.sip", "ribbon.sip", "avaya.sip",
                             "audiocodes.sip", "procomm.sip"}) {
        const std::string text = read_data(std::string{"siprec/"} + file);
        for (std::size_t size = text.find("\n\n") + 2; size < text.size(); size += 11) {
            actions_.clear();
            start(message_of(to_wire(text.substr(0, size))));
            EXPECT_EQ(all<Respond>().size(), 1U) << file << " " << size;
        }
    }
}

}  // namespace
}  // namespace earshot::siprec
