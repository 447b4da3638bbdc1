#include "client/attendance_sdp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of_media(std::string_view sdp) {
    std::vector<std::string> found;
    const auto parsed = sdp::parse(sdp);
    if (!parsed) return {"no SDP"};
    for (const sdp::MediaDescription& one : parsed->media)
        found.push_back(std::string(one.media) + (one.port == 0 ? " refused " : " ") +
                        std::string(sdp::to_string(one.direction)));
    return found;
}

sdp::SessionDescription offered(std::string_view media) {
    const auto parsed = sdp::parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
        "t=0 0\r\n" +
        std::string(media));
    return parsed ? *parsed : sdp::SessionDescription{};
}

TEST(AttendanceSdpTest, OffersWhatIsWished) {
    const AttendWish all;
    EXPECT_EQ(media_lines(all), 3U);
    const std::string sdp = own_offer(all, true, false, 7);
    EXPECT_THAT(lines_of_media(sdp), ElementsAre("audio sendrecv", "video recvonly",
                                                 "video recvonly", "message refused sendrecv"));
    EXPECT_THAT(sdp, HasSubstr("a=content:slides"));

    AttendWish voice;
    voice.takes_video = false;
    EXPECT_THAT(lines_of_media(own_offer(voice, false, true, 7)), ElementsAre("audio sendrecv"));
    EXPECT_THAT(own_offer(voice, false, true, 7), HasSubstr("IN IP6 ::1"));

    AttendWish chat;
    chat.takes_audio = chat.takes_video = false;
    EXPECT_EQ(media_lines(chat), 0U);
}

// In voice we may have to be heard: it is told there that the conference is recorded.
TEST(AttendanceSdpTest, AnswersVoiceToSendAndPicturesToReceive) {
    const auto offer = offered(
        "m=audio 5000 RTP/AVP 0\r\na=sendrecv\r\nm=video 5002 RTP/AVP 97\r\n"
        "a=rtpmap:97 VP8/90000\r\na=sendrecv\r\nm=audio 5004 RTP/AVP 0\r\na=sendonly\r\n");
    EXPECT_THAT(lines_of_media(own_answer(offer, false, 7, 2)),
                ElementsAre("audio sendrecv", "video recvonly", "audio recvonly"));
}

TEST(AttendanceSdpTest, RefusesWhatIsNoRtp) {
    const auto offer = offered("m=audio 5000 RTP/AVP 0\r\nm=message 5002 TCP/MSRP *\r\n");
    const auto lines = lines_of_media(own_answer(offer, false, 7, 2));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_THAT(lines[1], HasSubstr("refused"));
}

TEST(AttendanceSdpTest, KnowsWhetherVoiceIsAgreed) {
    EXPECT_TRUE(has_audio(own_offer({}, false, false, 7)));
    EXPECT_FALSE(
        has_audio("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
                  "t=0 0\r\nm=audio 0 RTP/AVP 0\r\n"));
    EXPECT_FALSE(has_audio("not SDP"));
}

TEST(AttendanceSdpTest, SaysOfEachLineThatItIsRecorded) {
    const std::string sdp = with_record(own_offer({}, false, false, 7), sdp::RecordState::On);
    std::size_t told = 0;
    for (std::size_t at = sdp.find("a=record:on"); at != std::string::npos;
         at = sdp.find("a=record:on", at + 1))
        ++told;
    EXPECT_EQ(told, 3U);
    EXPECT_THAT(with_record(sdp, sdp::RecordState::Paused), HasSubstr("a=record:paused"));
    EXPECT_THAT(with_record(sdp, sdp::RecordState::Paused), Not(HasSubstr("a=record:on")));
    EXPECT_EQ(with_record("not SDP", sdp::RecordState::On), "not SDP");
    EXPECT_THAT(own_offer({}, false, false, 7), Not(HasSubstr("a=record")));
}

}  // namespace
}  // namespace earshot::client
