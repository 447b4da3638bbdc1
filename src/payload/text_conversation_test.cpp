#include "payload/text_conversation.h"

#include <gtest/gtest.h>

#include "payload/limits.h"

namespace earshot::payload {
namespace {

std::string text_of(const TextConversation& conversation) {
    std::string all;
    for (const TextLine& line : conversation.lines()) all += line.text + "|";
    return all;
}

std::string typed(std::initializer_list<std::string_view> blocks) {
    TextConversation conversation;
    std::int64_t at_ms = 0;
    for (const std::string_view block : blocks) conversation.type(at_ms += 300, {}, block);
    return text_of(conversation);
}

TEST(TextConversation, KeepsWhenALineBeganAndWasChangedLast) {
    TextConversation conversation;
    conversation.type(1000, {}, "He");
    conversation.type(1300, {}, "llo\r\n");
    conversation.type(2000, {}, "Yes");
    EXPECT_EQ(
        conversation.lines(),
        (std::vector<TextLine>{{.csrc = {}, .start_ms = 1000, .end_ms = 1300, .text = "Hello"},
                               {.csrc = {}, .start_ms = 2000, .end_ms = 2000, .text = "Yes"}}));
    EXPECT_FALSE(conversation.is_cut());
}

TEST(TextConversation, ErasesByBackspace) {
    EXPECT_EQ(typed({"Helo", "\b", "lo"}), "Hello|");
    EXPECT_EQ(typed({"a\b\b\b", "b"}), "b|");
    EXPECT_EQ(typed({"\b"}), "");
}

TEST(TextConversation, ErasesWholeCharacters) {
    EXPECT_EQ(typed({"xä\b"}), "x|");
    EXPECT_EQ(typed({"x\xf0\x9f\x98\x80\b"}), "x|");
    EXPECT_EQ(typed({"xa\xcc\x88\b"}), "x|");  // with a combining diaeresis
}

TEST(TextConversation, ErasesALineEndAsOneCharacter) {
    EXPECT_EQ(typed({"one\r\n", "\b", "!"}), "one!|");
    EXPECT_EQ(typed({"one\r\ntwo", "\b\b\b\b", "!"}), "one!|");
    EXPECT_EQ(typed({"one\r\nt", "\b", "T"}), "one|T|");
}

TEST(TextConversation, BeginsALineByEachOfTheLineEnds) {
    EXPECT_EQ(typed({"a\r\nb\nc\rd\xe2\x80\xa8"
                     "e"}),
              "a|b|c|d|e|");
    EXPECT_EQ(typed({"a\r", "\nb"}), "a|b|");
}

TEST(TextConversation, ShowsNothingOfWhatIsNoText) {
    EXPECT_EQ(typed({"\xef\xbb\xbf", "a\a",
                     "\xef\xbb\xbf"
                     "b"}),
              "ab|");
    EXPECT_EQ(typed({"a\xc2\x9b"
                     "1;31mb"}),
              "ab|");  // SGR
    EXPECT_EQ(typed({"a\x1b[1mb"}), "ab|");
    EXPECT_EQ(typed({"a\xc2\x98private",
                     "data\xc2\x9c"
                     "b"}),
              "ab|");  // SOS ... ST
    EXPECT_EQ(typed({"a\x1b"
                     "ab"}),
              "ab|");  // INT
    EXPECT_EQ(typed({std::string_view("a\0b", 3)}), "ab|");
    EXPECT_EQ(typed({"a\tb"}), "a\tb|");
}

TEST(TextConversation, GivesEachTypistLinesOfItsOwn) {
    TextConversation conversation;
    conversation.type(100, 1, "Hel");
    conversation.type(200, 2, "Yes");
    conversation.type(300, 1, "lo");
    conversation.type(400, 2, "\b\b\bNo");
    const auto lines = conversation.lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].text, "Hello");
    EXPECT_EQ(lines[0].csrc, 1U);
    EXPECT_EQ(lines[1].text, "No");
    EXPECT_EQ(lines[1].start_ms, 400);
}

TEST(TextConversation, MarksMissingText) {
    TextConversation conversation;
    conversation.type(1, {}, "a");
    conversation.miss(2, {});
    EXPECT_EQ(text_of(conversation), "a\xef\xbf\xbd|");
}

TEST(TextConversation, TakesTypistsUpToItsLimit) {
    TextConversation conversation;
    for (std::uint32_t i = 0; i < kMaxTextSources; ++i) conversation.type(1, i, "x");
    EXPECT_FALSE(conversation.is_cut());
    conversation.type(1, kMaxTextSources, "x");
    EXPECT_TRUE(conversation.is_cut());
    EXPECT_EQ(conversation.lines().size(), kMaxTextSources);
}

TEST(TextConversation, TakesTextUpToItsLimit) {
    TextConversation conversation;
    conversation.type(1, {}, std::string(kMaxTextBytes, 'x'));
    EXPECT_FALSE(conversation.is_cut());
    conversation.type(1, {}, "y");
    EXPECT_TRUE(conversation.is_cut());
    EXPECT_EQ(conversation.lines().front().text.size(), kMaxTextBytes);
}

TEST(TextConversation, TakesLinesUpToItsLimit) {
    TextConversation conversation;
    for (std::size_t i = 0; i < kMaxTextLines; ++i) conversation.type(1, {}, "x\n");
    EXPECT_FALSE(conversation.is_cut());
    conversation.type(1, {}, "y");
    EXPECT_TRUE(conversation.is_cut());
}

}  // namespace
}  // namespace earshot::payload
