#include "loadgen/phone_sdp.h"

#include <gtest/gtest.h>

namespace earshot::loadgen {
namespace {

PhoneSdp phone(std::uint16_t port = 20000) {
    return PhoneSdp{*base::parse_host("192.0.2.1", port), 7};
}

const std::string kSession =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";

std::optional<PhoneSdp::Answer> answer_to(PhoneSdp& phone, const std::string& media) {
    const std::string text = kSession + media;
    return phone.make_answer(*sdp::parse(text));
}

TEST(PhoneSdp, OneAnswersWhatTheOtherOffersAndBothKnowWhereToSend) {
    PhoneSdp caller = phone(20000);
    PhoneSdp callee = phone(20002);
    const std::string offer = caller.make_offer();
    const auto answer = callee.make_answer(*sdp::parse(offer));
    ASSERT_TRUE(answer);
    const auto plan = caller.read_answer(answer->sdp);
    ASSERT_TRUE(plan) << plan.error().text;
    EXPECT_TRUE(plan->stream.sends);
    EXPECT_EQ(plan->stream.rtp.port, 20002);
    EXPECT_EQ(plan->stream.rtcp->port, 20003);
    EXPECT_EQ(plan->stream.payload_type, 0);
    EXPECT_EQ(plan->event_payload_type, 101);
    EXPECT_TRUE(answer->plan.stream.sends);
    EXPECT_EQ(answer->plan.stream.rtp.port, 20000);
    EXPECT_EQ(answer->plan.event_payload_type, 101);
}

TEST(PhoneSdp, TheFirstAudioLineOfG711IsTakenAndAllOthersAreRefused) {
    PhoneSdp callee = phone();
    const auto answer = answer_to(callee,
                                  "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=mid:v\r\n"
                                  "m=audio 4002 RTP/AVP 96 8 97\r\na=rtpmap:96 opus/48000/2\r\n"
                                  "a=rtpmap:97 telephone-event/8000\r\na=mid:a\r\n"
                                  "m=audio 4004 RTP/AVP 0\r\n");
    ASSERT_TRUE(answer);
    const auto read = sdp::parse(answer->sdp);
    ASSERT_EQ(read->media.size(), 3U) << answer->sdp;
    EXPECT_EQ(read->media[0].port, 0);
    EXPECT_EQ(read->media[0].media, "video");
    EXPECT_EQ(read->media[1].port, 20000);
    EXPECT_EQ(read->media[1].formats, "8 97");
    EXPECT_EQ(read->media[1].mid, "a");
    EXPECT_EQ(read->media[2].port, 0);
    EXPECT_EQ(answer->plan.stream.law, audio::G711Law::A);
    EXPECT_EQ(answer->plan.event_payload_type, 97);

    const std::string offer = callee.make_offer();  // keeps the lines (RFC 3264 section 8)
    const auto ours = sdp::parse(offer);
    ASSERT_EQ(ours->media.size(), 3U);
    EXPECT_EQ(ours->media[1].port, 20000);
    EXPECT_EQ(ours->media[2].port, 0);
}

TEST(PhoneSdp, WithoutG711ThereIsNoAnswer) {
    PhoneSdp callee = phone();
    EXPECT_FALSE(answer_to(callee, "m=audio 4000 RTP/AVP 9\r\n"));
    EXPECT_FALSE(answer_to(callee, "m=audio 0 RTP/AVP 0\r\n"));
    EXPECT_FALSE(answer_to(callee, "m=audio 4000 RTP/SAVP 0\r\n"));
    EXPECT_FALSE(
        answer_to(callee, "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n"));
    EXPECT_FALSE(answer_to(callee, ""));
}

TEST(PhoneSdp, DirectionsAreMirroredAndAHoldKeepsItsOwn) {
    PhoneSdp callee = phone();
    const auto direction = [&callee](std::string_view offered) {
        const auto answer =
            answer_to(callee, "m=audio 4000 RTP/AVP 0\r\na=" + std::string{offered} + "\r\n");
        return std::pair{sdp::parse(answer->sdp)->media[0].direction, answer->plan.stream.sends};
    };
    using sdp::Direction;
    EXPECT_EQ(direction("sendrecv"), std::pair(Direction::SendRecv, true));
    EXPECT_EQ(direction("sendonly"), std::pair(Direction::RecvOnly, false));
    EXPECT_EQ(direction("recvonly"), std::pair(Direction::SendOnly, true));
    EXPECT_EQ(direction("inactive"), std::pair(Direction::Inactive, false));
    callee.set_holding(true);
    EXPECT_EQ(direction("sendrecv"), std::pair(Direction::SendOnly, true));
    EXPECT_EQ(direction("sendonly"), std::pair(Direction::Inactive, false));
    EXPECT_EQ(sdp::parse(callee.make_offer())->media[0].direction, Direction::SendOnly);
}

TEST(PhoneSdp, P49_X3_ThePreferenceStandsInEachDescriptionFromThenOn) {
    PhoneSdp caller = phone();
    EXPECT_EQ(caller.make_offer().find("recordpref"), std::string::npos);
    caller.set_preference(sdp::RecordPreference::Pause);
    EXPECT_NE(caller.make_offer().find("\r\na=recordpref:pause\r\n"), std::string::npos);
    const auto answer = answer_to(caller, "m=audio 4000 RTP/AVP 0\r\n");
    EXPECT_EQ(sdp::parse(answer->sdp)->media[0].record_preference, sdp::RecordPreference::Pause);
}

TEST(PhoneSdp, AnAnswerThatIsNoneIsTold) {
    PhoneSdp caller = phone();
    caller.make_offer();
    EXPECT_EQ(caller.read_answer("").error().code, "bad_answer");
    EXPECT_EQ(caller.read_answer(kSession).error().code, "bad_answer");
    EXPECT_EQ(caller.read_answer(kSession + "m=audio 0 RTP/AVP 0\r\n").error().code, "no_media");
}

TEST(PhoneSdp, EachDescriptionHasAHigherVersion) {
    PhoneSdp caller = phone();
    EXPECT_NE(caller.make_offer().find("o=phone 7 1 "), std::string::npos);
    EXPECT_NE(caller.make_offer().find("o=phone 7 2 "), std::string::npos);
}

// ---- more than voice

PhoneLines lines_of_everything(bool is_caller) {
    base::SeededRandom random{1};
    const auto port = static_cast<std::uint16_t>(is_caller ? 21000 : 22000);
    const auto at = [port](int offset) {
        return *base::parse_host("192.0.2.1", static_cast<std::uint16_t>(port + offset));
    };
    PhoneLines lines;
    lines.video.at(kCamera) = {.rtp = at(0), .has_source = true};
    lines.video.at(kShared) = {.rtp = at(2), .has_source = is_caller};
    if (is_caller) lines.video.at(kShared)->sharing = Sharing::Document;
    for (std::size_t i = 0; i < kPhoneChats; ++i) {
        PhoneLines::Chat chat;
        chat.line.at = at(10);
        chat.line.own = new_chat_uri(chat.line.at, false, random);
        chat.is_offered = is_caller;
        lines.chats.at(i) = chat;
    }
    ChatFile file{"note.txt", "text/plain", std::make_shared<const std::string>("12345")};
    if (is_caller) {
        lines.chats.at(kFile)->line.file = file;
        lines.chats.at(kFile)->line.file_transfer_id = "transfer1";
    }
    return lines;
}

PhoneSdp phone_with_everything(bool is_caller) {
    return PhoneSdp{*base::parse_host("192.0.2.1", is_caller ? 20000 : 20002), 7,
                    lines_of_everything(is_caller)};
}

TEST(PhoneSdp, CamerasSlidesChatAndFileAreAgreedOnEachAsWhatItIs) {
    PhoneSdp caller = phone_with_everything(true);
    PhoneSdp callee = phone_with_everything(false);
    const std::string offer = caller.make_offer();
    const auto offered = sdp::parse(offer);
    ASSERT_EQ(offered->media.size(), 5U) << offer;
    EXPECT_EQ(offered->media[1].direction, sdp::Direction::SendRecv);
    EXPECT_EQ(offered->media[2].direction, sdp::Direction::SendOnly);
    EXPECT_EQ(offered->media[2].content, "slides");
    const auto answer = callee.make_answer(*offered);
    ASSERT_TRUE(answer);
    const auto plan = caller.read_answer(answer->sdp);
    ASSERT_TRUE(plan) << plan.error().text << answer->sdp;
    EXPECT_TRUE(plan->refused.empty());
    EXPECT_TRUE(plan->video.at(kCamera)->sends);
    EXPECT_EQ(plan->video.at(kCamera)->rtp.port, 22000);
    EXPECT_TRUE(plan->video.at(kShared)->sends);
    EXPECT_EQ(plan->video.at(kShared)->rtp.port, 22002);
    EXPECT_TRUE(answer->plan.video.at(kCamera)->sends);
    EXPECT_EQ(answer->plan.video.at(kCamera)->rtp.port, 21000);
    EXPECT_FALSE(answer->plan.video.at(kShared)->sends);
    // Actpass is answered by active (RFC 6135): the callee connects.
    EXPECT_FALSE(plan->chats.at(kDialogue)->connect_to.has_value());
    EXPECT_EQ(answer->plan.chats.at(kDialogue)->connect_to->port, 21010);
    EXPECT_TRUE(plan->chats.at(kDialogue)->sends);
    EXPECT_TRUE(answer->plan.chats.at(kDialogue)->sends);
    EXPECT_TRUE(plan->chats.at(kFile)->sends);
    EXPECT_FALSE(answer->plan.chats.at(kFile)->sends);
    EXPECT_NE(answer->sdp.find("a=file-transfer-id:transfer1\r\n"), std::string::npos);
}

// RFC 4975 section 14.1: who agrees on msrps does not go on in the clear, nor the other way round.
TEST(PhoneSdp, AChatInTlsIsTakenByWhoHasThatAlone) {
    base::SeededRandom random{9};
    const auto chatty = [&](bool is_caller, bool is_secure) {
        PhoneLines lines;
        lines.has_audio = false;
        PhoneLines::Chat chat;
        chat.line.at = *base::parse_host("192.0.2.1", is_caller ? 21010 : 22010);
        chat.line.own = new_chat_uri(chat.line.at, is_secure, random);
        chat.is_offered = is_caller;
        lines.chats.at(kDialogue) = chat;
        return PhoneSdp{*base::parse_host("192.0.2.1", is_caller ? 20000 : 20002), 7, lines};
    };
    for (const bool is_caller_secure : {false, true})
        for (const bool is_callee_secure : {false, true}) {
            PhoneSdp caller = chatty(true, is_caller_secure);
            PhoneSdp callee = chatty(false, is_callee_secure);
            const std::string offer = caller.make_offer();
            EXPECT_EQ(offer.find("TCP/TLS/MSRP") != std::string::npos, is_caller_secure) << offer;
            const auto answer = callee.make_answer(*sdp::parse(offer));
            EXPECT_EQ(answer.has_value(), is_caller_secure == is_callee_secure);
            if (!answer) continue;
            const auto plan = answer->plan.chats.at(kDialogue);
            ASSERT_TRUE(plan.has_value()) << answer->sdp;
            EXPECT_EQ(plan->tls_name, is_caller_secure ? "192.0.2.1" : "");
        }
}

TEST(PhoneSdp, WhatTheOtherRefusesIsToldByNameAndTheRestGoesOn) {
    PhoneSdp caller = phone_with_everything(true);
    PhoneSdp callee = phone(20002);
    const auto answer = callee.make_answer(*sdp::parse(caller.make_offer()));
    ASSERT_TRUE(answer);
    const auto plan = caller.read_answer(answer->sdp);
    ASSERT_TRUE(plan) << plan.error().text;
    EXPECT_TRUE(plan->stream.sends);
    EXPECT_EQ(plan->refused,
              (std::vector<std::string>{"camera", "shared content", "chat", "file"}));
}

TEST(PhoneSdp, WithoutVoiceAChatIsEnoughAndNothingAtAllIsNot) {
    PhoneLines lines = lines_of_everything(true);
    lines.has_audio = false;
    lines.video = {};
    lines.chats.at(kFile).reset();
    PhoneSdp caller{*base::parse_host("192.0.2.1", 20000), 7, lines};
    const std::string offer = caller.make_offer();
    EXPECT_EQ(sdp::parse(offer)->media.size(), 1U) << offer;
    PhoneSdp chatty = phone_with_everything(false);
    const auto answer = chatty.make_answer(*sdp::parse(offer));
    ASSERT_TRUE(answer);
    EXPECT_TRUE(caller.read_answer(answer->sdp));
    PhoneSdp plain = phone(20002);
    EXPECT_FALSE(plain.make_answer(*sdp::parse(offer)));
    const auto refused = caller.read_answer(kSession + "m=message 0 TCP/MSRP *\r\n");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "no_media");
}

TEST(PhoneSdp, WhoLooksAtWhatAConferenceSharesOffersALineForIt) {
    PhoneLines lines = lines_of_everything(false);
    lines.video.at(kShared)->is_offered = true;
    lines.video.at(kShared)->sharing = Sharing::Document;
    PhoneSdp viewer{*base::parse_host("192.0.2.1", 20000), 7, lines};
    const std::string offer = viewer.make_offer();
    const auto read = sdp::parse(offer);
    ASSERT_EQ(read->media.size(), 3U) << offer;
    EXPECT_EQ(read->media[1].direction, sdp::Direction::SendRecv);
    EXPECT_EQ(read->media[2].direction, sdp::Direction::RecvOnly);
    EXPECT_EQ(read->media[2].content, "slides");
}

TEST(PhoneSdp, WhoOnlyLooksTakesWhatIsSharedAndSendsNothing) {
    PhoneSdp viewer = phone_with_everything(false);
    const auto answer = answer_to(
        viewer,
        "m=audio 4000 RTP/AVP 0\r\n"
        "m=video 4002 RTP/AVPF 98 97\r\na=rtpmap:98 VP8/90000\r\na=rtpmap:97 H264/90000\r\n"
        "a=rtcp-mux\r\na=content:slides\r\na=sendonly\r\n"
        "m=video 4004 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n");
    ASSERT_TRUE(answer);
    const auto read = sdp::parse(answer->sdp);
    ASSERT_EQ(read->media.size(), 3U) << answer->sdp;
    EXPECT_EQ(read->media[1].direction, sdp::Direction::RecvOnly);
    EXPECT_EQ(read->media[1].formats, "97");
    EXPECT_TRUE(read->media[1].has_rtcp_mux);
    EXPECT_EQ(read->media[2].port, 0);  // one of each kind
    EXPECT_FALSE(answer->plan.video.at(kShared)->sends);
    EXPECT_TRUE(answer->plan.video.at(kShared)->rtcp_mux);
}

}  // namespace
}  // namespace earshot::loadgen
