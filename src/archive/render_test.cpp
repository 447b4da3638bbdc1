#include "archive/render.h"

#include <map>
#include <nlohmann/json.hpp>

#include "archive/archive_test_rig.h"
#include "archive/audio_export.h"
#include "archive/pcap_writer.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kInvite =
    "INVITE sip:r@y SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    "To: <sip:r@y>\r\nCall-ID: c1@a\r\nCSeq: 1 INVITE\r\nX-Customer: 4711\r\nx-customer: 0815\r\n"
    "Content-Length: 0\r\n\r\n";
constexpr std::string_view kAnswer =
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    "To: <sip:r@y>;tag=2\r\nCall-ID: c1@a\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:198.51.100.1:15060>;+sip.srs\r\n"
    "Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 198.51.100.1\r\n";

// Ada sends label 2, Bo sends label 1: the order of the participants is not that of the labels.
constexpr std::string_view kMetadata = R"(<?xml version="1.0"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="qEbCRn6VSyiBFRWXA50jzA=="/>
<participant participant_id="m6cQ5NUwRgW9SB4FFF7kxw=="><nameID aor="sip:ada@desk.example"><name>Ada</name></nameID>
<v:level xmlns:v="urn:v">gold</v:level></participant>
<participant participant_id="7cQk4h1NTuetblCNED+7IA=="><nameID aor="sip:bo@desk.example"/></participant>
<stream stream_id="YlmE+kBPQlSu+yTILhE2sw==" session_id="qEbCRn6VSyiBFRWXA50jzA=="><label>2</label></stream>
<stream stream_id="G3dPx70ATSiZ3PyoULeu6Q==" session_id="qEbCRn6VSyiBFRWXA50jzA=="><label>1</label></stream>
<participantstreamassoc participant_id="m6cQ5NUwRgW9SB4FFF7kxw=="><send>YlmE+kBPQlSu+yTILhE2sw==</send></participantstreamassoc>
<participantstreamassoc participant_id="7cQk4h1NTuetblCNED+7IA=="><send>G3dPx70ATSiZ3PyoULeu6Q==</send></participantstreamassoc>
</recording>)";

class RenderTest : public ArchiveTest {
protected:
    void SetUp() override {
        records_.started();
        records_.sip(1, true, kInvite);
        records_.metadata(2, kMetadata);
        records_.stream_added(5, 0, "2");
        records_.stream_added(6, 1, "1");
        records_.sip(7, false, kAnswer);
        Sender a{.records = records_, .stream = 0};
        Sender b{.records = records_, .stream = 1, .begin_ms = 350, .hertz = 700};
        for (int i = 0; i < 50; ++i) {
            a.packet();
            b.packet();
        }
        records_.sip(1990, true, "BYE sip:r@y SIP/2.0\r\n\r\n", true);
        records_.ended(2000);
        summary_ = build();
    }
    audio::WavAudio render_wav(Format format) {
        const auto audio = audio::parse_wav(base::as_bytes(render_all(format)));
        EXPECT_TRUE(audio);
        return audio ? *audio : audio::WavAudio{};
    }
    static audio::WavAudio channel(const audio::WavAudio& audio, std::size_t index) {
        audio::WavAudio one{.format = {.rate = audio.format.rate, .channels = 1}, .samples = {}};
        for (std::size_t i = index; i < audio.samples.size(); i += audio.format.channels) {
            one.samples.push_back(audio.samples[i]);
        }
        return one;
    }
    Summary summary_;
};

TEST_F(RenderTest, SummaryHoldsWhatSignallingAndMetadataSaid) {
    EXPECT_EQ(summary_.participants,
              (std::vector<ParticipantSummary>{{"sip:ada@desk.example", "Ada"},
                                               {"sip:bo@desk.example", ""}}));
    EXPECT_EQ(summary_.session_ids, std::vector<std::string>{"qEbCRn6VSyiBFRWXA50jzA=="});
    EXPECT_EQ(summary_.streams[0].senders, std::vector<std::string>{"sip:ada@desk.example"});
    ASSERT_EQ(summary_.extensions.size(), 1U);
    EXPECT_EQ(summary_.extensions.begin()->first, "{urn:v}level");
    const auto parsed = parse_summary(to_stored_json(summary_));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, summary_);
    const auto json = nlohmann::json::parse(to_json(summary_));
    EXPECT_EQ(json.size(), 14U);  // with the warnings and the profile
    EXPECT_EQ(json["streams"][0].size(), 6U);
}

