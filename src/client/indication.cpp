#include "client/indication.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "relay/screen_sdp.h"

namespace earshot::client {

using sdp::RecordPreference;
using sdp::RecordState;

Awareness awareness_of(const b2bua::CallFacts& facts, b2bua::Leg leg) {
    const std::vector<std::string>& options = facts.leg(leg).supported;
    const bool is_aware = std::any_of(options.begin(), options.end(), [](const auto& option) {
        return base::iequals(option, siprec::kRecordAware);
    });
    if (is_aware) return Awareness::Aware;
    const bool has_spoken = leg == b2bua::Leg::A || facts.answered_at.has_value();
    return has_spoken ? Awareness::Unaware : Awareness::Unknown;
}

std::string_view to_string(Means means) {
    constexpr std::array<std::string_view, 6> kNames{"none",         "a=record", "tone",
                                                     "announcement", "agreed",   "chat line"};
    return kNames[static_cast<std::size_t>(means)];
}

Indication indication_of(Awareness awareness, bool takes_attribute,
                         std::span<const RecordingShare> shares) {
    using policy::IndicateBy;
    Indication found;
    for (const RecordingShare& share : shares) {
        const bool is_recorded = share.is_running && share.state == RecordState::On;
        if (!is_recorded || awareness == Awareness::Unknown) continue;
        Means means = Means::Attribute;
        if (awareness == Awareness::Unaware || !takes_attribute)
            means = share.how->by == IndicateBy::Tone           ? Means::Tone
                    : share.how->by == IndicateBy::Announcement ? Means::Announcement
                                                                : Means::Agreed;
        const bool is_more =
            found.means == Means::None || (found.means == Means::Agreed && means != Means::Agreed);
        if (is_more) found = {means, &share};
    }
    return found;
}

std::vector<ToldLine> lines_of(const sdp::SessionDescription& description) {
    std::vector<ToldLine> lines;
    lines.reserve(description.media.size());
    for (const sdp::MediaDescription& medium : description.media) {
        // A screen that is shared by RFB is recorded as video.
        if (relay::screen_line(medium) == relay::ScreenLine::Plain)
            lines.push_back({"video", true});
        else
            lines.push_back({std::string(medium.media), medium.port != 0 && medium.is_rtp()});
    }
    return lines;
}

std::vector<RecordState> states_for(std::span<const ToldLine> lines,
                                    std::span<const RecordingShare> shares,
                                    std::span<const RecordState> behind) {
    std::vector<RecordState> states(lines.size(), RecordState::Absent);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i < behind.size()) states[i] = behind[i];
        if (!lines[i].is_used) continue;
        for (const RecordingShare& share : shares) {
            const bool is_recorded =
                share.media.empty() || std::find(share.media.begin(), share.media.end(),
                                                 lines[i].media) != share.media.end();
            if (is_recorded) states[i] = siprec::combine(states[i], share.state);
        }
    }
    return states;
}

RecordState state_to_read(std::span<const RecordingShare> shares) {
    RecordState state = RecordState::Absent;
    for (const RecordingShare& share : shares) {
        const bool has_chats =
            share.media.empty() ||
            std::find(share.media.begin(), share.media.end(), "message") != share.media.end();
        const bool is_agreed = share.how->by == policy::IndicateBy::Agreed;
        if (has_chats && !is_agreed && share.is_running)
            state = siprec::combine(state, share.state);
    }
    return state;
}

std::string_view line_to_read(RecordState before, RecordState now) {
    if (now == RecordState::On && before == RecordState::Paused)
        return "The recording of this chat goes on.";
    if (now == RecordState::Paused) return "The recording of this chat is paused.";
    if (now == RecordState::Off || now == RecordState::Absent)
        return "This chat is not recorded any more.";
    return "This chat is recorded.";
}

namespace {

// Where the version stands in a description: "o=- 4711 2 IN IP4 192.0.2.1".
struct VersionPlace {
    std::size_t at = 0;
    std::size_t size = 0;
    std::uint64_t value = 0;
};

std::optional<VersionPlace> find_version(std::string_view sdp) {
    std::size_t at = sdp.starts_with("o=") ? 0 : sdp.find("\no=");
    if (at == std::string_view::npos) return std::nullopt;
    at += sdp[at] == '\n' ? 1 : 0;
    const std::size_t line_end = std::min(sdp.find_first_of("\r\n", at), sdp.size());
    for (int field = 0; field < 2; ++field) {
        at = sdp.find(' ', at);
        if (at >= line_end) return std::nullopt;
        ++at;
    }
    const std::size_t end = std::min(sdp.find(' ', at), line_end);
    const auto value = base::parse_number<std::uint64_t>(sdp.substr(at, end - at));
    if (!value) return std::nullopt;
    return VersionPlace{at, end - at, *value};
}

}  // namespace

std::string ToldDescriptions::tell(std::string_view from_plane,
                                   std::span<const RecordState> states) {
    const bool says_anything = std::any_of(states.begin(), states.end(), [](RecordState state) {
        return state != RecordState::Absent;
    });
    std::string text =
        says_anything ? siprec::with_record_states(from_plane, states) : std::string(from_plane);
    const auto place = find_version(text);
    if (!place) return text;
    std::string without = text;
    without.erase(place->at, place->size);
    if (last_.empty())
        version_ = place->value;
    else if (without != last_)
        ++version_;
    last_ = std::move(without);
    text.replace(place->at, place->size, std::to_string(version_));
    return text;
}

RecordPreference preference_of(const sdp::SessionDescription& description) {
    RecordPreference first = RecordPreference::Absent;
    for (const sdp::MediaDescription& medium : description.media) {
        if (medium.port == 0 || medium.record_preference == RecordPreference::Absent) continue;
        if (medium.media == "audio") return medium.record_preference;
        if (first == RecordPreference::Absent) first = medium.record_preference;
    }
    return first;
}

}  // namespace earshot::client
