#include "client/companion_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/views.h"
#include "base/text.h"
#include "client/client_api.h"
#include "policy/limits.h"
#include "sip/uri.h"

namespace earshot::client {
namespace {

using base::Reason;
using base::Result;
using http::Parameters;
using http::Request;
using http::Response;
using nlohmann::json;

constexpr std::size_t kMaxCallIdBytes = 1024;
constexpr std::int64_t kMaxLongestSeconds = 604'800;
constexpr std::chrono::seconds kPatience{60};  // every server of the list has been silent

int status_of(std::string_view code) {
    if (code == "unknown_call" || code == "unknown_recording") return 404;
    if (code == "bad_request") return 400;
    if (code == "recording_failed") return 502;
    if (code == "no_companion") return 409;
    return 503;  // not_ready, too_many_recordings
}

Reason bad(std::string text) { return {"bad_request", std::move(text)}; }

// A JSON object, or a form (key=value&...), which is easier to write for who has no JSON:
// Kamailio's script has transformations that escape for URLs alone. Anything else is no object.
json parse_body(std::string_view body) {
    if (body.empty()) return json::object();
    if (const auto text = base::trim(body); text.starts_with('{') || text.starts_with('['))
        return json::parse(body, nullptr, false);
    json object = json::object();
    while (!body.empty()) {
        std::string_view value = base::take_until(body, '&');
        const auto name = http::percent_decode(base::take_until(value, '='), true);
        const auto text = http::percent_decode(value, true);
        if (!name || !text || name->empty()) return nullptr;
        if (*text == "true" || *text == "false")
            object[*name] = *text == "true";
        else if (const auto number = base::parse_number<std::int64_t>(*text);
                 number && *name == "longest_s")
            object[*name] = *number;
        else
            object[*name] = base::to_valid_utf8(*text);
    }
    return object;
}

// Reads fields of one JSON object; the first fault stays.
class Fields {
public:
    explicit Fields(const json& object) : object_(object) {}

    void text(const char* name, std::string& target,
              std::size_t max_bytes = policy::kMaxSettingBytes) {
        const json* value = find(name);
        if (value == nullptr) return;
        if (!value->is_string()) return fail(name, "is no text");
        target = value->get<std::string>();
        const bool is_odd = std::any_of(target.begin(), target.end(), [](char c) {
            return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
        });
        if (target.size() > max_bytes)
            return fail(name, fmt::format("has over {} octets", max_bytes));
        if (is_odd) fail(name, "holds control characters");
    }
    // One word of RTPEngine's protocol or SIP: no blanks.
    void token(const char* name, std::string& target) {
        text(name, target, kMaxCallIdBytes);
        if (target.find(' ') != std::string::npos) fail(name, "holds a blank");
    }
    void party(const char* name, policy::CallFacts::Party& target) {
        const json* value = find(name);
        if (value == nullptr) return;
        if (value->is_string()) {
            text(name, target.uri);
        } else if (value->is_object()) {
            Fields fields(*value);
            fields.text("uri", target.uri);
            fields.text("name", target.name);
            if (fields.fault_) fail(name, "is no {\"uri\": text, \"name\": text}");
        } else {
            return fail(name, "is neither a URI nor {\"uri\", \"name\"}");
        }
        if (!target.uri.empty() && target.uri.find(':') == std::string::npos)
            fail(name, fmt::format("holds \"{}\", which is no URI", target.uri));
    }
    void servers(std::vector<std::string>& target) {
        const json* value = find("servers");
        if (value == nullptr) return;
        const json list = value->is_string() ? json::array({*value}) : *value;
        if (!list.is_array() || list.size() > policy::kMaxServers)
            return fail("servers", fmt::format("is no list of up to {}", policy::kMaxServers));
        for (const json& server : list) {
            const std::string uri = server.is_string() ? server.get<std::string>() : std::string{};
            const auto parsed = sip::parse_uri(uri);
            if (!parsed || !parsed->is_sip())
                return fail("servers", fmt::format("holds {}, which is no SIP URI", server.dump()));
            target.push_back(uri);
        }
    }
    void headers(policy::HeaderList& target) {
        const json* value = find("headers");
        if (value == nullptr) return;
        if (!value->is_object() || value->size() > policy::kMaxSetHeaders)
            return fail("headers",
                        fmt::format("is no object of up to {} texts", policy::kMaxSetHeaders));
        Fields fields(*value);
        for (const auto& [name, header] : value->items()) {
            std::string text;
            fields.text(name.c_str(), text);
            target.emplace_back(name, std::move(text));
        }
        if (fields.fault_) fault_ = fields.fault_;
    }
    void seconds(const char* name, std::chrono::seconds& target) {
        const json* value = find(name);
        if (value == nullptr) return;
        if (!value->is_number_integer() || value->get<std::int64_t>() < 0 ||
            value->get<std::int64_t>() > kMaxLongestSeconds)
            return fail(name, fmt::format("is no number of seconds up to {}", kMaxLongestSeconds));
        target = std::chrono::seconds{value->get<std::int64_t>()};
    }
    void flag(const char* name, bool& target) {
        const json* value = find(name);
        if (value == nullptr) return;
        if (!value->is_boolean()) return fail(name, "is neither true nor false");
        target = value->get<bool>();
    }
    const std::optional<Reason>& fault() const { return fault_; }

private:
    const json* find(const char* name) const {
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }
    void fail(std::string_view name, std::string_view why) {
        if (!fault_) fault_ = bad(base::to_valid_utf8(fmt::format("{} {}.", name, why)));
    }

