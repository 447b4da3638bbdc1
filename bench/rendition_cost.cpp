// How long one waits for a rendition (docs/performance.md): rendition_cost MEDIA_PROGRAM FOLDER.
// Builds two recordings in FOLDER, as the archive thread does: ten minutes with two cameras of some
// 2 Mbit/s each, and an hour of two voices in G.711 and one in Opus; then asks a RenditionDesk for
// what the page shows first, and for the rest. Prints a line for each: ms to the first byte that
// can be played, ms in all, bytes.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "archive/archive.h"
#include "archive/rendition_desk.h"
#include "base/name_uuid.h"
#include "io/linux_file.h"
#include "io/stderr_log.h"
#include "media/media_test_rig.h"
#include "objects/directory_store.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using media::MadePacket;
using rendition::Product;

constexpr std::int64_t kStartNs = 1'772'442'900'000'000'000;
constexpr std::int64_t kMsNs = 1'000'000;

// Packets that were made once, as often as they fit the time: the journal of a long call.
class RepeatedCall : public archive::RecordSource {
public:
    RepeatedCall(std::vector<std::string> events, std::vector<MadePacket> period,
                 std::int64_t period_ms, int times, std::uint32_t audio_clock = 48'000)
        : events_(std::move(events)),
          period_(std::move(period)),
          period_ms_(period_ms),
          times_(times),
          audio_clock_(audio_clock) {}

    std::optional<journal::Record> next() override {
        journal::Record record;
        if (event_ + 1 < events_.size()) return event(0);
        if (round_ < times_) {
            const MadePacket& packet = period_[at_];
            bytes_.assign(journal::kSourceSize, 0);
            base::append(bytes_, packet.bytes);
            const std::int64_t passed_ns = round_ * period_ms_ * kMsNs;
            auto* rtp = bytes_.data() + journal::kSourceSize;
            auto& sequence = sequences_[packet.header.stream];
            rtp[2] = static_cast<std::uint8_t>(sequence >> 8);
            rtp[3] = static_cast<std::uint8_t>(sequence++);
            const std::uint32_t clock = packet.header.stream < 2 ? audio_clock_ : 90'000;
            const std::uint32_t timestamp =
                base::load_u32(packet.bytes, 4) +
                static_cast<std::uint32_t>(av_rescale(passed_ns, clock, 1'000'000'000));
            for (int i = 0; i < 4; ++i)
                rtp[4 + i] = static_cast<std::uint8_t>(timestamp >> (24 - 8 * i));
            record.header.type = journal::RecordType::Rtp;
            record.header.stream = packet.header.stream;
            record.header.arrival_ns = kStartNs + passed_ns + packet.header.position_ns;
            record.payload = bytes_;
            if (++at_ == period_.size()) {
                at_ = 0;
                ++round_;
            }
            return record;
        }
        if (event_ < events_.size()) return event(period_ms_ * times_);
        return std::nullopt;
    }
    journal::Damage damage() const override { return {}; }

private:
    journal::Record event(std::int64_t at_ms) {
        journal::Record record;
        record.header.type = journal::RecordType::Event;
        record.header.arrival_ns = kStartNs + at_ms * kMsNs;
        record.payload = base::as_bytes(events_[event_++]);
        return record;
    }
    std::vector<std::string> events_;  // the last one at the end
    std::vector<MadePacket> period_;
    std::int64_t period_ms_;
    int times_;
    std::uint32_t audio_clock_;  // of streams 0 and 1; the others are video
    std::size_t event_ = 0;
    std::size_t at_ = 0;
    int round_ = 0;
    std::map<std::uint16_t, std::uint16_t> sequences_;
    base::Bytes bytes_;
};

std::string added(int stream, std::string_view media, std::string_view format) {
    return fmt::format(
        R"({{"type":"stream_added","stream":{},"label":"{}","media":"{}","direction":"sendonly",)"
        R"("payload_types":[{}]}})",
        stream, stream, media, format);
}
constexpr std::string_view kVp8 = R"({"pt":96,"encoding":"VP8","clock_rate":90000,"channels":1})";
constexpr std::string_view kOpus =
    R"({"pt":111,"encoding":"opus","clock_rate":48000,"channels":2})";
constexpr std::string_view kPcmu = R"({"pt":0,"encoding":"PCMU","clock_rate":8000,"channels":1})";
constexpr const char* kStarted = R"({"type":"recording_started","call_id":"c","from":"sip:a@x"})";
constexpr const char* kEnded = R"({"type":"call_ended","by":"client","code":"","text":""})";

// Speech is not silence to a codec: a wandering tone through libopus.
void add_opus(std::uint16_t stream, int count, std::vector<MadePacket>& out) {
    const AVCodec* encoder = avcodec_find_encoder_by_name("libopus");
    media::CodecContext context(avcodec_alloc_context3(encoder));
    context->sample_rate = 48'000;
    context->sample_fmt = AV_SAMPLE_FMT_S16;
    context->bit_rate = 24'000;
    av_channel_layout_default(&context->ch_layout, 1);
    int error = 0;
    context = media::open_codec(encoder, std::move(context), nullptr, error);
    if (!context) std::abort();
    media::Sender sender(stream, 111, 48'000);
    const media::Frame frame(av_frame_alloc());
    const media::Packet packet(av_packet_alloc());
    for (int i = 0; i < count; ++i) {
        frame->format = AV_SAMPLE_FMT_S16;
        frame->sample_rate = 48'000;
        frame->nb_samples = 960;
        av_channel_layout_default(&frame->ch_layout, 1);
        if (av_frame_get_buffer(frame.get(), 0) < 0) std::abort();
        auto* samples = reinterpret_cast<std::int16_t*>(frame->data[0]);
        for (int s = 0; s < 960; ++s)
            samples[s] = media::tone(std::int64_t{i} * 960 + s, 48'000, 200 + i % 50 * 8);
        frame->pts = std::int64_t{i} * 960;
        avcodec_send_frame(context.get(), frame.get());
        av_frame_unref(frame.get());
        while (avcodec_receive_packet(context.get(), packet.get()) == 0) {
            sender.send(std::int64_t{i} * 20 * kMsNs, {packet->data, packet->data + packet->size},
                        false, out);
            av_packet_unref(packet.get());
        }
    }
}

void add_pcmu(std::uint16_t stream, int count, std::vector<MadePacket>& out) {
    media::Sender sender(stream, 0, 8'000);
    for (int i = 0; i < count; ++i) {
        base::Bytes samples(160);
        for (std::size_t s = 0; s < samples.size(); ++s)
            samples[s] = static_cast<std::uint8_t>(i * 160 + static_cast<int>(s) * 7);
        sender.send(std::int64_t{i} * 20 * kMsNs, std::move(samples), false, out);
    }
}

void sort(std::vector<MadePacket>& packets) {
    std::stable_sort(packets.begin(), packets.end(), [](const auto& a, const auto& b) {
        return a.header.position_ns < b.header.position_ns;
    });
}

class Bench {
public:
    Bench(std::string program, const std::string& folder)
        : store_(files_, folder + "/recordings"),
          folder_(folder),
          desk_({.cache = folder + "/cache", .program = std::move(program)}, files_, keys_, random_,
                log_) {}

    std::string build(RepeatedCall call, std::string& id) {
        base::Uuid uuid;
        random_.fill(uuid.bytes);
        auto built = archive::build_recording(
            {.recording = uuid,
             .records = call,
             .objects = store_,
             .key = signing_,
             .now = base::wall_from_ns(kStartNs),
             .failure = std::nullopt,
             .encryption = archive::Encryption{.keys = keys_, .random = random_}});
        if (!built || !store_.commit({&built->object, 1}).front()) std::abort();
        id = built->summary.id;
        return folder_ + "/recordings/" + built->directory;
    }

    void measure(std::string_view what, const archive::RenditionRequest& request) {
        const auto begin = std::chrono::steady_clock::now();
        const auto passed = [&] {
            return std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::steady_clock::now() - begin)
                .count();
        };
        if (const auto asked = desk_.ask(request); !asked) {
            std::cout << what << ": " << asked.error().text << '\n';
            return;
        }
        auto content = desk_.open(request);
        std::uint64_t bytes = 0;
        std::int64_t first_ms = -1;
        base::Bytes piece(256UL * 1024);
        while (content) {
            const auto count = (*content)->read(bytes, piece);
            if (!count) {
                std::cout << what << ": " << count.error().text << '\n';
                return;
            }
            if (!count->has_value()) continue;
            if (**count == 0) break;
            bytes += **count;
            if (bytes > kPlayable && first_ms < 0) first_ms = passed();
        }
        std::cout << fmt::format("{:<40} first {:>6} ms, all {:>6} ms, {:>10} bytes\n", what,
                                 first_ms, passed(), bytes)
                  << std::flush;
    }

private:
    static constexpr std::uint64_t kPlayable = 50'000;  // a header and a first picture
    io::LinuxFileSystem files_;
    objects::DirectoryStore store_;
    std::string folder_;
    base::SystemRandom random_;
    crypto::KeyRing keys_{base::Uuid{}, crypto::SecretKey::generate(random_)};
    archive::SigningKey signing_{archive::Ed25519Bytes{1, 2, 3}};
    io::StderrLog log_;
    archive::RenditionDesk desk_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "rendition_cost MEDIA_PROGRAM FOLDER\n";
        return 2;
    }
    Bench bench(argv[1], argv[2]);
    constexpr std::int64_t kPeriodMs = 10'000;
    std::vector<MadePacket> cameras;
    add_opus(0, 500, cameras);
    add_opus(1, 500, cameras);
    for (const std::uint16_t stream : {std::uint16_t{2}, std::uint16_t{3}})
        media::add_vp8(stream, 0, 250, cameras, 1280, 720, 40, 2'000'000);
    sort(cameras);
    std::string id;
    std::string folder = bench.build({{kStarted, added(0, "audio", kOpus), added(1, "audio", kOpus),
                                       added(2, "video", kVp8), added(3, "video", kVp8), kEnded},
                                      std::move(cameras),
                                      kPeriodMs,
                                      60},
                                     id);
    const auto ask = [&](Product product, std::string label = {}) {
        return archive::RenditionRequest{.pieces = {{.id = id, .directory = folder}},
                                         .product = product,
                                         .label = std::move(label)};
    };
    bench.measure("10 min, camera 1 as it came", ask(Product::Track, "2"));
    bench.measure("10 min, camera 2 as it came", ask(Product::Track, "3"));
    bench.measure("10 min, all tracks (mkv)", ask(Product::Tracks));
    bench.measure("10 min, small pictures", ask(Product::Sheet));
    bench.measure("10 min, composed (webm)", ask(Product::Webm));

    std::vector<MadePacket> phones;
    add_pcmu(0, 500, phones);
    add_pcmu(1, 500, phones);
    sort(phones);
    folder = bench.build({{kStarted, added(0, "audio", kPcmu), added(1, "audio", kPcmu), kEnded},
                          std::move(phones),
                          kPeriodMs,
                          360,
                          8'000},
                         id);
    bench.measure("1 h of G.711, stereo (wav)", ask(Product::Stereo));
    std::vector<MadePacket> voices;
    add_opus(0, 500, voices);
    add_opus(1, 500, voices);
    sort(voices);
    folder = bench.build({{kStarted, added(0, "audio", kOpus), added(1, "audio", kOpus), kEnded},
                          std::move(voices),
                          kPeriodMs,
                          360},
                         id);
    bench.measure("1 h of Opus, stereo (wav)", ask(Product::Stereo));
    bench.measure("1 h of Opus, levels", ask(Product::Peaks));
    return 0;
}
