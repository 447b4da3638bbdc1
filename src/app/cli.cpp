#include "app/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ostream>

#include "app/client_commands.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/verify_folder.h"
#include "base/uuid.h"

namespace earshot::app {
namespace {

constexpr const char* kExitCodes =
    "\nExit codes: 0 ok, 1 found bad, 2 usage, 3 not found, 4 server unreachable, 5 refused.\n"
    "The server is found by --data or EARSHOT_DATA (its data directory), or by --url or\n"
    "EARSHOT_URL with EARSHOT_TOKEN; by default ./earshot-data. The client likewise, by\n"
    "EARSHOT_CLIENT_DATA, EARSHOT_CLIENT_URL and ./earshot-client-data.";

// Anything else would not be found in the order of ids, and the list would begin anew.
std::string is_full_id(const std::string& text) {
    constexpr std::size_t kIdSize = 36;
    if (text.size() == kIdSize && base::parse_uuid(text)) return "";
    return "\"" + text + "\" is no full id of 36 characters; `earshot ls --json` prints them";
}

class RestVerbs : public Command {
public:
    explicit RestVerbs(CLI::App& app) {
        ls_ = add(app, "ls", "List recordings, newest first",
                  "Examples:\n"
                  "  earshot ls --limit 10\n"
                  "  earshot ls alice sales\n"
                  "  earshot ls --attempts        every call that was offered, with its outcome\n"
                  "  earshot ls --json | jq -r '.[].id'");
        auto* text =
            ls_->add_option("TEXT", words_, "Words that must occur: a name, an AOR, a call id");
        ls_->add_flag("--attempts", list_.attempts,
                      "Every INVITE instead, with its outcome; not with TEXT")
            ->excludes(text);
        ls_->add_option("--limit", list_.limit, "How many at most")
            ->check(CLI::Range(1, 1'000'000))
            ->capture_default_str();
        ls_->add_option("--after", list_.after, "Go on after this id, all 36 characters of it")
            ->type_name("ID")
            ->check(is_full_id);
        add_json(ls_);

        show_ = add_for_id(app, "show", "Tell all about one recording",
                           "Example:\n  earshot show 0199c0de-1234-7abc\n\n"
                           "Events are in `earshot export ID --format json`, not in --json.");
        add_json(show_);

        export_ =
            add_for_id(app, "export", "Write a recording to a file",
                       "Formats: wav (a channel a stream), stereo (left: first speaker, "
                       "right: the others),\npcap (packets), xml (metadata), json (all facts "
                       "and events), vtt, srt (what was typed:\nreal-time text), txt (the same and "
                       "chats), chat (JSON: chats, MSRP), timeline\n(JSON: who typed, spoke and "
                       "shared when); of all codecs, video too: mkv "
                       "(each stream a track, as it came), mp4 and webm (one picture\nof all, the "
                       "sound mixed), ogg (the sound, Opus), sheet (small pictures),\n"
                       "marks (JSON: where a shared screen changes).\n\n"
                       "Examples:\n"
                       "  earshot export 0199c0de-1234-7abc --format stereo -o call.wav\n"
                       "  earshot export 0199c0de-1234-7abc --format mp4 -o call.mp4\n"
                       "  earshot export 0199c0de-1234-7abc --format pcap -o - | tshark -r -");
        export_->add_option("--format", exported_.format, "What to write")
            ->check(CLI::IsMember({"wav", "stereo", "pcap", "xml", "json", "vtt", "srt", "txt",
                                   "timeline", "chat", "mkv", "mp4", "webm", "ogg", "opus", "sheet",
                                   "marks"}))
            ->capture_default_str();
        export_
            ->add_option("--piece", exported_.piece,
                         "Only this piece of it, by the number or id that `show` prints")
            ->type_name("N");
        export_
            ->add_option("--message", exported_.message,
                         "The content of this message of a chat (a file), by the number that the "
                         "format chat has")
            ->check(CLI::PositiveNumber)
            ->type_name("N");
        export_
            ->add_option("-o,--output", exported_.file,
                         "Where to; - is standard output (default: earshot-ID.wav and the like)")
            ->type_name("FILE");
        export_
            ->add_option("--tz", exported_.tz,
                         "Of txt: its times of day in UTC, at an offset (+02:00), or local: of "
                         "this machine when the recording began")
            ->capture_default_str()
            ->type_name("ZONE");
        export_->add_flag("--force", exported_.force, "Overwrite a file that is there");
        add_json(export_);

        play_ = add_for_id(app, "play", "Play a recording",
                           "Example:\n  earshot play 0199c0de-1234-7abc");
        add_json(play_);
        verify_ = add_for_id(app, "verify", "Check that a recording is as it was signed",
                             "A folder, with a / in its name, is looked at where it lies, without "
                             "a server: with the keys of\n--data, or of the data directory that it "
                             "is in.\n\n"
                             "Examples:\n"
                             "  earshot verify 0199c0de-1234-7abc && echo untouched\n"
                             "  earshot verify ./recordings/2026/03/02/0199c0de-1234-7abc-8000-"
                             "000000000001");
        add_json(verify_);
        add_controls(app);
        erase_ = add_for_id(app, "erase", "Delete a recording's key: nobody can read it any more",
                            "What remains is that there was a recording, when and how long, and "
                            "that it was erased.\n\n"
                            "Example:\n  earshot erase 0199c0de-1234-7abc --reason \"GDPR art. "
                            "17\" --yes");
        erase_->add_option("--reason", reason_, "Why: stands in the recording's row")
            ->type_name("TEXT");
        erase_->add_flag("--yes", is_sure_, "Do it");
        add_json(erase_);
        doctor_ = add(app, "doctor", "Tell how the server is and what to do about it",
                      "Example:\n  earshot doctor --data /var/lib/earshot");
        add_client_flag(doctor_);
        add_json(doctor_);
        page_ = add(app, "page", "Print a link that opens the page once",
                    "Examples:\n  xdg-open \"$(earshot page)\"\n"
                    "  earshot page --private-messages");
        add_client_flag(page_);
        page_->add_flag("--private-messages", reads_private_,
                        "Who opens it may read the private messages of recorded chat rooms, too");
        add_json(page_);
        add_client_verbs(app);
    }

