#include "conference/conference_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "conference/limits.h"

namespace earshot::conference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string read_example(const std::string& name) {
    std::ifstream file{std::string{EARSHOT_TEST_DATA} + "/conference_info_fuzz/" + name};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

ConferenceDocument parse(std::string_view text) {
    auto document = parse_conference_info(text);
    EXPECT_TRUE(document.has_value()) << (document ? "" : document.error().text);
    return document ? *document : ConferenceDocument{};
}

std::string conference(std::string_view content, std::string_view attributes = "version='1'") {
    return "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:c@d' " +
           std::string{attributes} + ">" + std::string{content} + "</conference-info>";
}
std::string users(std::string_view content) {
    return conference("<users>" + std::string{content} + "</users>");
}

// `update` is a partial document's content.
ConferenceInfo merged(std::string_view local, std::string_view update) {
    ConferenceInfo info;
    merge(info, parse(conference(local)).info);
    merge(info, parse(conference(update, "state='partial' version='2'")).info);
    return info;
}

TEST(ConferenceInfo, ExampleFromRfc4575Section6_1) {
    const ConferenceDocument document = parse(read_example("rfc4575-6.1-basic.xml"));
    EXPECT_THAT(document.issues, IsEmpty());
    const ConferenceInfo& info = document.info;
    EXPECT_EQ(info.entity, "sips:conf233@example.com");
    EXPECT_EQ(info.state, State::Full);
    EXPECT_EQ(info.version, 1U);
    EXPECT_EQ(info.description->subject, "Agenda: This month's goals");
    ASSERT_EQ(info.description->service_uris->entries.size(), 1U);
    EXPECT_EQ(info.description->service_uris->entries[0].uri, "http://sharepoint/salesgroup/");
    EXPECT_EQ(info.description->service_uris->entries[0].purpose, "web-page");
    EXPECT_EQ(info.conference_state->user_count, 33U);
    EXPECT_EQ(info.conference_state->locked, std::nullopt);
    ASSERT_EQ(info.users->users.size(), 2U);

    const User& bob = info.users->users[0];
    EXPECT_EQ(bob.entity, "sip:bob@example.com");
    EXPECT_EQ(bob.display_text, "Bob Hoskins");
    ASSERT_EQ(bob.endpoints.size(), 1U);
    EXPECT_EQ(bob.endpoints[0].entity, "sip:bob@pc33.example.com");
    EXPECT_EQ(bob.endpoints[0].status, EndpointStatus::Disconnected);
    EXPECT_EQ(bob.endpoints[0].disconnection_method, DisconnectionMethod::Departed);
    EXPECT_EQ(bob.endpoints[0].disconnection_info->reason, "bad voice quality");
    EXPECT_EQ(bob.endpoints[0].disconnection_info->by, "sip:mike@example.com");

    const User* alice = info.find_user("sip:alice@example.com");
    ASSERT_NE(alice, nullptr);
    const Endpoint& endpoint = alice->endpoints.at(0);
    EXPECT_EQ(endpoint.status, EndpointStatus::Connected);
    EXPECT_EQ(endpoint.joining_method, JoiningMethod::DialedOut);
    EXPECT_EQ(base::to_rfc3339(*endpoint.joining_info->when), "2005-03-04T20:00:00.000Z");
    ASSERT_EQ(endpoint.media.size(), 1U);
    EXPECT_EQ(endpoint.media[0].label, "34567");
    EXPECT_EQ(endpoint.media[0].ssrc(), 534232U);
    EXPECT_EQ(endpoint.media[0].status, MediaStatus::SendRecv);
}

// After the RFC's rich example: a document in which nearly each element stands once.
TEST(ConferenceInfo, ExampleFromRfc4575Section6_2) {
    const ConferenceDocument document = parse(read_example("rfc4575-6.2-rich.xml"));
    EXPECT_THAT(document.issues, IsEmpty());
    const ConferenceInfo& info = document.info;
    EXPECT_EQ(info.entity, "sips:conf233@example.com");
    ASSERT_EQ(info.description->conf_uris->entries.size(), 3U);
    EXPECT_EQ(info.description->conf_uris->entries[2].purpose, "streaming");
    ASSERT_EQ(info.description->service_uris->entries.size(), 2U);
    EXPECT_EQ(info.description->service_uris->entries[1].purpose, "recording");
    EXPECT_EQ(info.description->maximum_user_count, 100U);
    ASSERT_EQ(info.description->available_media->size(), 2U);
    EXPECT_EQ(info.description->available_media->at(1).type, "video");
    EXPECT_EQ(info.conference_state->user_count, 33U);
    EXPECT_EQ(info.conference_state->active, true);
    EXPECT_EQ(info.conference_state->locked, false);
    const User* bob = info.find_user("sip:bob@example.com");
    ASSERT_NE(bob, nullptr);
    EXPECT_EQ(bob->associated_aors->entries.at(0).uri, "mailto:bob@example.com");
    EXPECT_THAT(*bob->roles, ElementsAre("participant"));
    const Endpoint& laptop = bob->endpoints.at(0);
    EXPECT_EQ(laptop.status, EndpointStatus::Disconnected);
    EXPECT_EQ(laptop.joining_method, JoiningMethod::DialedOut);
    EXPECT_EQ(laptop.joining_info->reason, "invitation");
    EXPECT_EQ(laptop.disconnection_method, DisconnectionMethod::Departed);
    EXPECT_EQ(laptop.disconnection_info->reason, "bad voice quality");
    EXPECT_EQ(laptop.media.at(0).ssrc(), 432424U);
    EXPECT_EQ(laptop.call_id, "hsjh8980vhsb78");
    const User* alice = info.find_user("sip:alice@example.com");
    ASSERT_NE(alice, nullptr);
    EXPECT_EQ(alice->endpoints.at(0).status, EndpointStatus::Connected);
    EXPECT_EQ(alice->endpoints.at(0).media.at(0).label, "34567");
    ASSERT_EQ(info.sidebars_by_ref->entries.size(), 2U);
    EXPECT_EQ(info.sidebars_by_ref->entries[1].uri, "sips:conf233@example.com;grid=21");
    ASSERT_EQ(info.sidebars.size(), 1U);
    EXPECT_EQ(info.sidebars[0].entity, "sips:conf233@example.com;grid=77");
    EXPECT_EQ(info.sidebars[0].users->users.size(), 3U);
}

TEST(ConferenceInfo, ReadsWhatElseADocumentMayHold) {
    const ConferenceDocument document = parse(read_example("everything.xml"));
    EXPECT_THAT(document.issues, IsEmpty());
    const ConferenceInfo& info = document.info;
    EXPECT_EQ(info.description->conf_uris->entries.size(), 2U);
    EXPECT_EQ(info.description->maximum_user_count, 100U);
    EXPECT_EQ(info.description->available_media->at(1).label, "34569");
    EXPECT_EQ(info.conference_state->active, true);
    EXPECT_EQ(info.conference_state->locked, false);
    const User& bob = info.users->users.at(0);
    EXPECT_EQ(bob.nickname, "bobby");
    EXPECT_THAT(*bob.roles, ElementsAre("participant", "presenter"));
    EXPECT_EQ(bob.associated_aors->entries.at(1).uri, "tel:+12125550101");
    EXPECT_EQ(bob.cascaded_focus, "sips:conf233@example.org");
    EXPECT_EQ(bob.endpoints.at(0).call_id, "hsjh8980vhsb78");
    EXPECT_EQ(bob.endpoints.at(0).joining_info->reason, "invited & late");
    EXPECT_EQ(info.sidebars_by_ref->entries.at(0).uri, "sips:conf233@example.com;grid=45");
    ASSERT_EQ(info.sidebars.size(), 1U);
    EXPECT_EQ(info.sidebars[0].description->subject, "apart");
    EXPECT_EQ(info.sidebars[0].users->users.size(), 2U);
}

TEST(ConferenceInfo, IsReadAgainAsItWasWritten) {
    for (const char* name : {"everything.xml", "rfc4575-6.1-basic.xml", "rfc4575-6.2-rich.xml"}) {
        const ConferenceInfo info = parse(read_example(name)).info;
        const ConferenceDocument again = parse(write_conference_info(info));
        EXPECT_THAT(again.issues, IsEmpty());
        EXPECT_EQ(again.info, info) << name;
    }
}

TEST(ConferenceInfo, EveryTruncationIsRefused) {
    const std::string text = read_example("everything.xml");
    for (std::size_t size = 0; size + 2 < text.size(); size += 7)
        EXPECT_FALSE(parse_conference_info(text.substr(0, size))) << size;
}

TEST(ConferenceInfo, RefusesWhatIsNoneOfIts) {
    EXPECT_FALSE(parse_conference_info("hello"));
    EXPECT_FALSE(parse_conference_info("<a/>"));
    EXPECT_FALSE(
        parse_conference_info("<conference-info xmlns='urn:x' entity='sip:c@d' version='1'/>"));
    EXPECT_FALSE(parse_conference_info(
        "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' version='1'/>"));
    const auto doctype = parse_conference_info("<!DOCTYPE a [<!ENTITY b 'c'>]>" + conference(""));
    ASSERT_FALSE(doctype);
    EXPECT_THAT(doctype.error().text, HasSubstr("DOCTYPE"));
}

TEST(ConferenceInfo, TakesFaultsWithAnIssueEach) {
    const ConferenceDocument document = parse(
        users("<user/><user entity='a'><endpoint entity='b'><status>asleep</status><joining-info>"
              "<when>soon</when></joining-info></endpoint></user>"));
    ASSERT_EQ(document.issues.size(), 3U);
    EXPECT_THAT(document.issues[0].text, HasSubstr("entity is missing"));
    EXPECT_EQ(document.info.users->users.size(), 1U);
    EXPECT_EQ(document.info.users->users[0].endpoints.at(0).status, EndpointStatus::None);
}

TEST(ConferenceInfo, LeavesOutUsersPastTheLimitAndCountsThem) {
    const auto text_of = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i)
            text += "<user entity='" + std::to_string(i) + "'/>";
        return users(text);
    };
    const ConferenceDocument full = parse(text_of(kMaxUsers));
    EXPECT_EQ(full.info.users->users.size(), kMaxUsers);
    EXPECT_EQ(full.info.users->left_out, 0U);
    EXPECT_THAT(full.issues, IsEmpty());
    const ConferenceDocument over = parse(text_of(kMaxUsers + 1));
    EXPECT_EQ(over.info.users->users.size(), kMaxUsers);
    EXPECT_EQ(over.info.users->left_out, 1U);
    EXPECT_THAT(over.issues.at(0).text, HasSubstr("too many users"));
}

