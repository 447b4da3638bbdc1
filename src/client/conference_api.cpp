#include "client/conference_api.h"

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

constexpr std::chrono::seconds kPatience{60};
constexpr std::int64_t kMaxLongestSeconds = 604'800;
constexpr const char* kPath = "/api/v1/attendances";

int status_of(std::string_view code) {
    if (code == "unknown_attendance") return 404;
    if (code == "bad_request") return 400;
    if (code == "already_attended") return 409;
    if (code == "not_ready" || code == "too_many_recordings") return 503;
    return 502;  // the conference or a recording server said no
}

Reason bad(std::string text) { return {"bad_request", std::move(text)}; }

json view_of(const RosterView& conference) {
    json view{{"call", std::to_string(conference.call)},
              {"uri", base::to_valid_utf8(conference.uri)},
              {"state", conference.state},
              {"present", conference.present},
              {"left_out", conference.left_out},
              {"reason", nullptr}};
    if (!conference.reason.text.empty())
        view["reason"] = {{"code", conference.reason.code},
                          {"text", base::to_valid_utf8(conference.reason.text)}};
    return view;
}

json view_of(const AttendanceView& attendance) {
    return {{"id", attendance.id},
            {"uri", base::to_valid_utf8(attendance.uri)},
            {"call_id", attendance.call_id},
            {"state", attendance.state},
            {"is_focus", attendance.is_focus},
            {"chat", attendance.chat},
            {"begun", base::to_rfc3339(attendance.begun)},
            {"recording", view_of_recording(attendance.recording)}};
}

Response attend(const CompanionApiParts& parts, const Request& request) {
    auto wish = read_attend_wish(request.body);
    if (!wish) return http::problem(400, wish.error().code, wish.error().text);
    Response response;
    response.body = http::Deferred([parts, wish = *std::move(wish)]() mutable {
        using Answer = Result<std::string, Reason>;
        const bool waits = wish.waits && parts.may_wait();
        wish.waits = waits;
        // Shared: whoever comes last, the loop or the waiting worker, frees it.
        const auto promise = std::make_shared<std::promise<Answer>>();
        auto result = promise->get_future();
        parts.signalling.attend(std::move(wish),
                                [promise](Answer given) { promise->set_value(std::move(given)); });
        const bool is_answered = result.wait_for(kPatience) == std::future_status::ready;
        if (waits) parts.waited();
        if (!is_answered)
            return http::problem(504, "no_answer",
                                 "Nobody has answered yet; the attempt goes on. GET "
                                 "/api/v1/attendances shows it.");
        const Answer answer = result.get();
        if (!answer)
            return http::problem(status_of(answer.error().code), answer.error().code,
                                 base::to_valid_utf8(answer.error().text));
        Response made = api::json_response(201, {{"id", *answer}});
        made.headers.push_back({"Location", std::string(kPath) + "/" + *answer});
        return made;
    });
    return response;
}

Response leave(const CompanionApiParts& parts, const Request& request, std::string id) {
    const json body =
        request.body.empty() ? json::object() : json::parse(request.body, nullptr, false);
    if (!body.is_object())
        return http::problem(400, "bad_request",
                             R"(The body is no JSON object such as {"reason": "over"}.)");
    std::string why;
    if (const auto found = body.find("reason"); found != body.end() && found->is_string())
        why = base::to_valid_utf8(found->get<std::string>().substr(0, policy::kMaxPhraseBytes));
    Response response;
    response.body = http::Deferred([parts, id = std::move(id), why = std::move(why)] {
        using Answer = std::optional<Reason>;
        const auto promise = std::make_shared<std::promise<Answer>>();
        auto result = promise->get_future();
        parts.signalling.stop_attending(
            id, why, [promise](Answer given) { promise->set_value(std::move(given)); });
        if (result.wait_for(kPatience) != std::future_status::ready)
            return http::problem(503, "not_ready", "The signalling thread gave no answer.");
        if (const Answer fault = result.get())
            return http::problem(status_of(fault->code), fault->code, fault->text);
        return api::json_response(200, {{"ok", true}, {"attendance", id}});
    });
    return response;
}

}  // namespace

