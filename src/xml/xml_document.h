// A small XML document as a tree to walk. No DTD (a DOCTYPE is refused before it is read), no
// entities but XML's five, no huge documents. The views and elements borrow the document, which may
// be moved.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace earshot::xml {

struct XmlTree;

class XmlElement {
public:
    XmlElement(const XmlTree& tree, std::uint32_t index) : tree_(&tree), index_(index) {}
    friend bool operator==(XmlElement a, XmlElement b) = default;

    std::string_view name() const;        // local name; with its prefix when that is not declared
    std::string_view name_space() const;  // URI; empty when it is in none
    int line() const;
    std::optional<std::string_view> attribute(std::string_view name) const;  // in no namespace
    std::string_view language() const;  // xml:lang of this element itself
    std::string_view text() const;      // of all text and CDATA below, trimmed of XML white space
    std::optional<XmlElement> first_child() const;   // elements only
    std::optional<XmlElement> next_sibling() const;  // elements only
    // From its '<' to behind its end tag, in the document's text in UTF-8.
    std::pair<std::size_t, std::size_t> extent() const;
    // As it stands in the document, in UTF-8, with a declaration for each namespace that it
    // inherits: it stands alone.
    std::string outer_xml() const;

private:
    std::optional<std::string_view> find_attribute(std::string_view prefix,
                                                   std::string_view name) const;

    const XmlTree* tree_;
    std::uint32_t index_;
};

class XmlDocument {
public:
    struct Fault {
        std::string text;
        int line = 0;
    };
    // `charset` (may be empty) beats the XML declaration; one we do not know is ignored and told by
    // charset_ignored(). Fails where a limit of limits.h is passed, too.
    static base::Result<XmlDocument, Fault> parse(std::string_view bytes, std::string_view charset);

    XmlDocument(const XmlDocument&) = delete;
    XmlDocument& operator=(const XmlDocument&) = delete;
    XmlDocument(XmlDocument&& other) noexcept;
    XmlDocument& operator=(XmlDocument&& other) noexcept;
    ~XmlDocument();

    XmlElement root() const;
    // Whether the elements' extents are those in the bytes that were parsed: UTF-8 without a mark.
    bool keeps_offsets() const { return keeps_offsets_; }
    bool charset_ignored() const { return charset_ignored_; }
    // Namespace faults (an undeclared prefix): the document is usable all the same.
    const std::optional<Fault>& warning() const { return warning_; }

private:
    XmlDocument();
    std::unique_ptr<XmlTree> tree_;
    std::optional<Fault> warning_;
    bool charset_ignored_ = false;
    bool keeps_offsets_ = false;
};

// Escapes what XML needs escaped in text and attribute values; bytes that XML 1.0 forbids (control
// characters, invalid UTF-8) become U+FFFD.
std::string xml_escape(std::string_view text);

}  // namespace earshot::xml
