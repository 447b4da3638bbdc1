#include "siprec/cs_description.h"

#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CsDescriptionTest : public testing::Test {
protected:
    std::string written() {
        result_ = describe(call_);
        MetadataDocument document;
        document.objects = result_.objects;
        return write_metadata(document);
    }
    MetadataObjects sent() {
        const std::string text = written();
        EXPECT_EQ(find_schema_fault(text), "") << text;
        const auto document = parse_metadata(text);
        EXPECT_TRUE(document && document->issues.empty()) << text;
        return document ? document->objects : MetadataObjects{};
    }
    std::vector<std::string> faults() const {
        std::vector<std::string> codes;
        for (const base::Reason& fault : result_.faults) codes.push_back(fault.code);
        return codes;
    }

    base::WallTime start_ = base::parse_time("2026-03-02T09:15:00.120Z")->time;
    CsDescription call_ = two_party_call(start_);
    CsMetadata result_;
};

TEST_F(CsDescriptionTest, M4_M11_M24_ACallOfTwoIsWhole) {
    const MetadataObjects objects = sent();
    EXPECT_THAT(faults(), IsEmpty());
    ASSERT_EQ(objects.sessions.size(), 1U);
    EXPECT_EQ(objects.sessions[0].id.uuid(), uuid_of(1));
    EXPECT_EQ(objects.sessions[0].start, start_);
    EXPECT_EQ(objects.sessions[0].sip_session_ids, call_.sip_session_ids);
    ASSERT_EQ(objects.participant_streams.size(), 2U);
    EXPECT_THAT(objects.participant_streams[0].send, ElementsAre(MetadataId{uuid_of(20)}));
    EXPECT_THAT(objects.participant_streams[0].recv, ElementsAre(MetadataId{uuid_of(21)}));
    EXPECT_EQ(objects.participants[0].names[0].language, "en");
    EXPECT_THAT(written(), HasSubstr("<start-time>2026-03-02T09:15:00.120Z</start-time>"));  // M-21
}

TEST_F(CsDescriptionTest, M19_OnHoldTheHeldSideOnlyReceives) {
    call_.streams[0].is_held = true;  // Bo holds Ada
    const MetadataObjects objects = sent();
    EXPECT_THAT(objects.participant_streams[0].send, IsEmpty());
    EXPECT_EQ(objects.participant_streams[0].recv.size(), 1U);
    EXPECT_EQ(objects.participant_streams[1].send.size(), 1U);
    EXPECT_THAT(objects.participant_streams[1].recv, IsEmpty());
}

TEST_F(CsDescriptionTest, WhoHasLeftStaysDescribedAndSilent) {
    call_.participants[1].left = start_ + std::chrono::seconds{5};
    const MetadataObjects objects = sent();
    EXPECT_EQ(objects.participants.size(), 2U);
    EXPECT_EQ(objects.participant_sessions[1].periods[0].disassociate, call_.participants[1].left);
    EXPECT_THAT(objects.participant_streams[1].send, IsEmpty());
}

TEST_F(CsDescriptionTest, F6_AMixHasSeveralSendersOfOneStream) {
    call_.streams.resize(1);
    call_.streams[0].senders = {0, 1};
    call_.streams[0].receivers = {0, 1};
    call_.participants[0].params = {{"isfocus", "true"}};
    const MetadataObjects objects = sent();
    EXPECT_EQ(objects.participant_streams[0].send, objects.participant_streams[1].send);
    EXPECT_EQ(objects.participant_sessions[0].params[0].value, "true");
}

TEST_F(CsDescriptionTest, AnyNumberOfParticipantsAndStreams) {
    for (std::uint8_t i = 30; i < 200; ++i) {
        call_.participants.push_back({.id = uuid_of(i), .names = {{"sip:x@y.example", "", ""}}});
        call_.streams.push_back({.id = uuid_of(static_cast<std::uint8_t>(i + 55)),
                                 .label = "m" + std::to_string(i),
                                 .senders = {call_.participants.size() - 1}});
        if (i + 55 == 255) break;
    }
    EXPECT_GT(sent().streams.size(), 150U);
}

TEST_F(CsDescriptionTest, HostileNamesAreEscaped) {
    call_.participants[0].names = {
        {"sip:\"<b>\"@x y\xc3\xa9%zz&\x01", "A & <B> \"C\" ]]> \x02 \xff", "not a language"},
        {"tel:+46855501", "", "sv-SE"}};
    call_.session_id = uuid_of(9);
    call_.reasons = {{"<SIP>", 16, "\x03 & <gone>"}};
    const MetadataObjects objects = sent();
    EXPECT_EQ(objects.participants[0].names[0].aor, "sip:%22%3cb%3e%22@x%20y%c3%a9%25zz&%01");
    EXPECT_THAT(objects.participants[0].names[0].name, HasSubstr("A & <B> \"C\" ]]>"));
    EXPECT_EQ(objects.participants[0].names[1].aor, "tel:+46855501");
}

TEST_F(CsDescriptionTest, AParticipantWithoutANameHasAnEmptyAddress) {
    call_.participants[0].names.clear();
    EXPECT_EQ(sent().participants[0].names.size(), 1U);
}

