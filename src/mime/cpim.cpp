#include "mime/cpim.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace earshot::mime {
namespace {

base::Error malformed(std::string_view what, std::size_t at) {
    return base::Error{base::Errc::Malformed, what, at};
}

void append_utf8(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
        out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        out.push_back(static_cast<char>(0xc0 | c >> 6));
        out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    } else {
        out.push_back(static_cast<char>(0xe0 | c >> 12));
        out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
        out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    }
}

// RFC 3862 section 2.3.1. An escape that is none stays as it is.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out.push_back(text[i]);
            continue;
        }
        const char next = text[++i];
        switch (next) {
            case '\\':
            case '"':
            case '\'':
                out.push_back(next);
                break;
            case 'b':
                out.push_back('\b');
                break;
            case 't':
                out.push_back('\t');
                break;
            case 'n':
                out.push_back('\n');
                break;
            case 'r':
                out.push_back('\r');
                break;
            case 'u': {
                const auto hex = base::parse_hex(text.substr(i + 1, 4));
                if (hex && hex->size() == 2) {
                    append_utf8(out, std::uint32_t{(*hex)[0]} << 8 | (*hex)[1]);
                    i += 4;
                    break;
                }
                [[fallthrough]];
            }
            default:
                out.append("\\").push_back(next);
        }
    }
    return out;
}

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            default:
                out.push_back(c);
        }
    }
    return out;
}

// [name | "name"] <uri>; a URI without brackets is taken, too.
CpimAddress parse_address(std::string_view value) {
    const std::size_t open = value.rfind('<');
    if (open == std::string_view::npos) return {.name = {}, .uri = std::string(base::trim(value))};
    std::string_view uri = value.substr(open + 1);
    uri = uri.substr(0, uri.find('>'));
    std::string_view name = base::trim(value.substr(0, open));
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
        name = name.substr(1, name.size() - 2);
    }
    return {.name = unescape(name), .uri = std::string(base::trim(uri))};
}

// More than one "<" that no quotes hold. Quotes that do not close hold nothing.
bool has_more_than_one_uri(std::string_view value) {
    std::size_t all = 0;
    std::size_t outside = 0;
    bool is_quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (is_quoted && value[i] == '\\')
            ++i;
        else if (value[i] == '"')
            is_quoted = !is_quoted;
        else if (value[i] == '<') {
            ++all;
            if (!is_quoted) ++outside;
        }
    }
    return (is_quoted ? all : outside) > 1;
}

// The line at `at` without its end; moves `at` behind it. Nothing when it has no end.
std::optional<std::string_view> take_line(std::string_view text, std::size_t& at) {
    const std::size_t newline = text.find('\n', at);
    if (newline == std::string_view::npos) return std::nullopt;
    std::string_view line = text.substr(at, newline - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = newline + 1;
    return line;
}

struct Namespaces {
    std::vector<std::pair<std::string, std::string>> of_prefix;
    std::string usual;  // NS without a prefix: of names without one

    void declare(std::string_view value) {
        const std::size_t open = value.find('<');
        std::string_view uri = open == std::string_view::npos ? value : value.substr(open + 1);
        uri = base::trim(uri.substr(0, uri.find('>')));
        const std::string_view prefix =
            open == std::string_view::npos ? std::string_view{} : base::trim(value.substr(0, open));
        if (prefix.empty()) {
            usual = uri;
        } else {
            of_prefix.emplace_back(prefix, uri);
        }
    }
    std::string_view find(std::string_view prefix) const {
        // The last declaration counts (RFC 3862 section 2.4.1 allows another one).
        const auto known = std::find_if(of_prefix.rbegin(), of_prefix.rend(),
                                        [&](const auto& entry) { return entry.first == prefix; });
        return known == of_prefix.rend() ? prefix : std::string_view(known->second);
    }
};

constexpr std::string_view kCpimNamespace = "urn:ietf:params:cpim-headers:";

void add_own_header(CpimHead& head, Namespaces& namespaces, std::string_view name,
                    std::string_view value) {
    if (base::iequals(name, "From")) {
        if (!head.from) head.from = parse_address(value);
    } else if (base::iequals(name, "To")) {
        head.to.push_back(parse_address(value));
    } else if (base::iequals(name, "cc")) {
        head.cc.push_back(parse_address(value));
    } else if (base::iequals(name, "DateTime")) {
        head.date_time = value;
    } else if (base::iequals(name, "NS")) {
        namespaces.declare(value);
    } else if (base::iequals(name, "Subject") && head.subject.empty()) {
        head.subject = unescape(value);
    } else {
        head.others.push_back(
            {.name_space = {}, .name = std::string(name), .value = unescape(value)});
    }
}

base::Result<base::Done> add_header(CpimHead& head, Namespaces& namespaces, bool& has_from,
                                    std::string_view line, std::size_t at) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        return malformed("CPIM: a header line without a name", at);
    }
    const std::string_view name = base::trim(line.substr(0, colon));
    std::string_view value = line.substr(colon + 1);
    // Parameters follow the colon directly, the value a space (RFC 3862 section 3.1):
    // "Subject:;lang=fr beau temps".
    if (value.starts_with(';')) base::take_until(value, ' ');
    value = base::trim(value);
    const std::size_t dot = name.find('.');
    const std::string_view bare = dot == std::string_view::npos ? name : name.substr(dot + 1);
    const bool is_from = base::iequals(bare, "From");
    const bool is_address = is_from || base::iequals(bare, "To") || base::iequals(bare, "cc");
    if (is_from && std::exchange(has_from, true)) head.is_ambiguous = true;
    if (is_address && has_more_than_one_uri(value)) head.is_ambiguous = true;
    if (dot != std::string_view::npos && dot > 0) {
        head.others.push_back({.name_space = std::string(namespaces.find(name.substr(0, dot))),
                               .name = std::string(name.substr(dot + 1)),
                               .value = unescape(value)});
    } else if (namespaces.usual.empty() || namespaces.usual == kCpimNamespace) {
        add_own_header(head, namespaces, name, value);
    } else if (base::iequals(name, "NS")) {
        namespaces.declare(value);
    } else {
        head.others.push_back(
            {.name_space = namespaces.usual, .name = std::string(name), .value = unescape(value)});
    }
    return base::Done{};
}

