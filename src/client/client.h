// `earshot client`: a recording client (SRC, RFC 7866) in the path of calls.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/api.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "client/client_config.h"

namespace earshot::client {

struct ClientHooks {
    std::function<void(const std::string& page)> on_ready;  // with the page's one-time link
    // SIGHUP: the configuration read anew, or why it cannot be.
    std::function<base::Result<ClientConfig, base::Reason>()> reload;
};

// Runs until SIGTERM or SIGINT; both end running calls. The reason tells why it did not start.
std::optional<base::Reason> run_client(const ClientConfig& config, const api::Assets& assets,
                                       base::Log& log, const ClientHooks& hooks);

}  // namespace earshot::client
