#include "siprec/client_bodies.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "mime/multipart.h"
#include "mime/multipart_writer.h"
#include "siprec/limits.h"
#include "siprec/metadata.h"

namespace earshot::siprec {
namespace {

constexpr std::string_view kSdpType = "application/sdp";
constexpr std::string_view kDraftRequestType = "application/rs-metadata-request";

base::Result<mime::Body> parse(const sip::Message& message) {
    return mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""),
                            message.find(sip::HeaderId::ContentDisposition).value_or(""),
                            base::as_text(message.body()));
}

std::string as_told(std::string_view text) {
    return base::to_valid_utf8(base::trim(text).substr(0, kMaxControlTextBytes));
}

bool is_metadata(const mime::Part& part) {
    return part.has_type(kRsMetadataType) || part.has_type("application/rs-metadata");
}

std::string reason_in(std::string_view document) {
    const auto request = parse_metadata(document);
    return request ? as_told(request->request_reason) : std::string{};
}

}  // namespace

Body body_of(std::string_view sdp, std::string_view metadata, base::Random& random) {
    if (metadata.empty()) return {std::string{kSdpType}, std::string{sdp}, {}};
    if (sdp.empty())
        return {std::string{kRsMetadataType}, std::string{metadata},
                std::string{kRsMetadataDisposition}};
    const std::array<mime::OutgoingPart, 2> parts{
        {{kSdpType, {}, {}, sdp}, {kRsMetadataType, kRsMetadataDisposition, {}, metadata}}};
    // Random, so that nothing in either part can end it.
    const std::string boundary = "earshot-" + random.token(16);
    auto bytes = mime::write_multipart(parts, boundary);
    return {mime::multipart_mixed_type(boundary), bytes ? *std::move(bytes) : std::string{}, {}};
}

std::string_view find_sdp(const sip::Message& message) {
    if (message.body().empty()) return {};
    const auto body = parse(message);
    if (!body) return {};
    const mime::Part* part = body->find(kSdpType);
    return part == nullptr ? std::string_view{} : part->body;
}

std::optional<std::string> find_snapshot_request(const sip::Message& message) {
    const std::string_view type = message.find(sip::HeaderId::ContentType).value_or("");
    if (message.body().empty())
        return base::istarts_with(base::trim(type), kDraftRequestType)
                   ? std::optional<std::string>{std::string{}}
                   : std::nullopt;
    const auto body = parse(message);
    if (!body) return std::nullopt;
    for (const mime::Part& part : body->parts) {
        if (part.has_type(kDraftRequestType)) return as_told(part.body);
        if (is_metadata(part)) return reason_in(part.body);
    }
    return std::nullopt;
}

std::string explanation_of(const sip::Message& message) {
    for (const sip::HeaderId id : {sip::HeaderId::Warning, sip::HeaderId::Reason}) {
        std::string_view value = message.find(id).value_or("");
        if (value.empty()) continue;
        // The quoted text of either (RFC 3261 section 20.43, RFC 3326), or all of it.
        const std::size_t open = value.find('"');
        const std::size_t close = value.rfind('"');
        if (open != std::string_view::npos && close > open)
            value = value.substr(open + 1, close - open - 1);
        std::string text = as_told(value);
        while (text.ends_with('.')) text.pop_back();  // the sentence goes on
        return text;
    }
    return {};
}

std::string status_and_phrase(const sip::Message& response) {
    std::string text = std::to_string(response.status()) + " " + as_told(response.reason());
    if (const std::string why = explanation_of(response); !why.empty()) text += ": " + why;
    return text;
}

}  // namespace earshot::siprec
