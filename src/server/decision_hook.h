// Asks the configured decision hook about an INVITE (docs/configuration.md, "The decision hook"):
// never on the signalling thread, never longer than the deadline.
#pragma once

#include <functional>

#include "base/reason.h"
#include "base/result.h"
#include "http/async_client.h"
#include "policy/rule.h"
#include "server/server_config.h"

namespace earshot::server {

class DecisionHook {
public:
    using Answered = std::function<void(base::Result<policy::Outcome, base::Reason>)>;

    DecisionHook();

    // Any thread. `answered` is called once, on the hook's thread, also when nothing comes by the
    // deadline. When as many are waiting as may, the reason comes at once instead.
    std::optional<base::Reason> ask(const DecisionHookConfig& config,
                                    const policy::InviteFacts& facts, Answered answered);

private:
    http::AsyncClient client_;
};

}  // namespace earshot::server
