// ICE in SDP (RFC 8839): credentials, candidates, and what an offer of it means for a lite agent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "sdp/session_description.h"

namespace earshot::sdp {

// a=candidate (section 5.1). Views into the description.
struct IceCandidate {
    std::string_view foundation;
    std::uint16_t component = 1;  // 1: RTP, 2: RTCP; at most 256
    std::string_view transport;   // "UDP"
    std::uint32_t priority = 0;
    std::string_view address;  // may be a name (mDNS)
    std::uint16_t port = 0;
    std::string_view type;  // host, srflx, prflx, relay
    friend bool operator==(const IceCandidate&, const IceCandidate&) = default;
};
// Extensions behind the type (raddr, rport, generation, ...) are passed over.
std::optional<IceCandidate> parse_candidate(std::string_view value);
std::string to_string(const IceCandidate& candidate);

// What the peer says of ICE on one line.
struct IceOffer {
    std::string_view ufrag;     // media level, then session level
    std::string_view password;  // the same
    bool is_lite = false;       // a=ice-lite
    // Section 4.2.5.1: the candidates do not have the address of c= and m=, so something between
    // us, which does not know ICE, has changed it. The address counts then, without ICE.
    bool is_mismatch = false;
};
// Nothing when there is no ICE: no usable ufrag and password.
std::optional<IceOffer> ice_of(const SessionDescription& description,
                               const MediaDescription& medium);

// Our candidate: a host's, of the one address that we have (RFC 8445 section 5.1.2.1).
std::string host_candidate(const base::NetAddress& address, std::uint16_t component);

}  // namespace earshot::sdp
