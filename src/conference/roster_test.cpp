#include "conference/roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conference/limits.h"

namespace earshot::conference {
namespace {

using Kind = Change::Kind;
using Outcome = Roster::Outcome;
using testing::ElementsAre;
using testing::IsEmpty;

base::WallTime at(std::string_view time) {
    return base::parse_time("2026-03-02T14:" + std::string{time} + "Z")->time;
}

ConferenceInfo document(std::uint32_t version, State state, std::vector<User> users) {
    ConferenceInfo info;
    info.entity = "sip:room@conf.example";
    info.state = state;
    info.version = version;
    info.users.emplace();
    info.users->state = state;
    info.users->users = std::move(users);
    return info;
}
ConferenceInfo full(std::uint32_t version, std::vector<User> users) {
    return document(version, State::Full, std::move(users));
}
ConferenceInfo partial(std::uint32_t version, std::vector<User> users) {
    return document(version, State::Partial, std::move(users));
}

User user(const std::string& name, EndpointStatus status = EndpointStatus::Connected) {
    User made;
    made.entity = "sip:" + name + "@desk.example";
    made.display_text = name;
    Endpoint endpoint;
    endpoint.entity = "sip:" + name + "@192.0.2.1";
    endpoint.status = status;
    made.endpoints.push_back(endpoint);
    return made;
}
MemberKey key(const std::string& name) {
    return {"sip:" + name + "@desk.example", "sip:" + name + "@192.0.2.1"};
}
User with_audio(User made, MediaStatus status) {
    Media media;
    media.id = "1";
    media.type = "audio";
    media.src_id = "4711";
    media.status = status;
    made.endpoints[0].media = {media};
    return made;
}

std::vector<std::string> told(const Roster::Applied& applied) {
    std::vector<std::string> texts;
    for (const Change& change : applied.changes) {
        std::string text{to_string(change.kind)};
        if (!change.member.user.empty())
            text += " " + change.member.user.substr(4, change.member.user.find('@') - 4);
        if (!change.value.empty()) text += " " + change.value;
        texts.push_back(text);
    }
    return texts;
}

TEST(Roster, TellsJoinsAndLeavesWithTheirReasons) {
    Roster roster;
    EXPECT_THAT(told(roster.apply(full(0, {user("ana"), user("ben")}), at("00:01"))),
                ElementsAre("joined ana ana", "joined ben ben"));
    User gone = user("ben", EndpointStatus::Disconnected);
    gone.endpoints[0].disconnection_method = DisconnectionMethod::Booted;
    gone.endpoints[0].disconnection_info = Execution{at("02:00"), "too loud", std::nullopt};
    const auto applied = roster.apply(partial(1, {gone, user("chloe")}), at("02:04"));
    EXPECT_THAT(told(applied), ElementsAre("left ben booted: too loud", "joined chloe chloe"));
    EXPECT_EQ(applied.changes[0].at, at("02:00"));
    EXPECT_EQ(applied.changes[1].at, at("02:04"));
    EXPECT_EQ(roster.present_count(), 2U);
    EXPECT_EQ(*roster.members().at(key("ben")).left, at("02:00"));
}

TEST(Roster, TakesTheTimeOfJoiningFromTheFocusUnlessItCannotBe) {
    const auto joined = [](std::string_view when, std::string_view arrival) {
        Roster roster;
        User ana = user("ana");
        ana.endpoints[0].joining_info =
            Execution{base::parse_time(when)->time, std::nullopt, std::nullopt};
        return roster.apply(full(0, {ana}), at(arrival)).changes.at(0).at;
    };
    EXPECT_EQ(joined("2026-03-02T14:00:10Z", "05:00"), at("00:10"));
    EXPECT_EQ(joined("2026-03-02T14:05:02Z", "05:00"), at("05:00"));  // a clock a little ahead
    EXPECT_EQ(joined("2026-03-02T14:05:03Z", "05:00"), at("05:00"));  // or wrong
    EXPECT_EQ(joined("1970-01-01T00:00:00Z", "05:00"), at("05:00"));
}

TEST(Roster, TellsARejoinAsOneOfNow) {
    Roster roster;
    User ana = user("ana");
    ana.endpoints[0].joining_info = Execution{at("00:00"), std::nullopt, std::nullopt};
    roster.apply(full(0, {ana}), at("00:01"));
    EXPECT_THAT(
        told(roster.apply(partial(1, {user("ana", EndpointStatus::Disconnected)}), at("01:00"))),
        ElementsAre("left ana departed"));
    const auto applied = roster.apply(partial(2, {ana}), at("02:00"));
    EXPECT_THAT(told(applied), ElementsAre("joined ana ana"));
    EXPECT_EQ(applied.changes[0].at, at("02:00"));  // not 00:00, when it came first
    EXPECT_FALSE(roster.members().at(key("ana")).left);
}

TEST(Roster, WhoIsNoLongerNamedHasLeft) {
    Roster roster;
    roster.apply(full(0, {user("ana"), user("ben")}), at("00:01"));
    EXPECT_THAT(told(roster.apply(full(1, {user("ben")}), at("00:10"))),
                ElementsAre("left ana vanished"));
    User deleted;
    deleted.entity = "sip:ben@desk.example";
    deleted.state = State::Deleted;
    EXPECT_THAT(told(roster.apply(partial(2, {deleted}), at("00:20"))),
                ElementsAre("left ben vanished"));
}

// Before we looked, it may be: nothing tells of it later.
TEST(Roster, WhoComesWithARoleHasItFromThenOn) {
    Roster roster;
    User ana = user("ana");
    ana.roles = {"host", "presenter"};
    EXPECT_THAT(told(roster.apply(full(0, {ana, user("ben")}), at("00:01"))),
                ElementsAre("joined ana ana", "roles ana host,presenter", "joined ben ben"));
    EXPECT_THAT(told(roster.apply(full(1, {ana, user("ben")}), at("00:02"))), IsEmpty());
}

TEST(Roster, WhoIsStillCalledHasNotJoined) {
    Roster roster;
    EXPECT_THAT(told(roster.apply(full(0, {user("ana", EndpointStatus::DialingOut)}), at("00:01"))),
                IsEmpty());
    EXPECT_THAT(told(roster.apply(partial(1, {user("ana")}), at("00:09"))),
                ElementsAre("joined ana ana"));
}

TEST(Roster, TellsMuteHoldRolesAndNames) {
    Roster roster;
    roster.apply(full(0, {with_audio(user("ana"), MediaStatus::SendRecv)}), at("00:01"));
    EXPECT_THAT(told(roster.apply(partial(1, {with_audio(user("ana"), MediaStatus::RecvOnly)}),
                                  at("00:02"))),
                ElementsAre("muted ana", "media ana"));
    const Member& ana = roster.members().at(key("ana"));
    EXPECT_FALSE(ana.media.at(0).sends);
    EXPECT_TRUE(ana.media.at(0).receives);
    EXPECT_EQ(ana.media.at(0).ssrc, 4711U);

    User presenter = with_audio(user("ana"), MediaStatus::SendRecv);
    presenter.roles = {"host", "presenter"};
    presenter.nickname = "a";
    presenter.display_text = "Ana Reis";
    EXPECT_THAT(told(roster.apply(partial(2, {presenter}), at("00:03"))),
                ElementsAre("renamed ana Ana Reis", "nickname ana a", "roles ana host,presenter",
                            "unmuted ana", "media ana"));
    presenter.endpoints[0].status = EndpointStatus::OnHold;
    EXPECT_THAT(told(roster.apply(partial(3, {presenter}), at("00:04"))),
                ElementsAre("held ana", "media ana"));
    presenter.endpoints[0].status = EndpointStatus::MutedViaFocus;
    EXPECT_THAT(told(roster.apply(partial(4, {presenter}), at("00:05"))),
                ElementsAre("muted ana", "resumed ana", "media ana"));
}

TEST(Roster, TellsWhatBecomesOfTheConference) {
    Roster roster;
    ConferenceInfo info = full(0, {});
    info.description.emplace().subject = "Review";
    info.conference_state.emplace().locked = true;
    info.sidebars_by_ref.emplace().entries.push_back({"sip:side@conf.example", {}, {}});
    EXPECT_THAT(
        told(roster.apply(info, at("00:01"))),
        ElementsAre("subject Review", "locked true", "sidebar-opened sip:side@conf.example"));
    EXPECT_THAT(told(roster.apply(full(1, {}), at("00:02"))),
                ElementsAre("subject", "locked false", "sidebar-closed sip:side@conf.example"));
}

// ---- versions (section 4.3) -------------------------------------------------------------------

TEST(Roster, DiscardsAVersionThatIsNotHigher) {
    Roster roster;
    roster.apply(full(5, {user("ana")}), at("00:01"));
    for (const std::uint32_t version : {5U, 4U, 0U}) {
        EXPECT_EQ(roster.apply(partial(version, {}), at("00:02")).outcome, Outcome::Stale);
        EXPECT_EQ(roster.apply(full(version, {}), at("00:02")).outcome, Outcome::Stale);
    }
    EXPECT_EQ(roster.present_count(), 1U);
}

TEST(Roster, AGapNeedsAFullDocumentWhichMayJump) {
    Roster roster;
    EXPECT_EQ(roster.apply(partial(0, {user("ana")}), at("00:01")).outcome, Outcome::NeedsFull);
    EXPECT_FALSE(roster.has_state());
    roster.apply(full(1, {user("ana")}), at("00:02"));
    EXPECT_EQ(roster.apply(partial(3, {user("ben")}), at("00:03")).outcome, Outcome::NeedsFull);
    EXPECT_EQ(roster.present_count(), 1U);
    EXPECT_EQ(roster.apply(full(4'000'000'000, {user("ben")}), at("00:04")).outcome,
              Outcome::Applied);
    EXPECT_EQ(roster.version(), 4'000'000'000U);
}

TEST(Roster, ANewSubscriptionCountsAnewAndTellsOnlyWhatChangedMeanwhile) {
    Roster roster;
    roster.apply(full(9, {user("ana"), user("ben")}), at("00:01"));
    roster.await_full();
    EXPECT_EQ(roster.apply(partial(10, {}), at("00:02")).outcome, Outcome::NeedsFull);
    EXPECT_THAT(told(roster.apply(full(0, {user("ana"), user("dov")}), at("00:03"))),
                ElementsAre("joined dov dov", "left ben vanished"));
}

TEST(Roster, ADeletedDocumentEndsTheConference) {
    Roster roster;
    roster.apply(full(0, {user("ana")}), at("00:01"));
    const auto applied = roster.apply(document(1, State::Deleted, {}), at("00:02"));
    EXPECT_EQ(applied.outcome, Outcome::Ended);
    EXPECT_THAT(told(applied), ElementsAre("left ana the conference ended", "ended"));
    EXPECT_EQ(roster.present_count(), 0U);
}

TEST(Roster, TakesDocumentsWithoutAVersionInTheirOrder) {
    Roster roster;
    ConferenceInfo first = full(0, {user("ana")});
    first.version.reset();
    ConferenceInfo second = partial(0, {user("ben")});
    second.version.reset();
    EXPECT_EQ(roster.apply(first, at("00:01")).outcome, Outcome::Applied);
    EXPECT_EQ(roster.apply(second, at("00:02")).outcome, Outcome::Applied);
    EXPECT_EQ(roster.present_count(), 2U);
}

TEST(Roster, TellsOnceHowManyUsersDidNotFit) {
    Roster roster;
    ConferenceInfo info = full(0, {user("ana")});
    info.users->left_out = 8'000;
    EXPECT_THAT(told(roster.apply(info, at("00:01"))),
                ElementsAre("joined ana ana", "left-out 8000"));
    EXPECT_THAT(told(roster.apply(partial(1, {}), at("00:02"))), IsEmpty());
    EXPECT_EQ(roster.left_out(), 8'000U);
}

TEST(Roster, ForgetsThoseWhoLeftFirst) {
    Roster roster;
    std::uint32_t version = 0;
    const auto come_and_go = [&](std::size_t begin, std::size_t count) {
        std::vector<User> users;
        for (std::size_t i = begin; i < begin + count; ++i)
            users.push_back(user(std::to_string(i)));
        roster.apply(full(version, std::move(users)), at("00:01") + std::chrono::seconds{version});
        ++version;
    };
    come_and_go(0, 1);
    come_and_go(1, kMaxUsers);
    come_and_go(0, 0);
    EXPECT_EQ(roster.members().size(), kMaxUsers);
    EXPECT_EQ(roster.members().count(key("0")), 0U);
    EXPECT_EQ(roster.members().count(key("1")), 1U);
}

TEST(Roster, UsersWithoutEndpointsAreMembersToo) {
    Roster roster;
    User ana;
    ana.entity = "sip:ana@desk.example";
    EXPECT_THAT(told(roster.apply(full(0, {ana}), at("00:01"))), ElementsAre("joined ana"));
    EXPECT_TRUE(roster.members().at({"sip:ana@desk.example", ""}).is_present);
}

}  // namespace
}  // namespace earshot::conference
