// A document from the network through a drop list: what is named is gone, and what is left can be
// read.
#include <cstdlib>

#include "base/text.h"
#include "siprec/metadata.h"
#include "siprec/metadata_drop.h"
#include "siprec/metadata_tags.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot::siprec;
    const std::array<DroppedElement, 2> list{{{"", "name"}, {"*", "*"}}};
    earshot::base::Bytes document(bytes, bytes + size);
    if (!drop_elements(document, {}, list)) return 0;
    if (document.size() != size) std::abort();
    if (drop_elements(document, {}, list)) std::abort();  // once is enough
    const std::string_view left = earshot::base::as_text(document);
    if (earshot::base::trim(left).empty()) return 0;
    const auto parsed = parse_metadata(left);
    if (!parsed) return 0;  // well-formed, and no recording's metadata
    for (const Extension& extension : parsed->objects.extensions)  // our own in a wrong place stay
        if (!extension.name_space.empty() && !is_recording_namespace(extension.name_space))
            std::abort();
    for (const Participant& participant : parsed->objects.participants)
        for (const NameId& id : participant.names)
            if (!id.name.empty()) std::abort();
    return 0;
}
