#include "capture/feedback.h"

#include <gtest/gtest.h>

#include "capture/limits.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"

namespace earshot::capture {
namespace {

using base::Bytes;
using payload::VideoCodec;

const Bytes kKey{0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x60, 0x01, 0x20, 0x01};
const Bytes kDelta{0x10, 0x01, 0x00, 0x00};

// Sends packets of VP8 to what asks, looks at it every 20 ms, keeps what it asks for.
class FeedbackTest : public testing::Test {
protected:
    FeedbackTest() { feedback.set_terms({.nack = true, .pli = true, .fir = true}); }

    void packet(int sequence, const Bytes& payload = kDelta, VideoCodec codec = VideoCodec::Vp8,
                std::uint32_t ssrc = 7) {
        feedback.on_packet({.sequence = static_cast<std::uint16_t>(sequence), .ssrc = ssrc},
                           payload, codec);
    }
    void look(int times = 1) {
        for (int i = 0; i < times; ++i, now += std::chrono::milliseconds{20}) {
            Bytes out;
            if (const auto request = feedback.on_turn(now, "earshot@test", out))
                requests.push_back(*request);
            if (out.empty()) continue;
            const auto packets = rtp::parse_rtcp(out);
            ASSERT_TRUE(packets);
            ASSERT_GE(packets->size(), 3U);  // RR, SDES, and what is asked
            EXPECT_TRUE(std::get<rtp::ReceiverReport>((*packets)[0]).reports.empty());
            for (std::size_t at = 2; at < packets->size(); ++at)
                asked.push_back(rtp::parse_feedback(std::get<rtp::OtherRtcp>((*packets)[at])));
        }
    }
    std::vector<std::uint16_t> nacked() const {
        std::vector<std::uint16_t> all;
        for (const auto& one : asked) all.insert(all.end(), one.lost.begin(), one.lost.end());
        return all;
    }

    Feedback feedback{1, true};
    base::TimePoint now{};
    std::vector<rtp::RtcpFeedback> asked;
    std::vector<KeyFrameRequest> requests;
};

TEST_F(FeedbackTest, AsksForNothingOfAStreamThatBeginsWithAKeyFrame) {
    packet(1, kKey);
    for (int i = 2; i < 50; ++i) {
        packet(i);
        look();
    }
    EXPECT_TRUE(asked.empty());
    EXPECT_TRUE(requests.empty());
}

TEST_F(FeedbackTest, AsksForAKeyFrameAtTheStartUntilItComesMoreAndMoreSeldom) {
    packet(1);
    look();
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].full_intra, (std::vector<rtp::FullIntraRequest>{{.ssrc = 7, .number = 0}}));
    look(49);
    EXPECT_EQ(asked.size(), 1U);  // not twice in a second
    look(51);
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[1].full_intra[0].number, 1);
    look(60 * 50);
    EXPECT_LE(asked.size(), 11U);
    packet(2, kKey);
    const std::size_t before = asked.size();
    look(60 * 50);
    EXPECT_EQ(asked.size(), before);
    EXPECT_EQ(feedback.key_frames_asked(), before);
}

