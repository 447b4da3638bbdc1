// What XmlDocument keeps of a document: its text in UTF-8, and where the elements lie in it. Only
// xml_reader.cpp fills one and only xml_document.cpp looks into it. All views are into `text` or
// `decoded`, so a tree does not move.
#pragma once

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "siprec/xml_document.h"

namespace earshot::siprec {

struct XmlTree {
    static constexpr std::uint32_t kNoElement = 0xffffffff;

    struct Namespace {
        std::string_view prefix;  // empty: the default one
        std::string_view uri;
        std::uint32_t declared_at = kNoElement;  // the element; that of `xml` is nowhere
    };
    struct Attribute {
        std::string_view name;   // with its prefix
        std::string_view value;  // references replaced, white space normalised
        std::uint32_t name_space = 0;
    };
    // The elements stand in document order: an element's first child is the one behind it.
    struct Element {
        std::string_view name;          // with its prefix
        std::uint32_t name_space = 0;   // index into `namespaces`
        std::uint32_t local_begin = 0;  // in `name`; 0, too, when the prefix is not declared
        std::uint32_t line = 0;
        std::uint32_t begin = 0;  // in `text`: '<' of the start tag
        std::uint32_t content = 0;
        std::uint32_t content_end = 0;
        std::uint32_t end = 0;  // past the end tag
        std::uint32_t first_attribute = 0;
        std::uint32_t attribute_count = 0;
        std::uint32_t next_sibling = kNoElement;
        std::uint32_t subtree_end = 0;  // past its last descendant
        bool has_plain_text = true;     // `content` is the text as it stands
    };

    std::string text;
    std::vector<Element> elements;
    std::vector<Attribute> attributes;
    // The first is none at all, the second that of `xml`.
    std::vector<Namespace> namespaces;
    std::forward_list<std::string> decoded;  // what does not stand in `text` as it is meant
};

// Reads tree.text, which must be UTF-8 or is refused.
struct XmlReading {
    std::optional<XmlDocument::Fault> fault;    // the tree is of no use
    std::optional<XmlDocument::Fault> warning;  // of namespaces
};
XmlReading read_xml(XmlTree& tree);

}  // namespace earshot::siprec
