#include "siprec/xml_characters.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace earshot::siprec {
namespace {

// XML 1.0 section 2.2.
bool is_xml_character(std::uint32_t c) {
    if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
    return c < 0xd800 || (c > 0xdfff && c < 0xfffe) || (c > 0xffff && c < 0x110000);
}

// Size 0: no valid UTF-8. `text` is not empty.
XmlCharacter read_utf8(std::string_view text) {
    const auto lead = static_cast<std::uint8_t>(text[0]);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
    std::uint32_t code = lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<std::uint8_t>(text[i]);
        if ((byte & 0xc0) != 0x80) return {};
        code = code << 6 | (byte & 0x3fU);
    }
    const bool is_shortest = code >= (size == 4 ? 0x10000U : size == 3 ? 0x800U : 0x80U);
    return is_shortest ? XmlCharacter{code, size} : XmlCharacter{};
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
        return;
    }
    if (code < 0x800) {
        put(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            put(0xe0 | code >> 12);
        } else {
            put(0xf0 | code >> 18);
            put(0x80 | (code >> 12 & 0x3f));
        }
        put(0x80 | (code >> 6 & 0x3f));
    }
    put(0x80 | (code & 0x3f));
}

}  // namespace

std::size_t find_bad_xml_character(std::string_view text) {
    constexpr std::uint64_t kHighs = 0x8080808080808080U;
    constexpr std::uint64_t kSpaces = 0x2020202020202020U;
    std::size_t at = 0;
    while (at < text.size()) {
        // Eight bytes at once, while all are printable ASCII.
        if (std::uint64_t word = 0; text.size() - at >= sizeof(word)) {
            std::memcpy(&word, text.data() + at, sizeof(word));
            if (((word | (word - kSpaces)) & kHighs) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        const std::size_t end = std::min(text.size(), at + sizeof(std::uint64_t));
        while (at < end) {
            const XmlCharacter c = read_utf8(text.substr(at));
            if (c.size == 0 || !is_xml_character(c.code)) return at;
            at += c.size;
        }
    }
    return at;
}

XmlCharacter read_xml_reference(std::string_view text) {
    constexpr std::size_t kMaxBytes = 64;  // leading zeros are allowed without end
    const std::size_t end = text.substr(0, kMaxBytes).find(';');
    if (end == std::string_view::npos) return {};
    std::string_view name = text.substr(1, end - 1);
    const auto found = [&](std::uint32_t code) { return XmlCharacter{code, end + 1}; };
    if (name == "amp") return found('&');
    if (name == "lt") return found('<');
    if (name == "gt") return found('>');
    if (name == "quot") return found('"');
    if (name == "apos") return found('\'');
    if (!name.starts_with('#')) return {};
    name.remove_prefix(1);
    const int base = name.starts_with('x') ? 16 : 10;
    if (base == 16) name.remove_prefix(1);
    std::uint32_t code = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), code, base);
    const bool is_whole = error == std::errc{} && stop == name.data() + name.size();
    return is_whole && is_xml_character(code) ? found(code) : XmlCharacter{};
}

void append_xml_decoded(std::string& out, std::string_view raw, XmlPlace place) {
    const bool is_value = place == XmlPlace::AttributeValue;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const char c = raw[i];
        if (c == '&') {
            const XmlCharacter referred = read_xml_reference(raw.substr(i));
            append_utf8(out, referred.code);
            i += referred.size - 1;
        } else if (c == '\r') {
            if (raw.substr(i + 1).starts_with('\n')) ++i;
            out += is_value ? ' ' : '\n';
        } else {
            out += is_value && (c == '\t' || c == '\n') ? ' ' : c;
        }
    }
}

}  // namespace earshot::siprec
