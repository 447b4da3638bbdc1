// FFmpeg's C handles as values that release themselves, and its errors as reasons. The one header
// of this folder that knows FFmpeg's headers are C.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::media {

struct AvDeleter {
    void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
    void operator()(AVFrame* frame) const { av_frame_free(&frame); }
    void operator()(AVPacket* packet) const { av_packet_free(&packet); }
    void operator()(AVCodecParameters* parameters) const { avcodec_parameters_free(&parameters); }
    void operator()(AVFormatContext* context) const { avformat_free_context(context); }
    void operator()(SwrContext* context) const { swr_free(&context); }
    void operator()(SwsContext* context) const { sws_freeContext(context); }
    void operator()(AVIOContext* context) const {
        av_freep(&context->buffer);
        avio_context_free(&context);
    }
};
using CodecContext = std::unique_ptr<AVCodecContext, AvDeleter>;
using Frame = std::unique_ptr<AVFrame, AvDeleter>;
using Packet = std::unique_ptr<AVPacket, AvDeleter>;
using CodecParameters = std::unique_ptr<AVCodecParameters, AvDeleter>;
using FormatContext = std::unique_ptr<AVFormatContext, AvDeleter>;
using Resampler = std::unique_ptr<SwrContext, AvDeleter>;
using Scaler = std::unique_ptr<SwsContext, AvDeleter>;
using IoContext = std::unique_ptr<AVIOContext, AvDeleter>;

using Outcome = base::Result<base::Done, base::Reason>;
template <class T>
using Expected = base::Result<T, base::Reason>;

// "what: FFmpeg's text of the error"; code "media_failed", or "media_limit" for want of memory.
base::Reason av_reason(std::string_view what, int error);

// FFmpeg must not make threads here: seccomp forbids them, and one job is one processor's.
CodecContext open_codec(const AVCodec* codec, CodecContext context, AVDictionary** options,
                        int& error);

}  // namespace earshot::media
