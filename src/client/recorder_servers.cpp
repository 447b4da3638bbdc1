// Recorder, continued: what concerns the recording servers as such, and recordings that they begin
// (RFC 7866 section 6.2; A-8: which calls may be recorded is the client's policy).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/inside.h"
#include "client/limits.h"
#include "client/recorded_call.h"
#include "policy/glob.h"
#include "siprec/server_answers.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

constexpr std::string_view kServerInstance = "server";
constexpr int kForbidden = 403;
constexpr int kNoSuchCall = 481;
constexpr int kUnavailable = 503;

void add_servers(std::vector<std::string>& all, const std::vector<std::string>& servers) {
    for (const std::string& text : servers) {
        const auto entry = parse_server(text);
        // Those that are known only with the call cannot be asked before it.
        if (!entry || text.find('{') != std::string::npos) continue;
        if (std::find(all.begin(), all.end(), entry->uri) == all.end()) all.push_back(entry->uri);
    }
}

}  // namespace

// ---- their health -------------------------------------------------------------------------------

void Recorder::configure(base::Now now, const ClientConfig& config) {
    config_ = config;
    ServerPool::Settings settings;
    settings.interval = config_.probe_interval;
    settings.patience = config_.server_silence;
    add_servers(settings.servers, config_.recording.servers);
    for (const policy::CallRule& rule : config_.rules)
        add_servers(settings.servers, rule.settings.servers);
    servers_.configure(now, std::move(settings));
    stand_sessions(now);
}

// The persistent sessions whose names are known without a call.
void Recorder::stand_sessions(base::Now now) {
    std::vector<SharedSessions::Standing> standing;
    std::vector<std::string> open_rules;
    const auto is_known = [](const std::string& text) {
        return text.find('{') == std::string::npos;
    };
    for (const policy::CallRule& rule : config_.rules) {
        const policy::RecordingSettings& settings = rule.settings;
        if (!rule.records || settings.session != policy::SessionKind::Persistent) continue;
        const bool has_name = is_known(policy::shared_name({rule.instance, rule.name, settings}));
        if (!has_name || !std::all_of(settings.servers.begin(), settings.servers.end(), is_known)) {
            open_rules.push_back(rule.name);
            continue;
        }
        for (policy::RecordingPlan& plan : policy::spread_parallel(
                 {{rule.instance, rule.name, policy::resolve(settings, policy::CallFacts{})}}))
            standing.push_back(
                {.plan = as_servers_see_us(config_, plan), .common = session_common(plan)});
    }
    shared_.stand(now, standing, open_rules);
}

ServerPool::Outlets Recorder::pool_outlets() {
    ServerPool::Outlets outlets;
    outlets.ask = [this](const std::string& uri) {
        sip::OutOfDialogSpec options;
        options.method = "OPTIONS";
        options.request_uri = uri;
        options.from = options.to = "<" + uri + ">";
        options.headers = {{"Accept", std::string(siprec::kAccept)}};
        const auto sent = d_.agent.start_request(d_.clock.now().steady, options);
        return sent ? *sent : sip::TransactionId{};
    };
    outlets.on_silent = [this](base::Now now, const std::string& server) {
        probe_recordings(now, server);
    };
    outlets.tell = [this](RecordingEvent event) { d_.events.tell(std::move(event)); };
    return outlets;
}

void Recorder::probe_recordings(base::Now now, const std::string& server) {
    for (const auto& [key, call] : calls_)
        for (const auto& recording : call->recordings)
            if (!recording->is_shared() && recording->server() == server) recording->probe(now);
    shared_.probe(now, server);
    if (on_silent_) on_silent_(now, server);
}

void Recorder::on_server_silent(base::Now now, relay::CallKey key, std::uint32_t subscription,
                                Reason reason) {
    const RecordedCall* call = find(b2bua::CallKey{key.value});
    if (call == nullptr || subscription == 0 || subscription > call->recordings.size()) return;
    Recording& recording = *call->recordings[subscription - 1];
    if (reason.code == "media_refusal") return on_refusal(now, *call, subscription);
    recording.on_server_silent(now, std::move(reason));
}

