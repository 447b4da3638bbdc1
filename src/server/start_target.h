// Where an INVITE of ours to a client goes: the URI that an operator gives, as a flow.
#pragma once

#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "sip/flow.h"

namespace earshot::server {

// A sip: URI whose host is an address; transport=udp (also when none is told) or tcp. Which
// listener sends is the caller's to choose. Reasons: "bad_request" for what cannot be asked.
base::Result<sip::Flow, base::Reason> find_flow(std::string_view uri);

// What a Target-Dialog header may hold (RFC 4538 section 7): a Call-ID, also with `;local-tag=` and
// `;remote-tag=`, and nothing that would end the line.
bool is_call_reference(std::string_view text);

}  // namespace earshot::server
