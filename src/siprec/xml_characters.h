// The characters of XML 1.0 in UTF-8: which are allowed, and what references and line ends mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::siprec {

struct XmlCharacter {
    std::uint32_t code = 0;
    std::size_t size = 0;  // bytes it takes in the text; 0: there is none
};

// Where the first byte stands that XML does not take (section 2.2) or that is no valid UTF-8; the
// size of `text` when there is none.
std::size_t find_bad_xml_character(std::string_view text);

// The reference at the start of `text`, which begins with '&': a number or one of XML's five names.
XmlCharacter read_xml_reference(std::string_view text);

// Appends `raw` with its references replaced and its line ends normalised (sections 2.11, 3.3.3).
// The references have been checked.
enum class XmlPlace { Text, AttributeValue };
void append_xml_decoded(std::string& out, std::string_view raw, XmlPlace place);

}  // namespace earshot::siprec
