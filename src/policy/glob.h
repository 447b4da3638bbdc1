// The one pattern language of the rules: `*` is any run of characters, `?` any one; letters compare
// without case. Also what of an address a pattern is tried on.
#pragma once

#include <string>
#include <string_view>

namespace earshot::policy {

// Looks at the first kMaxMatchedBytes of `text`. At most size(pattern) * size(text) steps, whatever
// the pattern.
bool glob_matches(std::string_view pattern, std::string_view text);

// "sip:alice@example.com" of "sip:alice@example.com;user=phone?x=y": parameters say nothing about
// who it is. Other schemes likewise.
std::string_view address_of(std::string_view uri);
// "alice@example.com": without the scheme.
std::string_view without_scheme(std::string_view address);
// "+4930123" of "sip:+49-30-123@example.com" or "tel:+49(30)123"; empty when the user part is no
// number (RFC 3966 section 3: visual separators count for nothing).
std::string number_of(std::string_view uri);

}  // namespace earshot::policy
