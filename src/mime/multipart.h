// Multipart bodies (RFC 2046 section 5.1) as SIPREC clients really send them. Every recorded call
// goes through this parser and all large SIP stacks had memory bugs in theirs, so it works on
// bounded views only, never goes back, and its time is linear in the body (times kMaxDepth).
//
// Accepted beyond the RFC: bare LF, no space after a header's colon, no closing delimiter, blank
// lines or a preamble before the first delimiter, padding after a delimiter, part headers in any
// order, a part's own (wrong) Content-Length, a body that starts without its blank line, and a
// boundary parameter that is missing or wrong when the body itself begins with a delimiter line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mime/limits.h"

namespace earshot::mime {

// RFC 3261 section 20.11: what a receiver does that does not understand the part.
enum class Handling : std::uint8_t { Required, Optional };

// One leaf of a body. All views borrow the text given to the parser.
struct Part {
    std::string_view content_type;             // "application/sdp", as written; text/plain if none
    std::string_view content_type_parameters;  // for find_parameter()
    std::string_view disposition;              // "session", "recording-session"; empty if none
    Handling handling = Handling::Required;    // the RFC's default
    std::string_view content_id;               // without its angle brackets; empty if none
    std::string_view headers;                  // the raw header lines, without the blank line
    std::string_view body;                     // without the line end before the next delimiter
    std::uint8_t depth = 0;                    // 0 a body that is no multipart, 1 its parts, ...

    bool has_type(std::string_view media_type) const;  // compared without case
};

// A part's header field by name (compared without case), trimmed; the first of equal names. Folded
// lines stay as they are inside the value.
std::optional<std::string_view> find_header(const Part& part, std::string_view name);

struct Body {
    std::vector<Part> parts;    // leaves in their order; nested multiparts are replaced by theirs
    std::string_view unparsed;  // from the first part past kMaxParts to the end; empty if none
    bool is_multipart = false;
    bool is_closed = true;             // every multipart had its closing delimiter
    bool is_boundary_guessed = false;  // taken from the body, the parameter was missing or wrong

    const Part* find(std::string_view media_type) const;  // the first of that type, or null
};

// Takes a message's whole body apart by the values of its Content-Type and Content-Disposition
// fields (either may be empty). Anything but multipart/* gives one part of depth 0. A multipart
// that lies deeper than kMaxDepth, or has no usable boundary, stays one part. Errors: Malformed
// when the outer body is a multipart without a usable boundary or without a delimiter.
base::Result<Body> parse_body(std::string_view content_type, std::string_view content_disposition,
                              std::string_view body);

}  // namespace earshot::mime
