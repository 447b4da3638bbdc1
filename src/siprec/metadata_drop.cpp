#include "siprec/metadata_drop.h"

#include <algorithm>

#include "base/text.h"
#include "mime/media_type.h"
#include "mime/multipart.h"
#include "siprec/metadata_tags.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::XmlDocument;
using xml::XmlElement;

// Line ends stay, so that the lines of what is left keep their numbers.
void blank(std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes)
        if (byte != '\r' && byte != '\n') byte = ' ';
}

bool is_dropped(const XmlElement& element, std::span<const DroppedElement> list) {
    std::string_view local = element.name();
    // A prefix that nobody declared stays in the name, and its namespace is nowhere.
    const std::size_t colon = local.rfind(':');
    const bool is_undeclared = colon != std::string_view::npos;
    if (is_undeclared) local.remove_prefix(colon + 1);
    const std::string_view name_space = element.name_space();
    const bool is_own =
        !is_undeclared && (name_space.empty() || is_recording_namespace(name_space));
    return std::any_of(list.begin(), list.end(), [&](const DroppedElement& dropped) {
        if (dropped.name != "*" && !base::iequals(dropped.name, local)) return false;
        if (dropped.name_space.empty()) return is_own;
        return dropped.name_space == "*" ? !is_own : dropped.name_space == name_space;
    });
}

// Whether anything was.
bool blank_dropped(const XmlElement& element, std::span<const DroppedElement> list,
                   std::span<std::uint8_t> text) {
    if (is_dropped(element, list)) {
        const auto [begin, end] = element.extent();
        blank(text.subspan(begin, end - begin));
        return true;
    }
    bool any = false;
    for (auto child = element.first_child(); child; child = child->next_sibling())
        any = blank_dropped(*child, list, text) || any;  // at most kMaxXmlDepth deep
    return any;
}

bool looks_like_xml(const mime::Part& part) {
    return part.has_type("application/rs-metadata+xml") ||
           part.has_type("application/rs-metadata") ||
           (!part.has_type("application/sdp") && part.body.find('<') != std::string_view::npos);
}

// What a multipart has between its parts: delimiters, headers of inner multiparts, and anything.
bool blank_outside(std::string_view body, const std::vector<mime::Part>& parts,
                   std::span<std::uint8_t> bytes) {
    bool any = false;
    std::size_t at = 0;
    const auto blank_lines_until = [&](std::size_t end) {
        while (at < end) {
            const std::size_t line_end = std::min(body.find('\n', at), end);
            const std::string_view line = body.substr(at, line_end - at);
            if (!line.starts_with("--") && line.find('<') != std::string_view::npos) {
                blank(bytes.subspan(at, line_end - at));
                any = true;
            }
            at = line_end + 1;
        }
    };
    for (const mime::Part& part : parts) {
        const std::string_view first = part.headers.empty() ? part.body : part.headers;
        if (first.data() == nullptr) continue;  // nothing between two delimiters
        blank_lines_until(static_cast<std::size_t>(first.data() - body.data()));
        const std::string_view last = part.body.empty() ? first : part.body;
        at = static_cast<std::size_t>(last.data() - body.data()) + last.size();
    }
    blank_lines_until(body.size());
    return any;
}

}  // namespace

std::optional<DroppedElement> parse_dropped_element(std::string_view text) {
    DroppedElement element;
    if (text.starts_with('{')) {
        const std::size_t end = text.find('}');
        if (end == std::string_view::npos || end == 1) return std::nullopt;
        element.name_space = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
    }
    const bool is_name = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && std::string_view{"{}<>&\"'/:,*"}.find(c) == std::string_view::npos;
    });
    const bool is_all = text == "*" && !element.name_space.empty();
    if (text.empty() || (!is_name && !is_all)) return std::nullopt;
    element.name = text;
    return element;
}

bool drop_elements(std::span<std::uint8_t> document, std::string_view charset,
                   std::span<const DroppedElement> list) {
    const std::string_view text = base::as_text(document);
    if (list.empty() || base::trim(text).empty()) return false;
    const auto xml = XmlDocument::parse(text, charset);
    // In another character set, or with a byte order mark, the elements stand elsewhere. Without
    // its root it is no document.
    if (!xml || !xml->keeps_offsets() || is_dropped(xml->root(), list)) {
        blank(document);
        return true;
    }
    return blank_dropped(xml->root(), list, document);
}

std::optional<base::Bytes> drop_metadata(const sip::Message& message,
                                         std::span<const DroppedElement> list) {
    const base::ByteView raw = message.raw();
    const std::string_view body = base::as_text(message.body());
    if (list.empty() || base::trim(body).empty()) return std::nullopt;
    base::Bytes bytes(raw.begin(), raw.end());
    const auto inside = [&](std::string_view view) {
        const auto begin = reinterpret_cast<const std::uint8_t*>(view.data()) - raw.data();
        return std::span(bytes).subspan(static_cast<std::size_t>(begin), view.size());
    };
    const auto parsed =
        mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""),
                         message.find(sip::HeaderId::ContentDisposition).value_or(""), body);
    if (!parsed) {
        blank(inside(body));
        return bytes;
    }
    bool any = false;
    for (const mime::Part& part : parsed->parts)
        if (looks_like_xml(part)) {
            const auto charset = mime::find_parameter(part.content_type_parameters, "charset");
            any = drop_elements(inside(part.body), charset.value_or(""), list) || any;
        }
    if (!parsed->unparsed.empty()) {  // more parts than are looked at
        blank(inside(parsed->unparsed));
        any = true;
    }
    if (parsed->is_multipart && parsed->unparsed.empty())
        any = blank_outside(body, parsed->parts, inside(body)) || any;
    if (!any) return std::nullopt;
    return bytes;
}

}  // namespace earshot::siprec