TEST(ConferenceInfo, LimitsWhatEachElementHolds) {
    const auto repeat = [](std::string_view text, std::size_t count) {
        std::string all;
        for (std::size_t i = 0; i < count; ++i) {
            all += text;
            const std::size_t at = all.rfind('#');
            if (at != std::string::npos) all.replace(at, 1, std::to_string(i));
        }
        return all;
    };
    const auto user_of = [&](std::string_view content) {
        return parse(users("<user entity='u'>" + std::string{content} + "</user>"))
            .info.users->users.at(0);
    };
    for (const std::size_t more : {0U, 1U}) {
        EXPECT_EQ(user_of(repeat("<endpoint entity='#'/>", kMaxEndpoints + more)).endpoints.size(),
                  kMaxEndpoints);
        EXPECT_EQ(user_of("<endpoint entity='e'>" +
                          repeat("<media id='#'/>", kMaxEndpointMedia + more) + "</endpoint>")
                      .endpoints.at(0)
                      .media.size(),
                  kMaxEndpointMedia);
        EXPECT_EQ(user_of("<roles>" + repeat("<entry>#</entry>", kMaxRoles + more) + "</roles>")
                      .roles->size(),
                  kMaxRoles);
        EXPECT_EQ(
            user_of("<associated-aors>" + repeat("<entry><uri>#</uri></entry>", kMaxUris + more) +
                    "</associated-aors>")
                .associated_aors->entries.size(),
            kMaxUris);
        EXPECT_EQ(parse(conference("<sidebars-by-val>" +
                                   repeat("<entry entity='#'/>", kMaxSidebars + more) +
                                   "</sidebars-by-val>"))
                      .info.sidebars.size(),
                  kMaxSidebars);
        EXPECT_EQ(parse(conference("<conference-description><available-media>" +
                                   repeat("<entry label='#'/>", kMaxAvailableMedia + more) +
                                   "</available-media></conference-description>"))
                      .info.description->available_media->size(),
                  kMaxAvailableMedia);
        EXPECT_EQ(
            user_of("<display-text>" + std::string(kMaxTextBytes + more, 'x') + "</display-text>")
                .display_text->size(),
            kMaxTextBytes);
        EXPECT_EQ(parse(users("<user entity='" + std::string(kMaxKeyBytes + more, 'x') + "'/>"))
                      .info.users->users.size(),
                  1U - more);
        EXPECT_EQ(parse(users(repeat("<user/>", kMaxIssues + more))).issues.size(), kMaxIssues);
    }
}

