#include "client/focus_api.h"

#include <future>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/views.h"
#include "base/text.h"
#include "client/client_api.h"
#include "http/message.h"

namespace earshot::client {
namespace {

using base::Reason;
using http::Parameters;
using http::Request;
using http::Response;
using nlohmann::json;

constexpr std::chrono::seconds kPatience{10};

json view_of(const ConferenceView& conference) {
    json participants = json::array();
    for (const ParticipantView& one : conference.participants)
        participants.push_back({{"number", one.number},
                                {"uri", base::to_valid_utf8(one.uri)},
                                {"name", base::to_valid_utf8(one.name)},
                                {"call_id", base::to_valid_utf8(one.call_id)},
                                {"codec", one.codec},
                                {"joined", base::to_rfc3339(one.joined)},
                                {"told", one.told},
                                {"muted", one.is_muted},
                                {"held", one.is_on_hold},
                                {"speaker", one.is_speaker},
                                {"camera", one.camera},
                                {"content", one.content},
                                {"seen", one.is_seen},
                                {"presenter", one.is_presenter},
                                {"chat", one.is_chatting},
                                {"nickname", base::to_valid_utf8(one.nickname)}});
    json recordings = json::array();
    for (const RecordingView& recording : conference.recordings)
        recordings.push_back(view_of_recording(recording));
    return {{"conference", std::to_string(conference.conference)},
            {"room", base::to_valid_utf8(conference.room)},
            {"uri", base::to_valid_utf8(conference.uri)},
            {"recorded_as", conference.recorded_as},
            {"begun", base::to_rfc3339(conference.begun)},
            {"late", conference.late},
            {"participants", std::move(participants)},
            {"recordings", std::move(recordings)}};
}

Response mute(Signalling& signalling, std::string room, std::string_view text, bool is_muted) {
    const auto number = base::parse_number<std::uint32_t>(text);
    if (!number)
        return http::problem(404, "unknown_participant",
                             "Participants have numbers; GET /api/v1/conferences lists them.");
    Response response;
    response.body =
        http::Deferred([&signalling, room = std::move(room), number = *number, is_muted] {
            using Answer = std::optional<Reason>;
            // Shared: whoever comes last, the loop or the waiting worker, frees it.
            const auto answer = std::make_shared<std::promise<Answer>>();
            auto result = answer->get_future();
            signalling.mute(room, number, is_muted,
                            [answer](Answer given) { answer->set_value(std::move(given)); });
            if (result.wait_for(kPatience) != std::future_status::ready)
                return http::problem(503, "not_ready", "The signalling thread gave no answer.");
            if (const Answer fault = result.get())
                return http::problem(404, fault->code, fault->text);
            return api::json_response(200, {{"ok", true}, {"muted", is_muted}});
        });
    return response;
}

}  // namespace

void add_focus_resources(http::Router& router, Signalling& signalling, const ClientView& view) {
    router.add("GET", "/api/v1/conferences", [&view](const Request&, const Parameters&) {
        json conferences = json::array();
        const auto shown = view.conferences.get();
        for (const ConferenceView& conference : *shown) conferences.push_back(view_of(conference));
        return api::json_response(200, {{"conferences", std::move(conferences)}});
    });
    for (const bool is_muted : {true, false})
        router.add("POST",
                   std::string("/api/v1/conferences/{room}/participants/{number}/") +
                       (is_muted ? "mute" : "unmute"),
                   [&signalling, is_muted](const Request&, const Parameters& given) {
                       return mute(signalling, std::string(given[0]), given[1], is_muted);
                   });
}

}  // namespace earshot::client
