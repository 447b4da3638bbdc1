#include "siprec/metadata_drop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "siprec/request_body.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<DroppedElement> list_of(std::initializer_list<const char*> texts) {
    std::vector<DroppedElement> list;
    for (const char* text : texts) list.push_back(*parse_dropped_element(text));
    return list;
}

constexpr std::string_view kDocument =
    "<?xml version=\"1.0\"?>\r\n<recording xmlns='urn:ietf:params:xml:ns:recording:1'"
    " xmlns:v='urn:vendor'>\r\n<session session_id='hVpd7YQgRW2nD22h7q60JQ=='><v:agent>\r\n"
    "secret-agent</v:agent></session><participant participant_id='srfBElmCRp2QB23b7Mpk0w=='>"
    "<nameID aor='sip:ada@desk.example'><name xml:lang='en'>secret-name</name></nameID>"
    "</participant></recording>";

std::string dropped(std::string_view document, std::initializer_list<const char*> texts,
                    bool is_expected = true, std::string_view charset = {}) {
    const base::ByteView view = base::as_bytes(document);
    base::Bytes bytes(view.begin(), view.end());
    EXPECT_EQ(drop_elements(bytes, charset, list_of(texts)), is_expected);
    EXPECT_EQ(bytes.size(), document.size());
    return std::string(base::as_text(bytes));
}

TEST(DroppedElement, IsReadWhenItNamesSomething) {
    EXPECT_EQ(parse_dropped_element("name"), (DroppedElement{"", "name"}));
    EXPECT_EQ(parse_dropped_element("{urn:v}x"), (DroppedElement{"urn:v", "x"}));
    EXPECT_EQ(parse_dropped_element("{urn:v}*"), (DroppedElement{"urn:v", "*"}));
    EXPECT_EQ(parse_dropped_element("{*}*"), (DroppedElement{"*", "*"}));
    for (const char* text : {"", "*", "{}x", "{urn:v}", "{urn:v", "a b", "a,b", "v:x", "<x>"})
        EXPECT_FALSE(parse_dropped_element(text)) << text;
}

TEST(MetadataDrop, AnElementGoesWithAllThatIsInItAndTheRestStands) {
    const std::string text = dropped(kDocument, {"name"});
    EXPECT_THAT(text, Not(HasSubstr("secret-name")));
    EXPECT_THAT(text, Not(HasSubstr("<name ")));
    EXPECT_THAT(text, HasSubstr("secret-agent"));
    const auto document = parse_metadata(text);
    ASSERT_TRUE(document);
    EXPECT_TRUE(document->issues.empty());
    EXPECT_EQ(document->objects.participants.at(0).names.at(0).aor, "sip:ada@desk.example");
    EXPECT_EQ(document->objects.participants.at(0).names.at(0).name, "");
}

TEST(MetadataDrop, ExtensionsGoByNamespaceByNameOrAll) {
    for (const char* what :
         {"{urn:vendor}agent", "{urn:vendor}*", "{*}agent", "{*}AGENT", "{*}*"}) {
        const std::string text = dropped(kDocument, {what});
        EXPECT_THAT(text, Not(HasSubstr("secret-agent"))) << what;
        EXPECT_THAT(text, HasSubstr("secret-name")) << what;
        EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << what;  // lines stay countable
    }
    for (const char* other : {"agent", "{urn:other}agent", "{urn:other}*", "{urn:vendor}name"})
        EXPECT_EQ(dropped(kDocument, {other}, false), kDocument) << other;
}

TEST(MetadataDrop, ThePrefixOfNoNamespaceIsForeign) {
    const std::string text = dropped(
        "<recording><session><apkt:ucid>secret</apkt:ucid></session></recording>", {"{*}*"});
    EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(MetadataDrop, WhatCannotBeReadIsNotKeptAtAll) {
    for (const std::string& document :
         {std::string("<recording><name>secret</name>"), std::string("secret"),
          std::string("\xEF\xBB\xBF<recording><name>secret</name></recording>"),
          std::string("<?xml version='1.0' encoding='ISO-8859-1'?><recording><name>secret \xE9"
                      "</name></recording>")})
        EXPECT_THAT(dropped(document, {"name"}), Not(HasSubstr("secret"))) << document;
    EXPECT_THAT(dropped("<recording><name>secret</name></recording>", {"name"}, true, "UTF-16LE"),
                Not(HasSubstr("secret")));
}

TEST(MetadataDrop, AMessageKeepsItsLengthItsSdpAndItsSignalling) {
    const sip::Message invite = message_from("two-party.sip");
    const auto bytes = drop_metadata(invite, list_of({"nameID"}));
    ASSERT_TRUE(bytes);
    ASSERT_EQ(bytes->size(), invite.raw().size());
    const sip::Message left = message_of(std::string(base::as_text(*bytes)));
    const RequestBody before = read_body(invite);
    const RequestBody after = read_body(left);
    EXPECT_EQ(after.sdp, before.sdp);
    EXPECT_THAT(std::string(*before.metadata), HasSubstr("<nameID"));
    EXPECT_THAT(std::string(*after.metadata), Not(HasSubstr("<nameID")));
    EXPECT_TRUE(parse_metadata(*after.metadata));
    EXPECT_FALSE(drop_metadata(left, list_of({"nameID"})));  // nothing is left to drop
    EXPECT_FALSE(drop_metadata(invite, {}));
    EXPECT_FALSE(drop_metadata(invite, list_of({"nothing"})));
}

// One message whose metadata stands in many places: where it should, under other types, twice, in a
// preamble and an epilogue.
std::string odd_message() {
    return to_wire(
        "INVITE sip:srs@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKk\n"
        "From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: k\nCSeq: 1 INVITE\n"
        "Content-Type: multipart/mixed;boundary=b\n\n<recording><name>secret</name></recording>\n"
        "--b\nContent-Type: application/sdp\n\nv=0\n--b\nContent-Type: application/rs-metadata\n\n"
        "<recording><name>secret</name></recording>\n--b\nContent-Type: text/plain\n\n"
        "  <recording><name>secret</name></recording>\n--b\n"
        "Content-Type: application/rs-metadata+xml\n\n<recording><name>secret</name></recording>\n"
        "--b--\n<recording><name>secret</name></recording>\n");
}

TEST(MetadataDrop, NoPlaceOfAMessageKeepsIt) {
    const auto bytes = drop_metadata(message_of(odd_message()), list_of({"name"}));
    ASSERT_TRUE(bytes);
    EXPECT_THAT(std::string(base::as_text(*bytes)), Not(HasSubstr("secret")));
    EXPECT_THAT(std::string(base::as_text(*bytes)), HasSubstr("v=0"));
}

TEST(MetadataDrop, NoTruncationOfTheBodyKeepsIt) {
    const std::string whole = odd_message();
    const std::size_t head = whole.find("\r\n\r\n") + 4;
    for (std::size_t size = 0; head + size <= whole.size(); ++size) {
        std::string wire = whole.substr(0, head + size);
        const std::size_t at = wire.find("Content-Length: ") + 16;
        wire.replace(at, wire.find("\r\n", at) - at, std::to_string(size));
        const sip::Message message = message_of(wire);
        const auto bytes = drop_metadata(message, list_of({"name"}));
        const std::string left(base::as_text(bytes ? base::ByteView(*bytes) : message.raw()));
        EXPECT_THAT(left, Not(HasSubstr("secret"))) << size;
    }
}

}  // namespace
}  // namespace earshot::siprec