TEST_F(CsDescriptionTest, M23_AGroupIsAStableUuidWithItsNameBeside) {
    const base::Uuid name_space = uuid_of(77);
    const base::Uuid id = group_id(name_space, "inbound & <co>");
    EXPECT_EQ(id, group_id(name_space, "inbound & <co>"));
    EXPECT_NE(id, group_id(name_space, "outbound"));
    EXPECT_NE(id, group_id(uuid_of(78), "inbound & <co>"));
    call_.group = CsGroup{.id = id, .name = "inbound & <co>"};
    const MetadataObjects objects = sent();
    ASSERT_EQ(objects.groups.size(), 1U);
    EXPECT_EQ(objects.groups[0].id.uuid(), id);
    EXPECT_EQ(objects.groups[0].period.associate, start_);
    EXPECT_EQ(objects.sessions[0].group, objects.groups[0].id);
    ASSERT_EQ(objects.groups[0].extensions.size(), 1U);
    EXPECT_EQ(objects.groups[0].extensions[0].name, "name");
    EXPECT_EQ(objects.groups[0].extensions[0].name_space, kExtensionNamespace);
    EXPECT_THAT(objects.groups[0].extensions[0].xml, HasSubstr("inbound &amp; &lt;co&gt;"));
}

TEST_F(CsDescriptionTest, ARawGroupIsTheTextItself) {
    call_.group = CsGroup{.name = "inbound", .is_raw = true};
    EXPECT_THAT(written(), HasSubstr("<group group_id=\"inbound\">"));
    EXPECT_THAT(written(), HasSubstr("<group-ref>inbound</group-ref>"));
}

TEST_F(CsDescriptionTest, AnElementWithoutANamespaceIsPutIntoTheConfiguredOne) {
    call_.extension_namespace = "urn:example:crm";
    call_.session_xml =
        "<case id=\"7\"><priority>high</priority></case> text <!-- c --> "
        "<b:own xmlns:b=\"urn:b\"><c/></b:own>";
    const MetadataObjects objects = sent();
    EXPECT_THAT(faults(), IsEmpty());
    ASSERT_EQ(objects.sessions[0].extensions.size(), 2U);
    EXPECT_EQ(objects.sessions[0].extensions[0].name_space, "urn:example:crm");
    EXPECT_THAT(objects.sessions[0].extensions[0].xml, HasSubstr("<priority>high</priority>"));
    EXPECT_EQ(objects.sessions[0].extensions[1].name_space, "urn:b");
    // What lies below it does not fall into the namespace of the document around it.
    EXPECT_THAT(objects.sessions[0].extensions[1].xml, HasSubstr("xmlns=\"urn:example:crm\""));
}

TEST_F(CsDescriptionTest, RawExtensionsGoOutAsOpenSipsSendsThem) {
    call_.leaves_extensions_raw = true;
    call_.session_xml = "<case id=\"7\">x</case>";
    EXPECT_THAT(written(), HasSubstr("<case id=\"7\">x</case>"));
}

TEST_F(CsDescriptionTest, WhatIsNotWellFormedIsLeftOutAndTold) {
    for (const char* block :
         {"<a>", "</block><block>", "<a></b>", "<!DOCTYPE x><a/>", "<a:b/>", "&nbsp;",
          "<x xmlns=\"urn:ietf:params:xml:ns:recording:1\"/>", "<x xmlns=\"\"/>",
          "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"/>"}) {
        call_.session_xml = block;
        EXPECT_THAT(sent().sessions[0].extensions, IsEmpty()) << block;
        EXPECT_THAT(faults(), ElementsAre("bad_extension")) << block;
    }
    call_.session_xml = "<a>" + std::string(kMaxExtensionBytes - 7, 'x') + "</a>";
    EXPECT_EQ(sent().sessions[0].extensions.size(), 1U);
    call_.session_xml += " ";
    sent();
    EXPECT_THAT(faults(), ElementsAre("bad_extension"));
}

TEST_F(CsDescriptionTest, AGroupsExtensionWithoutAGroupIsToldAndIgnored) {
    call_.group_xml = "<team>blue</team>";
    EXPECT_THAT(sent().groups, IsEmpty());
    EXPECT_THAT(faults(), ElementsAre("extension_without_group"));
    call_.group = CsGroup{.id = uuid_of(3), .name = "g"};
    EXPECT_EQ(sent().groups[0].extensions.size(), 2U);
    EXPECT_THAT(faults(), IsEmpty());
}

TEST_F(CsDescriptionTest, AParticipantMayBeGivenAsXml) {
    call_.participants[0].xml =
        "<nameID aor=\"sip:7@agents.example\"><name>Agent &amp; 7</name></nameID>"
        "<nameID aor=\"tel:+461\"/><skill>billing</skill>";
    const MetadataObjects objects = sent();
    EXPECT_THAT(
        objects.participants[0].names,
        ElementsAre(NameId{"sip:7@agents.example", "Agent & 7", ""}, NameId{"tel:+461", "", ""}));
    EXPECT_EQ(objects.participants[0].extensions[0].name, "skill");
    call_.participants[0].xml = "<nameID aor=";
    EXPECT_EQ(sent().participants[0].names[0].name, "Ada");  // as the call itself says
    EXPECT_THAT(faults(), ElementsAre("bad_participant"));
}

TEST_F(CsDescriptionTest, M10_TheEndHasItsReasons) {
    call_.stop = start_ + std::chrono::minutes{1};
    call_.reasons = {{"Q.850", 16, "normal call clearing"}, {"SIP", 200, ""}};
    const MetadataObjects objects = sent();
    EXPECT_EQ(objects.sessions[0].stop, call_.stop);
    EXPECT_EQ(objects.sessions[0].reasons.size(), 2U);
    EXPECT_EQ(objects.sessions[0].reasons[0].protocol, "Q.850");
}

}  // namespace
}  // namespace earshot::siprec
