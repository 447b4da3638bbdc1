// URIs of SIP (RFC 3261 §19.1) and telephone numbers (RFC 3966), as views into the text they were
// read from. Lenient: a recorder must keep calls whose URIs are odd; escapes stay as written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace earshot::sip {

// Finds `;name=value` (also `;name`, giving "") in a parameter text such as ";a=1;b"; names ignore
// case, a quoted value comes without its quotes, its escapes as written. Spaces around `;` and `=`
// are allowed. The first of two equal names wins.
std::optional<std::string_view> find_param(std::string_view params, std::string_view name);

// Takes the next parameter off `params`; false at the end. Empty ones are skipped. The value is
// unquoted as in find_param; has_value tells `;a=` from `;a`.
struct Param {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
};
bool take_param(std::string_view& params, Param& param, char separator = ';');

enum class UriScheme : std::uint8_t { Sip, Sips, Tel, Other };

struct Uri {
    UriScheme scheme = UriScheme::Other;
    std::string_view text;         // the whole URI
    std::string_view scheme_name;  // as written, without the colon
    std::string_view user;         // sip, sips; for tel the number; for others all after the colon
    std::string_view password;
    std::string_view host;              // sip, sips; an IPv6 address keeps its brackets
    std::optional<std::uint16_t> port;  // as written, never a default
    std::string_view params;            // from the first ';' on: ";transport=tcp;lr"
    std::string_view headers;           // after '?': "subject=x&priority=urgent"

    std::optional<std::string_view> param(std::string_view name) const {
        return find_param(params, name);
    }
    bool is_sip() const { return scheme == UriScheme::Sip || scheme == UriScheme::Sips; }
};

// Borrows `text`. Errors: no scheme, a SIP URI without host, a port that is no number, spaces,
// control characters or angle brackets inside.
base::Result<Uri> parse_uri(std::string_view text);

// RFC 3261 §19.1.4; other schemes than sip, sips and tel compare byte for byte, case ignored in the
// scheme.
bool uris_equal(const Uri& a, const Uri& b);

// %XX replaced; anything else, broken escapes included, stays.
std::string unescape(std::string_view text);

}  // namespace earshot::sip
