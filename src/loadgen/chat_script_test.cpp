// Dialogues and files of chats: what is read, what is refused, when it is said.
#include "loadgen/chat_script.h"

#include <gtest/gtest.h>

#include "loadgen/limits.h"
#include "sdp/message_media.h"

namespace earshot::loadgen {
namespace {

TEST(ChatScript, ReadsWhoSaysWhatAndPassesOverRemarks) {
    const auto lines = parse_dialogue("# greeting\nA: Hello\r\n\n B:  Good morning \nA: x:y");
    ASSERT_TRUE(lines.has_value()) << lines.error().text;
    ASSERT_EQ(lines->size(), 3U);
    EXPECT_EQ((*lines)[0].party, 0U);
    EXPECT_EQ((*lines)[0].text, "Hello");
    EXPECT_EQ((*lines)[1].party, 1U);
    EXPECT_EQ((*lines)[1].text, "Good morning");
    EXPECT_EQ((*lines)[2].text, "x:y");
}

TEST(ChatScript, NamesTheLineThatItCannotRead) {
    const auto lines = parse_dialogue("A: Hello\nC: who is this?\n");
    ASSERT_FALSE(lines.has_value());
    EXPECT_EQ(lines.error().code, "bad_chat_lines");
    EXPECT_NE(lines.error().text.find("Line 2"), std::string::npos) << lines.error().text;
    EXPECT_FALSE(parse_dialogue("A:").has_value());
    EXPECT_FALSE(parse_dialogue("A").has_value());
    EXPECT_FALSE(parse_dialogue("\n# nothing\n").has_value());
}

TEST(ChatScript, TakesALineOfTheLongestLengthAndNoneLonger) {
    EXPECT_TRUE(parse_dialogue("A: " + std::string(kMaxChatLineBytes, 'x')).has_value());
    EXPECT_FALSE(parse_dialogue("A: " + std::string(kMaxChatLineBytes + 1, 'x')).has_value());
}

TEST(ChatScript, TakesSoManyLinesAndNoneMore) {
    std::string text;
    for (std::size_t i = 0; i < kMaxChatLines; ++i) text += "B: x\n";
    EXPECT_TRUE(parse_dialogue(text).has_value());
    EXPECT_FALSE(parse_dialogue(text + "B: x\n").has_value());
}

TEST(ChatScript, WritesASelectorThatIsReadBack) {
    ChatFile file{"floor \"plan\" 100%.pdf", "application/pdf",
                  std::make_shared<const std::string>("12345")};
    const sdp::FileSelector read = sdp::parse_file_selector(file_selector(file));
    EXPECT_EQ(read.name, file.name);
    EXPECT_EQ(read.type, "application/pdf");
    EXPECT_EQ(read.size, 5U);
}

TEST(ChatScript, KnowsTypesByTheEndOfTheName) {
    EXPECT_EQ(type_of_file("a.PNG"), "image/png");
    EXPECT_EQ(type_of_file("a.txt"), "text/plain");
    EXPECT_EQ(type_of_file("png"), "application/octet-stream");
}

TEST(ChatScript, EverythingIsSaidWithinTheCallInItsOrder) {
    const std::chrono::milliseconds duration{2000};
    const auto acts = dialogue_acts(usual_dialogue(), {"<sip:a@x>", "<sip:b@x>"}, duration);
    ASSERT_EQ(acts.size(), usual_dialogue().size());
    for (std::size_t i = 0; i < acts.size(); ++i) {
        EXPECT_LT(acts[i].after, duration);
        EXPECT_GT(acts[i].after, i == 0 ? std::chrono::milliseconds{0} : acts[i - 1].after);
        EXPECT_EQ(acts[i].from, usual_dialogue()[i].party == 0 ? "<sip:a@x>" : "<sip:b@x>");
        EXPECT_NE(acts[i].from, acts[i].to);
    }
    const auto of_a = dialogue_acts_of(0, usual_dialogue(), {"<sip:a@x>", "<sip:b@x>"}, duration);
    const auto of_b = dialogue_acts_of(1, usual_dialogue(), {"<sip:a@x>", "<sip:b@x>"}, duration);
    EXPECT_EQ(of_a.size() + of_b.size(), acts.size());
}

}  // namespace
}  // namespace earshot::loadgen
