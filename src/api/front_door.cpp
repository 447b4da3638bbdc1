#include "api/front_door.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace earshot::api {
namespace {

using http::Request;
using http::Response;

constexpr std::string_view kHtml = "text/html; charset=utf-8";

// Cookies are shared by all ports of a host, so two servers on one machine need two names.
std::string cookie_name(std::string_view url) {
    const std::size_t colon = url.rfind(':');
    return fmt::format("earshot_{}", colon == std::string_view::npos ? "" : url.substr(colon + 1));
}

Response ask_for_link(int status, std::string_view what, std::string_view command) {
    return http::make_response(
        status, kHtml,
        fmt::format("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                    "<title>Earshot</title>\n"
                    "<body style=\"font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; "
                    "padding: 0 1em\">\n<h1>Earshot</h1>\n<p>{}</p>\n"
                    "<p>On the machine where it runs,</p>\n"
                    "<pre>{}</pre>\n"
                    "<p>prints a link that opens this page once, within ten minutes.</p>\n"
                    "</body>\n</html>\n",
                    what, command));
}

Response unauthorized() {
    Response response = http::problem(401, "no_access",
                                      "Send the token of DATA/cli.json as Authorization: Bearer, "
                                      "or open the page by its one-time link.");
    response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"earshot\""});
    return response;
}

}  // namespace

FrontDoor::FrontDoor(Options options, const Assets& assets, const io::Clock& clock,
                     base::Random& random)
    : options_(std::move(options)),
      assets_(assets),
      clock_(clock),
      access_(options_.token, cookie_name(options_.url), options_.extra_hosts, random) {}

Response FrontDoor::handle(const Request& request, const http::Router& resources, bool is_ready) {
    if (!access_.is_host_allowed(request))
        return http::problem(421, "bad_host",
                             "This server answers to loopback names only, as protection against "
                             "DNS rebinding.");
    if (request.path == "/livez") return http::make_response(200, "text/plain", "ok\n");
    if (request.path == "/readyz")
        return is_ready ? http::make_response(200, "text/plain", "ready\n")
                        : http::problem(503, "not_ready", "The server takes no new calls now.");
    if (request.path == "/login") return log_in(request);
    if (request.path.starts_with("/api/") || request.path == "/metrics")
        return who_asks(request) == Who::Nobody ? unauthorized() : resources.route(request);
    return page(request);
}

FrontDoor::Who FrontDoor::who_asks(const Request& request) {
    return access_.who_asks(request, clock_.now().steady);
}

bool FrontDoor::may_read_private(const Request& request) {
    return access_.may_read_private(request, clock_.now().steady);
}

std::string FrontDoor::make_login_link(bool reads_private) {
    return fmt::format("{}/login?code={}", options_.url,
                       access_.make_code(clock_.now().steady, reads_private));
}

void FrontDoor::add_login_link(http::Router& router) {
    router.add(
        "POST", "/api/v1/login-link", [this](const Request& request, const http::Parameters&) {
            // A session may not make more sessions: that is for who holds the token.
            if (who_asks(request) != Who::Token)
                return http::problem(403, "token_needed", "Only the token makes a login link.");
            bool reads_private = false;
            if (!request.body.empty()) {
                const auto body = nlohmann::json::parse(request.body, nullptr, false);
                const auto asked = body.is_object() ? body.find("private_messages") : body.end();
                if (!body.is_object() || (asked != body.end() && !asked->is_boolean()))
                    return http::problem(400, "bad_request",
                                         "The body is nothing, or {\"private_messages\": true}.");
                reads_private = asked != body.end() && asked->get<bool>();
            }
            const auto life =
                std::chrono::duration_cast<std::chrono::seconds>(AccessControl::kCodeLife);
            const nlohmann::json link{{"url", make_login_link(reads_private)},
                                      {"expires_in_s", life.count()}};
            return http::make_response(201, "application/json", link.dump());
        });
}

Response FrontDoor::log_in(const Request& request) {
    if (request.method != "GET")  // HEAD as well: a preview must not use the code up
        return http::problem(405, "method_not_allowed", "Open the link in a browser.");
    const std::string cookie =
        access_.trade_code(request.query_value("code").value_or(""), clock_.now().steady);
    if (cookie.empty())
        return ask_for_link(403, "This link was used before, or it is too old.",
                            options_.page_command);
    Response response = http::make_response(303, "text/plain", "");
    response.headers.push_back({"Location", "/"});
    response.headers.push_back({"Set-Cookie", cookie});
    return response;
}

// The page's files hold nothing of anybody; only the first one is kept back, to tell how to get
// in rather than show a page that cannot load.
Response FrontDoor::page(const Request& request) {
    if (request.method != "GET" && request.method != "HEAD")
        return http::problem(405, "method_not_allowed", "Pages are only read.");
    const bool is_start = request.path == "/";
    if (is_start && who_asks(request) == Who::Nobody)
        return ask_for_link(401, "This page opens by a one-time link.", options_.page_command);
    const auto asset = assets_.find(request.path);
    if (!asset)
        return http::problem(404, "not_found",
                             fmt::format("There is nothing at {}.", request.path));
    Response response = http::make_response(200, asset->content_type, std::string(asset->content));
    if (!asset->encoding.empty()) {
        response.headers.push_back({"Content-Encoding", std::string(asset->encoding)});
        response.headers.push_back({"Vary", "Accept-Encoding"});
    }
    if (!asset->etag.empty()) {
        response.headers.push_back({"ETag", std::string(asset->etag)});
        response.headers.push_back({"Cache-Control", "no-cache"});
    }
    return response;
}

}  // namespace earshot::api