TEST_F(RenderTest, WavHasAChannelAStreamInTheOrderOfLabels) {
    const audio::WavAudio audio = render_wav(Format::Wav);
    EXPECT_EQ(audio.format, (audio::WavFormat{.rate = 8000, .channels = 2}));
    EXPECT_EQ(audio.samples.size(), 2U * 16'000);
    EXPECT_EQ(count_wrong(channel(audio, 0), 350, 1350, 350, false, 700), 0);
    EXPECT_EQ(count_wrong(channel(audio, 1), 100, 1100, 100), 0);
}

TEST_F(RenderTest, StereoHasTheFirstSendingParticipantLeft) {
    const audio::WavAudio audio = render_wav(Format::Stereo);
    EXPECT_EQ(audio.format, (audio::WavFormat{.rate = 8000, .channels = 2}));
    EXPECT_EQ(count_wrong(channel(audio, 0), 100, 1100, 100), 0);
    EXPECT_EQ(count_wrong(channel(audio, 1), 350, 1350, 350, false, 700), 0);
}

TEST_F(RenderTest, XmlIsTheMergedMetadata) {
    const auto document = siprec::parse_metadata(render_all(Format::Xml));
    ASSERT_TRUE(document);
    EXPECT_EQ(document->mode, siprec::DataMode::Complete);
    EXPECT_EQ(document->objects.participants.size(), 2U);
    EXPECT_EQ(part("metadata/0001.xml"), kMetadata);
}

TEST_F(RenderTest, JsonHoldsSummaryEventsAndManifest) {
    const auto json = nlohmann::json::parse(render_all(Format::Json));
    EXPECT_EQ(json["summary"], nlohmann::json::parse(to_json(summary_)));
    EXPECT_EQ(json["events"].size(), 4U);
    EXPECT_EQ(json["events"][0]["time"], "2026-03-02T09:15:00.120Z");
    EXPECT_EQ(json["manifest"]["format"], "earshot-recording");
    EXPECT_EQ(json["manifest"].dump().find("Ada"), std::string::npos);
}

TEST_F(ArchiveTest, JsonNamesTheStreamOfAnEventByTheLabelOfThatTime) {
    records_.started();
    records_.stream_added(5, 1, "1");
    records_.event(1000, R"({"type":"stream_held","stream":1})", 1);
    records_.event(1100, R"({"type":"stream_changed","stream":1,"label":"x\"y"})", 1);
    records_.event(1200, R"({"type":"stream_unheld","stream":1})", 1);
    records_.event(1300, R"({"type":"dtmf","stream":9})", 9);
    records_.ended(2000);
    build();
    const auto whole = nlohmann::json::parse(render_all(Format::Json));
    std::map<std::string, nlohmann::json> events;
    for (const auto& event : whole["events"]) events[event["type"]] = event;
    EXPECT_EQ(events["stream_held"]["label"], "1");
    EXPECT_EQ(events["stream_unheld"]["label"], "x\"y");
    EXPECT_FALSE(events["dtmf"].contains("label"));
    EXPECT_FALSE(events["call_ended"].contains("label"));
}

