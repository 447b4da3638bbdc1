#include "focus/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::focus {
namespace {

using testing::HasSubstr;

const OwnMedia kOwn{
    .rtp = *base::parse_net_address("192.0.2.9:30000"), .session_id = 77, .version = 3};

std::string offer(std::string_view lines) {
    return "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
           std::string(lines);
}

TEST(FocusSession, TheFirstCodecThatBothSpeakIsTakenWithTheKeys) {
    const auto agreed =
        answer_offer(offer("m=audio 4000 RTP/AVP 96 9 0 101\r\n"
                           "a=rtpmap:96 opus/48000/2\r\n"
                           "a=rtpmap:101 telephone-event/8000\r\n"
                           "a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
                           "a=extmap:5 urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n"),
                     kOwn);
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->codec, "G722");
    ASSERT_EQ(agreed->line.formats.size(), 1U);
    EXPECT_EQ(agreed->line.formats.front(), (MixFormat{9, MixCodec::G722}));
    EXPECT_EQ(agreed->line.hears, (MixFormat{9, MixCodec::G722}));
    EXPECT_EQ(agreed->line.level_id, 4);
    EXPECT_EQ(agreed->line.levels_id, 5);
    EXPECT_EQ(base::to_string(agreed->rtp), "192.0.2.1:4000");
    EXPECT_EQ(base::to_string(agreed->rtcp), "192.0.2.1:4001");
    EXPECT_THAT(agreed->sdp, HasSubstr("m=audio 30000 RTP/AVP 9 101\r\n"));
    EXPECT_THAT(agreed->sdp, HasSubstr("c=IN IP4 192.0.2.9\r\n"));
    EXPECT_THAT(agreed->sdp, HasSubstr("a=extmap:4/recvonly urn:ietf"));
    EXPECT_THAT(agreed->sdp, HasSubstr("a=extmap:5/sendonly urn:ietf"));
    EXPECT_THAT(agreed->sdp, HasSubstr("a=sendrecv\r\n"));
    EXPECT_THAT(agreed->sdp, HasSubstr("o=- 77 3 IN IP4 192.0.2.9\r\n"));
}

OwnMedia with_opus() {
    OwnMedia own = kOwn;
    own.speaks_opus = true;
    return own;
}

TEST(FocusSession, OpusIsTakenWhereItComesFirstOrAlone) {
    const auto agreed =
        answer_offer(offer("m=audio 4000 RTP/AVP 96 9 0 101 102\r\n"
                           "a=rtpmap:96 opus/48000/2\r\n"
                           "a=fmtp:96 maxplaybackrate=12000; stereo=1; useinbandfec=1;"
                           "maxaveragebitrate=20000;cbr=1\r\n"
                           "a=rtpmap:101 telephone-event/8000\r\n"
                           "a=rtpmap:102 telephone-event/48000\r\n"),
                     with_opus());
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->codec, "opus");
    EXPECT_EQ(agreed->line.hears, (MixFormat{96, MixCodec::Opus}));
    ASSERT_EQ(agreed->line.formats.size(), 1U);
    EXPECT_EQ(agreed->line.formats.front(), (MixFormat{96, MixCodec::Opus}));
    EXPECT_EQ(
        agreed->line.opus,
        (OpusWishes{
            .bandwidth_hz = 12'000, .bitrate = 20'000, .takes_fec = true, .is_constant = true}));
    EXPECT_THAT(agreed->sdp, HasSubstr("m=audio 30000 RTP/AVP 96 102\r\n"
                                       "a=rtpmap:96 opus/48000/2\r\n"
                                       "a=fmtp:96 useinbandfec=1;stereo=0;maxplaybackrate=16000;"
                                       "sprop-maxcapturerate=16000\r\n"
                                       "a=rtpmap:102 telephone-event/48000\r\n"));
    EXPECT_THAT(agreed->sdp, HasSubstr("a=ptime:20\r\n"));

    const auto alone =
        answer_offer(offer("m=audio 4000 RTP/AVP 111 8 101\r\na=rtpmap:111 OPUS/48000/2\r\n"
                           "a=fmtp:111 maxplaybackrate=many;maxaveragebitrate=510000\r\n"
                           "a=rtpmap:101 telephone-event/8000\r\n"),
                     with_opus());
    ASSERT_TRUE(alone);
    EXPECT_EQ(alone->line.opus, OpusWishes{});
    EXPECT_THAT(alone->sdp, HasSubstr("RTP/AVP 111 101\r\n"));
    EXPECT_THAT(alone->sdp, HasSubstr("a=rtpmap:101 telephone-event/8000\r\n"));

    const auto later = answer_offer(
        offer("m=audio 4000 RTP/AVP 8 111\r\na=rtpmap:111 opus/48000/2\r\n"), with_opus());
    ASSERT_TRUE(later);
    EXPECT_EQ(later->codec, "PCMA");
    // RFC 7587 section 4.1: it has this clock and these channels, or it is something else.
    for (const std::string_view wrong : {"opus/48000", "opus/16000/2", "opus/8000", "opus/48000/1"})
        EXPECT_EQ(answer_offer(offer("m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 " +
                                     std::string(wrong) + "\r\n"),
                               with_opus())
                      .error()
                      .code,
                  "no_codec")
            << wrong;
    // Without who decodes it.
    EXPECT_FALSE(
        answer_offer(offer("m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"), kOwn));
}