Result<AttendWish, Reason> read_attend_wish(std::string_view body) {
    const json object = json::parse(body, nullptr, false);
    if (!object.is_object())
        return bad(R"(The body is no JSON object such as {"uri": "sip:room@conf.example"}.)");
    AttendWish wish;
    for (const auto& [name, value] : object.items()) {
        std::string* text = name == "uri"        ? &wish.uri
                            : name == "identity" ? &wish.identity
                            : name == "name"     ? &wish.name
                            : name == "instance" ? &wish.instance
                                                 : nullptr;
        if (text != nullptr) {
            if (!value.is_string() ||
                value.get_ref<const std::string&>().size() > policy::kMaxSettingBytes)
                return bad(name + " is no text, or too long.");
            *text = value.get<std::string>();
            const bool is_odd = std::any_of(text->begin(), text->end(), [](char c) {
                return static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '"' || c == '\\';
            });
            if (is_odd) return bad(name + " holds control characters, quotes or backslashes.");
        } else if (name == "audio" || name == "video" || name == "chat" || name == "again" ||
                   name == "wait") {
            if (!value.is_boolean()) return bad(name + " is neither true nor false.");
            bool& wished = name == "audio"   ? wish.takes_audio
                           : name == "video" ? wish.takes_video
                           : name == "chat"  ? wish.takes_chat
                           : name == "again" ? wish.is_again
                                             : wish.waits;
            wished = value.get<bool>();
        } else if (name == "longest_s") {
            if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
                value.get<std::int64_t>() > kMaxLongestSeconds)
                return bad("longest_s is no number of seconds up to 604800.");
            wish.longest = std::chrono::seconds{value.get<std::int64_t>()};
        } else if (name == "servers") {
            if (!value.is_array() || value.size() > policy::kMaxServers)
                return bad("servers is no list, or too long.");
            for (const json& server : value) {
                const std::string uri = server.is_string() ? server.get<std::string>() : "";
                const auto parsed = sip::parse_uri(uri);
                if (!parsed || !parsed->is_sip()) return bad("servers holds what is no SIP URI.");
                wish.servers.push_back(uri);
            }
        } else {
            return bad("There is no field \"" + base::to_valid_utf8(name) + "\".");
        }
    }
    for (const std::string* uri : {&wish.uri, &wish.identity}) {
        if (uri->empty() && uri == &wish.identity) continue;
        const auto parsed = sip::parse_uri(*uri);
        if (!parsed || !parsed->is_sip() || uri->find_first_of(" <>") != std::string::npos)
            return bad(uri == &wish.uri ? "uri must be the SIP URI of a conference."
                                        : "identity is no SIP URI.");
    }
    if (!wish.takes_audio && !wish.takes_video && !wish.takes_chat)
        return bad("Neither audio nor video nor chat is wished: there is nothing to record.");
    return wish;
}

void add_conference_resources(http::Router& router, const CompanionApiParts& parts) {
    router.add("GET", "/api/v1/rosters", [parts](const Request&, const Parameters&) {
        json all = json::array();
        const auto rosters = parts.view.rosters.get();
        for (const RosterView& one : *rosters) all.push_back(view_of(one));
        return api::json_response(200, {{"rosters", std::move(all)}});
    });
    router.add("POST", kPath, [parts](const Request& request, const Parameters&) {
        return attend(parts, request);
    });
    router.add("GET", kPath, [parts](const Request&, const Parameters&) {
        json all = json::array();
        const auto attendances = parts.view.attendances.get();
        for (const AttendanceView& one : *attendances) all.push_back(view_of(one));
        return api::json_response(200, {{"attendances", std::move(all)}});
    });
    const std::string one = std::string(kPath) + "/{attendance}";
    router.add("GET", one, [parts](const Request&, const Parameters& given) {
        const auto attendances = parts.view.attendances.get();
        for (const AttendanceView& view : *attendances)
            if (view.id == given[0]) return api::json_response(200, view_of(view));
        return http::problem(404, "unknown_attendance",
                             "No attendance has this id; GET /api/v1/attendances lists them.");
    });
    router.add("DELETE", one, [parts](const Request& request, const Parameters& given) {
        return leave(parts, request, std::string(given[0]));
    });
}

}  // namespace earshot::client
