// What the tests of earshot-media share: packets of made media, the real child over its real
// protocol, and a look at what it made by libavformat.
#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "audio/g711.h"
#include "media/av.h"
#include "rendition/packet_stream.h"
#include "rendition/worker.h"
#include "rtp/rtp_packet.h"

namespace earshot::media {

struct MadePacket {
    rendition::RecordHeader header{};
    base::Bytes bytes{};
};

// RTP of one source.
class Sender {
public:
    Sender(std::uint16_t stream, std::uint8_t payload_type, std::uint32_t clock_rate)
        : stream_(stream), payload_type_(payload_type), clock_rate_(clock_rate) {}

    void send(std::int64_t at_ns, const base::Bytes& payload, bool marker,
              std::vector<MadePacket>& out) {
        base::Bytes bytes;
        rtp::write_rtp(
            {.payload_type = payload_type_,
             .marker = marker,
             .sequence = sequence_++,
             .timestamp = static_cast<std::uint32_t>(av_rescale(at_ns, clock_rate_, 1'000'000'000)),
             .ssrc = 1000U + stream_},
            payload, bytes);
        out.push_back({.header = {.stream = stream_, .format = 0, .position_ns = at_ns},
                       .bytes = std::move(bytes)});
    }
    void lose() { ++sequence_; }

private:
    std::uint16_t stream_;
    std::uint8_t payload_type_;
    std::uint32_t clock_rate_;
    std::uint16_t sequence_ = 65'530;
};

inline std::int16_t tone(std::int64_t sample, int rate, double hertz = 440) {
    return static_cast<std::int16_t>(
        8000 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(sample) / rate));
}

// A tone in mu-law from `from_ms` to `to_ms`.
inline void add_tone(Sender& sender, std::int64_t from_ms, std::int64_t to_ms,
                     std::vector<MadePacket>& out) {
    for (std::int64_t at_ms = from_ms; at_ms < to_ms; at_ms += 20) {
        std::vector<std::int16_t> samples(160);
        for (std::size_t i = 0; i < samples.size(); ++i)
            samples[i] = tone(at_ms * 8 + static_cast<std::int64_t>(i), 8000);
        base::Bytes payload(160);
        for (std::size_t i = 0; i < samples.size(); ++i)
            payload[i] = audio::encode_mu_law(samples[i]);
        sender.send(at_ms * 1'000'000, payload, false, out);
    }
}

inline void add_tone(std::uint16_t stream, std::int64_t from_ms, std::int64_t to_ms,
                     std::vector<MadePacket>& out) {
    Sender sender(stream, 0, 8000);
    add_tone(sender, from_ms, to_ms, out);
}

// A picture that is to be encoded; a new size opens a new encoder, as when a window is resized.
struct Shot {
    std::int64_t at_ms = 0;
    int width = 320;
    int height = 240;
};
using Paint = std::function<void(std::size_t index, AVFrame& picture)>;
using TakeFrame = std::function<void(std::int64_t at_ns, base::ByteView frame)>;

inline void fill_box(AVFrame& picture, int x, int y, int width, int height, int luma) {
    for (int row = std::max(y, 0); row < std::min(y + height, picture.height); ++row)
        for (int column = std::max(x, 0); column < std::min(x + width, picture.width); ++column)
            picture.data[0][row * picture.linesize[0] + column] = static_cast<std::uint8_t>(luma);
}

// For conversations: fast, no pictures held back. Null where FFmpeg was built without it.
inline CodecContext open_test_encoder(const char* name, int width, int height,
                                      int bits_per_second) {
    const AVCodec* encoder = avcodec_find_encoder_by_name(name);
    if (encoder == nullptr) return nullptr;
    CodecContext context(avcodec_alloc_context3(encoder));
    context->width = width;
    context->height = height;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = {1, 1000};
    context->gop_size = 25;
    context->max_b_frames = 0;
    if (bits_per_second > 0) {  // as many as asked for, whatever the pictures
        context->bit_rate = context->rc_max_rate = context->rc_min_rate = bits_per_second;
        context->rc_buffer_size = bits_per_second;
        context->qmax = 20;
    }
    AVDictionary* options = nullptr;
    const std::string_view which(name);
    if (which == "libx264" || which == "libx265") {
        av_dict_set(&options, "preset", "ultrafast", 0);
        av_dict_set(&options, "tune", "zerolatency", 0);
        av_dict_set(&options, "x265-params", "log-level=none:repeat-headers=1", 0);
    } else if (which == "libaom-av1") {
        av_dict_set(&options, "usage", "realtime", 0);
        av_dict_set(&options, "cpu-used", "8", 0);
        av_dict_set(&options, "lag-in-frames", "0", 0);
    } else {
        av_dict_set(&options, "deadline", "realtime", 0);
        av_dict_set(&options, "cpu-used", "8", 0);
    }
    int error = 0;
    context = open_codec(encoder, std::move(context), &options, error);
    av_dict_free(&options);
    if (error < 0) return nullptr;
    return context;
}

inline void encode_shots(const char* encoder_name, const std::vector<Shot>& shots,
                         const Paint& paint, const TakeFrame& take, int bits_per_second = 0) {
    CodecContext context;
    const Frame frame(av_frame_alloc());
    const Packet packet(av_packet_alloc());
    const auto drain = [&] {
        while (avcodec_receive_packet(context.get(), packet.get()) == 0) {
            take(packet->pts * 1'000'000, {packet->data, static_cast<std::size_t>(packet->size)});
            av_packet_unref(packet.get());
        }
    };
    const auto finish = [&] {
        if (!context) return;
        avcodec_send_frame(context.get(), nullptr);
        drain();
    };
    for (std::size_t i = 0; i < shots.size(); ++i) {
        const Shot& shot = shots[i];
        if (!context || context->width != shot.width || context->height != shot.height) {
            finish();
            context = open_test_encoder(encoder_name, shot.width, shot.height, bits_per_second);
            ASSERT_TRUE(context) << encoder_name;
        }
        frame->format = AV_PIX_FMT_YUV420P;
        frame->width = shot.width;
        frame->height = shot.height;
        ASSERT_GE(av_frame_get_buffer(frame.get(), 0), 0);
        for (int plane = 0; plane < 3; ++plane)
            std::memset(frame->data[plane], plane == 0 ? 40 : 128,
                        static_cast<std::size_t>(frame->linesize[plane] *
                                                 (plane == 0 ? shot.height : shot.height / 2)));
        paint(i, *frame);
        frame->pts = shot.at_ms;
        ASSERT_GE(avcodec_send_frame(context.get(), frame.get()), 0);
        av_frame_unref(frame.get());
        drain();
    }
    finish();
}

// Pictures with a bright box that walks.
inline void encode_walk(const char* encoder_name, int width, int height, int count, int step_ms,
                        const TakeFrame& take, int bits_per_second = 0) {
    std::vector<Shot> shots;
    for (int i = 0; i < count; ++i)
        shots.push_back({.at_ms = std::int64_t{i} * step_ms, .width = width, .height = height});
    const auto paint = [&](std::size_t index, AVFrame& picture) {
        const int i = static_cast<int>(index);
        fill_box(picture, i * 4 % (width / 2), 0, width / 4, height / 4, 220);
        if (bits_per_second > 0)  // noise, which no encoder makes small
            for (int y = height / 2; y < height; ++y)
                for (int x = 0; x < width / 4; ++x)
                    picture.data[0][y * picture.linesize[0] + x] =
                        static_cast<std::uint8_t>((x * 37 + y * 91 + i * 53) * (x + y + i) >> 3);
    };
    encode_shots(encoder_name, shots, paint, take, bits_per_second);
}

// RFC 7741 with the shortest descriptor.
inline void send_vp8(Sender& sender, std::int64_t at_ns, base::ByteView frame,
                     std::vector<MadePacket>& out) {
    constexpr std::size_t kPiece = 1000;
    for (std::size_t at = 0; at < frame.size(); at += kPiece) {
        const std::size_t size = std::min(kPiece, frame.size() - at);
        base::Bytes payload{static_cast<std::uint8_t>(at == 0 ? 0x10 : 0x00)};
        base::append(payload, frame.subspan(at, size));
        sender.send(at_ns, payload, at + size == frame.size(), out);
    }
}
inline void add_vp8(std::uint16_t stream, std::int64_t from_ms, int count,
                    std::vector<MadePacket>& out, int width = 320, int height = 240,
                    int step_ms = 40, int bits_per_second = 0) {
    Sender sender(stream, 96, 90'000);
    const auto packetise = [&](std::int64_t at_ns, base::ByteView frame) {
        send_vp8(sender, at_ns + from_ms * 1'000'000, frame, out);
    };
    encode_walk("libvpx", width, height, count, step_ms, packetise, bits_per_second);
}

// Annex B, taken apart.
inline std::vector<base::ByteView> nal_units(base::ByteView frame) {
    std::vector<base::ByteView> units;
    for (std::size_t i = 0; i + 3 <= frame.size(); ++i)
        if (frame[i] == 0 && frame[i + 1] == 0 && frame[i + 2] == 1) {
            if (!units.empty()) {
                const auto begin = static_cast<std::size_t>(units.back().data() - frame.data());
                const std::size_t end = frame[i - 1] == 0 ? i - 1 : i;
                units.back() = frame.subspan(begin, end - begin);
            }
            units.push_back(frame.subspan(i + 3));
        }
    return units;
}

// RFC 6184: single NAL units and FU-A.
inline void add_h264(std::uint16_t stream, std::int64_t from_ms, int count,
                     std::vector<MadePacket>& out) {
    Sender sender(stream, 97, 90'000);
    encode_walk("libx264", 320, 240, count, 40, [&](std::int64_t at_ns, base::ByteView frame) {
        const std::int64_t at = at_ns + from_ms * 1'000'000;
        const std::vector<base::ByteView> units = nal_units(frame);
        for (const base::ByteView& unit : units) {
            const bool is_last = &unit == &units.back();
            constexpr std::size_t kPiece = 1000;
            if (unit.size() <= kPiece) {
                sender.send(at, {unit.begin(), unit.end()}, is_last, out);
                continue;
            }
            for (std::size_t i = 1; i < unit.size(); i += kPiece) {
                const std::size_t size = std::min(kPiece, unit.size() - i);
                base::Bytes payload{static_cast<std::uint8_t>((unit[0] & 0x60U) | 28U),
                                    static_cast<std::uint8_t>(
                                        (i == 1 ? 0x80U : 0) |
                                        (i + size == unit.size() ? 0x40U : 0) | (unit[0] & 0x1fU))};
                base::append(payload, unit.subspan(i, size));
                sender.send(at, payload, is_last && i + size == unit.size(), out);
            }
        }
    });
}

// RFC 7798: single NAL units, however large.
inline void add_h265(std::uint16_t stream, int count, std::vector<MadePacket>& out) {
    Sender sender(stream, 98, 90'000);
    encode_walk("libx265", 320, 240, count, 40, [&](std::int64_t at_ns, base::ByteView frame) {
        const std::vector<base::ByteView> units = nal_units(frame);
        for (const base::ByteView& unit : units)
            sender.send(at_ns, {unit.begin(), unit.end()}, &unit == &units.back(), out);
    });
}

// The AV1 payload format: a packet of one OBU, without its size, for each but temporal delimiters.
inline void add_av1(std::uint16_t stream, int count, std::vector<MadePacket>& out) {
    Sender sender(stream, 99, 90'000);
    encode_walk("libaom-av1", 320, 240, count, 40, [&](std::int64_t at_ns, base::ByteView frame) {
        while (!frame.empty()) {
            const std::size_t header = (frame[0] & 0x04U) != 0 ? 2 : 1;
            std::size_t size = 0;
            std::size_t at = header;
            for (std::size_t shift = 0;; shift += 7) {
                size |= std::size_t{frame[at] & 0x7fU} << shift;
                if ((frame[at++] & 0x80U) == 0) break;
            }
            const std::uint8_t type = frame[0] >> 3U & 15U;
            base::Bytes payload{static_cast<std::uint8_t>(type == 1 ? 0x18 : 0x10)};  // W = 1; N
            base::append(payload, frame.first(header));
            payload[1] &= 0xfdU;  // has no size field
            base::append(payload, frame.subspan(at, size));
            frame = frame.subspan(at + size);
            if (type != 2) sender.send(at_ns, payload, frame.empty(), out);
        }
    });
}

inline rendition::Stream audio_stream(std::uint16_t number, std::string encoding = "PCMU",
                                      std::uint8_t payload_type = 0,
                                      std::uint32_t clock_rate = 8000) {
    return {.number = number,
            .label = std::to_string(number),
            .media = "audio",
            .name = "Voice " + std::to_string(number),
            .is_first = number == 0,
            .formats = {{.payload_type = payload_type,
                         .encoding = std::move(encoding),
                         .clock_rate = clock_rate}}};
}
inline rendition::Stream video_stream(std::uint16_t number, std::string encoding = "VP8",
                                      std::uint8_t payload_type = 96) {
    return {
        .number = number,
        .label = std::to_string(number),
        .media = "video",
        .name = "Camera " + std::to_string(number),
        .formats = {
            {.payload_type = payload_type, .encoding = std::move(encoding), .clock_rate = 90'000}}};
}

// Packets by their places, the first of each video stream ahead.
class MadeSource : public rendition::PacketSource {
public:
    MadeSource(const rendition::Job& job, std::vector<MadePacket> packets)
        : packets_(std::move(packets)) {
        std::stable_sort(packets_.begin(), packets_.end(), [](const auto& a, const auto& b) {
            return a.header.position_ns < b.header.position_ns;
        });
        for (const rendition::Stream& stream : job.streams) {
            if (!stream.is_video()) continue;
            int count = 0;
            for (const MadePacket& packet : packets_)
                if (packet.header.stream == stream.number && ++count <= 100) {
                    MadePacket preview = packet;
                    preview.header.type = rendition::RecordType::Preview;
                    previews_.push_back(std::move(preview));
                }
        }
    }
    base::Result<bool, base::Reason> next(base::Bytes& out) override {
        for (const auto* list : {&previews_, &packets_})
            for (const MadePacket& packet : *list)
                rendition::append_record(out, packet.header, packet.bytes);
        rendition::append_record(out, {.type = rendition::RecordType::End}, {});
        return false;
    }

private:
    std::vector<MadePacket> packets_;
    std::vector<MadePacket> previews_;
};

class MadeSink : public rendition::Sink {
public:
    base::Result<base::Done, base::Reason> write(std::uint64_t offset,
                                                 base::ByteView bytes) override {
        if (offset > content.size() ||
            (offset < content.size() && offset + bytes.size() > rendition::kMaxHeadBytes))
            return base::Reason{"out_of_place", "It wrote where it may not."};
        content.resize(std::max(content.size(), static_cast<std::size_t>(offset) + bytes.size()));
        std::copy(bytes.begin(), bytes.end(),
                  content.begin() + static_cast<std::ptrdiff_t>(offset));
        return base::Done{};
    }
    void on_progress(std::int64_t at_ms) override { progress_ms = at_ms; }
    base::Bytes content;
    std::int64_t progress_ms = -1;
};

// A track as libavformat reads it.
struct ReadTrack {
    AVMediaType type = AVMEDIA_TYPE_UNKNOWN;
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::string title;
    int width = 0;
    std::vector<std::int64_t> times_ms;
    std::vector<base::Bytes> packets;
};
struct ReadFile {
    double duration_s = 0;
    std::vector<std::string> chapters;  // "START_MS TITLE"
    std::vector<ReadTrack> tracks;
};

struct ReadBytes {
    base::ByteView all;
    std::size_t at = 0;
};
inline int read_bytes(void* opaque, std::uint8_t* out, int size) {
    auto& file = *static_cast<ReadBytes*>(opaque);
    const auto count = std::min(file.all.size() - file.at, static_cast<std::size_t>(size));
    if (count == 0) return AVERROR_EOF;
    std::memcpy(out, file.all.data() + file.at, count);
    file.at += count;
    return static_cast<int>(count);
}
inline std::int64_t seek_bytes(void* opaque, std::int64_t offset, int whence) {
    auto& file = *static_cast<ReadBytes*>(opaque);
    if (whence == AVSEEK_SIZE) return static_cast<std::int64_t>(file.all.size());
    if (whence == SEEK_CUR) offset += static_cast<std::int64_t>(file.at);
    if (whence == SEEK_END) offset += static_cast<std::int64_t>(file.all.size());
    if (offset < 0 || offset > static_cast<std::int64_t>(file.all.size())) return AVERROR(EINVAL);
    file.at = static_cast<std::size_t>(offset);
    return offset;
}

inline ReadFile read_file(const base::Bytes& content) {
    ReadFile file;
    ReadBytes bytes{.all = content};
    const IoContext io(avio_alloc_context(static_cast<std::uint8_t*>(av_malloc(65'536)), 65'536, 0,
                                          &bytes, &read_bytes, nullptr, &seek_bytes));
    AVFormatContext* context = avformat_alloc_context();
    context->pb = io.get();
    if (avformat_open_input(&context, nullptr, nullptr, nullptr) < 0) {
        ADD_FAILURE() << "libavformat cannot open " << content.size() << " bytes";
        return file;
    }
    avformat_find_stream_info(context, nullptr);
    file.duration_s = static_cast<double>(context->duration) / AV_TIME_BASE;
    for (unsigned i = 0; i < context->nb_chapters; ++i) {
        const AVChapter& chapter = *context->chapters[i];
        const AVDictionaryEntry* title = av_dict_get(chapter.metadata, "title", nullptr, 0);
        file.chapters.push_back(
            std::to_string(av_rescale_q(chapter.start, chapter.time_base, {1, 1000})) + " " +
            (title == nullptr ? "" : title->value));
    }
    for (unsigned i = 0; i < context->nb_streams; ++i) {
        const AVStream& stream = *context->streams[i];
        const AVDictionaryEntry* title = av_dict_get(stream.metadata, "title", nullptr, 0);
        file.tracks.push_back({.type = stream.codecpar->codec_type,
                               .codec = stream.codecpar->codec_id,
                               .title = title == nullptr ? "" : title->value,
                               .width = stream.codecpar->width,
                               .times_ms = {},
                               .packets = {}});
    }
    const Packet packet(av_packet_alloc());
    while (av_read_frame(context, packet.get()) == 0) {
        const AVStream& stream = *context->streams[packet->stream_index];
        ReadTrack& track = file.tracks[static_cast<std::size_t>(packet->stream_index)];
        track.times_ms.push_back(av_rescale_q(packet->pts, stream.time_base, {1, 1000}));
        track.packets.emplace_back(packet->data, packet->data + packet->size);
        av_packet_unref(packet.get());
    }
    avformat_close_input(&context);
    return file;
}

// The pictures of a track that needs nothing said before (VP8).
struct ReadPicture {
    std::int64_t at_ms = 0;
    int width = 0;
    int height = 0;
    base::Bytes luma{};
    int at(int x, int y) const { return luma[static_cast<std::size_t>(y * width + x)]; }
};
inline std::vector<ReadPicture> decode(const ReadTrack& track) {
    std::vector<ReadPicture> pictures;
    const AVCodec* decoder = avcodec_find_decoder(track.codec);
    int error = 0;
    const CodecContext context =
        open_codec(decoder, CodecContext(avcodec_alloc_context3(decoder)), nullptr, error);
    const Packet packet(av_packet_alloc());
    const Frame frame(av_frame_alloc());
    for (std::size_t i = 0; i < track.packets.size(); ++i) {
        av_new_packet(packet.get(), static_cast<int>(track.packets[i].size()));
        std::memcpy(packet->data, track.packets[i].data(), track.packets[i].size());
        avcodec_send_packet(context.get(), packet.get());
        av_packet_unref(packet.get());
        while (avcodec_receive_frame(context.get(), frame.get()) == 0) {
            ReadPicture picture{
                .at_ms = track.times_ms[i], .width = frame->width, .height = frame->height};
            for (int y = 0; y < frame->height; ++y)
                base::append(picture.luma, {frame->data[0] + y * frame->linesize[0],
                                            static_cast<std::size_t>(frame->width)});
            pictures.push_back(std::move(picture));
        }
    }
    return pictures;
}

}  // namespace earshot::media
