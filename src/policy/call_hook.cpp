#include "policy/call_hook.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/json_writer.h"
#include "base/text.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

using nlohmann::json;
using Fault = std::optional<base::Reason>;

base::Reason wrong(std::string text) {
    return {"bad_answer", "The answer of the decision hook " + std::move(text) + "."};
}

void write_party(base::JsonWriter& out, std::string_view name, const CallFacts::Party& party) {
    out.key(name).begin_object().field("uri", party.uri).field("name", party.name).end_object();
}

// Reads the members of one instance into its settings; the first fault ends it.
class SettingsReader {
public:
    SettingsReader(const json& object, RecordingSettings& settings)
        : object_(object), settings_(settings) {}

    Fault read() {
        text("skip_failover_codes", settings_.skip_failover_codes);
        text("group", settings_.group);
        text("caller", settings_.caller);
        text("callee", settings_.callee);
        text("from_uri", settings_.from_uri);
        text("to_uri", settings_.to_uri);
        text("socket", settings_.socket);
        text("media", settings_.media);
        text("session_extension", settings_.session_extension);
        text("group_extension", settings_.group_extension);
        text("extension_namespace", settings_.extension_namespace);
        texts("servers", settings_.servers);
        texts("streams", settings_.streams);
        flag("on_demand", settings_.on_demand);
        flag("mandatory", settings_.mandatory);
        flag("raw_group", settings_.raw_group);
        flag("raw_extensions", settings_.raw_extensions);
        headers();
        start_at();
        indication("indication");
        indication("agreed_reason");
        indication("recordpref");
        if (const auto wrong_with = find_fault(settings_.indication);
            !fault_ && !wrong_with.empty())
            fault_ = wrong(wrong_with);
        parallel();
        if (!fault_ && settings_.servers.empty()) fault_ = wrong("names no server");
        return fault_;
    }

private:
    const json* find(const char* name) const {
        const auto found = object_.find(name);
        return fault_ || found == object_.end() || found->is_null() ? nullptr : &*found;
    }
    void refuse(std::string_view name, std::string_view what) {
        fault_ = wrong(fmt::format("has {} that {}", name, what));
    }

    void text(const char* name, std::string& value) {
        const json* member = find(name);
        if (member == nullptr) return;
        if (!member->is_string() || member->get_ref<const std::string&>().size() > kMaxSettingBytes)
            return refuse(name, fmt::format("is no text of up to {} octets", kMaxSettingBytes));
        value = member->get<std::string>();
    }
    void texts(const char* name, std::vector<std::string>& values) {
        const json* member = find(name);
        if (member == nullptr) return;
        const auto is_text = [](const json& item) {
            return item.is_string() &&
                   item.get_ref<const std::string&>().size() <= kMaxSettingBytes;
        };
        if (!member->is_array() || member->size() > kMaxServers ||
            !std::all_of(member->begin(), member->end(), is_text))
            return refuse(name, fmt::format("is no list of up to {} texts", kMaxServers));
        values = member->get<std::vector<std::string>>();
    }
    void parallel() {
        const json* member = find("parallel");
        if (member == nullptr) return;
        const auto count = member->is_string() ? parse_parallel(member->get<std::string>())
                           : member->is_number_unsigned() ? parse_parallel(member->dump())
                                                          : std::nullopt;
        if (!count) return refuse("parallel", "is neither a number of servers nor \"all\"");
        settings_.parallel = *count;
    }
    void flag(const char* name, bool& value) {
        const json* member = find(name);
        if (member == nullptr) return;
        if (!member->is_boolean()) return refuse(name, "is neither true nor false");
        value = member->get<bool>();
    }
    void headers() {
        const json* member = find("headers");
        if (member == nullptr) return;
        if (!member->is_object() || member->size() > kMaxSetHeaders)
            return refuse("headers", "is no object of names and texts");
        settings_.headers.clear();
        for (const auto& [name, value] : member->items()) {
            if (!value.is_string()) return refuse("headers", "is no object of names and texts");
            settings_.headers.emplace_back(name, value.get<std::string>());
        }
    }
    void start_at() {
        std::string word;
        text("start_at", word);
        if (fault_ || word.empty()) return;
        const auto at = parse_start_at(word);
        if (!at) return refuse("start_at", "is not answer, early or invite");
        settings_.start_at = *at;
    }

    void indication(const char* name) {
        std::string word;
        text(name, word);
        if (fault_ || word.empty()) return;
        const std::string what = set_indication(settings_.indication, name, word);
        if (!what.empty()) refuse(name, what);
    }

    const json& object_;
    RecordingSettings& settings_;
    Fault fault_{};
};

}  // namespace

std::string make_call_question(const CallFacts& facts) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().field("call_id", facts.call_id);
    write_party(out, "from", facts.from);
    write_party(out, "to", facts.to);
    if (!facts.asserted.uri.empty()) write_party(out, "asserted", facts.asserted);
    out.field("request_uri", facts.request_uri)
        .field("source", facts.source)
        .field("direction", facts.is_outbound ? "outbound" : "inbound")
        .field("time", base::to_rfc3339(facts.time));
    // Fields of one name are one field (RFC 3261 section 7.3.1).
    std::map<std::string, std::string> headers;
    for (const auto& [name, value] : facts.headers) {
        // Nobody else's business, and over plain HTTP.
        if (base::iequals(name, "Authorization") || base::iequals(name, "Proxy-Authorization"))
            continue;
        std::string& all = headers[name];
        all += all.empty() ? value : ", " + value;
    }
    out.key("headers").begin_object();
    for (const auto& [name, value] : headers) out.any_key(name).text(value);
    out.end_object().end_object();
    return text;
}

base::Result<std::vector<RecordingPlan>, base::Reason> parse_call_answer(
    std::string_view text, const RecordingSettings& defaults, const CallFacts& facts) {
    if (text.size() > kMaxAnswerBytes) return wrong("is too large");
    const json answer = json::parse(text, nullptr, false);
    if (!answer.is_object()) return wrong("is no JSON object");
    const auto record = answer.find("record");
    if (record == answer.end() || !record->is_boolean())
        return wrong("has no member record that is true or false");
    std::vector<RecordingPlan> plans;
    if (!record->get<bool>()) return plans;
    const json usual = json::array({json::object()});
    const auto found = answer.find("instances");
    const json& instances = found == answer.end() || found->is_null() ? usual : *found;
    if (!instances.is_array() || instances.empty() || instances.size() > kMaxInstances)
        return wrong(
            fmt::format("has instances that are no list of 1 to {} objects", kMaxInstances));
    for (const json& instance : instances) {
        if (!instance.is_object()) return wrong("has an instance that is no object");
        RecordingPlan plan{
            .instance = std::string(kDefaultInstance), .rule = {}, .settings = defaults};
        const auto name = instance.find("instance");
        if (name != instance.end() && name->is_string()) plan.instance = name->get<std::string>();
        if (plan.instance.empty() || plan.instance.size() > kMaxNameBytes)
            return wrong("has an instance without a usable name");
        for (const RecordingPlan& other : plans)
            if (other.instance == plan.instance) return wrong("names an instance twice");
        if (auto fault = SettingsReader(instance, plan.settings).read()) return *fault;
        plan.settings = resolve(std::move(plan.settings), facts);
        plans.push_back(std::move(plan));
    }
    return plans;
}

}  // namespace earshot::policy
