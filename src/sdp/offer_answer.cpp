#include "sdp/offer_answer.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdp/bundle.h"
#include "sdp/crypto_attribute.h"
#include "sdp/extmap.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
#include "sdp/rtcp_feedback.h"
#include "sdp/text_writer.h"

namespace earshot::sdp {
namespace {

using base::Errc;
using base::Error;

void append_connection(std::string& out, const base::NetAddress& address) {
    append_line(out, "c=IN {} {}", address.is_v4() ? "IP4" : "IP6", base::host_to_string(address));
}

void append_session_lines(std::string& out, const LocalOrigin& origin, std::string_view timing) {
    const std::string_view address_type = origin.address.is_v4() ? "IP4" : "IP6";
    const std::string host = base::host_to_string(origin.address);
    append_line(out, "v=0");
    append_line(out, "o={} {} {} IN {} {}", origin.username, origin.session_id,
                origin.session_version, address_type, host);
    append_line(out, "s=-");
    append_connection(out, origin.address);
    append_line(out, "t={}", timing.empty() ? "0 0" : clean(timing));
    out.append(origin.attributes);
}

void append_label_and_mid(std::string& out, const MediaDescription& medium) {
    if (medium.label) append_line(out, "a=label:{}", clean(*medium.label));
    if (!medium.mid.empty()) append_line(out, "a=mid:{}", clean(medium.mid));
}

// RFC 3264 §6: a refused line keeps its media, proto and formats; a malformed one gets fillers.
void append_refused_line(std::string& out, const MediaDescription& medium) {
    const auto or_else = [](std::string_view text, std::string_view filler) {
        return text.empty() ? std::string{filler} : clean(text);
    };
    append_line(out, "m={} 0 {} {}", or_else(medium.media, "audio"),
                or_else(medium.proto, "RTP/AVP"), or_else(medium.formats, "0"));
    append_label_and_mid(out, medium);
}

// Media past kMaxMedia were kept as text: each of their m= lines is answered by port 0.
std::string_view take_line(std::string_view& text) {
    std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return line;
}

void append_excess_lines(std::string& out, std::string_view excess) {
    while (!excess.empty()) {
        std::string_view line = take_line(excess);
        if (!line.starts_with("m=")) continue;
        line.remove_prefix(2);
        MediaDescription medium;
        medium.media = base::take_until(line, ' ');
        base::take_until(line, ' ');  // the port
        medium.proto = base::take_until(line, ' ');
        medium.formats = base::trim(line);
        append_refused_line(out, medium);
    }
}

// RFC 8285 section 5: only what the answer has, too, may be sent. The levels tell who speaks when
// (RFC 6464, RFC 6465), the mid whose packet it is (RFC 9143 section 15); of all else we make
// nothing.
void append_extensions(std::string& out, const SessionDescription& offer,
                       const MediaDescription& medium, bool is_bundled) {
    const bool is_audio = base::iequals(medium.media, "audio");
    if (!is_audio && !is_bundled) return;
    for (const ExtMap& map : extmaps_of(offer, medium)) {
        const bool is_level = map.uri == "urn:ietf:params:rtp-hdrext:ssrc-audio-level" ||
                              map.uri == "urn:ietf:params:rtp-hdrext:csrc-audio-level";
        const bool is_wanted = (is_level && is_audio) || (is_bundled && map.uri == kMidExtension);
        const bool may_send =
            map.direction.empty() || map.direction == "sendrecv" || map.direction == "sendonly";
        if (!is_wanted || !may_send || map.id > 255) continue;
        append_line(out, "a=extmap:{}{} {}{}{}", map.id, map.direction.empty() ? "" : "/recvonly",
                    map.uri, map.attributes.empty() ? "" : " ", clean(map.attributes));
    }
}

void append_accepted_media(std::string& out, const SessionDescription& offer,
                           const MediaDescription& medium, const MediaDecision& decision,
                           const base::NetAddress& session) {
    fmt::format_to(std::back_inserter(out), "m={} {} {}", clean(medium.media), decision.rtp_port,
                   clean(medium.proto));
    // A deployed client hangs up when one is missing (interop section 1, point 1).
    for (const PayloadType& type : medium.payload_types) {
        append_parts(out, " ", std::uint32_t{type.number});
    }
    if (decision.is_message) append_parts(out, " ", clean(medium.formats));
    out.append("\r\n");
    if (!decision.address.is_unspecified() && decision.address.ip != session.ip)
        append_connection(out, decision.address);
    for (const PayloadType& type : medium.payload_types) append_payload_type(out, type);
    append_honoured_feedback(out, offer, medium);
    append_line(out, "a={}", to_string(answer_direction(medium.direction, decision.inactive)));
    append_label_and_mid(out, medium);
    append_extensions(out, offer, medium, decision.bundle.has_value());
    out.append(decision.security);
    if (decision.is_message) return;
    if (medium.has_rtcp_mux && decision.rtcp_port == decision.rtp_port) {
        append_line(out, "a=rtcp-mux");
    } else if (decision.rtcp_port != 0 && decision.rtcp_port != decision.rtp_port + 1) {
        append_line(out, "a=rtcp:{}", decision.rtcp_port);
    }
}

// A group for each tagged line that is in one.
void append_groups(std::string& out, const SessionDescription& offer,
                   std::span<const MediaDecision> decisions) {
    const std::size_t count = std::min(offer.media.size(), decisions.size());
    for (std::size_t tagged = 0; tagged < count; ++tagged) {
        if (!decisions[tagged].accept || decisions[tagged].bundle != tagged) continue;
        out.append("a=group:BUNDLE ").append(clean(offer.media[tagged].mid));
        for (std::size_t i = 0; i < count; ++i)
            if (i != tagged && decisions[i].accept && decisions[i].bundle == tagged)
                out.append(" ").append(clean(offer.media[i].mid));
        out.append("\r\n");
    }
}

bool is_recordable_media(std::string_view media) {
    constexpr std::array<std::string_view, 4> kMedia{"audio", "video", "text", "application"};
    return std::any_of(kMedia.begin(), kMedia.end(),
                       [media](std::string_view name) { return base::iequals(media, name); });
}

// RFC 8848 §4: a=group:CLUE MID... names the data channel and the lines that send only what is
// asked for over it. The answer has no such group, so the client falls back to its main lines.
bool is_in_clue_group(const SessionDescription& offer, const MediaDescription& medium) {
    if (medium.mid.empty()) return false;
    for (const Attribute& attribute : offer.session_attributes()) {
        std::string_view rest = attribute.value;
        if (!base::iequals(attribute.name, "group") || base::take_until(rest, ' ') != "CLUE")
            continue;
        while (!rest.empty())
            if (base::take_until(rest, ' ') == medium.mid) return true;
    }
    return false;
}

// Of a line without a port of its own: it needs one that carries it.
Refusal check_port(const SessionDescription& offer, const MediaDescription& medium,
                   const MediaDescription& carrier) {
    if (medium.port != 0) return Refusal::None;
    if (!is_bundle_only(offer, medium)) return Refusal::PortZero;
    return &carrier == &medium ? Refusal::BundleOnly : Refusal::None;
}

Refusal check_keying(const SessionDescription& offer, const MediaDescription& medium) {
    if (is_dtls_srtp(offer, medium)) {
        const bool is_usable = !fingerprints_of(offer, medium).empty() &&
                               answer_setup(setup_of(offer, medium)).has_value();
        return is_usable ? Refusal::None : Refusal::NoUsableKey;
    }
    return choose_crypto(offer, medium) ? Refusal::None : Refusal::NoUsableKey;
}

// RFC 3264 §6.1: which directions may answer an offered one.
bool answers(Direction offered, Direction answered) {
    switch (offered) {
        case Direction::SendRecv:
            return true;
        case Direction::SendOnly:
            return answered == Direction::RecvOnly || answered == Direction::Inactive;
        case Direction::RecvOnly:
            return answered == Direction::SendOnly || answered == Direction::Inactive;
        case Direction::Inactive:
            return answered == Direction::Inactive;
    }
    return false;
}

// What a fault in the answer's direction must mean. Answers without a direction read as sendrecv.
Direction put_right(Direction offered, Direction answered) {
    if (answers(offered, answered)) return answered;
    const bool may_receive = answered == Direction::SendRecv && offered == Direction::SendOnly;
    return may_receive ? Direction::RecvOnly : Direction::Inactive;
}

void match_payload_types(const MediaDescription& offered, const MediaDescription& answered,
                         AnsweredMedia& result) {
    for (const PayloadType& type : answered.payload_types) {
        const PayloadType* ours = offered.find_payload_type(type.number);
        if (ours == nullptr || ours->is("telephone-event") || ours->is("CN")) continue;
        result.payload_type = type.number;
        break;
    }
    result.missing_payload_types = static_cast<std::size_t>(std::count_if(
        offered.payload_types.begin(), offered.payload_types.end(), [&](const PayloadType& type) {
            return answered.find_payload_type(type.number) == nullptr;
        }));
}

}  // namespace

std::size_t count_excess_media(const SessionDescription& offer) {
    std::size_t count = 0;
    for (std::string_view rest = offer.excess_media; !rest.empty();)
        if (take_line(rest).starts_with("m=")) ++count;
    return count;
}

std::string_view to_string(Refusal refusal) {
    switch (refusal) {
        case Refusal::None:
            return "none";
        case Refusal::PortZero:
            return "port_zero";
        case Refusal::BundleOnly:
            return "bundle_only";
        case Refusal::Malformed:
            return "malformed_media_line";
        case Refusal::TooMany:
            return "too_many_media";
        case Refusal::UnsupportedMedia:
            return "unsupported_media";
        case Refusal::UnsupportedProtocol:
            return "unsupported_protocol";
        case Refusal::SecureRtp:
            return "srtp_not_supported";
        case Refusal::NoUsableKey:
            return "no_usable_key";
        case Refusal::NoPayloadType:
            return "no_payload_type";
        case Refusal::NoPath:
            return "no_path";
        case Refusal::NoTls:
            return "no_tls";
        case Refusal::Clue:
            return "clue_not_supported";
        case Refusal::TooManyStreams:
            return "too_many_streams";
        case Refusal::ByDecision:
            return "by_decision";
    }
    return "none";
}

Refusal check_offered_media(const SessionDescription& offer, const MediaDescription& medium,
                            const MediaDescription& carrier) {
    if (medium.is_malformed) return Refusal::Malformed;
    if (const Refusal refusal = check_port(offer, medium, carrier); refusal != Refusal::None)
        return refusal;
    if (is_in_clue_group(offer, medium)) return Refusal::Clue;
    if (!is_recordable_media(medium.media)) return Refusal::UnsupportedMedia;
    if (medium.is_secure_rtp()) {
        if (const Refusal refusal = check_keying(offer, carrier); refusal != Refusal::None)
            return refusal;
    } else if (!base::iequals(medium.proto, "RTP/AVP") &&
               !base::iequals(medium.proto, "RTP/AVPF")) {
        return Refusal::UnsupportedProtocol;
    }
    if (medium.payload_types.empty()) return Refusal::NoPayloadType;
    return Refusal::None;
}

Refusal check_offered_messages(const SessionDescription& offer, const MediaDescription& medium) {
    if (medium.is_malformed) return Refusal::Malformed;
    if (medium.port == 0) return Refusal::PortZero;
    if (!is_message_media(medium)) return Refusal::UnsupportedMedia;
    const MessageMedia media = message_media_of(offer, medium);
    return media.path.empty() ? Refusal::NoPath : Refusal::None;
}

Direction answer_direction(Direction offered, bool inactive) {
    const bool peer_sends = offered == Direction::SendOnly || offered == Direction::SendRecv;
    return peer_sends && !inactive ? Direction::RecvOnly : Direction::Inactive;
}

std::string make_recording_answer(const SessionDescription& offer, const LocalOrigin& origin,
                                  std::span<const MediaDecision> decisions) {
    std::string out;
    out.reserve(256 + offer.media.size() * 256);
    append_session_lines(out, origin, offer.timing);
    append_groups(out, offer, decisions);
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const MediaDescription& medium = offer.media[i];
        const auto check = [&] {
            return decisions[i].is_message
                       ? check_offered_messages(offer, medium)
                       : check_offered_media(offer, medium,
                                             offer.media[decisions[i].carrier.value_or(i)]);
        };
        const bool is_accepted = i < decisions.size() && decisions[i].accept &&
                                 decisions[i].rtp_port != 0 && check() == Refusal::None;
        if (is_accepted) {
            append_accepted_media(out, offer, medium, decisions[i], origin.address);
        } else {
            append_refused_line(out, medium);
        }
    }
    append_excess_lines(out, offer.excess_media);
    return out;
}

