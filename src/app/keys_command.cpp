#include "app/keys_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/config.h"
#include "app/tables.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

std::uint64_t count_of(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag_in(const json& object, const char* name) {
    return object.value(name, json(false)) == json(true);
}

void print_keys(std::ostream& out, const json& list) {
    std::vector<std::vector<std::string>> rows{
        {"KEY", "MADE (UTC)", "KEPT", "RECORDINGS", "JOURNAL", ""}};
    for (const json& key : list.value("keys", json::array())) {
        if (!key.is_object()) continue;
        const bool is_needed = count_of(key, "recordings") + count_of(key, "segments") != 0;
        const char* note = flag_in(key, "current")  ? "current"
                           : flag_in(key, "in_use") ? "used since the start"
                           : is_needed              ? ""
                                                    : "nothing needs it";
        rows.push_back({printable(text_in(key, "id")),
                        printable(text_in(key, "made").substr(0, 19)),
                        flag_in(key, "sealed") ? "sealed by the command" : "in a file",
                        std::to_string(count_of(key, "recordings")),
                        std::to_string(count_of(key, "segments")), note});
    }
    print_table(out, rows);
    if (const auto missing = count_of(list, "missing_recordings"); missing != 0)
        out << fmt::format(
            "{} recordings of the catalogue are not in their folders; they may need any key.\n",
            missing);
    if (const auto unreadable = count_of(list, "unreadable"); unreadable != 0)
        out << fmt::format(
            "{} recordings or segments of the journal cannot be read; they may need any key.\n",
            unreadable);
}

}  // namespace

Exit run_keys_ls(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    const auto list = request_json(access, "GET", "/keys");
    if (!list) return fail(list.error(), err);
    if (as_json)
        print_json(out, *list);
    else
        print_keys(out, *list);
    return Exit::Ok;
}

Exit run_keys_rotate(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    json last;
    const auto done = follow(access, "/keys/rotate", [&](const json& line) {
        last = line;
        err << fmt::format("\r{} of {} recordings", count_of(line, "done"), count_of(line, "total"))
            << std::flush;
    });
    if (!last.is_null()) err << '\n';
    if (!done) return fail(done.error(), err);
    const std::uint64_t failed = count_of(last, "failed");
    if (as_json)
        print_json(out, last);
    else
        out << fmt::format("{} is the current key. {} recordings were wrapped again.\n",
                           printable(text_in(last, "key")), count_of(last, "wrapped"));
    if (failed == 0) return Exit::Ok;
    return fail({Exit::FoundBad,
                 fmt::format("{} recordings stay under the key that they had; the first: {}",
                             failed, text_in(last, "failure"))},
                err);
}

Exit run_keys_remove(const Access& access, const std::string& id, bool is_sure, std::ostream& out,
                     std::ostream& err) {
    if (!is_sure)
        return fail({Exit::Usage,
                     "A key that is removed cannot be had again, and a backup of recordings made "
                     "before the rotation needs it. Say --yes when it shall go."},
                    err);
    const auto gone = request_json(access, "DELETE", "/keys/" + http::percent_encode(id));
    if (!gone) return fail(gone.error(), err);
    out << fmt::format("{} is gone.\n", printable(id));
    return Exit::Ok;
}

namespace {

class KeysCommand : public Command {
public:
    explicit KeysCommand(CLI::App& app) {
        CLI::App* keys = app.add_subcommand("keys", "The keys that recordings are encrypted under")
                             ->require_subcommand(1);
        ls_ = add(*keys, "ls", "List the key-encryption keys, and how much needs each",
                  "Example:\n  earshot keys ls");
        ls_->add_flag("--json", json_, "Print JSON");
        rotate_ = add(*keys, "rotate", "Make a new key and bring all recordings under it",
                      "Only the key of each recording is wrapped again, not its sound. It may be "
                      "interrupted: another\nrotation does the rest.\n\nExample:\n"
                      "  earshot keys rotate && earshot keys ls");
        rotate_->add_flag("--json", json_, "Print JSON");
        remove_ = add(*keys, "remove", "Delete an old key that nothing needs any more",
                      "Refused while a recording or a segment of the journal needs it, and before "
                      "the next start of the\nserver after its rotation.\n\nExample:\n"
                      "  earshot keys remove 0199c0de-1234-7abc-8000-000000000001 --yes");
        remove_->add_option("ID", id_, "The key's full id, as `earshot keys ls` prints it")
            ->required();
        remove_->add_flag("--yes", is_sure_, "Do it");
    }

    bool was_chosen() const override {
        return ls_->parsed() || rotate_->parsed() || remove_->parsed();
    }

    Exit run(std::ostream& out, std::ostream& err) override {
        const auto access = find_access(access_, process_environment);
        if (!access) return fail(access.error(), err);
        if (ls_->parsed()) return run_keys_ls(*access, json_, out, err);
        if (rotate_->parsed()) return run_keys_rotate(*access, json_, out, err);
        return run_keys_remove(*access, id_, is_sure_, out, err);
    }

private:
    CLI::App* add(CLI::App& keys, const char* name, const char* what, const std::string& footer) {
        CLI::App* verb = keys.add_subcommand(name, what);
        verb->add_option("--data", access_.data, "The server's data directory")->type_name("DIR");
        verb->add_option("--url", access_.url, "The server's address")->type_name("URL");
        verb->footer(footer);
        return verb;
    }

    AccessOptions access_;
    std::string id_;
    bool json_ = false;
    bool is_sure_ = false;
    CLI::App* ls_ = nullptr;
    CLI::App* rotate_ = nullptr;
    CLI::App* remove_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> make_keys_command(CLI::App& app) {
    return std::make_unique<KeysCommand>(app);
}

}  // namespace earshot::app
