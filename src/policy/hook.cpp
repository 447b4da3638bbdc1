#include "policy/hook.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/json_writer.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

using nlohmann::json;

base::Reason wrong(std::string text) {
    return {"bad_answer", "The answer of the decision hook " + std::move(text) + "."};
}

// The text of an optional member; false when it is there and is no such text.
bool read_text(const json& object, const char* name, std::size_t limit, std::string& text) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_string() || found->get_ref<const std::string&>().size() > limit) return false;
    text = found->get<std::string>();
    return true;
}

bool read_number(const json& object, const char* name, int low, int high,
                 std::optional<int>& value) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_number_integer()) return false;
    const auto number = found->get<std::int64_t>();
    if (number < low || number > high) return false;
    value = static_cast<int>(number);
    return true;
}

bool read_streams(const json& answer, std::vector<StreamPattern>& streams) {
    const auto found = answer.find("streams");
    if (found == answer.end() || found->is_null()) return true;
    if (!found->is_array() || found->size() > kMaxAnswerStreams) return false;
    for (const json& item : *found) {
        StreamPattern pattern;
        if (!item.is_object() || !read_text(item, "medium", kMaxPatternBytes, pattern.medium) ||
            !read_text(item, "label", kMaxPatternBytes, pattern.label) ||
            !read_text(item, "codec", kMaxPatternBytes, pattern.codec))
            return false;
        if (pattern == StreamPattern{}) return false;  // would be every stream, by a slip
        streams.push_back(std::move(pattern));
    }
    return true;
}

void write_texts(base::JsonWriter& out, std::string_view name,
                 const std::vector<std::string>& texts) {
    out.key(name).begin_array();
    for (const std::string& text : texts) out.text(text);
    out.end_array();
}

}  // namespace

std::string make_question(const InviteFacts& facts) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object()
        .field("call_id", facts.call_id)
        .field("from", facts.from)
        .field("to", facts.to)
        .field("direction", facts.is_outgoing ? "outgoing" : "incoming")
        .field("peer", facts.peer)
        .field("peer_address", facts.peer_address)
        .field("time", base::to_rfc3339(facts.time));
    out.key("participants").begin_array();
    for (const InviteFacts::Party& party : facts.participants)
        out.begin_object().field("aor", party.aor).field("name", party.name).end_object();
    out.end_array().field("group", facts.group);
    write_texts(out, "session_ids", facts.session_ids);
    // Fields of one name are one field (RFC 3261 section 7.3.1).
    std::map<std::string, std::string> headers;
    for (const auto& [name, value] : facts.headers) {
        std::string& all = headers[name];
        all += all.empty() ? value : ", " + value;
    }
    out.key("headers").begin_object();
    for (const auto& [name, value] : headers) out.any_key(name).text(value);
    out.end_object().key("streams").begin_array();
    for (const OfferedStream& stream : facts.streams) {
        out.begin_object().field("label", stream.label).field("medium", stream.medium);
        write_texts(out, "codecs", stream.codecs);
        out.end_object();
    }
    out.end_array().end_object();
    return text;
}

base::Result<Outcome, base::Reason> parse_answer(std::string_view text) {
    if (text.size() > kMaxAnswerBytes) return wrong("is too large");
    const json answer = json::parse(text, nullptr, false);
    if (!answer.is_object()) return wrong("is no JSON object");
    std::string name;
    const bool has_action = read_text(answer, "action", kMaxNameBytes, name) && !name.empty();
    const auto action = parse_action(name);
    if (!has_action || !action)
        return wrong("has no action that is record, decline, inactive or streams");
    Outcome outcome;
    outcome.action = *action;
    std::optional<int> code;
    std::optional<int> record_after;
    if (!read_number(answer, "code", 400, 699, code)) return wrong("has a code outside 400 to 699");
    if (!read_text(answer, "reason", kMaxPhraseBytes, outcome.phrase))
        return wrong(
            fmt::format("has a reason that is no text of up to {} octets", kMaxPhraseBytes));
    if (!read_streams(answer, outcome.streams))
        return wrong("has streams that are no list of {medium, label, codec}");
    if (!read_number(answer, "record_after_s", 0, kMaxRecordAfterSeconds, record_after))
        return wrong("has a record_after_s that is no number of seconds up to a day");
    if (*action == Action::Streams && outcome.streams.empty())
        return wrong("says streams and names none");
    outcome.code = code.value_or(kDefaultDeclineCode);
    if (record_after) outcome.record_after = std::chrono::seconds{*record_after};
    return outcome;
}

}  // namespace earshot::policy
