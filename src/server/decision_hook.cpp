#include "server/decision_hook.h"

#include <fmt/format.h>

#include "policy/hook.h"
#include "policy/limits.h"

namespace earshot::server {

namespace {

// INVITEs that wait for their decision; each holds a socket for the deadline at most.
constexpr std::size_t kMaxWaiting = 256;

}  // namespace

DecisionHook::DecisionHook() : client_({.max_in_flight = kMaxWaiting, .thread_name = "decision"}) {}

std::optional<base::Reason> DecisionHook::ask(const DecisionHookConfig& config,
                                              const policy::InviteFacts& facts, Answered answered) {
    http::Call call{
        .method = "POST",
        .url = config.url,
        .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
        .body = policy::make_question(facts),
        .body_limit = policy::kMaxAnswerBytes};
    const bool started = client_.start(
        std::move(call), config.deadline,
        [answered = std::move(answered)](base::Result<http::Reply, base::Reason> reply) {
            if (!reply) return answered(reply.error());
            constexpr int kOk = 200;
            if (reply->status != kOk)
                return answered(base::Reason{
                    "bad_status",
                    fmt::format("The decision hook answered with status {}.", reply->status)});
            answered(policy::parse_answer(reply->body));
        });
    if (started) return std::nullopt;
    return base::Reason{"hook_busy",
                        fmt::format("{} INVITEs wait for the decision hook already.", kMaxWaiting)};
}

}  // namespace earshot::server
