#include "focus/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "payload/format_parameters.h"
#include "rtp/header_extension.h"
#include "sdp/extmap.h"

namespace earshot::focus {

using base::Reason;
using base::Result;
using sdp::Direction;
using sdp::MediaDescription;
using sdp::SessionDescription;

namespace {

constexpr std::uint16_t kMaxOneByteId = 14;  // RFC 8285 section 4.2

// RFC 7587 section 7: always said as 48 kHz and two channels, whatever is in it.
constexpr std::uint32_t kOpusClockRate = clock_rate_of(MixCodec::Opus);
constexpr std::string_view kOpusFormat =
    "useinbandfec=1;stereo=0;maxplaybackrate=16000;sprop-maxcapturerate=16000";

std::optional<MixCodec> codec_of(const sdp::PayloadType& type, bool speaks_opus) {
    if (speaks_opus && type.is("opus") && type.clock_rate == kOpusClockRate && type.channels == 2)
        return MixCodec::Opus;
    if (type.clock_rate != 8000 || type.channels != 1) return std::nullopt;
    if (type.is("PCMU")) return MixCodec::Pcmu;
    if (type.is("PCMA")) return MixCodec::Pcma;
    if (type.is("G722")) return MixCodec::G722;
    return std::nullopt;
}

std::string_view name_of(MixCodec codec) {
    constexpr std::array<std::string_view, 4> kNames{"PCMU", "PCMA", "G722", "opus"};
    return kNames[static_cast<std::size_t>(codec)];
}

struct Speech {
    std::size_t index = 0;
    sdp::PayloadType type{};
    MixCodec codec{};
    std::optional<sdp::PayloadType> keys{};  // telephone-event
};

const sdp::PayloadType* find_speech(const MediaDescription& medium, bool speaks_opus) {
    const auto found =
        std::find_if(medium.payload_types.begin(), medium.payload_types.end(),
                     [&](const auto& type) { return codec_of(type, speaks_opus).has_value(); });
    return found == medium.payload_types.end() ? nullptr : &*found;
}

// Their clock is that of the speech (RFC 4733 section 2.1); who has Opus often has the other alone.
std::optional<sdp::PayloadType> find_keys(const MediaDescription& medium, MixCodec codec) {
    std::optional<sdp::PayloadType> keys;
    for (const sdp::PayloadType& type : medium.payload_types) {
        if (!type.is("telephone-event")) continue;
        if (type.clock_rate == clock_rate_of(codec)) return type;
        if (type.clock_rate == clock_rate_of(MixCodec::Pcmu) && !keys) keys = type;
    }
    return keys;
}

// What they say of the Opus that they want to hear (RFC 7587 section 6.1); what is no number says
// nothing.
OpusWishes wishes_of(const sdp::PayloadType& type) {
    OpusWishes wishes;
    const auto at_most = [&](std::string_view name, std::uint32_t& value) {
        value = std::min(
            value, static_cast<std::uint32_t>(payload::format_number(type.fmtp, name, value)));
    };
    at_most("maxplaybackrate", wishes.bandwidth_hz);
    at_most("maxaveragebitrate", wishes.bitrate);
    wishes.takes_fec = payload::format_parameter(type.fmtp, "useinbandfec") == "1";
    wishes.is_constant = payload::format_parameter(type.fmtp, "cbr") == "1";
    return wishes;
}

Result<Speech, Reason> choose(const SessionDescription& theirs, std::optional<std::size_t> only,
                              bool speaks_opus) {
    Reason fault{"no_audio", "There is no line of audio that could be mixed."};
    for (std::size_t i = 0; i < theirs.media.size(); ++i) {
        const MediaDescription& medium = theirs.media[i];
        if ((only && *only != i) || medium.media != "audio" || medium.port == 0) continue;
        if (!medium.is_rtp() || medium.is_secure_rtp()) {
            fault = {"secure_media", "The conference mixes media in the clear alone (RTP/AVP)."};
            continue;
        }
        const sdp::PayloadType* type = find_speech(medium, speaks_opus);
        if (type == nullptr) {
            fault = {"no_codec", speaks_opus
                                     ? "The conference speaks PCMU, PCMA, G722 and Opus alone."
                                     : "The conference speaks PCMU, PCMA and G722 alone."};
            continue;
        }
        const MixCodec codec = *codec_of(*type, speaks_opus);
        return Speech{.index = i, .type = *type, .codec = codec, .keys = find_keys(medium, codec)};
    }
    return fault;
}

std::optional<std::uint8_t> extension_id(const SessionDescription& theirs,
                                         const MediaDescription& medium, std::string_view uri) {
    for (const sdp::ExtMap& map : sdp::extmaps_of(theirs, medium))
        if (map.uri == uri && map.id >= 1 && map.id <= kMaxOneByteId)
            return static_cast<std::uint8_t>(map.id);
    return std::nullopt;
}

// The first line of each kind of picture that we have a place for.
void agree_pictures(const SessionDescription& theirs, const OwnPictures& own, Agreed& agreed) {
    for (std::size_t i = 0; i < theirs.media.size(); ++i) {
        const auto picture = picture_of(theirs.media[i]);
        if (!picture || own[index_of(*picture)].rtp.is_unspecified()) continue;
        auto& taken = agreed.pictures[index_of(*picture)];
        if (taken) {
            agreed.refused.push_back(
                {"one_line_of_each", "The conference takes one line of each kind of video."});
            continue;
        }
        auto one = agree_picture(theirs, i, own[index_of(*picture)]);
        if (one)
            taken = *std::move(one);
        else
            agreed.refused.push_back(one.error());
    }
}

Agreed agree(const SessionDescription& theirs, const Speech& speech) {
    const MediaDescription& medium = theirs.media[speech.index];
    const MixFormat format{.payload_type = speech.type.number, .codec = speech.codec};
    Agreed agreed{.index = speech.index, .codec = std::string(name_of(speech.codec))};
    agreed.rtp = sdp::rtp_address(theirs, medium).value_or(base::NetAddress{});
    agreed.rtcp = sdp::rtcp_address(theirs, medium, false).value_or(base::NetAddress{});
    const bool is_held = theirs.is_held_by_address(medium);
    const Direction direction = medium.direction;
    agreed.wants_to_hear =
        !is_held && (direction == Direction::SendRecv || direction == Direction::RecvOnly);
    agreed.may_speak = direction == Direction::SendRecv || direction == Direction::SendOnly;
    if (agreed.may_speak) agreed.line.formats = {format};
    if (agreed.wants_to_hear) agreed.line.hears = format;
    if (speech.codec == MixCodec::Opus) agreed.line.opus = wishes_of(speech.type);
    agreed.line.level_id = extension_id(theirs, medium, rtp::kClientAudioLevel);
    agreed.line.levels_id = extension_id(theirs, medium, rtp::kMixerAudioLevel);
    return agreed;
}

std::string head(const OwnMedia& own) {
    const char* const family = own.rtp.is_v4() ? "IP4" : "IP6";
    const std::string host = base::host_to_string(own.rtp);
    return fmt::format("v=0\r\no=- {} {} IN {} {}\r\ns=conference\r\nc=IN {} {}\r\nt=0 0\r\n",
                       own.session_id, own.version, family, host, family, host);
}

void append_refused(const MediaDescription& medium, std::string& out) {
    out += fmt::format("m={} 0 {} {}\r\n", medium.media, medium.proto,
                       medium.formats.empty() ? "0" : medium.formats);
}

std::string_view direction_of(const Agreed& agreed) {
    if (agreed.may_speak) return agreed.wants_to_hear ? "sendrecv" : "recvonly";
    return agreed.wants_to_hear ? "sendonly" : "inactive";
}

std::string write_answer(const SessionDescription& theirs, const Speech& speech,
                         const Agreed& agreed, const OwnMedia& own) {
    std::string out = head(own);
    for (std::size_t i = 0; i < theirs.media.size(); ++i) {
        const MediaDescription& medium = theirs.media[i];
        const auto picture = picture_of(medium);
        const auto* const shown = picture ? &agreed.pictures[index_of(*picture)] : nullptr;
        if (shown != nullptr && *shown && (*shown)->index == i) {
            AgreedPicture ours = **shown;
            ours.title.clear();
            append_picture(ours, *picture, own.pictures[index_of(*picture)].rtp.port, medium.proto,
                           out);
            if (!medium.mid.empty()) out += fmt::format("a=mid:{}\r\n", medium.mid);
            continue;
        }
        if (i != speech.index) {
            append_refused(medium, out);
            continue;
        }
        out += fmt::format("m=audio {} {} {}", own.rtp.port, medium.proto, speech.type.number);
        if (speech.keys) out += fmt::format(" {}", speech.keys->number);
        if (speech.codec == MixCodec::Opus)
            out += fmt::format("\r\na=rtpmap:{0} opus/48000/2\r\na=fmtp:{0} {1}\r\n",
                               speech.type.number, kOpusFormat);
        else
            out += fmt::format("\r\na=rtpmap:{} {}/8000\r\n", speech.type.number, agreed.codec);
        if (speech.keys)
            out += fmt::format("a=rtpmap:{0} telephone-event/{1}\r\na=fmtp:{0} 0-15\r\n",
                               speech.keys->number, speech.keys->clock_rate);
        // RFC 8285 section 6: a direction is seen from who writes it.
        if (agreed.line.level_id)
            out += fmt::format("a=extmap:{}/recvonly {}\r\n", *agreed.line.level_id,
                               rtp::kClientAudioLevel);
        if (agreed.line.levels_id)
            out += fmt::format("a=extmap:{}/sendonly {}\r\n", *agreed.line.levels_id,
                               rtp::kMixerAudioLevel);
        if (!medium.mid.empty()) out += fmt::format("a=mid:{}\r\n", medium.mid);
        out += fmt::format("a=ptime:20\r\na={}\r\n", direction_of(agreed));
    }
    return out;
}

}  // namespace

Result<Agreed, Reason> answer_offer(std::string_view offer, const OwnMedia& own) {
    const auto theirs = sdp::parse(offer);
    if (!theirs) return Reason{"sdp_malformed", "The session description cannot be read."};
    const auto speech = choose(*theirs, std::nullopt, own.speaks_opus);
    if (!speech) return speech.error();
    Agreed agreed = agree(*theirs, *speech);
    agree_pictures(*theirs, own.pictures, agreed);
    agreed.sdp = write_answer(*theirs, *speech, agreed, own);
    return agreed;
}

Result<Agreed, Reason> refuse_media(std::string_view offer, const OwnMedia& own) {
    const auto theirs = sdp::parse(offer);
    if (!theirs) return Reason{"sdp_malformed", "The session description cannot be read."};
    Agreed agreed{.sdp = head(own), .may_speak = false};
    for (const MediaDescription& medium : theirs->media) append_refused(medium, agreed.sdp);
    return agreed;
}

std::string make_offer(const OwnMedia& own) {
    constexpr int kOpus = 96;
    std::string out = head(own) + fmt::format("m=audio {} RTP/AVP 9", own.rtp.port);
    if (own.speaks_opus) out += fmt::format(" {}", kOpus);
    out += " 8 0 101\r\na=rtpmap:9 G722/8000\r\n";
    if (own.speaks_opus)
        out += fmt::format("a=rtpmap:{0} opus/48000/2\r\na=fmtp:{0} {1}\r\n", kOpus, kOpusFormat);
    return out + fmt::format(
                     "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
                     "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
                     "a=extmap:1/recvonly {}\r\na=extmap:2/sendonly {}\r\n"
                     "a=ptime:20\r\na=sendrecv\r\n",
                     rtp::kClientAudioLevel, rtp::kMixerAudioLevel);
}

Result<Agreed, Reason> take_answer(std::string_view answer, const Agreed& before,
                                   const OwnMedia& own) {
    const auto theirs = sdp::parse(answer);
    if (!theirs) return Reason{"sdp_malformed", "The session description cannot be read."};
    const auto speech = choose(*theirs, before.index, own.speaks_opus);
    if (!speech) return speech.error();
    Agreed agreed = agree(*theirs, *speech);
    for (const Picture picture : kAllPictures) {
        const auto& known = before.pictures[index_of(picture)];
        if (!known || known->index >= theirs->media.size() || theirs->media[known->index].port == 0)
            continue;
        auto one = agree_picture(*theirs, known->index, {.rtp = {}, .only = known->format()});
        if (!one) {
            agreed.refused.push_back(one.error());
            continue;
        }
        // An answer need not repeat them; what it does not name is not used (RFC 4585 section 4.2).
        one->title = known->title;
        agreed.pictures[index_of(picture)] = *std::move(one);
    }
    return agreed;
}

std::array<bool, kPictures> find_pictures(std::string_view offer) {
    std::array<bool, kPictures> found{};
    if (const auto theirs = sdp::parse(offer))
        for (const MediaDescription& medium : theirs->media)
            if (const auto picture = picture_of(medium)) found[index_of(*picture)] = true;
    return found;
}

}  // namespace earshot::focus
