#include "siprec/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;

std::string read_example(const std::string& name) {
    std::ifstream file{std::string{EARSHOT_TEST_DATA} + "/metadata/" + name};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

MetadataDocument parse(std::string_view text) {
    auto document = parse_metadata(text);
    EXPECT_TRUE(document.has_value()) << (document ? "" : document.error().text);
    return document ? *document : MetadataDocument{};
}

std::string fault_of(std::string_view text) {
    const auto document = parse_metadata(text);
    return document ? std::string{} : document.error().text;
}

std::string recording(std::string_view inside, std::string_view mode = "complete") {
    return "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>" + std::string{mode} +
           "</datamode>" + std::string{inside} + "</recording>";
}

base::WallTime at(const char* time) { return base::parse_time(time)->time; }
const base::WallTime kArrival = at("2026-03-02T12:00:00Z");
const base::WallTime kLater = at("2026-03-02T12:05:00Z");

// Short ids: text, compared as text.
constexpr std::string_view kCall =
    "<group group_id='G'/>"
    "<session session_id='S'><sipSessionID>a;remote=b</sipSessionID><sipSessionID>c;remote=d"
    "</sipSessionID><group-ref>G</group-ref><start-time>2026-03-02T11:00:00Z</start-time></session>"
    "<participant participant_id='A'><nameID aor='sip:ada@desk.example'><name>Ada</name></nameID>"
    "</participant>"
    "<participant participant_id='B'><nameID aor='sip:bo@desk.example'/></participant>"
    "<stream stream_id='T1' session_id='S'><label>1</label></stream>"
    "<stream stream_id='T2' session_id='S'><label>2</label></stream>"
    "<sessionrecordingassoc session_id='S'><associate-time>2026-03-02T11:00:00Z</associate-time>"
    "</sessionrecordingassoc>"
    "<participantsessionassoc participant_id='A' session_id='S'><associate-time>"
    "2026-03-02T11:00:00Z</associate-time></participantsessionassoc>"
    "<participantsessionassoc participant_id='B' session_id='S'><associate-time>"
    "2026-03-02T11:00:00Z</associate-time></participantsessionassoc>"
    "<participantstreamassoc participant_id='A'><send>T1</send><recv>T2</recv><associate-time>"
    "2026-03-02T11:00:00Z</associate-time></participantstreamassoc>"
    "<participantstreamassoc participant_id='B'><send>T2</send><recv>T1</recv><associate-time>"
    "2026-03-02T11:00:00Z</associate-time></participantstreamassoc>";

class Model : public testing::Test {
protected:
    std::vector<MetadataIssue> apply(std::string_view inside, std::string_view mode = "partial",
                                     base::WallTime arrival = kLater) {
        return model_.apply(parse(recording(inside, mode)), arrival);
    }
    void SetUp() override { apply(kCall, "complete", kArrival); }
    const ParticipantSessionAssoc& membership(std::string_view participant) {
        for (const auto& assoc : model_.objects().participant_sessions)
            if (assoc.participant == MetadataId{participant}) return assoc;
        throw std::runtime_error("no such membership");
    }

    MetadataModel model_;
};

// ---- ids --------------------------------------------------------------------------------------

TEST(MetadataId, ComparesUuidsByTheirBytesAndKeepsTheText) {
    const MetadataId base64{"m6cQ5NUwRgW9SB4FFF7kxw=="};
    const MetadataId unpadded{"m6cQ5NUwRgW9SB4FFF7kxw"};
    const MetadataId urn{"urn:uuid:9ba710e4-d530-4605-bd48-1e05145ee4c7"};
    EXPECT_EQ(base64, unpadded);
    EXPECT_EQ(base64, urn);
    EXPECT_EQ(base64.text(), "m6cQ5NUwRgW9SB4FFF7kxw==");
    EXPECT_EQ(unpadded.text(), "m6cQ5NUwRgW9SB4FFF7kxw");
    EXPECT_EQ(base64.extra_bytes(), 0U);
}

TEST(MetadataId, KeepsHexAndNumbersAsText) {
    const MetadataId avaya{"abcdef12345678901234"};
    EXPECT_FALSE(avaya.uuid());
    EXPECT_EQ(avaya.text(), "abcdef12345678901234");
    EXPECT_EQ(avaya, MetadataId{"abcdef12345678901234"});
    EXPECT_FALSE(avaya == MetadataId{"ABCDEF12345678901234"});
    EXPECT_TRUE(MetadataId{}.is_empty());
}

TEST(MetadataId, TellsTheNilUuidFromNoIdAtAll) {
    const MetadataId nil{"AAAAAAAAAAAAAAAAAAAAAA=="};
    EXPECT_FALSE(nil.is_empty());
    EXPECT_EQ(nil.uuid(), base::Uuid{});
    EXPECT_EQ(nil.text(), "AAAAAAAAAAAAAAAAAAAAAA==");
    EXPECT_EQ(nil, MetadataId{base::Uuid{}});
    EXPECT_EQ(nil, MetadataId{"00000000-0000-0000-0000-000000000000"});
    EXPECT_FALSE(nil == MetadataId{});
    EXPECT_FALSE(MetadataId{}.uuid());
    EXPECT_EQ(MetadataId{}.text(), "");
}

// ---- parsing ----------------------------------------------------------------------------------

TEST(ParseMetadata, ReadsEachExampleWithoutAFaultAndWritesItBack) {
    for (const char* name :
         {"01-two-party-complete.xml", "02-hold-partial.xml", "03-conference-complete.xml",
          "04-conference-leave-partial.xml", "05-cs-end-partial.xml", "06-snapshot-request.xml"}) {
        SCOPED_TRACE(name);
        const std::string text = read_example(name);
        ASSERT_FALSE(text.empty());
        const MetadataDocument document = parse(text);
        EXPECT_TRUE(document.issues.empty());
        EXPECT_FALSE(document.is_older_form);
        const MetadataDocument again = parse(write_metadata(document));
        EXPECT_EQ(again.kind, document.kind);
        EXPECT_EQ(again.mode, document.mode);
        EXPECT_EQ(again.request_reason, document.request_reason);
        MetadataModel first;
        MetadataModel second;
        if (document.kind == MetadataDocument::Kind::SnapshotRequest) continue;
        first.apply(document, kArrival);
        second.apply(again, kArrival);
        EXPECT_EQ(first.objects().count(), second.objects().count());
        EXPECT_EQ(write_metadata(first.snapshot()), write_metadata(second.snapshot()));
    }
}

TEST(ParseMetadata, M1_M4_ReadsTheTwoPartyExampleWhole) {
    const MetadataDocument document = parse(read_example("01-two-party-complete.xml"));
    const MetadataObjects& all = document.objects;
    ASSERT_EQ(all.participants.size(), 2U);
    ASSERT_EQ(all.participants[0].names.size(), 2U);
    EXPECT_EQ(all.participants[0].names[0].aor, "sip:ada@desk.example");
    EXPECT_EQ(all.participants[0].names[0].language, "en");
    EXPECT_EQ(all.participants[1].names[0].name, "Bo Åkesson");  // M-1
    ASSERT_EQ(all.streams.size(), 2U);
    EXPECT_EQ(all.streams[1].label, "2");
    EXPECT_EQ(all.streams[1].session, all.sessions[0].id);
    EXPECT_EQ(all.sessions[0].start, at("2026-03-02T09:15:00.120Z"));
}

TEST(ParseMetadata, SurvivesEveryTruncationOfTheExamples) {
    for (const char* name : {"01-two-party-complete.xml", "03-conference-complete.xml"}) {
        const std::string text = read_example(name);
        const std::size_t end = text.rfind('>');
        for (std::size_t size = 0; size < end; ++size)
            EXPECT_FALSE(parse_metadata(std::string_view{text}.substr(0, size))) << size;
    }
}

TEST(ParseMetadata, KeepsForeignElementsAsXmlThatStandsAlone) {
    const MetadataDocument document = parse(read_example("03-conference-complete.xml"));
    ASSERT_EQ(document.objects.sessions[0].extensions.size(), 1U);
    const Extension& conference = document.objects.sessions[0].extensions[0];
    EXPECT_EQ(conference.name, "conference");
    EXPECT_THAT(conference.xml, HasSubstr("xmlns:conf="));
    EXPECT_THAT(conference.xml, HasSubstr("Quarterly design review"));
}

TEST(ParseMetadata, DeclaresInheritedNamespacesInAnExtension) {
    const MetadataDocument document = parse(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1' xmlns:v='urn:vendor'>"
        "<session session_id='S'><v:ucid v:encoding='hex'>00FA</v:ucid></session></recording>");
    ASSERT_EQ(document.objects.sessions[0].extensions.size(), 1U);
    EXPECT_THAT(document.objects.sessions[0].extensions[0].xml,
                HasSubstr("xmlns:v=\"urn:vendor\""));
}

TEST(ParseMetadata, RefusesADoctypeBeforeItIsRead) {
    const std::string bomb =
        "<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>&b;</recording>";
    EXPECT_THAT(fault_of(bomb), HasSubstr("DOCTYPE"));
    EXPECT_THAT(fault_of("<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r/>"), HasSubstr("DOCTYPE"));
}

TEST(ParseMetadata, RefusesWhatIsNoRecordingMetadata) {
    EXPECT_THAT(fault_of("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>"), HasSubstr("presence"));
    EXPECT_FALSE(fault_of("").empty());
    EXPECT_FALSE(fault_of("   ").empty());
    EXPECT_FALSE(fault_of("<recording>").empty());
}

TEST(ParseMetadata, M26_RefusesALaterVersionOfTheNamespace) {
    EXPECT_THAT(fault_of("<recording xmlns='urn:ietf:params:xml:ns:recording:2'/>"),
                HasSubstr("recording:2"));
}

TEST(ParseMetadata, TellsTheLineOfAFault) {
    const auto document = parse_metadata(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>\n"
        "<session>\n</recording>");
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().line, 3);
}

