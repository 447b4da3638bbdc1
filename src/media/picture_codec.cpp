#include "media/picture_codec.h"

#include <cstring>
#include <new>

#include "base/text.h"

namespace earshot::media {

std::optional<AVCodecID> find_picture_codec(std::string_view encoding) {
    const auto is = [&](std::string_view name) { return base::iequals(encoding, name); };
    if (is("H264")) return AV_CODEC_ID_H264;
    if (is("H265")) return AV_CODEC_ID_HEVC;
    if (is("VP8")) return AV_CODEC_ID_VP8;
    if (is("VP9")) return AV_CODEC_ID_VP9;
    if (is("AV1")) return AV_CODEC_ID_AV1;
    return std::nullopt;
}

CodecParameters make_parameters(AVCodecID codec, const payload::PictureSize& size,
                                base::ByteView setup) {
    CodecParameters parameters(avcodec_parameters_alloc());
    if (!parameters) throw std::bad_alloc();
    parameters->codec_type = AVMEDIA_TYPE_VIDEO;
    parameters->codec_id = codec;
    parameters->width = static_cast<int>(size.width);
    parameters->height = static_cast<int>(size.height);
    if (setup.empty()) return parameters;
    parameters->extradata =
        static_cast<std::uint8_t*>(av_mallocz(setup.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (parameters->extradata == nullptr) throw std::bad_alloc();
    std::memcpy(parameters->extradata, setup.data(), setup.size());
    parameters->extradata_size = static_cast<int>(setup.size());
    return parameters;
}

}  // namespace earshot::media
