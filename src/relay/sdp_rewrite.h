// A session description passed on by a relay: what says where media goes becomes ours, all else
// stays as it came, byte for byte (attributes that we do not know, line ends, order). So it is done
// on the lines of the text, beside sdp/, whose writer knows only what its parser knows.
//
//   o=        ours: the identity and version of the session that the reader has with us
//   c=        ours where the line is relayed; 0.0.0.0 stays, it is the old form of hold
//   m=        our port
//   a=rtcp    our port and address (RFC 3605)
//   removed   from relayed lines and the session: ICE (RFC 8839), as we do not answer its checks;
//             a=group:BUNDLE (RFC 9143), as each line has a port of its own here
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"

namespace earshot::relay {

struct SdpEdit {
    enum class Fate : std::uint8_t {
        Pass,    // the line is not ours to touch: not RTP, or disabled
        Relay,   // RTP that comes to us
        Refuse,  // port 0
    };
    struct Line {
        Fate fate = Fate::Refuse;
        std::uint16_t rtp_port = 0;
        std::uint16_t rtcp_port = 0;
    };

    std::uint64_t session_id = 0;
    std::uint64_t session_version = 0;
    base::NetAddress address;  // ours, as the reader is to see it
    std::vector<Line> lines;   // m-lines past its end are refused
};

// Lines are told apart as sdp::parse() does. What follows a second v= line is left out.
std::string rewrite_sdp(std::string_view text, const SdpEdit& edit);

}  // namespace earshot::relay
