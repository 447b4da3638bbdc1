// What `earshot server` and `earshot client` share: flags, environment and file become the
// configuration, at the start and at each reload; the daemon runs until it is told to stop.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "app/command.h"
#include "app/config.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/stderr_log.h"

namespace earshot::app {

// `Hooks` are the daemon's: on_ready, reload.
template <class Config, class Hooks>
class DaemonCommand : public Command {
public:
    struct Flag {
        const char* name;
        const char* key;  // of the configuration: "sip.listen"
        const char* type;
        const char* help;
        std::string value{};
        CLI::Option* option = nullptr;
    };
    struct Words {
        const char* name;
        const char* what;
        std::string footer;
    };
    using Load = base::Result<Config, ConfigError> (*)(const std::filesystem::path& file,
                                                       const Environment& environment,
                                                       const std::vector<Override>& flags);
    // Until it ends; the reason tells why it did not start.
    using Run = std::function<std::optional<base::Reason>(const Config&, base::Log&, const Hooks&)>;

    DaemonCommand(CLI::App& app, const Words& words, std::vector<Flag> flags, Load read, Run serve)
        : flags_(std::move(flags)), load_(read), run_(std::move(serve)) {
        command_ = app.add_subcommand(words.name, words.what);
        command_->add_option("--config", file_, "Configuration file (TOML)")->type_name("FILE");
        for (Flag& flag : flags_)
            flag.option =
                command_->add_option(flag.name, flag.value, flag.help)->type_name(flag.type);
        command_->footer(words.footer);
    }

    bool was_chosen() const override { return command_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        const auto config = load();
        if (!config) {
            err << "error: " << to_string(config.error()) << '\n';
            return Exit::Usage;
        }
        io::StderrLog log({.level = config->log_level});
        const Hooks hooks{.on_ready =
                              [&out](const std::string& page) {
                                  out << "page: " << page << std::endl;
                              },  // flushed: scripts wait for it
                          .reload = [&] { return reload(log); }};
        if (const auto reason = run_(*config, log, hooks)) {
            err << "error: " << reason->text << '\n';
            return Exit::FoundBad;
        }
        return Exit::Ok;
    }

private:
    base::Result<Config, ConfigError> load() const {
        std::vector<Override> overrides;
        for (const Flag& flag : flags_)
            if (flag.option->count() > 0) overrides.push_back({flag.name, flag.key, flag.value});
        return load_(file_, process_environment, overrides);
    }

    base::Result<Config, base::Reason> reload(io::StderrLog& log) const {
        auto next = load();
        if (!next) return base::Reason{"bad_configuration", to_string(next.error())};
        log.set_level(next->log_level);
        return *std::move(next);
    }

    std::vector<Flag> flags_;  // the options hold on to their values
    const Load load_;
    const Run run_;
    CLI::App* command_ = nullptr;
    std::string file_;
};

}  // namespace earshot::app
