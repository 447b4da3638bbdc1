#include "loadgen/video_lines.h"

#include <fmt/format.h>

#include "base/text.h"
#include "loadgen/h264_picture.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"

namespace earshot::loadgen {

namespace {

std::string_view profile_of(const VideoLine& line) {
    if (line.dtls) return line.has_feedback ? "UDP/TLS/RTP/SAVPF" : "UDP/TLS/RTP/SAVP";
    if (line.key) return line.has_feedback ? "RTP/SAVPF" : "RTP/SAVP";
    return line.has_feedback ? "RTP/AVPF" : "RTP/AVP";
}

std::string security_of(const VideoLine& line) {
    if (line.key) return fmt::format("a=crypto:{}\r\n", sdp::write_crypto(1, *line.key));
    if (!line.dtls) return {};
    return fmt::format(
        "a=rtcp-mux\r\n"
        "a=fingerprint:{}\r\n"
        "a=setup:actpass\r\n"
        "a=tls-id:{}\r\n",
        sdp::to_string(line.dtls->fingerprint), line.dtls->tls_id);
}

}  // namespace

std::string h264_parameters(std::optional<Sharing> sharing) {
    const base::Bytes sequence = sharing ? slide_sequence_set() : h264_sequence_set();
    return fmt::format("profile-level-id={};packetization-mode=1;sprop-parameter-sets={},{}",
                       base::to_hex(base::ByteView(sequence).subspan(1, 3)),
                       base::to_base64(sequence), base::to_base64(h264_picture_set()));
}

std::string sharing_element(Sharing sharing) {
    return fmt::format(R"(<sharing kind="{}" title="{}"/>)", to_string(sharing), title_of(sharing));
}

std::string video_section(const base::NetAddress& rtp, std::optional<Sharing> sharing,
                          sdp::Direction direction) {
    VideoLine line;
    line.rtp = rtp;
    line.sharing = sharing;
    std::string text = video_section(line);
    text.erase(text.rfind("a=sendonly"));
    return text + fmt::format("a={}\r\n", sdp::to_string(direction));
}

std::string answered_video_section(const base::NetAddress& rtp, std::optional<Sharing> sharing,
                                   sdp::Direction direction, const sdp::MediaDescription& offered,
                                   std::uint8_t payload_type) {
    std::string text = fmt::format(
        "m=video {} {} {}\r\n"
        "a=rtpmap:{} H264/90000\r\n"
        "a=fmtp:{} {}\r\n",
        rtp.port, offered.proto, payload_type, payload_type, payload_type,
        h264_parameters(sharing));
    if (base::iequals(offered.proto, "RTP/AVPF"))
        text +=
            fmt::format("a=rtcp-fb:{0} nack\r\na=rtcp-fb:{0} nack pli\r\na=rtcp-fb:{0} ccm fir\r\n",
                        payload_type);
    if (offered.has_rtcp_mux) text += "a=rtcp-mux\r\n";
    if (sharing) text += "a=content:slides\r\n";
    if (!offered.mid.empty()) text += fmt::format("a=mid:{}\r\n", offered.mid);
    return text + fmt::format("a={}\r\n", sdp::to_string(direction));
}

std::string video_section(const VideoLine& line) {
    std::string text = fmt::format(
        "m=video {} {} 96\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 {}\r\n",
        line.rtp.port, profile_of(line), h264_parameters(line.sharing));
    if (line.sharing) text += "a=content:slides\r\n";  // RFC 4796
    if (line.has_feedback)
        text +=
            "a=rtcp-fb:96 nack\r\n"
            "a=rtcp-fb:96 nack pli\r\n"
            "a=rtcp-fb:96 ccm fir\r\n";
    return text + security_of(line) + fmt::format("a=sendonly\r\na=label:{}\r\n", line.label);
}

}  // namespace earshot::loadgen
