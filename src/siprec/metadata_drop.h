// RFC 7865 section 10: metadata that local policy does not require must not be kept. What a drop
// list names is blanked out of a message before anything looks at it or stores it, so that neither
// journal nor rows nor exports can have it. Blanks, not a shorter text: lengths, offsets and the
// rest of the document stay as they were received, and the document stays XML.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "sip/message.h"

namespace earshot::siprec {

// Elements with all that is in them. Written "NAME" (of RFC 7865 and its drafts, or of no
// namespace), "{NAMESPACE}NAME", "{NAMESPACE}*", and with "{*}" for any namespace but the
// recording's own: "{*}*" is every extension. Case does not matter, as it does not to our reader.
struct DroppedElement {
    std::string name_space{};  // "*": every foreign one; empty: the recording's own
    std::string name{};        // local; "*": all of that namespace
    friend bool operator==(const DroppedElement&, const DroppedElement&) = default;
};
std::optional<DroppedElement> parse_dropped_element(std::string_view text);

// The message with blanks in the place of what is dropped; nullopt when nothing was. What cannot be
// read as XML in UTF-8 is blanked whole: what is in it cannot be told. So is what stands outside
// the parts of a multipart and looks like XML.
std::optional<base::Bytes> drop_metadata(const sip::Message& message,
                                         std::span<const DroppedElement> list);

// The same of one document, in place; false when nothing was dropped. `charset`: that of its MIME
// type.
bool drop_elements(std::span<std::uint8_t> document, std::string_view charset,
                   std::span<const DroppedElement> list);

}  // namespace earshot::siprec
