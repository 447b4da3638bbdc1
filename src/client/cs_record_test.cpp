#include "client/cs_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "client/limits.h"
#include "siprec/limits.h"
#include "siprec/metadata_schema_check.h"
#include "siprec/stream_role.h"

namespace earshot::client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr base::WallTime kStart{std::chrono::seconds{1'790'000'000}};
constexpr base::WallTime kLater = kStart + std::chrono::seconds{30};

b2bua::CallFacts facts() {
    b2bua::CallFacts call;
    call.leg(b2bua::Leg::A).address = {"sip:ada@desk.example", "Ada"};
    call.leg(b2bua::Leg::A).call_id = "a84b4c76e66710";
    call.leg(b2bua::Leg::A).session_uuid = std::string(32, 'a');
    call.leg(b2bua::Leg::B).address = {"sip:bo@desk.example", ""};
    return call;
}
CsRecord record_of(const b2bua::CallFacts& call) {
    base::Uuid session;
    session.bytes[0] = 1;
    base::Uuid installation;
    installation.bytes[0] = 2;
    return make_cs_record(call, session, installation, kStart);
}
relay::Subscription two_streams(bool callee_sends = true) {
    return {.offer = "v=0\r\n",
            .streams = {{.label = "1",
                         .from = relay::Leg::A,
                         .line = 0,
                         .place = 0,
                         .media = "audio",
                         .is_active = true},
                        {.label = "2",
                         .from = relay::Leg::B,
                         .line = 0,
                         .place = 1,
                         .media = "audio",
                         .is_active = callee_sends}}};
}
std::string document(const CsRecord& record, const policy::RecordingSettings& settings = {},
                     const relay::Subscription& subscription = two_streams()) {
    siprec::MetadataDocument text;
    text.objects = describe(record, settings, subscription).state.objects;
    std::string written = siprec::write_metadata(text);
    EXPECT_EQ(siprec::find_schema_fault(written), "") << written;
    return written;
}
siprec::MetadataObjects objects(const CsRecord& record,
                                const policy::RecordingSettings& settings = {},
                                const relay::Subscription& subscription = two_streams()) {
    document(record, settings, subscription);  // whose schema is looked at
    return describe(record, settings, subscription).state.objects;
}

// ---- who writes in its chats

relay::Subscription two_chats() {
    relay::SubscribedStream chat{
        .label = "chats-1", .media = "message", .is_active = true, .is_of_both = true};
    relay::SubscribedStream other = chat;
    chat.name = "chat-1";
    other.name = "chat-2";
    return {.offer = "v=0\r\n", .streams = {chat, other}};
}

TEST(CsRecord, WhoWritesThroughAPartyTakesPartInTheChatsAndNobodyTwice) {
    CsRecord record = record_of(facts());
    add_sender(record, relay::Leg::B, "sip:cid@c.example", "Cid", kLater);
    add_sender(record, relay::Leg::B, "sip:cid@c.example", "Cid", kLater);
    add_sender(record, relay::Leg::B, "sip:ada@desk.example", "", kLater);  // a party
    const auto told = objects(record, {}, two_chats());
    ASSERT_EQ(told.participants.size(), 3U);
    EXPECT_EQ(told.participants[2].names[0].aor, "sip:cid@c.example");
    EXPECT_EQ(told.participants[2].names[0].name, "Cid");
    ASSERT_EQ(told.streams.size(), 2U);
    EXPECT_EQ(told.streams[0].label, told.streams[1].label);
    EXPECT_EQ(told.streams[0].id.text(), stream_text(record, "chat-1"));
    EXPECT_EQ(told.streams[1].id.text(), stream_text(record, "chat-2"));
    for (const siprec::MediaStream& stream : told.streams) {
        const auto senders = std::count_if(
            told.participant_streams.begin(), told.participant_streams.end(), [&](const auto& one) {
                return std::any_of(one.send.begin(), one.send.end(),
                                   [&](const auto& sent) { return sent == stream.id; });
            });
        EXPECT_EQ(senders, 3);
    }
}

TEST(CsRecord, TakesSoManyWhoWriteAndNoMore) {
    CsRecord record = record_of(facts());
    for (std::size_t i = 0; i <= kMaxCsSenders; ++i)
        add_sender(record, relay::Leg::B, "sip:p" + std::to_string(i) + "@c.example", "", kLater);
    EXPECT_EQ(record.senders.size(), kMaxCsSenders);
    CsRecord other = record_of(facts());
    const std::string name(1000, 'n');
    for (std::size_t i = 0; i < kMaxCsSenders; ++i)
        add_sender(other, relay::Leg::B, "sip:p" + std::to_string(i) + "@c.example", name, kLater);
    EXPECT_LE(other.senders.size() * name.size(), kMaxCsSenderBytes);
    EXPECT_GT(other.senders.size(), 20U);
}

TEST(CsRecord, ANicknameOfAChatIsAnElementAndItsEndIsSaid) {
    CsRecord record = record_of(facts());
    EXPECT_THAT(document(record, {}, two_chats()), Not(HasSubstr("nickname")));
    set_nickname(record, relay::Leg::A, "ada_l");
    EXPECT_THAT(document(record, {}, two_chats()), HasSubstr(">ada_l</"));
    set_nickname(record, relay::Leg::A, "");
    EXPECT_THAT(document(record, {}, two_chats()), HasSubstr("nickname"));
    EXPECT_THAT(document(record, {}, two_chats()), Not(HasSubstr("ada_l")));
}

// RFC 7865 leaves it to a=content; what is shared is told by an element of ours beside it.
TEST(CsRecord, TellsWhatIsSharedAndByWhom) {
    relay::Subscription subscription = two_streams();
    subscription.streams[1].content = "slides";
    subscription.streams[1].title = "Plan <B>";
    const auto read = siprec::parse_metadata(document(record_of(facts()), {}, subscription));
    ASSERT_TRUE(read);
    siprec::MetadataModel model;
    model.apply(*read, kStart);
    EXPECT_FALSE(siprec::find_sharing(*model.find_stream_by_label("1")));
    EXPECT_EQ(siprec::find_sharing(*model.find_stream_by_label("2")),
              (siprec::SharingElement{.kind = {}, .title = "Plan <B>"}));
    subscription.streams[1].content.clear();
    subscription.streams[1].sharing = "application";  // the media plane knows it
    const auto known = siprec::parse_metadata(document(record_of(facts()), {}, subscription));
    ASSERT_TRUE(known);
    siprec::MetadataModel other;
    other.apply(*known, kStart);
    EXPECT_EQ(siprec::find_sharing(*other.find_stream_by_label("2")),
              (siprec::SharingElement{.kind = "application", .title = "Plan <B>"}));
    ASSERT_EQ(model.senders_of("2").size(), 1U);
    EXPECT_EQ(model.senders_of("2")[0]->names[0].aor, "sip:bo@desk.example");
}

TEST(CsRecord, NamesThePartiesOfTheInvite) {
    const CsRecord record = record_of(facts());
    const siprec::MetadataObjects all = objects(record);
    ASSERT_EQ(all.participants.size(), 2U);
    EXPECT_EQ(all.participants[0].names[0].aor, "sip:ada@desk.example");
    EXPECT_EQ(all.participants[0].names[0].name, "Ada");
    EXPECT_EQ(all.participants[1].names[0].aor, "sip:bo@desk.example");
    ASSERT_EQ(all.streams.size(), 2U);
    EXPECT_EQ(all.sessions.at(0).sip_session_ids.at(0),
              std::string(32, 'a') + ";remote=" + std::string(32, '0'));
}

TEST(CsRecord, SaysWhoSendsAndWhoHears) {
    const siprec::MetadataObjects all = objects(record_of(facts()));
    ASSERT_EQ(all.participant_streams.size(), 2U);
    EXPECT_EQ(all.participant_streams[0].send, std::vector{all.streams[0].id});
    EXPECT_EQ(all.participant_streams[0].recv, std::vector{all.streams[1].id});
    EXPECT_EQ(all.participant_streams[1].send, std::vector{all.streams[1].id});
}

TEST(CsRecord, AStreamThatIsHeldHasNoSender) {
    const siprec::MetadataObjects all =
        objects(record_of(facts()), {}, two_streams(/*callee_sends=*/false));
    for (const auto& association : all.participant_streams) {
        EXPECT_THAT(association.send, Not(testing::Contains(all.streams[1].id)));
        EXPECT_THAT(association.recv, Not(testing::Contains(all.streams[1].id)));
    }
}

TEST(CsRecord, TellsTheAssertedIdentityBeforeWhatThePhoneSays) {
    b2bua::CallFacts call = facts();
    call.leg(b2bua::Leg::A).asserted = {{"sip:1001@pbx.example", "Ada L"}};
    const siprec::MetadataObjects all = objects(record_of(call));
    ASSERT_EQ(all.participants[0].names.size(), 2U);
    EXPECT_EQ(all.participants[0].names[0].aor, "sip:1001@pbx.example");
    EXPECT_EQ(all.participants[0].names[1].aor, "sip:ada@desk.example");
}

TEST(CsRecord, AnotherPartyAtAnEndLeavesTheFirstDescribed) {
    CsRecord record = record_of(facts());
    b2bua::CallFacts call = facts();
    call.leg(b2bua::Leg::B).address = {"sip:cy@desk.example", "Cy"};
    EXPECT_TRUE(update(record, call, kLater));
    EXPECT_FALSE(update(record, call, kLater));
    ASSERT_EQ(record.parties.size(), 3U);
    EXPECT_EQ(record.parties[1].left, kLater);
    const siprec::MetadataObjects all = objects(record);
    ASSERT_EQ(all.participants.size(), 3U);
    std::size_t senders = 0;
    for (const auto& association : all.participant_streams) senders += association.send.size();
    EXPECT_EQ(senders, 2U);
}

TEST(CsRecord, TheSamePartyKeepsItsIdWithinAGroup) {
    const policy::RecordingSettings sales{.group = "sales"};
    CsRecord one = record_of(facts());
    CsRecord two = record_of(facts());
    two.session_id.bytes[0] = 9;
    two.participant_space = two.session_id;
    EXPECT_EQ(objects(one, sales).participants[0].id, objects(two, sales).participants[0].id);
    EXPECT_FALSE(objects(one).participants[0].id == objects(two).participants[0].id);
    EXPECT_EQ(objects(one, sales).groups.at(0).id, objects(two, sales).groups.at(0).id);
}

TEST(CsRecord, WhoCallsItselfIsTwoParticipants) {
    b2bua::CallFacts call = facts();
    call.leg(b2bua::Leg::B).address = call.leg(b2bua::Leg::A).address;
    const siprec::MetadataObjects all = objects(record_of(call));
    EXPECT_FALSE(all.participants[0].id == all.participants[1].id);
}

TEST(CsRecord, ARuleMayNameThePartiesAndAddElements) {
    const policy::RecordingSettings settings{
        .caller = "\"Agent 7\" <sip:7@queue.example>",
        .callee = "<nameID aor=\"tel:+4930\"><name>Customer</name></nameID>",
        .callee_is_xml = true,
        .session_extension = "<ticket>4711</ticket>"};
    const std::string text = document(record_of(facts()), settings);
    EXPECT_THAT(text, HasSubstr("sip:7@queue.example"));
    EXPECT_THAT(text, HasSubstr("Agent 7"));
    EXPECT_THAT(text, HasSubstr("tel:+4930"));
    EXPECT_THAT(text, HasSubstr("4711"));
    EXPECT_THAT(text, Not(HasSubstr("ada@desk")));
    EXPECT_THAT(text, HasSubstr(std::string(siprec::kExtensionNamespace)));
}

TEST(CsRecord, SaysWhatOfTheSettingsCannotBeTold) {
    const policy::RecordingSettings settings{.session_extension = "<ticket>",
                                             .group_extension = "<x/>"};
    const CsText text = describe(record_of(facts()), settings, two_streams());
    ASSERT_EQ(text.faults.size(), 2U);
}

TEST(CsRecord, CallsOfATransferShareAGroupAndNobodysIdChanges) {
    CsRecord record = record_of(facts());
    EXPECT_TRUE(objects(record).groups.empty());
    const siprec::MetadataId ada = objects(record).participants[0].id;
    base::Uuid group;
    group.bytes[0] = 7;
    record.transfer_group = group;
    ASSERT_EQ(objects(record).groups.size(), 1U);
    EXPECT_EQ(objects(record).participants[0].id, ada);
    EXPECT_EQ(objects(record).sessions.at(0).group, objects(record).groups[0].id);
}

TEST(CsRecord, AChatIsSentAndReceivedByBoth) {
    const CsRecord record = record_of(facts());
    relay::Subscription subscription = two_streams();
    subscription.streams.resize(1);
    subscription.streams[0].media = "message";
    subscription.streams[0].is_of_both = true;
    const auto told = objects(record, {}, subscription);
    ASSERT_EQ(told.participant_streams.size(), 2U);
    for (const auto& association : told.participant_streams) {
        EXPECT_EQ(association.send.size(), 1U);
        EXPECT_EQ(association.recv.size(), 1U);
    }
    EXPECT_EQ(present_parties(record),
              (std::array<std::string, 2>{"Ada <sip:ada@desk.example>", "<sip:bo@desk.example>"}));
}

TEST(CsRecord, AFileIsSentByWhoHandsItOverAloneWhoeverWritesInTheChat) {
    CsRecord record = record_of(facts());
    add_sender(record, relay::Leg::B, "sip:cid@c.example", "Cid", kLater);
    relay::Subscription subscription = two_streams();
    subscription.streams.resize(1);
    subscription.streams[0].media = "message";
    subscription.streams[0].from = relay::Leg::B;
    const auto told = objects(record, {}, subscription);
    ASSERT_EQ(told.participants.size(), 3U);
    std::string senders;
    std::string receivers;
    for (const auto& association : told.participant_streams)
        for (const auto& participant : told.participants) {
            if (!(participant.id == association.participant)) continue;
            if (!association.send.empty()) senders += participant.names[0].aor + " ";
            if (!association.recv.empty()) receivers += participant.names[0].aor + " ";
        }
    EXPECT_EQ(senders, "sip:bo@desk.example ");
    EXPECT_EQ(receivers, "sip:ada@desk.example ");
}

TEST(CsRecord, ARoomsChatIsEverybodysWhoIsInItAndNicknamesAreTold) {
    CsRecord record = record_of(facts());
    record.own_conference = OwnConference{.uri = "sip:room@conf.example"};
    record.parties.clear();
    for (std::uint32_t member = 0; member < 4; ++member) {
        record.parties.push_back(
            {.names = {{.aor = "sip:" + std::to_string(member) + "@x", .name = {}, .language = {}}},
             .joined = kStart,
             .member = member,
             .is_chatting = member == 1 || member == 2});
    }
    record.parties[1].nickname = "ana_r";
    record.parties[2].nickname = "";  // has given it back
    relay::Subscription subscription = two_streams();
    subscription.streams.resize(1);
    subscription.streams[0].label = "chat-1";
    subscription.streams[0].media = "message";
    subscription.streams[0].is_of_both = true;
    const auto told = objects(record, {}, subscription);
    std::size_t writers = 0;
    for (const auto& association : told.participant_streams) {
        EXPECT_EQ(association.send, association.recv);
        writers += association.send.size();
    }
    EXPECT_EQ(writers, 2U);
    const std::string text = document(record, {}, subscription);
    EXPECT_NE(text.find(">ana_r</nickname>"), std::string::npos) << text;
    EXPECT_NE(text.find("<nickname xmlns=\""), std::string::npos);
}

TEST(CsRecord, ARoomForgetsWhoLeftLongAgo) {
    CsRecord record = record_of(facts());
    record.own_conference = OwnConference{.uri = "sip:room@conf.example"};
    record.parties.clear();
    const auto come = [&](const std::string& aor) {
        CsParty party;
        party.names = {{.aor = aor, .name = {}, .language = {}}};
        party.member = static_cast<std::uint32_t>(record.parties.size());
        party.joined = kStart;
        add_party(record, std::move(party));
    };
    come("sip:room@conf.example");
    for (std::size_t i = 0; i <= kMaxGoneMembers; ++i) {
        come("sip:ana@x");
        EXPECT_EQ(record.parties.back().number, i);
        record.parties.back().left = kStart + std::chrono::milliseconds{i};
    }
    come("sip:ben@x");
    forget_gone(record, kStart + siprec::kGoneTime);
    EXPECT_EQ(record.parties.size(), kMaxGoneMembers + 3);  // somebody may not know yet
    forget_gone(record, kStart + siprec::kGoneTime + std::chrono::milliseconds{1});
    ASSERT_EQ(record.parties.size(), kMaxGoneMembers + 2);
    EXPECT_EQ(record.parties[1].number, 1U);
    EXPECT_NE(document(record).find("<left-out>1</left-out>"), std::string::npos);
    come("sip:ana@x");  // and is nobody of those that are left
    EXPECT_EQ(record.parties.back().number, kMaxGoneMembers + 1);
}

CsRecord room_of_focus() {
    CsRecord record = record_of(facts());
    record.own_conference = OwnConference{.uri = "sip:room@conf.example"};
    record.parties.clear();
    add_party(record, {.names = {{.aor = "sip:room@conf.example", .name = {}, .language = {}}},
                       .joined = kStart});
    return record;
}
// Somebody dials in; who it is among the parties.
std::size_t dial_in(CsRecord& record, const std::string& aor, std::uint32_t member,
                    base::WallTime at) {
    const std::vector<siprec::NameId> names{{.aor = aor, .name = {}, .language = {}}};
    const std::size_t number = arrival_number(record, names);
    arrive(record, {.names = names, .joined = at, .number = number, .member = member});
    for (std::size_t i = 0; i < record.parties.size(); ++i)
        if (record.parties[i].member == member) return i;
    return 0;
}

// RFC 7865 section 6.6: one association, of which the periods follow each other.
TEST(OwnConference, WhoComesBackIsTheSameParticipantWithAnotherPeriod) {
    CsRecord record = room_of_focus();
    const std::size_t ana = dial_in(record, "sip:ana@x", 1, kStart);
    record.parties[ana].presents = true;
    record.parties[ana].nickname = "ana_r";
    const std::string id = participant_text(record, {}, record.parties[ana]);
    siprec::MetadataModel server;
    const auto tell = [&](siprec::DataMode mode) {
        const auto read = siprec::parse_metadata(document(record));
        ASSERT_TRUE(read && read->issues.empty());
        siprec::MetadataDocument told = *read;
        told.mode = mode;
        EXPECT_TRUE(server.apply(told, kLater).empty());
    };
    tell(siprec::DataMode::Complete);
    record.parties[ana].left = kLater;
    tell(siprec::DataMode::Partial);
    const base::WallTime again = kLater + std::chrono::seconds{5};
    ASSERT_EQ(dial_in(record, "sip:ana@x", 2, again), ana);
    tell(siprec::DataMode::Partial);

    EXPECT_EQ(record.parties.size(), 2U);
    EXPECT_EQ(participant_text(record, {}, record.parties[ana]), id);
    // What they presented and were called is to be told as over.
    EXPECT_TRUE(record.parties[ana].presents.has_value());
    EXPECT_TRUE(record.parties[ana].nickname.has_value());
    const siprec::Periods both{{kStart, kLater}, {again, std::nullopt}};
    ASSERT_EQ(server.objects().participants.size(), 2U);
    EXPECT_EQ(server.objects().participant_sessions.at(1).periods, both);
    // A server that is asked later is told of both times.
    server = {};
    tell(siprec::DataMode::Complete);
    EXPECT_EQ(server.objects().participant_sessions.at(1).periods, both);
    EXPECT_EQ(server.objects().participant_streams.at(1).periods.back().associate, again);
}

TEST(OwnConference, PhonesOfOnePersonAtTheSameTimeAreSeveralParticipants) {
    CsRecord record = room_of_focus();
    const std::size_t desk = dial_in(record, "sip:ana@x", 1, kStart);
    const std::size_t mobile = dial_in(record, "sip:ana@x", 2, kStart);
    ASSERT_NE(desk, mobile);
    EXPECT_NE(participant_text(record, {}, record.parties[desk]),
              participant_text(record, {}, record.parties[mobile]));
    // While one of them is there nobody knows which of the others comes.
    record.parties[mobile].left = kLater;
    EXPECT_EQ(dial_in(record, "sip:ana@x", 3, kLater), 3U);
    EXPECT_EQ(record.parties[3].number, 2U);
    // Then it is the one who left last.
    for (const std::size_t one : {3U, 1U})
        record.parties[one].left = kLater + std::chrono::seconds{one};
    EXPECT_EQ(dial_in(record, "sip:ana@x", 4, kLater + std::chrono::seconds{9}), 3U);
    EXPECT_EQ(record.parties.size(), 4U);
}

TEST(OwnConference, WhoHidesWhoTheyAreIsNobodyWhoWasThere) {
    CsRecord record = room_of_focus();
    std::uint32_t member = 0;
    for (const char* const aor : {"sip:anonymous@anonymous.invalid", "sip:anonymous@192.0.2.1"}) {
        const std::size_t one = dial_in(record, aor, ++member, kStart);
        record.parties[one].left = kLater;
        EXPECT_EQ(dial_in(record, aor, ++member, kLater), one + 1) << aor;
    }
}

// Nobody vouches for From: what was keeps its name.
TEST(OwnConference, WhoComesBackByAnotherNameIsAnother) {
    CsRecord record = room_of_focus();
    const auto come = [&](const std::string& name, std::uint32_t member) {
        const std::vector<siprec::NameId> names{
            {.aor = "sip:cleo@x", .name = name, .language = {}}};
        const std::size_t number = arrival_number(record, names);
        arrive(record, {.names = names, .joined = kStart, .number = number, .member = member});
        for (CsParty& party : record.parties)
            if (party.member == member) party.left = kLater;
    };
    come("Cleo", 1);
    come("Evil Twin", 2);
    ASSERT_EQ(record.parties.size(), 3U);
    EXPECT_EQ(record.parties[1].names.front().name, "Cleo");
    EXPECT_NE(participant_text(record, {}, record.parties[1]),
              participant_text(record, {}, record.parties[2]));
    come("Cleo", 3);
    EXPECT_EQ(record.parties.size(), 3U);
    // Without a name it is whoever of that address left last, and keeps its name.
    come("", 4);
    ASSERT_EQ(record.parties.size(), 3U);
    for (const CsParty& party : record.parties) {
        if (party.member != 4U) continue;
        EXPECT_NE(party.names.front().name, "");
    }
}

// A document of them all has to stay one that servers take.
TEST(OwnConference, AStormOfComingAndGoingIsCutBeforeItsTimesFillADocument) {
    CsRecord record = room_of_focus();
    for (std::size_t i = 0; i < 2 * kMaxNewTimes; ++i) {
        const std::size_t ana = dial_in(record, "sip:ana@x", 1, kStart);
        record.parties[ana].left = kStart;
        forget_gone(record, kStart);
    }
    ASSERT_EQ(record.parties.size(), 2U);
    EXPECT_EQ(record.parties[1].earlier.size() + 1, kMaxNewTimes);
}

// Of somebody who comes and goes all the time the first times are forgotten, not the person.
TEST(OwnConference, OfTheTimesAtWhichSomebodyLeftTheLastOnesAreKept) {
    CsRecord record = room_of_focus();
    const std::size_t bo = dial_in(record, "sip:bo@x", 1, kStart);
    record.parties[bo].left = kStart;
    const auto at = [](std::size_t i) { return kStart + std::chrono::seconds{i}; };
    for (std::size_t i = 0; i <= kMaxGoneMembers; ++i) {
        const std::size_t ana = dial_in(record, "sip:ana@x", 2, at(2 * i + 1));
        record.parties[ana].left = at(2 * i + 2);
    }
    forget_gone(record, kStart + siprec::kGoneTime);
    EXPECT_EQ(record.parties.size(), 3U);  // somebody may not know yet
    forget_gone(record, at(10'000));
    ASSERT_EQ(record.parties.size(), 2U);  // Bo, who left first, and one time of Ana's
    EXPECT_EQ(record.own_conference->left_out, 1U);
    EXPECT_EQ(record.parties[1].earlier.size(), kMaxGoneMembers - 1);
    EXPECT_EQ(record.parties[1].earlier.front().disassociate, at(4));
    EXPECT_EQ(siprec::find_schema_fault(document(record)), "");
}

// ---- conferences

conference::Member member(const std::string& user, bool is_muted = false) {
    conference::Member made;
    made.key = {"sip:" + user + "@desk.example", "sip:" + user + "@192.0.2.1"};
    made.name = user;
    made.is_present = true;
    made.is_muted = is_muted;
    made.joined = kStart;
    made.media = {{.id = "1", .type = "audio", .label = {}, .ssrc = 4711, .sends = !is_muted}};
    return made;
}
CsRecord conference_of(std::vector<conference::Member> members) {
    CsRecord record = record_of(facts());
    record.conference.emplace();
    record.conference->uri = "sip:bo@desk.example";
    record.conference->subject = "Review";
    for (conference::Member& one : members)
        record.conference->members.push_back({.member = std::move(one), .number = 0});
    return record;
}
siprec::MetadataModel model_of(const CsRecord& record,
                               const relay::Subscription& subscription = two_streams()) {
    const auto read = siprec::parse_metadata(document(record, {}, subscription));
    EXPECT_TRUE(read && read->issues.empty());
    siprec::MetadataModel model;
    if (read) model.apply(*read, kStart);
    return model;
}
std::vector<std::string> senders(const siprec::MetadataModel& model, std::string_view label) {
    std::vector<std::string> aors;
    for (const siprec::Participant* sender : model.senders_of(label))
        aors.push_back(sender->names.front().aor);
    return aors;
}

// A room of ours: the streams of the whole room have no member's number.
CsRecord room_record() {
    CsRecord record = record_of(facts());
    record.parties.clear();
    record.own_conference = OwnConference{.uri = "sip:conf-1@pbx.example"};
    record.parties.push_back(
        {.names = {{.aor = "sip:conf-1@pbx.example", .name = {}, .language = {}}},
         .joined = kStart});
    for (std::uint32_t member = 1; member <= 3; ++member)
        record.parties.push_back(
            {.names = {{.aor = "sip:p" + std::to_string(member) + "@desk.example",
                        .name = {},
                        .language = {}}},
             .joined = kStart,
             .member = member,
             .shows_camera = member != 3,
             .sees_cameras = true,
             .sees_content = member != 3});
    return record;
}
// Who sends a stream of the room, and who receives it, by the index among the parties.
std::array<std::vector<std::size_t>, 2> ends_of(const CsRecord& record, const std::string& label,
                                                const std::string& media,
                                                const std::string& content) {
    const CsText text = describe(
        record, {},
        {.offer = "v=0\r\n",
         .streams = {{.label = label, .media = media, .is_active = true, .content = content}}});
    std::array<std::vector<std::size_t>, 2> ends;
    const siprec::MetadataObjects& objects = text.state.objects;
    for (const siprec::ParticipantStreamAssoc& assoc : objects.participant_streams)
        for (std::size_t i = 0; i < objects.participants.size(); ++i) {
            if (!(objects.participants[i].id == assoc.participant)) continue;
            if (!assoc.send.empty()) ends[0].push_back(i);
            if (!assoc.recv.empty()) ends[1].push_back(i);
        }
    return ends;
}

TEST(OwnConference, TheCameraOfWhoSpeaksIsSentByAllWhoHaveOne) {
    const auto ends = ends_of(room_record(), "2", "video", "");
    EXPECT_THAT(ends[0], testing::ElementsAre(1, 2));
    EXPECT_THAT(ends[1], testing::ElementsAre(1, 2, 3));
    const auto own = ends_of(room_record(), "2-2", "video", "");
    EXPECT_THAT(own[0], testing::ElementsAre(2));
    EXPECT_THAT(own[1], testing::ElementsAre(1, 3));
}

TEST(OwnConference, WhatIsSharedIsSentByItsPresenterWhoHasThatRole) {
    CsRecord record = room_record();
    EXPECT_THAT(ends_of(record, "3", "video", "slides")[0], testing::IsEmpty());
    EXPECT_THAT(document(record), Not(HasSubstr("presenter")));
    record.parties[2].presents = true;
    const auto ends = ends_of(record, "3", "video", "slides");
    EXPECT_THAT(ends[0], testing::ElementsAre(2));
    EXPECT_THAT(ends[1], testing::ElementsAre(1));
    EXPECT_THAT(document(record), HasSubstr(">presenter</role>"));
    record.parties[2].presents = false;
    record.parties[1].presents = true;
    EXPECT_THAT(ends_of(record, "3", "video", "slides")[0], testing::ElementsAre(1));
    // Of whom it is no more that is said, too.
    EXPECT_THAT(document(record), HasSubstr("<role xmlns=\"urn:uuid:6f1d2c9e-4b7a-4e0b-9a53-"
                                            "0c5f3f1e7a10\"/>"));
}

TEST(CsConference, AMixIsSentByAllButWhoHearsIt) {
    conference::Member ada = member("ada");
    const siprec::MetadataModel model =
        model_of(conference_of({member("ben"), ada, member("chloe", true)}));
    EXPECT_THAT(senders(model, "1"), testing::ElementsAre("sip:ada@desk.example"));
    EXPECT_THAT(senders(model, "2"), testing::ElementsAre("sip:ben@desk.example"));
    EXPECT_EQ(model.objects().participants.size(), 4U);  // Ada, the focus, Ben, Chloe
    ASSERT_EQ(model.objects().participant_sessions[1].params.size(), 1U);
    EXPECT_EQ(model.objects().participant_sessions[1].params[0].name, "isfocus");
    EXPECT_FALSE(model.objects().groups.empty());
    // All but the focus and who says it hear Ada.
    std::size_t hearers = 0;
    for (const auto& assoc : model.objects().participant_streams)
        for (const auto& id : assoc.recv) hearers += id == model.objects().streams[0].id ? 1 : 0;
    EXPECT_EQ(hearers, 2U);
}

TEST(CsConference, AChatIsOfAllWhoHaveOne) {
    relay::Subscription subscription = two_streams();
    subscription.streams.resize(1);
    subscription.streams[0].media = "message";
    subscription.streams[0].is_of_both = true;
    conference::Member ben = member("ben");
    ben.media.push_back({.id = "2", .type = "message", .label = {}, .ssrc = {}, .sends = true});
    const siprec::MetadataModel model =
        model_of(conference_of({ben, member("chloe")}), subscription);
    EXPECT_THAT(senders(model, "1"),
                testing::UnorderedElementsAre("sip:ada@desk.example", "sip:bo@desk.example",
                                              "sip:ben@desk.example"));
}

TEST(CsConference, WhomTheFocusHasMutedSendsNothing) {
    const siprec::MetadataModel model = model_of(conference_of({member("ada", true)}));
    EXPECT_THAT(senders(model, "1"), testing::IsEmpty());
}

TEST(CsConference, WhoLeftStaysWithItsTimesAndSaysNothing) {
    conference::Member ben = member("ben");
    ben.is_present = false;
    ben.left = kLater;
    ben.left_reason = "booted: too loud";
    const siprec::MetadataModel model = model_of(conference_of({ben}));
    EXPECT_THAT(senders(model, "2"), testing::IsEmpty());
    const auto& assoc = model.objects().participant_sessions.at(2);
    EXPECT_EQ(*assoc.periods.back().associate, kStart);
    EXPECT_EQ(*assoc.periods.back().disassociate, kLater);
    EXPECT_THAT(document(conference_of({ben})), HasSubstr("booted: too loud</left>"));
}

// docs/schema/earshot-metadata.xsd has each of our elements, and takes nothing else for one.
TEST(CsConference, TheSchemaOfOurElementsRefusesWhatIsNoneOfThem) {
    conference::Member ben = member("ben");
    ben.roles = {"presenter"};
    ben.is_present = false;
    ben.left = kLater;
    ben.left_reason = "booted: too loud";
    CsRecord record = conference_of({ben});
    record.conference->left_out = 3;
    record.parties[0].nickname = "ana_r";
    relay::Subscription subscription = two_streams();
    subscription.streams[1].media = "video";
    subscription.streams[1].content = "slides";
    subscription.streams[1].sharing = "document";
    subscription.streams[1].title = "Figures & <plans>";
    policy::RecordingSettings settings;
    settings.group = "sales";
    const std::string good = document(record, settings, subscription);
    const std::vector<std::pair<std::string, std::string>> changes{
        {"kind=\"document\"", "kind=\"film\""},
        {"ssrc=\"4711\"", "ssrc=\"-1\""},
        {">booted: too loud<", ">eaten<"},
        {"<uri>sip:bo@desk.example</uri>", ""},
        {"<left-out>3</left-out>", "<left-out>many</left-out>"},
        {">presenter</role>", "><b>presenter</b></role>"},
        {">ana_r</nickname>", " of=\"ana\">ana_r</nickname>"},
        {">sales</e:name>", "></e:name>"}};
    for (const auto& [what, instead] : changes) {
        std::string bad = good;
        const std::size_t at = bad.find(what);
        ASSERT_NE(at, std::string::npos) << what << good;
        bad.replace(at, what.size(), instead);
        EXPECT_NE(siprec::find_schema_fault(bad), "") << bad;
    }
}

// A focus that names presenters means it when it names none.
TEST(CsConference, WithoutAPresenterNobodySharesWhereTheFocusNamesThem) {
    relay::Subscription subscription = two_streams();
    subscription.streams[1].media = "video";
    subscription.streams[1].content = "slides";
    conference::Member ben = member("ben");
    ben.media.push_back({.id = "2", .type = "video", .label = {}, .ssrc = {}, .sends = true});
    CsRecord record = conference_of({ben});
    // Until then nobody is guessed: it came from the focus.
    EXPECT_THAT(senders(model_of(record, subscription), "2"),
                testing::ElementsAre("sip:bo@desk.example"));
    record.conference->tells_presenters = true;
    EXPECT_THAT(senders(model_of(record, subscription), "2"), testing::IsEmpty());
}

TEST(CsConference, SharedContentIsSentByThePresenter) {
    relay::Subscription subscription = two_streams();
    subscription.streams[1].media = "video";
    subscription.streams[1].content = "slides";
    conference::Member ben = member("ben");
    ben.roles = {"Presenter"};
    const siprec::MetadataModel model =
        model_of(conference_of({ben, member("chloe")}), subscription);
    EXPECT_THAT(senders(model, "2"), testing::ElementsAre("sip:ben@desk.example"));
}

// RFC 4575 section 5.5.4: a user that is another conference's focus.
TEST(CsConference, ACascadedFocusIsAParticipantThatIsAFocus) {
    conference::Member other = member("north");
    other.cascaded_focus = "sip:north@desk.example";
    const siprec::MetadataModel model = model_of(conference_of({member("ben"), other}));
    std::vector<std::string> foci;
    for (const auto& assoc : model.objects().participant_sessions)
        for (const auto& param : assoc.params)
            if (param.name == "isfocus" && param.value == "true")
                foci.push_back(model.find_participant(assoc.participant)->names.front().aor);
    EXPECT_THAT(foci,
                testing::UnorderedElementsAre("sip:bo@desk.example", "sip:north@desk.example"));
}

TEST(CsConference, AMemberHasTheSameIdInAllCallsOfTheConference) {
    CsRecord one = conference_of({member("ben")});
    CsRecord other = conference_of({member("chloe"), member("ben")});
    other.session_id.bytes[3] = 9;
    other.participant_space = other.session_id;
    EXPECT_EQ(objects(one).participants[2].id, objects(other).participants[3].id);
}

conference::ConferenceInfo info_with(std::uint32_t version,
                                     const std::vector<std::pair<std::string, std::string>>& who) {
    conference::ConferenceInfo info;
    info.entity = "sip:c@d";
    info.version = version;
    info.users.emplace();
    for (const auto& [user, endpoint] : who) {
        std::vector<conference::User>& users = info.users->users;
        if (users.empty() || users.back().entity != user) users.emplace_back().entity = user;
        conference::Endpoint& place = users.back().endpoints.emplace_back();
        place.entity = endpoint;
        place.status = conference::EndpointStatus::Connected;
    }
    return info;
}

TEST(CsConference, WhoComesBackByAnotherCallHasAnotherPeriod) {
    conference::Roster roster;
    CsConference state;
    std::uint32_t version = 0;
    const auto tell = [&](std::vector<std::pair<std::string, std::string>> who, int second) {
        const base::WallTime at = kStart + std::chrono::seconds{second};
        roster.apply(info_with(++version, who), at);
        update(state, roster, at);
    };
    tell({{"sip:ana@d", "sip:ana@192.0.2.1"}, {"sip:bo@d", "sip:bo@192.0.2.1"}}, 0);
    tell({{"sip:bo@d", "sip:bo@192.0.2.1"}}, 10);
    tell({{"sip:ana@d", "sip:ana@192.0.2.2"}, {"sip:bo@d", "sip:bo@192.0.2.1"}}, 20);
    ASSERT_EQ(state.members.size(), 2U);
    const CsMember& ana = state.members[0];
    EXPECT_EQ(ana.member.key.endpoint, "sip:ana@192.0.2.2");
    EXPECT_TRUE(ana.member.is_present);
    ASSERT_EQ(ana.earlier.size(), 1U);
    EXPECT_EQ(ana.earlier[0], (siprec::Period{kStart, kStart + std::chrono::seconds{10}}));
    EXPECT_EQ(state.members[1].earlier.size(), 0U);
    // By the first one again, and with a second one: that is another participant.
    tell({{"sip:ana@d", "sip:ana@192.0.2.1"}}, 30);
    tell({{"sip:ana@d", "sip:ana@192.0.2.1"}, {"sip:ana@d", "sip:ana@192.0.2.3"}}, 40);
    ASSERT_EQ(state.members.size(), 3U);
    EXPECT_EQ(state.members[0].earlier.size(), 2U);
    EXPECT_EQ(state.members[2].number, 1U);
    CsRecord record = record_of(facts());
    record.conference = state;
    const siprec::MetadataModel model = model_of(record);
    std::size_t periods = 0;
    for (const auto& assoc : model.objects().participant_sessions)
        periods = std::max(periods, assoc.periods.size());
    EXPECT_EQ(periods, 3U);
}

TEST(CsConference, OfThoseWhoCameBackSoManyTimesAreKept) {
    conference::Roster roster;
    CsConference state;
    for (std::uint32_t i = 0; i <= kMaxEarlierPeriods + 1; ++i) {
        const base::WallTime at = kStart + std::chrono::seconds{2 * i};
        roster.apply(info_with(2 * i + 1, {{"sip:ana@d", "sip:ana@192.0.2.1"}}), at);
        update(state, roster, at);
        roster.apply(info_with(2 * i + 2, {}), at + std::chrono::seconds{1});
        update(state, roster, at + std::chrono::seconds{1});
    }
    ASSERT_EQ(state.members.size(), 1U);
    EXPECT_EQ(state.members[0].earlier.size(), kMaxEarlierPeriods);
    EXPECT_EQ(state.members[0].earlier.front().associate, kStart + std::chrono::seconds{2});
}

// RFC 7865 section 6.5: in all sessions of one group it has one id.
TEST(CsConference, WhoCallsThroughHereIsTheSameInTheCallsOfOthers) {
    CsRecord ada = conference_of({member("ada"), member("ben")});
    ada.participant_space = ada.conference->group;  // as of Recorder::on_conference()
    b2bua::CallFacts other = facts();
    other.leg(b2bua::Leg::A).address = {"sip:ben@desk.example", "Ben"};
    CsRecord ben = record_of(other);
    ben.session_id.bytes[3] = 9;
    ben.participant_space = ada.participant_space;
    ben.conference = ada.conference;
    const auto ids = [](const CsRecord& record, const policy::RecordingSettings& settings) {
        std::map<std::string, std::string> found;
        for (const siprec::Participant& one : objects(record, settings).participants)
            EXPECT_TRUE(found.emplace(one.names.front().aor, one.id.text()).second)
                << one.names.front().aor;
        return found;
    };
    policy::RecordingSettings named;
    named.group = "sales";
    for (const policy::RecordingSettings& settings : {policy::RecordingSettings{}, named}) {
        EXPECT_EQ(ids(ada, settings).size(), 3U);  // Ada, Ben, the focus
        EXPECT_EQ(ids(ada, settings), ids(ben, settings));
    }
    // Who is not at our leg any more and in it by another call is there once, and there.
    ada.parties[0].left = kLater;
    EXPECT_EQ(ids(ada, {}).size(), 3U);
    EXPECT_FALSE(objects(ada).participant_sessions[0].periods.back().disassociate);
}

TEST(CsConference, TheGroupIsThereSinceTheFirstCallOfTheMeeting) {
    CsRecord record = conference_of({member("ben")});
    EXPECT_EQ(objects(record).groups.at(0).period.associate, kStart);
    record.conference->grouped = kStart - std::chrono::hours{1};
    EXPECT_EQ(objects(record).groups.at(0).period.associate, kStart - std::chrono::hours{1});
}

TEST(CsConference, ASidebarIsASessionOfTheSameGroup) {
    CsRecord record = conference_of({member("ben"), member("chloe")});
    record.conference->sidebars.push_back({.uri = "sip:side@x",
                                           .subject = "apart",
                                           .users = {"sip:ben@desk.example", "sip:unknown@x"},
                                           .opened = kLater,
                                           .closed = std::nullopt});
    const siprec::MetadataObjects told = objects(record);
    ASSERT_EQ(told.sessions.size(), 2U);
    EXPECT_EQ(told.sessions[1].group, told.sessions[0].group);
    EXPECT_EQ(*told.sessions[1].start, kLater);
    EXPECT_EQ(told.participant_sessions.back().session, told.sessions[1].id);
    EXPECT_EQ(told.participant_sessions.back().participant, told.participants[2].id);
}

TEST(CsConference, KeepsSoManyMembersAndCountsTheRest) {
    for (const std::size_t more : {0U, 1U}) {
        conference::ConferenceInfo info;
        info.entity = "sip:c@d";
        info.version = 1;
        info.users.emplace();
        for (std::size_t i = 0; i < kMaxConferenceMembers + more; ++i)
            info.users->users.emplace_back().entity = "sip:u" + std::to_string(i) + "@d";
        conference::Roster roster;
        roster.apply(info, kStart);
        CsConference state;
        update(state, roster, kStart);
        EXPECT_EQ(state.members.size(), kMaxConferenceMembers);
        EXPECT_EQ(state.left_out, more);
        // And all of them fit into a document.
        CsRecord record = record_of(facts());
        record.conference = state;
        EXPECT_LT(document(record).size(), siprec::kMaxMetadataBytes);
    }
}

TEST(CsConference, WhoLeftLongAgoMakesRoomForWhoComes) {
    conference::ConferenceInfo info;
    info.entity = "sip:c@d";
    info.version = 1;
    info.users.emplace();
    for (std::size_t i = 0; i < kMaxConferenceMembers; ++i)
        info.users->users.emplace_back().entity = "sip:u" + std::to_string(i) + "@d";
    conference::Roster roster;
    roster.apply(info, kStart);
    CsConference state;
    update(state, roster, kStart);
    info.version = 2;
    info.users->users.front().entity = "sip:new@d";  // and sip:u0@d has left
    roster.apply(info, kLater);
    update(state, roster, kLater + siprec::kGoneTime);
    EXPECT_EQ(state.left_out, 1U);
    update(state, roster, kLater + siprec::kGoneTime + std::chrono::milliseconds{1});
    EXPECT_EQ(state.left_out, 0U);
    EXPECT_EQ(state.members.size(), kMaxConferenceMembers);
    EXPECT_EQ(state.members.back().member.key.user, "sip:new@d");
}

}  // namespace
}  // namespace earshot::client
