#include "api/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/printable.h"

namespace earshot::api {
namespace {

using nlohmann::json;

json object_or_empty(const std::string& text) {
    json parsed = json::parse(text, nullptr, false);
    return parsed.is_object() ? parsed : json::object();
}

std::string_view name_of(Check::State state) {
    switch (state) {
        case Check::State::Ok:
            return "ok";
        case Check::State::Warning:
            return "warning";
        case Check::State::Failed:
            break;
    }
    return "failed";
}

Check check_of(const catalog::Health& catalogue) {
    if (!catalogue.is_writable)
        return {"catalogue", Check::State::Failed,
                catalogue.reason ? catalogue.reason->text : "The catalogue cannot be written."};
    const std::string text = fmt::format(
        "{} changes in {} commits; {} of {} places in the queue taken.", catalogue.changes,
        catalogue.commits, catalogue.backlog, catalogue.backlog_limit);
    const bool is_behind = 2 * catalogue.backlog > catalogue.backlog_limit;
    return {"catalogue", is_behind ? Check::State::Warning : Check::State::Ok, text};
}

json view_of_pause(const std::optional<LivePause>& pause) {
    if (!pause) return nullptr;
    return {{"who", pause->who},
            {"reason", pause->reason},
            {"client", pause->client},
            {"sip_status", pause->status}};
}

void add_protection(json& view, const LiveStream& stream) {
    const auto set = [&](const char* name, const std::string& value) {
        view.erase(name);  // the row may tell of how it began
        if (!value.empty()) view[name] = value;
    };
    set("suite", stream.suite);
    set("dtls_role", stream.dtls_role);
}

// Nothing happens to the view of another recording or of one that has ended.
void add_live_counts(json& recording, const std::vector<LiveCall>& calls) {
    if (recording["state"] != catalog::to_string(catalog::State::Recording)) return;
    const auto call = std::find_if(calls.begin(), calls.end(), [&](const LiveCall& live) {
        return recording["id"] == live.id;
    });
    if (call == calls.end()) return;
    recording["operator_pause"] = view_of_pause(call->operator_pause);
    if (!recording["streams"].is_array()) return;
    for (json& stream : recording["streams"]) {
        if (!stream.is_object()) continue;
        const json label = stream.value("label", json(nullptr));
        const auto live = std::find_if(call->streams.begin(), call->streams.end(),
                                       [&](const LiveStream& one) { return label == one.label; });
        if (live == call->streams.end()) continue;
        stream["packets"] = live->packets;
        stream["state"] = live->state;
        if (live->messages) stream["messages"] = *live->messages;
        add_protection(stream, *live);
    }
}

}  // namespace

json view_of_reason(const std::optional<base::Reason>& reason) {
    if (!reason) return nullptr;
    return {{"code", reason->code}, {"text", reason->text}};
}

json view_of_piece(const catalog::Recording& recording, const std::vector<LiveCall>& live) {
    json view{{"session_ids", json::array()},
              {"call_ids", json::array()},
              {"participants", json::array()},
              {"streams", json::array()},
              {"group", nullptr},
              {"profile", nullptr},
              {"headers", json::object()},
              {"extensions", json::object()},
              {"warnings", json::array()}};
    view.update(object_or_empty(recording.summary));
    view["id"] = recording.id;
    view["state"] = catalog::to_string(recording.state);
    view["reason"] = view_of_reason(recording.reason);
    view["start"] = base::to_rfc3339(recording.start);
    view["duration_ms"] = recording.duration_ms ? json(*recording.duration_ms) : json(nullptr);
    if (!recording.call_ids.empty()) view["call_ids"] = recording.call_ids;
    if (!recording.session_ids.empty()) view["session_ids"] = recording.session_ids;
    add_live_counts(view, live);
    return view;
}

json view_of(const catalog::Attempt& attempt) {
    return {{"id", attempt.id},
            {"recording_id", attempt.recording_id ? json(*attempt.recording_id) : json(nullptr)},
            {"time", base::to_rfc3339(attempt.time)},
            {"direction", direction_of(attempt.is_ours)},
            {"call_id", attempt.call_id},
            {"from", attempt.from},
            {"to", attempt.to},
            {"peer", attempt.peer},
            {"transport", attempt.transport},
            {"outcome", attempt.outcome},
            {"sip_status", attempt.sip_status},
            {"reason", view_of_reason(attempt.reason)},
            {"headers", object_or_empty(attempt.headers)}};
}

json view_of(const std::vector<catalog::PeerCount>& counts) {
    json peers = json::array();
    for (const catalog::PeerCount& row : counts) {
        if (peers.empty() || peers.back()["peer"] != row.peer)
            peers.push_back({{"peer", row.peer},
                             {"attempts", 0},
                             {"outcomes", json::object()},
                             {"states", json::object()},
                             {"reasons", json::object()},
                             {"warnings", json::object()}});
        json& peer = peers.back();
        const auto add = [&](const char* what, const std::string& name) {
            if (!name.empty())
                peer[what][name] = peer[what].value(name, std::uint64_t{0}) + row.count;
        };
        if (row.outcome.empty()) {
            add("warnings", row.reason);
            continue;
        }
        peer["attempts"] = peer["attempts"].get<std::uint64_t>() + row.count;
        add("outcomes", row.outcome);
        add("states", row.state);
        add("reasons", row.reason);
    }
    return peers;
}

json view_of(const LiveCall& call) {
    json streams = json::array();
    for (const LiveStream& stream : call.streams) {
        streams.push_back({{"stream", stream.stream},
                           {"label", stream.label},
                           {"media", stream.media},
                           {"codec", stream.codec},
                           {"state", stream.state},
                           {"packets", stream.packets},
                           {"rejected", stream.rejected}});
        if (stream.messages) streams.back()["messages"] = *stream.messages;
        add_protection(streams.back(), stream);
    }
    return {{"id", call.id},
            {"call_id", call.call_id},
            {"from", call.from},
            {"to", call.to},
            {"peer", call.peer},
            {"direction", direction_of(call.is_ours)},
            {"start", base::to_rfc3339(call.start)},
            {"withheld", call.is_withheld},
            {"streams", std::move(streams)},
            {"operator_pause", view_of_pause(call.operator_pause)}};
}

json view_of(const Clients& clients) {
    json list = json::array();
    for (const Client& client : clients.list) {
        json faults = json::array();
        for (const ClientFault& fault : client.faults)
            faults.push_back({{"code", fault.code},
                              {"quirks", fault.quirks},
                              {"fault", fault.fault},
                              {"done", fault.done},
                              {"count", fault.count},
                              {"first", base::to_rfc3339(fault.first)},
                              {"last", base::to_rfc3339(fault.last)}});
        list.push_back({{"peer", client.peer},
                        {"user_agent", client.user_agent},
                        {"calls", client.calls},
                        {"first", base::to_rfc3339(client.first)},
                        {"last", base::to_rfc3339(client.last)},
                        {"faults", std::move(faults)}});
    }
    return {{"since", base::to_rfc3339(clients.since)}, {"clients", std::move(list)}};
}

json view_of_checks(const std::vector<Check>& checks, const std::string& version) {
    Check::State worst = Check::State::Ok;
    json lines = json::array();
    for (const Check& check : checks) {
        worst = std::max(worst, check.state);
        lines.push_back(
            {{"name", check.name}, {"state", name_of(check.state)}, {"text", check.text}});
    }
    return {{"state", name_of(worst)}, {"version", version}, {"checks", std::move(lines)}};
}

json view_of_health(const std::vector<Check>& checks, const catalog::Health& catalogue,
                    const std::string& version) {
    std::vector<Check> all = checks;
    all.push_back(check_of(catalogue));
    json view = view_of_checks(all, version);
    view["program"] = "server";
    view["catalogue"] = {{"is_writable", catalogue.is_writable},
                         {"backlog", catalogue.backlog},
                         {"commits", catalogue.commits},
                         {"changes", catalogue.changes},
                         {"failed_changes", catalogue.failed_changes}};
    return view;
}

std::optional<json> view_of_peaks(const std::string& stored) {
    constexpr double kFullScale = 32768.0;
    const json source = json::parse(stored, nullptr, false);
    // The file lies on the disk and may be damaged: everything is looked at before it is used.
    if (!source.is_object() || !source.contains("tracks") || !source["tracks"].is_array())
        return std::nullopt;
    json view{{"interval_ms", source.value("interval_ms", json(100))}, {"tracks", json::array()}};
    for (const json& track : source["tracks"]) {
        if (!track.is_object() || !track.contains("min") || !track.contains("max") ||
            !track["min"].is_array() || !track["max"].is_array())
            return std::nullopt;
        json peaks = json::array();
        const std::size_t count = std::min(track["min"].size(), track["max"].size());
        for (std::size_t i = 0; i < count; ++i)
            for (const json* value : {&track["min"][i], &track["max"][i]}) {
                if (!value->is_number()) return std::nullopt;
                peaks.push_back(value->get<double>() / kFullScale);
            }
        view["tracks"].push_back(
            {{"label", track.value("label", json(""))}, {"peaks", std::move(peaks)}});
    }
    return view;
}

http::Response json_response(int status, const json& body) {
    // What peers sent may not be UTF-8; it is shown as far as it is.
    return http::make_response(
        status, "application/json",
        base::printable_json(body.dump(-1, ' ', false, json::error_handler_t::replace)) + "\n");
}

}  // namespace earshot::api
