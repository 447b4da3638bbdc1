#include "app/attend_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/config.h"
#include "app/rest_client.h"
#include "app/tables.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/attendances";

std::string text_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string dump(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

void print_rosters(std::ostream& out, const json& conferences) {
    if (conferences.empty()) {
        out << "No recorded call is in a conference.\n";
        return;
    }
    std::vector<std::vector<std::string>> rows{{"CALL", "CONFERENCE", "STATE", "PRESENT", "WHY"}};
    for (const json& one : conferences) {
        if (!one.is_object()) continue;
        const json reason = one.value("reason", json(nullptr));
        rows.push_back({printable(text_in(one, "call")), printable(text_in(one, "uri")),
                        printable(text_in(one, "state")), std::to_string(one.value("present", 0)),
                        reason.is_object() ? printable(text_in(reason, "text")) : ""});
    }
    print_table(out, rows);
}

class AttendCommand : public Command {
public:
    explicit AttendCommand(CLI::App& app) {
        group_ = app.add_subcommand("attend", "Call a conference and record it as a participant")
                     ->require_subcommand(1);
        ls_ = add("ls", "List those that are attended", "Example:\n  earshot attend ls --json");
        rosters_ = add("rosters", "List the conferences that recorded calls are in",
                       "Example:\n  earshot attend rosters");
        start_ =
            add("start", "Call a conference and record what everyone there hears, sees and writes",
                "Everybody there is told: by a=record, else by a tone and a line in the "
                "chat.\n\n"
                "Example:\n  earshot attend start sip:review-42@conf.example");
        start_->add_option("URI", uri_, "Of the conference")->required();
        start_->add_option("--identity", identity_, "By which we call; else our own address")
            ->type_name("URI");
        start_->add_option("--name", name_, "Display name; else Recorder")->type_name("TEXT");
        start_
            ->add_option("--server", servers_,
                         "Recording server instead of the configured ones; may be repeated, they "
                         "are tried in order")
            ->type_name("URI");
        start_->add_option("--instance", instance_, "By the settings of this instance's rule")
            ->type_name("NAME");
        start_->add_option("--longest", longest_s_, "Leave after so many seconds; else 12 hours")
            ->type_name("SECONDS");
        start_->add_flag("!--no-audio", takes_audio_, "Take no audio: a conference that chats");
        start_->add_flag("!--no-video", takes_video_, "Take no video");
        start_->add_flag("!--no-chat", takes_chat_, "Take no chat (MSRP)");
        start_->add_flag("--again", is_again_, "Although it is attended already");
        start_->add_flag("!--no-wait", waits_, "Do not wait until a server records");
        end_ = add("end", "Leave a conference", "Example:\n  earshot attend end 2000000000001");
        end_->add_option("ID", id_, "As attend ls shows it")->required();
        end_->add_option("--reason", reason_, "Why")->type_name("TEXT");
    }

    bool was_chosen() const override { return group_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        access_.daemon = Daemon::Client;
        const auto access = find_access(access_, process_environment);
        if (!access) return fail(access.error(), err);
        if (ls_->parsed()) return list(*access, out, err);
        if (rosters_->parsed()) return list_rosters(*access, out, err);
        if (start_->parsed()) return start(*access, out, err);
        return end(*access, out, err);
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
        const json attendances = answer->value("attendances", json::array());
        if (json_)
            print_json(out, attendances);
        else if (attendances.empty())
            out << "The client attends no conference.\n";
        else
            print_attendances(out, attendances);
        return Exit::Ok;
    }

    Exit list_rosters(const Access& access, std::ostream& out, std::ostream& err) const {
        const auto answer = request_json(access, "GET", "/rosters");
        if (!answer) return fail(answer.error(), err);
        const json conferences = answer->value("rosters", json::array());
        if (json_)
            print_json(out, conferences);
        else
            print_rosters(out, conferences);
        return Exit::Ok;
    }

    Exit start(const Access& access, std::ostream& out, std::ostream& err) const {
        json wish{{"uri", uri_},         {"audio", takes_audio_}, {"video", takes_video_},
                  {"chat", takes_chat_}, {"again", is_again_},    {"wait", waits_}};
        if (!identity_.empty()) wish["identity"] = identity_;
        if (!name_.empty()) wish["name"] = name_;
        if (!instance_.empty()) wish["instance"] = instance_;
        if (!servers_.empty()) wish["servers"] = servers_;
        if (longest_s_ > 0) wish["longest_s"] = longest_s_;
        const auto begun = request_json(access, "POST", kPath, dump(wish));
        if (!begun) return fail(begun.error(), err);
        if (json_)
            print_json(out, *begun);
        else
            out << fmt::format("{}: {} as {}.\n", printable(uri_),
                               waits_ ? "being recorded" : "attended",
                               printable(text_in(*begun, "id")));
        return Exit::Ok;
    }

    Exit end(const Access& access, std::ostream& out, std::ostream& err) const {
        const auto done =
            request_json(access, "DELETE", fmt::format("{}/{}", kPath, http::percent_encode(id_)),
                         dump({{"reason", reason_}}));
        if (!done) return fail(done.error(), err);
        if (json_)
            print_json(out, *done);
        else
            out << fmt::format("{}: left.\n", printable(id_));
        return Exit::Ok;
    }

    AccessOptions access_;
    std::string uri_;
    std::string identity_;
    std::string name_;
    std::string instance_;
    std::vector<std::string> servers_;
    std::int64_t longest_s_ = 0;
    std::string id_;
    std::string reason_;
    bool takes_audio_ = true;
    bool takes_video_ = true;
    bool takes_chat_ = true;
    bool is_again_ = false;
    bool waits_ = true;
    bool json_ = false;
    CLI::App* group_ = nullptr;
    CLI::App* ls_ = nullptr;
    CLI::App* rosters_ = nullptr;
    CLI::App* start_ = nullptr;
    CLI::App* end_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> make_attend_command(CLI::App& app) {
    return std::make_unique<AttendCommand>(app);
}

}  // namespace earshot::app
