#include "rtp/header_extension.h"

#include <gtest/gtest.h>

namespace earshot::rtp {
namespace {

using base::Bytes;

// RFC 8285 section 4.2's example: elements 0 and 1 octets long, padding, 4 octets.
const Bytes kOneByte{0x10, 0xaa, 0x21, 0xbb, 0xcc, 0x00, 0x00, 0x33, 1, 2, 3, 4};

TEST(HeaderExtension, FindsElementsOfTheOneByteForm) {
    const RtpExtension extension{.profile = 0xbede, .bytes = kOneByte};
    ASSERT_TRUE(find_element(extension, 1));
    EXPECT_EQ((*find_element(extension, 1))[0], 0xaa);
    EXPECT_EQ(find_element(extension, 2)->size(), 2U);
    EXPECT_EQ(find_element(extension, 3)->size(), 4U);
    EXPECT_FALSE(find_element(extension, 4));
    EXPECT_FALSE(find_element(extension, 0));
}

TEST(HeaderExtension, EndsAtId15) {
    const Bytes bytes{0xf0, 0x00, 0x10, 0xaa};
    EXPECT_FALSE(find_element({.profile = 0xbede, .bytes = bytes}, 1));
}

TEST(HeaderExtension, FindsElementsOfTheTwoByteForm) {
    const Bytes bytes{0x01, 0x00, 0x02, 0x01, 0xbb, 0x00, 0xfe, 0x03, 1, 2, 3, 0x00};
    const RtpExtension extension{.profile = 0x1003, .bytes = bytes};
    EXPECT_EQ(find_element(extension, 1)->size(), 0U);
    EXPECT_EQ((*find_element(extension, 2))[0], 0xbb);
    EXPECT_EQ(find_element(extension, 254)->size(), 3U);
    EXPECT_FALSE(find_element(extension, 3));
}

TEST(HeaderExtension, ReadsNothingPastTheEnd) {
    for (std::size_t size = 0; size < kOneByte.size(); ++size) {
        const RtpExtension cut{.profile = 0xbede, .bytes = base::ByteView(kOneByte).first(size)};
        EXPECT_FALSE(find_element(cut, 3)) << size;
    }
    const Bytes two{0x02, 0x02, 1, 2};
    for (std::size_t size = 0; size < two.size(); ++size) {
        const RtpExtension cut{.profile = 0x1000, .bytes = base::ByteView(two).first(size)};
        EXPECT_FALSE(find_element(cut, 2)) << size;
    }
}

TEST(HeaderExtension, KnowsNoOtherProfile) {
    EXPECT_FALSE(find_element({.profile = 0x1234, .bytes = kOneByte}, 1));
}

TEST(AudioLevel, ReadsVoiceAndLevel) {
    EXPECT_TRUE(read_audio_level(0x80).is_voice);
    EXPECT_EQ(read_audio_level(0x80).below_dbov, 0);
    EXPECT_FALSE(read_audio_level(0x7f).is_voice);
    EXPECT_EQ(read_audio_level(0x7f).below_dbov, 127);
}

}  // namespace
}  // namespace earshot::rtp