std::optional<MediaPlace> Recorder::media_place(const RecordedCall& call,
                                                std::uint32_t subscription,
                                                std::optional<base::TimePoint>* heard) const {
    const std::string server = call.recordings[subscription - 1]->server();
    const auto media = d_.plane.query(relay::CallKey{call.key.value});
    if (!media || server.empty()) return std::nullopt;
    std::optional<MediaPlace> place;
    for (const relay::ForkMedia& fork : media->forks) {
        if (fork.subscription != subscription || !fork.is_open) continue;
        place = MediaPlace{.server = server, .host = fork.to};
        place->host.port = 0;
        if (heard != nullptr) *heard = std::max(*heard, fork.from_server.last);
    }
    return place;
}

std::vector<Recorder::Placed> Recorder::recordings_at(const MediaPlace& place) const {
    std::vector<Placed> all;
    for (const auto& [key, call] : calls_)
        for (std::size_t i = 0; i < call->recordings.size(); ++i) {
            Recording& recording = *call->recordings[i];
            if (recording.server() != place.server || !recording.is_running()) continue;
            std::optional<base::TimePoint> heard;
            const auto subscription = static_cast<std::uint32_t>(i + 1);
            if (media_place(*call, subscription, &heard) == place)
                all.push_back(
                    {.recording = &recording, .key = {key, subscription}, .heard = heard});
        }
    return all;
}

// A port that is closed for one recording may be its end, whose BYE is on the way; those of several
// at a time are a process that has died, unless its RTCP comes on.
void Recorder::on_refusal(base::Now now, const RecordedCall& call, std::uint32_t subscription) {
    if (!call.recordings[subscription - 1]->is_running()) return;
    const auto place = media_place(call, subscription);
    if (!place) return;
    refusals_.add(now.steady, *place, {call.key.value, subscription});
    if (refusals_.count(now.steady, *place) < 2) return;
    const std::vector<Placed> all = recordings_at(*place);
    const auto refused = static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const Placed& one) { return refusals_.has(*place, one.key); }));
    if (refused < 2 || refused < std::min(kRefusedRecordings, all.size())) return;
    const base::TimePoint since = refusals_.first(*place);
    refusals_.forget(*place);
    if (std::any_of(all.begin(), all.end(),
                    [&](const Placed& one) { return one.heard && *one.heard > since; }))
        return;
    for (const Placed& one : all)
        one.recording->on_media_lost(
            now,
            {"media_refused", "The server's host refuses the media of several recordings (ICMP)."});
}

void Recorder::every_second() {
    starts_.next_second();
    start_events_.next_second();
    if (d_.desk != nullptr) d_.desk->retry();
}

// ---- recordings that they begin -----------------------------------------------------------------

bool Recorder::may_start(const base::NetAddress& from) const {
    const std::string host = base::host_to_string(from);
    const auto is_it = [&](const std::string& glob) { return policy::glob_matches(glob, host); };
    return servers_.knows_host(from) ||
           std::any_of(config_.allowed_servers.begin(), config_.allowed_servers.end(), is_it);
}

void Recorder::on_server_start(base::Now now, sip::RequestArrived request, bool is_open) {
    const std::string host = base::host_to_string(request.flow.remote);
    if (!may_start(request.flow.remote))
        return refuse_start(
            now, request,
            {kForbidden, {"unknown_server", host + " is no recording server of this client."}});
    if (!starts_.take(host))
        return refuse_start(
            now, request,
            {kUnavailable,
             {"too_many_starts", "This host asks for too many recordings a second."}});
    if (!is_open)
        return refuse_start(now, request,
                            {kUnavailable, {"draining", "No new recordings are begun now."}});
    const auto call = find_wished(read_start(request.message), host);
    if (!call) return refuse_start(now, request, call.error());
    begin_for_server(now, **call, std::move(request), host);
}

