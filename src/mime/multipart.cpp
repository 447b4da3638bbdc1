#include "mime/multipart.h"

#include <algorithm>
#include <array>

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
constexpr std::array<bool, 256> kIsNameChar = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789-_."}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();

bool is_name_char(char c) { return kIsNameChar[static_cast<unsigned char>(c)]; }

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
    if (split.parameters.empty()) return;
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
    std::string_view content_type;
    std::string_view disposition;
    std::string_view rest = text;
    while (const auto field = take_header(rest)) {
        if (content_type.empty() && base::iequals(field->name, "Content-Type")) {
            content_type = field->value;
        } else if (disposition.empty() && base::iequals(field->name, "Content-Disposition")) {
            disposition = field->value;
        } else if (part.content_id.empty() && base::iequals(field->name, "Content-ID")) {
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

enum class LineKind : std::uint8_t { Content, Delimiter, Closing };

// What may follow "--" and the boundary in a delimiter line. Stricter than RFC 2046, which lets any
// text follow: else a boundary that begins with another one would be found inside.
LineKind classify(std::string_view tail) {
    tail = trim_right(tail);
    if (tail.empty()) return LineKind::Delimiter;
    return tail == "--" ? LineKind::Closing : LineKind::Content;
}

// Finds "--" and the boundary as Horspool does: the octet below the last one of the pattern tells
// how far that one can be moved on, so that most octets of a body are never looked at. A call of
// memchr for each line took most of the time of a whole body.
class DelimiterFinder {
public:
    explicit DelimiterFinder(std::string_view boundary) : size_(boundary.size() + 2) {
        pattern_[0] = pattern_[1] = '-';
        std::copy(boundary.begin(), boundary.end(), pattern_.begin() + 2);
        shift_.fill(static_cast<std::uint8_t>(size_));
        for (std::size_t i = 0; i + 1 < size_; ++i) {
            shift_[static_cast<unsigned char>(pattern_[i])] =
                static_cast<std::uint8_t>(size_ - 1 - i);
        }
    }

    std::size_t size() const { return size_; }

    // The first line from `from` on that begins with the pattern; npos if there is none.
    std::size_t find(std::string_view text, std::size_t from) const {
        const std::string_view pattern(pattern_.data(), size_);
        const char last = pattern.back();
        for (std::size_t end = from + size_; end <= text.size();) {
            const char c = text[end - 1];
            const std::size_t at = end - size_;
            if (c == last && (at == 0 || text[at - 1] == '\n') &&
                text.substr(at, size_) == pattern) {
                return at;
            }
            end += shift_[static_cast<unsigned char>(c)];
        }
        return std::string_view::npos;
    }

private:
    std::array<char, kMaxBoundaryBytes + 2> pattern_{};
    std::array<std::uint8_t, 256> shift_{};
    std::size_t size_;
};

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
        const DelimiterFinder finder(boundary);
        std::string_view part;  // from the last delimiter to the end of the text
        bool is_in_part = false;
        bool is_closed = false;
        std::size_t at = finder.find(text, 0);
        while (at != std::string_view::npos && !is_closed && !is_full_) {
            std::string_view rest = text.substr(at + finder.size());
            const LineKind kind = classify(take_line(rest));
            if (kind != LineKind::Content) {
                if (is_in_part) {
                    const std::size_t part_start = text.size() - part.size();
                    add(strip_line_end(text.substr(part_start, at - part_start)), depth);
                }
                is_in_part = true;
                part = rest;
                is_closed = kind == LineKind::Closing;
            }
            at = finder.find(text, at + finder.size());
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
