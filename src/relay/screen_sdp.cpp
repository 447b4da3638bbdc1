#include "relay/screen_sdp.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/line_end.h"
#include "base/text.h"

namespace earshot::relay {

namespace {

bool has_word(std::string_view words, std::string_view wanted) {
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (base::iequals(words.substr(0, end), wanted)) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

std::string_view take_line(std::string_view& rest) {
    const std::size_t size = base::find_line_end(rest);
    const std::size_t end = size + (rest.substr(size).starts_with("\r\n") ? 2 : 1);
    const std::string_view line = rest.substr(0, std::min(end, rest.size()));
    rest.remove_prefix(line.size());
    return line;
}

char key_of(std::string_view line) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    return line.size() >= 2 && line[1] == '=' ? line[0] : '\0';
}

std::string_view family(const base::NetAddress& address) { return address.is_v4() ? "IP4" : "IP6"; }

}  // namespace

ScreenLine screen_line(const sdp::MediaDescription& medium) {
    if (!base::iequals(medium.media, "application") || medium.port == 0 || medium.is_malformed)
        return ScreenLine::None;
    if (!has_word(medium.formats, "RFB")) return ScreenLine::None;
    if (base::iequals(medium.proto, "TCP")) return ScreenLine::Plain;
    return base::iequals(medium.proto, "TCP/TLS") ? ScreenLine::Encrypted : ScreenLine::None;
}

Setup setup_of(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    const sdp::Attribute* setup = sdp.find_attribute(medium, "setup");
    if (setup == nullptr) setup = sdp.find_session_attribute("setup");
    const std::string_view value = setup == nullptr ? std::string_view{} : base::trim(setup->value);
    if (base::iequals(value, "passive")) return Setup::Passive;
    if (base::iequals(value, "actpass")) return Setup::ActPass;
    if (base::iequals(value, "holdconn")) return Setup::HoldConnection;
    return Setup::Active;  // the default (RFC 4145 section 4)
}

std::string sharing_kind(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    const sdp::Attribute* rfb = sdp.find_attribute(medium, "rfb");
    std::string_view rest = rfb == nullptr ? std::string_view{} : rfb->value;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        const std::string_view parameter = base::trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!base::istarts_with(parameter, "kind=")) continue;
        const std::string_view kind = parameter.substr(5);
        for (const std::string_view known : {"screen", "application", "document"})
            if (base::iequals(kind, known)) return std::string(known);
    }
    return "screen";
}

std::string write_section(const ScreenVideo& video) {
    std::string text = fmt::format("m=video {} RTP/AVP {}\r\n", video.rtp.port, kScreenPayloadType);
    if (!video.title.empty()) text += fmt::format("i={}\r\n", video.title);
    text += fmt::format("c=IN {} {}\r\na=rtpmap:{} VP8/90000\r\n", family(video.rtp),
                        base::host_to_string(video.rtp), kScreenPayloadType);
    text += fmt::format("a=rtcp-fb:{0} nack pli\r\na=rtcp-fb:{0} ccm fir\r\n", kScreenPayloadType);
    if (video.rtcp_port != 0) text += fmt::format("a=rtcp:{}\r\n", video.rtcp_port);
    if (!video.content.empty()) text += fmt::format("a=content:{}\r\n", video.content);
    return text + fmt::format("a={}\r\n", sdp::to_string(video.direction));
}

std::string told_section(std::string_view section, const base::NetAddress& ours, bool keeps_port) {
    std::string text;
    std::string_view rest = section;
    const std::string_view first = take_line(rest);
    // m=application PORT TCP ...
    const std::size_t from = std::min(first.find(' '), first.size());
    const std::size_t to = std::min(first.find(' ', from + 1), first.size());
    if (keeps_port || from == to) {
        text += first;
    } else {
        text += fmt::format("{} {}{}", first.substr(0, from), ours.port, first.substr(to));
    }
    const std::string connection =
        fmt::format("c=IN {} {}\r\n", family(ours), base::host_to_string(ours));
    bool is_connected = false;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        const char key = key_of(line);
        if (key == 'c') continue;
        // i= stands before c= (RFC 8866 section 5).
        if (key != 'i' && !is_connected) {
            text += connection;
            is_connected = true;
        }
        text += line;
    }
    if (!is_connected) {
        if (!text.ends_with('\n')) text += "\r\n";
        text += connection;
    }
    return text;
}

std::optional<std::string_view> find_section(std::string_view sdp, std::size_t line) {
    std::string_view rest = sdp;
    std::optional<std::size_t> begin;
    std::size_t seen = 0;
    while (!rest.empty()) {
        const std::size_t at = sdp.size() - rest.size();
        const std::string_view text = take_line(rest);
        if (key_of(text) != 'm') continue;
        if (begin) return sdp.substr(*begin, at - *begin);
        if (seen++ == line) begin = at;
    }
    if (!begin) return std::nullopt;
    return sdp.substr(*begin);
}

std::string with_section(std::string_view sdp, std::size_t line, std::string_view section) {
    const auto old = find_section(sdp, line);
    if (!old) return std::string(sdp);
    const auto begin = static_cast<std::size_t>(old->data() - sdp.data());
    std::string text(sdp.substr(0, begin));
    if (!text.empty() && !text.ends_with('\n') && !text.ends_with('\r')) text += "\r\n";
    text += section;
    const std::string_view rest = sdp.substr(begin + old->size());
    if (!rest.empty() && !text.ends_with('\n') && !text.ends_with('\r')) text += "\r\n";
    return text += rest;
}

}  // namespace earshot::relay
