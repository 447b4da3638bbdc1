#include "sdp/message_media.h"

#include "base/text.h"
#include "sdp/limits.h"
#include "sdp/text_writer.h"

namespace earshot::sdp {
namespace {

constexpr std::string_view kPlain = "TCP/MSRP";
constexpr std::string_view kOverTls = "TCP/TLS/MSRP";

std::string_view value_of(const SessionDescription& description, const MediaDescription& medium,
                          std::string_view name) {
    const Attribute* attribute = description.find_attribute(medium, name);
    return attribute == nullptr ? std::string_view{} : base::trim(attribute->value);
}

std::optional<std::uint8_t> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    const char lower = base::to_lower(c);
    if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
    return std::nullopt;
}

// RFC 5547 section 6: %-escapes of octets that a quoted name cannot hold.
std::string undo_percent(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto high =
            text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
        const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
        if (low) {
            out += static_cast<char>(*high << 4U | *low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// Takes one selector off the front: name:"..." may hold spaces.
std::string_view take_selector(std::string_view& rest) {
    rest = base::trim(rest);
    std::size_t end = 0;
    bool is_quoted = false;
    while (end < rest.size() && (is_quoted || rest[end] != ' ')) {
        if (rest[end] == '"') is_quoted = !is_quoted;
        if (rest[end] == '\\' && is_quoted) ++end;
        ++end;
    }
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(one.size());
    return one;
}

std::string_view unquote(std::string_view text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
        return text.substr(1, text.size() - 2);
    return text;
}

}  // namespace

bool is_message_media(const MediaDescription& medium) {
    return base::iequals(medium.media, "message") &&
           (base::iequals(medium.proto, kPlain) || base::iequals(medium.proto, kOverTls));
}

MessageMedia message_media_of(const SessionDescription& description,
                              const MediaDescription& medium) {
    const auto value = [&](std::string_view name) { return value_of(description, medium, name); };
    MessageMedia media;
    media.is_secure = base::iequals(medium.proto, kOverTls);
    media.path = value("path");
    media.accept_types = value("accept-types");
    media.accept_wrapped_types = value("accept-wrapped-types");
    media.max_size = base::parse_number<std::uint64_t>(value("max-size"));
    media.setup = setup_of(description, medium);
    media.has_cema = description.find_attribute(medium, "msrp-cema") != nullptr;
    if (const Attribute* room = description.find_attribute(medium, "chatroom"))
        media.chatroom = base::trim(room->value);
    media.file_selector = value("file-selector");
    media.file_transfer_id = value("file-transfer-id");
    media.file_disposition = value("file-disposition");
    media.file_date = value("file-date");
    return media;
}

FileSelector parse_file_selector(std::string_view value) {
    FileSelector file;
    for (std::string_view one = take_selector(value); !one.empty(); one = take_selector(value)) {
        const std::string_view name = base::take_until(one, ':');
        if (base::iequals(name, "name")) {
            file.name = undo_percent(unquote(one));
        } else if (base::iequals(name, "type")) {
            file.type = unquote(one);
        } else if (base::iequals(name, "size")) {
            file.size = base::parse_number<std::uint64_t>(one);
        } else if (base::iequals(name, "hash") && file.hashes.size() < kMaxFileHashes) {
            const std::string_view algorithm = base::take_until(one, ':');
            file.hashes.push_back(
                {.algorithm = base::to_lower(algorithm), .digest = std::string(one)});
        }
    }
    return file;
}

std::string selector_without_hashes(std::string_view value) {
    std::string out;
    for (std::string_view one = take_selector(value); !one.empty(); one = take_selector(value)) {
        if (base::iequals(one.substr(0, one.find(':')), "hash")) continue;
        if (!out.empty()) out += ' ';
        out += clean(one);
    }
    return out;
}

}  // namespace earshot::sdp
