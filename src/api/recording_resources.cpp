#include "api/recording_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "api/erasure.h"
#include "api/refusal.h"
#include "api/rendered_source.h"
#include "api/request_body.h"
#include "api/views.h"
#include "api/whole_view.h"
#include "archive/summary.h"
#include "archive/transcript.h"
#include "base/text.h"
#include "base/uuid.h"
#include "siprec/metadata.h"

namespace earshot::api {
namespace {

using nlohmann::json;

// A JSON rendering is held in memory to take it apart; the events of a long call fit many times.
constexpr std::size_t kMaxJsonBytes = 64ULL * 1024 * 1024;

// Finds the recording and gives it to `then`, or answers why not.
template <class Then>
http::Response with_recording(catalog::Catalog& catalog, std::string_view id, const Then& then) {
    auto found = catalog.find(id);
    if (!found) return refuse(found.error());
    return then(*found);
}

// The same with the piece that the request names; without a name with the whole recording.
template <class Then>
http::Response with_named(catalog::Catalog& catalog, const http::Request& request,
                          std::string_view id, const Then& then) {
    return with_recording(catalog, id, [&](const catalog::Recording& recording) {
        const auto name = request.query_value("piece");
        if (!name) return then(recording);
        const catalog::Recording* piece = find_piece(recording, *name);
        if (piece == nullptr)
            return http::problem(
                404, "not_found",
                fmt::format("The recording has no such piece: piece is a number from 1 to {}, or "
                            "so much of a piece's id that no other piece is meant.",
                            pieces_of(recording).size()));
        return then(*piece);
    });
}

http::Response ask_for_piece(const catalog::Recording& recording) {
    return http::problem(
        409, "several_pieces",
        fmt::format("The recording has {0} pieces, and this is asked of one: say piece=1 to "
                    "piece={0}.",
                    recording.pieces.size()));
}

// For what one piece has and a whole recording has not.
template <class Then>
http::Response with_piece(catalog::Catalog& catalog, const http::Request& request,
                          std::string_view id, const Then& then) {
    return with_named(catalog, request, id, [&](const catalog::Recording& recording) {
        return recording.pieces.empty() ? then(recording) : ask_for_piece(recording);
    });
}

struct Page {
    std::size_t limit = 100;
    std::string after{};
};

// The query's `limit` and `after`; nullopt when they make no sense. An `after` that is no whole id
// would page from anywhere, so it is refused; one that is not there pages from its place.
std::optional<Page> page_of(const http::Request& request) {
    Page page;
    if (const auto limit = request.query_value("limit")) {
        const auto number = base::parse_number<std::size_t>(*limit);
        if (!number || *number == 0 || *number > catalog::kMaxPage) return std::nullopt;
        page.limit = *number;
    }
    if (const auto after = request.query_value("after")) {
        constexpr std::size_t kIdSize = 36;
        if (after->size() != kIdSize || !base::parse_uuid(*after)) return std::nullopt;
        page.after = base::to_lower(*after);
    }
    return page;
}

http::Response bad_page() {
    return http::problem(
        400, "bad_query",
        fmt::format("limit must be a number from 1 to {}, after must be a whole id.",
                    catalog::kMaxPage));
}

template <class Row>
http::Response page_response(std::string_view name, const std::vector<Row>& rows, json views,
                             std::size_t limit) {
    json body;
    body[std::string(name)] = std::move(views);
    body["next"] = rows.size() == limit ? json(rows.back().id) : json(nullptr);
    return json_response(200, body);
}

std::string text_value(const http::Request& request, std::string_view name) {
    constexpr std::size_t kMaxText = 256;
    return std::string(request.query_value(name).value_or("").substr(0, kMaxText));
}

// A CS-Group's id in the form that the catalogue has: however the peer wrote its UUID.
std::string group_value(const http::Request& request) {
    const std::string text = text_value(request, "group");
    const auto uuid = siprec::MetadataId{text}.uuid();
    return uuid ? base::to_string(*uuid) : text;
}

base::Result<json, base::Reason> read_json(const RecordingFiles& files,
                                           const catalog::Recording& recording) {
    auto rendering =
        files.render(recording, archive::Format::Json, archive::Reading::Everything, {});
    if (!rendering) return rendering.error();
    std::string text;
    for (std::string chunk;;) {
        chunk.clear();
        auto more = (*rendering)->next(chunk);
        if (!more) return more.error();
        if (!*more) break;
        if (text.size() + chunk.size() > kMaxJsonBytes)
            return base::Reason{"too_large",
                                "The recording's events are too large to list; "
                                "export them with format=json."};
        text += chunk;
    }
    json parsed = json::parse(text, nullptr, false);
    if (!parsed.is_object())
        return base::Reason{"damaged", "The recording's events are not valid JSON."};
    return parsed;
}

constexpr std::size_t kMaxRelated = 100;

json view_of_related(const catalog::Recording& other) {
    const json whole = view_of_whole(other, {});
    return {{"id", whole["id"]},
            {"state", whole["state"]},
            {"start", whole["start"]},
            {"duration_ms", whole["duration_ms"]},
            {"participants", whole["participants"]}};
}

// Of a recording of several pieces: sums, and each fault with its piece.
void add_verification(json& whole, json piece, std::size_t number) {
    if (whole.is_null())
        whole = {{"ok", true},
                 {"parts", 0},
                 {"bytes", 0},
                 {"public_key", piece["public_key"]},
                 {"encrypted", false},
                 {"contents", piece["contents"]},
                 {"contents_text", piece["contents_text"]},
                 {"faults", json::array()},
                 {"problems", json::array()}};
    whole["ok"] = whole["ok"] == json(true) && piece["ok"] == json(true);
    whole["encrypted"] = whole["encrypted"] == json(true) || piece["encrypted"] == json(true);
    if (whole["contents"] == "checked" && piece["contents"] != "checked") {
        whole["contents"] = piece["contents"];
        whole["contents_text"] =
            fmt::format("Piece {}: {}", number, piece["contents_text"].get<std::string>());
    }
    for (const char* name : {"parts", "bytes"})
        whole[name] = whole[name].get<std::uint64_t>() + piece[name].get<std::uint64_t>();
    for (json& fault : piece["faults"]) {
        fault["piece"] = number;
        whole["faults"].push_back(std::move(fault));
    }
    for (const json& problem : piece["problems"])
        whole["problems"].push_back(
            fmt::format("piece {}: {}", number, problem.get<std::string>()));
}

// Rendering until it ends, as a body of unknown size.
http::Producer produce(std::unique_ptr<archive::Rendering> rendering) {
    // std::function copies its target, so the rendering has to be shared.
    return [shared = std::shared_ptr<archive::Rendering>(std::move(rendering))](
               std::string& chunk) { return shared->next(chunk); };
}

}  // namespace

std::variant<catalog::Recording, http::Response> RecordingResources::find_named(
    const http::Request& request, std::string_view id) const {
    std::optional<catalog::Recording> found;
    http::Response answer =
        with_named(catalog_, request, id, [&](const catalog::Recording& recording) {
            found = recording;
            return http::Response{};
        });
    if (found) return *std::move(found);
    return answer;
}

std::variant<catalog::Recording, http::Response> RecordingResources::find_named_piece(
    const http::Request& request, std::string_view id) const {
    std::optional<catalog::Recording> found;
    http::Response answer = with_piece(catalog_, request, id, [&](const catalog::Recording& piece) {
        found = piece;
        return http::Response{};
    });
    if (found) return *std::move(found);
    return answer;
}

http::Response RecordingResources::list(const http::Request& request,
                                        const std::vector<LiveCall>& live) const {
    auto page = page_of(request);
    if (!page) return bad_page();
    catalog::RecordingQuery query;
    query.limit = page->limit;
    query.after = std::move(page->after);
    query.text = text_value(request, "q");
    query.call_id = text_value(request, "call_id");
    query.session_id = text_value(request, "session_id");
    query.group = group_value(request);
    auto rows = catalog_.list(query);
    if (!rows) return refuse(rows.error());
    json views = json::array();
    for (const catalog::Recording& row : *rows) views.push_back(view_of_whole(row, live));
    return page_response("recordings", *rows, std::move(views), query.limit);
}

http::Response RecordingResources::list_attempts(const http::Request& request) const {
    auto page = page_of(request);
    if (!page) return bad_page();
    const std::string id{request.query_value("id").value_or("")};
    auto rows = catalog_.list_attempts({.limit = page->limit, .after = page->after, .id = id});
    if (!rows) return refuse(rows.error());
    json views = json::array();
    for (const catalog::Attempt& row : *rows) views.push_back(view_of(row));
    return page_response("attempts", *rows, std::move(views), page->limit);
}

http::Response RecordingResources::count_by_peer(const http::Request& request,
                                                 base::WallTime now) const {
    constexpr std::chrono::hours kWeek{7 * 24};
    base::WallTime since = now - kWeek;
    if (const auto given = request.query_value("since")) {
        const auto time = base::parse_time(*given);
        if (!time)
            return http::problem(400, "bad_query",
                                 "since is a time like 2026-03-02T09:15:00Z (RFC 3339).");
        since = time->time;
    }
    const auto counts = catalog_.count_by_peer(since);
    if (!counts) return refuse(counts.error());
    return json_response(200, {{"since", base::to_rfc3339(since)}, {"peers", view_of(*counts)}});
}

http::Response RecordingResources::show(std::string_view id,
                                        const std::vector<LiveCall>& live) const {
    return with_recording(catalog_, id, [&](const catalog::Recording& recording) {
        json view = view_of_whole(recording, live);
        view["peer"] = recording.peer;
        view["directory"] = recording.directory;
        const auto attempt = catalog_.list_attempts({.limit = 1, .recording_id = recording.id});
        view["direction"] = direction_of(attempt && !attempt->empty() && attempt->front().is_ours);
        view["related"] = json::array();
        if (recording.group.empty()) return json_response(200, view);
        const auto group = catalog_.list({.limit = kMaxRelated, .group = recording.group});
        if (!group) return refuse(group.error());
        for (const catalog::Recording& other : *group)
            if (other.id != recording.id) view["related"].push_back(view_of_related(other));
        return json_response(200, view);
    });
}

http::Response RecordingResources::events(const http::Request& request, std::string_view id) const {
    return with_named(catalog_, request, id, [&](const catalog::Recording& recording) {
        json all = json::array();
        const auto pieces = pieces_of(recording);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            if (pieces.size() > 1 && was_never_written(pieces[i])) continue;
            auto whole = read_json(files_, pieces[i]);
            if (!whole) return refuse(whole.error());
            for (json& event : (*whole)["events"]) {
                if (pieces.size() > 1 && event.is_object()) event["piece"] = i + 1;
                all.push_back(std::move(event));
            }
        }
        const auto arrival = [](const json& event) {
            const auto found = event.is_object() ? event.find("arrival_ns") : event.end();
            return found != event.end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                                      : std::int64_t{0};
        };
        if (pieces.size() > 1)
            std::stable_sort(all.begin(), all.end(),
                             [&](const json& a, const json& b) { return arrival(a) < arrival(b); });
        return json_response(200, {{"events", std::move(all)}});
    });
}

