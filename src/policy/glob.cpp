#include "policy/glob.h"

#include "base/text.h"
#include "policy/limits.h"

namespace earshot::policy {

bool glob_matches(std::string_view pattern, std::string_view text) {
    text = text.substr(0, kMaxMatchedBytes);
    // The last star seen may take one character more whenever what follows it does not fit; an
    // earlier star need never be tried again.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < text.size()) {
        const bool is_star = p < pattern.size() && pattern[p] == '*';
        if (is_star) {
            star = p++;
            star_text = t;
        } else if (p < pattern.size() &&
                   (pattern[p] == '?' || base::to_lower(pattern[p]) == base::to_lower(text[t]))) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string_view address_of(std::string_view uri) {
    uri = base::trim(uri);
    // A user part may hold ';' (RFC 3261 section 25.1): parameters begin after the host.
    const std::size_t at = uri.find('@');
    const std::size_t end = uri.find_first_of(";?", at == std::string_view::npos ? 0 : at);
    return uri.substr(0, end);
}

std::string_view without_scheme(std::string_view address) {
    for (const std::string_view scheme : {"sip:", "sips:", "tel:"})
        if (base::istarts_with(address, scheme)) return address.substr(scheme.size());
    return address;
}

std::string number_of(std::string_view uri) {
    std::string_view user = without_scheme(base::trim(uri));
    user = user.substr(0, user.find_first_of("@;?"));
    std::string number;
    for (const char c : user.substr(0, kMaxMatchedBytes)) {
        if (c == '-' || c == '.' || c == '(' || c == ')' || c == ' ') continue;
        const bool is_sign = c == '+' && number.empty();
        if (!base::is_digit(c) && !is_sign && c != '*' && c != '#') return {};
        number += c;
    }
    return number == "+" ? std::string{} : number;
}

}  // namespace earshot::policy
