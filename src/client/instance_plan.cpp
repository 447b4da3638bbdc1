#include "client/instance_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace earshot::client {

using base::Reason;

base::Result<policy::RecordingPlan, Reason> plan_instance(const ClientConfig& config,
                                                          const std::string& wanted,
                                                          const std::vector<std::string>& servers,
                                                          const policy::CallFacts& facts) {
    const std::string instance = wanted.empty() ? std::string(policy::kDefaultInstance) : wanted;
    const auto rule = std::find_if(config.rules.begin(), config.rules.end(), [&](const auto& one) {
        return one.instance == instance && one.records;
    });
    const bool is_known = rule != config.rules.end();
    if (!is_known && instance != policy::kDefaultInstance && servers.empty())
        return Reason{"bad_request",
                      fmt::format("No rule has the instance \"{}\": name servers.", instance)};
    policy::RecordingSettings settings = is_known ? rule->settings : config.recording;
    if (!servers.empty()) settings.servers = servers;
    settings.mandatory = false;
    settings.session = policy::SessionKind::Own;
    if (settings.servers.empty())
        return Reason{"bad_request",
                      fmt::format("No recording server is configured for \"{}\".", instance)};
    return policy::RecordingPlan{.instance = instance,
                                 .rule = is_known ? rule->name : std::string{},
                                 .settings = policy::resolve(std::move(settings), facts)};
}

}  // namespace earshot::client
