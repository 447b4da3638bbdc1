// a=rtcp-fb (RFC 4585 section 4.2, RFC 5104 section 7.1): which feedback both sides of a media line
// understand. Peers name it under RTP/AVP, too; whoever does understands it.
#pragma once

#include <string>

#include "sdp/session_description.h"

namespace earshot::sdp {

struct RtcpFeedback {
    bool nack = false;
    bool pli = false;  // nack pli
    bool fir = false;  // ccm fir
    friend bool operator==(const RtcpFeedback&, const RtcpFeedback&) = default;
};

// What a line names for any of its payload types.
RtcpFeedback feedback_of(const SessionDescription& description, const MediaDescription& medium);

// The lines of an offer that a recorder honours, as offered: nack, nack pli, ccm fir. What is not
// in the answer is not used (RFC 4585 section 4.2).
void append_honoured_feedback(std::string& out, const SessionDescription& offer,
                              const MediaDescription& medium);

}  // namespace earshot::sdp