TEST(ParseMetadata, M5_M7_TakesAnEmptyRecordingAsComplete) {
    const MetadataDocument document =
        parse("<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>");
    EXPECT_EQ(document.mode, DataMode::Complete);
    EXPECT_EQ(document.objects.count(), 0U);
}

TEST(ParseMetadata, M2_TheCharsetParameterBeatsTheDeclaration) {
    const std::string text =
        "<?xml version='1.0' encoding='UTF-8'?>"
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='A'>"
        "<nameID aor='sip:bo@desk.example'><name>\xC5kesson</name></nameID></participant>"
        "</recording>";
    EXPECT_FALSE(parse_metadata(text));
    const auto document = parse_metadata(text, "ISO-8859-1");
    ASSERT_TRUE(document);
    EXPECT_EQ(document->objects.participants[0].names[0].name, "Åkesson");
}

TEST(ParseMetadata, IgnoresACharsetThatNobodyKnows) {
    const auto document =
        parse_metadata("<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>", "x-no/such");
    ASSERT_TRUE(document);
    EXPECT_EQ(document->issues.size(), 1U);
}

TEST(ParseMetadata, TakesElementsInAnyOrder) {
    const MetadataDocument document = parse(
        recording("<participantstreamassoc participant_id='A'><associate-time>2026-03-02T11:00:00Z"
                  "</associate-time><send>T</send></participantstreamassoc><stream stream_id='T'/>"
                  "<participant participant_id='A'><nameID aor='sip:a@x.example'/></participant>"));
    EXPECT_EQ(document.objects.participant_streams[0].send[0], document.objects.streams[0].id);
}

