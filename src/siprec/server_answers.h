// The fixed parts of what a recording server answers, and small bodies that it reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/agent.h"

namespace earshot::siprec {

inline constexpr std::string_view kAllow = "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO";
inline constexpr std::string_view kAccept =
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";

sip::ResponseSpec plain_answer(int status, std::string phrase = {});
// 200 with application/sdp alone: peers read nothing else (E-27).
sip::ResponseSpec sdp_answer(std::string sdp);
sip::ResponseSpec bad_extension(const std::vector<std::string>& tags);               // 420
sip::ResponseSpec not_acceptable(std::string_view warning);                          // 488
sip::ResponseSpec unsupported_media();                                               // 415
sip::ResponseSpec interval_too_small(std::vector<sip::ExtraHeader> headers);         // 422
sip::ResponseSpec try_later(int status, int seconds, std::string_view phrase = {});  // 500, 503
sip::ResponseSpec options_answer();
sip::ResponseSpec method_refused(bool is_known);  // 405, 501
// Outside a dialog only INVITE and OPTIONS are served: 481 for what belongs into one, 405, 501.
// 416 for the URI of another world than telephones' (RFC 3261 section 8.2.2.1); an INVITE that
// bears one is recorded all the same.
std::optional<sip::ResponseSpec> find_refusal_outside_dialog(const sip::Message& request);

void add_headers(std::vector<sip::ExtraHeader>& to, std::vector<sip::ExtraHeader> headers);

// The UPDATE that asks for a snapshot: no SDP (P-102 to P-105).
sip::RequestSpec snapshot_request(std::string_view reason);
// The INFO that asks for a picture to begin with (RFC 5168).
sip::RequestSpec key_frame_request();
// What refreshes the session (RFC 4028 section 7.4): an UPDATE without a body, which also OpenSIPS
// answers with 200 (interop section 3.8), or a re-INVITE that offers `sdp` again.
sip::RequestSpec refresh_by_update();
sip::RequestSpec refresh_by_invite(std::string sdp);

// One digit of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") or application/dtmf.
struct DtmfDigit {
    std::string digit;    // "0".."9", "*", "#", "A".."D", or as written
    int duration_ms = 0;  // 0: not told
};
std::optional<DtmfDigit> parse_dtmf(std::string_view content_type, std::string_view body);

}  // namespace earshot::siprec
