#include "siprec/client_state.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

bool is_same_key(const Group& a, const Group& b) { return a.id == b.id; }
bool is_same_key(const CommunicationSession& a, const CommunicationSession& b) {
    return a.id == b.id;
}
bool is_same_key(const Participant& a, const Participant& b) { return a.id == b.id; }
bool is_same_key(const MediaStream& a, const MediaStream& b) { return a.id == b.id; }
bool is_same_key(const SessionRecordingAssoc& a, const SessionRecordingAssoc& b) {
    return a.session == b.session;
}
bool is_same_key(const ParticipantSessionAssoc& a, const ParticipantSessionAssoc& b) {
    return a.participant == b.participant && a.session == b.session;
}
bool is_same_key(const ParticipantStreamAssoc& a, const ParticipantStreamAssoc& b) {
    return a.participant == b.participant;
}

// The object of that key. States follow each other with few changes, so it is nearly always where
// it was (`place`); that keeps large conferences linear.
template <class Object>
const Object* find_same(const std::vector<Object>& objects, const Object& like, std::size_t place) {
    for (std::size_t step = 0; step < objects.size(); ++step) {
        const Object& object = objects[(place + step) % objects.size()];
        if (is_same_key(object, like)) return &object;
    }
    return nullptr;
}

bool is_ended(const Group& group) { return group.period.disassociate.has_value(); }
bool is_ended(const CommunicationSession& session) { return session.stop.has_value(); }
bool is_ended(const Participant& /*its associations end*/) { return true; }
template <class Assoc>
bool is_ended(const Assoc& assoc) {
    return !assoc.periods.empty() && assoc.periods.back().disassociate.has_value();
}

// Whether it ended so long ago that the server has been told of it.
template <class Object>
bool is_old(const Object& /*has no time*/, base::WallTime /*now*/) {
    return false;
}
bool is_old(const ParticipantSessionAssoc& assoc, base::WallTime now) {
    return is_ended(assoc) && *assoc.periods.back().disassociate + kGoneTime < now;
}

// Those of `before` whose key `next` lacks, ended by `end`; without the history those only that
// have just ended.
template <class Object, class End>
void keep_ended(const std::vector<Object>& before, std::vector<Object>& next, base::WallTime now,
                bool has_history, End end) {
    std::vector<Object> ended;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if ((!has_history && is_ended(before[i])) || is_old(before[i], now)) continue;
        if (find_same(next, before[i], i) != nullptr) continue;
        ended.push_back(before[i]);
        end(ended.back());
    }
    next.insert(next.end(), std::make_move_iterator(ended.begin()),
                std::make_move_iterator(ended.end()));
}

void close(Period& period, base::WallTime now) {
    if (!period.disassociate) period.disassociate = now;
}
void close(Periods& periods, base::WallTime now) {
    if (periods.empty()) periods.push_back({});
    close(periods.back(), now);
}

bool names_same(const std::vector<MetadataId>& a, const std::vector<MetadataId>& b) {
    return a.size() == b.size() && std::is_permutation(a.begin(), a.end(), b.begin());
}

// The time of an association that has changed without saying when.
void date(ParticipantStreamAssoc& next, const ParticipantStreamAssoc& before, base::WallTime now) {
    if (next.periods.empty())
        next.periods.push_back({before.periods.empty() ? now : OptionalTime{}, std::nullopt});
    Period& period = next.periods.back();
    const OptionalTime was =
        before.periods.empty() ? OptionalTime{} : before.periods.back().associate;
    const bool is_later = period.associate && was && *period.associate > *was;
    if (is_later) return;
    const bool is_same = names_same(next.send, before.send) && names_same(next.recv, before.recv);
    period.associate = is_same || period.disassociate ? was : OptionalTime{now};
}

bool has(const std::vector<MetadataId>& ids, const MetadataId& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Who was in sessions of `before` that all ended long ago, and is in none of `next`: a conference
// that is never empty would else outgrow its document.
void forget_gone(const MetadataObjects& before, MetadataObjects& next, base::WallTime now) {
    std::vector<MetadataId> gone;
    for (const ParticipantSessionAssoc& assoc : before.participant_sessions)
        if (is_old(assoc, now)) gone.push_back(assoc.participant);
    for (const ParticipantSessionAssoc& assoc : next.participant_sessions)
        std::erase(gone, assoc.participant);
    if (gone.empty()) return;
    std::erase_if(next.participants, [&](auto& one) { return has(gone, one.id); });
    std::erase_if(next.participant_streams, [&](auto& one) { return has(gone, one.participant); });
}

// Sessions whose recording here is over, though they themselves may go on.
std::vector<MetadataId> over_here(const MetadataObjects& objects) {
    std::vector<MetadataId> ids;
    for (const SessionRecordingAssoc& assoc : objects.session_recordings)
        if (is_ended(assoc)) ids.push_back(assoc.session);
    return ids;
}

void add_session_recordings(const MetadataObjects& before, MetadataObjects& next,
                            base::WallTime now, const std::vector<MetadataId>& left) {
    next.session_recordings.clear();
    for (std::size_t i = 0; i < next.sessions.size(); ++i) {
        const CommunicationSession& session = next.sessions[i];
        SessionRecordingAssoc assoc;
        assoc.session = session.id;
        if (const auto* known = find_same(before.session_recordings, assoc, i)) assoc = *known;
        if (assoc.periods.empty()) assoc.periods.push_back({now, std::nullopt});
        if (session.stop) close(assoc.periods, *session.stop);
        if (has(left, session.id)) close(assoc.periods, now);
        next.session_recordings.push_back(std::move(assoc));
    }
}

template <class Object>
std::vector<Object> changed(const std::vector<Object>& told, const std::vector<Object>& now) {
    std::vector<Object> found;
    for (std::size_t i = 0; i < now.size(); ++i) {
        const Object* known = find_same(told, now[i], i);
        if (known == nullptr || !(*known == now[i])) found.push_back(now[i]);
    }
    return found;
}

}  // namespace

