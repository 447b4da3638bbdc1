// Which URIs are ours: where calls meet us, and where phones that registered through us are
// reached.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
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

using PlaceSecret = std::array<std::uint8_t, 16>;

// Such places as URIs of ours. The user part is "earshot-" and base64url of
//
//     transport (1 octet) | IP (16) | port (2, big-endian) | the place's URI | SipHash of these (8)
//
// so that it holds all that is needed and a registration survives our restart, while nobody can
// make us call a place that we did not name, past the next hop.
class Places {
public:
    explicit Places(const PlaceSecret& secret);

    std::string to_user_part(const PlaceBehind& place) const;
    // None: another user part, one that is cut or not of our making, a place that is no sip URI or
    // longer than kMaxContactBytes.
    std::optional<PlaceBehind> parse_user_part(std::string_view user) const;
    std::optional<PlaceBehind> find(std::string_view text) const;  // by a URI's user part

    // `contact` ("sip:192.0.2.1:5062;transport=tcp") with that user part.
    std::string to_uri(std::string_view contact, const PlaceBehind& place) const;

private:
    std::uint64_t seal(base::ByteView bytes) const;

    std::uint64_t low_;
    std::uint64_t high_;
};

}  // namespace earshot::b2bua
