#include "relay/ng_message.h"

#include <gtest/gtest.h>

#include "relay/limits.h"

namespace earshot::relay {
namespace {

base::Result<NgDatagram> parse(std::string_view text) { return parse_ng(base::as_bytes(text)); }
std::string write(std::string_view cookie, const NgDictionary& dictionary) {
    return std::string(base::as_text(write_ng(cookie, dictionary)));
}

// As Debian's rtpengine 10.5 answers `subscribe request`.
constexpr std::string_view kAnswer =
    "c1 d3:sdp5:v=0\r\n8:from-tag1:A10:tag-mediasld3:tag1:A6:mediasld5:indexi1e4:type5:audio5:"
    "label1:04:mode8:sendrecveeee9:from-tagsl1:Ae6:to-tag2:sA6:result2:oke";

TEST(NgMessage, WritesACommandWithItsKeysSorted) {
    EXPECT_EQ(write("5323_1", {{"sdp", "v=0"},
                               {"command", "offer"},
                               {"flags", NgList{"siprec", NgValue(std::int64_t{-7})}},
                               {"codec", NgDictionary{{"strip", NgList{"G729"}}}}}),
              "5323_1 d5:codecd5:stripl4:G729ee7:command5:offer5:flagsl6:siprec"
              "i-7ee3:sdp3:v=0e");
}

TEST(NgMessage, ReadsAnAnswerWhoseKeysAreInAnyOrder) {
    const auto read = parse(kAnswer);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->cookie, "c1");
    const NgDictionary& answer = read->dictionary;
    EXPECT_EQ(answer.text("result"), "ok");
    EXPECT_EQ(answer.text("sdp"), "v=0\r\n");
    ASSERT_EQ(answer.list("tag-medias").size(), 1U);
    const NgDictionary* tag = answer.list("tag-medias")[0].dictionary();
    ASSERT_NE(tag, nullptr);
    const NgDictionary* medium = tag->list("medias").at(0).dictionary();
    ASSERT_NE(medium, nullptr);
    EXPECT_EQ(medium->number("index"), 1);
    EXPECT_EQ(medium->text("mode"), "sendrecv");
}

TEST(NgMessage, GivesNothingForWhatIsAbsentOrOfAnotherType) {
    const auto read = parse(kAnswer);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->dictionary.text("error-reason"), "");
    EXPECT_EQ(read->dictionary.number("result"), 0);
    EXPECT_TRUE(read->dictionary.list("result").empty());
    EXPECT_TRUE(read->dictionary.dictionary("tag-medias").entries().empty());
}

TEST(NgMessage, IsTheSameAfterItWasWrittenAgain) {
    const auto read = parse(kAnswer);
    ASSERT_TRUE(read);
    const std::string again = write(read->cookie, read->dictionary);
    EXPECT_EQ(again.size(), kAnswer.size());
    const auto second = parse(again);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->dictionary, read->dictionary);
}

TEST(NgMessage, RefusesEachTruncation) {
    for (std::size_t size = 0; size < kAnswer.size(); ++size)
        EXPECT_FALSE(parse(kAnswer.substr(0, size))) << size;
}

TEST(NgMessage, RefusesASecondWayToWriteTheSame) {
    for (const std::string_view text :
         {"c d1:a02:bbe", "c d1:ai01ee", "c d1:ai-0ee", "c d1:ai-ee", "c d1:aiee", "c d1:ai+1ee",
          "c d1:a1:b1:a1:be", "c d1:a1:bee", "c d1:a1:be ", "c d1:a-1:be", "c d1:a: be",
          "c di1e1:be", "c le", "c i1e", "c 1:a", "c ", " de", "de", ""})
        EXPECT_FALSE(parse(text)) << text;
}

TEST(NgMessage, TakesTheSmallestAndTheLargestInteger) {
    const auto largest = parse("c d1:ai9223372036854775807e1:bi-9223372036854775807ee");
    ASSERT_TRUE(largest);
    EXPECT_EQ(largest->dictionary.number("a"), INT64_MAX);
    EXPECT_EQ(largest->dictionary.number("b"), -INT64_MAX);
    EXPECT_FALSE(parse("c d1:ai9223372036854775808ee"));
    EXPECT_FALSE(parse("c d1:a99999999999999999999:ae"));
    EXPECT_FALSE(parse("c d1:a18446744073709551615:ae"));
}

TEST(NgMessage, TakesValuesAsDeepAsTheLimitAndNoDeeper) {
    const auto nested = [](std::size_t depth) {  // the dictionary is the first level
        return "c d1:a" + std::string(depth - 1, 'l') + std::string(depth - 1, 'e') + "e";
    };
    EXPECT_TRUE(parse(nested(kMaxNgDepth)));
    const auto deeper = parse(nested(kMaxNgDepth + 1));
    ASSERT_FALSE(deeper);
    EXPECT_EQ(deeper.error().code, base::Errc::TooLarge);
}

TEST(NgMessage, TakesAsManyValuesAsTheLimitAndNoMore) {
    const auto many = [](std::size_t values) {  // the list is one of them
        std::string text = "c d1:al";
        for (std::size_t i = 1; i < values; ++i) text += "0:";
        return text + "ee";
    };
    EXPECT_TRUE(parse(many(kMaxNgValues)));
    EXPECT_FALSE(parse(many(kMaxNgValues + 1)));
}

TEST(NgMessage, TakesADatagramAsLargeAsTheLimitAndNoLarger) {
    const auto large = [](std::size_t size) {
        const std::string value(size - std::string_view("c d1:a65493:e").size(), 'x');
        return "c d1:a" + std::to_string(value.size()) + ":" + value + "e";
    };
    const std::string most = large(kMaxNgBytes);
    EXPECT_EQ(most.size(), kMaxNgBytes);
    EXPECT_TRUE(parse(most));
    EXPECT_FALSE(parse(large(kMaxNgBytes + 1)));
}

TEST(NgMessage, FindsTheCookieOfWhatIsNoMessage) {
    EXPECT_EQ(ng_cookie(base::as_bytes("abc nonsense")), "abc");
    EXPECT_EQ(ng_cookie(base::as_bytes("nonsense")), "");
    const std::string longest(kMaxNgCookieBytes, 'x');
    EXPECT_EQ(ng_cookie(base::as_bytes(longest + " d")), longest);
    EXPECT_EQ(ng_cookie(base::as_bytes(longest + "x d")), "");
}

}  // namespace
}  // namespace earshot::relay
