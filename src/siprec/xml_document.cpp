#include "siprec/xml_document.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>

#include <array>

#include "base/text.h"
#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

std::string_view view(const xmlChar* text) {
    // libxml2's strings are UTF-8 in unsigned char.
    return text == nullptr ? std::string_view{} : reinterpret_cast<const char*>(text);
}
const xmlChar* xml_text(const char* text) { return reinterpret_cast<const xmlChar*>(text); }

struct FreeContext {
    void operator()(xmlParserCtxtPtr context) const { xmlFreeParserCtxt(context); }
};
struct FreeString {
    void operator()(xmlChar* text) const { xmlFree(text); }
};
struct FreeBuffer {
    void operator()(xmlBufferPtr buffer) const { xmlBufferFree(buffer); }
};
using OwnedString = std::unique_ptr<xmlChar, FreeString>;

// Called at <!DOCTYPE, before any of it is acted on.
void refuse_doctype(void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
    auto* parser = static_cast<xmlParserCtxtPtr>(context);
    *static_cast<bool*>(parser->_private) = true;
    xmlStopParser(parser);
}

// libxml2 prints to stderr otherwise; the last error is read from the context instead.
void ignore_error(void*, xmlErrorPtr) {}

XmlDocument::Fault last_fault(xmlParserCtxtPtr context) {
    const xmlError* error = xmlCtxtGetLastError(context);
    if (error == nullptr || error->message == nullptr) return {"not well-formed XML", 0};
    return {base::to_valid_utf8(base::trim(error->message)), error->line};
}

// The names that libxml2 decodes by itself or through iconv; a name of a peer is looked up only
// when it looks like one.
bool is_known_charset(const std::string& name) {
    if (name.empty() || name.size() > 32) return false;
    for (const char c : name) {
        const bool ok = base::is_digit(c) ||
                        (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z') || c == '-' ||
                        c == '_';
        if (!ok) return false;
    }
    xmlCharEncodingHandlerPtr handler = xmlFindCharEncodingHandler(name.c_str());
    if (handler == nullptr) return false;
    xmlCharEncCloseFunc(handler);
    return true;
}

// libxml2 compares each attribute of a tag with all before it, and says so only afterwards: 20,000
// in one tag took 25 s. So they are counted first, in the raw bytes; zeros are UTF-16's. Text
// counts with the tag before it, hence a limit far above kMaxXmlAttributes.
bool has_crowded_tag(std::string_view bytes) {
    std::size_t values = 0;
    bool after_equals = false;
    for (const char c : bytes) {
        if (c == '<') values = 0;
        if (after_equals && (c == '"' || c == '\'') && ++values > kMaxXmlTagValues) return true;
        const bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
        after_equals = c == '=' || (after_equals && is_blank);
    }
    return false;
}

const char* check_element(const xmlNode* node) {
    if (view(node->name).size() > kMaxXmlNameBytes) return "an element's name is too long";
    std::size_t attributes = 0;
    for (const xmlAttr* a = node->properties; a != nullptr; a = a->next) {
        if (++attributes > kMaxXmlAttributes) return "an element has too many attributes";
        if (view(a->name).size() > kMaxXmlNameBytes) return "an attribute's name is too long";
    }
    return nullptr;
}

// Walks the tree without recursion: depth is what a peer controls.
std::optional<XmlDocument::Fault> check_limits(const xmlNode* root) {
    int depth = 1;
    const xmlNode* node = root;
    while (node != nullptr) {
        if (node->type == XML_ELEMENT_NODE) {
            const char* fault =
                depth > kMaxXmlDepth ? "elements are nested too deep" : check_element(node);
            if (fault != nullptr)
                return XmlDocument::Fault{fault, static_cast<int>(xmlGetLineNo(node))};
        }
        if (node->type == XML_ELEMENT_NODE && node->children != nullptr) {
            node = node->children;
            ++depth;
            continue;
        }
        while (node != root && node->next == nullptr) {
            node = node->parent;
            --depth;
        }
        node = node == root ? nullptr : node->next;
    }
    return std::nullopt;
}

// The text below an element or attribute when it is in one piece, as nearly all is; without
// libxml2's copy of it.
std::optional<std::string_view> find_single_text(const xmlNode* children) {
    if (children == nullptr) return std::string_view{};
    const bool is_single = children->next == nullptr && children->type == XML_TEXT_NODE;
    if (!is_single) return std::nullopt;
    return view(children->content);
}

xmlNode* next_element(xmlNode* node) {
    while (node != nullptr && node->type != XML_ELEMENT_NODE) node = node->next;
    return node;
}

}  // namespace

void XmlDocument::FreeDocument::operator()(void* document) const {
    xmlFreeDoc(static_cast<xmlDocPtr>(document));
}

