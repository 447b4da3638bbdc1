// The merge of documents into one state: metadata-model section 4.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "siprec/limits.h"
#include "siprec/metadata.h"

namespace earshot::siprec {
namespace {

using AssocKey = std::pair<MetadataId, MetadataId>;

// What belongs to each key. Nearly all calls have a handful of objects of a kind: these are
// compared one by one, in one piece of memory; a map only keeps long hostile documents cheap.
template <class Key, class Value>
class KeyTable {
public:
    // The value that the key has now, and whether it is new.
    std::pair<Value, bool> emplace(const Key& key, const Value& value) {
        if (const Value* known = find(key)) return {*known, false};
        if (few_.size() < kFew)
            few_.emplace_back(key, value);
        else
            more_.emplace(key, value);
        return {value, true};
    }
    const Value* find(const Key& key) const {
        for (const auto& [known, value] : few_)
            if (known == key) return &value;
        if (more_.empty()) return nullptr;
        const auto found = more_.find(key);
        return found == more_.end() ? nullptr : &found->second;
    }
    bool empty() const { return few_.empty(); }

private:
    static constexpr std::size_t kFew = 16;
    std::vector<std::pair<Key, Value>> few_;  // the first ones
    std::map<Key, Value> more_;
};

const MetadataId& key_of(const Group& object) { return object.id; }
const MetadataId& key_of(const CommunicationSession& object) { return object.id; }
const MetadataId& key_of(const Participant& object) { return object.id; }
const MetadataId& key_of(const MediaStream& object) { return object.id; }
const MetadataId& key_of(const SessionRecordingAssoc& object) { return object.session; }
const MetadataId& key_of(const ParticipantStreamAssoc& object) { return object.participant; }
AssocKey key_of(const ParticipantSessionAssoc& object) {
    return {object.participant, object.session};
}

bool is_open(const Periods& periods) { return periods.empty() || !periods.back().disassociate; }

void close(Periods& periods, base::WallTime at) {
    if (periods.empty()) {
        periods.push_back({std::nullopt, at});
    } else if (!periods.back().disassociate) {
        periods.back().disassociate = at;
    }
}

// How one appearance of an object in a document is to be read.
struct Appearance {
    bool replaces = false;  // the first one in a complete document: the old children are gone
    bool is_first = true;   // in this document
    base::WallTime arrival;
};

void merge_value(OptionalTime& into, const OptionalTime& from, bool replaces) {
    if (from || replaces) into = from;
}
template <class List>
void merge_list(List& into, const List& from, bool replaces) {
    if (!from.empty() || replaces) into = from;
}

// Rule 2: a child name that appears replaces all previous children of that name.
template <class List>
void merge_extensions(List& into, const List& from, bool replaces) {
    if (into.empty() || replaces) {
        into = from;
        return;
    }
    const auto is_replaced = [&](const Extension& old) {
        return std::any_of(from.begin(), from.end(), [&](const Extension& added) {
            return added.name == old.name && added.name_space == old.name_space;
        });
    };
    std::vector<Extension> merged;
    std::remove_copy_if(into.begin(), into.end(), std::back_inserter(merged), is_replaced);
    merged.insert(merged.end(), from.begin(), from.end());
    into = std::move(merged);
}

// A period told with its beginning: one that is known, one of the past that we had not heard of,
// the next one, or the latest told anew.
void merge_begun_period(Periods& into, const Period& told, bool replaces) {
    Period& last = into.back();
    auto* const same = std::find_if(into.begin(), into.end(), [&](const Period& period) {
        return period.associate == told.associate;
    });
    if (same != into.end()) {
        // A snapshot that says "open" is believed for the latest period alone: an earlier one was
        // closed for good when the next began.
        merge_value(same->disassociate, told.disassociate, replaces && same == &last);
        return;
    }
    const bool is_earlier = last.associate && *told.associate < *last.associate;
    if (is_earlier && told.disassociate) {
        auto* const next = std::find_if(into.begin(), into.end(), [&](const Period& period) {
            return period.associate && *period.associate > *told.associate;
        });
        into.insert(next, told);
    } else if (last.disassociate && !is_earlier) {
        into.push_back(told);
    } else {
        last.associate = told.associate;
        merge_value(last.disassociate, told.disassociate, false);
    }
}

// Rule 4. `reopened`: the association had vanished and is back.
void merge_period(Periods& into, const Periods& from, const Appearance& how, bool reopened) {
    const Period told = from.empty() ? Period{} : from.front();
    if (reopened && !told.disassociate) {
        const OptionalTime ended = into.empty() ? OptionalTime{} : into.back().disassociate;
        const bool is_later = told.associate && (!ended || *told.associate > *ended);
        into.push_back({is_later ? *told.associate : how.arrival, std::nullopt});
        return;
    }
    if (into.empty()) {
        if (!from.empty()) into.push_back(told);
        return;
    }
    if (told.associate) {
        merge_begun_period(into, told, how.replaces);
    } else if (told.disassociate) {
        into.back().disassociate = told.disassociate;
    }
}

void merge(Group& into, const Group& from, const Appearance& how) {
    const bool replaces = how.replaces || into.vanished.has_value();
    merge_value(into.period.associate, from.period.associate, replaces);
    merge_value(into.period.disassociate, from.period.disassociate, replaces);
}

void merge(CommunicationSession& into, const CommunicationSession& from, const Appearance& how) {
    const bool replaces = how.replaces || into.vanished.has_value();
    merge_list(into.sip_session_ids, from.sip_session_ids, replaces);
    merge_list(into.reasons, from.reasons, replaces);
    if (into.group.is_empty()) into.group = from.group;  // a CS keeps its group: M-9
    merge_value(into.start, from.start, replaces);
    merge_value(into.stop, from.stop, replaces);
}

void merge(Participant& into, const Participant& from, const Appearance& how) {
    merge_list(into.names, from.names, how.replaces);
}

void merge(MediaStream& into, const MediaStream& from, const Appearance& how) {
    if (!from.session.is_empty() || how.replaces) into.session = from.session;
    if (!from.label.empty() || how.replaces) into.label = from.label;
}

void merge(SessionRecordingAssoc& into, const SessionRecordingAssoc& from, const Appearance& how) {
    merge_period(into.periods, from.periods, how, into.vanished.has_value());
}

void merge(ParticipantSessionAssoc& into, const ParticipantSessionAssoc& from,
           const Appearance& how) {
    merge_period(into.periods, from.periods, how, into.vanished.has_value());
    merge_list(into.params, from.params, how.replaces);
}

void add_new(std::vector<MetadataId>& into, const std::vector<MetadataId>& from) {
    for (const MetadataId& id : from)
        if (std::find(into.begin(), into.end(), id) == into.end()) into.push_back(id);
}

// Rule 3. Two associations of one participant in one document describe it together, unless the
// earlier one is closed; a closed one after the current one is history.
void merge(ParticipantStreamAssoc& into, const ParticipantStreamAssoc& from,
           const Appearance& how) {
    const bool told_closed = !from.periods.empty() && from.periods.front().disassociate.has_value();
    if (how.is_first || !is_open(into.periods)) {
        into.send = from.send;
        into.recv = from.recv;
    } else if (!told_closed) {
        add_new(into.send, from.send);
        add_new(into.recv, from.recv);
    }
    merge_period(into.periods, from.periods, how, into.vanished.has_value());
}

void close(Group& object, base::WallTime at) {
    if (!object.period.disassociate) object.period.disassociate = at;
}
void close(CommunicationSession& object, base::WallTime at) {
    if (!object.stop) object.stop = at;
}
void close(Participant& /*object*/, base::WallTime /*at*/) {}
void close(MediaStream& /*object*/, base::WallTime /*at*/) {}
void close(SessionRecordingAssoc& object, base::WallTime at) { close(object.periods, at); }
void close(ParticipantSessionAssoc& object, base::WallTime at) { close(object.periods, at); }
void close(ParticipantStreamAssoc& object, base::WallTime at) {
    close(object.periods, at);
    object.send.clear();
    object.recv.clear();
}

enum class IdKind { Group, Session, Participant, Stream };
constexpr IdKind kind_of(const Group& /*object*/) { return IdKind::Group; }
constexpr IdKind kind_of(const CommunicationSession& /*object*/) { return IdKind::Session; }
constexpr IdKind kind_of(const Participant& /*object*/) { return IdKind::Participant; }
constexpr IdKind kind_of(const MediaStream& /*object*/) { return IdKind::Stream; }

class Merge {
public:
    Merge(MetadataObjects& objects, const MetadataDocument& document, base::WallTime arrival)
        : objects_(objects), document_(document), arrival_(arrival) {}

