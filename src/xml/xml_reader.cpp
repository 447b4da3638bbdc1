// text -> XmlTree by libxml2's SAX2 callbacks: the one place that touches libxml2. Its own tree
// costs twice as much as its parser. No DTD (a DOCTYPE ends the parser before it is acted on), no
// entities but XML's five, no network. Limits are checked where they are passed.
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "base/text.h"
#include "xml/limits.h"
#include "xml/xml_tree.h"

namespace earshot::xml {
namespace {

// What "&amp;" is in the value of an attribute as long as libxml2 is not told to replace entities,
// so that its tree can still find them.
constexpr std::string_view kHalfEscaped = "&#38;";

std::string_view view(const xmlChar* text) {
    // libxml2's strings are UTF-8 in unsigned char.
    return text == nullptr ? std::string_view{} : reinterpret_cast<const char*>(text);
}

constexpr std::string_view kBlanks = " \t\r\n";

struct FreeContext {
    void operator()(xmlParserCtxtPtr context) const { xmlFreeParserCtxt(context); }
};

// libxml2 compares each attribute of a tag with all before it, and says so only afterwards: 20,000
// in one tag took 25 s. So they are counted first. Text counts with the tag before it, hence a
// limit far above kMaxXmlAttributes.
bool has_crowded_tag(std::string_view text) {
    std::size_t values = 0;
    std::size_t next_tag = 0;
    for (std::size_t at = text.find('='); at != std::string_view::npos;
         at = text.find('=', at + 1)) {
        if (at > next_tag) {
            values = 0;
            next_tag = text.find('<', at);
        }
        const std::size_t value = text.find_first_not_of(kBlanks, at + 1);
        const bool is_quoted =
            value != std::string_view::npos && (text[value] == '"' || text[value] == '\'');
        if (is_quoted && ++values > kMaxXmlTagValues) return true;
    }
    return false;
}

// The text is UTF-8 by now, whatever its XML declaration says: it must not be converted once more.
void blank_declaration(std::string& text) {
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string::npos || text.compare(begin, 5, "<?xml") != 0) return;
    const std::size_t end = text.find("?>", begin);
    if (end == std::string::npos || kBlanks.find(text[begin + 5]) == std::string_view::npos) return;
    std::replace_if(
        text.begin() + static_cast<std::ptrdiff_t>(begin),
        text.begin() + static_cast<std::ptrdiff_t>(end) + 2, [](char c) { return c != '\n'; }, ' ');
}

class XmlReader {
public:
    explicit XmlReader(XmlTree& tree) : tree_(tree) {}
    XmlReading run();

private:
    bool push_text();
    static XmlReader& of(void* context) {
        return *static_cast<XmlReader*>(static_cast<xmlParserCtxtPtr>(context)->_private);
    }
    static xmlSAXHandler make_handler();

    void on_start(const xmlChar* name, const xmlChar* prefix, int namespace_count,
                  const xmlChar** namespaces, int attribute_count, const xmlChar** attributes);
    void on_end();
    void on_characters(const xmlChar* text, int size) {
        if (size > 0)
            tree_.characters += std::string_view{reinterpret_cast<const char*>(text),
                                                 static_cast<std::size_t>(size)};
    }
    void on_error(const xmlError& error);
    void declare(std::string_view prefix, std::string_view uri, std::uint32_t element);
    void add_attribute(const xmlChar** attribute, XmlTree::Element& element);
    std::string_view keep(const xmlChar* begin, const xmlChar* end);
    std::string_view without_half_escapes(std::string_view value);
    std::uint32_t find_namespace(std::string_view prefix) const;
    void fail(const char* text);

    // Where in tree_.text libxml2 has come to.
    std::uint32_t position() const {
        const xmlParserInput& input = *context_->input;
        const std::size_t place = input.consumed + static_cast<std::size_t>(input.cur - input.base);
        return static_cast<std::uint32_t>(std::min(place, tree_.text.size()));
    }
    std::uint32_t line_of(std::uint32_t place);

