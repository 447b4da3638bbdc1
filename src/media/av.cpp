#include "media/av.h"

#include <fmt/format.h>

#include <array>

namespace earshot::media {

base::Reason av_reason(std::string_view what, int error) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(error, text.data(), text.size());
    if (error == AVERROR(ENOMEM))
        return {"media_limit", fmt::format("{}: it needed more memory than a job may have.", what)};
    return {"media_failed", fmt::format("{}: {}.", what, text.data())};
}

CodecContext open_codec(const AVCodec* codec, CodecContext context, AVDictionary** options,
                        int& error) {
    context->thread_count = 1;
    error = avcodec_open2(context.get(), codec, options);
    if (error < 0) return nullptr;
    return context;
}

}  // namespace earshot::media