    std::vector<MetadataIssue> run() {
        note_kinds(objects_);
        const MetadataObjects& told = document_.objects;
        check_groups();
        take_defined(objects_.groups, told.groups);
        take_defined(objects_.sessions, told.sessions);
        take_defined(objects_.participants, told.participants);
        take_defined(objects_.streams, told.streams);
        take_all(objects_.session_recordings, told.session_recordings);
        take_all(objects_.participant_sessions, told.participant_sessions);
        take_all(objects_.participant_streams, told.participant_streams);
        merge_extensions(objects_.extensions, told.extensions, is_complete());
        leave_stopped_sessions();
        return std::move(issues_);
    }

private:
    bool is_complete() const { return document_.mode == DataMode::Complete; }

    template <class Object>
    void note_kinds_of(const std::vector<Object>& objects) {
        for (const Object& object : objects) kinds_.emplace(object.id, kind_of(object));
    }
    void note_kinds(const MetadataObjects& objects) {
        note_kinds_of(objects.groups);
        note_kinds_of(objects.sessions);
        note_kinds_of(objects.participants);
        note_kinds_of(objects.streams);
    }

    void report(Leniency code, std::string text, int line) {
        if (issues_.size() < kMaxMetadataIssues) issues_.push_back({std::move(text), line, code});
    }

