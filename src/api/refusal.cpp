#include "api/refusal.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "api/no_room.h"

namespace earshot::api {
namespace {

int status_of(std::string_view code) {
    if (code == "not_found" || code == "no_audio" || code == "no_metadata" || code == "no_text" ||
        code == "no_chat" || code == "no_video" || code == "no_media")
        return 404;
    if (code == "not_archived" || code == "not_running" || code == "no_such_stream" ||
        code == "several_pieces" || code == "not_encrypted")
        return 409;
    if (code == "erased") return 410;
    if (code == "not_ready" || code == "key_missing" || code == "busy" || code == "media_missing" ||
        no_room::covers(code))
        return 503;
    if (code == "bad_request") return 400;
    if (code == "unknown_peer" || code == "no_certificate" || code == "tls_required" ||
        code == "private_message")
        return 403;
    if (code == "too_large" || code == "cannot_render") return 422;
    if (code.starts_with("catalogue_")) return 503;
    return 500;
}

}  // namespace

http::Response refuse(const base::Reason& reason) {
    return http::problem(status_of(reason.code), reason.code, reason.text);
}

http::Response refuse(const catalog::FindError& error) {
    using Kind = catalog::FindError::Kind;
    switch (error.kind) {
        case Kind::TooShort:
            return http::problem(400, error.reason.code, error.reason.text);
        case Kind::NotFound:
            return http::problem(404, error.reason.code, error.reason.text);
        case Kind::Unavailable:
            return http::problem(503, error.reason.code, error.reason.text);
        case Kind::Ambiguous:
            break;
    }
    auto body =
        nlohmann::json::parse(http::problem(409, error.reason.code, error.reason.text).text());
    body["matches"] = error.matches;
    return http::make_response(409, "application/problem+json", body.dump());
}

}  // namespace earshot::api
