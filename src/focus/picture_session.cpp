#include "focus/picture_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "payload/format_parameters.h"
#include "sdp/content.h"
#include "sdp/rtcp_feedback.h"

namespace earshot::focus {

using base::Reason;
using base::Result;
using payload::VideoCodec;
using sdp::Direction;
using sdp::MediaDescription;

namespace {

constexpr std::uint32_t kClockRate = 90'000;

std::string_view name_of(VideoCodec codec) { return codec == VideoCodec::Vp8 ? "VP8" : "H264"; }

// RFC 6184 section 8.1: what is not said is Baseline, in single NAL units.
std::optional<PictureFormat> format_of(const sdp::PayloadType& type) {
    if (type.clock_rate != kClockRate) return std::nullopt;
    PictureFormat format{.codec = payload::video_codec(type.encoding)};
    if (format.codec == VideoCodec::Vp8) return format;
    if (format.codec != VideoCodec::H264) return std::nullopt;
    constexpr std::uint8_t kBaseline = 0x42;
    format.packetization_mode =
        static_cast<std::uint8_t>(payload::format_number(type.fmtp, "packetization-mode", 0));
    const std::string_view level = payload::format_parameter(type.fmtp, "profile-level-id");
    const auto profile = base::parse_hex(level.substr(0, 2));
    format.profile = profile && profile->size() == 1 ? profile->front() : kBaseline;
    return format;
}

// Of theirs those that we know.
std::vector<const sdp::PayloadType*> known_types(const MediaDescription& medium) {
    std::vector<const sdp::PayloadType*> known;
    for (const sdp::PayloadType& type : medium.payload_types)
        if (format_of(type)) known.push_back(&type);
    return known;
}

// What who shows is to show: what is in the room, or, where there is nothing yet, what most of
// those see who are there; of equals the first.
const sdp::PayloadType* choose_type(const std::vector<const sdp::PayloadType*>& known,
                                    const OwnPicture& own) {
    const sdp::PayloadType* chosen = nullptr;
    std::ptrdiff_t most = -1;
    for (const sdp::PayloadType* type : known) {
        const PictureFormat format = *format_of(*type);
        if (own.only && *own.only != format) continue;
        const auto see =
            std::count_if(own.watchers.begin(), own.watchers.end(), [&](const auto& takes) {
                return std::find(takes.begin(), takes.end(), format) != takes.end();
            });
        if (see <= most) continue;
        most = see;
        chosen = type;
    }
    return chosen;
}

}  // namespace

std::string to_string(const PictureFormat& format) {
    if (format.codec != VideoCodec::H264) return std::string(name_of(format.codec));
    return fmt::format("H264 (profile {}, mode {})", format.profile, format.packetization_mode);
}

std::optional<Picture> picture_of(const MediaDescription& medium) {
    if (medium.media != "video" || medium.port == 0 || !medium.is_rtp()) return std::nullopt;
    const sdp::ContentSet content = sdp::parse_content(medium.content);
    if (content.has(sdp::Content::Slides)) return Picture::Content;
    if (content.empty() || content.has(sdp::Content::Main) || content.has(sdp::Content::Speaker))
        return Picture::Camera;
    return std::nullopt;
}

Result<AgreedPicture, Reason> agree_picture(const sdp::SessionDescription& theirs,
                                            std::size_t index, const OwnPicture& own) {
    const MediaDescription& medium = theirs.media[index];
    if (medium.is_secure_rtp())
        return Reason{"secure_media",
                      "The conference shows pictures in the clear alone (RTP/AVP)."};
    const Direction direction = medium.direction;
    const bool shows = direction == Direction::SendRecv || direction == Direction::SendOnly;
    std::vector<const sdp::PayloadType*> types = known_types(medium);
    const bool knows_any = !types.empty();
    if (shows) {
        const sdp::PayloadType* const chosen = choose_type(types, own);
        types.clear();
        if (chosen != nullptr) types.push_back(chosen);
    }
    if (types.empty())
        return Reason{"no_common_codec",
                      own.only && knows_any
                          ? fmt::format("The conference shows {}, which the line does not "
                                        "offer; pictures are passed on as they come.",
                                        to_string(*own.only))
                          : "The conference shows VP8 and H264 alone."};
    AgreedPicture agreed{.index = index};
    agreed.title = base::to_valid_utf8(medium.title);
    agreed.place.rtp = sdp::rtp_address(theirs, medium).value_or(base::NetAddress{});
    agreed.place.rtcp = sdp::rtcp_address(theirs, medium, false).value_or(base::NetAddress{});
    PictureLine& line = agreed.place.line;
    for (const sdp::PayloadType* type : types) {
        line.types.push_back({.payload_type = type->number, .format = *format_of(*type)});
        agreed.fmtp.emplace_back(type->fmtp);
    }
    line.shows = shows;
    line.sees = !theirs.is_held_by_address(medium) &&
                (direction == Direction::SendRecv || direction == Direction::RecvOnly);
    const sdp::RtcpFeedback feedback = sdp::feedback_of(theirs, medium);
    line.takes_pli = feedback.pli;
    line.takes_fir = feedback.fir;
    return agreed;
}

void append_picture(const AgreedPicture& agreed, Picture picture, std::uint16_t port,
                    std::string_view proto, std::string& out) {
    const PictureLine& line = agreed.place.line;
    out += fmt::format("m=video {} {}", port, proto);
    for (const PictureType& type : line.types) out += fmt::format(" {}", type.payload_type);
    out += "\r\n";
    if (!agreed.title.empty()) out += fmt::format("i={}\r\n", agreed.title);
    for (std::size_t i = 0; i < line.types.size(); ++i) {
        const int type = line.types[i].payload_type;
        const PictureFormat& format = line.types[i].format;
        out += fmt::format("a=rtpmap:{} {}/{}\r\n", type, name_of(format.codec), kClockRate);
        if (format.codec == VideoCodec::H264) {
            const std::string_view level =
                i < agreed.fmtp.size()
                    ? payload::format_parameter(agreed.fmtp[i], "profile-level-id")
                    : std::string_view{};
            out += fmt::format("a=fmtp:{} packetization-mode={}", type, format.packetization_mode);
            if (!level.empty()) out += fmt::format(";profile-level-id={}", level);
            out += "\r\n";
        }
        if (line.takes_pli) out += fmt::format("a=rtcp-fb:{} nack pli\r\n", type);
        if (line.takes_fir) out += fmt::format("a=rtcp-fb:{} ccm fir\r\n", type);
    }
    if (picture == Picture::Content) out += "a=content:slides\r\n";
    const Direction direction = line.shows
                                    ? (line.sees ? Direction::SendRecv : Direction::RecvOnly)
                                    : (line.sees ? Direction::SendOnly : Direction::Inactive);
    out += fmt::format("a={}\r\n", sdp::to_string(direction));
}

}  // namespace earshot::focus
