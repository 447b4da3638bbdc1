// What a recording client asks its decision hook about a call, and what that may answer: JSON both
// ways (docs/configuration.md, "The client's decision hook"). No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "policy/call_rule.h"

namespace earshot::policy {

// {"call_id", "from": {"uri", "name"}, "to", "asserted", "request_uri", "source", "direction",
//  "time", "headers": {name: value}}
std::string make_call_question(const CallFacts& facts);

// {"record": true, "instances": [{"instance": "default", "servers": ["sip:..."], ...}]}: each with
// the settings of a [[client.rule]] by their names there; what is absent is as in `defaults`.
// {"record": true} alone is the default instance by `defaults`, {"record": false} nothing. The
// reason's code is "bad_answer". Placeholders are filled in as in a rule.
base::Result<std::vector<RecordingPlan>, base::Reason> parse_call_answer(
    std::string_view json, const RecordingSettings& defaults, const CallFacts& facts);

}  // namespace earshot::policy
