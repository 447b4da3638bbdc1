// What XmlDocument keeps of a document: its text in UTF-8, where the elements lie in it, and the
// character data. Only xml_reader.cpp fills one and only xml_document.cpp looks into it. Views are
// into `text`, `values` or the dictionary, so a tree does not move.
#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xml/xml_document.h"

// libxml2's own name; its header stays out of ours.
struct _xmlDict;  // NOLINT(bugprone-reserved-identifier)

namespace earshot::xml {

struct XmlTree {
    static constexpr std::uint32_t kNoElement = 0xffffffff;

    struct Namespace {
        std::string_view prefix;  // empty: the default one
        std::string_view uri;
        std::uint32_t declared_at = kNoElement;  // the element; that of `xml` is nowhere
    };
    struct Attribute {
        std::string_view prefix;  // empty: none
        std::string_view name;    // local
        std::string_view value;   // references replaced, white space normalised
        std::uint32_t name_space = 0;
    };
    // The elements stand in document order: an element's first child is the one behind it.
    struct Element {
        std::string_view name;         // local; with its prefix when that is not declared
        std::uint32_t name_space = 0;  // index into `namespaces`
        std::uint32_t line = 0;
        std::uint32_t begin = 0;     // in `text`: '<' of the start tag
        std::uint32_t name_end = 0;  // in `text`: past the tag's name
        std::uint32_t end = 0;       // in `text`: past the end tag
        std::uint32_t characters_begin = 0;
        std::uint32_t characters_end = 0;  // in `characters`: those of all below
        std::uint32_t first_attribute = 0;
        std::uint32_t attribute_count = 0;
        std::uint32_t next_sibling = kNoElement;
        std::uint32_t subtree_end = 0;  // past its last descendant
    };

    std::string text;
    std::string characters;  // all text and CDATA, in document order
    std::vector<Element> elements;
    std::vector<Attribute> attributes;
    // The first is none at all, the second that of `xml`.
    std::vector<Namespace> namespaces;
    std::forward_list<std::string> values;  // what does not stand in `text` as it is meant
    struct FreeDictionary {
        void operator()(_xmlDict* owned) const;
    };
    std::unique_ptr<_xmlDict, FreeDictionary> dictionary;  // libxml2's names and URIs
};

// Reads tree.text, which must be UTF-8 or is refused.
struct XmlReading {
    std::optional<XmlDocument::Fault> fault;    // the tree is of no use
    std::optional<XmlDocument::Fault> warning;  // of namespaces
};
XmlReading read_xml(XmlTree& tree);

}  // namespace earshot::xml
