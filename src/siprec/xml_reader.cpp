// XML 1.0 without a DTD, and namespaces: text -> XmlTree. Written by hand because a call brings two
// documents and libxml2 takes four times the steps; xml_fuzz.cpp compares the two. Limits are
// checked where they are passed, so the time is linear in the text whatever a peer sends.
#include <array>
#include <cstring>

#include "base/text.h"
#include "siprec/limits.h"
#include "siprec/xml_characters.h"
#include "siprec/xml_tree.h"

namespace earshot::siprec {
namespace {

constexpr std::uint8_t kBlank = 1;
constexpr std::uint8_t kNameStart = 2;
constexpr std::uint8_t kName = 4;        // inside a name
constexpr std::uint8_t kTextStop = 8;    // what is not plain text; NUL ends the document
constexpr std::uint8_t kValueStop = 16;  // the same in an attribute's value

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    const auto add = [&](std::string_view characters, std::uint8_t what) {
        for (const char c : characters) classes[static_cast<std::uint8_t>(c)] |= what;
    };
    add(" \t\r\n", kBlank);
    add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:", kNameStart | kName);
    add("0123456789-.", kName);
    add({"\0<&\r]", 5}, kTextStop);
    add({"\0<&\"'\t\r\n", 8}, kValueStop);
    // Beyond ASCII everything may be in a name: XML 1.0 leaves out little that anybody writes.
    for (std::size_t c = 0x80; c < classes.size(); ++c) classes[c] |= kNameStart | kName;
    return classes;
}
constexpr auto kClasses = make_classes();

bool is(char c, std::uint8_t what) { return (kClasses[static_cast<std::uint8_t>(c)] & what) != 0; }

class XmlReader {
public:
    explicit XmlReader(XmlTree& tree)
        : tree_(tree), at_(tree.text.c_str()), begin_(at_), end_(at_ + tree.text.size()) {}

    XmlReading run();

private:
    // All that can fail returns false then, and fault_ says why.
    bool read_document();
    bool read_misc();  // comments, instructions and white space
    bool read_content();
    bool read_text();
    bool read_markup();  // <!...> and <?...>
    bool read_start_tag();
    bool read_attributes();
    bool read_attribute();
    bool read_value(std::string_view& value);
    bool read_end_tag();
    bool close_element();
    bool read_name(std::string_view& name, const char* what);
    bool check_local_name(std::string_view name, const char* fault);

    bool declare(std::string_view prefix, std::string_view uri);
    bool add_attribute(std::string_view name, std::string_view value);
    std::uint32_t find_namespace(std::string_view prefix) const;
    void resolve(XmlTree::Element& element);

    bool fail(std::string text);
    void warn(std::string text);
    int line();

    XmlTree::Element& current() { return tree_.elements[open_[depth_ - 1]]; }
    std::uint32_t offset(const char* at) const { return static_cast<std::uint32_t>(at - begin_); }
    std::string_view rest() const { return {at_, static_cast<std::size_t>(end_ - at_)}; }
    std::string_view from(const char* start) const {
        return {start, static_cast<std::size_t>(at_ - start)};
    }
    void skip_blanks() {
        while (is(*at_, kBlank)) ++at_;
    }
    // Past the next `mark`, or false when there is none.
    bool skip_past(std::string_view mark) {
        const std::size_t found = rest().find(mark);
        if (found == std::string_view::npos) return false;
        at_ += found + mark.size();
        return true;
    }

