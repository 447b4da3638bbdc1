// earshot-media as the server runs it: a child behind seccomp, made media in, its product read
// back.
#include <unistd.h>

#include <filesystem>
#include <fstream>
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
    EXPECT_THAT(file.chapters, ElementsAre("1000 0: paused"));
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

// How a codec's parameter sets are found in packets of the rig, by what the payload begins with.
struct Setup {
    std::string encoding;
    std::uint8_t payload_type = 0;
    std::uint8_t mask = 0;
    std::vector<std::uint8_t> kinds{};
    std::size_t at = 0;  // of the byte that tells it
};
constexpr std::size_t kRtpBytes = 12;

class BrokenSetup : public Media, public ::testing::WithParamInterface<Setup> {
protected:
    // A voice, a camera that is whole (streams 0, 1), and the one that is to be broken.
    void SetUp() override {
        av_log_set_level(AV_LOG_QUIET);  // what is read back is broken, too
        job_.streams = {audio_stream(0), video_stream(1),
                        video_stream(2, GetParam().encoding, GetParam().payload_type)};
        add_tone(0, 0, 1200, packets_);
        add_vp8(1, 0, 30, packets_);
        if (GetParam().encoding == "H264") add_h264(2, 0, 30, packets_);
        if (GetParam().encoding == "H265") add_h265(2, 30, packets_);
        if (GetParam().encoding == "AV1") add_av1(2, 30, packets_);
        whole_ = packets_;
    }
    bool is_setup(const MadePacket& packet, std::uint8_t kind) const {
        return packet.header.stream == 2 && packet.bytes.size() > kRtpBytes + GetParam().at &&
               (packet.bytes[kRtpBytes + GetParam().at] & GetParam().mask) == kind;
    }
    // What became of the broken one; the others are as they would be without it.
    std::string make_beside_others() {
        const auto report = make(Product::Tracks, 1200);
        EXPECT_EQ(code(report), "ok");
        if (!report) return "";
        std::string state;
        std::size_t kept = 0;
        for (const rendition::TrackNote& track : report->tracks) {
            if (track.stream == 2) {
                state = track.state;
                EXPECT_EQ(track.text.empty(), state != "left_out");
            } else {
                EXPECT_EQ(track.state, "copied");
            }
            if (track.state == "copied") ++kept;
        }
        const ReadFile file = read_file(sink_.content);
        EXPECT_EQ(file.tracks.size(), kept);
        EXPECT_EQ(file.tracks.at(0).packets.size(), 60U);
        EXPECT_EQ(file.tracks.at(1).packets.size(), 30U);
        return state;
    }
    std::vector<MadePacket> whole_;
};

TEST_P(BrokenSetup, IsCopiedWhileItIsWhole) {
    EXPECT_EQ(make_beside_others(), "copied");
    EXPECT_GE(read_file(sink_.content).tracks.at(2).packets.size(), 29U);
}

TEST_P(BrokenSetup, LeavesOutATrackWithoutOneOfItsParameterSets) {
    for (const std::uint8_t kind : GetParam().kinds) {
        packets_ = whole_;
        for (MadePacket& packet : packets_)
            if (is_setup(packet, kind)) packet.bytes.resize(kRtpBytes + GetParam().at + 1);
        EXPECT_EQ(make_beside_others(), "left_out") << int{kind};
    }
}

// Each byte of each parameter set turned over in its turn: whatever the container makes of it, the
// other tracks are there. Where that breaks the newest sets alone, the ones before are taken.
TEST_P(BrokenSetup, NeverCostsTheOtherTracks) {
    bool has_fallen_back = false;
    for (const std::uint8_t kind : GetParam().kinds) {
        std::size_t size = 0;
        for (const MadePacket& packet : whole_)
            if (is_setup(packet, kind)) size = packet.bytes.size();
        ASSERT_GT(size, kRtpBytes) << int{kind};
        for (std::size_t at = kRtpBytes + GetParam().at + 1; at < size; at += 5) {
            packets_ = whole_;
            for (MadePacket& packet : packets_)
                if (is_setup(packet, kind)) packet.bytes.at(at) ^= 0xff;
            if (make_beside_others() != "left_out" || has_fallen_back) continue;
            packets_ = whole_;
            MadePacket* newest = nullptr;
            for (MadePacket& packet : packets_)
                if (is_setup(packet, kind)) newest = &packet;
            newest->bytes.at(at) ^= 0xff;
            has_fallen_back = make_beside_others() == "copied";
        }
    }
    // What breaks the container's reading of H.264 and AV1 is no set for us, either.
    EXPECT_TRUE(has_fallen_back || GetParam().encoding != "H265");
}

