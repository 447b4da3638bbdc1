#include "app/server_command.h"

#include <CLI/CLI.hpp>
#include <array>
#include <ostream>

#include "app/config.h"
#include "io/stderr_log.h"
#include "server/server.h"

namespace earshot::app {

namespace {

class ServerCommand : public Command {
public:
    ServerCommand(CLI::App& app, const api::Assets& assets) : assets_(assets) {
        server_ = app.add_subcommand("server", "Run the recording server");
        server_->add_option("--config", file_, "Configuration file (TOML)")->type_name("FILE");
        for (Flag& flag : flags_)
            flag.option =
                server_->add_option(flag.name, flag.value, flag.help)->type_name(flag.type);
        server_->footer(
            "Examples:\n"
            "  earshot server\n"
            "      records what arrives at 127.0.0.1:5060; data in ./earshot-data\n"
            "  earshot server --sip 192.0.2.7:5060 --config earshot.toml\n"
            "      for clients on the network; the file names them in [[peer]]\n\n"
            "Keys of the configuration, their defaults and meanings (variables: "
            "EARSHOT_SIP_LISTEN, ...):\n" +
            describe_keys());
    }

    bool was_chosen() const override { return server_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        const auto config = load();
        if (!config) {
            err << "error: " << to_string(config.error()) << '\n';
            return Exit::Usage;
        }
        io::StderrLog log({.level = config->log_level});
        const server::ServerHooks hooks{.on_ready =
                                            [&out](const std::string& page) {
                                                out << "page: " << page << std::endl;
                                            },  // flushed: scripts wait for it
                                        .reload = [&] { return reload(log); }};
        if (const auto reason = server::run_server(*config, assets_, log, hooks)) {
            err << "error: " << reason->text << '\n';
            return Exit::FoundBad;
        }
        return Exit::Ok;
    }

private:
    struct Flag {
        const char* name;
        const char* key;
        const char* type;
        const char* help;
        std::string value{};
        CLI::Option* option = nullptr;
    };

    base::Result<server::ServerConfig, ConfigError> load() const {
        std::vector<Override> overrides;
        for (const Flag& flag : flags_)
            if (flag.option->count() > 0) overrides.push_back({flag.name, flag.key, flag.value});
        return load_config(file_, process_environment, overrides);
    }

    base::Result<server::ServerConfig, base::Reason> reload(io::StderrLog& log) const {
        auto next = load();
        if (!next) return base::Reason{"bad_configuration", to_string(next.error())};
        log.set_level(next->log_level);
        return *std::move(next);
    }

    const api::Assets& assets_;
    CLI::App* server_ = nullptr;
    std::string file_;
    std::array<Flag, 4> flags_{{
        {"--data", "storage.data", "DIR", "Directory of all data (default ./earshot-data)"},
        {"--sip", "sip.listen", "HOST:PORT", "SIP over UDP and TCP (default 127.0.0.1:5060)"},
        {"--http", "http.listen", "HOST:PORT", "Page and REST API (default 127.0.0.1:8080)"},
        {"--media-ports", "media.ports", "LOW-HIGH", "UDP ports for media (default 10000-19999)"},
    }};
};

}  // namespace

std::unique_ptr<Command> make_server_command(CLI::App& app, const api::Assets& assets) {
    return std::make_unique<ServerCommand>(app, assets);
}

}  // namespace earshot::app
