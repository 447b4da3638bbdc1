// Our XML reader against libxml2: what libxml2 takes we take, with the same elements, namespaces,
// attributes and text; what it refuses we refuse. Each element's outer_xml() is read again alone.
#include <libxml/parser.h>
#include <libxml/tree.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/bytes.h"
#include "base/text.h"
#include "siprec/xml_document.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
using siprec::XmlDocument;
using siprec::XmlElement;

void require(bool condition) {
    if (!condition) std::abort();
}

std::string_view view(const xmlChar* text) {
    return text == nullptr ? std::string_view{} : reinterpret_cast<const char*>(text);
}
std::string take(xmlChar* text) {
    const std::unique_ptr<xmlChar, void (*)(void*)> owned{text, xmlFree};
    return std::string{view(text)};
}

xmlNode* next_element(xmlNode* node) {
    while (node != nullptr && node->type != XML_ELEMENT_NODE) node = node->next;
    return node;
}

void compare(const XmlElement& ours, xmlNode* theirs) {
    require(ours.name() == view(theirs->name));
    const std::string_view uri = view(theirs->ns == nullptr ? nullptr : theirs->ns->href);
    // libxml2 leaves an escaped '&' half escaped in the name of a namespace.
    require(ours.name_space() == uri || uri.find("&#38;") != std::string_view::npos);
    require(ours.text() == base::trim(take(xmlNodeGetContent(theirs))));
    for (xmlAttr* one = theirs->properties; one != nullptr; one = one->next) {
        if (one->ns != nullptr) continue;
        const auto value = ours.attribute(view(one->name));
        require(value && *value == take(xmlNodeListGetString(theirs->doc, one->children, 1)));
    }
    auto child = ours.first_child();
    xmlNode* node = next_element(theirs->children);
    for (; child && node != nullptr; child = child->next_sibling(), node = next_element(node->next))
        compare(*child, node);
    require(!child && node == nullptr);
}

void check_outer(const XmlElement& element, int depth) {
    const auto again = XmlDocument::parse(element.outer_xml(), "utf-8");
    require(again.has_value());
    require(again->root().text() == element.text());
    if (depth == 0) return;  // each level is read once for each level above it
    for (auto child = element.first_child(); child; child = child->next_sibling())
        check_outer(*child, depth - 1);
}

void ignore_error(void*, xmlErrorPtr) {}

// Declarations are read more kindly by us, encodings converted by others.
bool is_comparable(std::string_view text) {
    return text.find("<?xml ") == std::string_view::npos && text.find('\0') == text.npos &&
           text.find("<!DOCTYPE") == std::string_view::npos && !text.starts_with("\xff\xfe") &&
           !text.starts_with("\xfe\xff");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = base::as_text({bytes, size});
    for (const char* charset : {"ISO-8859-1", "windows-1252", "x-unknown"}) {
        const auto converted = XmlDocument::parse(text, charset);
        if (converted) check_outer(converted->root(), 1);
    }
    const auto ours = XmlDocument::parse(text, "");
    if (ours) check_outer(ours->root(), 3);
    if (!is_comparable(text)) return 0;

    const std::unique_ptr<xmlParserCtxt, void (*)(xmlParserCtxtPtr)> context{xmlNewParserCtxt(),
                                                                             xmlFreeParserCtxt};
    context->sax->serror = &ignore_error;
    const std::unique_ptr<xmlDoc, void (*)(xmlDocPtr)> theirs{
        xmlCtxtReadMemory(context.get(), text.data(), static_cast<int>(text.size()), nullptr,
                          "UTF-8", XML_PARSE_NONET | XML_PARSE_NOCDATA),
        xmlFreeDoc};
    const bool is_ascii = std::all_of(text.begin(), text.end(),
                                      [](char c) { return static_cast<signed char>(c) >= 0; });
    if (theirs != nullptr && context->nsWellFormed != 0) {
        const bool is_limit = !ours && (ours.error().text.find("too") != std::string::npos);
        require(ours.has_value() || is_limit);
        if (ours && !ours->warning()) compare(ours->root(), xmlDocGetRootElement(theirs.get()));
    } else if (theirs == nullptr && is_ascii) {
        require(!ours.has_value());
    }
    return 0;
}