std::uint16_t checksum(base::ByteView bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

TEST_F(RenderTest, PcapHoldsPacketsAndMessagesWithRightSums) {
    const std::string text = render_all(Format::Pcap);
    const base::ByteView pcap = base::as_bytes(text);
    EXPECT_EQ(base::load_le<std::uint32_t>(pcap, 0), 0xa1b23c4dU);
    std::size_t frames = 0;
    std::uint64_t last_ns = 0;
    for (std::size_t at = 24; at < pcap.size(); ++frames) {
        const std::uint64_t time_ns = base::load_le<std::uint32_t>(pcap, at) * 1'000'000'000ULL +
                                      base::load_le<std::uint32_t>(pcap, at + 4);
        EXPECT_GE(time_ns, last_ns);
        last_ns = time_ns;
        const std::size_t size = base::load_le<std::uint32_t>(pcap, at + 8);
        const base::ByteView ip = pcap.subspan(at + 16 + 14, size - 14);
        EXPECT_EQ(checksum(ip.first(20)), 0);
        const base::ByteView transport = ip.subspan(20);
        const auto pseudo = static_cast<std::uint32_t>(ip[9] + transport.size());
        const std::uint16_t addresses = static_cast<std::uint16_t>(~checksum(ip.subspan(12, 8)));
        EXPECT_EQ(checksum(transport, pseudo + addresses), 0);
        if (frames == 0) {
            EXPECT_EQ(base::as_text(transport.subspan(8)), kInvite);
            EXPECT_EQ(base::load_u32(ip, 12), 0xc0000207U);  // 192.0.2.7
            EXPECT_EQ(base::load_u32(ip, 16), 0xc6336401U);  // 198.51.100.1, of our answer
            EXPECT_EQ(base::load_u16(transport, 2), 15060);  // of our Contact
        }
        at += 16 + size;
    }
    EXPECT_EQ(frames, 103U);
}

TEST_F(RenderTest, TellsWhereAPartIsDamaged) {
    corrupt_part("packets", 200, 1);
    auto rendering = render(files_, directory_, Format::Pcap);
    ASSERT_TRUE(rendering);
    std::string chunk;
    const auto result = (*rendering)->next(chunk);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "damaged");
    EXPECT_NE(result.error().text.find("packets"), std::string::npos);
}

TEST_F(RenderTest, SurvivesEachFlippedByteOfTheSummary) {
    const std::size_t size = part("summary.json").size();
    for (std::size_t at = 0; at < size; ++at) {
        corrupt_part("summary.json", at, 0x04);
        for (const Format format : {Format::Stereo, Format::Json}) {
            const auto rendering = render(files_, directory_, format);
            std::string chunk;
            if (rendering) (void)(*rendering)->next(chunk);
        }
        corrupt_part("summary.json", at, 0x04);
    }
}

// ---- a recording of several pieces --------------------------------------------------------------

class PiecesTest : public RenderTest {
protected:
    // A second dialog, `at_ms` after the first began: one stream of Bo's, who says more.
    void SetUp() override {
        RenderTest::SetUp();
        directories_.push_back(directory_);
        records_.clear();
        id_.bytes[15] ^= 1;
        records_.event(kAtMs, R"({"type":"recording_started","call_id":"c2@a"})");
        records_.stream_added(kAtMs, 0, "1");
        Sender c{.records = records_, .stream = 0, .begin_ms = kAtMs + 100, .hertz = 900};
        c.packets(50);
        records_.ended(kAtMs + 2000);
        build();
        directories_.push_back(directory_);
    }
    audio::WavAudio render_whole_wav(Format format) {
        auto rendering = render_whole(files_, directories_, format);
        EXPECT_TRUE(rendering);
        const auto audio = audio::parse_wav(base::as_bytes(text_of(*rendering)));
        EXPECT_TRUE(audio);
        return audio ? *audio : audio::WavAudio{};
    }
    static std::string text_of(const std::unique_ptr<Rendering>& rendering) {
        std::string all;
        std::string chunk;
        while (true) {
            const auto more = rendering->next(chunk);
            EXPECT_TRUE(more);
            if (!more || !*more) return all;
            all += chunk;
        }
    }

    static constexpr std::int64_t kAtMs = 5000;
    std::vector<std::string> directories_;
};

