#include "app/client_command.h"

#include "app/client_config.h"
#include "app/daemon_command.h"
#include "client/client.h"

namespace earshot::app {

std::unique_ptr<Command> make_client_command(CLI::App& app, const api::Assets& assets) {
    using Daemon = DaemonCommand<client::ClientConfig, client::ClientHooks>;
    const Daemon::Words words{
        .name = "client",
        .what = "Run the recording client, in the path of calls",
        .footer =
            "Examples:\n"
            "  earshot client --next-hop sip:192.0.2.20 --record-to sip:recorder@192.0.2.30\n"
            "      calls to 127.0.0.1:5062 go on to the PBX at 192.0.2.20 and are recorded\n"
            "  earshot client --sip 192.0.2.7:5060 --config client.toml\n"
            "      for phones on the network; the file says who may call and what is recorded\n"
            "  earshot calls\n"
            "      the calls that run, and their recordings\n\n"
            "Keys of the configuration, their defaults and meanings (variables: "
            "EARSHOT_CLIENT_SIP_LISTEN, EARSHOT_CLIENT_NEXT_HOP, ...):\n" +
            describe_client_keys()};
    return std::make_unique<Daemon>(
        app, words,
        std::vector<Daemon::Flag>{
            {"--data", "storage.data", "DIR",
             "Directory of all data (default ./earshot-client-data)"},
            {"--sip", "sip.listen", "HOST:PORT", "SIP over UDP and TCP (default 127.0.0.1:5062)"},
            {"--http", "http.listen", "HOST:PORT", "Page and REST API (default 127.0.0.1:8081)"},
            {"--media-ports", "media.ports", "LOW-HIGH",
             "UDP ports for media (default 20000-29999)"},
            {"--next-hop", "client.next_hop", "URI",
             "Where calls go (default: where their URI leads)"},
            {"--record-to", "client.servers", "URI", "Recording servers, separated by commas"},
        },
        load_client_config,
        [&assets](const client::ClientConfig& config, base::Log& log,
                  const client::ClientHooks& hooks) {
            return client::run_client(config, assets, log, hooks);
        });
}

}  // namespace earshot::app