MetadataObjects follow_state(const MetadataObjects& before, MetadataObjects next,
                             base::WallTime now, const std::vector<MetadataId>& left) {
    std::vector<MetadataId> going_on = left;
    for (const SessionRecordingAssoc& assoc : before.session_recordings)
        if (is_ended(assoc)) going_on.push_back(assoc.session);
    for (std::size_t i = 0; i < next.participant_streams.size(); ++i) {
        ParticipantStreamAssoc& assoc = next.participant_streams[i];
        if (const auto* known = find_same(before.participant_streams, assoc, i))
            date(assoc, *known, now);
    }
    // A persistent session must not end for its history: the server has been told of it.
    const bool has_history = next.count() + before.count() <= kMaxMetadataObjects;
    keep_ended(before.groups, next.groups, now, has_history,
               [now](Group& group) { close(group.period, now); });
    keep_ended(before.sessions, next.sessions, now, has_history,
               [&](CommunicationSession& session) {
                   if (!session.stop && !has(going_on, session.id)) session.stop = now;
               });
    keep_ended(before.participants, next.participants, now, has_history,
               [](Participant& /*stays as it is*/) {});
    keep_ended(before.participant_sessions, next.participant_sessions, now, has_history,
               [&](ParticipantSessionAssoc& assoc) {
                   if (!has(going_on, assoc.session)) close(assoc.periods, now);
               });
    keep_ended(before.participant_streams, next.participant_streams, now, has_history,
               [now](ParticipantStreamAssoc& assoc) {
                   assoc.send.clear();
                   assoc.recv.clear();
                   close(assoc.periods, now);
               });
    forget_gone(before, next, now);
    add_session_recordings(before, next, now, left);
    return next;
}

void forget_ended(MetadataObjects& told, MetadataObjects& now) {
    const std::vector<MetadataId> known = over_here(told);
    std::vector<MetadataId> over;
    for (const MetadataId& id : over_here(now))
        if (has(known, id)) over.push_back(id);
    if (over.empty()) return;
    for (MetadataObjects* objects : {&told, &now}) {
        const auto is_over = [&](const auto& it) { return has(over, it.session); };
        std::erase_if(objects->sessions, [&](auto& it) { return has(over, it.id); });
        std::erase_if(objects->session_recordings, is_over);
        std::erase_if(objects->participant_sessions, is_over);
        std::erase_if(objects->streams, is_over);
        const auto is_there = [&](const MetadataId& participant) {
            return std::any_of(objects->participant_sessions.begin(),
                               objects->participant_sessions.end(),
                               [&](auto& it) { return it.participant == participant; });
        };
        std::erase_if(objects->participants, [&](auto& it) { return !is_there(it.id); });
        std::erase_if(objects->participant_streams,
                      [&](auto& it) { return !is_there(it.participant); });
        std::erase_if(objects->groups, [&](const Group& group) {
            return std::none_of(objects->sessions.begin(), objects->sessions.end(),
                                [&](auto& it) { return it.group == group.id; });
        });
    }
}

MetadataObjects end_recording(MetadataObjects objects, base::WallTime now) {
    for (SessionRecordingAssoc& assoc : objects.session_recordings) close(assoc.periods, now);
    return objects;
}

MetadataObjects changed_objects(const MetadataObjects& told, const MetadataObjects& now) {
    MetadataObjects found;
    found.groups = changed(told.groups, now.groups);
    found.sessions = changed(told.sessions, now.sessions);
    found.participants = changed(told.participants, now.participants);
    found.streams = changed(told.streams, now.streams);
    found.session_recordings = changed(told.session_recordings, now.session_recordings);
    found.participant_sessions = changed(told.participant_sessions, now.participant_sessions);
    found.participant_streams = changed(told.participant_streams, now.participant_streams);
    if (told.extensions != now.extensions) found.extensions = now.extensions;
    return found;
}

bool has_labels(const MetadataObjects& objects) {
    return std::any_of(objects.streams.begin(), objects.streams.end(),
                       [](const MediaStream& stream) { return !stream.label.empty(); });
}

void add_labelled_streams(MetadataObjects& objects, const MetadataObjects& all) {
    for (std::size_t i = 0; i < all.streams.size(); ++i) {
        const MediaStream& stream = all.streams[i];
        if (!stream.label.empty() && find_same(objects.streams, stream, i) == nullptr)
            objects.streams.push_back(stream);
    }
}

}  // namespace earshot::siprec