namespace {

http::Response no_control() {
    return http::problem(503, "not_ready", "This server controls no calls.");
}

}  // namespace

http::Response RecordingResources::start(StartRequest wish, const std::string& body,
                                         Control* control) {
    if (control == nullptr) return no_control();
    const auto fields = RequestBody::parse(body);
    if (!fields) return RequestBody::refusal();
    wish.at = fields->text("at");
    wish.call = fields->text("call");
    wish.who = fields->short_text("who");
    wish.reason = fields->short_text("reason");
    const auto started = control->start(wish);
    if (!started) return refuse(started.error());
    return json_response(202, {{"id", started->recording}, {"attempt_id", started->attempt}});
}

http::Response RecordingResources::control(std::string_view id, ControlRequest wish,
                                           const std::string& body, Control* control) const {
    if (control == nullptr) return no_control();
    const auto fields = RequestBody::parse(body);
    if (!fields) return RequestBody::refusal();
    wish.who = fields->short_text("who");
    wish.reason = fields->short_text("reason");
    // By its full id also without its row: while the catalogue is late, calls run.
    const auto whole = base::parse_uuid(id);
    const auto row = catalog_.find(id);
    if (!row && !whole) return refuse(row.error());
    std::vector<std::string> running;
    if (!row) running.push_back(base::to_string(*whole));
    if (row)
        for (const catalog::Recording& piece : pieces_of(*row))
            if (piece.state == catalog::State::Recording) running.push_back(piece.id);
    if (running.empty())
        return refuse({"not_running", fmt::format("The recording {} runs no more.", row->id)});
    // Done when one of them does it: the others may have no such stream, or end just now.
    std::optional<base::Reason> refusal;
    bool is_done = false;
    for (std::string& piece : running) {
        wish.recording = std::move(piece);
        auto refused = control->control(wish);
        if (refused)
            refusal = std::move(refused);
        else
            is_done = true;
    }
    if (!is_done) return refuse(*refusal);
    if (refusal && refusal->code != "not_running" && refusal->code != "no_such_stream")
        return refuse(*refusal);  // a piece goes on as it was
    // What the client says to it is still to come.
    return json_response(202, {{"id", row ? row->id : base::to_string(*whole)}});
}

