#include "http/response_head.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.h"

namespace earshot::http {
namespace {

// What a browser may do with our pages. Inline styles: the waveform draws in a shadow tree with its
// own style element, and computed positions are style attributes. Scripts come from files alone.
constexpr std::string_view kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kDefaults{
    {{"Content-Security-Policy", kContentPolicy},
     {"X-Content-Type-Options", "nosniff"},
     {"Referrer-Policy", "no-referrer"},
     {"Cross-Origin-Resource-Policy", "same-origin"},
     {"Cross-Origin-Opener-Policy", "same-origin"},
     // What people said is not to lie in a browser's cache.
     {"Cache-Control", "no-store"}}};

void add_field(std::string& head, std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    for (const char c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    head += "\r\n";
}

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

std::string to_http_date(base::WallTime time) {
    const std::time_t seconds = base::to_ns(time) / 1'000'000'000;
    return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(seconds));
}

std::string write_head(const Response& response, const Framing& framing, base::WallTime now) {
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
    for (const Field& field : response.headers) add_field(head, field.name, field.value);
    for (const auto& [name, value] : kDefaults)
        if (response.header(name).empty()) add_field(head, name, value);
    add_field(head, "Date", to_http_date(now));
    if (framing.kind == Framing::Kind::Length && !has_no_body(response.status))
        add_field(head, "Content-Length", std::to_string(framing.length));
    if (framing.kind == Framing::Kind::Chunked) add_field(head, "Transfer-Encoding", "chunked");
    if (!framing.keep_alive) add_field(head, "Connection", "close");
    return head + "\r\n";
}

bool is_not_modified(const Request& request, const Response& response) {
    const std::string_view etag = response.header("etag");
    if (response.status != 200 || etag.empty()) return false;
    if (request.method != "GET" && request.method != "HEAD") return false;
    std::string_view rest = request.header("if-none-match");
    while (!rest.empty()) {
        std::string_view candidate = base::trim(base::take_until(rest, ','));
        if (candidate.starts_with("W/")) candidate.remove_prefix(2);
        if (candidate == etag || candidate == "*") return true;
    }
    return false;
}

}  // namespace earshot::http
