#include "client/joint_state.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "sdp/session_description.h"
#include "siprec/cs_description.h"

namespace earshot::client {
namespace {

using siprec::CsState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

base::Uuid uuid_of(std::uint8_t number) {
    base::Uuid uuid;
    uuid.bytes.fill(number);
    return uuid;
}

std::string offer(const std::vector<std::string>& labels, std::uint16_t port,
                  std::string_view direction = "sendonly") {
    std::string sdp =
        "v=0\r\no=relay 77 5 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
    for (std::size_t i = 0; i < labels.size(); ++i)
        sdp += fmt::format(
            "m=audio {} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            "a={}\r\na=label:{}\r\n",
            port + 2 * i, direction, labels[i]);
    return sdp;
}

// What ClientSessionHost::apply_answer() is told: the lines of the offer with the server's ports.
std::string answer_to(const std::string& offer, std::uint16_t port) {
    const auto parsed = sdp::parse(offer);
    std::string sdp = "v=0\r\no=srs 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\n";
    sdp += "t=0 0\r\n";
    for (const sdp::MediaDescription& line : parsed->media) {
        sdp += fmt::format("m=audio {} RTP/AVP 0\r\na=recvonly\r\n", line.port == 0 ? 0 : port);
        if (line.label) sdp += fmt::format("a=label:{}\r\n", *line.label);
        port = static_cast<std::uint16_t>(port + 2);
    }
    return sdp;
}

std::vector<std::string> lines_of(const std::string& sdp) {
    std::vector<std::string> lines;
    const auto parsed = sdp::parse(sdp);
    for (const sdp::MediaDescription& line : parsed->media)
        lines.push_back(fmt::format("{} {}", line.port, line.label.value_or("-")));
    return lines;
}

class JointLinesTest : public testing::Test {
protected:
    JointPart part(std::uint32_t member) const { return {member, &states_.at(member), false}; }

