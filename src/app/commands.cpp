#include "app/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <thread>

#include "app/output_file.h"
#include "app/player.h"
#include "app/rendition_wait.h"
#include "app/tables.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

std::string recording_path(const std::string& id, std::string_view below = "") {
    return fmt::format("/recordings/{}{}", http::percent_encode(id), below);
}

// Page after page until `limit` rows are there.
Outcome<json> list_rows(const Access& access, const LsOptions& options) {
    constexpr std::size_t kMaxPage = 1000;
    const char* name = options.attempts ? "attempts" : "recordings";
    json rows = json::array();
    std::string after = options.after;
    while (rows.size() < options.limit) {
        std::string path =
            fmt::format("/{}?limit={}", name, std::min(kMaxPage, options.limit - rows.size()));
        if (!after.empty()) path += "&after=" + http::percent_encode(after);
        if (!options.text.empty()) path += "&q=" + http::percent_encode(options.text);
        auto page = request_json(access, "GET", path);
        if (!page) return page.error();
        if (!page->contains(name) || !(*page)[name].is_array())
            return Failure{Exit::Unreachable,
                           "The server's answer is not a list of " + std::string(name) + "."};
        rows.insert(rows.end(), (*page)[name].begin(), (*page)[name].end());
        const json next = page->value("next", json(nullptr));
        if (!next.is_string()) break;
        after = next.get<std::string>();
    }
    return rows;
}

Outcome<std::uint64_t> download_to(const Access& access, const std::string& path,
                                   OutputFile& file) {
    const auto bytes =
        download(access, path, [&](std::string_view piece) { return file.write(piece); });
    if (file.has_failed()) return file.failure();
    if (!bytes) return bytes.error();
    if (!file.finish()) return file.failure();
    return *bytes;
}

// An empty id would ask for the list, and a short one for anything.
std::optional<Failure> check_id(const std::string& id) {
    constexpr std::size_t kMinPrefix = 8;
    if (id.size() >= kMinPrefix) return std::nullopt;
    return Failure{Exit::Usage,
                   fmt::format("The id \"{}\" is too short: give {} characters or more, as "
                               "`earshot ls` prints them.",
                               id, kMinPrefix)};
}

void print_export(std::ostream& out, const ExportOptions& options, const std::string& file,
                  std::uint64_t bytes) {
    if (options.json)
        print_json(out, {{"file", file}, {"bytes", bytes}, {"format", options.format}});
    else
        out << fmt::format("{} ({} bytes)\n", printable(file), bytes);
}

// A name for a file of our own, made at once so that nobody else can take it; removed at the end.
class TemporaryFile {
public:
    TemporaryFile() {
        std::error_code error;
        const auto folder = std::filesystem::temp_directory_path(error);
        std::string name = (error ? std::string("/tmp") : folder.string()) + "/earshot-XXXXXX.wav";
        const int fd = ::mkstemps(name.data(), 4);
        if (fd < 0) return;
        ::close(fd);
        path_ = name;
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }
    const std::string& path() const { return path_; }  // empty: none could be made

private:
    std::string path_;
};

}  // namespace

void print_json(std::ostream& out, const json& value) {
    out << base::printable_json(value.dump(2, ' ', false, json::error_handler_t::replace)) << '\n';
}

std::string utc_offset_here(std::time_t at) {
    std::tm local{};
    ::localtime_r(&at, &local);
    const long minutes = local.tm_gmtoff / 60;
    return fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', std::labs(minutes) / 60,
                       std::labs(minutes) % 60);
}

std::string user_name() {
    const char* user = std::getenv("USER");  // NOLINT(concurrency-mt-unsafe): one thread, no setenv
    return user == nullptr ? "" : user;
}

Exit fail(const Failure& failure, std::ostream& err) {
    err << "error: " << printable(failure.text) << '\n';
    return failure.code;
}

namespace {

std::string extension_of(const std::string& format) {
    if (format == "stereo") return "wav";
    if (format == "opus") return "ogg";
    if (format == "sheet") return "jpg";
    if (format == "timeline" || format == "chat" || format == "peaks" || format == "marks")
        return "json";
    return format;
}

}  // namespace