// The call that is named, or the newest one of those that may be recorded.
Result<Recorder::RecordedCall*, Recorder::Refusal> Recorder::find_wished(const StartWish& wish,
                                                                         const std::string& host) {
    RecordedCall* named = wish.call.empty() ? nullptr : find(wish.call);
    for (auto it = calls_.begin(); it != calls_.end() && named == nullptr; ++it) {
        const b2bua::CallFacts* facts = d_.switchboard.find_call(it->second->key);
        if (wish.call.empty() && !it->second->has_ended && facts != nullptr &&
            is_wished(wish, *facts))
            named = it->second.get();
    }
    if (named != nullptr) {
        if (auto refusal = find_start_refusal(*named, host)) return *std::move(refusal);
        return named;
    }
    if (wish.must_be_found())
        return Refusal{kNoSuchCall,
                       {"unknown_call", "No running call has the identity that is asked for."}};
    std::optional<Refusal> last;
    for (auto it = calls_.rbegin(); it != calls_.rend(); ++it) {
        RecordedCall& call = *it->second;
        if (call.has_ended || !call.was_answered) continue;
        last = find_start_refusal(call, host);
        if (!last) return &call;
    }
    if (last) return *std::move(last);
    return Refusal{kNoSuchCall, {"no_call", "No call runs that could be recorded."}};
}

std::optional<Recorder::Refusal> Recorder::find_start_refusal(const RecordedCall& call,
                                                              const std::string& host) const {
    // A call that a rule excludes, or that the hook did, stays unrecorded whoever asks.
    const bool is_open = config_.rules.empty() && config_.decision.url.empty();
    if (!call.is_planned || (call.plans.empty() && !is_open))
        return Refusal{kForbidden, {"not_permitted", "No rule lets this call be recorded."}};
    std::size_t running = 0;
    for (const auto& recording : call.recordings) {
        if (!recording->is_engaged() || recording->started_by().empty()) continue;
        ++running;
        if (recording->started_by() == host)
            return Refusal{kForbidden, {"recorded_already", host + " records this call already."}};
    }
    if (running >= kMaxStartedPerCall || call.recordings.size() >= kMaxRecordingsPerCall)
        return Refusal{kForbidden,
                       {"too_many_recordings", "As many servers record this call as may."}};
    return std::nullopt;
}

void Recorder::begin_for_server(base::Now now, RecordedCall& call, sip::RequestArrived request,
                                const std::string& host) {
    policy::RecordingPlan plan;
    plan.instance = kServerInstance;
    plan.settings = call.plans.empty() ? policy::resolve(config_.recording, call.facts)
                                       : call.plans.front().settings;
    plan.settings.servers.clear();
    plan.settings.mandatory = false;  // a call is not ended because somebody else stops
    for (const auto& recording : call.recordings)
        if (recording->plan().instance == kServerInstance) ++plan.copy;
    add_recording(now, call, plan).start_by(now, std::move(request), host);
}

// Said once and forgotten: a flood of these must not become memory.
void Recorder::refuse_start(base::Now now, const sip::RequestArrived& request,
                            const Refusal& refusal) {
    sip::ResponseSpec response{
        .status = refusal.status,
        .headers = {{"Warning", fmt::format("399 earshot \"{}\"", refusal.reason.text)}}};
    if (refusal.status == kUnavailable) response.headers.push_back({"Retry-After", "1"});
    d_.agent.respond_and_forget(now.steady, request.transaction, response);
    if (!start_events_.take()) return;
    d_.events.tell({.kind = "start_refused",
                    .at = now.wall,
                    .rs_call_id = std::string(request.message.call_id()),
                    .server = base::to_string(request.flow.remote),
                    .instance = std::string(kServerInstance),
                    .status = refusal.status,
                    .reason = refusal.reason});
}

}  // namespace earshot::client
