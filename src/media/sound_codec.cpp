#include "media/sound_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/text.h"

namespace earshot::media {
namespace {

struct Row {
    std::string_view encoding;
    AVCodecID id;
    int sample_rate;  // 0: the clock's
    int bits;
    int frame_bytes;
    int frame_samples;
};
constexpr std::array<Row, 17> kRows{{
    {"PCMU", AV_CODEC_ID_PCM_MULAW, 0, 8, 1, 0},
    {"PCMA", AV_CODEC_ID_PCM_ALAW, 0, 8, 1, 0},
    {"G722", AV_CODEC_ID_ADPCM_G722, 16'000, 4, 1, 0},  // RFC 3551 section 4.5.2
    {"L16", AV_CODEC_ID_PCM_S16BE, 0, 16, 2, 0},
    {"L24", AV_CODEC_ID_PCM_S24BE, 0, 24, 3, 0},
    {"G726-16", AV_CODEC_ID_ADPCM_G726LE, 0, 2, 0, 0},
    {"G726-24", AV_CODEC_ID_ADPCM_G726LE, 0, 3, 0, 0},
    {"G726-32", AV_CODEC_ID_ADPCM_G726LE, 0, 4, 0, 0},
    {"G726-40", AV_CODEC_ID_ADPCM_G726LE, 0, 5, 0, 0},
    {"opus", AV_CODEC_ID_OPUS, 48'000, 0, 0, 960},
    {"speex", AV_CODEC_ID_SPEEX, 0, 0, 0, 160},
    {"G729", AV_CODEC_ID_G729, 0, 0, 10, 80},
    {"G723", AV_CODEC_ID_G723_1, 0, 0, 24, 240},
    {"GSM", AV_CODEC_ID_GSM, 0, 0, 33, 160},
    {"iLBC", AV_CODEC_ID_ILBC, 0, 0, 50, 240},
    {"AMR", AV_CODEC_ID_AMR_NB, 8000, 0, 0, 160},
    {"AMR-WB", AV_CODEC_ID_AMR_WB, 16'000, 0, 0, 320},
}};

// The identification header that Ogg and Matroska have for Opus (RFC 7845 section 5.1).
constexpr std::array<std::uint8_t, 19> kOpusHead{'O', 'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 2,
                                                 0,   0,   0x80, 0xbb, 0,   0,   0,   0,   0};

}  // namespace

std::optional<SoundCodec> find_sound_codec(const rendition::Format& format) {
    const auto* row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& candidate) {
        return base::iequals(candidate.encoding, format.encoding);
    });
    if (row == kRows.end()) return std::nullopt;
    SoundCodec codec{.id = row->id,
                     .sample_rate = row->sample_rate != 0 ? row->sample_rate
                                                          : static_cast<int>(format.clock_rate),
                     .channels = format.channels,
                     .bits = row->bits,
                     .frame_bytes = row->frame_bytes * format.channels,
                     .frame_samples = row->frame_samples};
    // 38 octets are 20 ms (RFC 3952 section 3.1).
    if (codec.id == AV_CODEC_ID_ILBC && format.fmtp.find("mode=20") != std::string::npos) {
        codec.frame_bytes = 38;
        codec.frame_samples = 160;
    }
    return codec;
}

CodecParameters make_parameters(const SoundCodec& codec) {
    CodecParameters parameters(avcodec_parameters_alloc());
    if (!parameters) throw std::bad_alloc();
    parameters->codec_type = AVMEDIA_TYPE_AUDIO;
    parameters->codec_id = codec.id;
    parameters->sample_rate = codec.sample_rate;
    av_channel_layout_default(&parameters->ch_layout, codec.channels);
    parameters->bits_per_coded_sample = codec.bits;
    parameters->block_align = codec.frame_bytes;
    parameters->frame_size = codec.frame_samples;
    if (codec.id == AV_CODEC_ID_OPUS) {
        parameters->extradata =
            static_cast<std::uint8_t*>(av_mallocz(kOpusHead.size() + AV_INPUT_BUFFER_PADDING_SIZE));
        if (parameters->extradata == nullptr) throw std::bad_alloc();
        std::memcpy(parameters->extradata, kOpusHead.data(), kOpusHead.size());
        parameters->extradata_size = static_cast<int>(kOpusHead.size());
    }
    return parameters;
}

bool is_no_sound(std::string_view encoding) {
    return base::iequals(encoding, "telephone-event") || base::iequals(encoding, "CN") ||
           base::iequals(encoding, "tone");
}

}  // namespace earshot::media
