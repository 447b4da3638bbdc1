#include "payload/audio_frames.h"

#include <gmock/gmock.h>

#include <numeric>

namespace earshot::payload {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = AudioFrame::Kind;

AudioFramer framer(std::string_view encoding, std::string_view fmtp = {},
                   std::uint32_t clock_rate = 8000) {
    return *AudioFramer::make(encoding, clock_rate, 1, fmtp);
}

// Writes bits one after another, as the bandwidth-efficient form has them.
class Bits {
public:
    Bits& add(unsigned value, std::size_t count) {
        for (; count > 0; --count, ++size_) {
            if (size_ % 8 == 0) bytes_.push_back(0);
            if ((value >> (count - 1) & 1U) != 0)
                bytes_.back() |= static_cast<std::uint8_t>(0x80U >> (size_ % 8));
        }
        return *this;
    }
    const base::Bytes& bytes() const { return bytes_; }

private:
    base::Bytes bytes_;
    std::size_t size_ = 0;
};

base::Bytes counting(std::size_t count) {
    base::Bytes bytes(count);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
    return bytes;
}

TEST(AudioFramer, TakesAnOctetAlignedPacketApartIntoStoredFrames) {
    // CMR 15; a frame of 12.2 kbit/s (type 7, 244 bits) and a noise frame (type 8, 39 bits).
    base::Bytes payload{0xf0, 0x80 | 7U << 3 | 4, 8U << 3 | 4};
    base::append(payload, counting(31));
    base::append(payload, counting(5));
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("AMR", "octet-align=1").split(payload, frames));
    ASSERT_THAT(frames, SizeIs(2));
    EXPECT_EQ(frames[0].bytes.size(), 32U);
    EXPECT_EQ(frames[0].bytes[0], 7U << 3 | 4);
    EXPECT_EQ(frames[0].bytes[1], 1U);
    EXPECT_EQ(frames[1].kind, Kind::Noise);
    EXPECT_EQ(frames[1].offset, 160);
    EXPECT_EQ(frames[1].bytes.size(), 6U);
}

TEST(AudioFramer, PullsBandwidthEfficientBitsOntoOctets) {
    // CMR 15; one frame of type 0 (95 bits), Q set: bits of the frame are 1010...
    Bits bits;
    bits.add(15, 4).add(0, 1).add(0, 4).add(1, 1);
    for (int i = 0; i < 95; ++i) bits.add(i % 2 == 0 ? 1 : 0, 1);
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("AMR").split(bits.bytes(), frames));
    ASSERT_THAT(frames, SizeIs(1));
    ASSERT_THAT(frames[0].bytes, SizeIs(13));
    EXPECT_EQ(frames[0].bytes[0], 4U);
    EXPECT_EQ(frames[0].bytes[1], 0xaaU);
    EXPECT_EQ(frames[0].bytes[12], 0xaaU);
    EXPECT_EQ(frames[0].duration, 160);
}

