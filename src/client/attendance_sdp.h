// The SDP of our call to a conference that is attended (docs/conference-recording.md): what we are
// to the media plane, a caller at an address where nobody listens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/attendance.h"
#include "sdp/session_description.h"

namespace earshot::client {

// The lines of voice and pictures in our offer.
std::size_t media_lines(const AttendWish& wish);
// We send nothing but what tells that we record, so audio is sendrecv, and video is only taken. The
// chat's line is not the media plane's: to it that is refused.
std::string own_offer(const AttendWish& wish, bool has_chat, bool is_ipv6,
                      std::uint64_t session_id);
// Our side's answer to what the focus offers later.
std::string own_answer(const sdp::SessionDescription& offer, bool is_ipv6, std::uint64_t session_id,
                       std::uint64_t version);
// That some voice is agreed, or offered.
bool has_audio(std::string_view sdp);
// Says of each line that we record it, or pause (RFC 7866 section 6.1.2). What is no SDP stays as
// it is.
std::string with_record(std::string_view sdp, sdp::RecordState state);

}  // namespace earshot::client
