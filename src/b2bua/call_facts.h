// What is known of a call. Plain values: the Switchboard keeps them up to date, its host reads
// them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "b2bua/leg.h"
#include "base/time.h"
#include "sip/flow.h"
#include "sip/message.h"

namespace earshot::b2bua {

struct Party {
    std::string uri{};           // "sip:ann@example.com", as written
    std::string display_name{};  // without quotes
    friend bool operator==(const Party&, const Party&) = default;
};

struct LegFacts {
    Party address{};                // From of leg A's INVITE, To of it for leg B
    std::vector<Party> asserted{};  // the last P-Asserted-Identity that this leg sent (RFC 3325)
    std::string call_id{};
    std::string local_tag{};     // ours; empty until there is a dialog
    std::string remote_tag{};    // the peer's
    std::string session_uuid{};  // this leg's half of Session-ID (RFC 7989), 32 hex digits
    std::string user_agent{};    // User-Agent or Server, as last said
    // Option tags of Supported and whether Allow lists UPDATE, as last said.
    std::vector<std::string> supported{};
    bool allows_update = false;
    // Its Contact as last said: the URI, and whether it is a conference's (`isfocus`, RFC 4579).
    std::string contact{};
    bool is_focus = false;
    sip::Flow flow{};  // of A: where its INVITE came from; of B: where its answers come from
    // The session descriptions in force: what the leg said of itself, and what it was told of the
    // other side (the media plane's). Empty before the first offer has been answered.
    std::string remote_sdp{};
    std::string local_sdp{};
    bool is_holding = false;  // it wants to hear nothing (sendonly, inactive, c=0.0.0.0)
};

struct CallFacts {
    enum class State : std::uint8_t {
        Routing,   // the host is asked
        Calling,   // leg B has its INVITE
        Early,     // leg A has had a provisional response
        Answered,  // leg A has had the 2xx
        Ended,
    };

    CallKey key{};
    State state = State::Routing;
    std::string request_uri{};  // of leg A's INVITE
    std::shared_ptr<const sip::Message> invite{};
    std::array<LegFacts, 2> legs{};  // by Leg; see leg()
    base::WallTime arrived_at{};
    std::optional<base::WallTime> answered_at{};
    CallKey transferred_from{};  // the call that this one goes on with, if there is one

    const LegFacts& leg(Leg which) const { return legs[static_cast<std::size_t>(which)]; }
    LegFacts& leg(Leg which) { return legs[static_cast<std::size_t>(which)]; }
};

}  // namespace earshot::b2bua