    const json& object_;
    std::optional<Reason> fault_;
};

json view_of(const CompanionView& companion) {
    json view = view_of_recording(companion.recording);
    view["id"] = companion.id;
    view["call_id"] = base::to_valid_utf8(companion.call_id);
    view["from"] = base::to_valid_utf8(companion.from);
    view["to"] = base::to_valid_utf8(companion.to);
    view["rtpengine"] = companion.rtpengine;
    view["begun"] = base::to_rfc3339(companion.begun);
    return view;
}

// The signalling thread's answer; none within `patience` is one, too.
template <class Answer, class Ask>
std::optional<Answer> wait_for(Ask ask, std::chrono::seconds patience) {
    // Shared: whoever comes last, the loop or the waiting worker, frees it.
    const auto promise = std::make_shared<std::promise<Answer>>();
    auto result = promise->get_future();
    ask([promise](Answer answer) { promise->set_value(std::move(answer)); });
    if (result.wait_for(patience) != std::future_status::ready) return std::nullopt;
    return result.get();
}

Response no_answer(bool waits) {
    return waits ? http::problem(504, "no_answer",
                                 "No recording server has answered yet; the attempt goes on.")
                 : http::problem(503, "not_ready", "The signalling thread gave no answer.");
}

Response start(const CompanionApiParts& parts, const Request& request) {
    auto wish = read_companion_wish(request.body);
    if (!wish) return http::problem(400, wish.error().code, wish.error().text);
    Response response;
    response.body = http::Deferred([parts, wish = *std::move(wish)]() mutable {
        using Answer = Result<std::string, Reason>;
        const bool waits = wish.waits && parts.may_wait();
        wish.waits = waits;
        const std::string call_id = wish.call_id;
        const auto answer = wait_for<Answer>(
            [&](auto done) { parts.signalling.start_companion(std::move(wish), done); }, kPatience);
        if (waits) parts.waited();
        if (!answer) return no_answer(waits);
        if (!*answer)
            return http::problem(status_of(answer->error().code), answer->error().code,
                                 answer->error().text);
        Response made =
            api::json_response(201, {{"id", **answer}, {"call_id", base::to_valid_utf8(call_id)}});
        made.headers.push_back({"Location", "/api/v1/companion/recordings/" + **answer});
        return made;
    });
    return response;
}

Response control(const CompanionApiParts& parts, CompanionVerb verb, const Request& request,
                 std::string which) {
    const json body = parse_body(request.body);
    std::string why;
    if (!body.is_object())
        return http::problem(400, "bad_request",
                             R"(The body is neither a JSON object such as {"reason": "card"} nor )"
                             "a form.");
    Fields fields(body);
    fields.text("reason", why, policy::kMaxPhraseBytes);
    if (which.empty()) fields.text("call_id", which, kMaxCallIdBytes);
    if (fields.fault()) return http::problem(400, fields.fault()->code, fields.fault()->text);
    if (which.empty()) return http::problem(400, "bad_request", "call_id must be told.");
    Response response;
    response.body = http::Deferred([parts, verb, which = std::move(which), why] {
        const auto answer = wait_for<std::optional<Reason>>(
            [&](auto done) { parts.signalling.control_companion(verb, which, why, done); },
            kPatience);
        if (!answer) return no_answer(false);
        if (*answer)
            return http::problem(status_of((*answer)->code), (*answer)->code,
                                 base::to_valid_utf8((*answer)->text));
        return api::json_response(200, {{"ok", true}, {"recording", base::to_valid_utf8(which)}});
    });
    return response;
}

Response list(const ClientView& view) {
    json all = json::array();
    const auto shown = view.companions.get();
    for (const CompanionView& one : *shown) all.push_back(view_of(one));
    return api::json_response(200, {{"recordings", std::move(all)}});
}

Response show(const ClientView& view, std::string_view which) {
    const auto all = view.companions.get();
    auto found =
        std::find_if(all->begin(), all->end(), [&](const auto& one) { return one.id == which; });
    if (found == all->end())
        found = std::find_if(all->begin(), all->end(),
                             [&](const auto& one) { return one.call_id == which; });
    if (found != all->end()) return api::json_response(200, view_of(*found));
    return http::problem(404, "unknown_recording",
                         "No running recording has this id or Call-ID; GET "
                         "/api/v1/companion/recordings lists them.");
}

}  // namespace

Result<CompanionWish, Reason> read_companion_wish(std::string_view body) {
    const json object = parse_body(body);
    if (!object.is_object())
        return bad("The body is neither a JSON object nor a form with call_id, from_tag, to_tag.");
    CompanionWish wish;
    Fields fields(object);
    fields.token("call_id", wish.call_id);
    fields.token("from_tag", wish.from_tag);
    fields.token("to_tag", wish.to_tag);
    fields.party("from", wish.from);
    fields.party("to", wish.to);
    fields.text("session_id", wish.session_ids);
    fields.text("instance", wish.instance);
    fields.servers(wish.servers);
    fields.headers(wish.headers);
    fields.text("group", wish.group);
    fields.token("rtpengine", wish.rtpengine);
    fields.seconds("longest_s", wish.longest);
    fields.flag("wait", wish.waits);
    if (fields.fault()) return *fields.fault();
    if (wish.call_id.empty() || wish.from_tag.empty() || wish.to_tag.empty())
        return bad("call_id, from_tag and to_tag must be told.");
    if (wish.from_tag == wish.to_tag) return bad("from_tag and to_tag are the same.");
    return wish;
}

void add_companion_resources(http::Router& router, const CompanionApiParts& parts) {
    const std::string all = "/api/v1/companion/recordings";
    const std::string one = all + "/{recording}";
    router.add("POST", all, [parts](const Request& request, const Parameters&) {
        return start(parts, request);
    });
    router.add("GET", all, [parts](const Request&, const Parameters&) { return list(parts.view); });
    router.add("GET", one, [parts](const Request&, const Parameters& given) {
        return show(parts.view, given[0]);
    });
    const auto add = [&](const char* method, const std::string& path, CompanionVerb verb) {
        router.add(method, path, [parts, verb](const Request& request, const Parameters& given) {
            return control(parts, verb, request, std::string(given[0]));
        });
    };
    add("DELETE", one, CompanionVerb::End);
    for (const auto& [name, verb] :
         {std::pair{"/end", CompanionVerb::End}, std::pair{"/stop", CompanionVerb::Stop},
          std::pair{"/pause", CompanionVerb::Pause}, std::pair{"/resume", CompanionVerb::Resume},
          std::pair{"/look", CompanionVerb::Look}}) {
        add("POST", one + name, verb);
        // The Call-ID in the body: in a path no slash can be escaped.
        router.add("POST", std::string("/api/v1/companion") + name,
                   [parts, verb = verb](const Request& request, const Parameters&) {
                       return control(parts, verb, request, {});
                   });
    }
}

}  // namespace earshot::client
