#include "siprec/client_media.h"

#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using sdp::Direction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ClientMediaTest : public ClientSessionTest {
protected:
    static ReadAnswer read(std::string_view answer, std::size_t lines = 2) {
        std::vector<std::string> labels;
        for (std::size_t i = 1; i <= lines; ++i) labels.push_back(std::to_string(i));
        auto read = read_answer(*make_client_offer(plane_offer(labels), {}), answer);
        EXPECT_TRUE(read) << answer;
        return read ? *std::move(read) : ReadAnswer{};
    }
    static std::string without(std::string text, std::string_view line) {
        for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line))
            text.erase(at, line.size());
        return text;
    }
    static std::string with(std::string text, std::string_view from, std::string_view to) {
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return at == std::string::npos ? text : text.replace(at, from.size(), to);
    }
};

TEST_F(ClientMediaTest, AnOfferOnlySends) {
    const std::string offer = *make_client_offer(plane_offer({"1", "2"}, "sendrecv"), {});
    EXPECT_THAT(directions_of(offer), ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(lines_of(offer, "a=label"), ElementsAre("a=label:1", "a=label:2"));
    EXPECT_THAT(lines_of(offer, "a=rtpmap"), SizeIs(6));
    EXPECT_THAT(lines_of(offer, "o="), ElementsAre("o=relay 77 0 IN IP4 192.0.2.10"));
    EXPECT_THAT(lines_of(with_version(offer, 9), "o="),
                ElementsAre("o=relay 77 9 IN IP4 192.0.2.10"));
    EXPECT_EQ(with_version(offer, 0), offer);
}

TEST_F(ClientMediaTest, P35_APauseMakesEachLineInactive) {
    const std::string offer = *make_client_offer(
        "v=0\r\no=r 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "a=sendonly\r\nm=audio 4 RTP/AVP 0\r\na=label:a\r\n",
        {.is_paused = true});
    EXPECT_THAT(directions_of(offer), ElementsAre(Direction::Inactive));
    EXPECT_THAT(lines_of(offer, "a=sendonly"), IsEmpty());
}

TEST_F(ClientMediaTest, ALineNeverGoesAway) {
    const std::string before = *make_client_offer(plane_offer({"1", "2", "3"}), {});
    const std::string offer = *make_client_offer(plane_offer({"1"}), {.before = before});
    EXPECT_THAT(ports_of(offer), ElementsAre(40000, 0, 0));
    EXPECT_THAT(lines_of(offer, "a=label"), SizeIs(3));
    EXPECT_THAT(ports_of(*make_client_offer(plane_offer({"1", "2"}), {.dropped = {"2"}})),
                ElementsAre(40000, 0));
}

TEST_F(ClientMediaTest, P31_ALineWithoutALabelOfItsOwnIsNotOffered) {
    EXPECT_FALSE(make_client_offer(plane_offer({"1", "1"}), {}));
    EXPECT_FALSE(make_client_offer(without(plane_offer({"1"}), "a=label:1\r\n"), {}));
    EXPECT_FALSE(make_client_offer("", {}));
    EXPECT_FALSE(make_client_offer("v=0\r\n", {}));
}

TEST_F(ClientMediaTest, AGoodAnswerHasNoFaults) {
    const ReadAnswer answer = read(server_sdp(2));
    EXPECT_THAT(answer.faults, IsEmpty());
    EXPECT_EQ(answer.accepted, 2U);
    EXPECT_EQ(answer.sending, 2U);
    EXPECT_THAT(ports_of(answer.sdp), ElementsAre(50000, 50002));
}

TEST_F(ClientMediaTest, Q39_LinesWithoutLabelOrDirectionAreMatchedByPlace) {
    std::string text = without(server_sdp(2), "a=recvonly\r\n");
    text = without(without(text, "a=label:1\r\n"), "a=label:2\r\n");
    const ReadAnswer answer = read(text);
    EXPECT_EQ(answer.sending, 2U);
    EXPECT_THAT(directions_of(answer.sdp), ElementsAre(Direction::RecvOnly, Direction::RecvOnly));
    EXPECT_THAT(lines_of(answer.sdp, "a=label"), ElementsAre("a=label:1", "a=label:2"));
    EXPECT_THAT(answer.faults, SizeIs(4));
}

TEST_F(ClientMediaTest, WrongLabelsMoveNothing) {
    const ReadAnswer answer = read(
        with(with(server_sdp(2), "a=label:1", "a=label:2"), "a=label:2\r\nm", "a=label:x\r\nm"));
    EXPECT_THAT(ports_of(answer.sdp), ElementsAre(50000, 50002));
    EXPECT_THAT(lines_of(answer.sdp, "a=label"), ElementsAre("a=label:1", "a=label:2"));
    EXPECT_THAT(answer.faults.at(0), HasSubstr("another label"));
}

TEST_F(ClientMediaTest, TooFewLinesAreRefusals) {
    const ReadAnswer answer = read(server_sdp(1));
    EXPECT_THAT(ports_of(answer.sdp), ElementsAre(50000, 0));
    EXPECT_EQ(answer.accepted, 1U);
    EXPECT_THAT(answer.faults, ElementsAre("It has 1 m-lines instead of 2."));
    EXPECT_THAT(ports_of(read(server_sdp(5)).sdp), ElementsAre(50000, 50002));
}

TEST_F(ClientMediaTest, LinesMayBeInactiveHeldOrRefused) {
    EXPECT_EQ(read(server_sdp(2, "inactive")).sending, 0U);
    EXPECT_EQ(read(server_sdp(2, "inactive")).accepted, 2U);
    EXPECT_EQ(read(server_sdp(2, "sendonly")).sending, 0U);
    EXPECT_EQ(read(with(server_sdp(2), "c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0")).sending, 0U);
    EXPECT_EQ(read(with(server_sdp(2), "c=IN IP4 198.51.100.7", "c=IN IP4 a.name")).sending, 0U);
    EXPECT_THAT(ports_of(read(with(server_sdp(2), "50000", "0")).sdp), ElementsAre(0, 50002));
}

TEST_F(ClientMediaTest, FewerPayloadTypesAreAFaultOnly) {
    const ReadAnswer answer = read(with(server_sdp(2), "RTP/AVP 0 8 101", "RTP/AVP 8"));
    EXPECT_EQ(answer.sending, 2U);
    EXPECT_THAT(answer.faults, ElementsAre("Line 1 takes only some of the payload types."));
}

TEST_F(ClientMediaTest, WhatAnswersNothingOfALineRefusesIt) {
    for (const char* line : {"m=video 50000 RTP/AVP 0 8 101", "m=audio 50000 RTP/SAVP 0 8 101",
                             "m=audio 50000 RTP/AVP 96", "m=audio 50000 RTP/AVP 101",
                             "m=audio 50000 TCP/MSRP *", "m=audio x RTP/AVP 0", "m="}) {
        const ReadAnswer answer = read(with(server_sdp(2), "m=audio 50000 RTP/AVP 0 8 101", line));
        EXPECT_THAT(ports_of(answer.sdp), ElementsAre(0, 50002)) << line;
        EXPECT_THAT(answer.faults, testing::Not(IsEmpty())) << line;
    }
}

TEST_F(ClientMediaTest, NoSdpIsAnError) {
    const std::string offer = *make_client_offer(plane_offer({"1"}), {});
    for (const char* text : {"", "  \r\n", "hello", "v=0\r\n", "\xff\xfe"})
        EXPECT_FALSE(read_answer(offer, text)) << text;
}

TEST_F(ClientMediaTest, P43_P44_AnOfferOfTheServerPausesAndRemovesButAddsNothing) {
    const std::string ours = *make_client_offer(plane_offer({"1", "2"}), {});
    const auto paused = answer_server_offer(ours, server_sdp(2, "inactive"));
    ASSERT_TRUE(paused);
    EXPECT_THAT(directions_of(paused->sdp), ElementsAre(Direction::Inactive, Direction::Inactive));
    EXPECT_THAT(ports_of(paused->sdp), ElementsAre(40000, 40002));
    const auto removed = answer_server_offer(ours, with(server_sdp(2), "50002", "0"));
    EXPECT_THAT(ports_of(removed->sdp), ElementsAre(40000, 0));
    EXPECT_THAT(removed->dropped, ElementsAre("2"));
    EXPECT_EQ(removed->media.sending, 1U);
    EXPECT_FALSE(answer_server_offer(ours, server_sdp(3)));
    EXPECT_FALSE(answer_server_offer(ours, server_sdp(1)));
    EXPECT_FALSE(answer_server_offer(ours, "x"));
    // We never receive, whatever it offers.
    EXPECT_THAT(directions_of(answer_server_offer(ours, server_sdp(2, "sendrecv"))->sdp),
                ElementsAre(Direction::SendOnly, Direction::SendOnly));
    EXPECT_THAT(directions_of(answer_server_offer(ours, server_sdp(2, "sendonly"))->sdp),
                ElementsAre(Direction::Inactive, Direction::Inactive));
}

TEST_F(ClientMediaTest, EachTruncationOfAnAnswerIsTaken) {
    const std::string offer = *make_client_offer(plane_offer({"1", "2"}), {});
    const std::string whole = server_sdp(2);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto answer = read_answer(offer, whole.substr(0, size));
        EXPECT_TRUE(!answer || ports_of(answer->sdp).size() == 2U) << size;
    }
}

}  // namespace
}  // namespace earshot::siprec
