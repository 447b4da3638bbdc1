#include "siprec/participant_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string read_example(const std::string& name) {
    std::ifstream file{std::string{EARSHOT_TEST_DATA} + "/metadata/" + name};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string xml_of(std::string nickname, std::vector<std::string> roles, std::string left = {}) {
    return write_conference_role({.nickname = std::move(nickname),
                                  .roles = std::move(roles),
                                  .left = std::move(left),
                                  .sources = {}});
}

class ParticipantWatchTest : public testing::Test {
protected:
    std::vector<std::string> apply(const std::string& text) {
        const auto document = parse_metadata(text);
        EXPECT_TRUE(document.has_value());
        model_.apply(*document, base::WallTime{std::chrono::seconds{1'772'460'000}});
        std::vector<Event> events;
        watch_.update(
            model_, [](std::string_view label) { return label != "chat-1"; }, events);
        std::vector<std::string> told;
        for (Event& event : events) told.push_back(std::move(event.json));
        return told;
    }
    // `assoc`: of the session; `media`: send and recv.
    static std::string member(const std::string& assoc, const std::string& media,
                              const std::string& extensions = {}) {
        return "<participant participant_id='P1'><nameID aor='sip:p@x'><name>Pat</name></nameID>" +
               extensions +
               "</participant><participantsessionassoc participant_id='P1' session_id='S'>" +
               assoc + "</participantsessionassoc><participantstreamassoc participant_id='P1'>" +
               media + "</participantstreamassoc>";
    }
    static std::string document(const std::string& content, const std::string& mode = "partial") {
        return "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>" + mode +
               "</datamode><session session_id='S'/>"
               "<participant participant_id='F'><nameID aor='sip:room@x'/></participant>"
               "<participantsessionassoc participant_id='F' session_id='S'>"
               "<param pname='isfocus' pval='true'/></participantsessionassoc>" +
               content + "</recording>";
    }
    static std::string joined(int minute) {
        return "<associate-time>2026-03-02T14:0" + std::to_string(minute) + ":00Z</associate-time>";
    }

    MetadataModel model_;
    ParticipantWatch watch_;
};

TEST_F(ParticipantWatchTest, TellsAConferenceOfOthersAndALeave) {
    const auto first = apply(read_example("03-conference-complete.xml"));
    ASSERT_THAT(first, SizeIs(4));  // the focus, Ana, Ben, Chloe; Dov had left before we heard
    EXPECT_THAT(first[0], HasSubstr("\"is_focus\":true"));
    EXPECT_THAT(first[1], HasSubstr("\"nickname\":\"ana_r\""));
    EXPECT_THAT(first[3], HasSubstr("\"at\":\"2026-03-02T14:05:12.000Z\""));
    EXPECT_THAT(apply(read_example("03-conference-complete.xml")), IsEmpty());
}

TEST_F(ParticipantWatchTest, ACallOfTwoIsNoConference) {
    EXPECT_THAT(apply(read_example("01-two-party-complete.xml")), IsEmpty());
}

TEST_F(ParticipantWatchTest, TellsMuteHoldAndTheirEnds) {
    apply(document(member(joined(1), "<send>T</send><recv>U</recv>"), "complete"));
    EXPECT_THAT(apply(document(member(joined(1), "<recv>U</recv>"))),
                ElementsAre(HasSubstr("participant_muted")));
    EXPECT_THAT(apply(document(member(joined(1), ""))), ElementsAre(HasSubstr("participant_held")));
    EXPECT_THAT(apply(document(member(joined(1), "<recv>U</recv>"))),
                ElementsAre(HasSubstr("participant_resumed"), HasSubstr("participant_muted")));
    EXPECT_THAT(apply(document(member(joined(1), "<send>T</send><recv>U</recv>"))),
                ElementsAre(HasSubstr("participant_unmuted")));
}

TEST_F(ParticipantWatchTest, TellsALeaveWithItsReasonAndARejoin) {
    apply(document(member(joined(1), "<send>T</send>"), "complete"));
    const std::string left = xml_of({}, {}, "booted: too loud");
    const auto gone = apply(document(member(
        joined(1) + "<disassociate-time>2026-03-02T14:02:00Z</disassociate-time>", "", left)));
    ASSERT_THAT(gone, SizeIs(1));
    EXPECT_THAT(gone[0], HasSubstr("\"type\":\"participant_left\""));
    EXPECT_THAT(gone[0], HasSubstr("\"name\":\"Pat\""));
    EXPECT_THAT(gone[0], HasSubstr("\"at\":\"2026-03-02T14:02:00.000Z\""));
    EXPECT_THAT(gone[0], HasSubstr("booted: too loud"));
    EXPECT_THAT(apply(document(member(joined(3), "<send>T</send>"))),
                ElementsAre(HasSubstr("2026-03-02T14:03:00.000Z")));
    // Both at once, with the time of the leave.
    const std::string again =
        "<participantsessionassoc participant_id='P1' session_id='S'>" + joined(3) +
        "<disassociate-time>2026-03-02T14:04:00Z</disassociate-time></participantsessionassoc>";
    const auto returned = apply(document(again + member(joined(5), "<send>T</send>")));
    ASSERT_THAT(returned, SizeIs(2));
    EXPECT_THAT(returned[0], HasSubstr("\"type\":\"participant_left\""));
    EXPECT_THAT(returned[0], HasSubstr("\"at\":\"2026-03-02T14:04:00.000Z\""));
    EXPECT_THAT(returned[1], HasSubstr("\"at\":\"2026-03-02T14:05:00.000Z\""));
}

TEST_F(ParticipantWatchTest, WhoIsMutedMayWriteOn) {
    const std::string chat =
        "<stream stream_id='C' session_id='S'><label>chat-1</label></stream>"
        "<stream stream_id='T' session_id='S'><label>1</label></stream>";
    const std::string heard = "<recv>U</recv><recv>C</recv>";
    apply(document(chat + member(joined(1), "<send>T</send><send>C</send>" + heard), "complete"));
    EXPECT_THAT(apply(document(member(joined(1), "<send>C</send>" + heard))),
                ElementsAre(HasSubstr("\"type\":\"participant_muted\"")));
    EXPECT_THAT(apply(document(member(joined(1), "<send>C</send><recv>C</recv>"))),
                ElementsAre(HasSubstr("\"type\":\"participant_held\"")));
    EXPECT_THAT(apply(document(member(joined(1), "<send>T</send><send>C</send>" + heard))),
                ElementsAre(HasSubstr("\"type\":\"participant_resumed\"")));
}

TEST_F(ParticipantWatchTest, WhoHasNoVoiceIsJudgedByWhatThereIs) {
    const std::string chat = "<stream stream_id='C' session_id='S'><label>chat-1</label></stream>";
    apply(document(chat + member(joined(1), "<send>C</send><recv>C</recv>"), "complete"));
    EXPECT_THAT(apply(document(member(joined(1), "<recv>C</recv>"))),
                ElementsAre(HasSubstr("\"type\":\"participant_muted\"")));
}

TEST_F(ParticipantWatchTest, TellsRolesAndNicknames) {
    apply(document(member(joined(1), "<send>T</send>"), "complete"));
    const std::string now = xml_of("p<1>", {"host", "presenter"});
    EXPECT_THAT(apply(document(member(joined(1), "<send>T</send>", now))),
                ElementsAre(HasSubstr("\"nickname\":\"p<1>\""),
                            HasSubstr("\"roles\":[\"host\",\"presenter\"]")));
}

TEST(ConferenceRole, IsReadAsItWasWritten) {
    const ConferenceRole role{
        .nickname = "a&b", .roles = {"x"}, .left = "departed", .sources = {1, 4'294'967'295U}};
    const auto document = parse_metadata(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='P'>"
        "<nameID aor='sip:p@x'/>" +
        write_conference_role(role) + "</participant></recording>");
    ASSERT_TRUE(document);
    const ConferenceRole again = find_conference_role(document->objects.participants.at(0));
    EXPECT_EQ(again.nickname, role.nickname);
    EXPECT_EQ(again.roles, role.roles);
    EXPECT_EQ(again.left, role.left);
    EXPECT_EQ(again.sources, role.sources);
}

TEST(ConferenceRole, KeepsWithinItsLimits) {
    for (const std::size_t more : {0U, 1U}) {
        ConferenceRole role;
        role.nickname.assign(kMaxConferenceTextBytes + more, 'n');
        role.roles.assign(kMaxConferenceRoles + more, "r");
        role.sources.assign(kMaxConferenceSources + more, 7U);
        const auto document = parse_metadata(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant "
            "participant_id='P'><nameID aor='sip:p@x'/>" +
            write_conference_role(role) + "</participant></recording>");
        ASSERT_TRUE(document);
        const ConferenceRole again = find_conference_role(document->objects.participants.at(0));
        EXPECT_EQ(again.nickname.size(), kMaxConferenceTextBytes);
        EXPECT_EQ(again.roles.size(), kMaxConferenceRoles);
        EXPECT_EQ(again.sources.size(), kMaxConferenceSources);
    }
}

}  // namespace
}  // namespace earshot::siprec