    void check_groups() {
        KeyTable<MetadataId, const CommunicationSession*> known;
        for (const auto& session : objects_.sessions) known.emplace(session.id, &session);
        for (const auto& told : document_.objects.sessions) {
            const auto* const found = known.find(told.id);
            const bool changes = found != nullptr && !told.group.is_empty() &&
                                 !(*found)->group.is_empty() && !(told.group == (*found)->group);
            if (changes)
                report(Leniency::GroupChanged,
                       "a session keeps its group: another group-ref is ignored", told.line);
        }
    }

    // One id, one kind of object, for ever (M-25): the later object is left out.
    template <class Object>
    void take_defined(std::vector<Object>& into, const std::vector<Object>& from) {
        std::vector<Object> fitting;
        bool all_fit = true;
        for (const Object& object : from) {
            const auto [kind, is_new] = kinds_.emplace(object.id, kind_of(object));
            if (kind == kind_of(object)) continue;
            report(Leniency::IdClash,
                   "the id '" + object.id.text() + "' already names an object of another kind",
                   object.line);
            all_fit = false;
        }
        if (all_fit) {
            take_all(into, from);
            return;
        }
        for (const Object& object : from)
            if (*kinds_.find(object.id) == kind_of(object)) fitting.push_back(object);
        take_all(into, fitting);
    }

    template <class Object>
    void take_all(std::vector<Object>& into, const std::vector<Object>& from) {
        KeyTable<std::decay_t<decltype(key_of(into.front()))>, std::size_t> places;
        for (std::size_t i = 0; i < into.size(); ++i) places.emplace(key_of(into[i]), i);
        std::vector<bool> named(into.size(), false);
        for (const Object& told : from) {
            const auto [place, is_new] = places.emplace(key_of(told), into.size());
            if (is_new) {
                into.push_back(told);
                into.back().line = 0;
                named.push_back(true);
                continue;
            }
            Object& object = into[place];
            Appearance how;
            how.is_first = !named[place];
            how.replaces = is_complete() && how.is_first;
            how.arrival = arrival_;
            merge(object, told, how);
            merge_extensions(object.extensions, told.extensions, how.replaces);
            object.vanished.reset();
            named[place] = true;
        }
        if (!is_complete()) return;
        for (std::size_t i = 0; i < into.size(); ++i) {
            if (named[i] || into[i].vanished) continue;
            into[i].vanished = arrival_;
            close(into[i], arrival_);
        }
    }

    // stop-time implies that all participants left.
    void leave_stopped_sessions() {
        KeyTable<MetadataId, base::WallTime> stopped;
        for (const auto& session : objects_.sessions)
            if (session.stop) stopped.emplace(session.id, *session.stop);
        if (stopped.empty()) return;
        for (auto& assoc : objects_.participant_sessions) {
            const base::WallTime* found = stopped.find(assoc.session);
            if (found != nullptr) close(assoc.periods, *found);
        }
    }

