// One event on a recording's timeline, as it goes into the journal: UTF-8 JSON whose time is the
// record's arrival. Texts of peers in it are made valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/net_address.h"
#include "sdp/rtcp_feedback.h"
#include "siprec/leniency.h"
#include "siprec/message_line.h"
#include "siprec/stream_security.h"

namespace earshot::siprec {

inline constexpr std::uint16_t kNoStream = 0xffff;  // also the journal's value: do not change

struct Event {
    std::string type;                    // "stream_added"
    std::uint16_t stream = kNoStream;    // also in `json` when it is a number of a stream
    std::string json;                    // {"type":"stream_added","stream":0,...}
    Leniency leniency = Leniency::None;  // of sip_leniency and metadata_error: for counting
};

struct PayloadType {
    std::uint8_t number = 0;
    std::string encoding;  // "PCMU"; empty when neither rtpmap nor RFC 3551 tells
    std::uint32_t clock_rate = 0;
    std::uint16_t channels = 1;
    std::string fmtp;  // parameters as written; empty: none
    friend bool operator==(const PayloadType&, const PayloadType&) = default;
};

// a=extmap (RFC 8285): what an element of the packets' header extensions is.
struct HeaderExtension {
    std::uint16_t id = 0;
    std::string uri;
    std::string attributes;  // empty: none
    friend bool operator==(const HeaderExtension&, const HeaderExtension&) = default;
};

// One media line that is recorded, as the latest offer has it. The peer's address is where its SDP
// says that it receives: real clients send from other ports (interop section 1 point 4).
struct StreamFacts {
    std::uint16_t stream = 0;     // 0.. in the order first offered; never used twice in a recording
    std::string label;            // a=label; the index of the m-line when there is none (E-14)
    std::string media = "audio";  // audio, video, text
    std::string protocol;         // RTP/AVP, RTP/SAVPF, UDP/TLS/RTP/SAVPF
    std::string direction;        // of the offer: sendonly, sendrecv, recvonly, inactive
    std::string content;          // a=content: slides, speaker; empty: none
    bool paused = false;          // inactive, or c=0.0.0.0: packets are to be discarded (E-25)
    bool rtcp_mux = false;        // offered and taken (RFC 5761)
    bool ipv6 = false;            // the family that our ports for it are to have
    // Which of the session's transports carries it: one of its own, or that of its BUNDLE group,
    // whose address, keys and ICE then stand here for each of its streams (RFC 9143).
    std::uint32_t transport = 0;
    bool is_bundled = false;
    std::string mid;
    std::vector<std::uint32_t> ssrcs{};  // a=ssrc
    base::NetAddress peer_rtp;
    base::NetAddress peer_rtcp;
    std::vector<PayloadType> payload_types;
    std::vector<HeaderExtension> header_extensions{};
    sdp::RtcpFeedback feedback{};            // that both sides understand
    std::optional<SdesKeys> sdes{};          // SRTP by a=crypto
    std::optional<DtlsFacts> dtls{};         // SRTP by DTLS; neither: RTP in the clear
    std::optional<MessageFacts> messages{};  // MSRP in place of RTP: peer_rtp is c= and m=
};

using EventField =
    std::pair<std::string_view,
              std::variant<std::string, std::int64_t, bool, std::vector<std::string>>>;

// Builds {"type":type, "stream":stream?, fields...} in this order.
Event make_event(std::string_view type, std::uint16_t stream,
                 const std::vector<EventField>& fields = {});
// What a client did wrong and was taken: {"type":type,"code":..,"what":..,"done":..,"peer":..}, and
// the line of the document when it is not 0. An empty `detail` is the catalogue's text.
Event make_leniency_event(std::string_view type, const FoundLeniency& found, std::string_view peer,
                          int line = 0, std::uint16_t stream = kNoStream);
// stream_added, stream_changed: all of StreamFacts, and the local port when it is not 0.
Event make_stream_event(std::string_view type, const StreamFacts& facts, std::uint16_t local_port);

}  // namespace earshot::siprec
