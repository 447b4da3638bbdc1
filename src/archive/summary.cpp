#include "archive/summary.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "archive/json_fields.h"
#include "archive/limits.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, kGapReasonCount> kGapReasons{
    "lost", "paused", "held", "not_negotiated", "storage", "dropped"};

void write_texts(base::JsonWriter& out, std::string_view name,
                 const std::vector<std::string>& texts) {
    out.key(name).begin_array();
    for (const std::string& text : texts) out.text(text);
    out.end_array();
}

void write_text_map(base::JsonWriter& out, std::string_view name,
                    const std::map<std::string, std::string>& texts) {
    // Names of headers and elements are the peer's: as keys they are escaped like any text.
    out.key(name).begin_object();
    for (const auto& [key, value] : texts) out.any_key(key).text(value);
    out.end_object();
}

void write_join(base::JsonWriter& out, const Summary& summary) {
    out.key("join").begin_object().field("group", summary.join_group).key("keys").begin_array();
    for (const catalog::JoinKey& key : summary.join_keys)
        out.begin_object().field("name", key.name).field("value", key.value).end_object();
    out.end_array().end_object();
}

void write_video(base::JsonWriter& out, const VideoSummary& video) {
    out.key("video")
        .begin_object()
        .field("pictures", static_cast<std::int64_t>(video.pictures))
        .field("key_pictures", static_cast<std::int64_t>(video.key_pictures))
        .field("damaged", static_cast<std::int64_t>(video.damaged));
    out.key("changes").begin_array();
    for (const VideoSummary::Change& change : video.changes) {
        out.begin_object()
            .field("at_ms", change.at_ms)
            .field("codec", change.codec)
            .field("width", std::int64_t{change.width})
            .field("height", std::int64_t{change.height})
            .end_object();
    }
    out.end_array().end_object();
}

void write_stream(base::JsonWriter& out, const StreamSummary& stream, bool is_stored) {
    out.begin_object().field("label", stream.label).field("media", stream.media);
    if (!stream.role.empty()) out.field("role", stream.role);
    if (!stream.content.empty()) out.field("content", stream.content);
    out.field("codec", stream.codec);
    if (!stream.suite.empty()) out.field("suite", stream.suite);
    if (!stream.dtls_role.empty()) out.field("dtls_role", stream.dtls_role);
    out.field("packets", static_cast<std::int64_t>(stream.packets))
        .field("lost", static_cast<std::int64_t>(stream.lost));
    if (stream.recovered > 0) out.field("recovered", static_cast<std::int64_t>(stream.recovered));
    out.key("gaps").begin_array();
    for (const Gap& gap : stream.gaps) {
        out.begin_object()
            .field("start_ms", gap.start_ms)
            .field("duration_ms", gap.duration_ms)
            .field("reason", to_string(gap.reason))
            .end_object();
    }
    out.end_array();
    if (stream.video) write_video(out, *stream.video);
    if (stream.media == "message")
        out.field("messages", static_cast<std::int64_t>(stream.messages));
    if (is_stored) {
        out.field("stream", std::int64_t{stream.stream}).field("track", stream.track);
        write_texts(out, "senders", stream.senders);
    }
    out.end_object();
}

std::string make_json_text(const Summary& summary, bool is_stored) {
    std::string text;
    text.reserve(1024);
    base::JsonWriter out(text);
    out.begin_object()
        .field("id", summary.id)
        .field("state", catalog::to_string(summary.state))
        .key("reason");
    if (summary.reason) {
        out.begin_object()
            .field("code", summary.reason->code)
            .field("text", summary.reason->text)
            .end_object();
    } else {
        out.null();
    }
    out.field("start", base::to_rfc3339(summary.start)).key("duration_ms");
    if (summary.duration_ms)
        out.number(*summary.duration_ms);
    else
        out.null();
    write_texts(out, "call_ids", summary.call_ids);
    write_texts(out, "session_ids", summary.session_ids);
    out.key("participants").begin_array();
    for (const ParticipantSummary& participant : summary.participants) {
        out.begin_object().field("aor", participant.aor).field("name", participant.name);
        if (participant.is_seen_in_messages) out.key("seen_in_messages").boolean(true);
        out.end_object();
    }
    out.end_array().key("streams").begin_array();
    for (const StreamSummary& stream : summary.streams) write_stream(out, stream, is_stored);
    out.end_array();
    write_text_or_null(out, "group", summary.group);
    write_text_or_null(out, "profile", summary.profile);
    write_text_map(out, "headers", summary.headers);
    write_text_map(out, "extensions", summary.extensions);
    out.key("warnings").begin_array();
    for (const Warning& warning : summary.warnings) {
        out.begin_object().field("code", warning.code);
        write_text_or_null(out, "label", warning.label);
        out.field("text", warning.text).end_object();
    }
    out.end_array();
    if (is_stored) write_join(out, summary);
    out.end_object();
    return text;
}

