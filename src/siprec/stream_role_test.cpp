#include "siprec/stream_role.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "siprec/cs_description.h"
#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

MetadataModel model_of(const CsDescription& described) {
    MetadataDocument document;
    document.objects = describe(described).objects;
    MetadataModel model;
    model.apply(document, base::WallTime{});
    return model;
}

base::Uuid uuid(std::uint8_t number) {
    base::Uuid id{};
    id.bytes[15] = number;
    id.bytes[0] = 1;
    return id;
}

class RoleWatchTest : public testing::Test {
protected:
    RoleWatchTest() {
        described_.session_id = uuid(1);
        for (const auto* name : {"ada", "bo"}) {
            CsParticipant participant;
            participant.id = uuid(static_cast<std::uint8_t>(10 + described_.participants.size()));
            participant.names = {
                {.aor = std::string("sip:") + name + "@desk.example", .name = {}, .language = {}}};
            described_.participants.push_back(participant);
        }
    }
    void stream(const std::string& label, std::vector<std::size_t> senders, std::string xml = {}) {
        CsStream one;
        one.id = uuid(static_cast<std::uint8_t>(20 + described_.streams.size()));
        one.label = label;
        one.senders = std::move(senders);
        one.xml = std::move(xml);
        described_.streams.push_back(one);
    }
    // The JSON of the events.
    std::vector<std::string> update(const std::vector<ShownStream>& shown) {
        std::vector<Event> events;
        watch_.update(shown, model_of(described_), events);
        std::vector<std::string> texts;
        for (const Event& event : events) texts.push_back(event.json);
        return texts;
    }
    static ShownStream video(std::uint16_t stream, std::string_view label,
                             std::string_view content = {}) {
        return {.stream = stream,
                .label = label,
                .media = MediaKind::Video,
                .content = sdp::parse_content(content),
                .is_inactive = false};
    }

    CsDescription described_;
    RoleWatch watch_;
};

using Texts = std::vector<std::string>;

TEST_F(RoleWatchTest, TellsContentFromCameraByTheMark) {
    stream("1", {0});
    stream("2", {0});
    EXPECT_EQ(
        update({video(0, "1", "main"), video(1, "2", "slides")}),
        (Texts{R"({"type":"stream_role","stream":0,"role":"camera","by":"a=content"})",
               R"({"type":"stream_role","stream":1,"role":"content","by":"a=content"})",
               R"({"type":"sharing_started","stream":1,"presenter":"sip:ada@desk.example"})"}));
    EXPECT_EQ(update({video(0, "1", "main"), video(1, "2", "slides")}), Texts{});
}

