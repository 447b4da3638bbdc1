#include "client/call_decision.h"

#include <fmt/format.h>

#include "policy/call_hook.h"
#include "policy/limits.h"

namespace earshot::client {

namespace {

constexpr std::size_t kMaxWaiting = 256;  // each holds a socket for the deadline at most

}  // namespace

CallDecision::CallDecision(Post post)
    : post_(std::move(post)), client_({.max_in_flight = kMaxWaiting, .thread_name = "decision"}) {}

void CallDecision::ask(const CallHookConfig& config, const policy::RecordingSettings& defaults,
                       const policy::CallFacts& facts, std::function<void(Plans)> answered) {
    http::Call call{
        .method = "POST",
        .url = config.url,
        .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
        .body = policy::make_call_question(facts),
        .body_limit = policy::kMaxAnswerBytes};
    const bool started = client_.start(
        std::move(call), config.deadline,
        [this, defaults, facts, answered](const base::Result<http::Reply, base::Reason>& reply) {
            constexpr int kOk = 200;
            Plans plans = base::Reason{};
            if (!reply)
                plans = reply.error();
            else if (reply->status != kOk)
                plans = base::Reason{
                    "bad_status",
                    fmt::format("The decision hook answered with status {}.", reply->status)};
            else
                plans = policy::parse_call_answer(reply->body, defaults, facts);
            post_([answered, plans] { answered(plans); });
        });
    if (!started)
        post_([answered] {
            answered(base::Reason{
                "hook_busy",
                fmt::format("{} calls wait for the decision hook already.", kMaxWaiting)});
        });
}

}  // namespace earshot::client
