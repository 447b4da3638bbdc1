#include "app/client_command.h"

#include <CLI/CLI.hpp>
#include <array>
#include <ostream>

#include "app/client_config.h"
#include "client/client.h"
#include "io/stderr_log.h"

namespace earshot::app {

namespace {

class ClientCommand : public Command {
public:
    ClientCommand(CLI::App& app, const api::Assets& assets) : assets_(assets) {
        client_ = app.add_subcommand("client", "Run the recording client, in the path of calls");
        client_->add_option("--config", file_, "Configuration file (TOML)")->type_name("FILE");
        for (Flag& flag : flags_)
            flag.option =
                client_->add_option(flag.name, flag.value, flag.help)->type_name(flag.type);
        client_->footer(
            "Examples:\n"
            "  earshot client --next-hop sip:192.0.2.20 --record-to sip:recorder@192.0.2.30\n"
            "      calls to 127.0.0.1:5062 go on to the PBX at 192.0.2.20 and are recorded\n"
            "  earshot client --sip 192.0.2.7:5060 --config client.toml\n"
            "      for phones on the network; the file says who may call and what is recorded\n"
            "  earshot calls\n"
            "      the calls that run, and their recordings\n\n"
            "Keys of the configuration, their defaults and meanings (variables: "
            "EARSHOT_CLIENT_SIP_LISTEN, EARSHOT_CLIENT_NEXT_HOP, ...):\n" +
            describe_client_keys());
    }

    bool was_chosen() const override { return client_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        const auto config = load();
        if (!config) {
            err << "error: " << to_string(config.error()) << '\n';
            return Exit::Usage;
        }
        io::StderrLog log({.level = config->log_level});
        const client::ClientHooks hooks{.on_ready =
                                            [&out](const std::string& page) {
                                                out << "page: " << page << std::endl;
                                            },  // flushed: scripts wait for it
                                        .reload = [&] { return reload(log); }};
        if (const auto reason = client::run_client(*config, assets_, log, hooks)) {
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

    base::Result<client::ClientConfig, ConfigError> load() const {
        std::vector<Override> overrides;
        for (const Flag& flag : flags_)
            if (flag.option->count() > 0) overrides.push_back({flag.name, flag.key, flag.value});
        return load_client_config(file_, process_environment, overrides);
    }

    base::Result<client::ClientConfig, base::Reason> reload(io::StderrLog& log) const {
        auto next = load();
        if (!next) return base::Reason{"bad_configuration", to_string(next.error())};
        log.set_level(next->log_level);
        return *std::move(next);
    }

    const api::Assets& assets_;
    CLI::App* client_ = nullptr;
    std::string file_;
    std::array<Flag, 6> flags_{{
        {"--data", "storage.data", "DIR", "Directory of all data (default ./earshot-client-data)"},
        {"--sip", "sip.listen", "HOST:PORT", "SIP over UDP and TCP (default 127.0.0.1:5062)"},
        {"--http", "http.listen", "HOST:PORT", "Page and REST API (default 127.0.0.1:8081)"},
        {"--media-ports", "media.ports", "LOW-HIGH", "UDP ports for media (default 20000-29999)"},
        {"--next-hop", "client.next_hop", "URI", "Where calls go (default: where their URI leads)"},
        {"--record-to", "client.servers", "URI", "Recording servers, separated by commas"},
    }};
};

}  // namespace

std::unique_ptr<Command> make_client_command(CLI::App& app, const api::Assets& assets) {
    return std::make_unique<ClientCommand>(app, assets);
}

}  // namespace earshot::app
