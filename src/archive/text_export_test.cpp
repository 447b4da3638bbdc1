#include "archive/text_export.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "archive/archive_test_rig.h"
#include "archive/limits.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kTextFormats =
    R"({"pt":98,"encoding":"t140","clock_rate":1000,"channels":1},)"
    R"({"pt":100,"encoding":"red","clock_rate":1000,"channels":1})";

constexpr std::string_view kMetadata = R"(<?xml version="1.0"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="qEbCRn6VSyiBFRWXA50jzA=="/>
<participant participant_id="m6cQ5NUwRgW9SB4FFF7kxw=="><nameID aor="sip:ada@desk.example"><name>Ada</name></nameID></participant>
<stream stream_id="YlmE+kBPQlSu+yTILhE2sw==" session_id="qEbCRn6VSyiBFRWXA50jzA=="><label>5</label></stream>
<participantstreamassoc participant_id="m6cQ5NUwRgW9SB4FFF7kxw=="><send>YlmE+kBPQlSu+yTILhE2sw==</send></participantstreamassoc>
</recording>)";

// Types into a text stream: T.140 in RED with two generations, or plain.
struct Typist {
    RecordList& records;
    std::uint16_t stream = 0;
    std::uint32_t ssrc = 0x77;
    std::uint16_t sequence = 65'534;  // wraps at once
    std::optional<std::uint32_t> csrc{};
    std::vector<std::pair<std::int64_t, std::string>> before{};  // time, text

    void type(std::int64_t at_ms, const std::string& text, bool arrives = true) {
        base::Bytes packet{static_cast<std::uint8_t>(csrc ? 0x81 : 0x80), 100};
        base::append_u16(packet, sequence++);
        base::append_u32(packet, static_cast<std::uint32_t>(at_ms));
        base::append_u32(packet, ssrc);
        if (csrc) base::append_u32(packet, *csrc);
        for (const auto& [then_ms, old] : before)
            base::append_u32(packet, 0x80000000U | 98U << 24U |
                                         static_cast<std::uint32_t>(at_ms - then_ms) << 10U |
                                         static_cast<std::uint32_t>(old.size()));
        packet.push_back(98);
        for (const auto& [then_ms, old] : before) base::append(packet, base::as_bytes(old));
        base::append(packet, base::as_bytes(text));
        if (arrives) records.datagram(at_ms * kMs, stream, packet);
        before.emplace_back(at_ms, text);
        if (before.size() > 2) before.erase(before.begin());
    }
};

class TextTest : public ArchiveTest {
protected:
    void begin() {
        records_.started();
        records_.metadata(2, kMetadata);
        records_.stream_added(5, 0, "5", kTextFormats, "text");
    }
    CallTimeline finish(std::int64_t end_ms = 9000) {
        records_.ended(end_ms);
        build();
        const auto timeline = parse_call_timeline(part(std::string(kTimelineName)));
        EXPECT_TRUE(timeline);
        return timeline ? *timeline : CallTimeline{};
    }
    Typist ada_{.records = records_};
};

TEST_F(TextTest, KeepsTheTimeOfEachKeyAndTheFinalText) {
    begin();
    ada_.type(1000, "Helo");
    ada_.type(1300, "\b");
    ada_.type(1600, "lo\r\n");
    ada_.type(4000, "Bye");
    const CallTimeline timeline = finish();
    ASSERT_EQ(timeline.texts.size(), 1U);
    const TextTrack& text = timeline.texts[0];
    EXPECT_EQ(text.label, "5");
    EXPECT_EQ(text.missing, 0U);
    EXPECT_FALSE(text.is_cut);
    EXPECT_EQ(text.keys,
              (std::vector<Keystroke>{
                  {1000, {}, "Helo"}, {1300, {}, "\b"}, {1600, {}, "lo\r\n"}, {4000, {}, "Bye"}}));
    EXPECT_EQ(text.lines, (std::vector<TimedLine>{{1000, 1600, {}, "Ada", "Hello"},
                                                  {4000, 4000, {}, "Ada", "Bye"}}));
}

