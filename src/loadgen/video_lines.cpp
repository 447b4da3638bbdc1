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

std::string video_section(const VideoLine& line) {
    const base::Bytes sequence = h264_sequence_set();
    std::string text = fmt::format(
        "m=video {} {} 96\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 profile-level-id={};packetization-mode=1;sprop-parameter-sets={},{}\r\n",
        line.rtp.port, profile_of(line), base::to_hex(base::ByteView(sequence).subspan(1, 3)),
        base::to_base64(sequence), base::to_base64(h264_picture_set()));
    if (line.has_feedback)
        text +=
            "a=rtcp-fb:96 nack\r\n"
            "a=rtcp-fb:96 nack pli\r\n"
            "a=rtcp-fb:96 ccm fir\r\n";
    return text + security_of(line) + fmt::format("a=sendonly\r\na=label:{}\r\n", line.label);
}

}  // namespace earshot::loadgen
