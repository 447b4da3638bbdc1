#include "payload/key_frame.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

bool begins(const char* encoding, const char* payload) {
    return begins_key_frame(video_codec(encoding), hex(payload));
}

TEST(KeyFrame, IsSeenInTheFirstPacketOfOne) {
    EXPECT_TRUE(begins("H264", "6588"));
    EXPECT_TRUE(begins("H264", "6764"));
    EXPECT_TRUE(begins("h264", "78000267640002"));
    EXPECT_TRUE(begins("H264", "7c8588"));
    EXPECT_TRUE(begins("H264", "7d85000388"));
    EXPECT_TRUE(begins("H265", "2601af"));
    EXPECT_TRUE(begins("H265", "600100034001"));
    EXPECT_TRUE(begins("H265", "6001000900034001"));
    EXPECT_TRUE(begins("H265", "620193af"));
    EXPECT_TRUE(begins("VP8", "90801c706c00"));
    EXPECT_TRUE(begins("VP9", "8c1182"));
    EXPECT_TRUE(begins("AV1", "280c08"));
}

TEST(KeyFrame, IsNotSeenElsewhere) {
    EXPECT_FALSE(begins("H264", "4188"));
    EXPECT_FALSE(begins("H264", "7c0588"));  // a later fragment
    EXPECT_FALSE(begins("H264", "7c8188"));  // of another slice
    EXPECT_FALSE(begins("H265", "0201d0"));
    EXPECT_FALSE(begins("H265", "620113af"));
    EXPECT_FALSE(begins("VP8", "10714c00"));
    EXPECT_FALSE(begins("VP8", "00706c00"));
    EXPECT_FALSE(begins("VP9", "cc1186"));
    EXPECT_FALSE(begins("AV1", "1030"));
    EXPECT_FALSE(begins("H263", "0400"));
    for (const char* const encoding : {"H264", "H265", "VP8", "VP9", "AV1"})
        for (const char* const cut : {"", "78", "7c", "7d", "7a", "7b", "60", "62", "90", "8c"})
            EXPECT_FALSE(begins(encoding, cut)) << encoding << " " << cut;
}

}  // namespace
}  // namespace earshot::payload