TEST_F(TextTest, PutsRecoveredTextWhereItWasTyped) {
    begin();
    ada_.type(1000, "a");
    ada_.type(1300, "b", false);
    ada_.type(1600, "c", false);
    ada_.type(1900, "d");
    const CallTimeline timeline = finish();
    EXPECT_EQ(timeline.texts[0].keys,
              (std::vector<Keystroke>{
                  {1000, {}, "a"}, {1300, {}, "b"}, {1600, {}, "c"}, {1900, {}, "d"}}));
}

TEST_F(TextTest, MarksWhatNoRedundancyBroughtBack) {
    begin();
    ada_.type(1000, "a");
    for (const int at_ms : {1300, 1600, 1900}) ada_.type(at_ms, "x", false);
    ada_.type(2200, "e");
    const CallTimeline timeline = finish();
    EXPECT_EQ(timeline.texts[0].missing, 1U);
    EXPECT_EQ(timeline.texts[0].lines[0].text, "a\xef\xbf\xbdxxe");
}

TEST_F(TextTest, ShowsNothingOfWhatWasTypedDuringAPause) {
    begin();
    ada_.type(1000, "a");
    records_.event(1100, R"({"type":"stream_paused","stream":0})", 0);
    ada_.type(1300, "4", false);
    ada_.type(1600, "2", false);
    records_.event(1700, R"({"type":"stream_resumed","stream":0})", 0);
    ada_.type(1900, "b");
    const CallTimeline timeline = finish();
    EXPECT_EQ(timeline.texts[0].lines[0].text, "ab");
    EXPECT_EQ(timeline.texts[0].missing, 0U);
}

TEST_F(TextTest, TakesPacketsThatOvertookEachOther) {
    begin();
    ada_.type(1000, "a");
    ada_.type(1300, "b");
    records_.swap_last_two();
    const CallTimeline timeline = finish();
    EXPECT_EQ(timeline.texts[0].lines[0].text, "ab");
    EXPECT_EQ(timeline.texts[0].missing, 0U);
}

TEST_F(TextTest, TellsTheTypistsOfAMixApartByTheirNames) {
    begin();
    records_.event(10, R"({"type":"source_described","stream":0,"ssrc":17,"cname":"bo@desk"})", 0);
    ada_.csrc = 17;
    ada_.type(1000, "Hi");
    ada_.before.clear();
    ada_.csrc = 18;
    ada_.type(1300, "Yo");
    const CallTimeline timeline = finish();
    ASSERT_EQ(timeline.texts[0].lines.size(), 2U);
    EXPECT_EQ(timeline.texts[0].lines[0].by, "bo@desk");
    EXPECT_EQ(timeline.texts[0].lines[1].by, "");
    EXPECT_EQ(timeline.texts[0].lines[1].csrc, 18U);
    EXPECT_THAT(render_all(Format::Text),
                testing::EndsWith("\n\n09:15:01 [00:00:01.000] bo@desk: Hi\n"
                                  "09:15:01 [00:00:01.300] 00000012: Yo\n"));
}

TEST_F(TextTest, ExportsSubtitles) {
    begin();
    ada_.type(1000, "a <b> & --> c\r\n");
    ada_.type(3'000, "d");
    finish();
    EXPECT_EQ(render_all(Format::Vtt),
              "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<v Ada>a &lt;b&gt; &amp; --&gt; c</v>\n\n"
              "00:00:03.000 --> 00:00:05.000\n<v Ada>d</v>\n\n");
    EXPECT_EQ(render_all(Format::Srt),
              "1\n00:00:01,000 --> 00:00:03,000\nAda: a <b> & --> c\n\n"
              "2\n00:00:03,000 --> 00:00:05,000\nAda: d\n\n");
    const auto json = nlohmann::json::parse(render_all(Format::Timeline));
    EXPECT_EQ(json["texts"][0]["lines"][1]["text"], "d");
    EXPECT_EQ(json["texts"][0]["keys"][0][0], 1000);
}

TEST_F(TextTest, SaysThatNobodyTyped) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender{.records = records_}.packets(60);
    records_.ended(2000);
    build();
    EXPECT_TRUE(part(std::string(kTimelineName)).empty());
    const auto rendering = render(files_, directory_, Format::Vtt, &keys_);
    ASSERT_FALSE(rendering);
    EXPECT_EQ(rendering.error().code, "no_text");
    EXPECT_EQ(render_all(Format::Timeline),
              "{\"texts\":[],\"speakers\":[],\"sharing\":[],\"participants\":[],"
              "\"streams\":[{\"label\":\"1\",\"senders\":[]}]}\n");
}