TEST(FocusSession, EveryOtherLineIsRefusedInItsPlace) {
    const auto agreed = answer_offer(offer("m=video 5000 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n"
                                           "m=audio 4000 RTP/AVP 8\r\na=mid:two\r\n"
                                           "m=audio 4002 RTP/AVP 0\r\n"
                                           "m=message 4004 TCP/MSRP *\r\n"),
                                     kOwn);
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->index, 1U);
    const auto ours = sdp::parse(agreed->sdp);
    ASSERT_TRUE(ours);
    ASSERT_EQ(ours->media.size(), 4U);
    EXPECT_EQ(ours->media[0].port, 0);
    EXPECT_EQ(ours->media[1].port, 30'000);
    EXPECT_EQ(ours->media[1].mid, "two");
    EXPECT_EQ(ours->media[2].port, 0);
    EXPECT_EQ(ours->media[3].port, 0);
    EXPECT_EQ(ours->media[3].proto, "TCP/MSRP");
}

TEST(FocusSession, AHoldIsAnsweredAsItWasMeant) {
    struct Case {
        std::string_view direction;
        std::string_view answered;
        bool hears;
        bool speaks;
    };
    for (const Case& it :
         {Case{"sendonly", "recvonly", false, true}, Case{"recvonly", "sendonly", true, false},
          Case{"inactive", "inactive", false, false}, Case{"sendrecv", "sendrecv", true, true}}) {
        const auto agreed = answer_offer(
            offer("m=audio 4000 RTP/AVP 0\r\na=" + std::string(it.direction) + "\r\n"), kOwn);
        ASSERT_TRUE(agreed) << it.direction;
        EXPECT_EQ(agreed->wants_to_hear, it.hears) << it.direction;
        EXPECT_EQ(agreed->line.hears.has_value(), it.hears) << it.direction;
        EXPECT_EQ(!agreed->line.formats.empty(), it.speaks) << it.direction;
        EXPECT_THAT(agreed->sdp, HasSubstr("a=" + std::string(it.answered) + "\r\n"));
    }
    const auto old_form =
        answer_offer(offer("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), kOwn);
    ASSERT_TRUE(old_form);
    EXPECT_FALSE(old_form->wants_to_hear);
    EXPECT_THAT(old_form->sdp, HasSubstr("a=recvonly\r\n"));
}

TEST(FocusSession, WhatCannotBeMixedIsRefusedWithItsReason) {
    const auto code = [](std::string_view lines) {
        const auto agreed = answer_offer(offer(lines), kOwn);
        return agreed ? std::string("taken") : agreed.error().code;
    };
    EXPECT_EQ(code("m=video 5000 RTP/AVP 97\r\n"), "no_audio");
    EXPECT_EQ(code("m=audio 0 RTP/AVP 0\r\n"), "no_audio");
    EXPECT_EQ(code("m=audio 4000 RTP/SAVP 0\r\n"), "secure_media");
    EXPECT_EQ(code("m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n"),
              "no_codec");
    EXPECT_EQ(code("m=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 0\r\n"), "taken");
    const auto none = answer_offer("hello", kOwn);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "sdp_malformed");
}

TEST(FocusSession, OurOfferIsAnsweredByOneCodec) {
    const std::string ours = make_offer(kOwn);
    EXPECT_THAT(ours, HasSubstr("m=audio 30000 RTP/AVP 9 8 0 101\r\n"));
    const auto agreed = take_answer(offer("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"), {}, kOwn);
    ASSERT_TRUE(agreed);
    EXPECT_EQ(agreed->codec, "PCMA");
    EXPECT_FALSE(agreed->wants_to_hear);
    EXPECT_FALSE(take_answer(offer("m=audio 0 RTP/AVP 8\r\n"), {}, kOwn));
    EXPECT_FALSE(take_answer(offer("m=audio 4000 RTP/AVP 8\r\n"), Agreed{.index = 1}, kOwn));

    EXPECT_THAT(make_offer(with_opus()),
                HasSubstr("m=audio 30000 RTP/AVP 9 96 8 0 101\r\na=rtpmap:9 G722/8000\r\n"
                          "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1;"));
    const std::string theirs =
        offer("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1\r\n");
    EXPECT_FALSE(take_answer(theirs, {}, kOwn));
    const auto opus = take_answer(theirs, {}, with_opus());
    ASSERT_TRUE(opus);
    EXPECT_EQ(opus->codec, "opus");
}

TEST(FocusSession, WhoIsHereForNoMediaGetsAllLinesRefused) {
    const auto agreed =
        refuse_media(offer("m=message 0 TCP/MSRP *\r\nm=video 0 RTP/AVP 96\r\n"), kOwn);
    ASSERT_TRUE(agreed);
    EXPECT_THAT(agreed->sdp, HasSubstr("m=message 0 TCP/MSRP *\r\nm=video 0 RTP/AVP 96\r\n"));
    EXPECT_FALSE(agreed->may_speak);
    EXPECT_TRUE(agreed->codec.empty());
    EXPECT_FALSE(agreed->line.hears);
    EXPECT_FALSE(refuse_media("hello", kOwn));
}

}  // namespace
}  // namespace earshot::focus