std::string default_file_name(const ExportOptions& options) {
    std::string name = "earshot-" + options.id;
    if (!options.piece.empty()) name += "-piece-" + options.piece;
    if (!options.message.empty()) return name + "-message-" + options.message + ".bin";
    if (options.format == "stereo" || options.format == "timeline" || options.format == "chat")
        name += "-" + options.format;
    for (char& c : name)  // an id that is none leads nowhere else
        if (c == '/') c = '_';
    return name + "." + extension_of(options.format);
}

std::string safe_file_name(std::string_view name) {
    constexpr std::size_t kMaxBytes = 200;
    // What comes before the last slash of either kind is none of it, as for downloads of the page.
    if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos)
        name.remove_prefix(slash + 1);
    if (name == "." || name == "..") return {};
    std::string safe = printable(name);
    if (safe.size() > kMaxBytes) {  // at its front: what it is called ends with its type
        std::size_t from = safe.size() - kMaxBytes;
        while (from < safe.size() && (static_cast<unsigned char>(safe[from]) & 0xc0) == 0x80)
            ++from;
        safe.erase(0, from);
    }
    // Neither hidden, nor an option of what it is given to.
    if (safe.starts_with('.') || safe.starts_with('-')) safe.front() = '_';
    return safe;
}

Exit run_ls(const Access& access, const LsOptions& options, std::ostream& out, std::ostream& err) {
    const auto rows = list_rows(access, options);
    if (!rows) return fail(rows.error(), err);
    if (options.json)
        print_json(out, *rows);
    else if (options.attempts)
        print_attempts(out, *rows);
    else
        print_recordings(out, *rows);
    if (rows->size() >= options.limit) {
        out.flush();
        err << more_rows_note(*rows);
    }
    return Exit::Ok;
}

namespace {

// A stream of it that something came in: `count` is what is counted, "packets" or "messages".
bool has_media(const json& recording, const char* media, const char* count = "packets") {
    const json streams = recording.value("streams", json::array());
    return std::any_of(streams.begin(), streams.end(), [&](const json& stream) {
        return stream.is_object() && stream.value("media", json()) == media &&
               stream.value(count, json(0)) != json(0);
    });
}

bool has_transcript(const json& recording) {
    return has_media(recording, "message", "messages") || has_media(recording, "text");
}

bool is_erased(const json& recording) {
    const json reason = recording.value("reason", json());
    return reason.is_object() && reason.value("code", json()) == "erased";
}

// Lines that work now, to be copied.
void print_next_steps(std::ostream& out, const json& recording, const std::string& id) {
    if (recording.value("state", json()) == "recording") {
        const bool is_paused = recording.value("operator_pause", json()).is_object();
        out << fmt::format(
            "\nIt can be played and exported when the call has ended.\n"
            "earshot {1} {0}\nearshot stop {0}\n",
            id, is_paused ? "resume" : "pause");
        return;
    }
    if (is_erased(recording)) return;
    std::string lines;
    const auto add = [&](bool fits, std::string_view line) {
        if (fits) lines += fmt::format(fmt::runtime(line), id) + "\n";
    };
    const bool has_sound = has_media(recording, "audio");
    const bool has_video = has_media(recording, "video");
    add(has_sound, "earshot play {0}\nearshot export {0} --format wav -o call.wav");
    add(has_video, "earshot export {0} --format mp4 -o call.mp4");
    add(has_transcript(recording), "earshot export {0} --format txt -o chat.txt");
    const bool is_stored = recording.value("directory", json("")) != "";
    add(lines.empty() && is_stored, "earshot export {0} --format json -o call.json");
    if (!lines.empty()) out << '\n' << lines;
}

}  // namespace

