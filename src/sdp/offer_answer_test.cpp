#include "sdp/offer_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace earshot::sdp {
namespace {

SessionDescription must_parse(std::string_view text) {
    auto parsed = parse(text);
    EXPECT_TRUE(parsed.has_value()) << text;
    return parsed ? *parsed : SessionDescription{};
}

LocalOrigin origin() {
    LocalOrigin ours;
    ours.username = "earshot";
    ours.session_id = 7;
    ours.session_version = 1;
    ours.address = *base::parse_host("192.0.2.20", 0);
    return ours;
}

constexpr std::string_view kOffer =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=1 2\r\n"
    "m=audio 40000 RTP/AVP 8 0 101 99\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:99 opus/48000/2\r\n"
    "a=sendonly\r\na=label:1\r\n"
    "m=message 9 TCP/MSRP *\r\na=label:2\r\n"
    "m=audio 40002 RTP/AVPF 0\r\na=inactive\r\na=label:b_leg\r\na=rtcp-mux\r\na=mid:x\r\n";

TEST(RecordingAnswer, AnswersEachLineInOrder) {
    const MediaDecision decisions[] = {
        {true, 10000, 10001, false}, {true, 10002, 10003, false}, {true, 10004, 10004, false}};
    EXPECT_EQ(make_recording_answer(must_parse(kOffer), origin(), decisions),
              "v=0\r\n"
              "o=earshot 7 1 IN IP4 192.0.2.20\r\n"
              "s=-\r\n"
              "c=IN IP4 192.0.2.20\r\n"
              "t=1 2\r\n"
              "m=audio 10000 RTP/AVP 8 0 101 99\r\n"
              "a=rtpmap:8 PCMA/8000\r\n"
              "a=rtpmap:0 PCMU/8000\r\n"
              "a=rtpmap:101 telephone-event/8000\r\n"
              "a=fmtp:101 0-15\r\n"
              "a=rtpmap:99 opus/48000/2\r\n"
              "a=recvonly\r\n"
              "a=label:1\r\n"
              "m=message 0 TCP/MSRP *\r\n"
              "a=label:2\r\n"
              "m=audio 10004 RTP/AVPF 0\r\n"
              "a=rtpmap:0 PCMU/8000\r\n"
              "a=inactive\r\n"
              "a=label:b_leg\r\n"
              "a=mid:x\r\n"
              "a=rtcp-mux\r\n");
}

TEST(RecordingAnswer, NamesTheAddressOfALineThatDiffersFromTheSessions) {
    MediaDecision other{true, 10004, 10005, false};
    other.address = *base::parse_host("2001:db8::20", 0);
    MediaDecision same{true, 10000, 10001, false};
    same.address = *base::parse_host("192.0.2.20", 0);
    const MediaDecision decisions[] = {same, {}, other};
    const std::string text = make_recording_answer(must_parse(kOffer), origin(), decisions);
    EXPECT_NE(text.find("m=audio 10004 RTP/AVPF 0\r\nc=IN IP6 2001:db8::20\r\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("m=audio 10000 RTP/AVP 8 0 101 99\r\na="), std::string::npos) << text;
}

TEST(RecordingAnswer, IsInactiveOnRequestAndNamesAnOddRtcpPort) {
    const MediaDecision decisions[] = {{true, 10000, 10005, true}};
    const std::string text = make_recording_answer(must_parse(kOffer), origin(), decisions);
    const SessionDescription answer = must_parse(text);
    ASSERT_EQ(answer.media.size(), 3U);
    EXPECT_EQ(answer.media[0].direction, Direction::Inactive);
    EXPECT_EQ(answer.media[0].rtcp->port, 10005);
    EXPECT_EQ(answer.media[2].port, 0);  // no decision: refused
}

TEST(RecordingAnswer, RefusesExcessLinesByPortZero) {
    std::string text = "v=0\n";
    for (std::size_t i = 0; i < kMaxMedia + 3; ++i) text += "m=audio 4 RTP/AVP 0 8\na=label:x\n";
    const SessionDescription offer = must_parse(text);
    const std::string answer = make_recording_answer(offer, origin(), {});
    const SessionDescription parsed = must_parse(answer);
    EXPECT_EQ(parsed.media.size(), kMaxMedia);
    EXPECT_EQ(parsed.excess_media,
              "m=audio 0 RTP/AVP 0 8\r\nm=audio 0 RTP/AVP 0 8\r\nm=audio 0 RTP/AVP 0 8\r\n");
}

TEST(RecordingAnswer, NeverEchoesControlCharacters) {
    std::string text = "m=audio 4 RTP/AVP 96\na=label:a";
    text.push_back('\0');
    text += "b\x01\na=rtpmap:96 x\x7fy/8000\nm=\x02 4 \x03 \x04\n";
    const MediaDecision decisions[] = {{true, 10000, 10001, false}, {true, 10002, 10003, false}};
    const std::string answer = make_recording_answer(must_parse(text), origin(), decisions);
    EXPECT_NE(answer.find("a=label:a?b?\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("a=rtpmap:96 x?y/8000\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("m=? 0 ? ?\r\n"), std::string::npos) << answer;
}

TEST(RecordingAnswer, FillsAMalformedLineSoThatItIsLegal) {
    const std::string answer =
        make_recording_answer(must_parse("m=\nm=audio 99999 RTP/AVP 8\n"), origin(), {});
    EXPECT_NE(answer.find("m=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 8\r\n"), std::string::npos);
}

TEST(OfferedMedia, IsCheckedWithAReason) {
    const std::pair<const char*, Refusal> cases[] = {
        {"m=audio 4 RTP/AVP 0", Refusal::None},
        {"m=VIDEO 4 rtp/avpf 96", Refusal::None},
        {"m=text 4 RTP/AVP 98", Refusal::None},
        {"m=application 4 RTP/AVP 98", Refusal::None},
        {"m=audio 0 RTP/AVP 0", Refusal::PortZero},
        {"m=audio x RTP/AVP 0", Refusal::Malformed},
        {"m=message 4 TCP/MSRP *", Refusal::UnsupportedMedia},
        {"m=image 4 udptl t38", Refusal::UnsupportedMedia},
        {"m=application 4 UDP/BFCP *", Refusal::UnsupportedProtocol},
        {"m=audio 4 RTP/SAVP 0", Refusal::NoUsableKey},
        {"m=audio 4 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         Refusal::None},
        {"m=audio 4 UDP/TLS/RTP/SAVPF 0", Refusal::NoUsableKey},
        {"m=audio 4 RTP/AVP", Refusal::NoPayloadType},
        {"m=audio 4 RTP/AVP 128", Refusal::NoPayloadType},
    };
    for (const auto& [line, refusal] : cases) {
        const SessionDescription offer = must_parse(line);
        EXPECT_EQ(to_string(check_offered_media(offer, offer.media.at(0))), to_string(refusal))
            << line;
    }
}

TEST(OfferedMedia, OfTelepresenceIsRefusedAndTheMainLinesAreTaken) {
    const std::string text =
        "a=group:BUNDLE 1 2\na=group:CLUE 3 4\n"
        "m=audio 4 RTP/AVP 0\na=mid:1\nm=video 6 RTP/AVP 96\na=mid:2\n"
        "m=application 8 UDP/DTLS/SCTP webrtc-datachannel\na=mid:3\n"
        "m=video 10 RTP/AVP 96\na=mid:4\nm=video 12 RTP/AVP 96\n";
    const SessionDescription offer = must_parse(text);
    const Refusal expected[] = {Refusal::None, Refusal::None, Refusal::Clue, Refusal::Clue,
                                Refusal::None};
    for (std::size_t i = 0; i < offer.media.size(); ++i)
        EXPECT_EQ(to_string(check_offered_media(offer, offer.media[i])), to_string(expected[i]))
            << i;
    const std::vector<MediaDecision> decisions(5, {true, 10000, 10001, false});
    const std::string answer = make_recording_answer(offer, origin(), decisions);
    EXPECT_EQ(answer.find("CLUE"), std::string::npos);
    EXPECT_NE(answer.find("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3"),
              std::string::npos);
    EXPECT_NE(answer.find("m=video 0 RTP/AVP 96\r\na=mid:4"), std::string::npos);
}

TEST(AnswerDirection, ReceivesOnlyWhatThePeerSends) {
    EXPECT_EQ(answer_direction(Direction::SendOnly, false), Direction::RecvOnly);
    EXPECT_EQ(answer_direction(Direction::SendRecv, false), Direction::RecvOnly);
    EXPECT_EQ(answer_direction(Direction::RecvOnly, false), Direction::Inactive);
    EXPECT_EQ(answer_direction(Direction::Inactive, false), Direction::Inactive);
    EXPECT_EQ(answer_direction(Direction::SendOnly, true), Direction::Inactive);
}

std::string our_offer() {
    const PayloadType types[] = {*static_payload_type(0), *static_payload_type(8),
                                 *parse_rtpmap("101 telephone-event/8000")};
    OfferedMedia line;
    line.port = 20000;
    line.payload_types = types;
    line.label = "1";
    line.ptime_ms = 20;
    OfferedMedia second = line;
    second.port = 20002;
    second.rtcp_port = 20009;
    second.rtcp_mux = true;
    second.label = "2";
    const OfferedMedia media[] = {line, second};
    return make_offer(origin(), media);
}

TEST(Offer, IsWrittenInFull) {
    EXPECT_EQ(
        our_offer(),
        "v=0\r\no=earshot 7 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
        "m=audio 20000 RTP/AVP 0 8 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=ptime:20\r\na=sendonly\r\na=label:1\r\n"
        "m=audio 20002 RTP/AVP 0 8 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=ptime:20\r\na=sendonly\r\na=label:2\r\na=rtcp-mux\r\na=rtcp:20009\r\n");
}

TEST(AnswerCheck, AcceptsOurOwnServersAnswer) {
    const std::string offer_text = our_offer();
    const SessionDescription offer = must_parse(offer_text);
    const MediaDecision decisions[] = {{true, 10000, 10001, false}, {true, 10002, 10002, false}};
    const std::string answer_text = make_recording_answer(offer, origin(), decisions);
    const auto result = check_answer(offer, must_parse(answer_text));
    ASSERT_TRUE(result);
    ASSERT_EQ(result->size(), 2U);
    const AnsweredMedia& first = (*result)[0];
    EXPECT_TRUE(first.may_send());
    EXPECT_EQ(to_string(*first.rtp), "192.0.2.20:10000");
    EXPECT_EQ(to_string(*first.rtcp), "192.0.2.20:10001");
    EXPECT_EQ(first.payload_type, 0);
    EXPECT_EQ(first.missing_payload_types, 0U);
    EXPECT_FALSE(first.has_label_fault || first.has_direction_fault || first.uses_rtcp_mux);
    EXPECT_TRUE((*result)[1].uses_rtcp_mux);
    EXPECT_EQ((*result)[1].rtcp, (*result)[1].rtp);
}

TEST(AnswerCheck, NotesMissingTypesLabelsAndDirections) {
    const std::string offer_text = our_offer();
    const SessionDescription offer = must_parse(offer_text);
    const auto result = check_answer(offer, must_parse("c=IN IP4 192.0.2.9\n"
                                                       "m=audio 6 RTP/AVP 101 8\n"
                                                       "m=audio 0 RTP/AVP 0\n"));
    ASSERT_TRUE(result);
    const AnsweredMedia& first = (*result)[0];
    EXPECT_TRUE(first.has_label_fault);
    EXPECT_TRUE(first.has_direction_fault);
    EXPECT_EQ(first.direction, Direction::RecvOnly);
    EXPECT_EQ(first.payload_type, 8);
    EXPECT_EQ(first.missing_payload_types, 1U);
    EXPECT_FALSE((*result)[1].is_accepted);
    EXPECT_FALSE((*result)[1].may_send());
}

TEST(AnswerCheck, RefusesWhatIsNoAnswer) {
    const std::string offer_text = our_offer();
    const SessionDescription offer = must_parse(offer_text);
    for (const std::string_view answer :
         {"v=0\n", "m=audio 6 RTP/AVP 0\n",
          "m=audio 6 RTP/AVP 0\nm=audio 8 RTP/AVP 0\nm=audio 10 RTP/AVP 0\n",
          "m=audio 6 RTP/AVP 0\nm=video 8 RTP/AVP 0\n",
          "m=audio 6 RTP/AVP 0\nm=audio 8 RTP/SAVP 0\n",
          "m=audio 6 RTP/AVP 9\nm=audio 8 RTP/AVP 0\n"}) {
        EXPECT_FALSE(check_answer(offer, must_parse(answer))) << answer;
    }
}

}  // namespace
}  // namespace earshot::sdp