TEST(ConferenceInfo, CutsATextBetweenCharacters) {
    const std::string text = std::string(kMaxTextBytes - 1, 'x') + "\xC3\xA5";
    const ConferenceInfo info =
        parse(users("<user entity='u'><display-text>" + text + "</display-text></user>")).info;
    EXPECT_EQ(info.users->users[0].display_text, std::string(kMaxTextBytes - 1, 'x'));
}

TEST(ConferenceInfo, HasNoSidebarsWithinSidebars) {
    const ConferenceInfo info =
        parse(conference("<sidebars-by-val><entry entity='a'><sidebars-by-val><entry entity='b'/>"
                         "</sidebars-by-val></entry></sidebars-by-val>"))
            .info;
    ASSERT_EQ(info.sidebars.size(), 1U);
    EXPECT_THAT(info.sidebars[0].sidebars, IsEmpty());
}

// ---- section 4.6 ------------------------------------------------------------------------------

TEST(ConferenceMerge, APartialUserKeepsWhatTheUpdateDoesNotName) {
    const ConferenceInfo info = merged(
        "<users><user entity='a'><display-text>A</display-text><roles><entry>r</entry></roles>"
        "<endpoint entity='e'><status>connected</status><media id='1'><type>audio</type><status>"
        "sendrecv</status></media><media id='2'/></endpoint></user></users>",
        "<users state='partial'><user entity='a' state='partial'><endpoint entity='e' "
        "state='partial'><media id='1' state='partial'><status>recvonly</status></media>"
        "<media id='2' state='deleted'/></endpoint></user></users>");
    const User& user = info.users->users.at(0);
    EXPECT_EQ(user.display_text, "A");
    EXPECT_THAT(*user.roles, ElementsAre("r"));
    EXPECT_EQ(user.endpoints.at(0).status, EndpointStatus::Connected);
    ASSERT_EQ(user.endpoints[0].media.size(), 1U);
    EXPECT_EQ(user.endpoints[0].media[0].type, "audio");
    EXPECT_EQ(user.endpoints[0].media[0].status, MediaStatus::RecvOnly);
}

