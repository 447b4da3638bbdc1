#include "relay/sdp_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/line_end.h"
#include "base/text.h"
#include "sdp/attribute_line.h"

namespace earshot::relay {

namespace {

using Fate = SdpEdit::Fate;

// One line with its end. `value` is what follows "x=", empty key: not of that form.
struct Line {
    std::string_view whole;  // with its line end
    std::string_view value;
    std::string_view end;  // CRLF, LF, CR; nothing at the end of the text
    char key = 0;
};

Line take_line(std::string_view& rest) {
    const std::size_t size = base::find_line_end(rest);
    const bool is_crlf = rest.substr(size).starts_with("\r\n");
    const std::size_t end = std::min(size + (is_crlf ? 2 : 1), rest.size());
    Line line{.whole = rest.substr(0, end),
              .value = rest.substr(0, size),
              .end = rest.substr(size, end - size)};
    rest.remove_prefix(end);
    while (!line.value.empty() && (line.value.front() == ' ' || line.value.front() == '\t'))
        line.value.remove_prefix(1);
    if (line.value.size() < 2 || line.value[1] != '=') return line;
    line.key = line.value[0];
    line.value.remove_prefix(2);
    return line;
}

std::string_view attribute_name(const Line& line) {
    return line.key == 'a' ? sdp::attribute_name(line.value) : std::string_view{};
}

bool is_ice(std::string_view name) {
    return base::istarts_with(name, "ice-") || base::iequals(name, "candidate") ||
           base::iequals(name, "remote-candidates") || base::iequals(name, "end-of-candidates");
}

bool is_bundle(const Line& line) {
    if (!base::iequals(attribute_name(line), "group")) return false;
    const std::size_t colon = line.value.find(':');
    return colon != std::string_view::npos &&
           base::istarts_with(base::trim(line.value.substr(colon + 1)), "BUNDLE");
}

std::string_view take_field(std::string_view& rest) {
    constexpr std::string_view kBlanks = " \t";
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
    const std::string_view field = rest.substr(0, rest.find_first_of(kBlanks));
    rest.remove_prefix(field.size());
    return field;
}

// The address of c=IN IP4 ADDRESS; empty for other lines and for what sdp::parse() cannot read.
std::string_view connection_address(const Line& line) {
    if (line.key != 'c') return {};
    std::string_view rest = line.value;
    const bool is_internet = base::iequals(take_field(rest), "IN");
    take_field(rest);
    std::string_view address = take_field(rest);
    return is_internet ? base::take_until(address, '/') : std::string_view{};
}

bool is_unspecified(const Line& connection) {
    const auto host = base::parse_host(connection_address(connection), 0);
    return host && host->is_unspecified();
}

std::string_view family(const base::NetAddress& address) { return address.is_v4() ? "IP4" : "IP6"; }

// The session level, or a medium with its m= line first.
class Section {
public:
    Section(const SdpEdit& edit, std::string& out) : edit_(edit), out_(out) {}

    void write_session(const std::vector<Line>& lines, bool is_relaying);
    void write_medium(const std::vector<Line>& lines, const SdpEdit::Line& decision);

private:
    static bool has_connection(const std::vector<Line>& lines) {
        return std::any_of(lines.begin(), lines.end(),
                           [](const Line& line) { return !connection_address(line).empty(); });
    }
    template <class... Args>
    void append(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    }
    void append_connection(const Line& line) {
        if (is_unspecified(line)) {
            out_.append(line.whole);
        } else {
            append("c=IN {} {}{}", family(edit_.address), host_to_string(edit_.address), line.end);
        }
    }
    void append_port(const Line& line, std::uint16_t port);
    void append_rtcp(const Line& line, std::uint16_t port);
    void append_relayed(const Line& line, const SdpEdit::Line& decision);

