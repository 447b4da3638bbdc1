#include "app/companion_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/config.h"
#include "app/rest_client.h"
#include "app/tables.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/companion/recordings";

std::string text_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string dump(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

struct CompanionStart {
    std::string call_id{};
    std::string from_tag{};
    std::string to_tag{};
    std::string from{};  // URI
    std::string to{};
    std::vector<std::string> servers{};
    std::string instance{};
    std::string rtpengine{};
    bool waits = true;
};

json to_request(const CompanionStart& start) {
    json body{{"call_id", start.call_id},
              {"from_tag", start.from_tag},
              {"to_tag", start.to_tag},
              {"from", start.from},
              {"to", start.to},
              {"instance", start.instance},
              {"rtpengine", start.rtpengine},
              {"wait", start.waits}};
    if (!start.servers.empty()) body["servers"] = start.servers;
    return body;
}

void print_companions(std::ostream& out, const json& recordings) {
    if (recordings.empty()) {
        out << "No call of an RTPEngine is being recorded.\n";
        return;
    }
    std::vector<std::vector<std::string>> rows{
        {"ID", "SINCE (UTC)", "STATE", "FROM", "TO", "SERVER", "CALL-ID"}};
    for (const json& one : recordings) {
        if (!one.is_object()) continue;
        rows.push_back({printable(text_in(one, "id")),
                        printable(text_in(one, "begun").substr(0, 19)),
                        printable(text_in(one, "state")), printable(text_in(one, "from")),
                        printable(text_in(one, "to")), printable(text_in(one, "server")),
                        printable(text_in(one, "call_id"))});
    }
    print_table(out, rows);
}

class CompanionCommand : public Command {
public:
    explicit CompanionCommand(CLI::App& app) {
        group_ =
            app.add_subcommand("companion",
                               "Record calls that live in an RTPEngine beside another SIP proxy")
                ->require_subcommand(1);
        ls_ = add("ls", "List those that are being recorded",
                  "Example:\n  earshot companion ls --json");
        start_ = add("start", "Record a call, given its Call-ID and tags",
                     "They are those of the SIP dialog, as the proxy told them to RTPEngine.\n\n"
                     "Example:\n  earshot companion start --call-id a84b4c76e66710@pc33 "
                     "--from-tag 1928301774 --to-tag a6c85cf \\\n"
                     "      --from sip:ada@example.com --to sip:bob@example.com");
        start_->add_option("--call-id", wish_.call_id, "Of the call")->required();
        start_->add_option("--from-tag", wish_.from_tag, "The caller's")->required();
        start_->add_option("--to-tag", wish_.to_tag, "The callee's")->required();
        start_->add_option("--from", wish_.from, "Who called")->type_name("URI");
        start_->add_option("--to", wish_.to, "Who was called")->type_name("URI");
        start_
            ->add_option("--server", wish_.servers,
                         "Instead of the configured ones; may be "
                         "repeated, they are tried in order")
            ->type_name("URI");
        start_->add_option("--instance", wish_.instance, "By the settings of this instance's rule")
            ->type_name("NAME");
        start_
            ->add_option("--rtpengine", wish_.rtpengine,
                         "The one that has the call; else all "
                         "that are configured are asked")
            ->type_name("HOST:PORT");
        start_->add_flag("!--no-wait", wish_.waits, "Do not wait until a server has accepted");
        for (const auto& [name, what] :
             {std::pair{"end", "The call has ended: end its recording"},
              std::pair{"stop", "End a recording; the call goes on"},
              std::pair{"pause", "Pause a recording: nothing is sent from now on"},
              std::pair{"resume", "Undo a pause"},
              std::pair{"look", "See whether the call has other media now (hold, video)"}}) {
            CLI::App* verb = add(name, what,
                                 fmt::format("Example:\n  earshot companion {} "
                                             "a84b4c76e66710@pc33",
                                             name));
            verb->add_option("RECORDING", which_, "Its id, or the Call-ID")->required();
            verb->add_option("--reason", reason_, "Why")->type_name("TEXT");
            controls_.push_back(verb);
        }
    }

    bool was_chosen() const override { return group_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        access_.daemon = Daemon::Client;
        const auto access = find_access(access_, process_environment);
        if (!access) return fail(access.error(), err);
        if (ls_->parsed()) return list(*access, out, err);
        if (start_->parsed()) return start(*access, out, err);
        return control(*access, out, err);
    }

private:
    CLI::App* add(const char* name, const char* what, const std::string& footer) {
        CLI::App* verb = group_->add_subcommand(name, what);
        verb->add_option("--data", access_.data, "The client's data directory")->type_name("DIR");
        verb->add_option("--url", access_.url, "The client's address")->type_name("URL");
        verb->add_flag("--json", json_, "Print JSON");
        verb->footer(footer);
        return verb;
    }

    Exit list(const Access& access, std::ostream& out, std::ostream& err) const {
        const auto answer = request_json(access, "GET", kPath);
        if (!answer) return fail(answer.error(), err);
        const json recordings = answer->value("recordings", json::array());
        if (json_)
            print_json(out, recordings);
        else
            print_companions(out, recordings);
        return Exit::Ok;
    }

    Exit start(const Access& access, std::ostream& out, std::ostream& err) const {
        const auto begun = request_json(access, "POST", kPath, dump(to_request(wish_)));
        if (!begun) return fail(begun.error(), err);
        if (json_)
            print_json(out, *begun);
        else
            out << fmt::format("{}: {} as {}.\n", printable(wish_.call_id),
                               wish_.waits ? "being recorded" : "asked for",
                               printable(text_in(*begun, "id")));
        return Exit::Ok;
    }

    Exit control(const Access& access, std::ostream& out, std::ostream& err) const {
        for (const CLI::App* verb : controls_) {
            if (!verb->parsed()) continue;
            const auto done = request_json(
                access, "POST",
                fmt::format("{}/{}/{}", kPath, http::percent_encode(which_), verb->get_name()),
                dump({{"reason", reason_}}));
            if (!done) return fail(done.error(), err);
            if (json_)
                print_json(out, *done);
            else
                out << fmt::format("{}: done.\n", printable(which_));
        }
        return Exit::Ok;
    }

    AccessOptions access_;
    CompanionStart wish_;
    std::string which_;
    std::string reason_;
    bool json_ = false;
    CLI::App* group_ = nullptr;
    CLI::App* ls_ = nullptr;
    CLI::App* start_ = nullptr;
    std::vector<CLI::App*> controls_;
};

}  // namespace

std::unique_ptr<Command> make_companion_command(CLI::App& app) {
    return std::make_unique<CompanionCommand>(app);
}

}  // namespace earshot::app
