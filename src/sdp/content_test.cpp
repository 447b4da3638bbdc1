#include "sdp/content.h"

#include <gtest/gtest.h>

namespace earshot::sdp {
namespace {

TEST(Content, ReadsEachValueOfRfc4796) {
    EXPECT_TRUE(parse_content("slides").has(Content::Slides));
    EXPECT_TRUE(parse_content("speaker").has(Content::Speaker));
    EXPECT_TRUE(parse_content("sl").has(Content::SignLanguage));
    EXPECT_TRUE(parse_content("main").has(Content::Main));
    EXPECT_TRUE(parse_content("alt").has(Content::Alternative));
    EXPECT_FALSE(parse_content("sl").has(Content::Slides));
}

TEST(Content, ReadsLists) {
    const ContentSet both = parse_content("main, SLIDES");
    EXPECT_TRUE(both.has(Content::Main));
    EXPECT_TRUE(both.has(Content::Slides));
    EXPECT_EQ(both, parse_content("slides,main,slides"));
}

TEST(Content, PassesOverWhatItDoesNotKnow) {
    EXPECT_TRUE(parse_content("").empty());
    EXPECT_TRUE(parse_content(",x-3d,slide,").empty());
    EXPECT_TRUE(parse_content("x-3d,alt").has(Content::Alternative));
}

}  // namespace
}  // namespace earshot::sdp