    std::map<std::uint32_t, CsState> states_{{1, {.objects = {}, .offer = offer({"1", "2"}, 4000)}},
                                             {2, {.objects = {}, .offer = offer({"1", "2"}, 5000)}},
                                             {3, {.objects = {}, .offer = offer({"1"}, 6000)}}};
    JointLines lines_{"42", "192.0.2.10"};
};

TEST_F(JointLinesTest, EachCallHasItsOwnLinesWithLabelsOfTheirOwn) {
    const std::vector<JointPart> parts{part(1), part(2)};
    const std::string sdp = lines_.offer(parts);
    EXPECT_THAT(lines_of(sdp), ElementsAre("4000 1-1", "4002 1-2", "5000 2-1", "5002 2-2"));
    EXPECT_THAT(sdp, HasSubstr("c=IN IP4 192.0.2.10"));
    EXPECT_EQ(lines_.offer(parts), sdp);
}

TEST_F(JointLinesTest, TheAnswerIsDealtOut) {
    const std::vector<JointPart> parts{part(1), part(2)};
    lines_.on_answer(answer_to(lines_.offer(parts), 7000));
    const JointLines::Share share = lines_.share_of(part(2));
    EXPECT_EQ(share.accepted, 2U);
    EXPECT_THAT(lines_of(share.sdp), ElementsAre("7004 1", "7006 2"));
    EXPECT_THAT(share.sdp, HasSubstr("a=recvonly"));
    EXPECT_THAT(share.sdp, HasSubstr("c=IN IP4 198.51.100.7"));
}

TEST_F(JointLinesTest, WhoCameAfterTheAnswerHasNoShareOfIt) {
    const std::vector<JointPart> before{part(1)};
    lines_.on_answer(answer_to(lines_.offer(before), 7000));
    const std::vector<JointPart> after{part(1), part(2)};
    lines_.offer(after);
    EXPECT_EQ(lines_.share_of(part(2)).known, 0U);
    EXPECT_EQ(lines_.share_of(part(1)).accepted, 2U);
}

TEST_F(JointLinesTest, APausedCallIsInactiveAndTheOthersAreNot) {
    const std::vector<JointPart> parts{{1, &states_.at(1), true}, part(3)};
    const auto parsed = sdp::KeptDescription::parse(lines_.offer(parts));
    EXPECT_EQ((*parsed)->media[0].direction, sdp::Direction::Inactive);
    EXPECT_EQ((*parsed)->media[2].direction, sdp::Direction::SendOnly);
}

// RFC 3264 section 8.1: a place is another stream's once an offer has said that it ended.
TEST_F(JointLinesTest, APlaceIsTakenAgainAfterItsEndIsKnown) {
    const std::vector<JointPart> first{part(1), part(3)};
    lines_.on_answer(answer_to(lines_.offer(first), 7000));
    const std::vector<JointPart> second{part(2), part(3)};
    std::string sdp = lines_.offer(second);
    EXPECT_THAT(lines_of(sdp), ElementsAre("0 -", "0 -", "6000 3-1", "5000 2-1", "5002 2-2"));
    lines_.on_answer(answer_to(sdp, 7000));
    const std::vector<JointPart> third{part(1), part(2), part(3)};
    sdp = lines_.offer(third);
    EXPECT_THAT(lines_of(sdp),
                ElementsAre("4000 1-1", "4002 1-2", "6000 3-1", "5000 2-1", "5002 2-2"));
    // The answer of before is nobody's in those places.
    EXPECT_EQ(lines_.share_of(part(1)).known, 0U);
}

TEST_F(JointLinesTest, ThereIsRoomForAsManyLinesAsAServerReads) {
    std::vector<JointPart> parts;
    std::map<std::uint32_t, CsState> many;
    for (std::uint32_t member = 1; member <= 40; ++member) {
        many[member].offer = offer({"1", "2"}, static_cast<std::uint16_t>(4000 + 4 * member));
        parts.push_back({member, &many[member], false});
    }
    EXPECT_TRUE(lines_.has_room(64));
    const std::string sdp = lines_.offer(parts);
    EXPECT_EQ(lines_of(sdp).size(), sdp::kMaxMedia);
    EXPECT_FALSE(lines_.has_room(1));
    EXPECT_EQ(lines_.in_use(), sdp::kMaxMedia);
}

std::string chat_offer(const std::string& label, std::string_view direction = "sendonly") {
    return fmt::format(
        "v=0\r\no=relay 77 5 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.10:2855/x;tcp\r\n"
        "a={}\r\na=label:{}\r\n",
        direction, label);
}

// Chats of several calls on one line (relay::ChatMapping::Mux).
TEST_F(JointLinesTest, ACommonLineOfSeveralCallsIsOneAndInactiveOnlyWhenAllAre) {
    states_[1].offer = chat_offer("chats-1");
    states_[2].offer = chat_offer("chats-1", "inactive");
    const std::vector<JointPart> both{part(1), part(2)};
    const std::string first = lines_.offer(both);
    EXPECT_THAT(lines_of(first), ElementsAre("2855 chats-1"));
    EXPECT_THAT(first, HasSubstr("a=sendonly\r\n"));
    EXPECT_EQ(lines_.offer(both), first);
    lines_.on_answer(answer_to(first, 7000));
    for (const std::uint32_t member : {1U, 2U}) {
        EXPECT_EQ(lines_.share_of(part(member)).accepted, 1U);
        EXPECT_THAT(lines_.share_of(part(member)).sdp, HasSubstr("a=label:chats-1\r\n"));
    }
    states_[1].offer = chat_offer("chats-1", "inactive");
    EXPECT_THAT(lines_.offer(both), HasSubstr("a=inactive\r\n"));
    EXPECT_THAT(lines_of(lines_.offer(std::vector{part(2)})), ElementsAre("2855 chats-1"));
    EXPECT_THAT(lines_of(lines_.offer(std::vector<JointPart>{})), ElementsAre("0 -"));
}

// One chat after the other on a line (Reuse).
TEST_F(JointLinesTest, ALineForTheNextChatStaysWhenItsCallHasEnded) {
    states_[1].offer = chat_offer("chatline-1");
    states_[2].offer = chat_offer("chatline-1");
    const std::string first = lines_.offer(std::vector{part(1)});
    lines_.on_answer(answer_to(first, 7000));
    EXPECT_EQ(lines_.offer(std::vector<JointPart>{}), first);
    EXPECT_EQ(lines_.offer(std::vector{part(2)}), first);
    EXPECT_EQ(lines_.share_of(part(2)).accepted, 1U);
    EXPECT_EQ(lines_.offer(std::vector<JointPart>{}), first);
    lines_.on_new_dialog();
    EXPECT_THAT(lines_of(lines_.offer(std::vector<JointPart>{})), testing::IsEmpty());
}

TEST_F(JointLinesTest, TheRsOwnLineKeepsItsName) {
    CsState own{.objects = {}, .offer = offer({"mix"}, 3000)};
    const std::vector<JointPart> parts{{0, &own, false}};
    EXPECT_THAT(lines_of(lines_.offer(parts)), ElementsAre("3000 mix"));
}

// ---- metadata

class JointMetadataTest : public testing::Test {
protected:
    siprec::CsDescription call(std::uint8_t number) const {
        siprec::CsDescription call{.session_id = uuid_of(number), .start = start_};
        for (std::uint8_t i = 0; i < 2; ++i) {
            siprec::CsParticipant participant{
                .id = uuid_of(static_cast<std::uint8_t>(10 * number + i)),
                .names = {{fmt::format("sip:{}{}@desk.example", number, i), "", ""}}};
            call.participants.push_back(participant);
            call.streams.push_back({.id = uuid_of(static_cast<std::uint8_t>(100 + 10 * number + i)),
                                    .label = std::to_string(i + 1),
                                    .senders = {i},
                                    .receivers = {static_cast<std::size_t>(1 - i)}});
        }
        return call;
    }
    static CsState state(const siprec::CsDescription& call) {
        return {.objects = siprec::describe(call).objects, .offer = {}};
    }

