// CPIM messages (RFC 3862): who, to whom, when and what, around the content of a chat message.
// MSRP carries them as message/cpim; SIPREC's wrapper for MSRP has the same form.
//
//     From: Ana <sip:ana@desk.example>     message headers; names compared with case
//     NS: imdn <urn:ietf:params:imdn>      a prefix for headers of other specifications
//     imdn.Message-ID: 34jk
//
//     Content-Type: text/plain             MIME headers
//
//     Hello                                content
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace earshot::mime {

inline constexpr std::size_t kMaxCpimHeadBytes = 16 * 1024;  // all headers of one message
inline constexpr std::size_t kMaxCpimHeaders = 64;           // message headers

struct CpimAddress {
    std::string name;  // display name without quotes; empty: none
    std::string uri;
    friend bool operator==(const CpimAddress&, const CpimAddress&) = default;
};

struct CpimHeader {
    std::string
        name_space;     // URI of its prefix; empty: CPIM's own. A prefix nobody declared: as is
    std::string name;   // without the prefix
    std::string value;  // escapes undone (RFC 3862 section 2.3.1), without parameters
    friend bool operator==(const CpimHeader&, const CpimHeader&) = default;
};

struct CpimHead {
    std::optional<CpimAddress> from;
    std::vector<CpimAddress> to;
    std::vector<CpimAddress> cc;
    std::string date_time;  // RFC 3339 as written; empty: none
    std::string subject;    // of the first Subject, without its language; empty: none
    // Readers may differ on who is meant: more than one From, in whatever namespace, or an address
    // with more than one <...>.
    bool is_ambiguous = false;
    std::vector<CpimHeader> others;

    std::string content_type;         // with its parameters; empty: none was given
    std::string content_disposition;  // empty: none
    std::string mime_headers;         // all of them as they are
    std::size_t content_at = 0;       // where the content begins in the text

    // The value of a header of a namespace; empty: none.
    std::string_view find(std::string_view name_space, std::string_view name) const;
};

// Reads the headers of a message of which at least these have come. Bare LF, no space or several
// behind the colon, and names in other case are taken. Errors: Malformed (detail: the offset):
// the headers have no end yet, or a line is none; TooLarge past kMaxCpimHeadBytes or
// kMaxCpimHeaders.
base::Result<CpimHead> parse_cpim(std::string_view text);

// Headers up to where the content begins, CRLF line ends, in the order above. Namespaces of
// `others` are declared with the prefixes given here, those without one as "x1", "x2", ...
struct CpimPrefix {
    std::string_view name_space;
    std::string_view prefix;
};
std::string write_cpim(const CpimHead& head, const std::vector<CpimPrefix>& prefixes = {});

}  // namespace earshot::mime
