// Sessions with shared content, and with digits that are not to be kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "siprec/info_digits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kStart =
    "v=0\no=- 1 1 IN IP4 198.51.100.7\ns=-\nc=IN IP4 198.51.100.7\nt=0 0\n"
    "m=audio 40000 RTP/AVP 0\na=label:1\na=sendonly\n"
    "a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=off\n"
    "a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level\na=extmap:3 urn:x-other\n"
    "m=video 40002 RTP/AVPF 99\na=rtpmap:99 VP8/90000\na=label:2\na=sendonly\na=content:main\n";

std::string with_slides(std::string_view direction = "sendonly") {
    return std::string{kStart} + "m=video 40004 RTP/AVPF 99\na=rtpmap:99 VP8/90000\na=label:3\na=" +
           std::string{direction} + "\na=content:slides,alt\n";
}

class ContentSession : public SessionTest {
protected:
    static std::string invite(std::string_view sdp) {
        return "INVITE sip:srs@srs.example SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK0\n"
               "From: <sip:src@src.example>;tag=a\nTo: <sip:srs@srs.example>\n"
               "Call-ID: c1@src.example\nCSeq: 1 INVITE\n"
               "Contact: <sip:src@192.0.2.10>;+sip.src\nRequire: siprec\nMax-Forwards: 70\n"
               "Content-Type: application/sdp\n\n" +
               std::string{sdp};
    }
    void establish_with(std::string_view sdp) {
        start(message_of(to_wire(invite(sdp))));
        ack();
    }
    void offer_again(std::string_view sdp) {
        request("INVITE", "Content-Type: application/sdp\n", sdp);
    }
};

TEST_F(ContentSession, TellsRolesBehindTheStreamsThatTheyAreAbout) {
    establish_with(with_slides());
    std::vector<std::string> types;
    for (const Event& event : all<Event>())
        if (event.stream == 2) types.push_back(event.type);
    EXPECT_EQ(types, (std::vector<std::string>{"stream_added", "stream_role", "sharing_started"}));
    EXPECT_THAT(events("stream_role"),
                testing::ElementsAre(HasSubstr("camera"), HasSubstr("content")));
    EXPECT_THAT(events("stream_added").at(2), HasSubstr(R"("content":"slides,alt")"));
}

TEST_F(ContentSession, TellsThatSharingStartsAndStopsInMidCall) {
    establish_with(kStart);
    EXPECT_EQ(count("sharing_started"), 0U);
    offer_again(with_slides());
    EXPECT_THAT(events("sharing_started").at(0), HasSubstr("\"stream\":2"));
    offer_again(with_slides("inactive"));
    EXPECT_THAT(events("sharing_stopped").at(0), HasSubstr("\"stream\":2"));
    offer_again(with_slides());
    EXPECT_EQ(count("sharing_started"), 1U);
    request("BYE");
    EXPECT_EQ(count("sharing_stopped"), 1U);
}

TEST_F(ContentSession, APauseOfEverythingIsNoEndOfSharing) {
    establish_with(with_slides());
    std::string paused = with_slides();
    for (std::size_t at = paused.find("sendonly\n"); at != std::string::npos;
         at = paused.find("sendonly\n", at))
        paused.replace(at, 8, "inactive");
    offer_again(paused);
    EXPECT_EQ(count("stream_paused"), 3U);
    EXPECT_EQ(count("sharing_stopped"), 0U);
}

// RFC 4796 section 5: it describes what its sender sends, and we send nothing.
TEST_F(ContentSession, AnswersContentWithoutContentAndWithTheLabel) {
    start(message_of(to_wire(invite(with_slides()))));
    EXPECT_TRUE(answer_lines("a=content").empty());
    EXPECT_EQ(answer_lines("a=label").size(), 3U);
}

// RFC 8285 section 5.
TEST_F(ContentSession, AnswersTheAudioLevelsThatItUsesAndTellsAllExtensions) {
    start(message_of(to_wire(invite(kStart))));
    EXPECT_EQ(answer_lines("a=extmap"),
              (std::vector<std::string>{
                  "a=extmap:1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=off",
                  "a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level"}));
    EXPECT_THAT(
        events("stream_added").at(0),
        HasSubstr(R"("extmap":[{"id":1,"uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level",)"
                  R"("attributes":"vad=off"},)"));
    EXPECT_THAT(events("stream_added").at(0), HasSubstr(R"({"id":3,"uri":"urn:x-other"}]})"));
}

TEST_F(ContentSession, TakesASecondCameraForContentWhereTheClientIsConfiguredSo) {
    config_.second_video = SecondVideo::Content;
    establish_with(std::string{kStart}.replace(kStart.find("a=content:main\n"), 15, "") +
                   "m=video 40004 RTP/AVPF 99\na=rtpmap:99 VP8/90000\na=label:3\na=sendonly\n");
    EXPECT_THAT(events("stream_role").at(1), HasSubstr(R"("role":"content","by":"configuration")"));
    EXPECT_EQ(count("sharing_started"), 1U);
}

TEST_F(ContentSession, TellsOnceThatDigitsOfInfoAreNotStoredAndWhichNever) {
    config_.keeps_digits = false;
    establish_with(kStart);
    request("INFO", "Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("dtmf"), 0U);
    EXPECT_EQ(events("digits_not_stored"),
              std::vector<std::string>{R"({"type":"digits_not_stored","source":"info"})"});
    request("INFO", "Content-Type: application/dtmf\n", "#\n");
    EXPECT_EQ(count("dtmf") + count("digits_not_stored"), 0U);
}

TEST(InfoDigits, AreKnownByTheTypesOfTheBody) {
    const auto info = [](std::string_view type, std::string_view body) {
        return carries_digits(message_of(
            to_wire("INFO sip:a@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK0\n"
                    "From: <sip:a@b>;tag=a\nTo: <sip:b@b>;tag=b\nCall-ID: c\nCSeq: 2 INFO\n"
                    "Content-Type: " +
                    std::string{type} + "\n\n" + std::string{body})));
    };
    EXPECT_TRUE(info("application/dtmf-relay", "Signal=5\n"));
    EXPECT_TRUE(info("Application/DTMF", "5"));
    EXPECT_TRUE(info("application/vnd.nortelnetworks.digits", "d=5"));
    EXPECT_FALSE(info("application/media_control+xml", "<media_control/>"));
    EXPECT_FALSE(info("application/dtmf", ""));
    EXPECT_TRUE(info("multipart/mixed;boundary=x",
                     "--x\nContent-Type: text/plain\n\na\n--x\n"
                     "Content-Type: application/dtmf\n\n5\n--x--\n"));
}

}  // namespace
}  // namespace earshot::siprec
