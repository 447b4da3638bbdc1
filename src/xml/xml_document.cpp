#include "xml/xml_document.h"

#include <algorithm>

#include "base/text.h"
#include "xml/limits.h"
#include "xml/xml_charset.h"
#include "xml/xml_tree.h"

namespace earshot::xml {
XmlDocument::XmlDocument() : tree_(std::make_unique<XmlTree>()) {}
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;
XmlDocument::~XmlDocument() = default;

base::Result<XmlDocument, XmlDocument::Fault> XmlDocument::parse(std::string_view bytes,
                                                                 std::string_view charset) {
    if (bytes.size() > kMaxXmlBytes) return Fault{"the document is too large", 0};
    auto text = decode_xml_text(bytes, charset);
    if (!text) return Fault{std::string{text.error().what}, 0};
    XmlDocument document;
    document.charset_ignored_ = text->charset_ignored;
    document.keeps_offsets_ = text->utf8 == bytes;
    document.tree_->text = std::move(text->utf8);
    XmlReading reading = read_xml(*document.tree_);
    if (reading.fault) return *std::move(reading.fault);
    document.warning_ = std::move(reading.warning);
    return document;
}

XmlElement XmlDocument::root() const { return XmlElement{*tree_, 0}; }

std::string_view XmlElement::name() const { return tree_->elements[index_].name; }

std::string_view XmlElement::name_space() const {
    return tree_->namespaces[tree_->elements[index_].name_space].uri;
}

int XmlElement::line() const { return static_cast<int>(tree_->elements[index_].line); }

std::optional<std::string_view> XmlElement::find_attribute(std::string_view prefix,
                                                           std::string_view name) const {
    const XmlTree::Element& element = tree_->elements[index_];
    for (std::size_t i = 0; i < element.attribute_count; ++i) {
        const XmlTree::Attribute& attribute = tree_->attributes[element.first_attribute + i];
        if (attribute.name == name && attribute.prefix == prefix) return attribute.value;
    }
    return std::nullopt;  // no DTD: there are no defaults
}

std::optional<std::string_view> XmlElement::attribute(std::string_view name) const {
    return find_attribute({}, name);
}

std::string_view XmlElement::language() const { return find_attribute("xml", "lang").value_or(""); }

std::string_view XmlElement::text() const {
    const XmlTree::Element& element = tree_->elements[index_];
    return base::trim(std::string_view{tree_->characters}.substr(
        element.characters_begin, element.characters_end - element.characters_begin));
}

std::optional<XmlElement> XmlElement::first_child() const {
    if (tree_->elements[index_].subtree_end == index_ + 1) return std::nullopt;
    return XmlElement{*tree_, index_ + 1};
}

std::optional<XmlElement> XmlElement::next_sibling() const {
    const std::uint32_t sibling = tree_->elements[index_].next_sibling;
    if (sibling == XmlTree::kNoElement) return std::nullopt;
    return XmlElement{*tree_, sibling};
}

std::pair<std::size_t, std::size_t> XmlElement::extent() const {
    const XmlTree::Element& element = tree_->elements[index_];
    return {element.begin, element.end};
}

std::string XmlElement::outer_xml() const {
    const XmlTree::Element& outer = tree_->elements[index_];
    std::vector<std::uint32_t> inherited;
    const auto need = [&](std::uint32_t name_space) {
        const bool is_inherited = tree_->namespaces[name_space].declared_at < index_ &&
                                  !tree_->namespaces[name_space].uri.empty();
        if (is_inherited &&
            std::find(inherited.begin(), inherited.end(), name_space) == inherited.end())
            inherited.push_back(name_space);
    };
    for (std::uint32_t i = index_; i < outer.subtree_end; ++i) {
        const XmlTree::Element& element = tree_->elements[i];
        need(element.name_space);
        for (std::size_t k = 0; k < element.attribute_count; ++k)
            need(tree_->attributes[element.first_attribute + k].name_space);
    }

    const std::string_view raw =
        std::string_view{tree_->text}.substr(outer.begin, outer.end - outer.begin);
    const std::size_t name_end = outer.name_end - outer.begin;
    std::string xml{raw.substr(0, name_end)};
    for (const std::uint32_t index : inherited) {
        const XmlTree::Namespace& name_space = tree_->namespaces[index];
        xml.append(name_space.prefix.empty() ? " xmlns" : " xmlns:").append(name_space.prefix);
        xml.append("=\"").append(xml_escape(name_space.uri)).append("\"");
    }
    return xml.append(raw.substr(name_end));
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

}  // namespace earshot::xml