    bool was_chosen() const override {
        const std::array<const CLI::App*, 15> verbs{hangup_, ls_,     show_,  export_, play_,
                                                    verify_, erase_,  pause_, resume_, stop_,
                                                    start_,  doctor_, page_,  calls_,  send_};
        return std::any_of(verbs.begin(), verbs.end(),
                           [](const CLI::App* verb) { return verb->parsed(); });
    }

    Exit run(std::ostream& out, std::ostream& err) override {
        if (verify_->parsed() && is_folder(id_))
            return run_verify_folder(id_, access_.data, json_, out, err);
        if (calls_->parsed() || send_->parsed() || hangup_->parsed()) for_client_ = true;
        if (for_client_) access_.daemon = Daemon::Client;
        if (const std::string fault = find_fault(); !fault.empty())
            return fail({Exit::Usage, fault}, err);
        const auto access = find_access(access_, process_environment);
        if (!access) return fail(access.error(), err);
        if (ls_->parsed()) {
            list_.json = json_;
            for (const std::string& word : words_)
                list_.text += (list_.text.empty() ? "" : " ") + word;
            return run_ls(*access, list_, out, err);
        }
        if (show_->parsed()) return run_show(*access, id_, json_, out, err);
        if (export_->parsed()) {
            exported_.id = id_;
            exported_.json = json_;
            return run_export(*access, exported_, out, err);
        }
        if (play_->parsed())
            return run_play(*access, id_, json_, process_environment("PATH").value_or(""), out,
                            err);
        if (verify_->parsed()) return run_verify(*access, id_, json_, out, err);
        if (erase_->parsed()) return run_erase(*access, {id_, reason_, is_sure_, json_}, out, err);
        if (calls_->parsed()) return run_calls(*access, json_, out, err);
        if (send_->parsed()) return run_send(*access, id_, sent_, out, err);
        for (const CLI::App* verb : {start_, pause_, resume_, stop_, hangup_})
            if (verb->parsed() && for_client_)
                return run_call_control(
                    *access, {verb->get_name(), id_, instance_, reason_, started_.waits, json_},
                    out, err);
        for (const CLI::App* verb : {pause_, resume_, stop_})
            if (verb->parsed())
                return run_control(*access, {verb->get_name(), id_, stream_, reason_, json_}, out,
                                   err);
        if (start_->parsed()) {
            started_.json = json_;
            return run_start(*access, started_, out, err);
        }
        if (doctor_->parsed())
            return for_client_ ? run_client_doctor(*access, json_, out, err)
                               : run_doctor(*access, json_, out, err);
        return run_page(*access, reads_private_, json_, out, err);
    }

private:
    CLI::App* add(CLI::App& app, const char* name, const char* what, const std::string& examples) {
        CLI::App* verb = app.add_subcommand(name, what);
        verb->add_option("--data", access_.data, "The server's data directory")->type_name("DIR");
        verb->add_option("--url", access_.url, "The server's address")->type_name("URL");
        verb->footer(examples + "\n" + kExitCodes);
        return verb;
    }
    CLI::App* add_for_id(CLI::App& app, const char* name, const char* what,
                         const std::string& examples) {
        CLI::App* verb = add(app, name, what, examples);
        verb->add_option(
                "ID", id_,
                "The recording's id, or a unique prefix of it (18 characters, as ls prints it)")
            ->required();
        return verb;
    }
    void add_controls(CLI::App& app) {
        pause_ =
            add_control(app, "pause", "Pause a running recording: nothing is stored from now on",
                        "The client is asked to send nothing (re-INVITE, inactive). When it "
                        "refuses, what it sends\nis discarded; `earshot show` tells.\n\n"
                        "Example:\n  earshot pause 0199c0de-1234-7abc --reason \"card number\"");
        resume_ = add_control(app, "resume", "Undo a pause of ours; the client's own stays",
                              "Example:\n  earshot resume 0199c0de-1234-7abc");
        stop_ = add_control(app, "stop", "End a running recording by BYE; the call itself goes on",
                            "Example:\n  earshot stop 0199c0de-1234-7abc --reason \"no consent\"");
        stop_->add_option("--stream", stream_, "Only the stream of this label (port 0)")
            ->type_name("LABEL");
        start_ =
            add(app, "start", "Ask a client to be recorded by this server",
                "The client gets an INVITE without an offer (RFC 7866 section 6.2). Which call "
                "is meant, --call\ntells by its Call-ID in a Target-Dialog header; without "
                "it the client decides.\n\nExamples:\n"
                "  earshot start --at sip:sbc@192.0.2.10\n"
                "  earshot start --at \"sip:sbc@192.0.2.10:5060;transport=tcp\" --call "
                "a84b4c76e66710@pc33\n"
                "  earshot start --client a84b4c76e66710@pc33\n"
                "      a call of the recording client of this machine");
        start_->add_option("CALL", id_,
                           "With --client: the call's Call-ID, or its number; or a room of it");
        start_->add_option("--at", started_.at, "The client: a SIP URI, by address or host name")
            ->type_name("URI");
        start_->add_option("--call", started_.call, "Which of its calls")->type_name("CALL-ID");
        start_->add_option("--reason", started_.reason, "Why: stands on the recording's timeline")
            ->type_name("TEXT");
        add_client_options(start_);
        start_->add_flag("!--no-wait", started_.waits, "Do not wait for the client's answer");
        add_json(start_);
    }
    CLI::App* add_control(CLI::App& app, const char* name, const char* what,
                          const std::string& examples) {
        CLI::App* verb = add_for_id(app, name, what, examples);
        verb->add_option("--reason", reason_, "Why: stands on the recording's timeline")
            ->type_name("TEXT");
        add_client_options(verb);
        add_json(verb);
        return verb;
    }
    void add_client_flag(CLI::App* verb) {
        verb->add_flag("--client", for_client_, "Of the recording client, not of the server");
    }
    void add_client_options(CLI::App* verb) {
        verb->add_flag("--client", for_client_,
                       "Of the recording client: ID is a call's Call-ID or number, a room "
                       "(focus.rooms), or an attendance's id then");
        verb->add_option("--instance", instance_, "With --client: this recording of it alone")
            ->type_name("NAME");
    }
    void add_client_verbs(CLI::App& app) {
        calls_ = add(app, "calls",
                     "List what runs through the recording client: calls, its rooms, and the "
                     "conferences that it attends",
                     "Of --json, `kind` tells which is which: call, room, attendance.\n\n"
                     "Examples:\n  earshot calls\n  earshot calls --json | jq -r '.[].call_id'");
        add_json(calls_);
        hangup_ = add(app, "hangup",
                      "End a call that runs through the recording client, or a room of it with all "
                      "who are in it, or leave a conference",
                      "Examples:\n  earshot hangup a84b4c76e66710@pc33\n  earshot hangup conf-1");
        hangup_
            ->add_option("CALL", id_,
                         "The call's Call-ID, or its number; a room; the id of an attendance")
            ->required();
        hangup_->add_option("--reason", reason_, "Why")->type_name("TEXT");
        add_json(hangup_);
        send_ = add(app, "send", "Send a request to the recording server of a running call",
                    "It goes within the recording session that the client has with the server.\n\n"
                    "Example:\n  earshot send a84b4c76e66710@pc33 --method INFO --content-type "
                    "text/plain --body \"order 4711\"");
        send_->add_option("CALL", id_, "The call's Call-ID, or its number; or a room")->required();
        send_->add_option("--method", sent_.method, "INFO, MESSAGE, ...")
            ->type_name("NAME")
            ->capture_default_str();
        send_->add_option("--header", sent_.headers, "NAME: VALUE; may be repeated")
            ->type_name("LINE");
        send_->add_option("--content-type", sent_.content_type, "Of the body")->type_name("TYPE");
        send_->add_option("--body", sent_.body, "Its body")->type_name("TEXT");
        send_->add_option("--instance", sent_.instance, "This recording of the call alone")
            ->type_name("NAME");
        add_json(send_);
    }
    // What CLI11 cannot say: which options belong together.
    std::string find_fault() {
        sent_.json = json_;
        if (for_client_ && !stream_.empty())
            return "--stream is about a recording at the server; a client's is stopped as a whole.";
        if (!start_->parsed()) return {};
        if (for_client_ && id_.empty())
            return "Say which call: earshot start --client CALL; `earshot calls` lists them.";
        if (!for_client_ && started_.at.empty())
            return "Say at which client: earshot start --at URI; or a call of ours, by --client.";
        if (for_client_) reason_ = started_.reason;
        return {};
    }
    void add_json(CLI::App* verb) { verb->add_flag("--json", json_, "Print JSON"); }

    AccessOptions access_;
    LsOptions list_;
    std::vector<std::string> words_;
    ExportOptions exported_;
    StartOptions started_;
    std::string id_;
    std::string stream_;
    std::string reason_;
    bool json_ = false;
    bool is_sure_ = false;
    bool reads_private_ = false;
    bool for_client_ = false;
    std::string instance_;
    SendOptions sent_;
    CLI::App* calls_ = nullptr;
    CLI::App* send_ = nullptr;
    CLI::App* hangup_ = nullptr;
    CLI::App* ls_ = nullptr;
    CLI::App* show_ = nullptr;
    CLI::App* export_ = nullptr;
    CLI::App* play_ = nullptr;
    CLI::App* verify_ = nullptr;
    CLI::App* erase_ = nullptr;
    CLI::App* pause_ = nullptr;
    CLI::App* resume_ = nullptr;
    CLI::App* stop_ = nullptr;
    CLI::App* start_ = nullptr;
    CLI::App* doctor_ = nullptr;
    CLI::App* page_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> make_rest_verbs(CLI::App& app) { return std::make_unique<RestVerbs>(app); }

}  // namespace earshot::app
