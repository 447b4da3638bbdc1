#include "mime/multipart.h"

#include <algorithm>

#include "base/text.h"
#include "mime/media_type.h"

namespace earshot::mime {
namespace {

using base::Errc;
using base::Error;

// Takes one line with its LF off the front; the line keeps its CR.
std::string_view take_line(std::string_view& rest) {
    const std::size_t length = rest.find('\n');
    if (length == std::string_view::npos) {
        const std::string_view line = rest;
        rest.remove_prefix(rest.size());  // not {}: offsets are counted from its address
        return line;
    }
    const std::string_view line = rest.substr(0, length);
    rest.remove_prefix(length + 1);
    return line;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trim_right(std::string_view line) {
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    return line;
}

// RFC 2045 token characters, so that XML or SDP is never taken for a header field.
bool is_name_char(char c) {
    const char lower = base::to_lower(c);
    return (lower >= 'a' && lower <= 'z') || base::is_digit(c) || c == '-' || c == '_' || c == '.';
}

struct HeaderField {
    std::string_view name;
    std::string_view value;
};

// Takes one field with its folded lines off the front. Empty, and nothing taken, when `rest` does
// not begin with a field.
std::optional<HeaderField> take_header(std::string_view& rest) {
    std::size_t name_size = 0;
    while (name_size < rest.size() && is_name_char(rest[name_size])) ++name_size;
    std::size_t colon = name_size;
    while (colon < rest.size() && (rest[colon] == ' ' || rest[colon] == '\t')) ++colon;
    if (name_size == 0 || colon == rest.size() || rest[colon] != ':') return std::nullopt;

    const std::string_view field = rest;
    take_line(rest);
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) take_line(rest);
    const std::string_view taken = field.substr(0, field.size() - rest.size());
    return HeaderField{taken.substr(0, name_size), base::trim(taken.substr(colon + 1))};
}

void set_content_type(Part& part, std::string_view value) {
    const ParameterizedValue split = split_parameters(value);
    part.content_type = split.value.empty() ? "text/plain" : split.value;  // RFC 2045 §5.2
    part.content_type_parameters = split.parameters;
}

void set_disposition(Part& part, std::string_view value) {
    const ParameterizedValue split = split_parameters(value);
    part.disposition = split.value;
    const auto handling = find_parameter(split.parameters, "handling");
    if (handling && base::iequals(*handling, "optional")) part.handling = Handling::Optional;
}

std::string_view strip_brackets(std::string_view id) {
    if (id.size() >= 2 && id.front() == '<' && id.back() == '>') return id.substr(1, id.size() - 2);
    return id;
}

// `text` is what lies between two delimiter lines.
Part read_part(std::string_view text, unsigned depth) {
    Part part;
    part.depth = static_cast<std::uint8_t>(depth);
    set_content_type(part, {});
    std::string_view content_type;
    std::string_view disposition;
    std::string_view rest = text;
    while (const auto field = take_header(rest)) {
        if (content_type.empty() && base::iequals(field->name, "content-type")) {
            content_type = field->value;
        } else if (disposition.empty() && base::iequals(field->name, "content-disposition")) {
            disposition = field->value;
        } else if (part.content_id.empty() && base::iequals(field->name, "content-id")) {
            part.content_id = strip_brackets(field->value);
        }
    }
    part.headers = text.substr(0, text.size() - rest.size());
    set_content_type(part, content_type);
    set_disposition(part, disposition);

    // The blank line. A line that is neither blank nor a field starts the body: media that came in
    // bad form is worth more than the form.
    std::string_view after_line = rest;
    if (trim_right(take_line(after_line)).empty()) rest = after_line;
    part.body = rest;
    return part;
}

bool is_multipart(std::string_view content_type) {
    return base::istarts_with(content_type, "multipart/");
}

// Any printable text is accepted, not only RFC 2046's bchars: it is compared, nothing else.
bool is_usable_boundary(std::string_view boundary) {
    return !boundary.empty() && boundary.size() <= kMaxBoundaryBytes && boundary.back() != ' ' &&
           std::all_of(boundary.begin(), boundary.end(),
                       [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::string_view boundary_of(std::string_view parameters) {
    const auto boundary = find_parameter(parameters, "boundary");
    return boundary && is_usable_boundary(*boundary) ? *boundary : std::string_view{};
}

// The start of the next line after `from` that begins with '-'; text.size() if there is none. A
// call of memchr for each line took most of the time of a whole body; blocks of fixed size, their
// findings gathered in one octet, become vector instructions.
std::size_t next_candidate(std::string_view text, std::size_t from) {
    constexpr std::size_t kBlock = 64;
    std::size_t at = from;
    for (; at + kBlock < text.size(); at += kBlock) {
        std::uint8_t any = 0;
        for (std::size_t i = 0; i < kBlock; ++i) {
            const auto is_line_end = static_cast<std::uint8_t>(text[at + i] == '\n');
            const auto is_dash = static_cast<std::uint8_t>(text[at + i + 1] == '-');
            any = static_cast<std::uint8_t>(any | (is_line_end & is_dash));
        }
        if (any != 0) break;
    }
    for (at = text.find('\n', at); at != std::string_view::npos; at = text.find('\n', at + 1)) {
        if (at + 1 < text.size() && text[at + 1] == '-') return at + 1;
    }
    return text.size();
}

enum class LineKind : std::uint8_t { Content, Delimiter, Closing };

// Stricter than RFC 2046, which lets any text follow the boundary: else a boundary that begins
// with another one would be found inside.
LineKind classify(std::string_view line, std::string_view boundary) {
    if (line.size() < boundary.size() + 2 || line[0] != '-' || line[1] != '-' ||
        line.substr(2, boundary.size()) != boundary) {
        return LineKind::Content;
    }
    std::string_view tail = trim_right(line.substr(2 + boundary.size()));
    if (tail.empty()) return LineKind::Delimiter;
    return tail == "--" ? LineKind::Closing : LineKind::Content;
}

// Without the line end that belongs to the delimiter which follows (RFC 2046 §5.1.1).
std::string_view strip_line_end(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

class Splitter {
public:
    Splitter(std::string_view whole, Body& body) : whole_(whole), body_(body) {}

    // False when `text` holds no delimiter line of that boundary; nothing was added then.
    bool split(std::string_view text, std::string_view boundary, unsigned depth) {
        std::string_view part;  // from the last delimiter to the end of the text
        bool is_in_part = false;
        bool is_closed = false;
        std::size_t line_start = 0;
        while (line_start < text.size() && !is_closed && !is_full_) {
            std::string_view rest = text.substr(line_start);
            const LineKind kind = classify(take_line(rest), boundary);
            if (kind != LineKind::Content) {
                if (is_in_part) {
                    const std::size_t part_start = text.size() - part.size();
                    add(strip_line_end(text.substr(part_start, line_start - part_start)), depth);
                }
                is_in_part = true;
                part = rest;
                is_closed = kind == LineKind::Closing;
            }
            line_start = next_candidate(text, line_start);
        }
        if (is_in_part && !is_closed && !part.empty()) add(part, depth);
        if (is_in_part && !is_closed) body_.is_closed = false;
        return is_in_part;
    }

private:
    void add(std::string_view text, unsigned depth) {
        if (is_full_) return;
        if (body_.parts.size() == kMaxParts) {
            is_full_ = true;
            const auto start = static_cast<std::size_t>(text.data() - whole_.data());
            body_.unparsed = whole_.substr(start);
            return;
        }
        const Part part = read_part(text, depth);
        if (is_multipart(part.content_type) && depth < kMaxDepth) {
            const std::string_view boundary = boundary_of(part.content_type_parameters);
            if (!boundary.empty() && split(part.body, boundary, depth + 1)) return;
        }
        body_.parts.push_back(part);
    }

    std::string_view whole_;
    Body& body_;
    bool is_full_ = false;
};

// The boundary of a body that begins, after blank lines, with a delimiter line; else empty.
std::string_view guess_boundary(std::string_view body) {
    std::string_view line;
    while (!body.empty() && line.empty()) line = trim_right(take_line(body));
    if (!line.starts_with("--")) return {};
    line.remove_prefix(2);
    return is_usable_boundary(line) ? line : std::string_view{};
}

}  // namespace

bool Part::has_type(std::string_view media_type) const {
    return base::iequals(content_type, media_type);
}

std::optional<std::string_view> find_header(const Part& part, std::string_view name) {
    std::string_view rest = part.headers;
    while (const auto field = take_header(rest)) {
        if (base::iequals(field->name, name)) return field->value;
    }
    return std::nullopt;
}

const Part* Body::find(std::string_view media_type) const {
    const auto found = std::find_if(parts.begin(), parts.end(),
                                    [&](const Part& part) { return part.has_type(media_type); });
    return found == parts.end() ? nullptr : &*found;
}

base::Result<Body> parse_body(std::string_view content_type, std::string_view content_disposition,
                              std::string_view body) {
    Body result;
    Part whole;
    set_content_type(whole, content_type);
    if (!is_multipart(whole.content_type)) {
        set_disposition(whole, content_disposition);
        whole.body = body;
        result.parts.push_back(whole);
        return result;
    }

    result.is_multipart = true;
    result.parts.reserve(4);
    const std::string_view boundary = boundary_of(whole.content_type_parameters);
    if (!boundary.empty() && Splitter{body, result}.split(body, boundary, 1)) return result;
    const std::string_view guess = guess_boundary(body);
    if (!guess.empty() && Splitter{body, result}.split(body, guess, 1)) {
        result.is_boundary_guessed = true;
        return result;
    }
    if (boundary.empty()) return Error{Errc::Malformed, "multipart: no usable boundary"};
    return Error{Errc::Malformed, "multipart: no delimiter line"};
}

}  // namespace earshot::mime
