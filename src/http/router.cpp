#include "http/router.h"

#include <fmt/format.h>

#include <optional>

#include "base/text.h"

namespace earshot::http {
namespace {

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    std::string_view rest = path.empty() ? path : path.substr(1);
    while (!rest.empty()) segments.push_back(base::take_until(rest, '/'));
    return segments;
}

std::optional<Parameters> match(const std::vector<std::string>& pattern,
                                const std::vector<std::string_view>& path) {
    if (pattern.size() != path.size()) return std::nullopt;
    Parameters parameters;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i].starts_with('{'))
            parameters.push_back(path[i]);
        else if (pattern[i] != path[i])
            return std::nullopt;
    }
    return parameters;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, RouteHandler handler) {
    Route route{std::string(method), {}, std::move(handler)};
    for (const std::string_view segment : split(pattern)) route.segments.emplace_back(segment);
    routes_.push_back(std::move(route));
}

Response Router::route(const Request& request) const {
    const std::vector<std::string_view> path = split(request.path);
    const std::string_view method =
        request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
    std::string allowed;
    for (const Route& route : routes_) {
        const auto parameters = match(route.segments, path);
        if (!parameters) continue;
        if (route.method == method) return route.handler(request, *parameters);
        allowed += (allowed.empty() ? "" : ", ") + route.method;
    }
    if (allowed.empty())
        return problem(404, "not_found", fmt::format("There is nothing at {}.", request.path));
    Response response =
        problem(405, "method_not_allowed",
                fmt::format("{} is not possible here; use {}.", request.method, allowed));
    response.headers.push_back({"Allow", allowed});
    return response;
}

}  // namespace earshot::http