TEST_F(RoleWatchTest, TellsWhatIsSharedByTheElementOfOurs) {
    stream("1", {1}, write_sharing({.kind = "document", .title = "Plan <B> & \"C\""}));
    EXPECT_EQ(update({video(0, "1")}),
              (Texts{R"({"type":"stream_role","stream":0,"role":"content","by":"metadata"})",
                     R"({"type":"sharing_started","stream":0,"kind":"document",)"
                     R"("title":"Plan <B> & \"C\"","presenter":"sip:bo@desk.example"})"}));
}

TEST_F(RoleWatchTest, TellsAnotherPresenter) {
    stream("1", {0});
    update({video(0, "1", "slides")});
    described_.streams[0].senders = {1};
    EXPECT_EQ(
        update({video(0, "1", "slides")}),
        (Texts{R"({"type":"sharing_changed","stream":0,"presenter":"sip:bo@desk.example"})"}));
}

TEST_F(RoleWatchTest, TellsThatSharingStopsWhenNobodySendsItAnyMoreAndStartsAgain) {
    stream("1", {0});
    update({video(0, "1", "slides")});
    described_.streams[0].senders = {};
    EXPECT_EQ(update({video(0, "1", "slides")}), Texts{R"({"type":"sharing_stopped","stream":0})"});
    described_.streams[0].senders = {0};
    EXPECT_EQ(update({video(0, "1", "slides")}),
              Texts{R"({"type":"sharing_started","stream":0,"presenter":"sip:ada@desk.example"})"});
}

TEST_F(RoleWatchTest, TellsThatSharingStopsWithItsLine) {
    stream("1", {0});
    update({video(0, "1", "slides")});
    EXPECT_EQ(update({}), Texts{R"({"type":"sharing_stopped","stream":0})"});
    EXPECT_EQ(update({}), Texts{});
}

TEST_F(RoleWatchTest, WithoutAPresenterAnInactiveLineHasStopped) {
    ShownStream shown = video(0, "1", "slides");
    update({shown});
    shown.is_inactive = true;
    EXPECT_EQ(update({shown}), Texts{R"({"type":"sharing_stopped","stream":0})"});
}

TEST_F(RoleWatchTest, TakesAnUnmarkedSecondVideoForWhatIsConfigured) {
    stream("1", {0});
    stream("2", {0});
    stream("3", {1});
    watch_.set_second_video(SecondVideo::Content);
    EXPECT_EQ(update({video(0, "1"), video(1, "2"), video(2, "3")}),
              (Texts{R"({"type":"stream_role","stream":0,"role":"camera","by":"default"})",
                     R"({"type":"stream_role","stream":1,"role":"content","by":"configuration"})",
                     R"({"type":"sharing_started","stream":1,"presenter":"sip:ada@desk.example"})",
                     R"({"type":"stream_role","stream":2,"role":"camera","by":"default"})"}));
}

TEST_F(RoleWatchTest, TakesAnUnmarkedSecondVideoForACameraByDefault) {
    EXPECT_EQ(update({video(0, "1"), video(1, "2")}),
              (Texts{R"({"type":"stream_role","stream":0,"role":"camera","by":"default"})",
                     R"({"type":"stream_role","stream":1,"role":"camera","by":"configuration"})"}));
}

TEST_F(RoleWatchTest, SoundOfAPresentationIsContentAndOtherSoundIsNotSpokenOf) {
    stream("1", {0});
    ShownStream sound = video(0, "1", "slides");
    sound.media = MediaKind::Audio;
    ShownStream voice = video(1, "2");
    voice.media = MediaKind::Audio;
    const Texts events = update({sound, voice});
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0], R"({"type":"stream_role","stream":0,"role":"content","by":"a=content"})");
    sound.content = {};
    EXPECT_EQ(update({sound, voice}),
              (Texts{R"({"type":"stream_role","stream":0,"role":"sound","by":"default"})",
                     R"({"type":"sharing_stopped","stream":0})"}));
}

TEST_F(RoleWatchTest, KnowsSignLanguageAndASecondCamera) {
    const Texts events = update({video(0, "1", "sl"), video(1, "2", "alt")});
    EXPECT_EQ(events[0],
              R"({"type":"stream_role","stream":0,"role":"sign_language","by":"a=content"})");
    EXPECT_EQ(events[1], R"({"type":"stream_role","stream":1,"role":"camera","by":"a=content"})");
}

TEST(SharingElement, IsReadAsItWasWrittenAndBounded) {
    MediaStream stream;
    std::vector<Extension> extensions;
    const auto put = [&](const std::string& xml) {
        stream.extensions =
            std::vector<Extension>{{"sharing", std::string{kExtensionNamespace}, xml}};
        return find_sharing(stream);
    };
    const SharingElement sharing{.kind = "application", .title = "<\"&'> ä"};
    EXPECT_EQ(put(write_sharing(sharing)), sharing);
    EXPECT_EQ(put(write_sharing({})), SharingElement{});
    EXPECT_EQ(put(write_sharing({.kind = "hologram", .title = {}})), SharingElement{});
    EXPECT_EQ(put("<sharing"), std::nullopt);
    const auto cut =
        put(write_sharing({.kind = {}, .title = std::string(kMaxSharingTextBytes + 1, 'x')}));
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->title.size(), kMaxSharingTextBytes);
}

}  // namespace
}  // namespace earshot::siprec
