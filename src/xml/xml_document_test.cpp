#include "xml/xml_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xml/limits.h"

namespace earshot::xml {
namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;

XmlDocument parse(std::string_view text, std::string_view charset = {}) {
    auto document = XmlDocument::parse(text, charset);
    if (!document) throw std::runtime_error("not read: " + document.error().text);
    return *std::move(document);
}

XmlDocument::Fault fault_of(std::string_view text, std::string_view charset = {}) {
    const auto document = XmlDocument::parse(text, charset);
    return document ? XmlDocument::Fault{} : document.error();
}

TEST(XmlDocument, PutsTextTogetherFromReferencesCdataAndElements) {
    const XmlDocument document = parse(
        "<r> a&amp;b <!-- - c --><![CDATA[<d>&amp;]]>]<e f='>'>g&#x41;&#229;</e><?h i?>\r\nj\rk "
        "</r>");
    EXPECT_EQ(document.root().text(), "a&b <d>&amp;]gA\xC3\xA5\nj\nk");
    EXPECT_EQ(document.root().first_child()->text(), "gA\xC3\xA5");
}

TEST(XmlDocument, NormalisesTheWhiteSpaceOfAttributes) {
    const XmlDocument document = parse("<r a='b\tc\r\nd\ne&#10;f\"' g=\"'\"/>");
    EXPECT_EQ(document.root().attribute("a"), "b c d e\nf\"");
    EXPECT_EQ(document.root().attribute("g"), "'");
    EXPECT_EQ(document.root().attribute("b"), std::nullopt);
}

TEST(XmlDocument, WalksElementsOnly) {
    const XmlDocument document = parse("<r> <a><b/> </a>x<!-- --><c/><?d?></r>");
    const XmlElement a = *document.root().first_child();
    EXPECT_EQ(a.name(), "a");
    EXPECT_EQ(a.first_child()->name(), "b");
    EXPECT_FALSE(a.first_child()->next_sibling());
    EXPECT_FALSE(a.first_child()->first_child());
    EXPECT_EQ(a.next_sibling()->name(), "c");
    EXPECT_FALSE(a.next_sibling()->next_sibling());
}

TEST(XmlDocument, KnowsTheNamespaceOfEachElement) {
    const XmlDocument document = parse(
        "<r xmlns='urn:a' xmlns:p='urn:b&amp;c'><p:s><t xmlns=''/><p:u xmlns:p='urn:d'/></p:s>"
        "<p:v xml:lang='en' p:lang='de'/></r>");
    EXPECT_EQ(document.root().name_space(), "urn:a");
    const XmlElement s = *document.root().first_child();
    EXPECT_EQ(s.name(), "s");
    EXPECT_EQ(s.name_space(), "urn:b&c");
    EXPECT_EQ(s.first_child()->name_space(), "");
    EXPECT_EQ(s.first_child()->next_sibling()->name_space(), "urn:d");
    EXPECT_EQ(s.next_sibling()->name_space(), "urn:b&c");
    EXPECT_EQ(s.next_sibling()->language(), "en");
    EXPECT_FALSE(document.warning());
}

TEST(XmlDocument, TakesAPrefixThatNobodyDeclaredWithAWarning) {
    const XmlDocument document = parse("<r>\n<p:s q:a='1'/></r>");
    EXPECT_EQ(document.root().first_child()->name(), "p:s");
    EXPECT_EQ(document.root().first_child()->name_space(), "");
    ASSERT_TRUE(document.warning());
    EXPECT_THAT(document.warning()->text, HasSubstr("prefix q"));
    EXPECT_EQ(document.warning()->line, 2);
}

TEST(XmlDocument, OuterXmlDeclaresWhatItInheritsAndNothingElse) {
    const XmlDocument document = parse(
        "<r xmlns='urn:a' xmlns:p='urn:b&amp;c' xmlns:q='urn:q'><p:s  t='&lt;'><![CDATA[<]]><v/>"
        "<p:w xmlns:p='urn:x'/></p:s></r>");
    const std::string xml = document.root().first_child()->outer_xml();
    EXPECT_EQ(xml,
              "<p:s xmlns:p=\"urn:b&amp;c\" xmlns=\"urn:a\"  t='&lt;'><![CDATA[<]]><v/>"
              "<p:w xmlns:p='urn:x'/></p:s>");
    EXPECT_EQ(parse(xml).root().name_space(), "urn:b&c");
}

TEST(XmlDocument, TellsLinesHoweverLongATagIs) {
    const XmlDocument document = parse("\n<r>\n\n<a\n b='1'/><c/>\n</r>");
    const XmlElement a = *document.root().first_child();
    EXPECT_EQ(document.root().line(), 2);
    EXPECT_EQ(a.line(), 4);
    EXPECT_EQ(a.next_sibling()->line(), 5);
}

TEST(XmlDocument, MayBeMoved) {
    XmlDocument document = parse("<r a='1'>b</r>");
    const XmlDocument moved = std::move(document);
    EXPECT_EQ(moved.root().attribute("a"), "1");
    EXPECT_EQ(moved.root().text(), "b");
}

TEST(XmlDocument, RefusesWhatIsNotWellFormed) {
    for (const char* text : {"",
                             " ",
                             "x",
                             "<r",
                             "<r>",
                             "<r/",
                             "<r/><s/>",
                             "<r/>x",
                             "<r></s>",
                             "<r><s></r></s>",
                             "</r>",
                             "<1/>",
                             "< r/>",
                             "<r a/>",
                             "<r a=1/>",
                             "<r a='1/>",
                             "<r a='1'b='2'/>",
                             "<r a='1' a='2'/>",
                             "<r a='<'/>",
                             "<r a='&'/>",
                             "<r xmlns:a='b' xmlns:a='c'/>",
                             "<r>&</r>",
                             "<r>&nbsp;</r>",
                             "<r>&#0;</r>",
                             "<r>&#x110000;</r>",
                             "<r>&#xD800;</r>",
                             "<r>&#;</r>",
                             "<r>&#x;</r>",
                             "<r>]]></r>",
                             "<r><![CDATA[</r>",
                             "<![CDATA[]]>",
                             "<r><!-- -- --></r>",
                             "<r><!-- </r>",
                             "<r><?xml version='1.0'?></r>",
                             "<r><? a?></r>",
                             "<r><?a </r>",
                             "<?xml version='1.0'",
                             "<r><!ENTITY a 'b'></r>",
                             "<r>\x01</r>",
                             "<r>\xC5</r>",
                             "<r>\xC0\x80</r>",
                             "<r>\xED\xA0\x80</r>",
                             "<r>\xEF\xBF\xBF</r>",
                             "<r>\xF5\x80\x80\x80</r>"}) {
        EXPECT_FALSE(fault_of(text).text.empty()) << text;
    }
    EXPECT_FALSE(fault_of("<r>\0</r>"sv).text.empty());
}

TEST(XmlDocument, RefusesADoctypeWhereverItStands) {
    EXPECT_THAT(fault_of("<!-- --><!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>").text,
                HasSubstr("DOCTYPE"));
    EXPECT_FALSE(fault_of("<r><!DOCTYPE r></r>").text.empty());
    EXPECT_FALSE(fault_of("<r/><!DOCTYPE r>").text.empty());
}

TEST(XmlDocument, HoldsTheLimitOfNamespacesAndReadsOn) {
    const auto declaring = [](std::size_t count) {
        std::string text = "<r";
        for (std::size_t i = 0; i < count; ++i)
            text += " xmlns:p" + std::to_string(i) + "='urn:" + std::to_string(i) + "'";
        return text + "><p" + std::to_string(count - 1) + ":s/></r>";
    };
    const XmlDocument edge = parse(declaring(kMaxXmlNamespaces));
    EXPECT_FALSE(edge.warning());
    EXPECT_EQ(edge.root().first_child()->name(), "s");
    const XmlDocument past = parse(declaring(kMaxXmlNamespaces + 1));
    EXPECT_TRUE(past.warning());
    EXPECT_EQ(past.root().first_child()->name(), "p64:s");
}

TEST(XmlDocument, ClosedElementsTakeTheirNamespacesAlong) {
    std::string text = "<r>";
    for (std::size_t i = 0; i < 2 * kMaxXmlNamespaces; ++i) text += "<p:s xmlns:p='urn:p'/>";
    EXPECT_FALSE(parse(text + "</r>").warning());
    EXPECT_TRUE(parse(text + "<p:s/></r>").warning());
}

// ---- characters -------------------------------------------------------------------------------

TEST(XmlDocument, ReadsTheCharsetThatTheDeclarationTells) {
    EXPECT_EQ(parse("<?xml version='1.0' encoding='ISO-8859-1'?><r>\xE5</r>").root().text(),
              "\xC3\xA5");
    EXPECT_EQ(
        parse("<?xml version=\"1.0\" encoding = \"windows-1252\" ?><r>\x80</r>").root().text(),
        "\xE2\x82\xAC");
    EXPECT_EQ(parse("<?xml version='1.0' encoding='US-ASCII'?><r>a</r>").root().text(), "a");
    EXPECT_THAT(fault_of("<?xml version='1.0' encoding='x-no-such'?><r/>").text,
                HasSubstr("encoding"));
    EXPECT_FALSE(fault_of("<?xml version='1.0' encoding='windows-1252'?><r>\x81</r>").text.empty());
}

TEST(XmlDocument, ReadsUtf16InBothOrdersWithAndWithoutAMark) {
    const std::string_view little = "<\0r\0>\0\xE5\0<\0/\0r\0>\0"sv;
    const std::string_view big = "\0<\0r\0>\0\xE5\0<\0/\0r\0>"sv;
    EXPECT_EQ(parse(little).root().text(), "\xC3\xA5");
    EXPECT_EQ(parse(big).root().text(), "\xC3\xA5");
    EXPECT_EQ(parse("\xFF\xFE" + std::string{little}).root().text(), "\xC3\xA5");
    EXPECT_EQ(parse("\xFE\xFF" + std::string{big}).root().text(), "\xC3\xA5");
    EXPECT_FALSE(fault_of(little.substr(0, little.size() - 1)).text.empty());
}

TEST(XmlDocument, AMarkBeatsTheCharsetAndTheCharsetBeatsTheDeclaration) {
    EXPECT_EQ(parse("\xEF\xBB\xBF<r>\xC3\xA5</r>", "ISO-8859-1").root().text(), "\xC3\xA5");
    EXPECT_EQ(
        parse("<?xml version='1.0' encoding='UTF-8'?><r>\xE5</r>", "iso-8859-1").root().text(),
        "\xC3\xA5");
    EXPECT_EQ(parse("<?xml version='1.0' encoding='x-no-such'?><r>a</r>", "utf-8").root().text(),
              "a");
}

// libxml2 would guess at the encoding itself, and tell places in a text that is not ours.
TEST(XmlDocument, RefusesWhatIsInNoEncodingThatWeDecode) {
    const std::string_view ebcdic = "\x4C\x6F\xA7\x94\x93\x40\xA5\x6E\x4C\x99\x61\x6E";
    EXPECT_FALSE(fault_of(ebcdic).text.empty());
    EXPECT_FALSE(fault_of("\xEF\xBB\xBF" + std::string{ebcdic}).text.empty());
    EXPECT_FALSE(fault_of("\0\0\0<\0\0\0r"sv).text.empty());
    const std::string latin = "<?xml version='1.0' encoding='ISO-8859-1'?><r>\xE5</r>";
    EXPECT_FALSE(fault_of("\xEF\xBB\xBF\xEF\xBB\xBF" + latin).text.empty());
    EXPECT_EQ(parse("\xEF\xBB\xBF\xEF\xBB\xBF<r>a</r>").root().text(), "a");
    EXPECT_FALSE(fault_of("\xFF\xFE\xFF\xFE<\0r\0/\0>\0"sv).text.empty());
    EXPECT_EQ(parse("<?xml version='1.0' encoding='IBM037'?><r>a</r>", "utf-8").root().text(), "a");
}

TEST(XmlDocument, IgnoresACharsetThatCannotBe) {
    for (const char* charset : {"x-unknown", "UTF-16", "iso-8859-99", "../iso-8859-1", "UTF-7"}) {
        const XmlDocument document = parse("<r>\xC3\xA5</r>", charset);
        EXPECT_TRUE(document.charset_ignored()) << charset;
        EXPECT_EQ(document.root().text(), "\xC3\xA5");
    }
    EXPECT_FALSE(parse("<r/>", "UTF-8").charset_ignored());
}

}  // namespace
}  // namespace earshot::xml
