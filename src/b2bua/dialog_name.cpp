#include "b2bua/dialog_name.h"

#include <fmt/format.h>

#include "base/text.h"
#include "sip/headers.h"
#include "sip/uri.h"

namespace earshot::b2bua {

namespace {

// RFC 3261 §25.1: what may stand in a URI's header value as it is; all else is escaped.
bool stands_in_header(char c) {
    const char lower = base::to_lower(c);
    constexpr std::string_view kMarks = "-_.!~*'()[]/?:+$";
    return base::is_digit(c) || (lower >= 'a' && lower <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
}

std::string escape(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (stands_in_header(c)) {
            escaped += c;
        } else {
            escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return escaped;
}

}  // namespace

std::optional<DialogName> parse_dialog_name(std::string_view value) {
    const sip::TokenValue parsed = sip::parse_token_value(value);
    DialogName name;
    name.call_id = parsed.token;
    std::string_view rest = parsed.params;
    sip::Param param;
    while (sip::take_param(rest, param)) {
        if (base::iequals(param.name, "to-tag")) {
            name.to_tag = param.value;
        } else if (base::iequals(param.name, "from-tag")) {
            name.from_tag = param.value;
        } else {
            name.params.append(";").append(param.name);
            if (param.has_value) name.params.append("=").append(param.value);
        }
    }
    if (name.call_id.empty() || name.to_tag.empty() || name.from_tag.empty()) return std::nullopt;
    return name;
}

std::string to_string(const DialogName& name) {
    return name.call_id + ";to-tag=" + name.to_tag + ";from-tag=" + name.from_tag + name.params;
}

std::optional<ReferTo> parse_refer_to(std::string_view value) {
    const auto parsed = sip::parse_name_addr(value);
    if (!parsed || parsed->uri.empty()) return std::nullopt;
    const auto at = static_cast<std::size_t>(parsed->uri.data() - value.data());
    ReferTo refer_to;
    refer_to.before = value.substr(0, at);
    refer_to.after = value.substr(at + parsed->uri.size());
    std::string_view headers = parsed->uri;
    refer_to.uri = base::take_until(headers, '?');
    while (!headers.empty()) {
        const std::string_view header = base::take_until(headers, '&');
        std::string_view text = header;
        const std::string_view name = base::take_until(text, '=');
        if (base::iequals(name, "Replaces") && !refer_to.replaces) {
            refer_to.replaces = parse_dialog_name(sip::unescape(text));
            if (refer_to.replaces) continue;
        }
        if (!refer_to.headers.empty()) refer_to.headers += '&';
        refer_to.headers += header;
    }
    return refer_to;
}

std::string to_string(const ReferTo& refer_to) {
    std::string text = refer_to.before + refer_to.uri;
    char separator = '?';
    if (refer_to.replaces) {
        text.append("?Replaces=").append(escape(to_string(*refer_to.replaces)));
        separator = '&';
    }
    if (!refer_to.headers.empty()) text.append(1, separator).append(refer_to.headers);
    return text + refer_to.after;
}

}  // namespace earshot::b2bua