// Reads a JSON object field by field; one wrong type and all fails.
class Fields {
public:
    explicit Fields(const json& object) : object_(object) { ok_ = object.is_object(); }

    bool ok() const { return ok_; }
    void fail() { ok_ = false; }
    const json* find(const char* key) {
        if (!ok_) return nullptr;
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    std::string text(const char* key) {
        const json* value = find(key);
        if (value == nullptr || !value->is_string()) {
            fail();
            return {};
        }
        return value->get<std::string>();
    }
    std::int64_t number(const char* key) {
        const json* value = find(key);
        if (value == nullptr || !value->is_number_integer() ||
            (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
            fail();
            return 0;
        }
        return value->get<std::int64_t>();
    }
    std::uint64_t count(const char* key) {
        const std::int64_t value = number(key);
        if (value < 0) fail();
        return value < 0 ? 0 : static_cast<std::uint64_t>(value);
    }
    const json& list(const char* key) {
        static const json kEmpty = json::array();
        const json* value = find(key);
        if (value != nullptr && value->is_array()) return *value;
        fail();
        return kEmpty;
    }
    std::vector<std::string> texts(const char* key) {
        std::vector<std::string> result;
        for (const json& item : list(key)) {
            if (!item.is_string()) fail();
            result.push_back(item.is_string() ? item.get<std::string>() : std::string{});
        }
        return result;
    }
    std::map<std::string, std::string> text_map(const char* key) {
        std::map<std::string, std::string> result;
        const json* value = find(key);
        if (value == nullptr || !value->is_object()) {
            fail();
            return result;
        }
        for (const auto& [name, item] : value->items()) {
            if (!item.is_string()) fail();
            result[name] = item.is_string() ? item.get<std::string>() : std::string{};
        }
        return result;
    }

private:
    const json& object_;
    bool ok_ = true;
};

bool parse_warning(const json& item, Warning& warning) {
    Fields fields(item);
    warning.code = fields.text("code");
    warning.text = fields.text("text");
    const json* label = fields.find("label");
    if (label != nullptr && !label->is_null()) warning.label = fields.text("label");
    return fields.ok();
}

bool parse_join(const json& object, Summary& summary) {
    Fields fields(object);
    summary.join_group = fields.text("group");
    for (const json& item : fields.list("keys")) {
        Fields key(item);
        summary.join_keys.push_back({.name = key.text("name"), .value = key.text("value")});
        if (!key.ok()) return false;
    }
    return fields.ok();
}

bool parse_video(const json& item, VideoSummary& video) {
    Fields fields(item);
    video.pictures = fields.count("pictures");
    video.key_pictures = fields.count("key_pictures");
    video.damaged = fields.count("damaged");
    for (const json& entry : fields.list("changes")) {
        Fields change(entry);
        const std::uint64_t at_ms = change.count("at_ms");
        const std::uint64_t width = change.count("width");
        const std::uint64_t height = change.count("height");
        if (width > 65'536 || height > 65'536 || at_ms > INT64_MAX) return false;
        video.changes.push_back({.at_ms = static_cast<std::int64_t>(at_ms),
                                 .codec = change.text("codec"),
                                 .width = static_cast<std::uint32_t>(width),
                                 .height = static_cast<std::uint32_t>(height)});
        if (!change.ok()) return false;
    }
    return fields.ok();
}

bool parse_stream(const json& item, StreamSummary& stream) {
    Fields fields(item);
    stream.label = fields.text("label");
    stream.media = fields.text("media");
    if (fields.find("role") != nullptr) stream.role = fields.text("role");
    if (fields.find("content") != nullptr) stream.content = fields.text("content");
    stream.codec = fields.text("codec");
    if (fields.find("suite") != nullptr) stream.suite = fields.text("suite");
    if (fields.find("dtls_role") != nullptr) stream.dtls_role = fields.text("dtls_role");
    stream.packets = fields.count("packets");
    stream.lost = fields.count("lost");
    if (fields.find("recovered") != nullptr) stream.recovered = fields.count("recovered");
    for (const json& entry : fields.list("gaps")) {
        Fields gap(entry);
        const std::int64_t start = gap.number("start_ms");
        const std::int64_t duration = gap.number("duration_ms");
        const auto reason = parse_gap_reason(gap.text("reason"));
        if (!gap.ok() || !reason || start < 0 || duration < 0) return false;
        stream.gaps.push_back({.start_ms = start, .duration_ms = duration, .reason = *reason});
    }
    if (const json* const video = fields.find("video"); video != nullptr) {
        if (!parse_video(*video, stream.video.emplace())) return false;
    }
    if (fields.find("messages") != nullptr) stream.messages = fields.count("messages");
    if (fields.find("stream") != nullptr) {
        const std::uint64_t number = fields.count("stream");
        if (number > 0xffff) return false;
        stream.stream = static_cast<std::uint16_t>(number);
        stream.track = fields.text("track");
        stream.senders = fields.texts("senders");
    }
    return fields.ok();
}

}  // namespace

std::string_view to_string(GapReason reason) {
    return kGapReasons.at(static_cast<std::size_t>(reason));
}

std::optional<GapReason> parse_gap_reason(std::string_view text) {
    const auto* found = std::find(kGapReasons.begin(), kGapReasons.end(), text);
    if (found == kGapReasons.end()) return std::nullopt;
    return static_cast<GapReason>(found - kGapReasons.begin());
}

std::string to_json(const Summary& summary) { return make_json_text(summary, false); }
std::string to_stored_json(const Summary& summary) { return make_json_text(summary, true); }

base::Result<Summary> parse_summary(std::string_view text) {
    const base::Error wrong{base::Errc::Malformed, "summary: not of our making"};
    if (text.size() > kMaxSummaryBytes)
        return base::Error{base::Errc::TooLarge, "summary too large"};
    const json object = json::parse(text, nullptr, false);
    Fields fields(object);
    Summary summary;
    summary.id = fields.text("id");
    const auto state = catalog::parse_state(fields.text("state"));
    const auto start = base::parse_time(fields.text("start"));
    if (!fields.ok() || !state || !start) return wrong;
    summary.state = *state;
    summary.start = start->time;
    if (const json* reason = fields.find("reason"); reason != nullptr && !reason->is_null()) {
        Fields parts(*reason);
        summary.reason = base::Reason{parts.text("code"), parts.text("text")};
        if (!parts.ok()) return wrong;
    }
    if (const json* duration = fields.find("duration_ms");
        duration != nullptr && !duration->is_null()) {
        summary.duration_ms = fields.number("duration_ms");
        if (*summary.duration_ms < 0) return wrong;
    }
    summary.call_ids = fields.texts("call_ids");
    summary.session_ids = fields.texts("session_ids");
    for (const json& item : fields.list("participants")) {
        Fields parts(item);
        summary.participants.push_back({.aor = parts.text("aor"), .name = parts.text("name")});
        if (const json* seen = parts.find("seen_in_messages"); seen != nullptr) {
            if (!seen->is_boolean()) return wrong;
            summary.participants.back().is_seen_in_messages = seen->get<bool>();
        }
        if (!parts.ok()) return wrong;
    }
    for (const json& item : fields.list("streams")) {
        if (!parse_stream(item, summary.streams.emplace_back())) return wrong;
    }
    if (const json* group = fields.find("group"); group != nullptr && !group->is_null()) {
        summary.group = fields.text("group");
    }
    if (const json* profile = fields.find("profile"); profile != nullptr && !profile->is_null()) {
        summary.profile = fields.text("profile");
    }
    summary.headers = fields.text_map("headers");
    summary.extensions = fields.text_map("extensions");
    if (fields.find("warnings") != nullptr) {  // recordings of before have none
        for (const json& item : fields.list("warnings")) {
            if (!parse_warning(item, summary.warnings.emplace_back())) return wrong;
        }
    }
    if (const json* join = fields.find("join"); join != nullptr && !parse_join(*join, summary))
        return wrong;
    if (!fields.ok()) return wrong;
    return summary;
}

std::string search_text(const Summary& summary) {
    std::string text;
    const auto add = [&](std::string_view part) {
        if (part.empty()) return;
        if (!text.empty()) text += ' ';
        text += part;
    };
    for (const ParticipantSummary& participant : summary.participants) {
        add(participant.aor);
        add(participant.name);
    }
    for (const std::string& id : summary.call_ids) add(id);
    for (const std::string& id : summary.session_ids) add(id);
    add(summary.group);
    add(summary.profile);
    for (const auto& [name, value] : summary.headers) add(value);
    return text;
}

std::vector<std::size_t> streams_by_label(const Summary& summary) {
    std::vector<std::size_t> order(summary.streams.size());
    std::iota(order.begin(), order.end(), 0);
    const auto is_before = [&](std::size_t a, std::size_t b) {
        const StreamSummary& left = summary.streams[a];
        const StreamSummary& right = summary.streams[b];
        const auto left_number = base::parse_number<std::uint64_t>(left.label);
        const auto right_number = base::parse_number<std::uint64_t>(right.label);
        if (left_number.has_value() != right_number.has_value()) return left_number.has_value();
        if (left_number && *left_number != *right_number) return *left_number < *right_number;
        if (left.label != right.label) return left.label < right.label;
        return left.stream < right.stream;
    };
    std::sort(order.begin(), order.end(), is_before);
    return order;
}

}  // namespace earshot::archive