TEST(ConferenceMerge, AFullUserReplacesAndADeletedOneGoes) {
    const ConferenceInfo info = merged(
        "<users><user entity='a'><display-text>A</display-text></user><user entity='b'/>"
        "<user entity='c'/></users>",
        "<users state='partial'><user entity='a'><endpoint entity='e'/></user>"
        "<user entity='b' state='deleted'/><user entity='d' state='partial'/></users>");
    ASSERT_EQ(info.users->users.size(), 3U);
    EXPECT_EQ(info.users->users[0].display_text, std::nullopt);
    EXPECT_EQ(info.users->users[0].endpoints.size(), 1U);
    EXPECT_EQ(info.users->users[1].entity, "c");
    EXPECT_EQ(info.users->users[2].entity, "d");
    EXPECT_EQ(info.users->users[2].state, State::Full);
}

TEST(ConferenceMerge, AFullListOfUsersInAPartialDocumentReplacesTheList) {
    const ConferenceInfo info = merged(
        "<users><user entity='a'/></users><conference-state>"
        "<locked>true</locked></conference-state>",
        "<users><user entity='b'/></users>");
    ASSERT_EQ(info.users->users.size(), 1U);
    EXPECT_EQ(info.users->users[0].entity, "b");
    EXPECT_EQ(info.conference_state->locked, true);
}

TEST(ConferenceMerge, AFullDocumentLeavesNothingOfTheOldOne) {
    ConferenceInfo info = parse(read_example("everything.xml")).info;
    merge(info, parse(conference("")).info);
    ConferenceInfo expected;
    expected.entity = "sip:c@d";
    expected.version = 1;
    EXPECT_EQ(info, expected);
}

