#include "api/request_body.h"

#include "base/text.h"
#include "siprec/limits.h"

namespace earshot::api {

using nlohmann::json;

std::optional<RequestBody> RequestBody::parse(std::string_view body) {
    if (body.empty()) return RequestBody(json::object());
    json fields = json::parse(body, nullptr, false);
    if (!fields.is_object()) return std::nullopt;
    return RequestBody(std::move(fields));
}

http::Response RequestBody::refusal() {
    return http::problem(400, "bad_request",
                         R"(The body is no JSON object such as {"reason": "..."}.)");
}

std::string RequestBody::text(const char* name) const {
    const auto found = fields_.find(name);
    return found != fields_.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::string RequestBody::short_text(const char* name) const {
    return base::to_valid_utf8(text(name).substr(0, siprec::kMaxControlTextBytes));
}

}  // namespace earshot::api
