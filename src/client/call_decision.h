// Asks the client's decision hook about a call (docs/configuration.md): never on the signalling
// thread, never longer than the deadline.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "client/client_config.h"
#include "http/async_client.h"
#include "policy/call_rule.h"

namespace earshot::client {

class CallDecision {
public:
    using Plans = base::Result<std::vector<policy::RecordingPlan>, base::Reason>;
    // Hands work to the signalling thread.
    using Post = std::function<void(std::function<void()>)>;

    explicit CallDecision(Post post);

    // `answered` is called once, by way of `post`.
    void ask(const CallHookConfig& config, const policy::RecordingSettings& defaults,
             const policy::CallFacts& facts, std::function<void(Plans)> answered);

private:
    Post post_;
    http::AsyncClient client_;
};

}  // namespace earshot::client