TEST_F(TextTest, SaysThatTheStoredTimelineIsDamaged) {
    begin();
    ada_.type(1000, "a");
    finish();
    corrupt_part(std::string(kTimelineName), 0, 0x01);
    const auto rendering = render(files_, directory_, Format::Vtt, &keys_);
    ASSERT_FALSE(rendering);
    EXPECT_EQ(rendering.error().code, "damaged");
}

TEST_F(TextTest, AStreamThatIsNoTextAfterAllHasNone) {
    records_.started();
    records_.stream_added(5, 0, "5", R"({"pt":98,"encoding":"x","clock_rate":1000})", "text");
    ada_.type(1000, "a");
    const CallTimeline timeline = finish();
    ASSERT_EQ(timeline.texts.size(), 1U);
    EXPECT_TRUE(timeline.texts[0].keys.empty());
}

// A mixed stream whose packets tell who speaks.
struct Mixer {
    RecordList& records;
    std::uint16_t sequence = 1;

    void packet(std::int64_t at_ms, const std::vector<std::pair<std::uint32_t, int>>& csrcs,
                std::optional<std::uint8_t> own_level = {}, bool has_levels = true) {
        base::Bytes packet{static_cast<std::uint8_t>(0x80 | csrcs.size()), 0};
        if (has_levels) packet[0] |= 0x10;
        base::append_u16(packet, sequence++);
        base::append_u32(packet, static_cast<std::uint32_t>(at_ms * 8));
        base::append_u32(packet, 0x99);
        for (const auto& [csrc, level] : csrcs) base::append_u32(packet, csrc);
        base::Bytes element;
        if (own_level) {
            element = {0x10, *own_level};
        } else if (!csrcs.empty()) {
            element.push_back(static_cast<std::uint8_t>(0x20 | (csrcs.size() - 1)));
            for (const auto& [csrc, level] : csrcs)
                element.push_back(static_cast<std::uint8_t>(level));
        }
        while (element.size() % 4 != 0) element.push_back(0);
        if (has_levels) {
            base::append_u16(packet, 0xbede);
            base::append_u16(packet, static_cast<std::uint16_t>(element.size() / 4));
            base::append(packet, element);
        }
        packet.resize(packet.size() + 160, 0xff);
        records.datagram(at_ms * kMs, 0, packet);
    }
};

class SpeakerTest : public ArchiveTest {
protected:
    void begin(std::string_view client_attributes = "") {
        records_.started();
        records_.event(
            5, fmt::format(R"({{"type":"stream_added","stream":0,"label":"1","media":"audio",)"
                           R"("direction":"sendonly","extmap":[)"
                           R"({{"id":1,"uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level",)"
                           R"("attributes":"{}"}},)"
                           R"({{"id":2,"uri":"urn:ietf:params:rtp-hdrext:csrc-audio-level"}}],)"
                           R"("payload_types":[{}]}})",
                           client_attributes, RecordList::kUsualFormats));
        records_.event(6, R"({"type":"source_described","stream":0,"ssrc":7,"cname":"bo@desk"})");
    }
    std::vector<Speaker> speakers() {
        records_.ended(9000);
        build();
        const auto timeline = parse_call_timeline(part(std::string(kTimelineName)));
        return timeline ? timeline->speakers : std::vector<Speaker>{};
    }
    Mixer mixer_{records_};
};

// Our own client's mixes: the CNAME is the id of a participant of the metadata.
TEST_F(SpeakerTest, NamesTheParticipantsOfAMix) {
    begin();
    records_.metadata(
        7, R"(<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">)"
           R"(<datamode>complete</datamode>)"
           R"(<participant participant_id="EjRWeJCrze8SNFZ4kKvN7w=="><nameID aor="sip:ada@x.test">)"
           R"(<name>Ada</name></nameID></participant>)"
           R"(<participant participant_id="AAECAwQFBgcICQoLDA0ODw=="><nameID aor="sip:bo@x.test"/>)"
           R"(</participant></recording>)");
    records_.event(8, R"({"type":"source_described","stream":0,"ssrc":8,)"
                      R"("cname":"EjRWeJCrze8SNFZ4kKvN7w=="})");
    records_.event(8, R"({"type":"source_described","stream":0,"ssrc":9,)"
                      R"("cname":"AAECAwQFBgcICQoLDA0ODw=="})");
    for (int at_ms = 1000; at_ms < 2000; at_ms += 20) mixer_.packet(at_ms, {{8, 20}, {9, 127}});
    for (int at_ms = 2000; at_ms < 3000; at_ms += 20) mixer_.packet(at_ms, {{8, 127}, {9, 20}});
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", 8U, "Ada", {{1000, 1000}}},
                                                {"1", 9U, "sip:bo@x.test", {{2000, 1000}}}}));
}

