#include "payload/key_frame.h"

#include "base/text.h"
#include "payload/vp8.h"
#include "payload/vp9.h"

namespace earshot::payload {

namespace {

bool is_h264_key(std::uint8_t header) {
    const int type = header & 0x1f;
    return type == 5 || type == 7;
}

bool is_h265_key(std::uint8_t header) {
    const int type = header >> 1 & 0x3f;
    return (type >= 16 && type <= 23) || type == 32 || type == 33;
}

// RFC 6184: of an aggregation packet its first unit, of a fragment the one it begins.
bool begins_h264(base::ByteView payload) {
    switch (payload[0] & 0x1f) {
        case 24:  // STAP-A
            return payload.size() > 3 && is_h264_key(payload[3]);
        case 25:  // STAP-B
            return payload.size() > 5 && is_h264_key(payload[5]);
        case 26:  // MTAP16
            return payload.size() > 8 && is_h264_key(payload[8]);
        case 27:  // MTAP24
            return payload.size() > 9 && is_h264_key(payload[9]);
        case 28:  // FU
        case 29:
            return payload.size() > 1 && (payload[1] & 0x80) != 0 && is_h264_key(payload[1]);
        default:
            return is_h264_key(payload[0]);
    }
}

// RFC 7798. Where units carry decoding order numbers those of an aggregation packet lie two octets
// further; both places are looked at.
bool begins_h265(base::ByteView payload) {
    const int type = payload[0] >> 1 & 0x3f;
    if (type == 48) {
        return (payload.size() > 4 && is_h265_key(payload[4])) ||
               (payload.size() > 6 && is_h265_key(payload[6]));
    }
    if (type == 49) {
        return payload.size() > 2 && (payload[2] & 0x80) != 0 &&
               is_h265_key(static_cast<std::uint8_t>((payload[2] & 0x3f) << 1));
    }
    return is_h265_key(payload[0]);
}

bool begins_vp8(base::ByteView payload) {
    const auto size = vp8_descriptor_size(payload);
    const bool begins = (payload[0] & 0x10) != 0 && (payload[0] & 0x07) == 0;
    return size && begins && is_vp8_key_frame(payload.subspan(*size));
}

bool begins_vp9(base::ByteView payload) {
    const auto descriptor = parse_vp9_descriptor(payload);
    return descriptor && descriptor->begins_frame && !descriptor->is_predicted &&
           descriptor->spatial_layer == 0;
}

}  // namespace

VideoCodec video_codec(std::string_view encoding) {
    if (base::iequals(encoding, "H264")) return VideoCodec::H264;
    if (base::iequals(encoding, "H265")) return VideoCodec::H265;
    if (base::iequals(encoding, "VP8")) return VideoCodec::Vp8;
    if (base::iequals(encoding, "VP9")) return VideoCodec::Vp9;
    if (base::iequals(encoding, "AV1")) return VideoCodec::Av1;
    return VideoCodec::Unknown;
}

bool begins_key_frame(VideoCodec codec, base::ByteView payload) {
    if (payload.empty()) return false;
    switch (codec) {
        case VideoCodec::H264:
            return begins_h264(payload);
        case VideoCodec::H265:
            return begins_h265(payload);
        case VideoCodec::Vp8:
            return begins_vp8(payload);
        case VideoCodec::Vp9:
            return begins_vp9(payload);
        case VideoCodec::Av1:
            // N: a new coded video sequence; not Z, the rest of an OBU.
            return payload.size() > 1 && (payload[0] & 0x88) == 0x08;
        case VideoCodec::Unknown:
            break;
    }
    return false;
}

}  // namespace earshot::payload
