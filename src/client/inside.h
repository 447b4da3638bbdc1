// Who is on our side of the NAT that we are behind, and so is told our own address instead of the
// advertised one: a PBX or recording server in the same network would have to come in from outside
// otherwise, which few NATs allow.
#pragma once

#include <functional>
#include <string_view>

#include "client/client_config.h"
#include "policy/call_rule.h"

namespace earshot::client {

// By its address or name, as it is written in the configuration or a URI.
bool is_inside(const ClientConfig& config, std::string_view host);
// The same to be asked later; borrows `config`. Empty where nobody is.
std::function<bool(std::string_view host)> inside_test(const ClientConfig& config);

// With the address of our media that recording servers are to be told, where the plan names none.
// Before one of several has accepted, nobody knows which it will be: they have to be inside all.
policy::RecordingPlan as_servers_see_us(const ClientConfig& config, policy::RecordingPlan plan);

}  // namespace earshot::client