http::Response RecordingResources::erase(std::string_view id, ErasureRequest wish,
                                         const std::string& body) const {
    const auto fields = RequestBody::parse(body);
    if (!fields) return RequestBody::refusal();
    wish.who = fields->short_text("who");
    wish.reason = fields->short_text("reason");
    const base::Reason reason{
        "erased", fmt::format("Erased on {} by {} ({}, {}){}", base::to_rfc3339(wish.at),
                              wish.who.empty() ? "somebody" : wish.who, wish.access, wish.from,
                              wish.reason.empty() ? "." : ": " + wish.reason)};
    return with_recording(catalog_, id, [&](const catalog::Recording& recording) {
        if (auto refused = Erasure(catalog_, files_, log_, renditions_).run(recording, reason))
            return std::move(*refused);
        return json_response(200, {{"id", recording.id}, {"reason", reason.text}});
    });
}

http::Response RecordingResources::manifest(const http::Request& request,
                                            std::string_view id) const {
    return with_piece(catalog_, request, id, [&](const catalog::Recording& piece) {
        auto whole = read_json(files_, piece);
        if (!whole) return refuse(whole.error());
        return json_response(200, (*whole)["manifest"]);
    });
}

http::Response RecordingResources::parts(const http::Request& request, std::string_view id) const {
    return with_piece(catalog_, request, id, [&](const catalog::Recording& piece) {
        auto whole = read_json(files_, piece);
        if (!whole) return refuse(whole.error());
        const json& manifest = (*whole)["manifest"];
        json body{
            {"parts", json::array()},
            {"exports",
             {"wav", "stereo", "pcap", "xml", "json", "vtt", "srt", "txt", "timeline", "chat"}}};
        if (renditions_ != nullptr)
            for (const char* name : {"mkv", "mp4", "webm", "ogg"}) body["exports"].push_back(name);
        if (manifest.is_object() && manifest.contains("parts")) body["parts"] = manifest["parts"];
        return json_response(200, body);
    });
}

