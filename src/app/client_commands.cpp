#include "app/client_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "app/commands.h"
#include "app/tables.h"
#include "base/text.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

// What runs through a client, by its kind: "calls", rooms ("conferences"), "attendances".
struct Kind {
    const char* list;
    const char* kind;
    std::array<const char*, 2> names;  // by which one is asked for
};
constexpr std::array<Kind, 3> kKinds{{{"calls", "call", {"call", "call_id"}},
                                      {"conferences", "room", {"conference", "room"}},
                                      {"attendances", "attendance", {"id", "id"}}}};

Outcome<json> load_running(const Access& access) {
    json running = json::object();
    for (const auto& [list, kind, names] : kKinds) {
        const auto answer = request_json(access, "GET", fmt::format("/{}", list));
        if (!answer) return answer.error();
        json rows = json::array();
        for (json one : answer->value(list, json::array())) {
            if (!one.is_object()) continue;
            one["kind"] = kind;
            rows.push_back(std::move(one));
        }
        running[list] = std::move(rows);
    }
    return running;
}

// "/calls/17/pause", or the same of a room or an attendance: whichever is called so.
Outcome<std::string> find_path(const Access& access, const std::string& name,
                               std::string_view verb) {
    const auto running = load_running(access);
    if (!running) return running.error();
    const char* found = "calls";
    std::size_t count = 0;
    for (const Kind& kind : kKinds) {
        const json& rows = (*running)[kind.list];
        const bool is_there = std::any_of(rows.begin(), rows.end(), [&](const json& one) {
            return std::any_of(kind.names.begin(), kind.names.end(), [&](const char* key) {
                return one.value(key, json()) == json(name);
            });
        });
        if (!is_there) continue;
        found = kind.list;
        ++count;
    }
    if (count > 1)
        return Failure{
            Exit::Usage,
            fmt::format("\"{}\" is the name of a room and the number of a call: name the "
                        "call by its Call-ID, the room by its number (`earshot calls "
                        "--json`).",
                        name)};
    if (count == 0)
        return Failure{Exit::NotFound,
                       fmt::format("No running call, room or attendance is called \"{}\"; `earshot "
                                   "calls` lists them.",
                                   name)};
    return fmt::format("/{}/{}/{}", found, http::percent_encode(name), verb);
}

std::string to_body(const json& body) {
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Exit run_calls(const Access& access, bool as_json, std::ostream& out, std::ostream& err) {
    const auto running = load_running(access);
    if (!running) return fail(running.error(), err);
    if (as_json) {
        json all = json::array();
        for (const Kind& kind : kKinds)
            for (const json& one : (*running)[kind.list]) all.push_back(one);
        print_json(out, all);
        return Exit::Ok;
    }
    bool has_any = false;
    const auto print = [&](const char* list, auto print_rows) {
        const json& rows = (*running)[list];
        if (rows.empty()) return;
        if (std::exchange(has_any, true)) out << '\n';
        print_rows(out, rows);
    };
    print("calls", print_calls);
    print("conferences", print_rooms);
    print("attendances", print_attendances);
    if (!has_any) out << "No calls run now.\n";
    return Exit::Ok;
}

Exit run_call_control(const Access& access, const CallControlOptions& options, std::ostream& out,
                      std::ostream& err) {
    const json body{{"instance", options.instance},
                    {"reason", options.reason},
                    {"who", user_name()},
                    {"wait", options.waits}};
    const auto path = find_path(access, options.call, options.verb);
    if (!path) return fail(path.error(), err);
    const auto done = request_json(access, "POST", *path, to_body(body));
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
    const auto path = find_path(access, call, "send");
    if (!path) return fail(path.error(), err);
    const auto done = request_json(access, "POST", *path, to_body(body));
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