    base::WallTime start_ = base::parse_time("2026-03-02T09:15:00Z")->time;
    JointMetadata metadata_;
};

TEST_F(JointMetadataTest, TheSessionsStandSideBySide) {
    const CsState a = state(call(1));
    const CsState b = state(call(2));
    const std::vector<JointPart> parts{{7, &a, false}, {8, &b, false}};
    const siprec::MetadataObjects all = metadata_.join(parts, std::nullopt);
    EXPECT_EQ(all.sessions.size(), 2U);
    EXPECT_EQ(all.participants.size(), 4U);
    ASSERT_EQ(all.streams.size(), 4U);
    EXPECT_EQ(all.streams[0].label, "7-1");
    EXPECT_EQ(all.streams[3].label, "8-2");
}

TEST_F(JointMetadataTest, WhoTakesPartInTwoSessionsIsOne) {
    siprec::CsDescription customer = call(1);
    siprec::CsDescription consult = call(2);
    const siprec::CsGroup group{.id = uuid_of(90), .name = "case", .formed = start_};
    customer.group = consult.group = group;
    consult.group->formed = start_ + std::chrono::seconds{60};
    consult.participants[0] = customer.participants[1];
    const CsState a = state(customer);
    const CsState b = state(consult);
    const std::vector<JointPart> parts{{1, &a, false}, {2, &b, false}};
    siprec::MetadataObjects all = metadata_.join(parts, std::nullopt);
    EXPECT_EQ(all.participants.size(), 3U);
    ASSERT_EQ(all.participant_streams.size(), 3U);
    EXPECT_EQ(all.participant_streams[1].send.size(), 2U);
    EXPECT_EQ(all.participant_streams[1].recv.size(), 2U);
    ASSERT_EQ(all.groups.size(), 1U);
    EXPECT_EQ(all.groups[0].period.associate, start_);
    // The group is as old as it was when the customer has left.
    const std::vector<JointPart> rest{{2, &b, false}};
    all = metadata_.join(rest, std::nullopt);
    EXPECT_EQ(all.groups[0].period.associate, start_);
}

TEST_F(JointMetadataTest, F11_AllSpeakOnTheMixedStreamWhichIsOfNoSessionAlone) {
    const CsState a = state(call(1));
    const CsState b = state(call(2));
    siprec::MediaStream mix;
    mix.id = siprec::MetadataId{uuid_of(99)};
    mix.label = "mix";
    const std::vector<JointPart> parts{{1, &a, false}, {2, &b, false}};
    const siprec::MetadataObjects all = metadata_.join(parts, mix);
    ASSERT_EQ(all.streams.size(), 1U);
    EXPECT_TRUE(all.streams[0].session.is_empty());
    ASSERT_EQ(all.participant_streams.size(), 4U);
    for (const siprec::ParticipantStreamAssoc& assoc : all.participant_streams) {
        EXPECT_THAT(assoc.send, ElementsAre(mix.id));
        EXPECT_THAT(assoc.recv, ElementsAre(mix.id));
    }
}

}  // namespace
}  // namespace earshot::client