http::Response RecordingResources::render(const http::Request& request, std::string_view id,
                                          std::string_view format_name, bool as_download,
                                          archive::Reading reading) const {
    const auto format = archive::parse_format(format_name);
    if (renditions_ != nullptr)
        if (auto rendered = renditions_->export_of(*this, request, id, format_name, as_download))
            return std::move(*rendered);
    if (!format)
        return http::problem(
            400, "bad_format",
            fmt::format("\"{}\" is no format; use wav, stereo, pcap, xml, json, vtt, srt, txt, "
                        "timeline, chat, mkv, mp4, webm or ogg.",
                        format_name));
    const auto told_offset = archive::parse_utc_offset(request.query_value("tz").value_or("UTC"));
    if (!told_offset)
        return http::problem(400, "bad_tz",
                             "tz is UTC or how far the times are from it, such as +02:00.");
    const std::chrono::minutes offset = *told_offset;
    return with_named(catalog_, request, id, [&](const catalog::Recording& recording) {
        auto rendering = files_.render(recording, *format, reading, offset);
        if (!rendering && rendering.error().code == "several_pieces")
            return ask_for_piece(recording);
        if (!rendering) return refuse(rendering.error());
        http::Response response = http::make_response(200, archive::content_type(*format), "");
        if (as_download)
            response.headers.push_back(
                {"Content-Disposition",
                 fmt::format("attachment; filename=\"earshot-{}.{}\"", recording.id,
                             archive::file_extension(*format))});
        const auto size = (*rendering)->size();
        if (!size) {
            response.body = produce(std::move(*rendering));
            return response;
        }
        response.headers.push_back(
            {"ETag", fmt::format("\"{}-{}-{}-{}-{}\"", recording.id, recording.pieces.size(),
                                 format_name, offset.count(), *size)});
        response.body = std::make_unique<RenderedSource>(
            std::move(*rendering), *size, [&files = files_, recording, format, reading, offset] {
                return files.render(recording, *format, reading, offset);
            });
        return response;
    });
}

