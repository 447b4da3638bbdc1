// The fixed parts of what a recording server answers, and small bodies that it reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/agent.h"

namespace earshot::siprec {

inline constexpr std::string_view kAllow = "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, INFO";
inline constexpr std::string_view kAccept =
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";

sip::ResponseSpec plain_answer(int status, std::string phrase = {});
// 200 with application/sdp alone: peers read nothing else (E-27).
sip::ResponseSpec sdp_answer(std::string sdp);
sip::ResponseSpec bad_extension(const std::vector<std::string>& tags);               // 420
sip::ResponseSpec not_acceptable(std::string_view warning);                          // 488
sip::ResponseSpec unsupported_media();                                               // 415
sip::ResponseSpec try_later(int status, int seconds, std::string_view phrase = {});  // 500, 503
sip::ResponseSpec options_answer();
sip::ResponseSpec method_refused(bool is_known);  // 405, 501

// The UPDATE that asks for a snapshot: no SDP (P-102 to P-105).
sip::RequestSpec snapshot_request(std::string_view reason);

// One digit of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") or application/dtmf.
struct DtmfDigit {
    std::string digit;    // "0".."9", "*", "#", "A".."D", or as written
    int duration_ms = 0;  // 0: not told
};
std::optional<DtmfDigit> parse_dtmf(std::string_view content_type, std::string_view body);

}  // namespace earshot::siprec
