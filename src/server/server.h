// `earshot server`: the recording server as one object. It owns the threads (signalling is the
// caller's own) and joins what the rooms below offer.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/api.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "server/server_config.h"

namespace earshot::server {

struct ServerHooks {
    // Called once when calls can come in. `page` opens the page once, within ten minutes.
    std::function<void(const std::string& page)> on_ready;
    // SIGHUP: the new configuration, or the mistake in it.
    std::function<base::Result<ServerConfig, base::Reason>()> reload;
};

// Runs until SIGTERM or SIGINT; then says BYE in running calls, stores what there is and returns
// nothing. A reason means that the start failed: nothing was recorded.
std::optional<base::Reason> run_server(const ServerConfig& config, const api::Assets& assets,
                                       base::Log& log, const ServerHooks& hooks);

}  // namespace earshot::server