TEST(ParseMetadata, HoldsItsLimitsAtAndPastTheEdge) {
    const auto padded = [](std::size_t size) {
        std::string text = recording("");
        return text + std::string(size - text.size(), ' ');
    };
    EXPECT_TRUE(parse_metadata(padded(kMaxMetadataBytes)));
    EXPECT_FALSE(parse_metadata(padded(kMaxMetadataBytes + 1)));

    const auto nested = [](int depth) {  // below recording and session
        std::string text;
        for (int i = 0; i < depth - 2; ++i) text += "<v:e>";
        for (int i = 0; i < depth - 2; ++i) text += "</v:e>";
        return "<recording xmlns='urn:ietf:params:xml:ns:recording:1' xmlns:v='urn:v'>"
               "<session session_id='S'>" +
               text + "</session></recording>";
    };
    EXPECT_TRUE(parse_metadata(nested(xml::kMaxXmlDepth)));
    EXPECT_FALSE(parse_metadata(nested(xml::kMaxXmlDepth + 1)));

    const auto groups = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += "<group id='g'/>";
        return recording(text);
    };
    EXPECT_TRUE(parse_metadata(groups(kMaxMetadataObjects)));
    EXPECT_FALSE(parse_metadata(groups(kMaxMetadataObjects + 1)));

    const auto attributes = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += " a" + std::to_string(i) + "='1'";
        return recording("<v:x xmlns:v='urn:v'" + text + "/>");
    };
    EXPECT_TRUE(parse_metadata(attributes(xml::kMaxXmlAttributes)));
    EXPECT_FALSE(parse_metadata(attributes(xml::kMaxXmlAttributes + 1)));

    const auto name = [](std::size_t size) {
        return recording("<v:" + std::string(size, 'x') + " xmlns:v='urn:v'/>");
    };
    EXPECT_TRUE(parse_metadata(name(xml::kMaxXmlNameBytes)));
    EXPECT_FALSE(parse_metadata(name(xml::kMaxXmlNameBytes + 1)));
}

