#include "server/reload.h"

#include <string_view>

namespace earshot::server {

std::string keep_until_restart(ServerConfig& next, const ServerConfig& running) {
    std::string changed;
    const auto keep = [&](std::string_view key, auto& value, const auto& in_force) {
        if (value == in_force) return;
        changed += (changed.empty() ? "" : ", ") + std::string(key);
        value = in_force;
    };
    keep("sip.listen", next.sip_listen, running.sip_listen);
    keep("sip.tls", next.tls_listen, running.tls_listen);
    keep("sip.advertised_address", next.advertised, running.advertised);
    keep("sip.dns_servers", next.dns_servers, running.dns_servers);
    keep("http.listen", next.http_listen, running.http_listen);
    keep("media.ports", next.media_ports, running.media_ports);
    keep("media.workers", next.media_workers, running.media_workers);
    keep("media.reader", next.media_reader, running.media_reader);
    keep("media.keep_alive_s", next.keep_alive, running.keep_alive);
    keep("storage.data", next.data, running.data);
    keep("storage.encrypt", next.encrypt, running.encrypt);
    keep("storage.key_command", next.key_command, running.key_command);
    keep("storage.commit_interval_ms", next.commit_interval, running.commit_interval);
    keep("storage.too_short_ms", next.too_short, running.too_short);
    keep("msrp.listen", next.messages.listen, running.messages.listen);
    keep("msrp.enabled", next.messages.is_on, running.messages.is_on);
    keep("msrp.match_session_id_only", next.messages.match_session_id_only,
         running.messages.match_session_id_only);
    keep("join.window_s", next.join.window, running.join.window);
    return changed;
}

}  // namespace earshot::server