void read_mime_header(CpimHead& head, std::string_view line) {
    const std::string_view name = base::trim(base::take_until(line, ':'));
    if (base::iequals(name, "Content-Type")) head.content_type = base::trim(line);
    if (base::iequals(name, "Content-Disposition")) head.content_disposition = base::trim(line);
}

std::string to_text(const CpimAddress& address) {
    if (address.name.empty()) return "<" + address.uri + ">";
    const bool is_plain = address.name.find_first_of("\"<>\\\r\n\t") == std::string::npos;
    if (is_plain) return address.name + " <" + address.uri + ">";
    std::string name;
    for (const char c : escape(address.name)) name.append(c == '"' ? "\\" : "").push_back(c);
    return "\"" + name + "\" <" + address.uri + ">";
}

}  // namespace

std::string_view CpimHead::find(std::string_view name_space, std::string_view name) const {
    for (const CpimHeader& header : others) {
        if (header.name_space == name_space && header.name == name) return header.value;
    }
    return {};
}

base::Result<CpimHead> parse_cpim(std::string_view text) {
    CpimHead head;
    Namespaces namespaces;
    bool has_from = false;
    std::size_t at = 0;
    std::size_t headers = 0;
    const std::string_view within = text.substr(0, kMaxCpimHeadBytes);
    const auto no_end = [&] {
        return text.size() > kMaxCpimHeadBytes
                   ? base::Error{base::Errc::TooLarge, "CPIM: headers too large", at}
                   : malformed("CPIM: the headers have no end", at);
    };
    for (bool is_mime = false;;) {
        const std::size_t line_at = at;
        const auto line = take_line(within, at);
        if (!line) return no_end();
        if (line->empty()) {
            if (is_mime) break;
            // Blank lines before the message headers are a slip of some senders.
            is_mime = headers > 0;
            continue;
        }
        if (is_mime) {
            read_mime_header(head, *line);
            head.mime_headers.append(*line).append("\r\n");
            continue;
        }
        if (++headers > kMaxCpimHeaders) {
            return base::Error{base::Errc::TooLarge, "CPIM: too many headers", line_at};
        }
        const auto added = add_header(head, namespaces, has_from, *line, line_at);
        if (!added) return added.error();
    }
    head.content_at = at;
    return head;
}

std::string write_cpim(const CpimHead& head, const std::vector<CpimPrefix>& prefixes) {
    std::string out;
    const auto write = [&](std::string_view name, std::string_view value) {
        out.append(name).append(": ").append(value).append("\r\n");
    };
    if (head.from) write("From", to_text(*head.from));
    for (const CpimAddress& to : head.to) write("To", to_text(to));
    for (const CpimAddress& cc : head.cc) write("cc", to_text(cc));
    if (!head.date_time.empty()) write("DateTime", head.date_time);
    if (!head.subject.empty()) write("Subject", escape(head.subject));

    std::vector<std::pair<std::string, std::string>> declared;  // namespace, prefix
    for (const CpimHeader& header : head.others) {
        std::string name;
        if (!header.name_space.empty()) {
            auto known = std::find_if(declared.begin(), declared.end(), [&](const auto& entry) {
                return entry.first == header.name_space;
            });
            if (known == declared.end()) {
                const auto given = std::find_if(
                    prefixes.begin(), prefixes.end(),
                    [&](const CpimPrefix& entry) { return entry.name_space == header.name_space; });
                const std::string prefix = given == prefixes.end()
                                               ? "x" + std::to_string(declared.size() + 1)
                                               : std::string(given->prefix);
                write("NS", prefix + " <" + header.name_space + ">");
                known = declared.insert(declared.end(), {header.name_space, prefix});
            }
            name = known->second + ".";
        }
        write(name + header.name, escape(header.value));
    }
    out += "\r\n";
    if (!head.mime_headers.empty()) {
        out += head.mime_headers;
    } else {
        if (!head.content_type.empty()) write("Content-Type", head.content_type);
        if (!head.content_disposition.empty())
            write("Content-Disposition", head.content_disposition);
    }
    return out + "\r\n";
}

}  // namespace earshot::mime