TEST_F(FeedbackTest, AsksAgainForWhatIsMissingButNotForWhatIsOnlyLate) {
    packet(65'534, kKey);
    packet(1);
    look();
    EXPECT_TRUE(nacked().empty());
    packet(65'535);
    look();
    EXPECT_EQ(nacked(), (std::vector<std::uint16_t>{0}));
    packet(0);
    look(100);
    EXPECT_EQ(nacked().size(), 1U);
    EXPECT_TRUE(requests.empty());
    EXPECT_EQ(feedback.asked_again(), 1U);
    EXPECT_EQ(feedback.restored(), 1U);
}

TEST_F(FeedbackTest, WantsAKeyFrameForWhatNobodyFilled) {
    packet(1, kKey);
    packet(3);
    look(200);
    EXPECT_EQ(nacked(), (std::vector<std::uint16_t>{2, 2, 2}));
    ASSERT_FALSE(requests.empty());
    EXPECT_EQ(requests[0].reason, KeyFrameReason::Loss);
    EXPECT_EQ(requests[0].method, KeyFrameMethod::Pli);
    EXPECT_TRUE(asked.back().is_pli);
    EXPECT_EQ(asked.back().media, 7U);
    EXPECT_EQ(feedback.restored(), 0U);
}

TEST_F(FeedbackTest, TakesARetransmissionForThePacket) {
    packet(1, kKey);
    packet(3);
    look(3);
    EXPECT_TRUE(feedback.on_restored(2));
    EXPECT_FALSE(feedback.on_restored(2));
    look(200);
    EXPECT_TRUE(requests.empty());
    EXPECT_EQ(feedback.restored(), 1U);
}

TEST_F(FeedbackTest, GivesUpAtOnceWhereNothingCanBeAskedForAgain) {
    feedback.set_terms({.pli = true});
    packet(1, kKey);
    packet(3);
    look(2);
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].method, KeyFrameMethod::Pli);
    EXPECT_TRUE(nacked().empty());
}

TEST_F(FeedbackTest, UsesWhatWasNegotiatedAndElseTellsTheSignallingSide) {
    feedback.set_terms({.fir = true});
    packet(1, kKey);
    packet(3);
    look(2);
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].method, KeyFrameMethod::Fir);
    feedback.set_terms({});
    look(60);
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[1].method, KeyFrameMethod::Info);
    EXPECT_EQ(asked.size(), 1U);
}

TEST_F(FeedbackTest, AsksOnceForAPictureOfACodecWhoseKeyFramesAreNotKnown) {
    packet(1, kDelta, VideoCodec::Unknown);
    look(1000);
    EXPECT_EQ(requests.size(), 1U);
}

TEST_F(FeedbackTest, AsksAfterAPauseAndDoesNotMissWhatCameDuringIt) {
    packet(1, kKey);
    feedback.on_resume();
    look(10);
    EXPECT_TRUE(requests.empty());  // nobody speaks yet
    packet(500);
    look(10);
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].reason, KeyFrameReason::Resume);
    EXPECT_TRUE(nacked().empty());
}

TEST_F(FeedbackTest, AnotherSourceOrAFarJumpBeginsAnew) {
    packet(1, kKey);
    packet(2, kDelta, VideoCodec::Vp8, 8);
    look();
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(asked.back().full_intra[0].ssrc, 8U);
    packet(3, kKey, VideoCodec::Vp8, 8);
    packet(20'000, kDelta, VideoCodec::Vp8, 8);
    look(100);
    EXPECT_TRUE(nacked().empty());
}

TEST_F(FeedbackTest, IsBoundedInWhatItWaitsFor) {
    packet(0, kKey);
    packet(static_cast<int>(kMaxMissing) + 100);
    look(100);
    std::vector<std::uint16_t> once = nacked();
    std::sort(once.begin(), once.end());
    once.erase(std::unique(once.begin(), once.end()), once.end());
    EXPECT_LE(once.size(), kMaxMissing);
    EXPECT_FALSE(requests.empty());
}

TEST(AudioFeedback, AsksForPacketsAndNeverForPictures) {
    Feedback feedback{1, false};
    feedback.set_terms({.nack = true});
    const auto packet = [&](std::uint16_t sequence) {
        feedback.on_packet({.sequence = sequence, .ssrc = 7}, kDelta, VideoCodec::Unknown);
    };
    packet(1);
    packet(3);
    Bytes out;
    base::TimePoint now{};
    for (int i = 0; i < 100; ++i, now += std::chrono::milliseconds{20})
        EXPECT_FALSE(feedback.on_turn(now, "a", out));
    EXPECT_FALSE(out.empty());
    EXPECT_EQ(feedback.asked_again(), 1U);
}

}  // namespace
}  // namespace earshot::capture