// The mix of a focus that the client attends: what CNAMEs its RTCP tells means nothing here, the
// roster (RFC 4575) tells whose SSRCs are in the mix.
TEST_F(SpeakerTest, NamesTheParticipantsOfSomebodyElsesMixByTheRoster) {
    begin();
    records_.metadata(
        7,
        R"(<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">)"
        R"(<datamode>complete</datamode>)"
        R"(<participant participant_id="EjRWeJCrze8SNFZ4kKvN7w=="><nameID aor="sip:ada@x.test">)"
        R"(<name>Ada</name></nameID><source xmlns="urn:uuid:6f1d2c9e-4b7a-4e0b-9a53-0c5f3f1e7a10" ssrc="8"/>)"
        R"(</participant></recording>)");
    records_.event(8, R"({"type":"source_described","stream":0,"ssrc":8,)"
                      R"("cname":"m6v9EFgbUZyAgEIOj0YrVg=="})");
    records_.event(8, R"({"type":"source_described","stream":0,"ssrc":9,)"
                      R"("cname":"x6jeJaQAWnydhRNQtZ3yWA=="})");
    for (int at_ms = 1000; at_ms < 2000; at_ms += 20) mixer_.packet(at_ms, {{8, 20}, {9, 127}});
    for (int at_ms = 2000; at_ms < 3000; at_ms += 20) mixer_.packet(at_ms, {{8, 127}, {9, 20}});
    EXPECT_EQ(speakers(),
              (std::vector<Speaker>{{"1", 8U, "Ada", {{1000, 1000}}},
                                    {"1", 9U, "x6jeJaQAWnydhRNQtZ3yWA==", {{2000, 1000}}}}));
}

TEST_F(SpeakerTest, TellsWhoSpeaksInAMixByLevels) {
    begin();
    for (int at_ms = 1000; at_ms < 2000; at_ms += 20) mixer_.packet(at_ms, {{7, 20}, {8, 127}});
    for (int at_ms = 2000; at_ms < 3000; at_ms += 20) mixer_.packet(at_ms, {{7, 90}, {8, 10}});
    for (int at_ms = 3000; at_ms < 3100; at_ms += 20) mixer_.packet(at_ms, {{7, 30}});
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", 7U, "bo@desk", {{1000, 1000}, {3000, 100}}},
                                                {"1", 8U, "", {{2000, 1000}}}}));
}

TEST_F(SpeakerTest, TakesWhoContributesForASpeakerWhereNoLevelIsTold) {
    begin();
    for (int at_ms = 1000; at_ms < 2000; at_ms += 20) mixer_.packet(at_ms, {{7, 0}}, {}, false);
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", 7U, "bo@desk", {{1000, 1000}}}}));
}

TEST_F(SpeakerTest, TakesThePausesBetweenWordsForNone) {
    begin();
    for (const int at_ms : {1000, 1020, 1500, 1520, 2100}) mixer_.packet(at_ms, {{8, 20}});
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", 8U, "", {{1000, 540}, {2100, 20}}}}));
}

TEST_F(SpeakerTest, KnowsSpeechOfASingleSenderByItsOwnLevel) {
    begin();
    mixer_.packet(1000, {}, 0x80 | 60);  // quiet, and speech
    mixer_.packet(2000, {}, 60);         // noise
    mixer_.packet(3000, {}, 20);         // loud, without V
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", {}, "", {{1000, 20}, {3000, 20}}}}));
}

TEST_F(SpeakerTest, PassesOverTheVoiceFlagThatWasNotNegotiated) {
    begin("vad=off");
    mixer_.packet(1000, {}, 0x80 | 60);
    mixer_.packet(2000, {}, 0x80 | 20);
    EXPECT_EQ(speakers(), (std::vector<Speaker>{{"1", {}, "", {{2000, 20}}}}));
}

