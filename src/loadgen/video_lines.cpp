#include "loadgen/video_lines.h"

#include <fmt/format.h>

#include "base/text.h"
#include "loadgen/h264_picture.h"

namespace earshot::loadgen {

std::string video_section(const VideoLine& line) {
    const base::Bytes sequence = h264_sequence_set();
    std::string text = fmt::format(
        "m=video {} {} 96\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 profile-level-id={};packetization-mode=1;sprop-parameter-sets={},{}\r\n",
        line.rtp.port, line.has_feedback ? "RTP/AVPF" : "RTP/AVP",
        base::to_hex(base::ByteView(sequence).subspan(1, 3)), base::to_base64(sequence),
        base::to_base64(h264_picture_set()));
    if (line.has_feedback)
        text +=
            "a=rtcp-fb:96 nack\r\n"
            "a=rtcp-fb:96 nack pli\r\n"
            "a=rtcp-fb:96 ccm fir\r\n";
    return text + fmt::format("a=sendonly\r\na=label:{}\r\n", line.label);
}

}  // namespace earshot::loadgen
