#include "client/event_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "base/text.h"
#include "crypto/hmac.h"

namespace earshot::client {

namespace {

constexpr std::size_t kMaxPosts = 256;  // under way at once
constexpr std::chrono::seconds kPostTime{5};

std::string signature(const std::string& secret, const std::string& body) {
    return "sha256=" +
           base::to_hex(crypto::hmac_sha256(base::as_bytes(secret), base::as_bytes(body)));
}

}  // namespace

std::string to_json(const RecordingEvent& event) {
    std::string text;
    base::JsonWriter json(text);
    json.begin_object()
        .field("event", event.kind)
        .field("time", base::to_rfc3339(event.at))
        .field("call", std::to_string(event.call))
        .field("call_id", event.call_id)
        .field("rs_call_id", event.rs_call_id)
        .field("session_id", event.session_id)
        .field("server", event.server)
        .field("from_server", event.from_server)
        .field("instance", event.instance)
        .field("status", event.status)
        .key("reason");
    if (event.reason.code.empty())
        json.null();
    else
        json.begin_object()
            .field("code", event.reason.code)
            .field("text", event.reason.text)
            .end_object();
    json.end_object();
    return text;
}

EventHub::EventHub(WebhookConfig webhook, base::Log& log)
    : webhook_(std::move(webhook)),
      log_(log),
      client_({.max_in_flight = kMaxPosts, .thread_name = "webhook"}) {}

void EventHub::tell(const RecordingEvent& event) {
    count(event.kind);
    write_log(event);
    http::Server* server = server_;
    const bool is_heard = server != nullptr && server->listener_count() > 0;
    // That a party was told is the usual case, twice a call: those who are posted to hear of the
    // cases in which it could not be. A focus may tell much, and the recording's timeline has it.
    const bool is_posted =
        !webhook_.url.empty() && event.kind != "indication" && event.kind != "conference";
    if (!is_heard && !is_posted) return;
    const std::string body = to_json(event);
    if (is_heard) server->publish("recording", body);
    if (is_posted) post(event, body);
}

void EventHub::tell_change() {
    http::Server* server = server_;
    if (server != nullptr && server->listener_count() > 0) server->publish("calls", "{}");
}

void EventHub::count(std::string_view kind) {
    if (kind == "start") ++counters_.started;
    if (kind == "stop") ++counters_.stopped;
    if (kind == "failed") ++counters_.failed;
    if (kind == "refused") ++counters_.refusals;
    if (kind == "failover") ++counters_.failovers;
    if (kind == "start_refused") ++counters_.starts_refused;
}

namespace {

// What people do as they like, and what they asked for: nobody has to look after it.
bool is_usual(const RecordingEvent& event) {
    static constexpr std::array<std::string_view, 18> kKinds{
        "attendance",           "chat_connected",      "chat_relay",
        "conference",           "conference_ended",    "indication",
        "participant_joined",   "participant_left",    "participant_muted",
        "participant_nickname", "participant_unmuted", "pause",
        "preference",           "presenter_changed",   "resume",
        "screen_connected",     "screen_ended",        "snapshot_requested"};
    const std::string_view code = event.reason.code;
    return code.empty() || std::find(kKinds.begin(), kKinds.end(), event.kind) != kKinds.end() ||
           (event.kind == "attendance_ended" && (code == "bye" || code == "stopped")) ||
           (event.kind == "stop" && code == "stopped") ||
           (event.kind == "call_ended" && code == "ended");
}

}  // namespace

void EventHub::write_log(const RecordingEvent& event) {
    log_.write(is_usual(event) ? base::LogLevel::Info : base::LogLevel::Warning,
               fmt::format("recording: {}", event.kind),
               {{"call", std::to_string(event.call)},
                {"call_id", event.call_id},
                {"rs_call_id", event.rs_call_id},
                {"session_id", event.session_id},
                {"server", event.server},
                {"from_server", event.from_server},
                {"instance", event.instance},
                {"status", std::to_string(event.status)},
                {"reason", event.reason.text}});
}

void EventHub::post(const RecordingEvent& event, const std::string& body) {
    http::Call call{.method = "POST",
                    .url = webhook_.url,
                    .headers = {{"Content-Type", "application/json"}},
                    .body = body};
    if (!webhook_.secret.empty())
        call.headers.push_back({"X-Earshot-Signature", signature(webhook_.secret, body)});
    const auto fail = [this, kind = event.kind, call_id = event.call_id](const std::string& why) {
        ++counters_.webhook_failures;
        log_.warning("the webhook was not told",
                     {{"event", kind}, {"call_id", call_id}, {"reason", why}});
    };
    const bool started = client_.start(
        std::move(call), kPostTime, [fail](const base::Result<http::Reply, base::Reason>& reply) {
            constexpr int kOk = 200;
            constexpr int kMultipleChoices = 300;
            if (!reply) return fail(reply.error().text);
            if (reply->status < kOk || reply->status >= kMultipleChoices)
                fail(fmt::format("It answered with status {}.", reply->status));
        });
    if (!started) fail(fmt::format("{} events wait for it already.", kMaxPosts));
}

}  // namespace earshot::client