std::string make_offer(const LocalOrigin& origin, std::span<const OfferedMedia> media) {
    std::string out;
    out.reserve(256 + media.size() * 256);
    append_session_lines(out, origin, {});
    for (const OfferedMedia& medium : media) {
        fmt::format_to(std::back_inserter(out), "m={} {} {}", medium.media, medium.port,
                       medium.proto);
        for (const PayloadType& type : medium.payload_types) {
            append_parts(out, " ", std::uint32_t{type.number});
        }
        out.append("\r\n");
        for (const PayloadType& type : medium.payload_types) append_payload_type(out, type);
        if (medium.ptime_ms != 0) append_line(out, "a=ptime:{}", medium.ptime_ms);
        append_line(out, "a={}", to_string(medium.direction));
        if (!medium.label.empty()) append_line(out, "a=label:{}", clean(medium.label));
        if (medium.rtcp_mux) append_line(out, "a=rtcp-mux");
        if (medium.rtcp_port != 0 && medium.rtcp_port != medium.port + 1) {
            append_line(out, "a=rtcp:{}", medium.rtcp_port);
        }
        for (const Attribute& attribute : medium.attributes) {
            append_parts(out, "a=", clean(attribute.name));
            if (attribute.has_value) append_parts(out, ":", clean(attribute.value));
            out.append("\r\n");
        }
    }
    return out;
}

