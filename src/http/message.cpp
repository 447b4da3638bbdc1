#include "http/message.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace earshot::http {
namespace {

std::string_view find_field(const Fields& fields, std::string_view name) {
    for (const Field& field : fields)
        if (base::iequals(field.name, name)) return field.value;
    return {};
}

int hex_digit(char c) {
    if (base::is_digit(c)) return c - '0';
    const char lower = base::to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string_view Request::header(std::string_view name) const { return find_field(headers, name); }
std::string_view Response::header(std::string_view name) const { return find_field(headers, name); }

std::optional<std::string_view> Request::query_value(std::string_view name) const {
    for (const Field& field : query)
        if (field.name == name) return field.value;
    return std::nullopt;
}

std::string_view Request::cookie(std::string_view name) const {
    std::string_view rest = header("cookie");
    while (!rest.empty()) {
        std::string_view pair = base::trim(base::take_until(rest, ';'));
        if (base::take_until(pair, '=') == name) return pair;
    }
    return {};
}

std::string_view Response::text() const {
    const auto* value = std::get_if<std::string>(&body);
    return value == nullptr ? std::string_view() : std::string_view(*value);
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kUnreservedMarks = "-._~";
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const char lower = base::to_lower(c);
        if (base::is_digit(c) || (lower >= 'a' && lower <= 'z') ||
            kUnreservedMarks.find(c) != std::string_view::npos) {
            encoded += c;
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += kDigits[octet >> 4];
        encoded += kDigits[octet & 15];
    }
    return encoded;
}

std::optional<Request> parse_target(std::string_view target) {
    constexpr std::size_t kMaxQueryFields = 64;
    if (target.empty() || target.front() != '/') return std::nullopt;
    if (target.find('\0') != std::string_view::npos) return std::nullopt;
    Request request;
    request.target = std::string(target);
    std::string_view rest = target;
    auto path = percent_decode(base::take_until(rest, '?'));
    if (!path) return std::nullopt;
    request.path = std::move(*path);
    while (!rest.empty()) {
        std::string_view pair = base::take_until(rest, '&');
        if (pair.empty()) continue;
        auto name = percent_decode(base::take_until(pair, '='), true);
        auto value = percent_decode(pair, true);
        if (!name || !value || request.query.size() == kMaxQueryFields) return std::nullopt;
        request.query.push_back({std::move(*name), std::move(*value)});
    }
    return request;
}

std::string_view status_text(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 413:
            return "Content Too Large";
        case 416:
            return "Range Not Satisfiable";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Content";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        default:
            return status < 400 ? "OK" : "Error";
    }
}

Response make_response(int status, std::string_view content_type, std::string body) {
    Response response;
    response.status = status;
    response.headers.push_back({"Content-Type", std::string(content_type)});
    response.body = std::move(body);
    return response;
}

Response problem(int status, std::string_view code, std::string_view detail) {
    const nlohmann::json body{{"type", "about:blank"},
                              {"title", status_text(status)},
                              {"status", status},
                              {"code", code},
                              {"detail", base::to_valid_utf8(detail)}};
    return make_response(status, "application/problem+json", body.dump());
}

std::string encode_event(std::string_view name, std::string_view data) {
    std::string text = "event: " + std::string(name) + '\n';
    std::string_view rest = data;
    do {
        text += "data: ";
        text += base::take_until(rest, '\n');
        text += '\n';
    } while (!rest.empty());
    return text + '\n';
}

}  // namespace earshot::http
