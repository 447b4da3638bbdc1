// What is shared: that pages differ, that even areas take few bits. That a decoder shows them is
// asked by tests/use-cases.
#include "loadgen/slide_picture.h"

#include <gtest/gtest.h>

#include "loadgen/video_stream.h"

namespace earshot::loadgen {
namespace {

TEST(SlidePicture, EachKindAndPageLooksDifferent) {
    for (const Sharing kind : {Sharing::Screen, Sharing::Application, Sharing::Document}) {
        for (std::uint32_t page = 0; page < kSlidePages; ++page) {
            for (std::uint32_t other = 0; other < page; ++other)
                EXPECT_NE(draw_slide(kind, page).y, draw_slide(kind, other).y)
                    << to_string(kind) << page << other;
        }
        EXPECT_EQ(find_sharing(to_string(kind)), kind);
    }
    EXPECT_NE(draw_slide(Sharing::Screen, 0).y, draw_slide(Sharing::Document, 0).y);
    EXPECT_FALSE(find_sharing("camera").has_value());
}

TEST(SlidePicture, AKeyPictureIsMuchSmallerThanItsSamples) {
    constexpr std::size_t kSamples = std::size_t{kSlideWidth} * kSlideHeight * 3 / 2;
    for (const Sharing kind : {Sharing::Screen, Sharing::Application, Sharing::Document})
        for (std::uint32_t page = 0; page < kSlidePages; ++page)
            EXPECT_LT(slide_key_picture(kind, page).size(), kSamples * 3 / 4) << page;
    EXPECT_LT(slide_next_picture(1).size(), 8U);
}

TEST(SlidePicture, AStreamOfThemHasFewPicturesAndANewPageEachFourSeconds) {
    const VideoPictures pictures{Sharing::Document};
    VideoStream stream{{}, pictures};
    std::size_t turns_with_packets = 0;
    for (int turn = 0; turn < 250; ++turn)  // 10 s
        if (!stream.next_picture().empty()) ++turns_with_packets;
    EXPECT_EQ(turns_with_packets, 25U);
    EXPECT_EQ(stream.figures().pictures, 25U);
    EXPECT_EQ(stream.figures().key_pictures, 3U);  // at 0, 4 and 8 s
    stream.want_key_picture();
    EXPECT_FALSE(stream.next_picture().empty());
    EXPECT_EQ(stream.figures().key_pictures, 4U);
}

}  // namespace
}  // namespace earshot::loadgen