Exit run_show(const Access& access, const std::string& id, bool as_json, std::ostream& out,
              std::ostream& err) {
    if (const auto failure = check_id(id)) return fail(*failure, err);
    const auto recording = request_json(access, "GET", recording_path(id));
    if (!recording) return fail(recording.error(), err);
    if (as_json) {
        print_json(out, *recording);
        return Exit::Ok;
    }
    print_recording(out, *recording);
    // They are read from what is stored: of a running call there are none yet.
    if (recording->value("state", json()) != "recording" && !is_erased(*recording)) {
        const auto events = request_json(access, "GET", recording_path(id, "/events"));
        if (events)
            print_events(out, *events);
        else
            err << "earshot: its events cannot be read: " << events.error().text << '\n';
    }
    const json full_id = recording->value("id", json(id));
    print_next_steps(out, *recording,
                     short_id(full_id.is_string() ? full_id.get<std::string>() : id));
    return Exit::Ok;
}

namespace {

// What else it can be had as, where nothing of it is heard.
std::string other_formats(const json& recording) {
    if (has_transcript(recording)) return " Try --format txt.";
    return has_media(recording, "video") ? " Try --format mp4." : "";
}

// What to ask for in place of sound, where there is none of it.
std::string hint_for(const Access& access, const ExportOptions& options) {
    if (options.format != "wav" && options.format != "stereo") return "";
    if (!options.message.empty()) return "";
    const auto recording = request_json(access, "GET", recording_path(options.id));
    if (!recording || has_media(*recording, "audio") || is_erased(*recording)) return "";
    return other_formats(*recording);
}

// "local" as an offset: of this machine's zone (TZ), when the recording began.
Outcome<std::string> offset_of(const Access& access, const ExportOptions& options) {
    if (options.tz != "local") return options.tz;
    const auto recording = request_json(access, "GET", recording_path(options.id));
    if (!recording) return recording.error();
    std::tm start{};
    const std::string text = recording->value("start", "");
    if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &start) == nullptr)
        return Failure{Exit::Unreachable, "The server did not tell when it began."};
    return utc_offset_here(::timegm(&start));
}

// The name under which a message's file was sent; empty: it has none, or it is not to be known.
std::string sent_name(const Access& access, const ExportOptions& options) {
    std::string path = recording_path(options.id, "/chat");
    if (!options.piece.empty()) path += "?piece=" + http::percent_encode(options.piece);
    const auto chat = request_json(access, "GET", path);
    if (!chat || !chat->contains("messages") || !(*chat)["messages"].is_array()) return "";
    for (const json& message : (*chat)["messages"]) {
        if (!message.is_object() || !message.contains("message")) continue;
        const json name = message.value("file_name", json());
        if (message["message"].dump() == options.message && name.is_string())
            return safe_file_name(name.get<std::string>());
    }
    return "";
}

}  // namespace

Exit run_export(const Access& access, const ExportOptions& options, std::ostream& out,
                std::ostream& err) {
    if (const auto failure = check_id(options.id)) return fail(*failure, err);
    std::string path =
        recording_path(options.id, "/export?format=" + http::percent_encode(options.format));
    if (!options.message.empty())
        path = recording_path(options.id,
                              "/messages/" + http::percent_encode(options.message) + "?content");
    if (!options.piece.empty()) path += "&piece=" + http::percent_encode(options.piece);
    if (options.tz != "UTC") {
        if (options.format != "txt")
            return fail({Exit::Usage,
                         "--tz is for --format txt: other formats count times from "
                         "the recording's start, or are UTC."},
                        err);
        const auto offset = offset_of(access, options);
        if (!offset) return fail(offset.error(), err);
        path += "&tz=" + http::percent_encode(*offset);
    }
    if (options.message.empty() && is_rendition(options.format))
        if (const auto failure =
                wait_for_rendition(access, options.id, options.format, options.piece, err))
            return fail(*failure, err);
    const auto fail_export = [&](Failure failure) {
        if (failure.code == Exit::Refused) failure.text += hint_for(access, options);
        return fail(failure, err);
    };
    if (options.file == "-") {
        const auto bytes = download(access, path, [&](std::string_view piece) {
            out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
            return out.good();
        });
        out.flush();
        if (!bytes) return fail_export(bytes.error());
        if (options.json) print_export(err, options, options.file, *bytes);
        return Exit::Ok;
    }
    std::string file = options.file;
    if (file.empty() && !options.message.empty()) file = sent_name(access, options);
    if (file.empty()) file = default_file_name(options);
    auto output = OutputFile::open(
        file, options.force ? OutputFile::Existing::Replace : OutputFile::Existing::Keep);
    if (!output) return fail(output.error(), err);
    const auto bytes = download_to(access, path, *output);
    if (!bytes) return fail_export(bytes.error());
    // What is no file may be our own standard output by another name: nothing may follow there.
    print_export(output->is_regular() ? out : err, options, file, *bytes);
    return Exit::Ok;
}