http::Response RecordingResources::audio(const http::Request& request, std::string_view id,
                                         std::string_view file) const {
    constexpr std::string_view kSuffix = ".wav";
    if (!file.ends_with(kSuffix))
        return http::problem(404, "not_found", "Audio is named LABEL.wav or stereo.wav.");
    const std::string_view label = file.substr(0, file.size() - kSuffix.size());
    if (label == "stereo") return render(request, id, label, false, archive::Reading::Everything);
    return with_piece(catalog_, request, id, [&](const catalog::Recording& piece) {
        auto track = files_.open_track(piece, label);
        if (!track) return refuse(track.error());
        http::Response response = http::make_response(200, "audio/wav", "");
        response.headers.push_back({"ETag", fmt::format("\"{}-{}\"", piece.id, (*track)->size())});
        response.body = std::move(*track);
        return response;
    });
}

namespace {

// A name that a peer wrote, as a header may bear it (RFC 6266, RFC 8187): what comes before the
// last slash of either kind is none of it.
std::string attachment_of(std::string_view name, const std::string& otherwise) {
    if (const std::size_t slash = name.find_last_of("/\\"); slash != std::string_view::npos)
        name.remove_prefix(slash + 1);
    constexpr std::size_t kMaxName = 255;
    name = name.substr(0, kMaxName);
    if (name.empty() || name == "." || name == "..") name = otherwise;
    std::string plain;
    for (const char c : name) {
        const bool is_safe = c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '%' && c != ';';
        plain += is_safe ? c : '_';
    }
    return fmt::format("attachment; filename=\"{}\"; filename*=UTF-8''{}", plain,
                       http::percent_encode(base::to_valid_utf8(name)));
}

}  // namespace

http::Response RecordingResources::message(const http::Request& request, std::string_view id,
                                           std::string_view number,
                                           archive::Reading reading) const {
    const auto wanted = base::parse_number<std::uint64_t>(number);
    if (!wanted) return http::problem(404, "not_found", "Messages are named by their numbers.");
    return with_piece(catalog_, request, id, [&](const catalog::Recording& piece) {
        auto message = files_.open_message(piece, *wanted, reading);
        if (!message) return refuse(message.error());
        http::Response response = http::make_response(200, "application/octet-stream", "");
        response.headers.push_back(
            {"Content-Disposition",
             attachment_of(message->name, fmt::format("message-{}", *wanted))});
        response.headers.push_back({"Content-Security-Policy", "default-src 'none'; sandbox"});
        response.headers.push_back({"ETag", fmt::format("\"{}-message-{}-{}\"", piece.id, *wanted,
                                                        message->content->size())});
        response.body = std::move(message->content);
        return response;
    });
}

http::Response RecordingResources::peaks(const http::Request& request, std::string_view id) const {
    return with_named(catalog_, request, id, [&](const catalog::Recording& recording) {
        std::vector<std::optional<json>> views;
        for (const catalog::Recording& piece : pieces_of(recording)) {
            views.emplace_back();
            if (!recording.pieces.empty() && was_never_written(piece)) continue;
            auto stored = files_.read_peaks(piece);
            if (!stored) return refuse(stored.error());
            views.back() = view_of_peaks(*stored);
            if (!views.back()) return refuse({"damaged", "The recording's levels cannot be read."});
        }
        return json_response(
            200, recording.pieces.empty() ? *views.front() : merge_peaks(recording, views));
    });
}

http::Response RecordingResources::verify(const http::Request& request, std::string_view id) const {
    return with_named(catalog_, request, id, [&](const catalog::Recording& recording) {
        json whole;
        const auto pieces = pieces_of(recording);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            if (pieces.size() > 1 && was_never_written(pieces[i])) continue;
            auto verification = files_.verify(pieces[i]);
            if (!verification) return refuse(verification.error());
            json body = archive::to_json(*verification);
            body["problems"] = json::array();
            for (const archive::Fault& fault : verification->faults)
                body["problems"].push_back(fault.text);
            if (pieces.size() > 1) add_verification(whole, std::move(body), i + 1);
            if (pieces.size() == 1) whole = std::move(body);
        }
        if (whole.is_null()) return refuse({"not_archived", "No piece was ever written."});
        if (pieces.size() > 1) whole["id"] = recording.id;
        return json_response(200, whole);
    });
}

}  // namespace earshot::api
