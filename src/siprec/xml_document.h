// The one place that touches libxml2: a small XML document as a tree to walk. No DTD (a DOCTYPE is
// refused before it is read), no entities but XML's five, no network, no huge documents. The
// views and elements borrow the document.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// libxml2's own name; its header stays out of ours.
struct _xmlNode;  // NOLINT(bugprone-reserved-identifier)

namespace earshot::siprec {

class XmlElement {
public:
    explicit XmlElement(_xmlNode* node) : node_(node) {}
    friend bool operator==(XmlElement a, XmlElement b) { return a.node_ == b.node_; }

    std::string_view name() const;        // local name; with its prefix when that is not declared
    std::string_view name_space() const;  // URI; empty when it is in none
    int line() const;
    // An attribute in no namespace, whatever its letters' case when `any_case`.
    std::optional<std::string> attribute(const char* name) const;
    std::string language() const;  // xml:lang of this element itself
    std::string text() const;      // of all text and CDATA below, trimmed of XML white space
    std::optional<XmlElement> first_child() const;   // elements only
    std::optional<XmlElement> next_sibling() const;  // elements only
    std::string outer_xml() const;  // stands alone: declares the namespaces it inherits

private:
    _xmlNode* node_;
};

class XmlDocument {
public:
    struct Fault {
        std::string text;
        int line = 0;
    };
    // `charset` (may be empty) beats the XML declaration; one we do not know is ignored and told by
    // charset_ignored(). Checks the depth, names and attributes of limits.h, and that the root
    // element is there.
    static base::Result<XmlDocument, Fault> parse(std::string_view bytes, std::string_view charset);

    XmlElement root() const;
    bool charset_ignored() const { return charset_ignored_; }
    // Namespace faults (an undeclared prefix): the document is usable all the same.
    const std::optional<Fault>& warning() const { return warning_; }

private:
    struct FreeDocument {
        void operator()(void* document) const;
    };
    XmlDocument() = default;
    std::unique_ptr<void, FreeDocument> document_;
    std::optional<Fault> warning_;
    bool charset_ignored_ = false;
};

// Escapes what XML needs escaped in text and attribute values; bytes that XML 1.0 forbids (control
// characters, invalid UTF-8) become U+FFFD.
std::string xml_escape(std::string_view text);

}  // namespace earshot::siprec