base::Result<std::vector<AnsweredMedia>> check_answer(const SessionDescription& offer,
                                                      const SessionDescription& answer) {
    if (offer.media.size() != answer.media.size() || !answer.excess_media.empty()) {
        return Error{Errc::Malformed, "answer: another number of m= lines", answer.media.size()};
    }
    std::vector<AnsweredMedia> results;
    results.reserve(offer.media.size());
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const MediaDescription& ours = offer.media[i];
        const MediaDescription& theirs = answer.media[i];
        if (!base::iequals(ours.media, theirs.media)) {
            return Error{Errc::Malformed, "answer: another media type than offered", i};
        }
        if (!base::iequals(ours.proto, theirs.proto)) {
            return Error{Errc::Malformed, "answer: another protocol than offered", i};
        }
        AnsweredMedia result;
        result.is_accepted = theirs.port != 0 && ours.port != 0;
        if (result.is_accepted) {
            match_payload_types(ours, theirs, result);
            // The formats of m=message are no payload types (RFC 4975 section 8.1).
            if (result.missing_payload_types == ours.payload_types.size() &&
                !is_message_media(ours)) {
                return Error{Errc::Malformed, "answer: no payload type of the offer", i};
            }
            result.direction = put_right(ours.direction, theirs.direction);
            result.has_direction_fault = !answers(ours.direction, theirs.direction);
            result.uses_rtcp_mux = ours.has_rtcp_mux && theirs.has_rtcp_mux;
            result.rtp = rtp_address(answer, theirs);
            result.rtcp = rtcp_address(answer, theirs, result.uses_rtcp_mux);
            result.has_label_fault = ours.label != theirs.label;
        }
        results.push_back(result);
    }
    return results;
}

}  // namespace earshot::sdp
