// Where an INVITE of ours to a client may go: the URI that an operator gives, or a redirection.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "sip/flow.h"

namespace earshot::server {

struct StartTarget {
    std::string host{};                         // as written, for texts; IPv6 keeps its brackets
    std::optional<base::NetAddress> address{};  // none: the host is a name, to be looked up
    std::uint16_t port = 0;                     // as written, else 5060
    std::optional<sip::Transport> transport{};  // none: the URI leaves it open
};

// A sip: URI with transport=udp, tcp, tls, or none, or a sips: URI. Reasons: "bad_request" for what
// cannot be asked.
base::Result<StartTarget, base::Reason> read_target(std::string_view uri);

// What a Target-Dialog header may hold (RFC 4538 section 7): a Call-ID, also with `;local-tag=` and
// `;remote-tag=`, and nothing that would end the line.
bool is_call_reference(std::string_view text);

}  // namespace earshot::server
