#include "app/config_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "app/client_config.h"
#include "app/config.h"
#include "app/tables.h"
#include "app/text_file.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/text.h"
#include "client/call_facts.h"
#include "io/clock.h"
#include "policy/call_rule.h"
#include "sip/parser.h"

namespace earshot::app {

namespace {

// {"ok", "file", "error": null or {"where", "line", "key", "text", "suggestion"}}
std::string to_json(const std::string& file, const ConfigError* error) {
    std::string text;
    base::JsonWriter json(text);
    json.begin_object().key("ok").boolean(error == nullptr).field("file", file).key("error");
    if (error == nullptr) {
        json.null();
    } else {
        json.begin_object()
            .field("where", error->where)
            .field("line", static_cast<std::int64_t>(error->line))
            .field("key", error->key)
            .field("text", error->text)
            .field("suggestion", error->suggestion)
            .end_object();
    }
    json.end_object();
    return text;
}

// A message in a file has the line ends of a text.
base::Bytes to_wire(std::string_view text) {
    base::Bytes wire;
    for (const char c : text) {
        if (c == '\r') continue;
        if (c == '\n') wire.push_back('\r');
        wire.push_back(static_cast<std::uint8_t>(c));
    }
    return wire;
}

std::string deciding_rule(const policy::RecordingPlan& plan) {
    return plan.rule.empty() ? "no rule: [client] decides" : fmt::format("rule \"{}\"", plan.rule);
}

void print(std::ostream& out, const policy::RecordingPlan& plan) {
    const policy::RecordingSettings& settings = plan.settings;
    out << fmt::format("  {}: {}\n", plan.instance, deciding_rule(plan));
    out << fmt::format("    servers {}\n", fmt::join(settings.servers, ", "));
    out << fmt::format("    begins at {}{}{}\n", to_string(settings.start_at),
                       settings.on_demand ? ", on demand" : "",
                       settings.mandatory ? ", mandatory" : "");
    if (settings.session != policy::SessionKind::Own)
        out << fmt::format("    in the {} recording session \"{}\"{}\n",
                           to_string(settings.session), policy::shared_name(plan),
                           settings.mix ? ", mixed" : "");
    if (!settings.group.empty()) out << fmt::format("    group {}\n", settings.group);
    for (const auto& [name, value] : settings.headers)
        out << fmt::format("    header {}: {}\n", name, value);
}

void write(base::JsonWriter& json, const policy::RecordingPlan& plan) {
    json.begin_object()
        .field("instance", plan.instance)
        .field("rule", plan.rule)
        .field("start_at", to_string(plan.settings.start_at))
        .field("group", plan.settings.group)
        .field("session", to_string(plan.settings.session))
        .key("on_demand")
        .boolean(plan.settings.on_demand)
        .key("mandatory")
        .boolean(plan.settings.mandatory)
        .key("servers")
        .begin_array();
    for (const std::string& server : plan.settings.servers) json.text(server);
    json.end_array().end_object();
}

class ConfigCommand : public Command {
public:
    explicit ConfigCommand(CLI::App& app) {
        CLI::App* config =
            app.add_subcommand("config", "Look at configuration files")->require_subcommand(1);
        check_ = config->add_subcommand(
            "check", "Check a configuration file; names line, key and a suggestion");
        check_->add_option("FILE", file_, "The file")->required();
        check_->add_flag("--client", for_client_, "It is a recording client's");
        auto* invite = check_->add_option("--invite", invite_,
                                          "With --client: tell what the rules make of this INVITE");
        invite->type_name("FILE");
        check_->add_option("--from-address", source_, "Where the INVITE came from")
            ->type_name("HOST:PORT")
            ->needs(invite);
        check_->add_flag("--json", as_json_, "Print JSON");
        check_->footer(
            "Examples:\n"
            "  earshot config check /etc/earshot.toml\n"
            "  earshot config check --json earshot.toml | jq .error.line\n"
            "  earshot config check --client client.toml --invite invite.sip --from-address "
            "192.0.2.1:5060");
    }

    bool was_chosen() const override { return check_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        if (!for_client_) {
            if (!invite_.empty()) return usage(err, "--invite is about a client: add --client");
            const auto config = load_config(file_, process_environment, {});
            return tell(config ? nullptr : &config.error(), out, err);
        }
        const auto config = load_client_config(file_, process_environment, {});
        if (!config || invite_.empty()) return tell(config ? nullptr : &config.error(), out, err);
        return judge(*config, out, err);
    }

private:
    Exit usage(std::ostream& err, std::string_view what) const {
        err << "error: " << what << '\n';
        return Exit::Usage;
    }

    Exit tell(const ConfigError* error, std::ostream& out, std::ostream& err) const {
        if (as_json_)
            out << to_json(file_, error) << '\n';
        else if (error != nullptr)
            err << "error: " << to_string(*error) << '\n';
        else
            out << file_ << " is right.\n";
        return error == nullptr ? Exit::Ok : Exit::FoundBad;
    }

    Exit judge(const client::ClientConfig& config, std::ostream& out, std::ostream& err) const {
        const auto text = read_text_file(invite_);
        if (!text) return usage(err, fmt::format("{} cannot be read", invite_));
        const sip::ParsedMessage parsed = sip::parse_message(to_wire(*text));
        if (parsed.verdict != sip::Verdict::Good || parsed.message.method() != sip::Method::Invite)
            return usage(
                err, fmt::format("{} holds no INVITE that can be read {}", invite_, parsed.reason));
        const auto source = base::parse_net_address(source_);
        if (!source) return usage(err, fmt::format("\"{}\" is not HOST:PORT", source_));
        base::SystemRandom random;
        const io::SystemClock clock;
        const policy::CallFacts facts = client::make_call_facts(
            parsed.message, *source, config.inside, clock.now().wall, random);
        const auto plans = policy::plan_recordings(config.rules, config.recording, facts);
        const bool is_decided =
            std::any_of(config.rules.begin(), config.rules.end(),
                        [&](const auto& rule) { return matches(rule.conditions, facts); });
        const bool asks_hook = !is_decided && !config.decision.url.empty();
        if (as_json_) return print_json(plans, asks_hook, out);
        if (asks_hook) {
            out << "No rule holds: the decision hook is asked.\n";
            return Exit::Ok;
        }
        out << (plans.empty() ? "It is not recorded.\n" : "It is recorded:\n");
        for (const policy::RecordingPlan& plan : plans) print(out, plan);
        return Exit::Ok;
    }

    static Exit print_json(const std::vector<policy::RecordingPlan>& plans, bool asks_hook,
                           std::ostream& out) {
        std::string text;
        base::JsonWriter json(text);
        json.begin_object().key("asks_hook").boolean(asks_hook).key("recordings").begin_array();
        for (const policy::RecordingPlan& plan : plans) write(json, plan);
        json.end_array().end_object();
        out << text << '\n';
        return Exit::Ok;
    }

    CLI::App* check_ = nullptr;
    std::string file_;
    std::string invite_;
    std::string source_ = "127.0.0.1:5060";
    bool for_client_ = false;
    bool as_json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_config_command(CLI::App& app) {
    return std::make_unique<ConfigCommand>(app);
}

}  // namespace earshot::app