TEST_F(PiecesTest, WavHasAllPiecesOnOneTimelineWithTheirChannelsOneAfterAnother) {
    const audio::WavAudio audio = render_whole_wav(Format::Wav);
    ASSERT_EQ(audio.format, (audio::WavFormat{.rate = 8000, .channels = 3}));
    EXPECT_EQ(audio.samples.size(), 3U * 56'000);  // from the first's begin to the second's end
    EXPECT_EQ(count_wrong(channel(audio, 0), 350, 1350, 350, false, 700), 0);
    EXPECT_EQ(count_wrong(channel(audio, 1), 100, 1100, 100), 0);
    EXPECT_EQ(count_sounds(channel(audio, 2), 0, kAtMs + 100), 0);
    EXPECT_EQ(count_wrong(channel(audio, 2), kAtMs + 100, kAtMs + 1100, kAtMs + 100, false, 900),
              0);
}

TEST_F(PiecesTest, StereoHasTheFirstSpeakerLeftInAllPieces) {
    const audio::WavAudio audio = render_whole_wav(Format::Stereo);
    ASSERT_EQ(audio.format.channels, 2);
    EXPECT_EQ(count_wrong(channel(audio, 0), 100, 1100, 100), 0);
    EXPECT_EQ(count_sounds(channel(audio, 0), kAtMs, kAtMs + 2000), 0);
    EXPECT_EQ(count_wrong(channel(audio, 1), kAtMs + 100, kAtMs + 1100, kAtMs + 100, false, 900),
              0);
}

TEST_F(PiecesTest, JsonIsThatOfEachPieceAndOtherFormatsNeedOne) {
    const auto rendering = render_whole(files_, directories_, Format::Json);
    ASSERT_TRUE(rendering);
    const auto json = nlohmann::json::parse(text_of(*rendering));
    ASSERT_EQ(json["pieces"].size(), 2U);
    EXPECT_EQ(json["pieces"][0]["summary"]["call_ids"][0], "c1@a");
    EXPECT_EQ(json["pieces"][1]["summary"]["call_ids"][0], "c2@a");
    for (const Format format : {Format::Pcap, Format::Xml}) {
        const auto refused = render_whole(files_, directories_, format);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "several_pieces");
    }
}

TEST(StereoOfPieces, TwoLegsWithOneStreamEachAreLeftAndRight) {
    std::vector<Summary> legs(2);
    for (Summary& leg : legs) {
        leg.streams.emplace_back().media = "audio";
        leg.streams.back().packets = 1;
    }
    EXPECT_EQ(stereo_channels(legs), (std::vector<std::size_t>{0, 1}));
    for (Summary& leg : legs) leg.streams.push_back(leg.streams.front());
    EXPECT_EQ(stereo_channels(legs), (std::vector<std::size_t>{0, 1, 0, 1}));
}

TEST(StreamOrder, PutsNumbersInNumericOrderBeforeText) {
    Summary summary;
    for (const char* label : {"b", "10", "2", "a", "1"}) {
        summary.streams.emplace_back().label = label;
        summary.streams.back().media = "audio";
        summary.streams.back().packets = 1;
    }
    EXPECT_EQ(streams_by_label(summary), (std::vector<std::size_t>{4, 2, 1, 3, 0}));
    EXPECT_EQ(stereo_channels({&summary, 1}), (std::vector<std::size_t>{0, 1, 1, 1, 1}));
}

TEST(PcapWriter, JoinsTcpSegmentsByTheirNumbers) {
    PcapWriter writer;
    base::Bytes out;
    const auto a = *base::parse_net_address("[2001:db8::1]:5060");
    const auto b = *base::parse_net_address("[2001:db8::2]:5061");
    writer.add_tcp(0, a, b, base::Bytes(3000, 'x'), out);
    std::vector<std::uint32_t> sequences;
    for (std::size_t at = 0; at < out.size();) {
        const std::size_t size = base::load_le<std::uint32_t>(out, at + 8);
        EXPECT_EQ(base::load_u16(out, at + 16 + 12), 0x86dd);
        sequences.push_back(base::load_u32(out, at + 16 + 14 + 40 + 4));
        at += 16 + size;
    }
    EXPECT_EQ(sequences, (std::vector<std::uint32_t>{1, 1401, 2801}));
}

}  // namespace
}  // namespace earshot::archive
