#include "app/server_command.h"

#include "app/config.h"
#include "app/daemon_command.h"
#include "server/server.h"

namespace earshot::app {

std::unique_ptr<Command> make_server_command(CLI::App& app, const api::Assets& assets) {
    using Daemon = DaemonCommand<server::ServerConfig, server::ServerHooks>;
    const Daemon::Words words{
        .name = "server",
        .what = "Run the recording server",
        .footer =
            "Examples:\n"
            "  earshot server\n"
            "      records what arrives at 127.0.0.1:5060; data in ./earshot-data\n"
            "  earshot server --sip 192.0.2.7:5060 --config earshot.toml\n"
            "      for clients on the network; the file names them in [[peer]]\n\n"
            "Keys of the configuration, their defaults and meanings (variables: "
            "EARSHOT_SIP_LISTEN, ...):\n" +
            describe_keys()};
    return std::make_unique<Daemon>(
        app, words,
        std::vector<Daemon::Flag>{
            {"--data", "storage.data", "DIR", "Directory of all data (default ./earshot-data)"},
            {"--sip", "sip.listen", "HOST:PORT", "SIP over UDP and TCP (default 127.0.0.1:5060)"},
            {"--http", "http.listen", "HOST:PORT", "Page and REST API (default 127.0.0.1:8080)"},
            {"--media-ports", "media.ports", "LOW-HIGH",
             "UDP ports for media (default 10000-19999)"},
        },
        load_config,
        [&assets](const server::ServerConfig& config, base::Log& log,
                  const server::ServerHooks& hooks) {
            return server::run_server(config, assets, log, hooks);
        });
}

}  // namespace earshot::app
