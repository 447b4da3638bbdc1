// What a request of the API says in its body: a JSON object of texts, or nothing at all.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace earshot::api {

class RequestBody {
public:
    // nullopt: it is no JSON object; refusal() says so.
    static std::optional<RequestBody> parse(std::string_view body);
    static http::Response refusal();

    // Empty: there is none of this name, or it is no text.
    std::string text(const char* name) const;
    // `who` and `reason`: they go into log lines, rows and events, so they are cut at the door.
    std::string short_text(const char* name) const;

private:
    explicit RequestBody(nlohmann::json fields) : fields_(std::move(fields)) {}

    nlohmann::json fields_;
};

}  // namespace earshot::api
