// Writes multipart bodies, in the strict form only: CRLF, unquoted boundary, closing delimiter.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace earshot::mime {

struct OutgoingPart {
    std::string_view content_type;  // full field value
    std::string_view disposition;   // full field value; the field is left out when empty
    std::string_view content_id;    // without brackets; the field is left out when empty
    std::string_view body;
};

// Errors: Malformed when the boundary is not 1 to 70 of RFC 2045's token characters (so that it
// needs no quotes), or when a body contains "--" and the boundary. Use a random one.
base::Result<std::string> write_multipart(std::span<const OutgoingPart> parts,
                                          std::string_view boundary);

// "multipart/mixed;boundary=B": the Content-Type field that goes with it.
std::string multipart_mixed_type(std::string_view boundary);

}  // namespace earshot::mime