TEST(AudioFramer, KnowsWidebandFramesAndThoseWithoutContent) {
    Bits bits;
    bits.add(15, 4).add(1, 1).add(15, 4).add(1, 1);  // no data
    bits.add(0, 1).add(8, 4).add(1, 1);              // 23.85 kbit/s, 477 bits
    for (int i = 0; i < 477; ++i) bits.add(1, 1);
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("AMR-WB", "", 16'000).split(bits.bytes(), frames));
    ASSERT_THAT(frames, SizeIs(2));
    EXPECT_EQ(frames[0].kind, Kind::Nothing);
    EXPECT_EQ(frames[1].offset, 320);
    EXPECT_THAT(frames[1].bytes, SizeIs(61));
}

TEST(AudioFramer, RefusesFormsOfAmrThatItDoesNotTakeApart) {
    EXPECT_FALSE(AudioFramer::make("AMR", 8000, 2, ""));
    EXPECT_FALSE(AudioFramer::make("AMR", 8000, 1, "octet-align=1; interleaving=30"));
    EXPECT_FALSE(AudioFramer::make("AMR", 8000, 1, "crc=1"));
    EXPECT_TRUE(AudioFramer::make("AMR", 8000, 1, "crc=0; octet-align=1"));
    EXPECT_FALSE(AudioFramer::why_not("AMR", 2, "").empty());
    EXPECT_FALSE(AudioFramer::why_not("EVS", 1, "").empty());
}

TEST(AudioFramer, RefusesFrameTypesThatAreReserved) {
    std::vector<AudioFrame> frames;
    EXPECT_FALSE(framer("AMR", "octet-align=1").split(base::Bytes{0xf0, 9U << 3}, frames));
    EXPECT_FALSE(
        framer("AMR-WB", "octet-align=1", 16'000).split(base::Bytes{0xf0, 10U << 3}, frames));
    EXPECT_THAT(frames, IsEmpty());
}

TEST(AudioFramer, SurvivesEachTruncation) {
    base::Bytes aligned{0xf0, 0x80 | 7U << 3 | 4, 7U << 3 | 4};
    base::append(aligned, counting(62));
    for (const std::string_view fmtp : {"octet-align=1", "octet-align=0"}) {
        for (std::size_t size = 1; size < aligned.size(); ++size) {
            std::vector<AudioFrame> frames;
            static_cast<void>(
                framer("AMR", fmtp).split(base::ByteView(aligned).first(size), frames));
            EXPECT_LE(frames.size(), 64U);
        }
    }
    std::vector<AudioFrame> frames;
    EXPECT_FALSE(framer("AMR", "octet-align=1").split(base::ByteView(aligned).first(64), frames));
    EXPECT_THAT(frames, SizeIs(1));  // what is whole
}

TEST(AudioFramer, CutsG729AtTenOctetsAndKnowsItsNoise) {
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("G729").split(counting(22), frames));
    ASSERT_THAT(frames, SizeIs(3));
    EXPECT_EQ(frames[1].offset, 80);
    EXPECT_EQ(frames[2].kind, Kind::Noise);
    EXPECT_EQ(frames[2].offset, 160);
    EXPECT_FALSE(framer("G729").split(counting(13), frames));
}

TEST(AudioFramer, ReadsTheSizeOfG7231FramesOffTheirFirstOctet) {
    base::Bytes payload(24, 0);
    payload.push_back(1);
    payload.resize(24 + 20, 0);
    payload.push_back(2);
    payload.resize(24 + 20 + 4, 0);
    payload.push_back(3);
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("G723").split(payload, frames));
    ASSERT_THAT(frames, SizeIs(4));
    EXPECT_EQ(frames[1].bytes.size(), 20U);
    EXPECT_EQ(frames[2].kind, Kind::Noise);
    EXPECT_EQ(frames[3].offset, 720);
}

TEST(AudioFramer, TakesTheModeOfIlbcFromItsParameters) {
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("iLBC", "mode=20").split(counting(76), frames));
    EXPECT_THAT(frames, SizeIs(2));
    frames.clear();
    ASSERT_TRUE(framer("iLBC").split(counting(100), frames));
    EXPECT_EQ(frames[1].offset, 240);
}

TEST(AudioFramer, TellsHowLongAnOpusPacketLasts) {
    EXPECT_EQ(opus_duration(base::Bytes{0x78, 0}), 960);      // CELT, 20 ms
    EXPECT_EQ(opus_duration(base::Bytes{0x18, 0}), 2880);     // SILK, 60 ms
    EXPECT_EQ(opus_duration(base::Bytes{0x79, 0}), 1920);     // two of 20 ms
    EXPECT_EQ(opus_duration(base::Bytes{0x7b, 3, 0}), 2880);  // three of 20 ms
    EXPECT_EQ(opus_duration(base::Bytes{0x7b, 63, 0}), 0);    // more than 120 ms
    EXPECT_EQ(opus_duration(base::Bytes{}), 0);
}

TEST(AudioFramer, CountsTheTicksOfSampledFormats) {
    std::vector<AudioFrame> frames;
    ASSERT_TRUE(framer("G722").split(counting(160), frames));
    ASSERT_TRUE(framer("L16").split(counting(160), frames));
    ASSERT_TRUE(framer("G726-32").split(counting(80), frames));
    EXPECT_EQ(frames[0].duration, 160);
    EXPECT_EQ(frames[1].duration, 80);
    EXPECT_EQ(frames[2].duration, 160);
}

}  // namespace
}  // namespace earshot::payload
