// The verbs as functions: what they ask the server, what they print, how they end. Results go to
// `out`, errors to `err`.
#pragma once

#include <ctime>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "app/command.h"
#include "app/rest_client.h"

namespace earshot::app {

struct LsOptions {
    bool attempts = false;
    std::size_t limit = 100;
    std::string after{};
    std::string text{};  // words to look for
    bool json = false;
};
struct ExportOptions {
    std::string id{};
    std::string format = "wav";
    std::string piece{};  // its number or id; empty: the whole recording
    std::string
        message{};       // of a chat, by its number: its content in place of a format; empty: none
    std::string file{};  // "-": standard output; empty: default_file_name()
    std::string tz = "UTC";  // of txt: or an offset, or "local": this machine's at its start
    bool force = false;      // overwrite a file that is there
    bool json = false;       // what was written where, as JSON
};

// "+02:00": of this machine's time zone at that time.
std::string utc_offset_here(std::time_t at);
// In the working directory; another one for each piece and format.
std::string default_file_name(const ExportOptions& options);
// A stranger's name for a file as one in the working directory; empty: it has none.
std::string safe_file_name(std::string_view name);

Exit run_ls(const Access& access, const LsOptions& options, std::ostream& out, std::ostream& err);
Exit run_show(const Access& access, const std::string& id, bool json, std::ostream& out,
              std::ostream& err);
Exit run_export(const Access& access, const ExportOptions& options, std::ostream& out,
                std::ostream& err);
Exit run_play(const Access& access, const std::string& id, bool json,
              const std::string& search_path, std::ostream& out, std::ostream& err);
Exit run_verify(const Access& access, const std::string& id, bool json, std::ostream& out,
                std::ostream& err);
struct ControlOptions {
    std::string verb{};  // "pause", "resume", "stop"
    std::string id{};
    std::string stream{};  // of stop: this one alone
    std::string reason{};
    bool json = false;
};
struct EraseOptions {
    std::string id{};
    std::string reason{};
    bool is_sure = false;  // --yes
    bool json = false;
};
Exit run_erase(const Access& access, const EraseOptions& options, std::ostream& out,
               std::ostream& err);
Exit run_control(const Access& access, const ControlOptions& options, std::ostream& out,
                 std::ostream& err);
struct StartOptions {
    std::string at{};    // the client's URI
    std::string call{};  // which of its calls
    std::string reason{};
    bool waits = true;  // for what the client says
    bool json = false;
};
Exit run_start(const Access& access, const StartOptions& options, std::ostream& out,
               std::ostream& err);
Exit run_doctor(const Access& access, bool json, std::ostream& out, std::ostream& err);
Exit run_page(const Access& access, bool reads_private, bool json, std::ostream& out,
              std::ostream& err);

Exit fail(const Failure& failure, std::ostream& err);  // prints it; its code
void print_json(std::ostream& out, const nlohmann::json& value);
std::string user_name();  // of who runs this program

}  // namespace earshot::app