// With 15,000 attributes libxml2 alone would keep the signalling thread for ten seconds and more.
TEST(ParseMetadata, CountsTheAttributesOfATagBeforeTheyAreCompared) {
    const auto attributes = [](std::string_view equals) {
        std::string text;
        for (int i = 0; i < 15'000; ++i)
            text += " a" + std::to_string(i) + std::string{equals} + "'1'";
        // Never closed: libxml2, had it looked first, would name that instead.
        return recording("<v:x xmlns:v='urn:v'" + text + ">");
    };
    for (const char* equals : {"=", " = "}) {
        const auto document = parse_metadata(attributes(equals));
        ASSERT_FALSE(document);
        EXPECT_THAT(document.error().text, HasSubstr("too many attributes"));
    }
}

TEST(ParseMetadata, ReportsAtMostSoManyFaults) {
    std::string text;
    for (std::size_t i = 0; i < 2 * kMaxMetadataIssues; ++i)
        text += "<group id='bad id " + std::to_string(i) + "'/>";
    EXPECT_EQ(parse(recording(text)).issues.size(), kMaxMetadataIssues);
}

// ---- the forms met in the field (metadata-model section 7, interop section 2) -----------------

TEST(ParseMetadata, Q4_TakesTimesOfOpenSips) {
    const MetadataDocument document =
        parse(recording("<sessionrecordingassoc session_id='qEbCRn6VSyiBFRWXA50jzA=='>"
                        "<associate-time>2026-03-02T12:00:00+0100</associate-time>"
                        "</sessionrecordingassoc>"));
    EXPECT_EQ(document.objects.session_recordings[0].periods[0].associate,
              at("2026-03-02T11:00:00Z"));
    EXPECT_EQ(document.issues.size(), 1U);
}

TEST(ParseMetadata, Q4_ReadsABareAmpersandInANameThatIsNotEscaped) {
    const MetadataDocument document = parse(recording(
        "<participant participant_id='A'><nameID aor='sip:a@x.example?a=1&b=2'><name>Fish &amp; "
        "Chips & Co</name></nameID></participant>"));
    EXPECT_EQ(document.objects.participants[0].names[0].name, "Fish & Chips & Co");
    EXPECT_EQ(document.objects.participants[0].names[0].aor, "sip:a@x.example?a=1&b=2");
    EXPECT_THAT(document.issues[0].text, HasSubstr("&amp;"));
}

TEST(ParseMetadata, Q10_ReadsTheDraftFormOfOracle) {
    const MetadataDocument document = parse(
        "<recording xmlns='urn:ietf:params:xml:ns:recording'><dataMode>complete</dataMode>"
        "<session "
        "id='hVpd7YQgRW2nD22h7q60JQ=='><associate-time>2026-03-02T09:15:00</associate-time>"
        "</session>"
        "<participant id='m6cQ5NUwRgW9SB4FFF7kxw==' session='hVpd7YQgRW2nD22h7q60JQ=='>"
        "<nameID aor='sip:bob@biloxi.example'><name>Bob</name></nameID>"
        "<send>YlmE+kBPQlSu+yTILhE2sw==</send>"
        "<associate-time>2026-03-02T09:15:00</associate-time>"
        "<extensiondata xmlns:apkt='http://acmepacket.example/siprec/extensiondata'>"
        "<apkt:callingParty>true</apkt:callingParty></extensiondata></participant>"
        "<stream id='YlmE+kBPQlSu+yTILhE2sw==' session='hVpd7YQgRW2nD22h7q60JQ=='>"
        "<label>16777227</label><mode>separate</mode></stream></recording>");
    const MetadataObjects& all = document.objects;
    EXPECT_TRUE(document.is_older_form);
    EXPECT_EQ(all.sessions[0].start, at("2026-03-02T09:15:00Z"));
    ASSERT_EQ(all.participant_sessions.size(), 1U);
    EXPECT_EQ(all.participant_sessions[0].session, all.sessions[0].id);
    ASSERT_EQ(all.participant_streams.size(), 1U);
    EXPECT_EQ(all.participant_streams[0].send[0], all.streams[0].id);
    EXPECT_EQ(all.streams[0].label, "16777227");
    EXPECT_EQ(all.participants[0].extensions[0].name, "extensiondata");
    MetadataModel model;
    model.apply(document, kArrival);
    EXPECT_EQ(model.senders_of("16777227").size(), 1U);
}

TEST(ParseMetadata, AttachesExtensionDataToTheParentItNames) {
    const MetadataDocument document = parse(
        "<recording xmlns='urn:ietf:params:xml:ns:recording'><session id='S'/>"
        "<extensiondata parent='S'>x</extensiondata><extensiondata parent='?'>y</extensiondata>"
        "</recording>");
    EXPECT_EQ(document.objects.sessions[0].extensions.size(), 1U);
    EXPECT_EQ(document.objects.extensions.size(), 1U);
}

TEST(ParseMetadata, Q21_ReadsAPrefixOnEveryElement) {
    const MetadataDocument document = parse(
        "<tns:recording xmlns:tns='urn:ietf:params:xml:ns:recording'>"
        "<tns:dataMode>partial</tns:dataMode><tns:group tns:x='1' group_id='G'><callData>"
        "<callid>1</callid></callData></tns:group></tns:recording>");
    EXPECT_EQ(document.mode, DataMode::Partial);
    EXPECT_EQ(document.objects.groups[0].id, MetadataId{"G"});
    EXPECT_EQ(document.objects.groups[0].extensions[0].name, "callData");
}

TEST(ParseMetadata, Q24_ReadsTheDraftFormOfBroadWorks) {
    const MetadataDocument document = parse(
        "<recording_metadata xmlns='urn:ietf:params:xml:ns:siprec'><dataMode>complete</dataMode>"
        "<session id='urn:uuid:a846c246-7e95-4b28-8115-1597039d23cc'/>"
        "<participant id='urn:uuid:9ba710e4-d530-4605-bd48-1e05145ee4c7' "
        "session='urn:uuid:a846c246-7e95-4b28-8115-1597039d23cc'><aor>sip:ada@desk.example</aor>"
        "<name>Ada</name><send><id>urn:uuid:625984fa-404f-4254-aefb-24c82e1136b3</id></send>"
        "</participant><stream id='urn:uuid:625984fa-404f-4254-aefb-24c82e1136b3'><label>1</label>"
        "<mode>mixed</mode></stream></recording_metadata>");
    const MetadataObjects& all = document.objects;
    EXPECT_EQ(all.sessions[0].id, MetadataId{"qEbCRn6VSyiBFRWXA50jzA=="});
    ASSERT_EQ(all.participants[0].names.size(), 1U);
    EXPECT_EQ(all.participants[0].names[0].aor, "sip:ada@desk.example");
    EXPECT_EQ(all.participants[0].names[0].name, "Ada");
    EXPECT_EQ(all.participant_streams[0].send[0], all.streams[0].id);
    EXPECT_TRUE(document.issues.empty());
}

TEST(ParseMetadata, Q27_KeepsAStreamWhoseIdIsEmpty) {
    const std::string text =
        recording("<stream stream_id=''><label>10</label></stream><stream stream_id=''/>");
    const MetadataDocument document = parse(text);
    ASSERT_EQ(document.objects.streams.size(), 2U);
    EXPECT_EQ(document.objects.streams[0].label, "10");
    MetadataModel model;
    model.apply(document, kArrival);
    model.apply(parse(text), kArrival);
    EXPECT_EQ(model.objects().streams.size(), 2U);
}

TEST(ParseMetadata, KeepsVendorElementsWithoutANamespaceAndSaysSoOnce) {
    const MetadataDocument document = parse(recording(
        "<session session_id='qEbCRn6VSyiBFRWXA50jzA=='><ourCallId>7</ourCallId><other>8</other>"
        "</session>"));
    EXPECT_EQ(document.objects.sessions[0].extensions.size(), 2U);
    EXPECT_EQ(document.issues.size(), 1U);
}

TEST(ParseMetadata, ReadsAPrefixThatNobodyDeclared) {
    const MetadataDocument document =
        parse(recording("<session session_id='S'><ac:box>7</ac:box></session>"));
    EXPECT_EQ(document.objects.sessions[0].extensions[0].name, "box");
}

TEST(ParseMetadata, StripsWhiteSpaceFoldedIntoASipSessionId) {
    const MetadataDocument document = parse(recording(
        "<session session_id='S'><sipSessionID>ab\n  ;remote=cd</sipSessionID></session>"));
    EXPECT_EQ(document.objects.sessions[0].sip_session_ids[0], "ab;remote=cd");
}

TEST(ParseMetadata, M27_ReadsTheSnapshotRequest) {
    const MetadataDocument document = parse(read_example("06-snapshot-request.xml"));
    EXPECT_EQ(document.kind, MetadataDocument::Kind::SnapshotRequest);
    EXPECT_FALSE(document.request_reason.empty());
    MetadataModel model;
    EXPECT_EQ(model.apply(document, kArrival).size(), 1U);
}

// ---- writing ----------------------------------------------------------------------------------

TEST(WriteMetadata, EscapesWhatXmlNeedsEscaped) {
    MetadataDocument document;
    Participant participant;
    participant.id = MetadataId{"A"};
    participant.names = {{"sip:a@x.example?\"<&>", "Tom\x01 & \"Jerry\" <x>\xFF", "en"}};
    document.objects.participants = {participant};
    const MetadataDocument again = parse(write_metadata(document));
    EXPECT_EQ(again.objects.participants[0].names[0].aor, "sip:a@x.example?\"<&>");
    EXPECT_EQ(again.objects.participants[0].names[0].name,
              "Tom\xEF\xBF\xBD & \"Jerry\" <x>\xEF\xBF\xBD");
}

TEST(WriteMetadata, M28_GivesTheReasonOfASnapshotRequest) {
    EXPECT_EQ(parse(write_snapshot_request("it is lost & gone")).request_reason,
              "it is lost & gone");
    EXPECT_EQ(parse(write_snapshot_request("")).request_reason, "");
}

// ---- merging (metadata-model section 4) -------------------------------------------------------

TEST_F(Model, Rule1_KeepsObjectsApartByTheirKeys) {
    EXPECT_EQ(model_.objects().count(), 11U);
    EXPECT_TRUE(model_.has_snapshot());
    EXPECT_TRUE(model_.unresolved().empty());
}

TEST_F(Model, Rule2_AddsWhatIsUnknown) {
    apply("<participant participant_id='C'><nameID aor='sip:c@x.example'/></participant>");
    EXPECT_NE(model_.find_participant(MetadataId{"C"}), nullptr);
    EXPECT_NE(model_.find_participant(MetadataId{"A"}), nullptr);
}

TEST_F(Model, Rule2_ASessionWithOnlyAStopTimeKeepsItsIds) {
    apply("<session session_id='S'><stop-time>2026-03-02T11:30:00Z</stop-time></session>");
    const CommunicationSession& session = *model_.find_session(MetadataId{"S"});
    EXPECT_EQ(session.sip_session_ids.size(), 2U);
    EXPECT_EQ(session.start, at("2026-03-02T11:00:00Z"));
    EXPECT_EQ(session.group, MetadataId{"G"});
    EXPECT_EQ(session.stop, at("2026-03-02T11:30:00Z"));
}

TEST_F(Model, Rule2_AChildThatAppearsReplacesTheWholeListOfThatName) {
    apply(
        "<session session_id='S'><sipSessionID>c;remote=d</sipSessionID></session>"
        "<participant participant_id='A'><nameID aor='tel:+1'/></participant>");
    EXPECT_EQ(model_.find_session(MetadataId{"S"})->sip_session_ids,
              std::vector<std::string>{"c;remote=d"});
    EXPECT_EQ(model_.find_participant(MetadataId{"A"})->names.size(), 1U);
    EXPECT_EQ(model_.find_participant(MetadataId{"A"})->names[0].aor, "tel:+1");
}

TEST_F(Model, Rule2_ReplacesExtensionsByTheirName) {
    apply("<session session_id='S'><v:a xmlns:v='urn:v'>1</v:a><v:b xmlns:v='urn:v'/></session>");
    apply("<session session_id='S'><v:a xmlns:v='urn:v'>2</v:a></session>");
    const auto& extensions = model_.find_session(MetadataId{"S"})->extensions;
    ASSERT_EQ(extensions.size(), 2U);
    EXPECT_EQ(extensions[0].name, "b");
    EXPECT_THAT(extensions[1].xml, HasSubstr(">2<"));
}

TEST_F(Model, Rule3_SendAndRecvAreReplacedAsSetsAlways) {
    EXPECT_FALSE(model_.is_held("1"));
    apply(
        "<participantstreamassoc participant_id='A'><recv>T2</recv></participantstreamassoc>"
        "<participantstreamassoc participant_id='B'><send>T2</send></participantstreamassoc>");
    EXPECT_TRUE(model_.is_held("1"));
    EXPECT_FALSE(model_.is_held("2"));
    ASSERT_EQ(model_.senders_of("2").size(), 1U);
    EXPECT_EQ(model_.senders_of("2")[0]->id, MetadataId{"B"});
    // Its times merge as usual.
    EXPECT_EQ(model_.objects().participant_streams[0].periods[0].associate,
              at("2026-03-02T11:00:00Z"));
}

TEST_F(Model, Rule3_M20_AnEmptyAssociationMeansNeither) {
    apply("<participantstreamassoc participant_id='A'/>");
    EXPECT_TRUE(model_.is_held("1"));
    apply(
        "<participantstreamassoc participant_id='A'><send>T1</send><recv>T2</recv>"
        "</participantstreamassoc>");
    EXPECT_FALSE(model_.is_held("1"));
}

TEST_F(Model, Rule3_TwoAssociationsInOneDocumentDescribeOneParticipantTogether) {
    apply(
        "<participantstreamassoc participant_id='A'><send>T1</send></participantstreamassoc>"
        "<participantstreamassoc participant_id='A'><recv>T2</recv></participantstreamassoc>");
    EXPECT_EQ(model_.objects().participant_streams[0].send.size(), 1U);
    EXPECT_EQ(model_.objects().participant_streams[0].recv.size(), 1U);
}

TEST_F(Model, Rule4_ARejoinOpensANewPeriod) {
    apply(
        "<participantsessionassoc participant_id='B' session_id='S'><disassociate-time>"
        "2026-03-02T11:10:00Z</disassociate-time></participantsessionassoc>");
    ASSERT_EQ(membership("B").periods.size(), 1U);
    EXPECT_EQ(membership("B").periods[0].associate, at("2026-03-02T11:00:00Z"));
    EXPECT_EQ(membership("B").periods[0].disassociate, at("2026-03-02T11:10:00Z"));
    apply(
        "<participantsessionassoc participant_id='B' session_id='S'><associate-time>"
        "2026-03-02T11:20:00Z</associate-time></participantsessionassoc>");
    ASSERT_EQ(membership("B").periods.size(), 2U);
    EXPECT_EQ(membership("B").periods[1].associate, at("2026-03-02T11:20:00Z"));
    EXPECT_FALSE(membership("B").periods[1].disassociate);
    EXPECT_EQ(membership("A").periods.size(), 1U);
}

TEST_F(Model, Rule5_NothingIsDeletedByAPartial) {
    const std::size_t before = model_.objects().count();
    apply("");
    EXPECT_EQ(model_.objects().count(), before);
    EXPECT_EQ(model_.senders_of("1").size(), 1U);
}

TEST_F(Model, Rule6_LabelsAreBoundAnew) {
    apply(
        "<stream stream_id='T1'><label>7</label></stream>"
        "<stream stream_id='T2'><label>1</label></stream>");
    EXPECT_EQ(model_.find_stream_by_label("1")->id, MetadataId{"T2"});
    EXPECT_EQ(model_.find_stream_by_label("7")->id, MetadataId{"T1"});
    EXPECT_EQ(model_.find_stream_by_label("2"), nullptr);
}

TEST_F(Model, Rule7_ADocumentAppliedTwiceInARowChangesNothing) {
    const std::vector<std::pair<const char*, const char*>> steps = {
        {"partial",
         "<participantstreamassoc participant_id='A'><recv>T2</recv><associate-time>"
         "2026-03-02T11:05:00Z</associate-time></participantstreamassoc>"},
        {"partial",
         "<participantsessionassoc participant_id='B' session_id='S'><disassociate-time>"
         "2026-03-02T11:10:00Z</disassociate-time></participantsessionassoc>"},
        {"complete",
         "<session session_id='S'/><participantsessionassoc participant_id='A' "
         "session_id='S'/>"},
        {"complete",
         "<session session_id='S'/><participantsessionassoc participant_id='B' "
         "session_id='S'><associate-time>2026-03-02T11:00:00Z</associate-time>"
         "</participantsessionassoc>"},
        {"partial",
         "<session session_id='S'><stop-time>2026-03-02T11:30:00Z</stop-time></session>"},
        {"complete", ""},
    };
    for (const auto& [mode, text] : steps) {
        apply(text, mode);
        const MetadataModel once = model_;
        apply(text, mode);
        EXPECT_TRUE(once == model_) << text;
    }
}

TEST_F(Model, ASnapshotClosesWhatItNoLongerNamesAndKeepsIt) {
    apply(
        "<session session_id='S'/><participant participant_id='A'><nameID aor='sip:a@x.example'/>"
        "</participant><participantsessionassoc participant_id='A' session_id='S'/>",
        "complete");
    EXPECT_EQ(model_.find_participant(MetadataId{"B"})->vanished, kLater);
    EXPECT_EQ(membership("B").periods[0].disassociate, kLater);
    EXPECT_EQ(membership("A").periods[0].disassociate, std::nullopt);
    EXPECT_TRUE(model_.senders_of("2").empty());
    EXPECT_EQ(model_.find_stream_by_label("1"), nullptr);
    // It is the whole truth about what it names.
    EXPECT_TRUE(model_.find_session(MetadataId{"S"})->sip_session_ids.empty());
    EXPECT_EQ(model_.snapshot().objects.participants.size(), 1U);
}

TEST_F(Model, WhatVanishedComesBackInANewPeriod) {
    apply("<session session_id='S'/>", "complete", kLater);
    const auto again = kLater + std::chrono::minutes{5};
    apply(kCall, "complete", again);
    ASSERT_EQ(membership("B").periods.size(), 2U);
    EXPECT_EQ(membership("B").periods[0].disassociate, kLater);
    EXPECT_EQ(membership("B").periods[1].associate, again);
    EXPECT_FALSE(model_.find_participant(MetadataId{"B"})->vanished);
    EXPECT_EQ(model_.senders_of("2").size(), 1U);
}

TEST_F(Model, AStopTimeMeansThatAllParticipantsLeft) {
    apply("<session session_id='S'><stop-time>2026-03-02T11:30:00Z</stop-time></session>");
    EXPECT_EQ(membership("A").periods[0].disassociate, at("2026-03-02T11:30:00Z"));
    EXPECT_EQ(membership("B").periods[0].disassociate, at("2026-03-02T11:30:00Z"));
}

TEST_F(Model, M9_ASessionKeepsItsGroup) {
    const auto issues =
        apply("<group group_id='H'/><session session_id='S'><group-ref>H</group-ref></session>");
    EXPECT_EQ(issues.size(), 1U);
    EXPECT_EQ(model_.find_session(MetadataId{"S"})->group, MetadataId{"G"});
}

TEST_F(Model, M13_AStreamBelongsToOneSessionAndMayMove) {
    EXPECT_EQ(model_.find_stream(MetadataId{"T1"})->session, MetadataId{"S"});
    const auto issues = apply("<session session_id='S2'/><stream stream_id='T1' session_id='S2'/>");
    EXPECT_TRUE(issues.empty());
    EXPECT_EQ(model_.find_stream(MetadataId{"T1"})->session, MetadataId{"S2"});
    EXPECT_EQ(model_.find_stream(MetadataId{"T1"})->label, "1");  // what is not named stays
}

TEST_F(Model, M25_AnIdKeepsItsKindOfObject) {
    const auto issues =
        apply("<participant participant_id='T1'><nameID aor='sip:x@x.example'/></participant>");
    ASSERT_EQ(issues.size(), 1U);
    EXPECT_THAT(issues[0].text, HasSubstr("T1"));
    EXPECT_EQ(model_.find_participant(MetadataId{"T1"}), nullptr);
    EXPECT_NE(model_.find_stream(MetadataId{"T1"}), nullptr);
}

TEST_F(Model, P107_AnIdThatAnotherClientDefinesIsNoError) {
    const auto issues = apply("<stream stream_id='T9' session_id='S9'><label>9</label></stream>");
    EXPECT_TRUE(issues.empty());
    EXPECT_EQ(model_.unresolved(), std::vector<MetadataId>{MetadataId{"S9"}});
}

TEST_F(Model, LeavesOutADocumentThatWouldBreakTheLimit) {
    const auto participants = [](std::size_t from) {
        std::string text;
        for (std::size_t i = 0; i < 900; ++i) {
            text += "<participant participant_id='P" + std::to_string(from + i) +
                    "'><nameID aor='sip:" + std::string(200, 'x') + "'/></participant>";
        }
        return text;
    };
    bool refused = false;
    for (std::size_t i = 0; i < 10 && !refused; ++i) {
        const MetadataModel before = model_;
        const auto issues = apply(participants(i * 1000));
        refused = !issues.empty();
        EXPECT_TRUE(!refused || before == model_);
    }
    EXPECT_TRUE(refused);
    EXPECT_LE(model_.size_bytes(), kMaxMergedBytes + sizeof(MetadataModel));
}

TEST_F(Model, DropsEndedObjectsBeforeItRefusesALivingCall) {
    for (int round = 0; round < 12; ++round) {
        std::string text;
        for (int i = 0; i < 900; ++i) {
            text += "<participant participant_id='P" + std::to_string(round * 1000 + i) +
                    "'><nameID aor='sip:" + std::string(200, 'x') + "'/></participant>";
        }
        apply(text, "complete");
        EXPECT_NE(model_.find_participant(MetadataId{"P" + std::to_string(round * 1000)}), nullptr);
    }
}

TEST(MetadataModel, AppliesTheConferenceAndItsLeave) {
    MetadataModel model;
    model.apply(parse(read_example("03-conference-complete.xml")), kArrival);
    const MetadataModel before = model;
    model.apply(parse(read_example("04-conference-leave-partial.xml")), kLater);
    EXPECT_EQ(model.objects().participants.size(), 5U);
    EXPECT_EQ(model.senders_of("10").size(), 3U);
    EXPECT_TRUE(before == model);  // the snapshot was taken after the leave
    EXPECT_TRUE(model.unresolved().empty());
}

TEST(MetadataModel, F2_HoldAndResumeOfTheTwoPartyExample) {
    MetadataModel model;
    model.apply(parse(read_example("01-two-party-complete.xml")), kArrival);
    model.apply(parse(read_example("02-hold-partial.xml")), kLater);
    EXPECT_TRUE(model.is_held("1"));
    EXPECT_FALSE(model.is_held("2"));
}

TEST(MetadataModel, KeepsATwoPartyCallSmall) {
    MetadataModel model;
    model.apply(parse(read_example("01-two-party-complete.xml")), kArrival);
    EXPECT_LE(model.size_bytes(), 2560U);
}

}  // namespace
}  // namespace earshot::siprec
