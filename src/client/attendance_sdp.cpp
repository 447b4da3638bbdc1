#include "client/attendance_sdp.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/text.h"
#include "sdp/offer_answer.h"
#include "siprec/record_awareness.h"

namespace earshot::client {

namespace {

constexpr std::uint16_t kNobody = 9;  // the discard port: what comes for us is recorded, not heard

// A camera, and what is shared.
std::size_t video_lines(const AttendWish& wish) { return wish.takes_video ? 2 : 0; }

}  // namespace

std::size_t media_lines(const AttendWish& wish) {
    return (wish.takes_audio ? 1 : 0) + video_lines(wish);
}

std::string own_offer(const AttendWish& wish, bool has_chat, bool is_ipv6,
                      std::uint64_t session_id) {
    std::string sdp =
        fmt::format("v=0\r\no=- {} 1 IN {} {}\r\ns=-\r\nc=IN {} {}\r\nt=0 0\r\n", session_id,
                    is_ipv6 ? "IP6" : "IP4", is_ipv6 ? "::1" : "127.0.0.1", is_ipv6 ? "IP6" : "IP4",
                    is_ipv6 ? "::1" : "127.0.0.1");
    if (wish.takes_audio)
        sdp += fmt::format(
            "m=audio {} RTP/AVP 9 8 0 96 101\r\n"
            "a=rtpmap:96 opus/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
            "a=sendrecv\r\n",
            kNobody);
    for (std::size_t i = 0; i < video_lines(wish); ++i)
        sdp += fmt::format(
            "m=video {} RTP/AVP 97 98\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 H264/90000\r\n"
            "a=fmtp:98 profile-level-id=42e01f;packetization-mode=1\r\n{}a=recvonly\r\n",
            kNobody, i == 0 ? "" : "a=content:slides\r\n");
    if (has_chat) sdp += "m=message 0 TCP/MSRP *\r\n";
    return sdp;
}

std::string own_answer(const sdp::SessionDescription& offer, bool is_ipv6, std::uint64_t session_id,
                       std::uint64_t version) {
    std::vector<sdp::MediaDecision> decisions;
    for (const sdp::MediaDescription& medium : offer.media) {
        const bool is_taken = sdp::check_offered_media(offer, medium) == sdp::Refusal::None &&
                              std::string_view(medium.proto).starts_with("RTP/AVP");
        decisions.push_back({.accept = is_taken, .rtp_port = kNobody, .rtcp_port = kNobody + 1});
    }
    const sdp::LocalOrigin origin{.session_id = session_id,
                                  .session_version = version,
                                  .address = *base::parse_host(is_ipv6 ? "::1" : "127.0.0.1", 0)};
    const std::string answer = sdp::make_recording_answer(offer, origin, decisions);
    // A recorder's answer only receives; we may have to be heard.
    std::string ours;
    std::string_view rest = answer;
    std::size_t line_number = 0;
    bool may_send = false;
    while (!rest.empty()) {
        const std::string_view line = base::take_until(rest, '\n');
        if (line.starts_with("m=") && line_number < offer.media.size()) {
            const sdp::MediaDescription& medium = offer.media[line_number++];
            may_send = medium.media == "audio" && medium.direction == sdp::Direction::SendRecv;
        }
        const bool is_direction = base::trim(line) == "a=recvonly";
        ours += is_direction && may_send ? "a=sendrecv\r" : std::string(line);
        ours += '\n';
    }
    return ours;
}

bool has_audio(std::string_view sdp) {
    const auto parsed = sdp::parse(sdp);
    return parsed && std::any_of(parsed->media.begin(), parsed->media.end(), [](const auto& one) {
               return one.media == "audio" && one.port != 0;
           });
}

std::string with_record(std::string_view sdp, sdp::RecordState state) {
    const auto description = sdp::parse(sdp);
    if (!description) return std::string(sdp);
    const std::vector<sdp::RecordState> states(description->media.size(), state);
    return siprec::with_record_states(sdp, states);
}

}  // namespace earshot::client