Exit run_play(const Access& access, const std::string& id, bool as_json,
              const std::string& search_path, std::ostream& out, std::ostream& err) {
    if (const auto failure = check_id(id)) return fail(*failure, err);
    const auto recording = request_json(access, "GET", recording_path(id));
    if (!recording) return fail(recording.error(), err);
    const bool is_running = recording->value("state", json()) == "recording";
    if (!is_running && !is_erased(*recording) && !has_media(*recording, "audio")) {
        std::string other = other_formats(*recording);
        if (!other.empty()) other = " Try earshot export" + other.substr(4);
        return fail({Exit::NotFound, "Nothing of this recording can be heard." + other}, err);
    }
    const std::string export_line =
        fmt::format("earshot export {} --format stereo -o call.wav", id);
    const TemporaryFile file;
    if (file.path().empty()) return fail({Exit::Refused, "No temporary file can be made."}, err);
    auto output = OutputFile::open(file.path(), OutputFile::Existing::Replace);
    if (!output) return fail(output.error(), err);
    const auto bytes = download_to(access, recording_path(id, "/export?format=stereo"), *output);
    if (!bytes) return fail(bytes.error(), err);
    const auto players = find_players(search_path);
    for (const Player& player : players) {
        if (as_json)
            print_json(out, {{"id", id}, {"program", player.program}});
        else
            out << fmt::format("Playing {} with {}; left: the first speaker, right: all others.\n",
                               id, player.program);
        out.flush();
        if (play_file(player, file.path())) return Exit::Ok;
    }
    const std::string_view why = players.empty()
                                     ? "No program that plays sound was found. Install one, for "
                                       "example: apt-get install alsa-utils"
                                     : "No program could play the sound here (no sound device?)";
    return fail({Exit::Refused, fmt::format("{}; or take the file: {}", why, export_line)}, err);
}

Exit run_verify(const Access& access, const std::string& id, bool as_json, std::ostream& out,
                std::ostream& err) {
    if (const auto failure = check_id(id)) return fail(*failure, err);
    const auto found = request_json(access, "POST", recording_path(id, "/verify"));
    if (!found) return fail(found.error(), err);
    const bool is_ok = found->value("ok", json(false)) == json(true);
    if (as_json)
        print_json(out, *found);
    else
        print_verification(out, *found);
    return is_ok ? Exit::Ok : Exit::FoundBad;
}

namespace {

// The row of an attempt, once the client has said what it thinks of the INVITE.
Outcome<json> wait_for_attempt(const Access& access, const std::string& id) {
    constexpr std::chrono::milliseconds kLookTime{200};
    constexpr std::chrono::seconds kPatience{200};  // longer than the server lets a client ring
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < give_up) {
        auto page = request_json(access, "GET", "/attempts?limit=1&id=" + http::percent_encode(id));
        if (!page) return page.error();
        const json rows = page->value("attempts", json::array());
        if (rows.is_array() && rows.size() == 1 && rows[0].is_object() &&
            rows[0].value("outcome", json("asked")) != "asked")
            return rows[0];
        std::this_thread::sleep_for(kLookTime);
    }
    return Failure{Exit::Unreachable,
                   "The client has not answered; `earshot ls --attempts` tells "
                   "when it does."};
}

}  // namespace

