// Credentials for a digest challenge, as the value of a header: also of protocols other than SIP
// that use SIP's digest (MSRP relays, RFC 4976 section 5.1).
#pragma once

#include <string>
#include <string_view>

#include "sip/digest.h"

namespace earshot::sip {

// The value of Authorization. Empty when the library refuses the algorithm.
std::string write_digest_credentials(const DigestChallenge& challenge,
                                     const Credentials& credentials, std::string_view method,
                                     std::string_view uri, std::string_view cnonce);

}  // namespace earshot::sip