    XmlTree& tree_;
    const char* at_;  // the text ends with NUL, and holds none
    const char* begin_;
    const char* end_;
    int line_ = 1;
    const char* line_at_ = begin_;  // line_ is that of this place
    std::array<std::uint32_t, kMaxXmlDepth> open_{};
    std::array<std::uint32_t, kMaxXmlDepth> last_child_{};
    std::size_t depth_ = 0;
    std::array<std::uint32_t, kMaxXmlNamespaces> in_scope_{};  // the innermost last
    std::size_t in_scope_count_ = 0;
    std::optional<XmlDocument::Fault> fault_;
    std::optional<XmlDocument::Fault> warning_;
};

// ---- faults -----------------------------------------------------------------------------------

int XmlReader::line() {
    while (line_at_ < at_) {
        const void* found = std::memchr(line_at_, '\n', static_cast<std::size_t>(at_ - line_at_));
        line_at_ = found == nullptr ? at_ : static_cast<const char*>(found) + 1;
        if (found != nullptr) ++line_;
    }
    return line_;
}

bool XmlReader::fail(std::string text) {
    fault_ = XmlDocument::Fault{std::move(text), line()};
    return false;
}

void XmlReader::warn(std::string text) {
    if (!warning_) warning_ = XmlDocument::Fault{std::move(text), line()};
}

// ---- the document -----------------------------------------------------------------------------

XmlReading XmlReader::run() {
    tree_.namespaces = {{}, {"xml", "http://www.w3.org/XML/1998/namespace"}};
    if (const std::size_t bad = find_bad_xml_character(tree_.text); bad != tree_.text.size()) {
        at_ += bad;
        fail("a character that XML does not allow, or no valid UTF-8");
    } else {
        read_document();
    }
    return {std::move(fault_), std::move(warning_)};
}

bool XmlReader::read_document() {
    constexpr std::size_t kBytesPerElement = 32;  // about: 42 in our clients' documents
    tree_.elements.reserve(tree_.text.size() / kBytesPerElement + 1);
    tree_.attributes.reserve(tree_.text.size() / kBytesPerElement + 1);
    skip_blanks();
    if (rest().starts_with("<?xml") && is(at_[5], kBlank)) {
        if (!skip_past("?>")) return fail("the XML declaration does not end");
    }
    if (!read_misc()) return false;
    if (rest().starts_with("<!DOCTYPE")) return fail("a DOCTYPE is not taken");
    if (*at_ != '<') return fail("no root element");
    if (!read_start_tag()) return false;
    while (depth_ > 0)
        if (!read_content()) return false;
    if (!read_misc()) return false;
    return at_ == end_ || fail("something follows the root element");
}

bool XmlReader::read_misc() {
    while (true) {
        skip_blanks();
        if (!rest().starts_with("<!--") && !rest().starts_with("<?")) return true;
        if (!read_markup()) return false;
    }
}

bool XmlReader::read_content() {
    if (*at_ != '<') return read_text();
    if (at_[1] == '/') return read_end_tag();
    current().has_plain_text = false;
    return at_[1] == '!' || at_[1] == '?' ? read_markup() : read_start_tag();
}

bool XmlReader::read_text() {
    while (true) {
        while (!is(*at_, kTextStop)) ++at_;
        switch (*at_) {
            case '<':
                return true;
            case '&': {
                const std::size_t size = read_xml_reference(rest()).size;
                if (size == 0) return fail("'&' begins none of the references that XML has");
                at_ += size;
                current().has_plain_text = false;
                break;
            }
            case '\r':
                current().has_plain_text = false;
                ++at_;
                break;
            case ']':
                if (rest().starts_with("]]>")) return fail("']]>' stands in the text");
                ++at_;
                break;
            default:
                return fail("the document ends inside '" + std::string{current().name} + "'");
        }
    }
}

bool XmlReader::read_markup() {
    if (rest().starts_with("<!--")) {
        at_ += 4;
        if (!skip_past("--") || *at_ != '>') return fail("a comment does not end as it should");
        ++at_;
        return true;
    }
    if (rest().starts_with("<?")) {
        at_ += 2;
        std::string_view target;
        if (!read_name(target, "an instruction has no name")) return false;
        if (base::iequals(target, "xml")) return fail("an XML declaration in the middle");
        const bool ends = rest().starts_with("?>") || is(*at_, kBlank);
        return (ends && skip_past("?>")) || fail("an instruction does not end");
    }
    if (depth_ > 0 && rest().starts_with("<![CDATA[")) {
        at_ += 9;
        return skip_past("]]>") || fail("a CDATA section does not end");
    }
    return fail("'<!' begins nothing that may stand here");
}

// ---- elements ---------------------------------------------------------------------------------

bool XmlReader::read_name(std::string_view& name, const char* what) {
    const char* start = at_;
    if (!is(*at_, kNameStart)) return fail(what);
    while (is(*at_, kName)) ++at_;
    name = from(start);
    return true;
}

// The part of `name` behind its prefix and colon; 0 when it is not of that form.
std::size_t find_local(std::string_view name) {
    const std::size_t colon = name.find(':');
    const bool is_split = colon != std::string_view::npos && colon > 0 && colon + 1 < name.size();
    return is_split ? colon + 1 : 0;
}

bool XmlReader::check_local_name(std::string_view name, const char* fault) {
    if (name.size() <= kMaxXmlNameBytes) return true;
    const std::size_t local = find_local(name);
    const bool fits = local <= kMaxXmlNameBytes && name.size() - local <= kMaxXmlNameBytes;
    return fits || fail(fault);
}

bool XmlReader::read_start_tag() {
    if (depth_ == open_.size()) return fail("elements are nested too deep");
    const auto index = static_cast<std::uint32_t>(tree_.elements.size());
    XmlTree::Element& element = tree_.elements.emplace_back();
    element.begin = offset(at_);
    element.line = static_cast<std::uint32_t>(line());
    element.first_attribute = static_cast<std::uint32_t>(tree_.attributes.size());
    ++at_;
    if (!read_name(element.name, "'<' begins nothing that may stand here") ||
        !check_local_name(element.name, "an element's name is too long") || !read_attributes())
        return false;
    resolve(element);

    if (depth_ > 0) {
        std::uint32_t& last = last_child_[depth_ - 1];
        if (last != XmlTree::kNoElement) tree_.elements[last].next_sibling = index;
        last = index;
    }
    open_[depth_] = index;
    last_child_[depth_] = XmlTree::kNoElement;
    ++depth_;
    const bool is_empty = *at_ == '/';
    at_ += is_empty ? 2 : 1;
    element.content = element.content_end = offset(at_);
    return is_empty ? close_element() : true;
}

// Up to the '>' or '/>' of the tag.
bool XmlReader::read_attributes() {
    while (true) {
        const bool is_apart = is(*at_, kBlank);
        skip_blanks();
        if (*at_ == '>' || (*at_ == '/' && at_[1] == '>')) return true;
        if (*at_ == '\0') return fail("the document ends inside a tag");
        if (!is_apart) return fail("a tag holds what is no attribute");
        if (!read_attribute()) return false;
    }
}

bool XmlReader::read_attribute() {
    std::string_view name;
    std::string_view value;
    if (!read_name(name, "a tag holds what is no attribute") ||
        !check_local_name(name, "an attribute's name is too long"))
        return false;
    skip_blanks();
    if (*at_ != '=') return fail("an attribute has no value");
    ++at_;
    skip_blanks();
    if (!read_value(value)) return false;
    if (name == "xmlns") return declare({}, value);
    if (name.starts_with("xmlns:") && name.size() > 6) return declare(name.substr(6), value);
    return add_attribute(name, value);
}

bool XmlReader::read_value(std::string_view& value) {
    const char quote = *at_;
    if (quote != '"' && quote != '\'') return fail("an attribute's value is not quoted");
    const char* start = ++at_;
    bool is_plain = true;
    while (true) {
        while (!is(*at_, kValueStop)) ++at_;
        if (*at_ == quote) break;
        if (*at_ == '\0') return fail("the document ends inside a tag");
        if (*at_ == '<') return fail("'<' stands in an attribute's value");
        std::size_t size = 1;
        if (*at_ == '&') size = read_xml_reference(rest()).size;
        if (size == 0) return fail("'&' begins none of the references that XML has");
        is_plain = is_plain && (*at_ == '"' || *at_ == '\'');
        at_ += size;
    }
    value = from(start);
    ++at_;
    if (is_plain) return true;
    std::string& decoded = tree_.decoded.emplace_front();
    append_xml_decoded(decoded, value, XmlPlace::AttributeValue);
    value = decoded;
    return true;
}

bool XmlReader::add_attribute(std::string_view name, std::string_view value) {
    XmlTree::Element& element = tree_.elements.back();
    for (std::size_t i = element.first_attribute; i < tree_.attributes.size(); ++i) {
        if (tree_.attributes[i].name == name)
            return fail("the attribute '" + std::string{name} + "' stands twice in a tag");
    }
    if (++element.attribute_count > kMaxXmlAttributes)
        return fail("an element has too many attributes");
    tree_.attributes.push_back({name, value, 0});
    return true;
}

bool XmlReader::read_end_tag() {
    at_ += 2;
    std::string_view name;
    const std::uint32_t content_end = offset(at_) - 2;
    if (!read_name(name, "an end tag has no name")) return false;
    XmlTree::Element& element = current();
    if (name != element.name) {
        return fail("'" + std::string{element.name} + "' of line " + std::to_string(element.line) +
                    " is not closed before another end tag");
    }
    skip_blanks();
    if (*at_ != '>') return fail("an end tag does not end");
    ++at_;
    element.content_end = content_end;
    return close_element();
}

bool XmlReader::close_element() {
    const std::uint32_t index = open_[--depth_];
    XmlTree::Element& element = tree_.elements[index];
    element.end = offset(at_);
    element.subtree_end = static_cast<std::uint32_t>(tree_.elements.size());
    while (in_scope_count_ > 0 &&
           tree_.namespaces[in_scope_[in_scope_count_ - 1]].declared_at == index)
        --in_scope_count_;
    return true;
}

// ---- namespaces -------------------------------------------------------------------------------

// Faults are told and passed over: the element is there all the same.
bool XmlReader::declare(std::string_view prefix, std::string_view uri) {
    const auto index = static_cast<std::uint32_t>(tree_.elements.size() - 1);
    for (std::size_t i = in_scope_count_; i > 0; --i) {
        const XmlTree::Namespace& other = tree_.namespaces[in_scope_[i - 1]];
        if (other.declared_at != index) break;
        if (other.prefix == prefix) return fail("a namespace is declared twice in a tag");
    }
    if (in_scope_count_ == in_scope_.size()) {
        warn("there are too many namespaces");
    } else if (prefix == "xml" || prefix == "xmlns" || (uri.empty() && !prefix.empty())) {
        warn("the prefix '" + std::string{prefix} + "' cannot be declared so");
    } else {
        in_scope_[in_scope_count_++] = static_cast<std::uint32_t>(tree_.namespaces.size());
        tree_.namespaces.push_back({prefix, uri, index});
    }
    return true;
}

std::uint32_t XmlReader::find_namespace(std::string_view prefix) const {
    for (std::size_t i = in_scope_count_; i > 0; --i)
        if (tree_.namespaces[in_scope_[i - 1]].prefix == prefix) return in_scope_[i - 1];
    return prefix == "xml" ? 1 : 0;
}

void XmlReader::resolve(XmlTree::Element& element) {
    const auto find_prefixed = [&](std::string_view name, std::size_t local) {
        const std::string_view prefix = name.substr(0, local - 1);
        const std::uint32_t found = find_namespace(prefix);
        if (found == 0) {
            warn("the prefix '" + std::string{prefix} + "' is not declared");
        }
        return found;
    };
    const std::size_t local = find_local(element.name);
    element.name_space = local == 0 ? find_namespace({}) : find_prefixed(element.name, local);
    element.local_begin = element.name_space == 0 ? 0 : static_cast<std::uint32_t>(local);
    for (std::size_t i = 0; i < element.attribute_count; ++i) {
        XmlTree::Attribute& attribute = tree_.attributes[element.first_attribute + i];
        const std::size_t attribute_local = find_local(attribute.name);
        if (attribute_local != 0)
            attribute.name_space = find_prefixed(attribute.name, attribute_local);
    }
}

}  // namespace

XmlReading read_xml(XmlTree& tree) { return XmlReader{tree}.run(); }

}  // namespace earshot::siprec
