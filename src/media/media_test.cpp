// earshot-media as the server runs it: a child behind seccomp, made media in, its product read
// back.
#include <numeric>

#include "audio/wav.h"
#include "media/canvas.h"
#include "media/media_test_rig.h"
#include "media/mixer.h"

namespace earshot::media {
namespace {

using rendition::Job;
using rendition::Product;
using rendition::Report;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Media : public ::testing::Test {
protected:
    base::Result<Report, base::Reason> make(Product product, std::int64_t duration_ms) {
        job_.product = product;
        job_.title = "A call";
        job_.started = "2026-03-02T09:15:00.000Z";
        job_.duration_ms = duration_ms;
        sink_.content.clear();
        MadeSource source(job_, packets_);
        return rendition::run_worker({.program = EARSHOT_MEDIA_BINARY}, job_, source, sink_,
                                     is_cancelled_);
    }
    Media() { av_log_set_level(AV_LOG_ERROR); }
    static std::string code(const base::Result<Report, base::Reason>& result) {
        return result ? "ok" : result.error().code + ": " + result.error().text;
    }

    Job job_;
    std::vector<MadePacket> packets_;
    MadeSink sink_;
    std::atomic<bool> is_cancelled_{false};
};

TEST_F(Media, DecodesEachStreamIntoAChannelAtItsPlace) {
    job_.streams = {audio_stream(0), audio_stream(1)};
    add_tone(0, 0, 1000, packets_);
    add_tone(1, 1500, 2000, packets_);
    ASSERT_EQ(code(make(Product::Wav, 2500)), "ok");
    const auto wav = audio::parse_wav(sink_.content);
    ASSERT_TRUE(wav);
    EXPECT_EQ(wav->format.rate, 8000U);
    EXPECT_EQ(wav->format.channels, 2);
    ASSERT_THAT(wav->samples, SizeIs(2 * 20'000));
    const auto sample = [&](std::size_t channel, std::size_t at) {
        return wav->samples[2 * at + channel];
    };
    for (std::size_t at = 0; at < 20'000; ++at) {
        const bool first = at < 8000;
        const bool second = at >= 12'000 && at < 16'000;
        // G.711's steps at that level.
        EXPECT_NEAR(sample(0, at), first ? tone(static_cast<std::int64_t>(at), 8000) : 0, 300)
            << at;
        EXPECT_NEAR(sample(1, at), second ? tone(static_cast<std::int64_t>(at), 8000) : 0, 300)
            << at;
    }
}

TEST_F(Media, KeepsTracksAsTheyCame) {
    job_.streams = {audio_stream(0), video_stream(1)};
    job_.streams[0].gaps = {{1000, 500, "paused"}};
    Sender voice(0, 0, 8000);
    add_tone(voice, 0, 1000, packets_);
    add_tone(voice, 1500, 2000, packets_);
    add_vp8(1, 0, 50, packets_);
    const auto report = make(Product::Tracks, 2000);
    ASSERT_EQ(code(report), "ok");
    EXPECT_THAT(report->faults, IsEmpty());
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(2));
    EXPECT_EQ(file.tracks[0].codec, AV_CODEC_ID_PCM_MULAW);
    EXPECT_EQ(file.tracks[0].title, "Voice 0");
    ASSERT_EQ(file.tracks[0].packets.size(), 75U);
    EXPECT_EQ(file.tracks[0].times_ms[50], 1500);  // the pause stays on the timeline
    EXPECT_THAT(file.tracks[0].packets, Each(SizeIs(160)));
    EXPECT_EQ(file.tracks[1].codec, AV_CODEC_ID_VP8);
    EXPECT_EQ(file.tracks[1].width, 320);
    ASSERT_EQ(file.tracks[1].times_ms.size(), 50U);
    EXPECT_EQ(file.tracks[1].times_ms[49], 49 * 40);
    EXPECT_NEAR(file.duration_s, 2.0, 0.05);
    EXPECT_EQ(file.chapters, 1U);
}

TEST_F(Media, ReMuxesH264WithItsParameterSets) {
    job_.streams = {video_stream(1, "H264", 97)};
    add_h264(1, 0, 30, packets_);
    ASSERT_EQ(code(make(Product::Tracks, 1200)), "ok");
    ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    EXPECT_EQ(file.tracks[0].codec, AV_CODEC_ID_H264);
    EXPECT_EQ(file.tracks[0].packets.size(), 30U);
    ASSERT_EQ(code(make(Product::Track, 1200)), "ok");  // fragmented MP4, for a browser
    file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    EXPECT_EQ(file.tracks[0].packets.size(), 30U);
    EXPECT_EQ(file.tracks[0].times_ms[29], 29 * 40);
}

TEST_F(Media, StartsATrackLateWhereTheStreamDid) {
    job_.streams = {video_stream(1)};
    add_vp8(1, 4000, 25, packets_);
    ASSERT_EQ(code(make(Product::Track, 5000)), "ok");
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    EXPECT_EQ(file.tracks[0].times_ms[0], 4000);
}

TEST_F(Media, ComposesOnePictureAndMixedSound) {
    job_.streams = {audio_stream(0), audio_stream(1), video_stream(2), video_stream(3)};
    job_.streams[3].is_content = true;
    add_tone(0, 0, 3000, packets_);
    add_tone(1, 1000, 2000, packets_);
    add_vp8(2, 0, 75, packets_);
    add_vp8(3, 1000, 25, packets_, 640, 360);
    for (const Product product : {Product::Webm, Product::Mp4}) {
        ASSERT_EQ(code(make(product, 3000)), "ok");
        const ReadFile file = read_file(sink_.content);
        ASSERT_THAT(file.tracks, SizeIs(2));
        EXPECT_EQ(file.tracks[0].type, AVMEDIA_TYPE_VIDEO);
        EXPECT_EQ(file.tracks[0].width, 1280);
        EXPECT_GT(file.tracks[0].packets.size(), 60U);
        EXPECT_EQ(file.tracks[1].type, AVMEDIA_TYPE_AUDIO);
        EXPECT_NEAR(static_cast<double>(file.tracks[1].times_ms.back()), 3000, 60);
    }
}

TEST_F(Media, MakesOggOfMixedSound) {
    job_.streams = {audio_stream(0), audio_stream(1)};
    add_tone(0, 0, 1000, packets_);
    add_tone(1, 1000, 2000, packets_);
    ASSERT_EQ(code(make(Product::Ogg, 2000)), "ok");
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    EXPECT_EQ(file.tracks[0].codec, AV_CODEC_ID_OPUS);
}

TEST_F(Media, DrawsPeaks) {
    job_.streams = {audio_stream(0)};
    add_tone(0, 500, 1000, packets_);
    ASSERT_EQ(code(make(Product::Peaks, 1500)), "ok");
    const std::string text(base::as_text(sink_.content));
    EXPECT_THAT(text, HasSubstr(R"("interval_ms":100)"));
    EXPECT_THAT(text, HasSubstr(R"("label":"0")"));
}

TEST_F(Media, DrawsSmallPicturesOfTheWholeCall) {
    job_.streams = {video_stream(2)};
    add_vp8(2, 0, 60, packets_);
    ASSERT_EQ(code(make(Product::Sheet, 2400)), "ok");
    ASSERT_GT(sink_.content.size(), 1000U);
    EXPECT_EQ(sink_.content[0], 0xff);
    EXPECT_EQ(sink_.content[1], 0xd8);
}

TEST_F(Media, DecodesOpusThatIsSilentInBetween) {
    job_.streams = {audio_stream(0, "opus", 111, 48'000)};
    job_.streams[0].formats[0].channels = 2;
    Sender sender(0, 111, 48'000);
    for (int i = 0; i < 100; ++i)  // CELT, 20 ms: silence as its encoder writes it
        if (i < 40 || i > 60)
            sender.send(std::int64_t{i} * 20'000'000, {0xfc, 0xff, 0xfe}, false, packets_);
    const auto report = make(Product::Wav, 2000);
    ASSERT_EQ(code(report), "ok");
    EXPECT_THAT(report->faults, IsEmpty());
    const auto wav = audio::parse_wav(sink_.content);
    ASSERT_TRUE(wav);
    EXPECT_EQ(wav->format.rate, 48'000U);
    ASSERT_EQ(code(make(Product::Tracks, 2000)), "ok");
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    EXPECT_EQ(file.tracks[0].codec, AV_CODEC_ID_OPUS);
    EXPECT_EQ(file.tracks[0].packets.size(), 79U);
}

// One packet of each: what the decoder takes and the container holds, by name.
TEST_F(Media, TakesEachAudioFormat) {
    struct Case {
        std::string encoding;
        std::uint32_t rate;
        std::string fmtp;
        std::size_t bytes;
        std::string in_matroska;
    };
    const std::vector<Case> cases{{"PCMA", 8000, "", 160, "copied"},
                                  {"G722", 8000, "", 160, "copied"},
                                  {"L16", 16'000, "", 640, "copied"},
                                  {"G729", 8000, "", 20, "copied"},
                                  {"GSM", 8000, "", 33, "rendered"},
                                  {"iLBC", 8000, "mode=20", 38, "rendered"},
                                  {"G726-32", 8000, "", 80, "rendered"},
                                  {"AMR", 8000, "octet-align=1", 33, "copied"},
                                  {"AMR-WB", 16'000, "octet-align=1", 19, "copied"}};
    for (const Case& item : cases) {
        job_.streams = {audio_stream(0, item.encoding, 98, item.rate)};
        job_.streams[0].formats[0].fmtp = item.fmtp;
        packets_.clear();
        Sender sender(0, 98, item.rate);
        base::Bytes payload(item.bytes, 0x55);
        if (item.encoding == "AMR") payload[1] = 0x3c;
        if (item.encoding == "AMR-WB") payload[1] = 0x04;
        if (item.encoding == "GSM") payload[0] = 0xd5;
        for (int i = 0; i < 10; ++i)
            sender.send(std::int64_t{i} * 20'000'000, payload, false, packets_);
        const auto wav = make(Product::Wav, 200);
        ASSERT_EQ(code(wav), "ok") << item.encoding;
        EXPECT_THAT(wav->faults, IsEmpty()) << item.encoding;
        EXPECT_EQ(wav->tracks[0].state, "rendered") << item.encoding;
        const auto tracks = make(Product::Tracks, 200);
        ASSERT_EQ(code(tracks), "ok") << item.encoding;
        EXPECT_EQ(tracks->tracks[0].state, item.in_matroska) << item.encoding;
        EXPECT_THAT(read_file(sink_.content).tracks, SizeIs(1)) << item.encoding;
    }
}

TEST_F(Media, LeavesOutWhatNobodyDecodesAndSaysWhy) {
    job_.streams = {audio_stream(0), audio_stream(1, "EVS", 99, 16'000)};
    add_tone(0, 0, 500, packets_);
    Sender evs(1, 99, 16'000);
    evs.send(0, base::Bytes(33), false, packets_);
    const auto report = make(Product::Tracks, 500);
    ASSERT_EQ(code(report), "ok");
    ASSERT_THAT(report->tracks, SizeIs(2));
    EXPECT_EQ(report->tracks[1].state, "left_out");
    EXPECT_THAT(report->tracks[1].text, HasSubstr("EVS"));
    job_.streams.erase(job_.streams.begin());
    EXPECT_THAT(code(make(Product::Wav, 500)), HasSubstr("no_audio"));
    EXPECT_THAT(code(make(Product::Tracks, 500)), HasSubstr("no_media"));
}

TEST_F(Media, MarksThePlaceOfHostilePayloadsAndGoesOn) {
    job_.streams = {audio_stream(0), video_stream(2)};
    add_tone(0, 0, 2000, packets_);
    add_vp8(2, 0, 50, packets_);
    for (MadePacket& packet : packets_) {
        const std::int64_t at_ms = packet.header.position_ns / 1'000'000;
        if (packet.header.stream == 2 && at_ms >= 1000 && at_ms < 1200)
            std::iota(packet.bytes.begin() + 13, packet.bytes.end(), std::uint8_t{0x90});
    }
    for (const Product product : {Product::Tracks, Product::Webm}) {
        const auto report = make(product, 2000);
        ASSERT_EQ(code(report), "ok");
        if (product == Product::Webm) {
            ASSERT_FALSE(report->faults.empty());
            EXPECT_EQ(report->faults[0].stream, 2);
            EXPECT_NEAR(static_cast<double>(report->faults[0].at_ms), 1000, 50);
        }
    }
}

TEST_F(Media, MarksLostPictures) {
    job_.streams = {video_stream(2)};
    add_vp8(2, 0, 50, packets_);
    std::erase_if(packets_, [](const MadePacket& packet) {
        return packet.header.position_ns == 800'000'000;
    });
    const auto report = make(Product::Tracks, 2000);
    ASSERT_EQ(code(report), "ok");
    ASSERT_THAT(report->faults, SizeIs(1));
    EXPECT_NEAR(static_cast<double>(report->faults[0].at_ms), 840, 1);
}

TEST_F(Media, SurvivesAnyBytesInEachFormat) {
    for (const std::string encoding :
         {"H264", "H265", "VP8", "VP9", "AV1", "opus", "AMR", "speex", "G723", "iLBC"}) {
        const bool is_video = encoding[0] == 'H' || encoding[0] == 'V' || encoding == "AV1";
        job_.streams = {is_video ? video_stream(0, encoding) : audio_stream(0, encoding, 96)};
        packets_.clear();
        Sender sender(0, 96, 8000);
        std::uint32_t state = 1;
        for (int i = 0; i < 300; ++i) {
            base::Bytes payload(1 + state % 900);
            for (std::uint8_t& byte : payload) {
                state = state * 1'664'525 + 1'013'904'223;
                byte = static_cast<std::uint8_t>(state >> 24);
            }
            sender.send(std::int64_t{i} * 10'000'000, payload, i % 3 == 0, packets_);
        }
        for (const Product product : {Product::Tracks, Product::Webm, Product::Wav}) {
            const auto result = make(product, 3000);
            EXPECT_THAT(code(result), ::testing::Not(HasSubstr("media_crashed"))) << encoding;
        }
    }
}

TEST_F(Media, IsEndedWhenItNeedsMoreThanItMay) {
    job_.streams = {video_stream(2)};
    add_vp8(2, 0, 50, packets_, 640, 480);
    job_.allowance.memory_bytes = 60ULL << 20;
    EXPECT_THAT(code(make(Product::Webm, 2000)), HasSubstr("media_limit"));
    job_.allowance = {.memory_bytes = rendition::kDefaultMemoryBytes, .cpu_seconds = 1};
    EXPECT_THAT(code(make(Product::Webm, 24LL * 3600 * 1000)), HasSubstr("media_limit"));
}

TEST_F(Media, WritesNothingWholeWhenThePacketsAreCut) {
    class CutSource : public rendition::PacketSource {
    public:
        base::Result<bool, base::Reason> next(base::Bytes& out) override {
            out.push_back(1);
            return false;
        }
    };
    job_.streams = {audio_stream(0)};
    CutSource source;
    const auto result = rendition::run_worker({.program = EARSHOT_MEDIA_BINARY}, job_, source,
                                              sink_, is_cancelled_);
    EXPECT_THAT(code(result), HasSubstr("input_cut"));
}

TEST(Mixer, SumsAndClips) {
    Mixer mixer(2);
    const std::vector<std::int16_t> loud(4, 30'000);
    mixer.add(0, 2, loud);
    mixer.add(0, 4, loud);
    mixer.add(1, -2, loud);
    EXPECT_THAT(mixer.take_until(6),
                ElementsAre(0, 30'000, 0, 30'000, 30'000, 0, 30'000, 0, 32'767, 0, 32'767, 0));
    mixer.add(0, 0, loud);  // too late
    EXPECT_THAT(mixer.take_until(8), ElementsAre(30'000, 0, 30'000, 0));
}

TEST(Canvas, PutsContentBesideCameras) {
    EXPECT_THAT(lay_out(0, 1, 1280, 720), ElementsAre(Cell{0, 0, 1280, 720}));
    EXPECT_THAT(lay_out(0, 2, 1280, 720),
                ElementsAre(Cell{0, 0, 640, 720}, Cell{640, 0, 640, 720}));
    EXPECT_THAT(lay_out(1, 2, 1280, 720), ElementsAre(Cell{0, 0, 960, 720}, Cell{960, 0, 320, 240},
                                                      Cell{960, 240, 320, 240}));
}

}  // namespace
}  // namespace earshot::media