TEST_F(SpeakerTest, GetsCoarserBeyondItsLimitAndLosesNobody) {
    begin();
    const auto spans = static_cast<int>(kMaxSpeakerSpans);
    for (int i = 0; i <= spans; ++i) mixer_.packet(1000 + 600 * i, {{8, 20}});
    records_.ended(1000 + 600 * spans + 1000);
    build();
    const auto timeline = parse_call_timeline(part(std::string(kTimelineName)));
    ASSERT_TRUE(timeline);
    const Speaker& speaker = timeline->speakers.at(0);
    EXPECT_LE(speaker.spans.size(), kMaxSpeakerSpans);
    EXPECT_EQ(speaker.spans.back().start_ms + speaker.spans.back().duration_ms,
              1000 + 600 * spans + 20);
}

TEST_F(ArchiveTest, TellsWhatWasSharedWhenAndByWhom) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.event(6, R"({"type":"stream_added","stream":1,"label":"2","media":"video",)"
                      R"("direction":"sendonly","content":"slides","payload_types":[]})");
    records_.event(7, R"({"type":"stream_role","stream":1,"role":"content","by":"a=content"})");
    records_.event(1000, R"({"type":"sharing_started","stream":1,"kind":"screen",)"
                         R"("title":"Deck","presenter":"sip:a@x"})");
    records_.event(3000, R"({"type":"sharing_changed","stream":1,"kind":"screen",)"
                         R"("title":"Deck","presenter":"sip:b@x"})");
    records_.event(4000, R"({"type":"sharing_stopped","stream":1})");
    records_.event(6000, R"({"type":"sharing_started","stream":1})");
    records_.ended(9000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[1].role, "content");
    EXPECT_EQ(summary.streams[1].content, "slides");
    const auto parsed = parse_summary(to_stored_json(summary));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, summary);
    const auto timeline = parse_call_timeline(part(std::string(kTimelineName)));
    ASSERT_TRUE(timeline);
    EXPECT_EQ(timeline->sharing,
              (std::vector<Sharing>{{"2", 1000, 2000, "screen", "Deck", "sip:a@x"},
                                    {"2", 3000, 1000, "screen", "Deck", "sip:b@x"},
                                    {"2", 6000, 3000, "", "", ""}}));
}

TEST(CallTimeline, IsReadAsItWasWritten) {
    const CallTimeline timeline{
        .texts = {{"5", 1, true, {{1, 7U, "a\b"}, {2, {}, "\"\n"}}, {{1, 2, 7U, "Bo", "x"}}}},
        .speakers = {{"1", 0xffffffffU, "", {{0, 20}}}},
        .sharing = {{"2", 5, 6, "", "T", "sip:a@x"}}};
    const std::string text = to_json(timeline);
    const auto read = parse_call_timeline(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, timeline);
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(parse_call_timeline(std::string_view(text).substr(0, size))) << size;
    for (
        const std::string_view bad :
        {"[]", "{}", R"({"texts":[],"speakers":[],"sharing":[1]})",
         R"({"texts":[],"speakers":[{"label":"1","csrc":-1,"name":null,"spans":[]}],"sharing":[]})",
         R"({"texts":[],"speakers":[{"label":"1","csrc":1,"name":null,"spans":[[1]]}],"sharing":[]})",
         R"({"texts":[{"label":"1"}],"speakers":[],"sharing":[]})"})
        EXPECT_FALSE(parse_call_timeline(bad)) << bad;
}

TEST(CallTimeline, MovesAllThatAPieceHas) {
    CallTimeline timeline{.texts = {{"5", 0, false, {{1, {}, "a"}}, {{1, 2, {}, "", "a"}}}},
                          .speakers = {{"1", {}, "", {{3, 20}}}},
                          .sharing = {{"2", 4, 6, "", "", ""}}};
    timeline.shift(100);
    EXPECT_EQ(timeline.texts[0].keys[0].at_ms, 101);
    EXPECT_EQ(timeline.texts[0].lines[0].end_ms, 102);
    EXPECT_EQ(timeline.speakers[0].spans[0].start_ms, 103);
    EXPECT_EQ(timeline.sharing[0].start_ms, 104);
}

}  // namespace
}  // namespace earshot::archive
