#include "media/muxer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace earshot::media {
namespace {

using rendition::Container;

const char* name_of(Container container) {
    switch (container) {
        case Container::Webm:
            return "webm";
        case Container::Mp4:
            return "mp4";
        case Container::Ogg:
            return "ogg";
        default:
            return "matroska";
    }
}

constexpr AVRational kNanoseconds{1, 1'000'000'000};

int write_header(AVFormatContext& context, Container container, bool has_video) {
    AVDictionary* options = nullptr;
    if (container == Container::Mp4) {
        av_dict_set(&options, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0);
        // Sound alone has no key frames to begin a fragment at.
        av_dict_set(&options, has_video ? "min_frag_duration" : "frag_duration", "2000000", 0);
        av_dict_set(&options, "strict", "experimental", 0);
    } else if (container != Container::Ogg) {
        av_dict_set(&options, "cluster_time_limit", "2000", 0);
        av_dict_set(&options, "strict", "experimental", 0);
    }
    const int error = avformat_write_header(&context, &options);
    av_dict_free(&options);
    return error;
}

int add_stream(AVFormatContext& context, const AVCodecParameters& parameters,
               AVRational time_base) {
    AVStream* stream = avformat_new_stream(&context, nullptr);
    if (stream == nullptr) throw std::bad_alloc();
    const int error = avcodec_parameters_copy(stream->codecpar, &parameters);
    stream->codecpar->codec_tag = 0;
    stream->time_base = time_base;
    return error;
}

}  // namespace

Expected<std::unique_ptr<Muxer>> Muxer::make(Container container, Output& output,
                                             const rendition::Job& job) {
    std::unique_ptr<Muxer> muxer(new Muxer(container, output));
    AVFormatContext* context = nullptr;
    const int error =
        avformat_alloc_output_context2(&context, nullptr, name_of(container), nullptr);
    if (error < 0) return av_reason("The container", error);
    muxer->context_.reset(context);
    muxer->io_ = output.make_io();
    muxer->packet_.reset(av_packet_alloc());
    if (!muxer->packet_) throw std::bad_alloc();
    context->pb = muxer->io_.get();
    // Fragments can be played while they come: nothing of MP4 is written again.
    if (container == Container::Mp4) context->pb->seekable = 0;
    // No version of a library and no random numbers: the same packets make the same bytes.
    context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT | AVFMT_FLAG_FLUSH_PACKETS;
    context->duration = job.duration_ms * (AV_TIME_BASE / 1000);
    av_dict_set(&context->metadata, "title", job.title.c_str(), 0);
    av_dict_set(&context->metadata, "creation_time", job.started.c_str(), 0);
    return muxer;
}

bool Muxer::can_hold(AVCodecID codec) const {
    if (avformat_query_codec(context_->oformat, codec, FF_COMPLIANCE_NORMAL) == 1) return true;
    // What Matroska has no name for it holds under that of WAV (A_MS/ACM).
    const std::array<const AVCodecTag*, 2> tags{avformat_get_riff_audio_tags(), nullptr};
    return container_ == Container::Matroska && av_codec_get_tag(tags.data(), codec) != 0;
}

void Muxer::add_chapters(std::vector<Chapter> chapters) {
    if (chapters.empty()) return;
    std::stable_sort(chapters.begin(), chapters.end(),
                     [](const Chapter& a, const Chapter& b) { return a.from_ms < b.from_ms; });
    context_->chapters = static_cast<AVChapter**>(av_calloc(chapters.size(), sizeof(AVChapter*)));
    if (context_->chapters == nullptr) throw std::bad_alloc();
    for (const Chapter& one : chapters) {
        auto* chapter = static_cast<AVChapter*>(av_mallocz(sizeof(AVChapter)));
        if (chapter == nullptr) throw std::bad_alloc();
        chapter->id = context_->nb_chapters + 1;
        chapter->time_base = {1, 1000};
        chapter->start = one.from_ms;
        chapter->end = one.to_ms;
        av_dict_set(&chapter->metadata, "title", one.title.c_str(), 0);
        context_->chapters[context_->nb_chapters++] = chapter;
    }
}

Outcome Muxer::can_begin(const AVCodecParameters& parameters, AVRational time_base) const {
    AVFormatContext* made = nullptr;
    int error = avformat_alloc_output_context2(&made, nullptr, name_of(container_), nullptr);
    if (error < 0) return av_reason("The container", error);
    const FormatContext trial(made);
    if (avio_open_dyn_buf(&made->pb) < 0) throw std::bad_alloc();
    // As in make(): what is never written again is written otherwise.
    if (container_ == Container::Mp4) made->pb->seekable = 0;
    made->flags |= AVFMT_FLAG_BITEXACT;
    error = add_stream(*made, parameters, time_base);
    if (error >= 0)
        error = write_header(*made, container_, parameters.codec_type == AVMEDIA_TYPE_VIDEO);
    std::uint8_t* written = nullptr;
    avio_close_dyn_buf(made->pb, &written);
    made->pb = nullptr;
    av_free(written);
    if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (error < 0) return av_reason("The track cannot begin", error);
    return base::Done{};
}

Expected<std::size_t> Muxer::add_track(const AVCodecParameters& parameters, AVRational time_base,
                                       const std::string& name) {
    const int error = add_stream(*context_, parameters, time_base);
    if (error < 0) return av_reason("A track", error);
    AVStream* stream = context_->streams[context_->nb_streams - 1];
    av_dict_set(&stream->metadata, "title", name.c_str(), 0);
    av_dict_set(&stream->metadata, "handler_name", name.c_str(), 0);
    tracks_.push_back({.is_video = parameters.codec_type == AVMEDIA_TYPE_VIDEO});
    return tracks_.size() - 1;
}

Outcome Muxer::begin() {
    const bool has_video = std::any_of(tracks_.begin(), tracks_.end(),
                                       [](const Track& track) { return track.is_video; });
    const int error = write_header(*context_, container_, has_video);
    if (error < 0) return av_reason("The container cannot begin", error);
    return base::Done{};
}

Outcome Muxer::write(std::size_t track, const MuxedFrame& frame) {
    AVPacket& packet = *packet_;
    if (av_new_packet(&packet, static_cast<int>(frame.bytes.size())) < 0) throw std::bad_alloc();
    std::memcpy(packet.data, frame.bytes.data(), frame.bytes.size());
    packet.pts = std::max<std::int64_t>(frame.position_ns, 0);
    packet.dts = packet.pts;
    packet.duration = frame.duration_ns;
    if (frame.is_key) packet.flags |= AV_PKT_FLAG_KEY;
    return write(track, packet, kNanoseconds);
}

Outcome Muxer::write(std::size_t track, AVPacket& packet, AVRational time_base) {
    packet.stream_index = static_cast<int>(track);
    av_packet_rescale_ts(&packet, time_base, context_->streams[packet.stream_index]->time_base);
    Track& state = tracks_[track];
    // Two frames of one moment, or of a sender that reorders them: each needs a time of its own.
    if (packet.dts <= state.last_dts) packet.dts = state.last_dts + 1;
    packet.pts = std::max(packet.pts, packet.dts);
    state.last_dts = packet.dts;
    return write_now(packet);
}

Outcome Muxer::write_now(AVPacket& packet) {
    const int error = av_write_frame(context_.get(), &packet);
    av_packet_unref(&packet);
    if (output_.has_failed()) return base::Reason{"cancelled", "Nobody reads it any more."};
    // What is in the frame is the sender's: parameter sets in it are read here, too.
    if (error == AVERROR_INVALIDDATA || error == AVERROR(EINVAL) || error == AVERROR_PATCHWELCOME)
        return base::Reason{"refused", "The container does not take a frame."};
    if (error < 0) return av_reason("A frame cannot be written", error);
    return base::Done{};
}

Outcome Muxer::finish() {
    const int error = av_write_trailer(context_.get());
    if (error < 0) return av_reason("The container cannot end", error);
    avio_flush(context_->pb);
    if (output_.has_failed()) return base::Reason{"cancelled", "Nobody reads it any more."};
    return base::Done{};
}

}  // namespace earshot::media
