#include "mime/same_user.h"

#include "base/text.h"

namespace earshot::mime {

namespace {

struct Address {
    std::string_view user;
    std::string_view host;  // without its port: one may be written and not the other
};

std::string_view without_port(std::string_view host) {
    const std::size_t bracket = host.rfind(']');
    const std::size_t colon = host.rfind(':');
    const bool is_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
    return is_port ? host.substr(0, colon) : host;
}

Address address_of(std::string_view uri) {
    uri = base::trim(uri);
    const std::size_t at = uri.find('@');  // parameters may stand in the user part, too
    uri = uri.substr(0, uri.find_first_of(";?", at == std::string_view::npos ? 0 : at));
    const std::size_t colon = uri.find(':');
    // "sip:ana@desk.example"; a bare "ana@desk.example" has no scheme.
    const bool has_scheme = colon != std::string_view::npos &&
                            (at == std::string_view::npos || colon < at) &&
                            uri.substr(0, colon).find('.') == std::string_view::npos;
    const std::string_view rest = has_scheme ? uri.substr(colon + 1) : uri;
    const std::size_t split = rest.find('@');
    if (split == std::string_view::npos) return {.user = {}, .host = without_port(rest)};
    return {.user = rest.substr(0, split), .host = without_port(rest.substr(split + 1))};
}

}  // namespace

bool is_same_user(std::string_view a, std::string_view b) {
    if (a == b) return !a.empty();
    const Address first = address_of(a);
    const Address second = address_of(b);
    return !first.user.empty() && first.user == second.user &&
           base::iequals(first.host, second.host);
}

bool is_anonymous(std::string_view uri) {
    const Address address = address_of(uri);
    // Gateways write the user part alone, with a host of theirs.
    return base::iequals(address.host, "anonymous.invalid") ||
           base::iequals(address.user, "anonymous");
}

}  // namespace earshot::mime
