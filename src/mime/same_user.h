// Who a URI names, where it is looser than RFC 3261 section 19.1.4 compares: those of a message
// (CPIM), a roster and a call write one person differently.
#pragma once

#include <string_view>

namespace earshot::mime {

// Two URIs of one person, or of one room: scheme, port and parameters do not count, hosts have no
// case. Without a user part they are the same as texts alone.
bool is_same_user(std::string_view a, std::string_view b);
// Of many people at once (RFC 3323): nobody can be reached by it.
bool is_anonymous(std::string_view uri);

}  // namespace earshot::mime
