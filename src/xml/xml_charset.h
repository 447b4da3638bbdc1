// Which characters the bytes of an XML document mean (XML 1.0 appendix F, RFC 7303 section 3).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace earshot::xml {

struct XmlText {
    std::string utf8;  // not checked when the document says that it is UTF-8
    bool charset_ignored = false;
};

// A byte order mark beats `charset`, that of the MIME type, which beats the XML declaration. A
// `charset` that we do not know is ignored; a declared one is an error.
base::Result<XmlText> decode_xml_text(std::string_view bytes, std::string_view charset);

}  // namespace earshot::xml
