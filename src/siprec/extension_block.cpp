#include "siprec/extension_block.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "siprec/limits.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::xml_escape;
using xml::XmlDocument;
using xml::XmlElement;

bool is_in_recording_namespace(std::string_view name_space) {
    return name_space.starts_with("urn:ietf:params:xml:ns:recording");
}

bool has_element_without_namespace(XmlElement element) {
    if (element.name_space().empty()) return true;
    for (auto child = element.first_child(); child; child = child->next_sibling())
        if (has_element_without_namespace(*child)) return true;
    return false;
}

// Behind the name of the first start tag; elements below inherit it.
std::string with_default_namespace(std::string xml, std::string_view name_space) {
    const std::size_t name_end = xml.find_first_of(" \t\r\n/>");
    std::string declaration = " xmlns=\"";
    declaration.append(xml_escape(name_space)).append("\"");
    return xml.insert(std::min(name_end, xml.size()), declaration);
}

// As it will stand in a document of ours, whose default namespace is another one.
base::Result<Extension, std::string> read_extension(XmlElement element,
                                                    std::string_view name_space) {
    std::string xml = element.outer_xml();
    if (has_element_without_namespace(element))
        xml = with_default_namespace(std::move(xml), name_space);
    // It cannot stand alone when it said xmlns="" itself.
    const auto alone = XmlDocument::parse(xml, {});
    if (!alone || alone->warning()) return std::string{"an element cannot be put into a namespace"};
    const XmlElement root = alone->root();
    if (root.name_space().empty()) return std::string{"an element is in no namespace"};
    if (is_in_recording_namespace(root.name_space()))
        return std::string{"the element '" + std::string{root.name()} +
                           "' is in the namespace of RFC 7865 itself"};
    return Extension{std::string{root.name()}, std::string{root.name_space()}, std::move(xml)};
}

bool is_name_id(XmlElement element) {
    return element.name() == "nameID" &&
           (element.name_space().empty() || is_in_recording_namespace(element.name_space()));
}

NameId read_name_id(XmlElement element) {
    NameId id;
    id.aor = element.attribute("aor").value_or("");
    for (auto child = element.first_child(); child; child = child->next_sibling()) {
        if (child->name() != "name") continue;
        id.name = child->text();
        id.language = child->language();
    }
    return id;
}

}  // namespace

base::Result<ExtensionBlock, std::string> read_extension_block(std::string_view xml,
                                                               std::string_view name_space,
                                                               bool is_raw, bool takes_names) {
    if (xml.size() > kMaxExtensionBytes) return std::string{"it is too long"};
    std::string whole = "<block>";
    whole.append(xml).append("</block>");
    const auto document = XmlDocument::parse(whole, "utf-8");
    if (!document) return "it is not well-formed: " + document.error().text;
    if (document->warning()) return document->warning()->text;

    ExtensionBlock block;
    for (auto child = document->root().first_child(); child; child = child->next_sibling()) {
        if (takes_names && is_name_id(*child)) {
            block.names.push_back(read_name_id(*child));
        } else if (is_raw) {
            // The namespace is that of the document, where the schema does not want it.
            block.extensions.push_back(
                {std::string{child->name()}, std::string{kRawNamespace}, child->outer_xml()});
        } else {
            auto extension = read_extension(*child, name_space);
            if (!extension) return extension.error();
            block.extensions.push_back(*std::move(extension));
        }
    }
    return block;
}

}  // namespace earshot::siprec
