// The verbs that speak to a recording client, as functions. Results go to `out`, errors to `err`.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "app/command.h"
#include "app/rest_client.h"

namespace earshot::app {

struct CallControlOptions {
    std::string verb{};  // "start", "pause", "resume", "stop"
    std::string call{};  // Call-ID or number; a room; an attendance
    std::string instance{};
    std::string reason{};
    bool waits = true;  // of start: until a server has accepted
    bool json = false;
};
struct SendOptions {
    std::string method = "INFO";
    std::vector<std::string> headers{};  // "Name: value"
    std::string content_type{};
    std::string body{};
    std::string instance{};
    bool json = false;
};

Exit run_calls(const Access& access, bool as_json, std::ostream& out, std::ostream& err);
Exit run_call_control(const Access& access, const CallControlOptions& options, std::ostream& out,
                      std::ostream& err);
Exit run_send(const Access& access, const std::string& call, const SendOptions& options,
              std::ostream& out, std::ostream& err);
Exit run_client_doctor(const Access& access, bool as_json, std::ostream& out, std::ostream& err);

}  // namespace earshot::app
