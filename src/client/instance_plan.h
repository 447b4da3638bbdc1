// The plan of a recording that somebody asks for by name, of what is no call of the Switchboard.
#pragma once

#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "client/client_config.h"
#include "policy/call_rule.h"

namespace earshot::client {

// By the settings of the first rule of `instance` (empty: the default one), with `servers` in place
// of theirs where there are any. Never mandatory. Reasons: "bad_request".
base::Result<policy::RecordingPlan, base::Reason> plan_instance(
    const ClientConfig& config, const std::string& instance,
    const std::vector<std::string>& servers, const policy::CallFacts& facts);

}  // namespace earshot::client