TEST(ConferenceMerge, AnEmptyTextTakesTheOldOneAway) {
    const ConferenceInfo info = merged(
        "<users><user entity='a'><x:nickname xmlns:x='urn:ietf:params:xml:ns:xcon-conference-info'"
        ">n</x:nickname></user></users>",
        "<users state='partial'><user entity='a' state='partial'><x:nickname "
        "xmlns:x='urn:ietf:params:xml:ns:xcon-conference-info'/></user></users>");
    EXPECT_EQ(info.users->users.at(0).nickname, "");
}

TEST(ConferenceMerge, MergesAddressesAndSidebarsByTheirKeys) {
    const ConferenceInfo info = merged(
        "<sidebars-by-ref><entry><uri>a</uri></entry></sidebars-by-ref>"
        "<sidebars-by-val><entry entity='s'/><entry entity='t'/></sidebars-by-val>",
        "<sidebars-by-ref state='partial'><entry><uri>b</uri></entry><entry><uri>a</uri>"
        "<display-text>A</display-text></entry></sidebars-by-ref>"
        "<sidebars-by-val state='partial'><entry entity='s' state='deleted'/><entry entity='t' "
        "state='partial'><users><user entity='u'/></users></entry></sidebars-by-val>");
    ASSERT_EQ(info.sidebars_by_ref->entries.size(), 2U);
    EXPECT_EQ(info.sidebars_by_ref->entries[0].display_text, "A");
    ASSERT_EQ(info.sidebars.size(), 1U);
    EXPECT_EQ(info.sidebars[0].entity, "t");
    EXPECT_EQ(info.sidebars[0].users->users.size(), 1U);
}

// Partial documents of 2,000 users each do not grow the state without end.
TEST(ConferenceMerge, KeepsWithinItsLimitsOverManyDocuments) {
    ConferenceInfo info;
    merge(info, parse(conference("")).info);
    const auto add_users = [&](std::size_t begin, std::size_t count, const std::string& content) {
        std::string text = "<users state='partial'>";
        for (std::size_t i = begin; i < begin + count; ++i)
            text += "<user entity='" + std::to_string(i) + "'>" + content + "</user>";
        merge(info, parse(conference(text + "</users>", "state='partial' version='2'")).info);
    };
    for (std::size_t i = 0; i < 4; ++i) add_users(i * 500, 500, "");
    EXPECT_EQ(info.users->left_out, 0U);
    add_users(4 * 500, 1, "");
    EXPECT_EQ(info.users->users.size(), kMaxUsers);
    EXPECT_EQ(info.users->left_out, 1U);

    // About 8 KiB a user now: they cannot all have it.
    std::string endpoints;
    for (std::size_t i = 0; i < kMaxEndpoints; ++i)
        endpoints += "<endpoint entity='" + std::to_string(i) + "'/>";
    for (std::size_t i = 0; i < kMaxUsers; i += 250) add_users(i, 250, endpoints);
    std::size_t grown = 0;
    for (const User& user : info.users->users) grown += user.endpoints.empty() ? 0 : 1;
    EXPECT_LT(grown * kMaxEndpoints * sizeof(Endpoint), kMaxRosterBytes);
    EXPECT_GT(grown, 100U);
    EXPECT_EQ(info.users->left_out, 1 + kMaxUsers - grown);
}

TEST(ConferencePartial, BringsASubscriberToTheStateOfTheFocus) {
    const ConferenceInfo before = parse(read_example("everything.xml")).info;
    ConferenceInfo after = before;
    after.users->users[0].endpoints[0].status = EndpointStatus::Connected;
    after.users->users.erase(after.users->users.begin() + 1);
    after.users->users.push_back(User{});
    after.users->users.back().entity = "sip:carol@example.com";
    after.conference_state->locked = true;
    after.sidebars.clear();

    auto partial = make_partial(before, after);
    ASSERT_TRUE(partial);
    partial->version = 8;
    const ConferenceInfo received = parse(write_conference_info(*partial)).info;
    EXPECT_EQ(received.state, State::Partial);
    EXPECT_EQ(received.users->users.size(), 3U);  // changed, new, deleted
    EXPECT_FALSE(received.description);
    ConferenceInfo local = before;
    merge(local, received);
    after.version = 8;
    EXPECT_EQ(local, after);
    EXPECT_FALSE(make_partial(after, after));
}

}  // namespace
}  // namespace earshot::conference