    XmlTree& tree_;
    xmlParserCtxtPtr context_ = nullptr;
    std::uint32_t seen_ = 0;  // no start tag begins before this place of the text
    std::uint32_t line_ = 1;
    std::uint32_t line_at_ = 0;  // line_ is that of this place
    std::array<std::uint32_t, kMaxXmlDepth> open_{};
    std::array<std::uint32_t, kMaxXmlDepth> last_child_{};
    std::size_t depth_ = 0;
    std::vector<std::uint32_t> in_scope_;            // indices into namespaces, the innermost last
    std::optional<XmlDocument::Fault> fault_;        // ours: nothing more is read
    std::optional<XmlDocument::Fault> first_error_;  // libxml2's
    std::optional<XmlDocument::Fault> warning_;
};

// Called through C: nothing in these may throw but for want of memory, which ends the process.
xmlSAXHandler XmlReader::make_handler() {
    xmlSAXHandler handler{};
    handler.initialized = XML_SAX2_MAGIC;
    handler.startElementNs = [](void* context, const xmlChar* name, const xmlChar* prefix,
                                const xmlChar*, int namespace_count, const xmlChar** namespaces,
                                int attribute_count, int, const xmlChar** attributes) {
        of(context).on_start(name, prefix, namespace_count, namespaces, attribute_count,
                             attributes);
    };
    handler.endElementNs = [](void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
        of(context).on_end();
    };
    handler.characters = [](void* context, const xmlChar* text, int size) {
        of(context).on_characters(text, size);
    };
    handler.ignorableWhitespace = handler.characters;
    handler.cdataBlock = [](void* context, const xmlChar* text, int size) {
        of(context).on_characters(text, size);
        of(context).seen_ = of(context).position();
    };
    handler.comment = [](void* context, const xmlChar*) {
        of(context).seen_ = of(context).position();
    };
    handler.processingInstruction = [](void* context, const xmlChar*, const xmlChar*) {
        of(context).seen_ = of(context).position();
    };
    // At <!DOCTYPE, before any of it is acted on.
    handler.internalSubset = [](void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
        of(context).fail("a DOCTYPE is not taken");
        xmlStopParser(static_cast<xmlParserCtxtPtr>(context));
    };
    handler.serror = [](void* context, xmlErrorPtr error) { of(context).on_error(*error); };
    return handler;
}

XmlReading XmlReader::run() {
    const auto refuse = [](const char* text) {
        return XmlReading{.fault = XmlDocument::Fault{text, 0}, .warning = std::nullopt};
    };
    if (has_crowded_tag(tree_.text)) return refuse("an element has too many attributes");
    if (tree_.text.find('\0') != std::string::npos) return refuse("a NUL stands in the text");
    blank_declaration(tree_.text);
    // Anything else makes libxml2 guess another encoding, and then its places are not ours.
    const std::size_t first = tree_.text.find_first_not_of(kBlanks);
    if (first == std::string::npos || tree_.text[first] != '<') return refuse("no root element");
    constexpr std::size_t kBytesPerElement = 32;  // about: 42 in our clients' documents
    tree_.elements.reserve(tree_.text.size() / kBytesPerElement + 1);
    tree_.attributes.reserve(tree_.text.size() / kBytesPerElement + 1);
    tree_.characters.reserve(tree_.text.size() / 2);
    tree_.namespaces = {{}, {"xml", "http://www.w3.org/XML/1998/namespace"}};

    const std::unique_ptr<xmlParserCtxt, FreeContext> context{xmlNewParserCtxt()};
    if (context == nullptr) return refuse("out of memory");
    context_ = context.get();
    context_->_private = this;
    *context_->sax = make_handler();
    // Never NOENT, DTDLOAD, DTDATTR, XINCLUDE or HUGE.
    xmlCtxtUseOptions(
        context_, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC);
    if (!push_text()) return refuse("out of memory");
    xmlParseDocument(context_);
    if (context_->myDoc != nullptr) {  // without a callback that makes one there is none
        xmlFreeDoc(context_->myDoc);
        context_->myDoc = nullptr;
    }
    xmlDictReference(context_->dict);
    tree_.dictionary.reset(context_->dict);
    if (!fault_ && (context_->wellFormed == 0 || tree_.elements.empty()))
        fault_ = first_error_.value_or(XmlDocument::Fault{"not well-formed XML", 0});
    return {std::move(fault_), std::move(warning_)};
}

// The text is read where it lies. xmlCtxtReadMemory would copy it into a buffer that libxml2 then
// asks for more of before each token of the last 250 octets: a fifth of all its work.
bool XmlReader::push_text() {
    xmlParserInputPtr input = xmlNewInputStream(context_);
    if (input == nullptr) return false;
    input->base = input->cur = reinterpret_cast<const xmlChar*>(tree_.text.c_str());
    input->end = input->base + tree_.text.size();  // where std::string keeps a NUL, as is required
    input->length = static_cast<int>(tree_.text.size());
    return inputPush(context_, input) >= 0;
}

// ---- faults -----------------------------------------------------------------------------------

void XmlReader::fail(const char* text) {
    if (!fault_) fault_ = XmlDocument::Fault{text, static_cast<int>(line_of(position()))};
}

// The first fault is the cause. What libxml2 says of namespaces leaves the document usable.
void XmlReader::on_error(const xmlError& error) {
    if (error.message == nullptr) return;
    XmlDocument::Fault fault{base::to_valid_utf8(base::trim(error.message)), error.line};
    if (error.domain == XML_FROM_NAMESPACE || error.level == XML_ERR_WARNING) {
        if (!warning_) warning_ = std::move(fault);
    } else if (!first_error_) {
        first_error_ = std::move(fault);
    }
}

std::uint32_t XmlReader::line_of(std::uint32_t place) {
    const char* at = tree_.text.data() + line_at_;
    const char* const end = tree_.text.data() + place;
    while (at < end) {
        const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
        if (found == nullptr) break;
        at = static_cast<const char*>(found) + 1;
        ++line_;
    }
    line_at_ = std::max(line_at_, place);
    return line_;
}

// ---- elements ---------------------------------------------------------------------------------

void XmlReader::on_start(const xmlChar* name, const xmlChar* prefix, int namespace_count,
                         const xmlChar** namespaces, int attribute_count,
                         const xmlChar** attributes) {
    if (fault_) return;
    if (depth_ == open_.size()) return fail("elements are nested too deep");
    const std::string_view local = view(name);
    const std::string_view before = view(prefix);
    if (std::max(local.size(), before.size()) > kMaxXmlNameBytes)
        return fail("an element's name is too long");
    const auto index = static_cast<std::uint32_t>(tree_.elements.size());
    XmlTree::Element& element = tree_.elements.emplace_back();
    // What stands between two tags and is no comment, instruction or CDATA holds no '<'.
    const std::size_t begin = tree_.text.find('<', seen_);
    if (begin == std::string::npos) return fail("the text is not in its encoding");
    element.begin = static_cast<std::uint32_t>(begin);
    seen_ = position();
    element.line = line_of(element.begin);
    const std::size_t name_size = before.empty() ? local.size() : before.size() + 1 + local.size();
    element.name_end = element.begin + 1 + static_cast<std::uint32_t>(name_size);
    element.characters_begin = static_cast<std::uint32_t>(tree_.characters.size());
    for (std::ptrdiff_t i = 0; i < namespace_count; ++i)
        declare(view(namespaces[2 * i]), view(namespaces[2 * i + 1]), index);
    element.name_space = find_namespace(before);
    element.name = before.empty() || element.name_space != 0
                       ? local
                       : std::string_view{tree_.text}.substr(element.begin + 1, name_size);
    element.first_attribute = static_cast<std::uint32_t>(tree_.attributes.size());
    if (static_cast<std::size_t>(attribute_count) > kMaxXmlAttributes)
        return fail("an element has too many attributes");
    for (std::ptrdiff_t i = 0; i < attribute_count; ++i) add_attribute(attributes + 5 * i, element);

    if (depth_ > 0) {
        std::uint32_t& last = last_child_[depth_ - 1];
        if (last != XmlTree::kNoElement) tree_.elements[last].next_sibling = index;
        last = index;
    }
    open_[depth_] = index;
    last_child_[depth_] = XmlTree::kNoElement;
    ++depth_;
}

void XmlReader::on_end() {
    if (fault_ || depth_ == 0) return;
    const std::uint32_t index = open_[--depth_];
    XmlTree::Element& element = tree_.elements[index];
    seen_ = element.end = position();
    element.characters_end = static_cast<std::uint32_t>(tree_.characters.size());
    element.subtree_end = static_cast<std::uint32_t>(tree_.elements.size());
    while (!in_scope_.empty() && tree_.namespaces[in_scope_.back()].declared_at == index)
        in_scope_.pop_back();
}

// `attribute`: local name, prefix, URI, begin and end of the value.
void XmlReader::add_attribute(const xmlChar** attribute, XmlTree::Element& element) {
    const std::string_view name = view(attribute[0]);
    const std::string_view prefix = view(attribute[1]);
    if (std::max(name.size(), prefix.size()) > kMaxXmlNameBytes)
        return fail("an attribute's name is too long");
    tree_.attributes.push_back({.prefix = prefix,
                                .name = name,
                                .value = keep(attribute[3], attribute[4]),
                                .name_space = prefix.empty() ? 0 : find_namespace(prefix)});
    ++element.attribute_count;
}

// A value that needed no change lies in the text.
std::string_view XmlReader::keep(const xmlChar* begin, const xmlChar* end) {
    const xmlParserInput& input = *context_->input;
    const auto size = static_cast<std::size_t>(end - begin);
    if (begin >= input.base && end <= input.end) {
        const std::size_t place = input.consumed + static_cast<std::size_t>(begin - input.base);
        return std::string_view{tree_.text}.substr(place, size);
    }
    tree_.values.emplace_front(reinterpret_cast<const char*>(begin), size);
    return without_half_escapes(tree_.values.front());
}

std::string_view XmlReader::without_half_escapes(std::string_view value) {
    std::size_t at = value.find(kHalfEscaped);
    if (at == std::string_view::npos) return value;
    std::string& whole = tree_.values.emplace_front(value);
    for (; at != std::string::npos; at = whole.find(kHalfEscaped, at + 1))
        whole.erase(at + 1, kHalfEscaped.size() - 1);
    return whole;
}

// ---- namespaces -------------------------------------------------------------------------------

void XmlReader::declare(std::string_view prefix, std::string_view uri, std::uint32_t element) {
    if (in_scope_.size() == kMaxXmlNamespaces) {
        if (!warning_) {
            warning_ = XmlDocument::Fault{"there are too many namespaces",
                                          static_cast<int>(tree_.elements[element].line)};
        }
        return;
    }
    in_scope_.push_back(static_cast<std::uint32_t>(tree_.namespaces.size()));
    tree_.namespaces.push_back({prefix, without_half_escapes(uri), element});
}

std::uint32_t XmlReader::find_namespace(std::string_view prefix) const {
    for (std::size_t i = in_scope_.size(); i > 0; --i)
        if (tree_.namespaces[in_scope_[i - 1]].prefix == prefix) return in_scope_[i - 1];
    return prefix == "xml" ? 1 : 0;
}

}  // namespace

void XmlTree::FreeDictionary::operator()(_xmlDict* owned) const { xmlDictFree(owned); }

XmlReading read_xml(XmlTree& tree) { return XmlReader{tree}.run(); }

}  // namespace earshot::xml