    MetadataObjects& objects_;
    const MetadataDocument& document_;
    base::WallTime arrival_;
    KeyTable<MetadataId, IdKind> kinds_;
    std::vector<MetadataIssue> issues_;
};

// ---- sizes ------------------------------------------------------------------------------------

std::size_t extra(const std::string& text) { return text.capacity() > 15 ? text.capacity() : 0; }
std::size_t extra(const MetadataId& id) { return id.extra_bytes(); }
std::size_t extra(const Extension& e) { return extra(e.name) + extra(e.name_space) + extra(e.xml); }
std::size_t extra(const EndReason& e) { return extra(e.protocol) + extra(e.text); }
std::size_t extra(const NameId& n) { return extra(n.aor) + extra(n.name) + extra(n.language); }
std::size_t extra(const ContactParam& p) { return extra(p.name) + extra(p.value); }

template <class T>
std::size_t list_bytes(const std::vector<T>& list) {
    std::size_t sum = list.capacity() * sizeof(T);
    for (const T& item : list) sum += extra(item);
    return sum;
}

template <class T>
std::size_t list_bytes(const RareList<T>& list) {
    return list.empty() ? 0 : sizeof(list.all()) + list_bytes(list.all());
}

std::size_t own(const Group& o) { return extra(o.id); }
std::size_t own(const CommunicationSession& o) {
    return extra(o.id) + extra(o.group) + list_bytes(o.sip_session_ids) + list_bytes(o.reasons);
}
std::size_t own(const Participant& o) { return extra(o.id) + list_bytes(o.names); }
std::size_t own(const MediaStream& o) { return extra(o.id) + extra(o.session) + extra(o.label); }
std::size_t own(const SessionRecordingAssoc& o) {
    return extra(o.session) + o.periods.extra_bytes();
}
std::size_t own(const ParticipantSessionAssoc& o) {
    return extra(o.participant) + extra(o.session) + o.periods.extra_bytes() + list_bytes(o.params);
}
std::size_t own(const ParticipantStreamAssoc& o) {
    return extra(o.participant) + list_bytes(o.send) + list_bytes(o.recv) + o.periods.extra_bytes();
}

template <class Object>
std::size_t objects_bytes(const std::vector<Object>& objects) {
    std::size_t sum = objects.capacity() * sizeof(Object);
    for (const Object& object : objects) sum += own(object) + list_bytes(object.extensions);
    return sum;
}

std::size_t bytes_of(const MetadataObjects& o) {
    return objects_bytes(o.groups) + objects_bytes(o.sessions) + objects_bytes(o.participants) +
           objects_bytes(o.streams) + objects_bytes(o.session_recordings) +
           objects_bytes(o.participant_sessions) + objects_bytes(o.participant_streams) +
           list_bytes(o.extensions);
}

bool fits(const MetadataObjects& objects) {
    return objects.count() <= kMaxMetadataObjects && bytes_of(objects) <= kMaxMergedBytes;
}

// What has vanished stands in the stored documents; a persistent RS must not end for its history.
template <class Object>
void drop_vanished(std::vector<Object>& objects) {
    const auto gone = [](const Object& object) { return object.vanished.has_value(); };
    objects.erase(std::remove_if(objects.begin(), objects.end(), gone), objects.end());
    objects.shrink_to_fit();
}

void drop_vanished(MetadataObjects& o) {
    drop_vanished(o.groups);
    drop_vanished(o.sessions);
    drop_vanished(o.participants);
    drop_vanished(o.streams);
    drop_vanished(o.session_recordings);
    drop_vanished(o.participant_sessions);
    drop_vanished(o.participant_streams);
}

void shrink(MetadataObjects& o) {
    o.groups.shrink_to_fit();
    o.sessions.shrink_to_fit();
    o.participants.shrink_to_fit();
    o.streams.shrink_to_fit();
    o.session_recordings.shrink_to_fit();
    o.participant_sessions.shrink_to_fit();
    o.participant_streams.shrink_to_fit();
    o.extensions.shrink_to_fit();
}

template <class Object>
const Object* find_by_id(const std::vector<Object>& objects, const MetadataId& id) {
    const auto found = std::find_if(objects.begin(), objects.end(),
                                    [&](const Object& object) { return object.id == id; });
    return found == objects.end() ? nullptr : &*found;
}

}  // namespace

std::vector<MetadataIssue> MetadataModel::apply(const MetadataDocument& document,
                                                base::WallTime arrival) {
    if (document.kind != MetadataDocument::Kind::Recording)
        return {{"a snapshot request carries no metadata", 0, Leniency::RequestToServer}};
    MetadataObjects next = objects_;
    std::vector<MetadataIssue> issues = Merge{next, document, arrival}.run();
    if (!fits(next)) {
        drop_vanished(next);
        if (!fits(next)) {
            return {{"the merged metadata is too large: the document is left out", 0,
                     Leniency::MetadataTooLarge}};
        }
        issues.push_back({"the merged metadata is too large: ended objects were dropped", 0,
                          Leniency::MetadataTooLarge});
    }
    shrink(next);
    objects_ = std::move(next);
    has_snapshot_ = has_snapshot_ || document.mode == DataMode::Complete;
    return issues;
}

const Participant* MetadataModel::find_participant(const MetadataId& id) const {
    return find_by_id(objects_.participants, id);
}
const CommunicationSession* MetadataModel::find_session(const MetadataId& id) const {
    return find_by_id(objects_.sessions, id);
}
const MediaStream* MetadataModel::find_stream(const MetadataId& id) const {
    return find_by_id(objects_.streams, id);
}

const MediaStream* MetadataModel::find_stream_by_label(std::string_view label) const {
    for (const MediaStream& stream : objects_.streams)
        if (!stream.vanished && stream.label == label && !label.empty()) return &stream;
    return nullptr;
}

std::vector<const Participant*> MetadataModel::senders_of(std::string_view label) const {
    std::vector<const MetadataId*> streams;  // sorted; nearly always one
    const auto is_less = [](const MetadataId* a, const MetadataId* b) { return *a < *b; };
    for (const MediaStream& stream : objects_.streams)
        if (!stream.vanished && !label.empty() && stream.label == label)
            streams.push_back(&stream.id);
    std::sort(streams.begin(), streams.end(), is_less);
    std::vector<const Participant*> senders;
    for (const ParticipantStreamAssoc& assoc : objects_.participant_streams) {
        if (assoc.vanished || !is_open(assoc.periods)) continue;
        const bool sends =
            std::any_of(assoc.send.begin(), assoc.send.end(), [&](const MetadataId& id) {
                return std::binary_search(streams.begin(), streams.end(), &id, is_less);
            });
        const Participant* participant = sends ? find_participant(assoc.participant) : nullptr;
        if (participant != nullptr) senders.push_back(participant);
    }
    return senders;
}

bool MetadataModel::is_held(std::string_view label) const {
    if (find_stream_by_label(label) == nullptr) return false;
    const auto& assocs = objects_.participant_streams;
    const bool tells = std::any_of(assocs.begin(), assocs.end(),
                                   [](const auto& assoc) { return !assoc.vanished; });
    return tells && senders_of(label).empty();
}

bool MetadataModel::names_senders() const {
    return std::any_of(objects_.participant_streams.begin(), objects_.participant_streams.end(),
                       [](const auto& assoc) { return !assoc.vanished && !assoc.send.empty(); });
}

std::vector<MetadataId> MetadataModel::unresolved() const {
    using Ids = KeyTable<MetadataId, base::Done>;
    const auto ids_of = [](const auto& objects) {
        Ids ids;
        for (const auto& object : objects) ids.emplace(object.id, {});
        return ids;
    };
    const Ids groups = ids_of(objects_.groups);
    const Ids sessions = ids_of(objects_.sessions);
    const Ids participants = ids_of(objects_.participants);
    const Ids streams = ids_of(objects_.streams);

    std::set<MetadataId> missing;
    const auto need = [&](const Ids& known, const MetadataId& id) {
        if (!id.is_empty() && known.find(id) == nullptr) missing.insert(id);
    };
    for (const auto& object : objects_.sessions) need(groups, object.group);
    for (const auto& object : objects_.streams) need(sessions, object.session);
    for (const auto& object : objects_.session_recordings) need(sessions, object.session);
    for (const auto& object : objects_.participant_sessions) {
        need(participants, object.participant);
        need(sessions, object.session);
    }
    for (const auto& object : objects_.participant_streams) {
        need(participants, object.participant);
        for (const MetadataId& id : object.send) need(streams, id);
        for (const MetadataId& id : object.recv) need(streams, id);
    }
    return {missing.begin(), missing.end()};
}

MetadataDocument MetadataModel::snapshot() const {
    MetadataDocument document;
    document.objects = objects_;
    drop_vanished(document.objects);
    return document;
}

std::size_t MetadataModel::size_bytes() const { return sizeof(*this) + bytes_of(objects_); }

}  // namespace earshot::siprec
