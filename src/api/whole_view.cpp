#include "api/whole_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/views.h"
#include "base/text.h"

namespace earshot::api {
namespace {

using nlohmann::json;

json view_of_joins(const catalog::Recording& piece) {
    json joins = json::array();
    for (const catalog::Join& join : piece.joins)
        joins.push_back({{"with", join.other}, {"key", join.key.name}, {"value", join.key.value}});
    return joins;
}

json view_in_list(const catalog::Recording& recording, const catalog::Recording& piece,
                  std::size_t number) {
    return {{"piece", number},
            {"id", piece.id},
            {"state", catalog::to_string(piece.state)},
            {"reason", view_of_reason(piece.reason)},
            {"start", base::to_rfc3339(piece.start)},
            {"offset_ms", offset_of(recording, piece)},
            {"duration_ms", piece.duration_ms ? json(*piece.duration_ms) : json(nullptr)},
            {"call_ids", piece.call_ids},
            {"session_ids", piece.session_ids},
            {"peer", piece.peer},
            {"directory", piece.directory},
            {"joined", view_of_joins(piece)}};
}

// Times on the piece's timeline become times on the recording's.
void shift(json& list, const char* time, std::int64_t offset_ms) {
    if (!list.is_array()) return;
    for (json& item : list)
        if (item.is_object() && item.contains(time) && item[time].is_number())
            item[time] = item[time].get<std::int64_t>() + offset_ms;
}

void add_streams(json& whole, const json& piece, std::size_t number, std::int64_t offset_ms) {
    for (json stream : piece["streams"]) {
        if (!stream.is_object()) continue;
        stream["piece"] = number;
        if (stream.contains("gaps")) shift(stream["gaps"], "start_ms", offset_ms);
        if (stream.contains("video") && stream["video"].is_object())
            shift(stream["video"]["changes"], "at_ms", offset_ms);
        whole["streams"].push_back(std::move(stream));
    }
}

// Those of a later piece that no earlier one has named.
void add_participants(json& whole, const json& piece) {
    for (const json& participant : piece["participants"]) {
        const auto is_same = [&](const json& known) {
            return known.is_object() && participant.is_object() &&
                   known.value("aor", json(nullptr)) == participant.value("aor", json(nullptr));
        };
        json& all = whole["participants"];
        const auto known = std::find_if(all.begin(), all.end(), is_same);
        if (known == all.end())
            all.push_back(participant);
        else if (known->contains("seen_in_messages"))
            *known = participant;  // the metadata of this piece may name them
    }
}

void add_to_whole(json& whole, const json& piece, std::size_t number, std::int64_t offset_ms) {
    add_streams(whole, piece, number, offset_ms);
    add_participants(whole, piece);
    for (json warning : piece["warnings"]) {
        if (!warning.is_object()) continue;
        warning["piece"] = number;
        whole["warnings"].push_back(std::move(warning));
    }
    for (const char* name : {"group", "profile", "operator_pause"})
        if (piece.contains(name) && whole.value(name, json(nullptr)).is_null())
            whole[name] = piece[name];
    for (const char* name : {"headers", "extensions"})  // the first that says it is right
        for (const auto& [key, value] : piece[name].items())
            if (!whole[name].contains(key)) whole[name][key] = value;
}

}  // namespace

std::span<const catalog::Recording> pieces_of(const catalog::Recording& recording) {
    if (recording.pieces.empty()) return {&recording, 1};
    return recording.pieces;
}

bool was_never_written(const catalog::Recording& piece) {
    return piece.directory.empty() && piece.state != catalog::State::Recording;
}

const catalog::Recording* find_piece(const catalog::Recording& recording, std::string_view name) {
    const auto pieces = pieces_of(recording);
    if (name.size() < catalog::kMinPrefix) {
        const auto number = base::parse_number<std::size_t>(name);
        return number && *number >= 1 && *number <= pieces.size() ? &pieces[*number - 1] : nullptr;
    }
    const auto is_meant = [&](const catalog::Recording& piece) {
        return base::iequals(std::string_view(piece.id).substr(0, name.size()), name);
    };
    const auto found = std::find_if(pieces.begin(), pieces.end(), is_meant);
    const bool is_clear =
        found != pieces.end() && std::find_if(found + 1, pieces.end(), is_meant) == pieces.end();
    return is_clear ? &*found : nullptr;
}

std::int64_t offset_of(const catalog::Recording& recording, const catalog::Recording& piece) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(piece.start - recording.start)
        .count();
}

json view_of_whole(const catalog::Recording& recording, const std::vector<LiveCall>& live) {
    if (recording.pieces.empty()) {
        json view = view_of_piece(recording, live);
        view["pieces"] = json::array();
        return view;
    }
    catalog::Recording bare = recording;  // what no single piece knows
    bare.summary.clear();
    json whole = view_of_piece(bare, {});
    whole["pieces"] = json::array();
    for (std::size_t i = 0; i < recording.pieces.size(); ++i) {
        const catalog::Recording& piece = recording.pieces[i];
        add_to_whole(whole, view_of_piece(piece, live), i + 1, offset_of(recording, piece));
        whole["pieces"].push_back(view_in_list(recording, piece, i + 1));
    }
    return whole;
}

json merge_peaks(const catalog::Recording& recording,
                 const std::vector<std::optional<json>>& pieces) {
    json whole{{"interval_ms", 100}, {"tracks", json::array()}};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (!pieces[i]) continue;
        const json& piece = *pieces[i];
        const json& interval = piece["interval_ms"];
        const std::int64_t interval_ms =
            interval.is_number_integer() ? std::max<std::int64_t>(interval.get<std::int64_t>(), 1)
                                         : 100;
        const auto lead =
            static_cast<std::size_t>(offset_of(recording, recording.pieces[i]) / interval_ms);
        for (json track : piece["tracks"]) {
            json peaks = json::array();
            for (std::size_t k = 0; k < 2 * lead; ++k) peaks.push_back(0);
            peaks.insert(peaks.end(), track["peaks"].begin(), track["peaks"].end());
            track["peaks"] = std::move(peaks);
            track["piece"] = i + 1;
            whole["tracks"].push_back(std::move(track));
        }
    }
    return whole;
}

}  // namespace earshot::api