Exit run_start(const Access& access, const StartOptions& options, std::ostream& out,
               std::ostream& err) {
    const json body{{"at", options.at},
                    {"call", options.call},
                    {"who", user_name()},
                    {"reason", options.reason}};
    const auto started = request_json(access, "POST", "/recordings",
                                      body.dump(-1, ' ', false, json::error_handler_t::replace));
    if (!started) return fail(started.error(), err);
    const std::string id = started->value("id", "");
    if (!options.waits) {
        if (options.json)
            print_json(out, *started);
        else
            out << fmt::format("{} asked.\n", short_id(id));
        return Exit::Ok;
    }
    const auto attempt = wait_for_attempt(access, started->value("attempt_id", ""));
    if (!attempt) return fail(attempt.error(), err);
    const json outcome = attempt->value("outcome", json());
    const bool is_recorded = outcome == "recording" || outcome == "recorded";
    if (options.json) {
        print_json(out, *attempt);
    } else if (is_recorded) {
        out << fmt::format("{} is being recorded.\n", short_id(id));
    }
    if (is_recorded) return Exit::Ok;
    const json reason = attempt->value("reason", json());
    const std::string text = reason.is_object() ? reason.value("text", "") : "";
    return fail({Exit::Refused, "Not recorded: " + printable(text)}, err);
}

Exit run_control(const Access& access, const ControlOptions& options, std::ostream& out,
                 std::ostream& err) {
    if (const auto failure = check_id(options.id)) return fail(*failure, err);
    const json body{{"who", user_name()}, {"reason", options.reason}};
    const std::string stream =
        options.stream.empty() ? "" : "/streams/" + http::percent_encode(options.stream);
    const auto done =
        request_json(access, "POST", recording_path(options.id, stream + "/" + options.verb),
                     body.dump(-1, ' ', false, json::error_handler_t::replace));
    if (!done) return fail(done.error(), err);
    if (options.json) {
        print_json(out, *done);
        return Exit::Ok;
    }
    const std::string id = done->value("id", options.id);
    const std::string what = options.verb == "pause"    ? "paused: nothing is stored from now on"
                             : options.verb == "resume" ? "resumed"
                             : options.stream.empty()   ? "stopped"
                                                        : "stream " + options.stream + " stopped";
    out << fmt::format("{} {}.\n", short_id(id), printable(what));
    return Exit::Ok;
}

Exit run_erase(const Access& access, const EraseOptions& options, std::ostream& out,
               std::ostream& err) {
    if (const auto failure = check_id(options.id)) return fail(*failure, err);
    if (!options.is_sure)
        return fail({Exit::Usage,
                     "What is erased cannot be had again: the recording's key is deleted. Say "
                     "--yes when that is what you want."},
                    err);
    const json body{{"who", user_name()}, {"reason", options.reason}};
    const auto done = request_json(access, "POST", recording_path(options.id, "/erase"),
                                   body.dump(-1, ' ', false, json::error_handler_t::replace));
    if (!done) return fail(done.error(), err);
    if (options.json)
        print_json(out, *done);
    else
        out << fmt::format("{} is erased.\n", short_id(done->value("id", options.id)));
    return Exit::Ok;
}

Exit run_doctor(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    const auto health = request_json(access, "GET", "/health");
    if (!health) return fail(health.error(), err);
    const auto clients = request_json(access, "GET", "/clients");
    if (!clients) return fail(clients.error(), err);
    const auto peers = request_json(access, "GET", "/peers");
    if (!peers) return fail(peers.error(), err);
    if (as_json) {
        json all = *health;
        all["clients_since"] = clients->value("since", json(nullptr));
        all["clients"] = clients->value("clients", json::array());
        all["peers_since"] = peers->value("since", json(nullptr));
        all["peers"] = peers->value("peers", json::array());
        print_json(out, all);
    } else {
        print_health(out, *health);
        print_clients(out, *clients);
        print_peers(out, *peers);
    }
    const json state = health->value("state", json("failed"));
    return state == "failed" ? Exit::FoundBad : Exit::Ok;
}

Exit run_page(const Access& access, bool reads_private, bool as_json, std::ostream& out,
              std::ostream& err) {
    const auto link = request_json(access, "POST", "/login-link",
                                   reads_private ? R"({"private_messages":true})" : "");
    if (!link) return fail(link.error(), err);
    const json url = link->value("url", json(nullptr));
    if (!url.is_string()) return fail({Exit::Unreachable, "The server gave no link."}, err);
    if (as_json)
        print_json(out, *link);
    else
        out << printable(url.get<std::string>()) << '\n';
    return Exit::Ok;
}

}  // namespace earshot::app
