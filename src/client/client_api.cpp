#include "client/client_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>
#include <nlohmann/json.hpp>

#include "api/views.h"
#include "base/text.h"
#include "client/companion_api.h"
#include "client/conference_api.h"
#include "client/focus_api.h"
#include "policy/limits.h"

namespace earshot::client {
namespace {

using base::Reason;
using http::Parameters;
using http::Request;
using http::Response;
using nlohmann::json;

// A start that waits is over when every server of the list has been silent.
constexpr std::chrono::seconds kPatience{60};

int status_of(std::string_view code) {
    if (code.starts_with("unknown_") || code == "no_focus") return 404;
    if (code.starts_with("bad_") || code == "too_many_headers") return 400;
    if (code == "recording_failed") return 502;
    if (code == "not_ready") return 503;
    return 409;
}

json view_of_time(const std::optional<base::WallTime>& time) {
    return time ? json(base::to_rfc3339(*time)) : json(nullptr);
}

json view_of_reason(const Reason& reason) {
    if (reason.code.empty() && reason.text.empty()) return nullptr;
    return {{"code", reason.code}, {"text", base::to_valid_utf8(reason.text)}};
}

json view_of(const RecordingView& recording) {
    return {{"instance", recording.instance},
            {"rule", recording.rule},
            {"state", recording.state},
            {"copy", recording.copy},
            {"initiator", recording.initiator},
            {"server", base::to_valid_utf8(recording.server)},
            {"rs_call_id", recording.rs_call_id},
            {"session_id", recording.session_id},
            {"started", view_of_time(recording.started)},
            {"streams", recording.streams},
            {"shared", recording.shared.empty() ? json(nullptr)
                                                : json(base::to_valid_utf8(recording.shared))},
            {"mandatory", recording.is_mandatory},
            {"reason", view_of_reason(recording.reason)}};
}

json view_of(const CallView& call) {
    json recordings = json::array();
    for (const RecordingView& recording : call.recordings) recordings.push_back(view_of(recording));
    return {{"call", std::to_string(call.call)},
            {"call_id", base::to_valid_utf8(call.call_id)},
            {"from", base::to_valid_utf8(call.from)},
            {"to", base::to_valid_utf8(call.to)},
            {"state", call.state},
            {"arrived", base::to_rfc3339(call.arrived)},
            {"answered", view_of_time(call.answered)},
            {"held", call.is_held},
            {"told", {{"caller", call.caller_told}, {"callee", call.callee_told}}},
            {"recordings", std::move(recordings)}};
}

json view_of(const SharedView& session) {
    json view{{"name", base::to_valid_utf8(session.name)},
              {"instance", session.instance},
              {"rule", session.rule},
              {"kind", session.kind},
              {"state", session.state},
              {"server", base::to_valid_utf8(session.server)},
              {"rs_call_id", session.rs_call_id},
              {"started", view_of_time(session.started)},
              {"session_ids", session.session_ids},
              {"streams", session.streams},
              {"mix", nullptr},
              {"reason", view_of_reason(session.reason)}};
    if (session.is_mixed)
        view["mix"] = {{"packets", session.mixed_packets},
                       {"voices", session.voices},
                       {"late", session.late},
                       {"passed_over", session.passed_over}};
    return view;
}

json view_of(const ServerView& server) {
    return {{"server", base::to_valid_utf8(server.server)},
            {"state", server.state},
            {"configured", server.is_configured},
            {"quarantine_s", server.quarantine.count()},
            {"recordings", server.recordings},
            {"accepted", server.accepted},
            {"refused", server.refused},
            {"lost", server.lost},
            {"heard", view_of_time(server.heard)},
            {"reason", view_of_reason(server.reason)}};
}

// A label of Prometheus: backslash, quote and line end are escaped.
std::string in_label(std::string_view text) {
    std::string escaped;
    for (const char c : base::to_valid_utf8(text)) {
        if (c == '\\' || c == '"') escaped += '\\';
        escaped += c == '\n' ? ' ' : c;
    }
    return escaped;
}

std::string text_of(const json& fields, const char* name) {
    const auto found = fields.find(name);
    return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

// What of the body a request to the server is made of; the fault of one that is none.
std::optional<Reason> read_request(const json& fields, sip::RequestSpec& request) {
    request.method = text_of(fields, "method");
    request.content_type = text_of(fields, "content_type");
    request.body = text_of(fields, "body");
    if (request.method.empty()) return Reason{"bad_request", "There is no method to send."};
    const auto headers = fields.find("headers");
    if (headers == fields.end() || headers->is_null()) return std::nullopt;
    if (!headers->is_object()) return Reason{"bad_request", "headers is no object of texts."};
    for (const auto& [name, value] : headers->items()) {
        if (!value.is_string()) return Reason{"bad_request", "headers is no object of texts."};
        request.headers.push_back({name, value.get<std::string>()});
    }
    return std::nullopt;
}

void metric(std::string& out, std::string_view name, std::string_view type, std::string_view help,
            std::uint64_t value) {
    out += fmt::format(
        "# HELP earshot_client_{0} {1}\n# TYPE earshot_client_{0} {2}\n"
        "earshot_client_{0} {3}\n",
        name, help, type, value);
}

void add_server_metrics(std::string& out, const std::vector<ServerView>& servers) {
    const auto add = [&](std::string_view name, std::string_view help, auto value_of) {
        out += fmt::format("# HELP earshot_client_{0} {1}\n# TYPE earshot_client_{0} gauge\n", name,
                           help);
        for (const ServerView& server : servers)
            out += fmt::format("earshot_client_{}{{server=\"{}\"}} {}\n", name,
                               in_label(server.server), value_of(server));
    };
    add("server_up", "Whether a recording server lives, as far as is known.",
        [](const ServerView& server) { return server.state == "down" ? 0 : 1; });
    add("server_recordings", "Recording sessions that run there.",
        [](const ServerView& server) { return server.recordings; });
}

}  // namespace

json view_of_recording(const RecordingView& recording) { return view_of(recording); }

ClientApi::ClientApi(api::FrontDoor::Options options, ClientApiParts parts)
    : parts_(std::move(parts)),
      door_(std::move(options), parts_.assets, parts_.clock, parts_.random) {
    add_calls();
    add_control("/api/v1/calls/{call}/", CallControl::Of::Call);
    add_control("/api/v1/conferences/{room}/", CallControl::Of::Room);
    add_control("/api/v1/attendances/{attendance}/", CallControl::Of::Attendance);
    router_.add("GET", "/api/v1/health",
                [this](const Request&, const Parameters&) { return health(); });
    router_.add("GET", "/api/v1/servers", [this](const Request&, const Parameters&) {
        json servers = json::array();
        const auto shown = parts_.view.servers.get();
        for (const ServerView& server : *shown) servers.push_back(view_of(server));
        return api::json_response(200, {{"servers", std::move(servers)}});
    });
    router_.add("GET", "/api/v1/sessions", [this](const Request&, const Parameters&) {
        json sessions = json::array();
        const auto shown = parts_.view.sessions.get();
        for (const SharedView& session : *shown) sessions.push_back(view_of(session));
        return api::json_response(200, {{"sessions", std::move(sessions)}});
    });
    router_.add("GET", "/metrics", [this](const Request&, const Parameters&) { return metrics(); });
    router_.add("GET", "/api/v1/events", [](const Request&, const Parameters&) {
        Response response;
        response.body = http::EventStream{http::encode_event("hello", "{}")};
        return response;
    });
    for (const bool is_draining : {true, false})
        router_.add("POST", is_draining ? "/api/v1/drain" : "/api/v1/undrain",
                    [this, is_draining](const Request&, const Parameters&) {
                        parts_.signalling.drain(is_draining);
                        return api::json_response(200, {{"draining", is_draining}});
                    });
    const CompanionApiParts waiting{.signalling = parts_.signalling,
                                    .view = parts_.view,
                                    .may_wait =
                                        [this] {
                                            if (waiting_starts_.fetch_add(1) < kMaxWaitingStarts)
                                                return true;
                                            --waiting_starts_;
                                            return false;
                                        },
                                    .waited = [this] { --waiting_starts_; }};
    add_companion_resources(router_, waiting);
    add_conference_resources(router_, waiting);
    add_focus_resources(router_, parts_.signalling, parts_.view);
    door_.add_login_link(router_);
}

Response ClientApi::handle(const Request& request) {
    return door_.handle(request, router_, parts_.view.is_ready);
}

void ClientApi::add_calls() {
    router_.add("GET", "/api/v1/calls",
                [this](const Request&, const Parameters&) { return list_calls(); });
    router_.add("GET", "/api/v1/calls/{call}",
                [this](const Request&, const Parameters& given) { return show_call(given[0]); });
}

Response ClientApi::list_calls() const {
    json calls = json::array();
    const auto shown = parts_.view.calls.get();
    for (const CallView& call : *shown) calls.push_back(view_of(call));
    return api::json_response(200, {{"calls", std::move(calls)}});
}

Response ClientApi::show_call(std::string_view wanted) const {
    const auto calls = parts_.view.calls.get();
    const auto find = [&](auto is_it) -> const CallView* {
        const auto found = std::find_if(calls->begin(), calls->end(), is_it);
        return found == calls->end() ? nullptr : &*found;
    };
    // Numbers first, as the recorder looks for them.
    const CallView* call = find([&](auto& one) { return std::to_string(one.call) == wanted; });
    if (call == nullptr) call = find([&](auto& one) { return one.call_id == wanted; });
    if (call != nullptr) return api::json_response(200, view_of(*call));
    return http::problem(404, "unknown_call",
                         "No running call has this Call-ID; GET /api/v1/calls lists them.");
}

void ClientApi::add_control(std::string_view path, CallControl::Of of) {
    using Verb = CallControl::Verb;
    constexpr std::array<std::pair<std::string_view, Verb>, 6> kVerbs{{{"start", Verb::Start},
                                                                       {"pause", Verb::Pause},
                                                                       {"resume", Verb::Resume},
                                                                       {"stop", Verb::Stop},
                                                                       {"send", Verb::Send},
                                                                       {"hangup", Verb::Hangup}}};
    for (const auto& [name, verb] : kVerbs)
        router_.add("POST", fmt::format("{}{}", path, name),
                    [this, wish = CallControl{.verb = verb, .of = of}](const Request& request,
                                                                       const Parameters& given) {
                        return control(wish, request, std::string(given[0]));
                    });
}

Response ClientApi::control(CallControl wish, const Request& request, std::string call) {
    const json fields =
        request.body.empty() ? json::object() : json::parse(request.body, nullptr, false);
    if (!fields.is_object())
        return http::problem(400, "bad_request",
                             R"(The body is no JSON object such as {"instance": "default"}.)");
    wish.call = std::move(call);
    wish.instance = text_of(fields, "instance");
    wish.reason = base::to_valid_utf8(text_of(fields, "reason").substr(0, policy::kMaxPhraseBytes));
    const auto wait = fields.find("wait");
    wish.waits = wait != fields.end() && wait->is_boolean() && wait->get<bool>();
    if (wish.verb == CallControl::Verb::Send)
        if (auto fault = read_request(fields, wish.request))
            return http::problem(status_of(fault->code), fault->code, fault->text);
    Response response;
    response.body = http::Deferred([this, wish = std::move(wish)]() mutable {
        using Answer = std::optional<Reason>;
        const bool waits = wish.waits && waiting_starts_.fetch_add(1) < kMaxWaitingStarts;
        if (wish.waits && !waits) --waiting_starts_;
        wish.waits = waits;
        // Shared: whoever comes last, the loop or the waiting worker, frees it.
        const auto answer = std::make_shared<std::promise<Answer>>();
        auto result = answer->get_future();
        parts_.signalling.control(wish,
                                  [answer](Answer given) { answer->set_value(std::move(given)); });
        const bool is_answered = result.wait_for(kPatience) == std::future_status::ready;
        if (waits) --waiting_starts_;
        if (!is_answered && waits)
            return http::problem(504, "no_answer",
                                 "No recording server has answered yet; the attempt goes on.");
        if (!is_answered)
            return http::problem(503, "not_ready", "The signalling thread gave no answer.");
        if (const Answer fault = result.get())
            return http::problem(status_of(fault->code), fault->code, fault->text);
        return api::json_response(200, {{"ok", true}, {"call", wish.call}});
    });
    return response;
}

Response ClientApi::health() const {
    json view = api::view_of_checks(parts_.checks(), "0.1.0");
    view["program"] = "client";
    view["draining"] = parts_.view.is_draining.load();
    return api::json_response(200, view);
}

Response ClientApi::metrics() const {
    const auto counters = parts_.view.counters.get();
    const auto calls = parts_.view.calls.get();
    const EventCounters& events = parts_.events.counters();
    std::uint64_t recording = 0;
    for (const CallView& call : *calls)
        for (const RecordingView& it : call.recordings)
            recording += it.state == "recording" || it.state == "paused" ? 1 : 0;
    const auto companions = parts_.view.companions.get();
    for (const CompanionView& it : *companions)
        recording += it.recording.state == "recording" || it.recording.state == "paused" ? 1 : 0;
    std::string out;
    metric(out, "calls", "gauge", "Calls that run now.", calls->size());
    metric(out, "recordings", "gauge", "Recording sessions that run now.", recording);
    metric(out, "companion_recordings", "gauge",
           "Recordings of calls that are not ours, begun and not over.", companions->size());
    metric(out, "shared_sessions", "gauge", "Recording sessions that calls share, or that stand.",
           parts_.view.sessions.get()->size());
    metric(out, "calls_total", "counter", "Calls that came.", counters->calls);
    metric(out, "calls_answered_total", "counter", "Calls that were answered.", counters->answered);
    metric(out, "requests_refused_total", "counter", "Requests that were refused here.",
           counters->refused);
    metric(out, "mix_commands_postponed_total", "counter",
           "What the thread that mixes sessions had no room for at first.",
           counters->mix_postponed);
    metric(out, "recordings_started_total", "counter", "Recording sessions that a server accepted.",
           events.started);
    metric(out, "recordings_stopped_total", "counter", "Recording sessions that are over.",
           events.stopped);
    metric(out, "recordings_failed_total", "counter", "Recordings that no server accepted.",
           events.failed);
    metric(out, "server_refusals_total", "counter", "Refusals of single recording servers.",
           events.refusals);
    metric(out, "failovers_total", "counter", "Recordings that another server went on with.",
           events.failovers);
    metric(out, "starts_refused_total", "counter", "Recordings that servers asked for in vain.",
           events.starts_refused);
    add_server_metrics(out, *parts_.view.servers.get());
    metric(out, "webhook_failures_total", "counter", "Events that the webhook did not take.",
           events.webhook_failures);
    out += plane_metrics(*parts_.view.planes.get());
    return http::make_response(200, "text/plain; version=0.0.4", std::move(out));
}

}  // namespace earshot::client
