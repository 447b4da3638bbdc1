#include "payload/t140.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "payload/limits.h"

namespace earshot::payload {
namespace {

using base::Bytes;

struct Old {
    std::uint16_t offset = 0;
    std::string text;
};

// Text in RED, oldest first (RFC 4103 section 4).
Bytes red(const std::vector<Old>& redundant, std::string_view primary) {
    Bytes out;
    for (const Old& old : redundant)
        base::append_u32(out, 0x80000000U | 98U << 24U | std::uint32_t{old.offset} << 10U |
                                  static_cast<std::uint32_t>(old.text.size()));
    out.push_back(98);
    for (const Old& old : redundant) base::append(out, base::as_bytes(old.text));
    base::append(out, base::as_bytes(primary));
    return out;
}

struct Typist {
    T140Receiver receiver;

    void plain(std::int64_t sequence, std::string_view text) {
        receiver.on_packet({.sequence = sequence,
                            .timestamp = static_cast<std::uint32_t>(300 * sequence),
                            .csrc = {},
                            .is_red = false,
                            .payload = base::as_bytes(text)});
    }
    void redundant(std::int64_t sequence, const Bytes& payload,
                   std::optional<std::uint32_t> csrc = {}) {
        receiver.on_packet({.sequence = sequence,
                            .timestamp = static_cast<std::uint32_t>(300 * sequence),
                            .csrc = csrc,
                            .is_red = true,
                            .payload = payload});
    }
    // What was received; '?' for missing text.
    std::string text() {
        std::string all;
        while (const auto block = receiver.poll_block())
            all += block->is_missing ? "?" : block->text;
        return all;
    }
};

TEST(T140, PassesOnEachBlockOfPlainPackets) {
    Typist typist;
    typist.plain(1, "He");
    typist.plain(2, "llo");
    typist.plain(3, "");
    EXPECT_EQ(typist.text(), "Hello");
}

TEST(T140, TellsThatTextIsMissingWhereNothingIsRedundant) {
    Typist typist;
    typist.plain(1, "a");
    typist.plain(3, "c");
    typist.plain(3, "c");
    typist.plain(2, "b");  // too late: its place is taken by the mark
    EXPECT_EQ(typist.text(), "a?c");
}

// RFC 4103 section 4.1: two generations.
TEST(T140, TakesEachBlockOnceWhereNothingIsLost) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.redundant(2, red({{0, ""}, {300, "a"}}, "b"));
    typist.redundant(3, red({{600, "a"}, {300, "b"}}, "c"));
    typist.redundant(4, red({{600, "b"}, {300, "c"}}, ""));
    EXPECT_EQ(typist.text(), "abc");
}

TEST(T140, RecoversTwoLostPacketsFromRedundancy) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.redundant(4, red({{600, "b"}, {300, "c"}}, "d"));
    const auto a = typist.receiver.poll_block();
    const auto b = typist.receiver.poll_block();
    ASSERT_TRUE(a && b);
    EXPECT_EQ(b->text, "b");
    EXPECT_EQ(b->age_ticks, 600);
    EXPECT_EQ(typist.text(), "cd");
}

TEST(T140, TellsThatTextIsMissingBeforeWhatRedundancyBrings) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.redundant(5, red({{600, "c"}, {300, "d"}}, "e"));
    EXPECT_EQ(typist.text(), "a?cde");
}

TEST(T140, TakesOnlyWhatTheLostPacketsHad) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.redundant(3, red({{600, "a"}, {300, "b"}}, "c"));
    EXPECT_EQ(typist.text(), "abc");
}

TEST(T140, TakesRedundancyOfTheVeryFirstPacket) {
    Typist typist;
    typist.redundant(2, red({{0, ""}, {300, "a"}}, "b"));
    EXPECT_EQ(typist.text(), "ab");
}

TEST(T140, TakesNothingOfBeforeABreakAndMissesNothing) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.receiver.on_break();
    typist.redundant(9, red({{600, "secret"}, {300, "secret"}}, "b"));
    typist.redundant(10, red({{600, "secret"}, {300, "b"}}, "c"));
    EXPECT_EQ(typist.text(), "abc");
}

TEST(T140, TakesAPacketThatIsNoRedForLost) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"));
    typist.redundant(2, Bytes{0x80 | 98, 0});
    typist.redundant(3, red({{600, "a"}, {300, "b"}}, "c"));
    EXPECT_EQ(typist.text(), "abc");
}

TEST(T140, TellsWhatIsNoUtf8ByTheReplacementCharacter) {
    Typist typist;
    typist.plain(1, "a\xff");
    EXPECT_EQ(typist.text(), "a\xef\xbf\xbd");
}

// RFC 9071 section 3.17: packets of several sources between each other in one sequence.
TEST(T140Mixer, TellsSourcesApart) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"), 0xa);
    typist.redundant(2, red({{0, ""}, {0, ""}}, "b"), 0xb);
    const auto a = typist.receiver.poll_block();
    const auto b = typist.receiver.poll_block();
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->csrc, 0xaU);
    EXPECT_EQ(b->csrc, 0xbU);
}

TEST(T140Mixer, RecoversByTheTimeOfEachSource) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"), 0xa);
    // 2 is lost: "b" of 0xb
    typist.redundant(3, red({{0, ""}, {600, "a"}}, "A"), 0xa);
    typist.redundant(4, red({{0, ""}, {600, "b"}}, "B"), 0xb);
    typist.redundant(5, red({{1200, "a"}, {600, "A"}}, ""), 0xa);
    EXPECT_EQ(typist.text(), "aAbB");
}

TEST(T140Mixer, TellsLossOfMoreThanRedundancyReachesOfNobody) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"), 0xa);
    typist.redundant(5, red({{0, ""}, {0, ""}}, "b"), 0xb);
    ASSERT_TRUE(typist.receiver.poll_block());
    const auto missing = typist.receiver.poll_block();
    ASSERT_TRUE(missing);
    EXPECT_TRUE(missing->is_missing);
    EXPECT_FALSE(missing->csrc);
}

TEST(T140Mixer, TakesNothingThatWasTypedDuringABreak) {
    Typist typist;
    typist.redundant(1, red({{0, ""}, {0, ""}}, "a"), 0xa);
    typist.receiver.on_break();
    typist.redundant(8, red({{600, "secret"}, {300, "secret"}}, "b"), 0xa);
    typist.redundant(9, red({{600, "secret"}, {300, "b"}}, "c"), 0xa);
    EXPECT_EQ(typist.text(), "abc");
}

TEST(T140Mixer, TakesTextOfMoreSourcesThanItRemembers) {
    Typist typist;
    for (std::uint32_t i = 0; i <= kMaxTextSources; ++i) typist.redundant(i + 1, red({}, "x"), i);
    EXPECT_EQ(typist.text(), std::string(kMaxTextSources + 1, 'x'));
}

}  // namespace
}  // namespace earshot::payload
