// What is asked of the decision hook and what it may answer: JSON both ways (docs/configuration.md,
// "The decision hook"). No I/O; server/decision_hook.h carries it.
#pragma once

#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "policy/rule.h"

namespace earshot::policy {

// {"call_id", "from", "to", "peer", "peer_address", "time", "participants": [{"aor", "name"}],
//  "group", "session_ids", "headers": {name: value}, "streams": [{"label", "medium", "codecs"}]}
std::string make_question(const InviteFacts& facts);

// {"action": "record" | "decline" | "inactive" | "streams", "code": 603, "reason": "...",
//  "streams": [{"medium", "label", "codec"}], "record_after_s": 5}; all but `action` may be absent,
// unknown fields are passed over. The reason's code is "bad_answer".
base::Result<Outcome, base::Reason> parse_answer(std::string_view json);

}  // namespace earshot::policy
