#include "app/client_commands.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "app/commands.h"
#include "app/tables.h"
#include "base/text.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

std::string call_path(const std::string& call, std::string_view below) {
    return fmt::format("/calls/{}{}", http::percent_encode(call), below);
}

std::string to_body(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Exit run_calls(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    const auto answer = request_json(access, "GET", "/calls");
    if (!answer) return fail(answer.error(), err);
    const json calls = answer->value("calls", json::array());
    if (as_json)
        print_json(out, calls);
    else
        print_calls(out, calls);
    return Exit::Ok;
}

Exit run_call_control(const Access& access, const CallControlOptions& options, std::ostream& out,
                      std::ostream& err) {
    const json body{{"instance", options.instance},
                    {"reason", options.reason},
                    {"who", user_name()},
                    {"wait", options.waits}};
    const auto done =
        request_json(access, "POST", call_path(options.call, "/" + options.verb), to_body(body));
    if (!done) return fail(done.error(), err);
    if (options.json) {
        print_json(out, *done);
        return Exit::Ok;
    }
    const std::string_view what = options.verb == "pause"    ? "paused: nothing is sent from now on"
                                  : options.verb == "resume" ? "resumed"
                                  : options.verb == "stop"   ? "stopped"
                                  : options.verb == "hangup" ? "ended"
                                  : options.waits            ? "being recorded"
                                                             : "asked for";
    out << fmt::format("{}: {}.\n", printable(options.call), what);
    return Exit::Ok;
}

Exit run_send(const Access& access, const std::string& call, const SendOptions& options,
              std::ostream& out, std::ostream& err) {
    json headers = json::object();
    for (const std::string& line : options.headers) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || colon == 0)
            return fail({Exit::Usage, fmt::format("\"{}\" is no header: write \"Name: value\".",
                                                  printable(line))},
                        err);
        headers[std::string(base::trim(line.substr(0, colon)))] =
            base::trim(std::string_view(line).substr(colon + 1));
    }
    const json body{{"method", options.method},
                    {"headers", std::move(headers)},
                    {"content_type", options.content_type},
                    {"body", options.body},
                    {"instance", options.instance}};
    const auto done = request_json(access, "POST", call_path(call, "/send"), to_body(body));
    if (!done) return fail(done.error(), err);
    if (options.json)
        print_json(out, *done);
    else
        out << fmt::format("{} sent.\n", printable(options.method));
    return Exit::Ok;
}

Exit run_client_doctor(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    const auto health = request_json(access, "GET", "/health");
    if (!health) return fail(health.error(), err);
    if (as_json)
        print_json(out, *health);
    else
        print_health(out, *health);
    return health->value("state", json("failed")) == "failed" ? Exit::FoundBad : Exit::Ok;
}

}  // namespace earshot::app