INSTANTIATE_TEST_SUITE_P(Codecs, BrokenSetup,
                         ::testing::Values(Setup{"H264", 97, 0x1f, {7, 8}},
                                           Setup{"H265", 98, 0x7e, {64, 66, 68}},
                                           Setup{"AV1", 99, 0x78, {8}, 1}),
                         [](const auto& named) { return named.param.encoding; });

// Content as people share it, 25 pictures a second: a slide with a cursor that moves, slides that
// are turned back and forth, an animation, a window that is resized.
class SharedContent : public Media {
protected:
    static constexpr std::int64_t kFrameMs = 40;
    struct Scene {
        std::int64_t from_ms = 0;
        int luma = 0;  // of the slide
        int width = 640;
        char moves = 0;  // c: a cursor, a: an animation
    };
    static const std::vector<Scene>& scenes() {
        static const std::vector<Scene> all{{.from_ms = 0, .luma = 60, .moves = 'c'},
                                            {.from_ms = 2000, .luma = 120},
                                            {.from_ms = 2800, .luma = 60},
                                            {.from_ms = 3200, .luma = 120},
                                            {.from_ms = 3600, .luma = 200},
                                            {.from_ms = 4800, .luma = 200, .moves = 'a'},
                                            {.from_ms = 6800, .luma = 200},
                                            {.from_ms = 7600, .luma = 200, .width = 480}};
        return all;
    }
    static constexpr std::int64_t kEndMs = 8600;
    static const Scene& scene_at(std::int64_t at_ms) {
        const Scene* found = &scenes().front();
        for (const Scene& scene : scenes())
            if (scene.from_ms <= at_ms) found = &scene;
        return *found;
    }
    // Where what moves begins, in picture lines of 640: by the time.
    static int place_at(std::int64_t at_ms) {
        return static_cast<int>(at_ms / kFrameMs * 16 % 512);
    }
    void SetUp() override {
        job_.streams = {video_stream(3)};
        job_.streams[0].is_content = true;
        std::vector<Shot> shots;
        for (std::int64_t at_ms = 0; at_ms < kEndMs; at_ms += kFrameMs)
            shots.push_back({.at_ms = at_ms, .width = scene_at(at_ms).width, .height = 360});
        const auto paint = [&](std::size_t index, AVFrame& picture) {
            const std::int64_t at_ms = shots[index].at_ms;
            const Scene& scene = scene_at(at_ms);
            fill_box(picture, 0, 0, scene.width, 360, scene.luma);
            if (scene.moves == 'c') fill_box(picture, place_at(at_ms), 172, 16, 16, 235);
            if (scene.moves == 'a') fill_box(picture, place_at(at_ms), 90, 96, 180, 20);
        };
        Sender sender(3, 96, 90'000);
        encode_shots(
            "libvpx", shots, paint,
            [&](std::int64_t at_ns, base::ByteView frame) {
                send_vp8(sender, at_ns, frame, packets_);
            },
            3'000'000);
    }
    // The slides, the animation where it begins, the window.
    static std::vector<std::int64_t> changes() { return {0, 2000, 2800, 3200, 3600, 4800, 7600}; }
    void expect_marks(const Report& report) {
        ASSERT_EQ(report.marks.size(), changes().size());
        for (std::size_t i = 0; i < changes().size(); ++i) {
            EXPECT_EQ(report.marks[i].stream, 3);
            EXPECT_NEAR(static_cast<double>(report.marks[i].at_ms),
                        static_cast<double>(changes()[i]), kFrameMs);
        }
    }
    // Whether the composed picture is what was shared at that time.
    static bool shows(const ReadPicture& picture, std::int64_t at_ms) {
        const Scene& scene = scene_at(at_ms);
        const double scale = 720.0 / 360;
        const int left = (1280 - static_cast<int>(scene.width * scale)) / 2;
        const auto luma = [&](int x, int y) {  // in the places of what was shared
            return picture.at(left + static_cast<int>(x * scale), static_cast<int>(y * scale));
        };
        const auto is = [](int value, int wanted) { return std::abs(value - wanted) < 25; };
        if (left > 0 && !is(picture.at(left / 2, 360), 24)) return false;
        if (left == 0 && is(picture.at(20, 700), 24)) return false;
        if (!is(luma(20, 340), scene.luma)) return false;
        const int place = place_at(at_ms);
        if (scene.moves == 'c') return luma(place + 8, 180) > 150;
        if (scene.moves == 'a')
            return luma(place + 8, 180) < 90 && luma(place + 88, 180) < 90 &&
                   (place < 16 || luma(place - 8, 180) > 90);
        return is(luma(scene.width / 2, 180), scene.luma);
    }
};

TEST_F(SharedContent, IsInTheComposedPictureAtItsTimeOneFrameOffAtMost) {
    const auto report = make(Product::Webm, kEndMs);
    ASSERT_EQ(code(report), "ok");
    expect_marks(*report);
    const std::vector<ReadPicture> pictures = decode(read_file(sink_.content).tracks.at(0));
    ASSERT_GT(pictures.size(), 100U);
    std::size_t next = 0;
    for (std::int64_t at_ms = 0; at_ms < kEndMs - kFrameMs; at_ms += kFrameMs) {
        // What a player shows then: the newest picture.
        while (next + 1 < pictures.size() && pictures[next + 1].at_ms <= at_ms) ++next;
        const ReadPicture& shown = pictures[next];
        EXPECT_TRUE(shows(shown, at_ms) ||
                    shows(shown, std::max(at_ms - kFrameMs, std::int64_t{0})) ||
                    shows(shown, at_ms + kFrameMs))
            << "at " << at_ms << " ms: the picture of " << shown.at_ms << " ms";
    }
}

TEST_F(SharedContent, IsACopyWithItsChangesAsChapters) {
    job_.streams[0].gaps = {{8000, 100, "paused"}};
    const auto report = make(Product::Tracks, kEndMs);
    ASSERT_EQ(code(report), "ok");
    expect_marks(*report);
    const ReadFile file = read_file(sink_.content);
    EXPECT_EQ(file.chapters.size(), changes().size() + 1);
    EXPECT_EQ(file.chapters.at(1), "2000 Camera 3 (shared) 2");
    EXPECT_EQ(file.chapters.back(), "8000 3: paused");
    ASSERT_EQ(file.tracks.at(0).times_ms.size(), static_cast<std::size_t>(kEndMs / kFrameMs));
    for (std::size_t i = 0; i < file.tracks[0].times_ms.size(); ++i)
        EXPECT_EQ(file.tracks[0].times_ms[i], static_cast<std::int64_t>(i) * kFrameMs);
}

TEST_F(SharedContent, TellsItsChangesAlone) {
    const auto report = make(Product::Marks, kEndMs);
    ASSERT_EQ(code(report), "ok");
    expect_marks(*report);
    const std::string text(base::as_text(sink_.content));
    EXPECT_THAT(text, HasSubstr(R"({"marks":[{"label":"3","at_ms":0},{"label":"3","at_ms":2000})"));
}

TEST_F(Media, MarksNothingInACamera) {
    job_.streams = {video_stream(2)};
    add_vp8(2, 0, 50, packets_);
    for (const Product product : {Product::Tracks, Product::Webm, Product::Marks}) {
        const auto report = make(product, 2000);
        ASSERT_EQ(code(report), "ok");
        EXPECT_THAT(report->marks, IsEmpty());
    }
}

// A packet that never came: its parity, as WebRTC sends it in RED, brings it back in its place.
TEST_F(Media, RendersWhatForwardErrorCorrectionBringsBack) {
    job_.streams = {video_stream(2)};
    job_.streams[0].formats.push_back(
        {.payload_type = 116, .encoding = "red", .clock_rate = 90'000});
    job_.streams[0].formats.push_back(
        {.payload_type = 117, .encoding = "ulpfec", .clock_rate = 90'000});
    std::vector<MadePacket> plain;
    add_vp8(2, 0, 50, plain, 160, 120);
    std::uint16_t sequence = 500;
    base::Bytes before;  // the packet before, as it was without RED
    for (const MadePacket& packet : plain) {
        base::Bytes media = packet.bytes;
        const auto number = sequence++;
        media[2] = static_cast<std::uint8_t>(number >> 8U);
        media[3] = static_cast<std::uint8_t>(number);
        const auto send = [&](std::uint8_t type, std::uint16_t as, base::ByteView block) {
            MadePacket made = packet;
            made.header.format = 1;
            made.bytes.assign(media.begin(), media.begin() + kRtpBytes);
            made.bytes[1] = static_cast<std::uint8_t>((media[1] & 0x80U) | 116U);
            made.bytes[2] = static_cast<std::uint8_t>(as >> 8U);
            made.bytes[3] = static_cast<std::uint8_t>(as);
            made.bytes.push_back(type);
            base::append(made.bytes, block);
            packets_.push_back(std::move(made));
        };
        const bool is_lost = packet.header.position_ns == 800'000'000;
        if (!is_lost) send(96, number, base::ByteView(media).subspan(kRtpBytes));
        if (!before.empty()) {
            const std::size_t size = std::max(before.size(), media.size());
            base::Bytes both(size);
            for (std::size_t i = 0; i < size; ++i)
                both[i] = static_cast<std::uint8_t>((i < before.size() ? before[i] : 0) ^
                                                    (i < media.size() ? media[i] : 0));
            base::Bytes fec{static_cast<std::uint8_t>(both[0] & 0x3fU), both[1]};
            base::append_u16(fec, base::load_u16(before, 2));
            base::append(fec, base::ByteView(both).subspan(4, 4));
            base::append_u16(fec, static_cast<std::uint16_t>((before.size() - kRtpBytes) ^
                                                             (media.size() - kRtpBytes)));
            base::append_u16(fec, static_cast<std::uint16_t>(size - kRtpBytes));
            const auto back = static_cast<unsigned>(number - base::load_u16(before, 2));
            base::append_u16(fec, static_cast<std::uint16_t>(0x8000U | 0x8000U >> back));
            base::append(fec, base::ByteView(both).subspan(kRtpBytes));
            send(117, sequence++, fec);
        }
        before = std::move(media);
    }
    const auto report = make(Product::Tracks, 2000);
    ASSERT_EQ(code(report), "ok");
    EXPECT_THAT(report->faults, IsEmpty());
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(1));
    ASSERT_THAT(file.tracks[0].times_ms, SizeIs(50));
    EXPECT_EQ(file.tracks[0].times_ms[20], 800);
}

// The next piece of a recording is of another session, whose numbers may be the same again.
TEST_F(Media, GoesOnInTheNextPieceWhateverItsNumbers) {
    job_.streams = {audio_stream(0), video_stream(1)};
    for (const std::int64_t from_ms : {0, 2000}) {
        const std::size_t sound = packets_.size();
        add_tone(0, from_ms, from_ms + 500, packets_);
        const std::size_t pictures = packets_.size();
        add_vp8(1, from_ms, 12, packets_);
        packets_[sound].header.begins_piece = true;
        packets_[pictures].header.begins_piece = true;
    }
    const auto report = make(Product::Tracks, 2500);
    ASSERT_EQ(code(report), "ok");
    EXPECT_THAT(report->faults, IsEmpty());
    const ReadFile file = read_file(sink_.content);
    ASSERT_THAT(file.tracks, SizeIs(2));
    ASSERT_THAT(file.tracks[0].times_ms, SizeIs(50));
    EXPECT_EQ(file.tracks[0].times_ms[25], 2000);
    ASSERT_THAT(file.tracks[1].times_ms, SizeIs(24));
    EXPECT_EQ(file.tracks[1].times_ms[12], 2000);
    ASSERT_EQ(code(make(Product::Webm, 2500)), "ok");
    EXPECT_THAT(read_file(sink_.content).tracks, SizeIs(2));
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

// The kernel kills so, too, where memory gives out: nothing that a limit of ours has to do with.
TEST_F(Media, SaysThatItWasKilled) {
    const std::string program = testing::TempDir() + "killed-" + std::to_string(::getpid());
    std::ofstream(program) << "#!/bin/sh\nkill -9 $$\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    job_.streams = {audio_stream(0)};
    MadeSource source(job_, packets_);
    const auto result =
        rendition::run_worker({.program = program}, job_, source, sink_, is_cancelled_);
    std::filesystem::remove(program);
    EXPECT_THAT(code(result), HasSubstr("media_crashed"));
    EXPECT_THAT(code(result), HasSubstr("killed"));
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
