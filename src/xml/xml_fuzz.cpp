// Any bytes as an XML document, in several character sets: each element's outer_xml() must be read
// again alone, as the same.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "xml/xml_document.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
using xml::XmlDocument;
using xml::XmlElement;

void require(bool condition) {
    if (!condition) std::abort();
}

void check_outer(const XmlElement& element, int depth) {
    const auto again = XmlDocument::parse(element.outer_xml(), "utf-8");
    require(again.has_value());
    require(again->root().text() == element.text());
    require(again->root().name() == element.name());
    if (depth == 0) return;  // each level is read once for each level above it
    for (auto child = element.first_child(); child; child = child->next_sibling())
        check_outer(*child, depth - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = base::as_text({bytes, size});
    for (const char* charset : {"", "ISO-8859-1", "windows-1252", "x-unknown"}) {
        const auto document = XmlDocument::parse(text, charset);
        if (document && !document->warning()) check_outer(document->root(), 3);
    }
    return 0;
}
