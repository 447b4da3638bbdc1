#include "server/attempt_record.h"

#include <nlohmann/json.hpp>

#include "base/json_writer.h"

namespace earshot::server {

using nlohmann::json;

std::string to_record(const catalog::Attempt& attempt) {
    std::string text;
    base::JsonWriter(text)
        .begin_object()
        .field("id", attempt.id)
        .field("recording_id", attempt.recording_id.value_or(""))
        .field("time_ns", base::to_ns(attempt.time))
        .field("call_id", attempt.call_id)
        .field("from", attempt.from)
        .field("to", attempt.to)
        .field("peer", attempt.peer)
        .field("transport", attempt.transport)
        .field("headers", attempt.headers)
        .key("is_ours")
        .boolean(attempt.is_ours)
        .end_object();
    return text;
}

std::optional<catalog::Attempt> parse_attempt_record(base::ByteView bytes) {
    const json fields = json::parse(bytes.begin(), bytes.end(), nullptr, false);
    if (!fields.is_object()) return std::nullopt;
    bool ok = true;
    const auto text = [&](const char* name) {
        const auto found = fields.find(name);
        if (found != fields.end() && found->is_string()) return found->get<std::string>();
        ok = false;
        return std::string{};
    };
    catalog::Attempt attempt{.id = text("id"), .recording_id = text("recording_id")};
    const auto time = fields.find("time_ns");
    if (time == fields.end() || !time->is_number_integer()) return std::nullopt;
    attempt.time = base::wall_from_ns(time->get<std::int64_t>());
    attempt.call_id = text("call_id");
    attempt.from = text("from");
    attempt.to = text("to");
    attempt.peer = text("peer");
    attempt.transport = text("transport");
    attempt.headers = text("headers");
    const auto ours = fields.find("is_ours");  // absent, or a number, in older journals
    if (ours != fields.end()) attempt.is_ours = ours->is_boolean() ? ours->get<bool>() : *ours == 1;
    if (attempt.recording_id->empty()) attempt.recording_id.reset();
    if (!ok || attempt.id.empty()) return std::nullopt;
    return attempt;
}

}  // namespace earshot::server
