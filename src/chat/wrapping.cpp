#include "chat/wrapping.h"

#include <algorithm>

#include "base/text.h"
#include "mime/cpim.h"

namespace earshot::chat {

namespace {

template <class Match>
bool any_type(std::string_view types, Match match) {
    while (!(types = base::trim(types)).empty())
        if (match(base::take_until(types, ' '))) return true;
    return false;
}

// "Ana Reis" <sip:ana@desk.example>, Ana <...> or a URI.
std::optional<mime::CpimAddress> address_of(std::string_view text) {
    text = base::trim(text);
    if (text.empty()) return std::nullopt;
    // Of a name that has brackets itself the last ones are the URI's.
    const std::size_t open = text.rfind('<');
    if (open == std::string_view::npos)
        return mime::CpimAddress{.name = {}, .uri = std::string(text)};
    const std::size_t close = std::min(text.find('>', open), text.size());
    mime::CpimAddress address{.name = std::string(base::trim(text.substr(0, open))),
                              .uri = std::string(text.substr(open + 1, close - open - 1))};
    const std::string quoted = address.name;
    if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') return address;
    address.name.clear();
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
        if (quoted[i] == '\\' && i + 2 < quoted.size()) ++i;
        address.name += quoted[i];
    }
    return address;
}

mime::CpimHead envelope(Side from, base::WallTime at, const std::array<std::string, 2>& parties) {
    mime::CpimHead head;
    head.from = address_of(parties[index_of(from)]);
    if (const auto to = address_of(parties[index_of(other(from))])) head.to.push_back(*to);
    head.date_time = base::to_rfc3339(at);
    return head;
}

// In a room each message has a sender of its own.
mime::CpimHead envelope(const MessageFacts& facts, const std::array<std::string, 2>& parties) {
    if (facts.sender.empty()) return envelope(facts.from, facts.at, parties);
    return envelope(Side::A, facts.at, {facts.sender, facts.room});
}

void add(mime::CpimHead& head, std::string_view name, std::string_view value) {
    head.others.push_back({.name_space = std::string(kWrapperNamespace),
                           .name = std::string(name),
                           .value = std::string(value)});
}

std::string write(const mime::CpimHead& head) {
    return write_cpim(head, {{.name_space = kWrapperNamespace, .prefix = "rs"}});
}

std::string mime_text(const MessageFacts& facts) {
    std::string text;
    for (const auto& [name, value] : facts.mime_headers)
        text.append(name).append(": ").append(value).append("\r\n");
    return text.append("Content-Type: ").append(facts.content_type).append("\r\n");
}

}  // namespace

std::string name_addr(std::string_view name, std::string_view uri) {
    std::string text;
    if (name.find_first_of("\"<>\\") == std::string_view::npos) {
        text = name;
    } else {
        text = '"';
        for (const char c : name) text.append(c == '"' || c == '\\' ? "\\" : "").push_back(c);
        text += '"';
    }
    return text.append(text.empty() ? "<" : " <").append(uri).append(">");
}

std::string_view bare_type(std::string_view content_type) {
    return base::trim(content_type.substr(0, content_type.find(';')));
}

bool lists_type(std::string_view accept_types, std::string_view type) {
    return any_type(accept_types, [&](std::string_view one) { return base::iequals(one, type); });
}

bool accepts_type(std::string_view accept_types, std::string_view content_type) {
    const std::string_view type = bare_type(content_type);
    const std::string_view major = type.substr(0, type.find('/'));
    return any_type(accept_types, [&](std::string_view one) {
        if (one == "*" || base::iequals(one, type)) return true;
        return one.ends_with("/*") && base::iequals(one.substr(0, one.size() - 2), major);
    });
}

std::optional<Wrapping> wrap(const MessageFacts& facts, const ServerTypes& server,
                             const std::array<std::string, 2>& parties) {
    const auto accepts = [&](std::string_view type) {
        return accepts_type(server.accept_types, type);
    };
    const auto accepts_wrapped = [&](std::string_view type) {
        return accepts(type) || accepts_type(server.accept_wrapped_types, type);
    };
    const Wrapping bare{
        .content_type = facts.content_type, .prefix = {}, .headers = facts.mime_headers};
    if (server.takes_wrapper()) {
        if (!accepts_wrapped(facts.content_type)) return std::nullopt;
        mime::CpimHead head = envelope(facts, parties);
        add(head, "Content", "send");
        if (!facts.stream_id.empty()) add(head, "Stream-ID", facts.stream_id);
        if (!facts.message_id.empty()) add(head, "Message-ID", facts.message_id);
        if (!facts.nickname.empty()) add(head, "Nickname", facts.nickname);
        head.mime_headers = mime_text(facts);
        return Wrapping{
            .content_type = std::string(kWrapperType), .prefix = write(head), .headers = {}};
    }
    const bool is_cpim = base::iequals(bare_type(facts.content_type), "message/cpim");
    if (server.is_file || is_cpim)
        return accepts(facts.content_type) ? std::optional(bare) : std::nullopt;
    // Bare content says nothing of who and when.
    if (accepts("message/cpim") && accepts_wrapped(facts.content_type)) {
        mime::CpimHead head = envelope(facts, parties);
        head.mime_headers = mime_text(facts);
        return Wrapping{.content_type = "message/cpim", .prefix = write_cpim(head), .headers = {}};
    }
    return accepts(facts.content_type) ? std::optional(bare) : std::nullopt;
}

std::string write_drop(const MessageFacts& facts, const std::array<std::string, 2>& parties,
                       std::string_view unsupported_type, std::optional<std::uint64_t> size) {
    mime::CpimHead head = envelope(facts, parties);
    add(head, "Content", "drop");
    if (!facts.stream_id.empty()) add(head, "Stream-ID", facts.stream_id);
    if (!facts.message_id.empty()) add(head, "Message-ID", facts.message_id);
    if (!facts.nickname.empty()) add(head, "Nickname", facts.nickname);
    if (!unsupported_type.empty()) add(head, "Unsupported-Type", unsupported_type);
    if (size) add(head, "Size", std::to_string(*size));
    if (!facts.file_selector.empty()) add(head, "File-Selector", facts.file_selector);
    return write(head);
}

std::string write_forwarded(Side from, base::WallTime at, const std::array<std::string, 2>& parties,
                            std::string_view text, std::string_view stream_id,
                            std::string_view answered) {
    mime::CpimHead head = envelope(from, at, parties);
    add(head, "Content", "msrp");
    if (!stream_id.empty()) add(head, "Stream-ID", stream_id);
    if (!answered.empty()) add(head, "Message-ID", answered);
    head.content_type = "message/msrp";
    return write(head) + std::string(text);
}

std::string write_line(std::string_view from, std::string_view to, base::WallTime at,
                       std::string_view text, std::string_view name) {
    mime::CpimHead head;
    head.from = mime::CpimAddress{.name = std::string(name), .uri = std::string(from)};
    head.to.push_back(address_of(to).value_or(
        mime::CpimAddress{.name = {}, .uri = "sip:anonymous@anonymous.invalid"}));
    head.date_time = base::to_rfc3339(at);
    head.content_type = "text/plain;charset=utf-8";
    return write_cpim(head) + std::string(text);
}

}  // namespace earshot::chat
