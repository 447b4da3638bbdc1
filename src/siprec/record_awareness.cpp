#include "siprec/record_awareness.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdp/attribute_line.h"

namespace earshot::siprec {
namespace {

using sdp::RecordPreference;
using sdp::RecordState;

// How much is recorded, so that the greater one can be told.
int rank_of(RecordState state) {
    switch (state) {
        case RecordState::On:
            return 3;
        case RecordState::Paused:
            return 2;
        case RecordState::Off:
            return 1;
        case RecordState::Absent:
            break;
    }
    return 0;
}

// Takes the first line off `text`, its end (CRLF, LF or CR) included.
std::string_view take_line(std::string_view& text) {
    std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    if (end < text.size()) end += text.substr(end).starts_with("\r\n") ? 2 : 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    return line;
}

bool is_record_line(std::string_view line) {
    if (!line.starts_with("a=")) return false;
    return base::iequals(sdp::attribute_name(line.substr(2)), "record");
}

}  // namespace

std::string_view to_string(RecordState state) {
    switch (state) {
        case RecordState::On:
            return "on";
        case RecordState::Off:
            return "off";
        case RecordState::Paused:
            return "paused";
        case RecordState::Absent:
            break;
    }
    return "";
}

std::string_view to_string(RecordPreference preference) {
    switch (preference) {
        case RecordPreference::On:
            return "on";
        case RecordPreference::Off:
            return "off";
        case RecordPreference::Pause:
            return "pause";
        case RecordPreference::NoPreference:
            return "nopreference";
        case RecordPreference::Absent:
            break;
    }
    return "";
}

std::optional<RecordPreference> find_record_preference(std::string_view name) {
    for (const auto preference : {RecordPreference::On, RecordPreference::Off,
                                  RecordPreference::Pause, RecordPreference::NoPreference})
        if (name == to_string(preference)) return preference;
    return std::nullopt;
}

std::vector<RecordIndications::Change> RecordIndications::on_description(
    const sdp::SessionDescription& description) {
    std::vector<Change> changes;
    states_.resize(std::max(states_.size(), description.media.size()), RecordState::Absent);
    for (std::size_t line = 0; line < description.media.size(); ++line) {
        const sdp::MediaDescription& medium = description.media[line];
        if (medium.port != 0 && medium.record == RecordState::Absent) continue;
        const RecordState told = medium.port == 0 ? RecordState::Absent : medium.record;
        if (told == states_[line]) continue;
        changes.push_back({line, states_[line], told});
        states_[line] = told;
    }
    return changes;
}

RecordState obey_preference(RecordState state, RecordPreference preference) {
    switch (preference) {
        case RecordPreference::On:
            return RecordState::On;
        case RecordPreference::Off:
            return RecordState::Off;
        case RecordPreference::Pause:
            return state == RecordState::On ? RecordState::Paused : state;
        case RecordPreference::NoPreference:
        case RecordPreference::Absent:
            break;
    }
    return state;
}

RecordState combine(RecordState one, RecordState other) {
    return rank_of(one) >= rank_of(other) ? one : other;
}

std::string with_record_states(std::string_view sdp, std::span<const RecordState> states) {
    std::string out;
    out.reserve(sdp.size() + states.size() * 20);
    std::string_view line_end = "\r\n";
    std::size_t lines = 0;  // m-lines so far
    bool has_version = false;
    // Attributes are the last of what belongs to an m-line (RFC 8866 section 5).
    const auto end_medium = [&] {
        if (lines == 0 || lines > states.size()) return;
        const std::string_view state = to_string(states[lines - 1]);
        if (state.empty()) return;
        if (!out.ends_with('\n') && !out.ends_with('\r')) out.append(line_end);
        out.append("a=record:").append(state).append(line_end);
    };
    while (!sdp.empty()) {
        const std::string_view line = take_line(sdp);
        const std::size_t text = std::min(line.find_first_of("\r\n"), line.size());
        if (text < line.size()) line_end = line.substr(text);
        const std::string_view content = base::trim(line);
        if (is_record_line(content)) continue;
        if (content.starts_with("v=")) {
            if (std::exchange(has_version, true) && lines != 0) {
                // A second description in one body (interop Q15): the first one counts.
                end_medium();
                return out.append(line).append(sdp);
            }
        } else if (content.starts_with("m=")) {
            end_medium();
            ++lines;
        }
        out.append(line);
    }
    end_medium();
    return out;
}

}  // namespace earshot::siprec