base::Result<XmlDocument, XmlDocument::Fault> XmlDocument::parse(std::string_view bytes,
                                                                 std::string_view charset) {
    if (bytes.size() > kMaxMetadataBytes) return Fault{"the document is too large", 0};
    if (has_crowded_tag(bytes)) return Fault{"an element has too many attributes", 0};
    const std::unique_ptr<xmlParserCtxt, FreeContext> context{xmlNewParserCtxt()};
    if (context == nullptr) return Fault{"out of memory", 0};
    bool has_doctype = false;
    context->_private = &has_doctype;
    context->sax->internalSubset = &refuse_doctype;
    context->sax->serror = &ignore_error;

    XmlDocument result;
    const std::string encoding{charset};
    const bool use_charset = is_known_charset(encoding);
    result.charset_ignored_ = !charset.empty() && !use_charset;
    // Never NOENT, DTDLOAD, DTDATTR, XINCLUDE or HUGE.
    constexpr int kOptions = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                             XML_PARSE_NOCDATA | XML_PARSE_COMPACT;
    xmlDocPtr document =
        xmlCtxtReadMemory(context.get(), bytes.data(), static_cast<int>(bytes.size()), nullptr,
                          use_charset ? encoding.c_str() : nullptr, kOptions);
    result.document_.reset(document);
    if (has_doctype) return Fault{"a DOCTYPE is not taken", 0};
    if (document == nullptr || context->wellFormed == 0) return last_fault(context.get());
    const xmlNode* root = xmlDocGetRootElement(document);
    if (root == nullptr) return Fault{"no root element", 0};
    if (auto fault = check_limits(root)) return *fault;
    if (context->nsWellFormed == 0) result.warning_ = last_fault(context.get());
    return result;
}

XmlElement XmlDocument::root() const {
    return XmlElement{xmlDocGetRootElement(static_cast<xmlDocPtr>(document_.get()))};
}

std::string_view XmlElement::name() const { return view(node_->name); }

std::string_view XmlElement::name_space() const {
    return node_->ns == nullptr ? std::string_view{} : view(node_->ns->href);
}

int XmlElement::line() const { return static_cast<int>(xmlGetLineNo(node_)); }

std::optional<std::string> XmlElement::attribute(const char* name) const {
    const xmlAttr* attribute = node_->properties;
    while (attribute != nullptr && (attribute->ns != nullptr || view(attribute->name) != name))
        attribute = attribute->next;
    if (attribute == nullptr) return std::nullopt;  // no DTD: there are no defaults
    if (const auto text = find_single_text(attribute->children)) return std::string{*text};
    const OwnedString value{xmlNodeListGetString(node_->doc, attribute->children, 1)};
    return std::string{view(value.get())};
}

std::string XmlElement::language() const {
    if (node_->properties == nullptr) return {};
    const OwnedString value{xmlGetNsProp(node_, xml_text("lang"), XML_XML_NAMESPACE)};
    return std::string{view(value.get())};
}

std::string XmlElement::text() const {
    if (const auto text = find_single_text(node_->children)) return std::string{base::trim(*text)};
    const OwnedString value{xmlNodeGetContent(node_)};
    return std::string{base::trim(view(value.get()))};
}

std::optional<XmlElement> XmlElement::first_child() const {
    xmlNode* child = next_element(node_->children);
    if (child == nullptr) return std::nullopt;
    return XmlElement{child};
}

std::optional<XmlElement> XmlElement::next_sibling() const {
    xmlNode* sibling = next_element(node_->next);
    if (sibling == nullptr) return std::nullopt;
    return XmlElement{sibling};
}

std::string XmlElement::outer_xml() const {
    // A copy in a document of its own gets a declaration for each namespace that it inherited.
    const std::unique_ptr<xmlDoc, void (*)(xmlDocPtr)> document{xmlNewDoc(nullptr), &xmlFreeDoc};
    if (document == nullptr) return {};
    xmlNode* copy = xmlDocCopyNode(node_, document.get(), 1);
    if (copy == nullptr) return {};
    xmlDocSetRootElement(document.get(), copy);
    xmlReconciliateNs(document.get(), copy);
    const std::unique_ptr<xmlBuffer, FreeBuffer> buffer{xmlBufferCreate()};
    if (buffer == nullptr || xmlNodeDump(buffer.get(), document.get(), copy, 0, 0) < 0) return {};
    return std::string{view(xmlBufferContent(buffer.get()))};
}

std::string xml_escape(std::string_view text) {
    const std::string valid = base::to_valid_utf8(text);
    std::string out;
    out.reserve(valid.size() + 16);
    for (const char c : valid) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\t':
            case '\n':
            case '\r':
                out += "&#" + std::to_string(static_cast<int>(c)) + ";";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += "\xEF\xBF\xBD";
                } else {
                    out += c;
                }
        }
    }
    return out;
}

}  // namespace earshot::siprec
