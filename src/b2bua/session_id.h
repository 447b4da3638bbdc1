// Session-ID, RFC 7989: a UUID of each end of a call, as 32 lower-case hex digits; the sender's own
// first, then what it knows of the other end's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace earshot::b2bua {

// The sender's UUID; none when it is not readable or nil. Also of RFC 7329's form, which has no
// "remote".
std::optional<std::string> sender_uuid(std::string_view session_id);

std::string session_id(std::string_view sender, std::string_view remote);  // empty remote: nil
std::string make_session_uuid(base::Random& random);

}  // namespace earshot::b2bua
