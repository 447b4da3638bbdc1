// Offer and answer (RFC 3264) of recording sessions (RFC 7866 section 7): the answer a recording
// server gives, the offer a recording client makes, and the client's check of the answer it got.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "sdp/session_description.h"

namespace earshot::sdp {

// Why an m= line is answered with port 0.
enum class Refusal : std::uint8_t {
    None,                 // it can be recorded
    PortZero,             // the offer itself disables the line
    BundleOnly,           // it is for a BUNDLE group alone, and there is none (RFC 9143)
    Malformed,            // the line could not be read
    TooMany,              // past kMaxMedia
    UnsupportedMedia,     // not audio, video, text or application
    UnsupportedProtocol,  // not RTP/AVP or RTP/AVPF (MSRP, SCTP, T.38)
    SecureRtp,            // SRTP whose keying is not supported
    NoUsableKey,          // SRTP without a usable a=crypto (RFC 4568) or a=fingerprint
    NoPayloadType,        // no readable payload type
    NoPath,               // m=message without a=path (RFC 4975 section 8.1)
    NoTls,                // MSRP over TLS, for which there is no certificate
    Clue,                 // telepresence (RFC 8848): its data channel and what that controls
    TooManyStreams,       // the caller has as many as it may
    ByDecision,           // the caller said so: no ports left, policy
};
// The stable code for events: "unsupported_media", ...; "none" for None.
std::string_view to_string(Refusal refusal);

// M-lines past kMaxMedia, which answers give port 0.
std::size_t count_excess_media(const SessionDescription& offer);

// Whether a recorder can take this offered line (a medium of `offer`), before any port is spent on
// it. `carrier`: the medium whose transport carries it, in a BUNDLE group another one (bundle.h).
Refusal check_offered_media(const SessionDescription& offer, const MediaDescription& medium,
                            const MediaDescription& carrier);
inline Refusal check_offered_media(const SessionDescription& offer,
                                   const MediaDescription& medium) {
    return check_offered_media(offer, medium, medium);
}

// The same for an m=message line, which check_offered_media() refuses: to be asked by who can take
// messages.
Refusal check_offered_messages(const SessionDescription& offer, const MediaDescription& medium);

// What the caller decided for one offered line.
struct MediaDecision {
    bool accept = false;          // refused lines keep ports 0
    std::uint16_t rtp_port = 0;   // ours; open and read before the answer leaves
    std::uint16_t rtcp_port = 0;  // ours; equal to rtp_port where rtcp-mux is used
    bool inactive = false;        // not ready or paused (RFC 7866 section 7.2)
    base::NetAddress address{};   // c= of the line, where it is not LocalOrigin's; else unspecified
    // The attributes that key SRTP on our side, and those of ICE, as whole lines with CRLF
    // (a=crypto, a=fingerprint). Secret.
    std::string security{};
    // An m=message line, of which `security` holds all that MSRP needs; no RTCP port.
    bool is_message = false;
    // The line of the offer whose transport carries it: itself but for BUNDLE.
    std::optional<std::size_t> carrier{};
    // The tagged line of its BUNDLE group in the answer, itself or another one; empty: it is in
    // none. All of a group have the tagged line's port; attributes of the transport stand there
    // alone (RFC 9143 section 7.1.3).
    std::optional<std::size_t> bundle{};
};

// Our o= and c=. The version goes up by one with each answer or offer that differs.
struct LocalOrigin {
    std::string_view username = "-";
    std::uint64_t session_id = 0;
    std::uint64_t session_version = 0;
    base::NetAddress address;       // the port is not used
    std::string_view attributes{};  // of the session, as whole lines with CRLF (a=ice-lite)
};

// The direction our answer gives an offered one: recvonly, or inactive where the peer sends
// nothing (inactive, recvonly) or the decision says so.
Direction answer_direction(Direction offered, bool inactive);

// The whole answer: every offered line in its order, its proto echoed, every payload type kept
// with its rtpmap and fmtp, a=rtcp-fb that we honour, a=label and a=mid echoed exactly, rtcp-mux
// when offered and both ports are equal, a=rtcp when our RTCP port is neither that nor port + 1;
// a=group:BUNDLE of the lines that are in a group, the tagged one first.
// Lines that are refused (by `decisions`, by check_offered_media(), or because `decisions` is
// shorter than the offer) and those past kMaxMedia get port 0 (RFC 3264 section 6, RFC 7866 P-53).
std::string make_recording_answer(const SessionDescription& offer, const LocalOrigin& origin,
                                  std::span<const MediaDecision> decisions);

// One line of an offer of ours.
struct OfferedMedia {
    std::string_view media = "audio";
    std::uint16_t port = 0;
    std::uint16_t rtcp_port = 0;  // 0 or port + 1: not written
    std::string_view proto = "RTP/AVP";
    std::span<const PayloadType> payload_types;
    Direction direction = Direction::SendOnly;
    std::string_view label;      // not written when empty
    std::uint32_t ptime_ms = 0;  // not written when 0
    bool rtcp_mux = false;
    std::span<const Attribute> attributes{};  // written behind those above
};
std::string make_offer(const LocalOrigin& origin, std::span<const OfferedMedia> media);

// What the answer means for one line of our offer.
struct AnsweredMedia {
    bool is_accepted = false;                   // port not 0
    Direction direction = Direction::Inactive;  // the answerer's: recvonly means that we may send
    bool uses_rtcp_mux = false;                 // offered and answered (RFC 5761 section 5.1.1)
    std::optional<base::NetAddress> rtp;        // where to send; empty if refused or a name
    std::optional<base::NetAddress> rtcp;
    std::optional<std::uint8_t> payload_type;  // the answer's first of ours but DTMF and noise
    std::size_t missing_payload_types = 0;     // offered and not answered
    bool has_label_fault = false;              // the label is missing or another one
    bool has_direction_fault = false;          // as for a sendonly line; `direction` is put right

    bool may_send() const {
        return is_accepted && rtp.has_value() && payload_type.has_value() &&
               (direction == Direction::RecvOnly || direction == Direction::SendRecv);
    }
};

// Errors, all Malformed: another number of m= lines than offered, another media type or proto on a
// line (detail: its index), an accepted line without any payload type of the offer. A direction
// that does not answer the offered one (RFC 3264 section 6.1; deployed servers leave it out) is a
// flag: `direction` then is recvonly for sendonly, inactive for what cannot be.
base::Result<std::vector<AnsweredMedia>> check_answer(const SessionDescription& offer,
                                                      const SessionDescription& answer);

}  // namespace earshot::sdp