    const SdpEdit& edit_;
    std::string& out_;
    std::string_view own_connection_;  // the session's c= line that became ours
    std::string_view line_end_ = "\r\n";
    bool has_session_connection_ = false;
};

void Section::write_session(const std::vector<Line>& lines, bool is_relaying) {
    for (const Line& line : lines) {
        if (!line.end.empty()) line_end_ = line.end;
        if (line.key == 'o') {
            append("o=- {} {} IN {} {}{}", edit_.session_id, edit_.session_version,
                   family(edit_.address), host_to_string(edit_.address), line.end);
        } else if (!connection_address(line).empty()) {
            const bool is_first = !std::exchange(has_session_connection_, true);
            if (!is_relaying) {
                out_.append(line.whole);
                continue;
            }
            if (is_first && !is_unspecified(line)) own_connection_ = line.whole;  // it counts alone
            append_connection(line);
        } else if (!is_relaying || (!is_ice(attribute_name(line)) && !is_bundle(line))) {
            out_.append(line.whole);
        }
    }
}

void Section::write_medium(const std::vector<Line>& lines, const SdpEdit::Line& decision) {
    const bool is_relayed = decision.fate == Fate::Relay;
    // i= may stand between m= and c= (RFC 8866 section 5).
    const std::size_t before_connection = lines.size() > 1 && lines[1].key == 'i' ? 2 : 1;
    const bool lacks_connection = !has_connection(lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line& line = lines[i];
        if (is_relayed) {
            append_relayed(line, decision);
        } else if (line.key == 'm' && decision.fate == Fate::Refuse) {
            append_port(line, 0);
        } else {
            out_.append(line.whole);
        }
        if (i + 1 != before_connection || !lacks_connection) continue;
        const auto end_line = [&] {
            if (!out_.ends_with('\n') && !out_.ends_with('\r')) out_.append(line_end_);
        };
        // What the session's c= said does not hold any more for a line that goes its own way.
        if (!is_relayed && !own_connection_.empty()) {
            end_line();
            out_.append(own_connection_);
        } else if (is_relayed && !has_session_connection_) {
            end_line();
            append("c=IN {} {}{}", family(edit_.address), host_to_string(edit_.address), line_end_);
        }
    }
}

void Section::append_relayed(const Line& line, const SdpEdit::Line& decision) {
    if (line.key == 'm') return append_port(line, decision.rtp_port);
    if (!connection_address(line).empty()) return append_connection(line);
    const std::string_view name = attribute_name(line);
    if (base::iequals(name, "rtcp")) return append_rtcp(line, decision.rtcp_port);
    if (!is_ice(name)) out_.append(line.whole);
}

// m=audio 49170/2 RTP/AVP 0: the port and the number of ports behind it.
void Section::append_port(const Line& line, std::uint16_t port) {
    constexpr std::string_view kBlanks = " \t";
    const std::string_view value = line.value;
    const std::size_t after_media = value.find_first_of(kBlanks, value.find_first_not_of(kBlanks));
    const std::size_t from = value.find_first_not_of(kBlanks, after_media);
    if (after_media == std::string_view::npos || from == std::string_view::npos) {
        out_.append(line.whole);  // no port to be seen: it is refused as it stands
        return;
    }
    const std::size_t to = std::min(value.find_first_of(kBlanks, from), value.size());
    append("m={}{}{}{}", value.substr(0, from), port, value.substr(to), line.end);
}

void Section::append_rtcp(const Line& line, std::uint16_t port) {
    append("a=rtcp:{}", port);
    const std::size_t colon = line.value.find(':');
    const std::string_view told =
        colon == std::string_view::npos ? "" : base::trim(line.value.substr(colon + 1));
    if (told.find(' ') != std::string_view::npos)
        append(" IN {} {}", family(edit_.address), host_to_string(edit_.address));
    out_.append(line.end);
}

}  // namespace

std::string rewrite_sdp(std::string_view text, const SdpEdit& edit) {
    std::string out;
    out.reserve(text.size() + 64 + 48 * edit.lines.size());
    Section writer(edit, out);
    const bool is_relaying =
        std::any_of(edit.lines.begin(), edit.lines.end(),
                    [](const SdpEdit::Line& line) { return line.fate == Fate::Relay; });

    std::vector<Line> section;
    std::size_t media = 0;  // m= lines that have begun
    bool has_version = false;
    const auto finish_section = [&] {
        if (media == 0) {
            writer.write_session(section, is_relaying);
        } else {
            writer.write_medium(
                section, media <= edit.lines.size() ? edit.lines[media - 1] : SdpEdit::Line{});
        }
        section.clear();
    };
    while (!text.empty()) {
        const Line line = take_line(text);
        if (line.key == 'v') {
            if (has_version && media > 0) break;  // a second description in one body
            has_version = true;
        }
        if (line.key == 'm') {
            finish_section();
            ++media;
        }
        section.push_back(line);
    }
    finish_section();
    return out;
}

}  // namespace earshot::relay
