#include "archive/people.h"

#include <algorithm>

namespace earshot::archive {
namespace {

// From the piece's start; a time beyond it is the peer's clock, not ours.
std::optional<std::int64_t> within(const siprec::OptionalTime& time, const Summary& summary) {
    if (!time || *time <= summary.start) return std::nullopt;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*time - summary.start);
    if (ms.count() > summary.duration_ms.value_or(0)) return std::nullopt;
    return ms.count();
}

void add_presences(Person& person, const siprec::Periods& periods, const Summary& summary,
                   std::int64_t offset_ms) {
    for (const siprec::Period& period : periods) {
        // Gone before it began.
        if (period.disassociate && *period.disassociate <= summary.start) continue;
        Presence presence{.joined_ms = within(period.associate, summary),
                          .left_ms = within(period.disassociate, summary)};
        if (presence.joined_ms) *presence.joined_ms += offset_ms;
        if (presence.left_ms) *presence.left_ms += offset_ms;
        auto& known = person.presence;
        if (known.size() < kMaxPresences &&
            std::find(known.begin(), known.end(), presence) == known.end())
            known.push_back(presence);
    }
}

void write_or_null(base::JsonWriter& out, std::string_view name, const std::string& text) {
    text.empty() ? out.key(name).null() : out.field(name, text);
}
void write_or_null(base::JsonWriter& out, std::string_view name,
                   const std::optional<std::int64_t>& ms) {
    ms ? out.field(name, *ms) : out.key(name).null();
}

}  // namespace

void People::add(const siprec::MetadataObjects& metadata, const Summary& summary,
                 std::int64_t offset_ms, bool is_one_of_several) {
    const auto person_of = [&](const std::string& aor) {
        return std::find_if(people.begin(), people.end(),
                            [&](const Person& person) { return person.aor == aor; });
    };
    for (const ParticipantSummary& one : summary.participants) {
        const auto known = person_of(one.aor);
        if (known == people.end()) {
            people.push_back(
                {.aor = one.aor, .name = one.name, .is_seen_in_messages = one.is_seen_in_messages});
            continue;
        }
        if (known->name.empty()) known->name = one.name;
        known->is_seen_in_messages = known->is_seen_in_messages && one.is_seen_in_messages;
    }
    for (const siprec::Participant& participant : metadata.participants) {
        if (participant.names.empty()) continue;
        const auto person = person_of(participant.names.front().aor);
        if (person == people.end()) continue;
        for (const siprec::ParticipantSessionAssoc& assoc : metadata.participant_sessions)
            if (assoc.participant == participant.id)
                add_presences(*person, assoc.periods, summary, offset_ms);
    }
    for (const StreamSummary& stream : summary.streams)
        streams.push_back({.piece = is_one_of_several ? summary.id : std::string{},
                           .label = stream.label,
                           .senders = stream.senders});
}

void write(base::JsonWriter& out, const People& people) {
    out.key("participants").begin_array();
    for (const Person& person : people.people) {
        out.begin_object().field("aor", person.aor);
        write_or_null(out, "name", person.name);
        if (person.is_seen_in_messages) out.key("seen_in_messages").boolean(true);
        out.key("presence").begin_array();
        for (const Presence& presence : person.presence) {
            out.begin_object();
            write_or_null(out, "joined_ms", presence.joined_ms);
            write_or_null(out, "left_ms", presence.left_ms);
            out.end_object();
        }
        out.end_array().end_object();
    }
    out.end_array().key("streams").begin_array();
    for (const StreamSenders& stream : people.streams) {
        out.begin_object();
        if (!stream.piece.empty()) out.field("piece", stream.piece);
        out.field("label", stream.label).key("senders").begin_array();
        for (const std::string& aor : stream.senders) out.text(aor);
        out.end_array().end_object();
    }
    out.end_array();
}

}  // namespace earshot::archive
