#include "siprec/server_answers.h"

#include "base/text.h"
#include "sip/uri.h"
#include "siprec/invite_marks.h"
#include "siprec/limits.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

sip::ResponseSpec plain_answer(int status, std::string phrase) {
    sip::ResponseSpec response;
    response.status = status;
    response.phrase = std::move(phrase);
    return response;
}

sip::ResponseSpec sdp_answer(std::string sdp) {
    sip::ResponseSpec response = plain_answer(200);
    response.headers = {{"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
    response.content_type = "application/sdp";
    response.body = std::move(sdp);
    return response;
}

sip::ResponseSpec bad_extension(const std::vector<std::string>& tags) {
    sip::ResponseSpec response = plain_answer(420);
    std::string list;
    for (const std::string& tag : tags) list += (list.empty() ? "" : ", ") + tag;
    response.headers = {{"Unsupported", list}};
    return response;
}

sip::ResponseSpec not_acceptable(std::string_view warning) {
    sip::ResponseSpec response = plain_answer(488);
    // RFC 3261 section 20.43: 399 is "miscellaneous", its agent is a pseudonym.
    response.headers = {{"Warning", "399 earshot \"" + std::string{warning} + "\""}};
    return response;
}

sip::ResponseSpec unsupported_media() {
    sip::ResponseSpec response = plain_answer(415);
    response.headers = {{"Accept", std::string{kAccept}}};
    return response;
}

sip::ResponseSpec interval_too_small(std::vector<sip::ExtraHeader> headers) {
    sip::ResponseSpec response = plain_answer(422);
    response.headers = std::move(headers);
    return response;
}

sip::ResponseSpec try_later(int status, int seconds, std::string_view phrase) {
    sip::ResponseSpec response = plain_answer(status, std::string{phrase});
    response.headers = {{"Retry-After", std::to_string(seconds)}};
    return response;
}

sip::ResponseSpec options_answer() {
    sip::ResponseSpec response = plain_answer(200);
    // siprec does not belong into Supported (P-13).
    response.headers = {{"Allow", std::string{kAllow}},
                        {"Accept", std::string{kAccept}},
                        {"Supported", "100rel, timer"}};
    return response;
}

sip::ResponseSpec method_refused(bool is_known) {
    sip::ResponseSpec response = plain_answer(is_known ? 405 : 501);
    response.headers = {{"Allow", std::string{kAllow}}};
    return response;
}

std::optional<sip::ResponseSpec> find_refusal_outside_dialog(const sip::Message& request) {
    switch (request.method()) {
        case sip::Method::Invite:
            return std::nullopt;
        case sip::Method::Options: {
            // RFC 3261 section 8.2.2.3, as an INVITE would be answered (section 11.2).
            if (const auto tags = unsupported_tags(request); !tags.empty())
                return bad_extension(tags);
            const auto uri = sip::parse_uri(request.request_uri());
            const bool is_ours = !uri || uri->scheme != sip::UriScheme::Other;
            return is_ours ? std::nullopt : std::optional{plain_answer(416)};
        }
        case sip::Method::Bye:
        case sip::Method::Info:
        case sip::Method::Prack:
        case sip::Method::Update:
            return plain_answer(481);
        case sip::Method::Other:
            return method_refused(false);
        default:
            return method_refused(true);
    }
}

void add_headers(std::vector<sip::ExtraHeader>& to, std::vector<sip::ExtraHeader> headers) {
    to.insert(to.end(), std::make_move_iterator(headers.begin()),
              std::make_move_iterator(headers.end()));
}

sip::RequestSpec refresh_by_update() {
    sip::RequestSpec request;
    request.method = "UPDATE";
    request.headers = {{"Allow", std::string{kAllow}}};
    return request;
}

sip::RequestSpec refresh_by_invite(std::string sdp) {
    sip::RequestSpec request;
    request.method = "INVITE";
    request.headers = {{"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
    request.content_type = "application/sdp";
    request.body = std::move(sdp);
    return request;
}

sip::RequestSpec snapshot_request(std::string_view reason) {
    sip::RequestSpec request;
    request.method = "UPDATE";
    request.headers = {{"Content-Disposition", "recording-session"},
                       {"Accept", std::string{kAccept}}};
    request.content_type = "application/rs-metadata+xml";
    request.body = write_snapshot_request(reason);
    return request;
}

sip::RequestSpec key_frame_request() {
    sip::RequestSpec request;
    request.method = "INFO";
    request.content_type = "application/media_control+xml";
    request.body =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"
        "<media_control><vc_primitive><to_encoder><picture_fast_update/>"
        "</to_encoder></vc_primitive></media_control>\r\n";
    return request;
}

std::optional<DtmfDigit> parse_dtmf(std::string_view content_type, std::string_view body) {
    if (body.size() > kMaxDtmfBodyBytes) return std::nullopt;
    DtmfDigit dtmf;
    if (base::iequals(content_type, "application/dtmf")) {
        dtmf.digit = base::trim(body);
    } else if (base::iequals(content_type, "application/dtmf-relay")) {
        while (!body.empty()) {
            std::string_view value = base::take_until(body, '\n');
            const std::string_view name = base::trim(base::take_until(value, '='));
            value = base::trim(value);
            if (base::iequals(name, "Signal")) dtmf.digit = value;
            if (base::iequals(name, "Duration"))
                dtmf.duration_ms = base::parse_number<std::uint16_t>(value).value_or(0);
        }
    }
    if (dtmf.digit.empty() || dtmf.digit.size() > 16) return std::nullopt;
    return dtmf;
}

}  // namespace earshot::siprec
