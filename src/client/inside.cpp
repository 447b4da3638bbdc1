#include "client/inside.h"

#include <algorithm>

#include "policy/glob.h"
#include "sip/uri.h"

namespace earshot::client {

bool is_inside(const ClientConfig& config, std::string_view host) {
    return std::any_of(config.advertised_except.begin(), config.advertised_except.end(),
                       [&](const std::string& glob) { return policy::glob_matches(glob, host); });
}

std::function<bool(std::string_view)> inside_test(const ClientConfig& config) {
    if (config.advertised_except.empty()) return {};
    return [&config](std::string_view host) { return is_inside(config, host); };
}

policy::RecordingPlan as_servers_see_us(const ClientConfig& config, policy::RecordingPlan plan) {
    const std::vector<std::string>& servers = plan.settings.servers;
    const bool is_known = !config.advertised.empty() && !config.sip_listen.empty() &&
                          !config.sip_listen.front().is_unspecified();
    if (!is_known || servers.empty() || !plan.settings.media.empty()) return plan;
    const bool are_inside =
        std::all_of(servers.begin(), servers.end(), [&](const std::string& server) {
            const auto uri = sip::parse_uri(server);
            return uri && is_inside(config, uri->host);
        });
    if (are_inside) plan.settings.media = base::host_to_string(config.sip_listen.front());
    return plan;
}

}  // namespace earshot::client
