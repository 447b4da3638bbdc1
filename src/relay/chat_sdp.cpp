#include "relay/chat_sdp.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/line_end.h"
#include "base/text.h"

namespace earshot::relay {

namespace {

std::string_view take_line(std::string_view& rest) {
    const std::size_t size = base::find_line_end(rest);
    const std::size_t end = size + (rest.substr(size).starts_with("\r\n") ? 2 : 1);
    const std::string_view line = rest.substr(0, std::min(end, rest.size()));
    rest.remove_prefix(line.size());
    return line;
}

bool is_attribute(std::string_view line, std::string_view name) {
    return base::istarts_with(line, "a=") && base::istarts_with(line.substr(2), name) &&
           (line.size() == 2 + name.size() ||
            std::string_view(":\r\n").find(line[2 + name.size()]) != std::string_view::npos);
}

std::string_view family(const base::NetAddress& address) { return address.is_v4() ? "IP4" : "IP6"; }

}  // namespace

ChatLine chat_line(const sdp::MediaDescription& medium) {
    if (!sdp::is_message_media(medium) || medium.port == 0 || medium.is_malformed)
        return ChatLine::None;
    return base::iequals(medium.proto, "TCP/MSRP") ? ChatLine::Plain : ChatLine::Encrypted;
}

std::optional<base::Reason> find_tls_fault(const sdp::SessionDescription& description,
                                           const sdp::MediaDescription& medium,
                                           const std::optional<ChatCertificate>& own) {
    if (chat_line(medium) != ChatLine::Encrypted) return std::nullopt;
    if (!own)
        return base::Reason{"chat_encrypted",
                            "The chat is encrypted (TLS), and there is no certificate for it."};
    // Who names no fingerprint goes by the names in certificates: one of our own making has none
    // that anybody vouches for.
    if (own->is_self_signed && sdp::fingerprints_of(description, medium).empty())
        return base::Reason{"chat_encrypted",
                            "The chat is encrypted (TLS) by certificates that have names, and no "
                            "sip.certificate_file is set."};
    return std::nullopt;
}

std::string chat_end_of(const sdp::SessionDescription& description,
                        const sdp::MediaDescription& medium) {
    std::string text(sdp::message_media_of(description, medium).path);
    if (chat_line(medium) == ChatLine::Encrypted)
        for (const auto& one : sdp::fingerprints_of(description, medium))
            text += " " + sdp::to_string(one);
    return text;
}

std::optional<chat::Peer> peer_of(const sdp::SessionDescription& description,
                                  const sdp::MediaDescription& medium, bool answers) {
    const sdp::MessageMedia media = sdp::message_media_of(description, medium);
    auto path = msrp::parse_path(media.path);
    if (!path) return std::nullopt;
    chat::Peer peer{.path = *std::move(path),
                    .connect_to = std::nullopt,
                    .fingerprints = {},
                    .accept_types = std::string(media.accept_types),
                    .address = {}};
    if (media.is_secure) peer.fingerprints = sdp::fingerprints_of(description, medium);
    const bool is_passive = media.setup ? *media.setup == sdp::Setup::Passive : answers;
    if (!is_passive) return peer;
    // RFC 6714: with CEMA it is at c= and m=, else where its path begins. Relays are connected to
    // where they are, whatever the end behind them knows.
    const bool is_behind_relay = peer.path.size() > 1;
    const msrp::Uri& first = peer.path.front();
    auto at = base::parse_host(first.host, first.port);
    if (!at || (media.has_cema && !is_behind_relay)) {
        const auto connection = sdp::rtp_address(description, medium);
        if (connection) at = connection;
    }
    if (!at || at->port == 0 || at->is_unspecified()) return std::nullopt;
    peer.connect_to = *at;
    return peer;
}

std::string refused_chat_section(const sdp::MediaDescription& medium) {
    std::string text = fmt::format("m=message 0 {} *\r\n", medium.proto);
    if (!medium.mid.empty()) text += fmt::format("a=mid:{}\r\n", medium.mid);
    return text;
}

msrp::Uri own_chat_uri(base::Random& random, const base::NetAddress& at, bool is_secure) {
    return {.is_secure = is_secure,
            .host = base::host_to_string(at),
            .port = at.port,
            .session_id = random.token(kSessionIdBytes),
            .transport = "tcp"};
}

std::string told_chat_section(std::string_view section, const ToldChat& told) {
    std::string text;
    std::string_view rest = section;
    const std::string_view first = take_line(rest);
    // m=message PORT TCP/MSRP *
    const std::size_t from = std::min(first.find(' '), first.size());
    const std::size_t to = std::min(first.find(' ', from + 1), first.size());
    text += fmt::format("{} {}{}", first.substr(0, from), told.address.port, first.substr(to));
    if (!text.ends_with('\n') && !text.ends_with('\r')) text += "\r\n";
    const std::string connection =
        fmt::format("c=IN {} {}\r\n", family(told.address), base::host_to_string(told.address));
    bool is_connected = false;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        if (base::istarts_with(line, "c=")) continue;
        // i= stands before c= (RFC 8866 section 5).
        if (!base::istarts_with(line, "i=") && !is_connected) {
            text += connection;
            is_connected = true;
        }
        if (is_attribute(line, "path") || is_attribute(line, "setup")) continue;
        if (is_attribute(line, "msrp-cema")) continue;
        if (told.fingerprint && is_attribute(line, "fingerprint")) continue;
        text += line;
    }
    if (!text.ends_with('\n') && !text.ends_with('\r')) text += "\r\n";
    if (!is_connected) text += connection;
    text += "a=path:" + told.path + "\r\n";
    if (told.setup) text += fmt::format("a=setup:{}\r\n", sdp::to_string(*told.setup));
    if (told.has_cema) text += "a=msrp-cema\r\n";
    if (told.fingerprint)
        text += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(*told.fingerprint));
    return text;
}

}  // namespace earshot::relay
