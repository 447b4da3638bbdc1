// Which URIs are ours: where calls meet us, and where phones that registered through us are
// reached.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sip/agent.h"
#include "sip/flow.h"

namespace earshot::b2bua {

class OwnNames {
public:
    // The listeners' own (sent_by, contact) and `more`, "host" or "host:port".
    OwnNames(const std::vector<sip::AgentListener>& listeners,
             const std::vector<std::string>& more);

    // Whether `uri` (or a name-addr) names us. A URI without a port also means the host's standard
    // one, and any of ours when its host is one of `more` without a port.
    bool is_ours(std::string_view uri) const;

private:
    void add(std::string_view host_and_port);

    std::unordered_set<std::string> names_;  // "host:port", lower case
};

// A place behind us: the URI that a phone or a far end calls its own, and where it was heard from.
struct PlaceBehind {
    std::string uri{};
    sip::Flow flow{};  // transport and remote alone
};

// The user part that stands for it in a URI of ours: "earshot-" and base64url of the flow and the
// URI. It holds all that is needed, so that a registration survives our restart.
std::string to_user_part(const PlaceBehind& place);
// Errors (none): another user part, one cut short, a URI in it that is no sip URI or too long.
std::optional<PlaceBehind> parse_user_part(std::string_view user);

// `contact` ("sip:192.0.2.1:5062;transport=tcp") with that user part.
std::string place_uri(std::string_view contact, const PlaceBehind& place);

}  // namespace earshot::b2bua
