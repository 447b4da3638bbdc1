#include "focus/picture_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "focus/session.h"

namespace earshot::focus {
namespace {

using payload::VideoCodec;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const base::NetAddress kCamera = *base::parse_net_address("192.0.2.9:30002");
const base::NetAddress kContent = *base::parse_net_address("192.0.2.9:30004");

OwnMedia own(std::optional<PictureFormat> only = std::nullopt) {
    OwnMedia media{.rtp = *base::parse_net_address("192.0.2.9:30000"), .session_id = 7};
    media.pictures[index_of(Picture::Camera)] = {.rtp = kCamera, .only = only};
    media.pictures[index_of(Picture::Content)] = {.rtp = kContent, .only = only};
    return media;
}

std::string offer(std::string_view lines) {
    return "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
           "m=audio 4000 RTP/AVP 8\r\n" +
           std::string(lines);
}

constexpr std::string_view kVp8 = "m=video 5000 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";
constexpr std::string_view kBoth =
    "m=video 5000 RTP/AVP 99 97\r\na=rtpmap:99 H264/90000\r\n"
    "a=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r\na=rtpmap:97 VP8/90000\r\n"
    "a=rtcp-fb:* nack pli\r\na=rtcp-fb:97 ccm fir\r\na=mid:v\r\n";

TEST(PictureSession, ACameraAndSlidesAreTakenWithWhatTheyOffer) {
    const auto agreed =
        answer_offer(offer(std::string(kBoth) +
                           "m=video 5002 RTP/AVPF 120\r\ni=Plan B\r\na=rtpmap:120 VP8/90000\r\n"
                           "a=content:slides\r\na=sendonly\r\n"),
                     own());
    ASSERT_TRUE(agreed);
    const auto& camera = agreed->pictures[index_of(Picture::Camera)];
    ASSERT_TRUE(camera);
    const PictureFormat h264{.codec = VideoCodec::H264, .packetization_mode = 1, .profile = 0x42};
    EXPECT_EQ(camera->format(), h264);
    EXPECT_EQ(camera->place.line, (PictureLine{.types = {{.payload_type = 99, .format = h264}},
                                               .shows = true,
                                               .sees = true,
                                               .takes_pli = true,
                                               .takes_fir = true}));
    EXPECT_EQ(base::to_string(camera->place.rtp), "192.0.2.1:5000");
    EXPECT_EQ(base::to_string(camera->place.rtcp), "192.0.2.1:5001");
    const auto& content = agreed->pictures[index_of(Picture::Content)];
    ASSERT_TRUE(content);
    EXPECT_EQ(content->title, "Plan B");
    EXPECT_TRUE(content->place.line.shows);
    EXPECT_FALSE(content->place.line.sees);
    EXPECT_THAT(agreed->sdp,
                HasSubstr("m=video 30002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
                          "a=fmtp:99 packetization-mode=1;profile-level-id=42e01f\r\n"
                          "a=rtcp-fb:99 nack pli\r\na=rtcp-fb:99 ccm fir\r\na=sendrecv\r\n"
                          "a=mid:v\r\n"));
    EXPECT_THAT(agreed->sdp, HasSubstr("m=video 30004 RTP/AVPF 120\r\na=rtpmap:120 VP8/90000\r\n"
                                       "a=content:slides\r\na=recvonly\r\n"));
    EXPECT_THAT(agreed->sdp, Not(HasSubstr("Plan B")));
    EXPECT_TRUE(agreed->refused.empty());
}

TEST(PictureSession, WhatTheRoomShowsIsTakenAlone) {
    const PictureFormat vp8{.codec = VideoCodec::Vp8};
    const auto agreed = answer_offer(offer(kBoth), own(vp8));
    ASSERT_TRUE(agreed);
    ASSERT_EQ(agreed->pictures[0]->place.line.types.size(), 1U);
    EXPECT_EQ(agreed->pictures[0]->format(), vp8);
    EXPECT_EQ(agreed->pictures[0]->place.line.types[0].payload_type, 97);

    const PictureFormat mode0{.codec = VideoCodec::H264, .profile = 0x42};
    const auto refused = answer_offer(offer(kBoth), own(mode0));
    ASSERT_TRUE(refused);
    EXPECT_FALSE(refused->pictures[0]);
    EXPECT_THAT(refused->sdp, HasSubstr("m=video 0 RTP/AVP 99 97\r\n"));
    ASSERT_EQ(refused->refused.size(), 1U);
    EXPECT_EQ(refused->refused[0].code, "no_common_codec");
    EXPECT_THAT(refused->refused[0].text, HasSubstr("H264 (profile 66, mode 0)"));
}

// It decides nothing: whatever is shown, or will be, it is sent if it is among what it takes.
TEST(PictureSession, WhoOnlySeesIsAnsweredWithAllThatItTakes) {
    const PictureFormat vp8{.codec = VideoCodec::Vp8};
    const std::string watching =
        offer(std::string(kBoth) + "a=rtpmap:120 AV1/90000\r\na=recvonly\r\n");
    for (const auto& only : {std::optional<PictureFormat>{}, std::optional(vp8),
                             std::optional(PictureFormat{.codec = VideoCodec::H264})}) {
        const auto agreed = answer_offer(watching, own(only));
        ASSERT_TRUE(agreed && agreed->pictures[0]);
        const PictureLine& line = agreed->pictures[0]->place.line;
        EXPECT_FALSE(line.shows);
        EXPECT_TRUE(line.sees);
        ASSERT_EQ(line.types.size(), 2U);
        ASSERT_NE(line.find(vp8), nullptr);
        EXPECT_EQ(line.find(vp8)->payload_type, 97);
        EXPECT_THAT(agreed->sdp,
                    HasSubstr("m=video 30002 RTP/AVP 99 97\r\na=rtpmap:99 H264/90000\r\n"
                              "a=fmtp:99 packetization-mode=1;profile-level-id=42e01f\r\n"
                              "a=rtcp-fb:99 nack pli\r\na=rtcp-fb:99 ccm fir\r\n"
                              "a=rtpmap:97 VP8/90000\r\n"));
        EXPECT_THAT(agreed->sdp, HasSubstr("a=sendonly\r\na=mid:v\r\n"));
    }
    const auto refused = answer_offer(
        offer("m=video 5000 RTP/AVP 98\r\na=rtpmap:98 AV1/90000\r\na=recvonly\r\n"), own());
    ASSERT_TRUE(refused);
    ASSERT_EQ(refused->refused.size(), 1U);
    EXPECT_EQ(refused->refused[0].code, "no_common_codec");
}

// Of what it offers: that which most of those see who are there; else the first.
TEST(PictureSession, WhoShowsFirstIsAnsweredWithWhatTheOthersTake) {
    const PictureFormat vp8{.codec = VideoCodec::Vp8};
    const PictureFormat h264{.codec = VideoCodec::H264, .packetization_mode = 1, .profile = 0x42};
    OwnMedia media = own();
    auto& watchers = media.pictures[index_of(Picture::Camera)].watchers;
    const auto shown = [&] {
        const auto agreed = answer_offer(offer(kBoth), media);
        return agreed && agreed->pictures[0] ? agreed->pictures[0]->format() : PictureFormat{};
    };
    EXPECT_EQ(shown(), h264);
    watchers = {{vp8}};
    EXPECT_EQ(shown(), vp8);
    watchers = {{vp8}, {h264, vp8}, {h264}, {h264}};
    EXPECT_EQ(shown(), h264);
    watchers = {{PictureFormat{.codec = VideoCodec::H264}}};
    EXPECT_EQ(shown(), h264);
}

TEST(PictureSession, EachLineThatIsNotTakenHasAReason) {
    struct Case {
        std::string_view lines;
        std::string_view code;
    };
    const std::string two = std::string(kVp8) + std::string(kVp8);
    for (const Case& it :
         {Case{"m=video 5000 RTP/SAVP 97\r\na=rtpmap:97 VP8/90000\r\n", "secure_media"},
          Case{"m=video 5000 RTP/AVP 98\r\na=rtpmap:98 AV1/90000\r\n", "no_common_codec"},
          Case{two, "one_line_of_each"}}) {
        const auto agreed = answer_offer(offer(it.lines), own());
        ASSERT_TRUE(agreed) << it.lines;
        ASSERT_EQ(agreed->refused.size(), 1U) << it.lines;
        EXPECT_EQ(agreed->refused[0].code, it.code);
        const auto ours = sdp::parse(agreed->sdp);
        ASSERT_TRUE(ours);
        EXPECT_EQ(ours->media.back().port, 0);
    }
}

TEST(PictureSession, WhichPictureALineIsOfItsContentTells) {
    const auto pictures = [](std::string_view more) {
        return find_pictures(offer(std::string(kVp8) + std::string(more)));
    };
    EXPECT_THAT(pictures(""), ElementsAre(true, false));
    EXPECT_THAT(pictures("a=content:main\r\n"), ElementsAre(true, false));
    EXPECT_THAT(pictures("a=content:speaker\r\n"), ElementsAre(true, false));
    EXPECT_THAT(pictures("a=content:slides,main\r\n"), ElementsAre(false, true));
    EXPECT_THAT(pictures("a=content:sl\r\n"), ElementsAre(false, false));
    EXPECT_THAT(find_pictures("hello"), ElementsAre(false, false));
}

TEST(PictureSession, WithoutAPlaceNothingIsTaken) {
    const auto agreed = answer_offer(offer(kVp8), {.rtp = kCamera});
    ASSERT_TRUE(agreed);
    EXPECT_FALSE(agreed->pictures[0]);
    EXPECT_THAT(agreed->sdp, HasSubstr("m=video 0 RTP/AVP 97\r\n"));
}

TEST(PictureSession, HoldAndItsEndAreOfferedAndAnswered) {
    const auto held = answer_offer(offer(std::string(kVp8) + "a=sendonly\r\n"), own());
    ASSERT_TRUE(held && held->pictures[0]);
    EXPECT_FALSE(held->pictures[0]->place.line.sees);
    const auto back = take_answer(offer(std::string(kVp8) + "a=sendrecv\r\n"), *held, {});
    ASSERT_TRUE(back && back->pictures[0]);
    EXPECT_TRUE(back->pictures[0]->place.line.sees);
    const auto ended = take_answer(offer("m=video 0 RTP/AVP 97\r\n"), *held, {});
    ASSERT_TRUE(ended);
    EXPECT_FALSE(ended->pictures[0]);
    const auto other =
        take_answer(offer("m=video 5000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"), *held, {});
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->pictures[0]);
    EXPECT_EQ(other->refused.size(), 1U);
}

}  // namespace
}  // namespace earshot::focus
