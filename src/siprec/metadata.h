// Recording metadata (RFC 7865): one document as received, and the model that documents are merged
// into. Every older form met in the field (three namespaces, other names for the same things) is
// read into this one model; only the RFC's form is written. No I/O, no clock; any thread, but one
// object at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "siprec/leniency.h"
#include "siprec/metadata_values.h"

namespace earshot::siprec {

// A fault of a document that a person should read. `line` counts from 1; 0 is "not in the text".
struct MetadataIssue {
    std::string text;
    int line = 0;
    Leniency code = Leniency::MetadataFault;
    friend bool operator==(const MetadataIssue&, const MetadataIssue&) = default;
};

// The id of a group, session, participant or stream: base64 of a UUID's 16 bytes (RFC 7865 section
// 6.10), or whatever the peer made of that. text() is kept as received; two ids that decode to 16
// bytes are compared by these, so padding and the urn:uuid: form do not matter, others as text.
class MetadataId {
public:
    MetadataId() = default;
    explicit MetadataId(std::string_view text);
    explicit MetadataId(const base::Uuid& uuid);
    MetadataId(const MetadataId& other);
    MetadataId& operator=(const MetadataId& other);
    MetadataId(MetadataId&&) noexcept = default;
    MetadataId& operator=(MetadataId&&) noexcept = default;
    ~MetadataId() = default;

    bool is_empty() const { return text_ == nullptr && uuid_.is_nil(); }
    std::string text() const;  // as received
    std::optional<base::Uuid> uuid() const;
    // Heap bytes beside the object itself, for the limit of the merged model.
    std::size_t extra_bytes() const {
        return text_ == nullptr ? 0 : sizeof(Text) + text_->text.size();
    }

    friend bool operator==(const MetadataId& a, const MetadataId& b) {
        return a.text_ == nullptr && b.text_ == nullptr ? a.uuid_ == b.uuid_ : a.is_same_as(b);
    }
    friend bool operator<(const MetadataId& a, const MetadataId& b);

private:
    struct Text {
        std::string text;
        bool is_uuid = false;
    };
    bool is_same_as(const MetadataId& other) const;
    bool has_uuid() const { return text_ == nullptr ? !uuid_.is_nil() : text_->is_uuid; }

    // A session keeps some twenty ids while nothing happens, so a good one takes no heap: the text
    // is there only when it is not exactly to_base64(uuid_), and for the nil UUID, which without
    // it means that there is no id.
    base::Uuid uuid_;
    std::unique_ptr<const Text> text_;
};

// An element of somebody else's namespace (or of none), inside the object it came in. `xml` stands
// alone: it declares every namespace that it uses. Never interpreted, never lost.
struct Extension {
    std::string name;        // local name
    std::string name_space;  // empty when it had none
    std::string xml;         // UTF-8
    friend bool operator==(const Extension&, const Extension&) = default;
};

// What all objects have.
struct ObjectBase {
    RareList<Extension> extensions;
    // Set when a later snapshot no longer named the object: its arrival. It never erases history.
    OptionalTime vanished;
    int line = 0;  // in the document; 0 in the model
    friend bool operator==(const ObjectBase&, const ObjectBase&) = default;
};

struct Group : ObjectBase {
    MetadataId id;
    Period period;
    friend bool operator==(const Group&, const Group&) = default;
};

struct EndReason {
    std::string protocol = "SIP";
    int cause = 0;
    std::string text;
    friend bool operator==(const EndReason&, const EndReason&) = default;
};

struct CommunicationSession : ObjectBase {
    MetadataId id;
    std::vector<std::string> sip_session_ids;  // RFC 7989, or a Call-ID (OpenSIPS)
    RareList<EndReason> reasons;
    MetadataId group;  // empty: in none
    OptionalTime start;
    OptionalTime stop;
    friend bool operator==(const CommunicationSession&, const CommunicationSession&) = default;
};

struct NameId {
    std::string aor;
    std::string name;      // empty: none
    std::string language;  // xml:lang of the name
    friend bool operator==(const NameId&, const NameId&) = default;
};

struct Participant : ObjectBase {
    MetadataId id;
    std::vector<NameId> names;  // one for each address
    friend bool operator==(const Participant&, const Participant&) = default;
};

struct MediaStream : ObjectBase {
    MetadataId id;
    MetadataId session;  // empty: of none
    std::string label;   // a=label of the m-line; empty: none
    friend bool operator==(const MediaStream&, const MediaStream&) = default;
};

// In a document an association has at most one period; in the model it has the list of them, the
// last one being the current or latest (leave and rejoin, metadata-model section 4 rule 4).
struct SessionRecordingAssoc : ObjectBase {
    MetadataId session;
    Periods periods;
    friend bool operator==(const SessionRecordingAssoc&, const SessionRecordingAssoc&) = default;
};

struct ContactParam {
    std::string name;
    std::string value;
    friend bool operator==(const ContactParam&, const ContactParam&) = default;
};

struct ParticipantSessionAssoc : ObjectBase {
    MetadataId participant;
    MetadataId session;
    Periods periods;
    RareList<ContactParam> params;
    friend bool operator==(const ParticipantSessionAssoc&,
                           const ParticipantSessionAssoc&) = default;
};

struct ParticipantStreamAssoc : ObjectBase {
    MetadataId participant;
    std::vector<MetadataId> send;
    std::vector<MetadataId> recv;
    Periods periods;
    friend bool operator==(const ParticipantStreamAssoc&, const ParticipantStreamAssoc&) = default;
};

// Avaya's session border controller opens with a participant of its own that stands for nobody and
// names the real ones later (Q27).
bool is_placeholder(const Participant& participant);

// A group_id that is no UUID is no CS-Group's: OpenSIPS sends what its script calls the call's kind
// ("inbound"), the same for all of them.
inline bool is_profile(const MetadataId& group) { return !group.is_empty() && !group.uuid(); }

enum class DataMode { Complete, Partial };

// The objects of a document or of a model, in the order in which they first appeared.
struct MetadataObjects {
    std::vector<Group> groups;
    std::vector<CommunicationSession> sessions;
    std::vector<Participant> participants;
    std::vector<MediaStream> streams;
    std::vector<SessionRecordingAssoc> session_recordings;
    std::vector<ParticipantSessionAssoc> participant_sessions;
    std::vector<ParticipantStreamAssoc> participant_streams;
    std::vector<Extension> extensions;  // of the recording itself

    std::size_t count() const;
    friend bool operator==(const MetadataObjects&, const MetadataObjects&) = default;
};

struct MetadataDocument {
    enum class Kind { Recording, SnapshotRequest };
    Kind kind = Kind::Recording;
    DataMode mode = DataMode::Complete;
    MetadataObjects objects;
    std::string request_reason;         // of a SnapshotRequest
    bool is_older_form = false;         // a draft's namespace, names or nesting: not RFC 7865's
    std::vector<MetadataIssue> issues;  // faults that did not hinder reading
};

// Parses `text`, which is only read. `charset` is that of the MIME type, if any: it beats the XML
// declaration (RFC 7865 section 5.1). Fails, with the line, only when the document is not
// well-formed XML, has a DOCTYPE, breaks a limit, or has a root element or namespace that no
// recording metadata has.
base::Result<MetadataDocument, MetadataIssue> parse_metadata(std::string_view text,
                                                             std::string_view charset = {});

// Writes the RFC's form, in the order of the schema: with an empty `issues` list on the way back.
std::string write_metadata(const MetadataDocument& document);
// The document by which a recording server asks for a snapshot; `reason` may be empty.
std::string write_snapshot_request(std::string_view reason);

// The merged state of one recording session.
class MetadataModel {
public:
    // Merges a document that arrived at `arrival`. Complete: it is the whole truth now; what it no
    // longer names is closed at `arrival` and kept. Partial: spec/metadata-model section 4, rules 1
    // to 7. Applying a document twice in a row changes nothing the second time. What cannot be
    // taken (a clash of ids, a limit) is left out and reported; a document that would break a limit
    // is left out whole. The document's own `issues` are not repeated.
    std::vector<MetadataIssue> apply(const MetadataDocument& document, base::WallTime arrival);

    bool has_snapshot() const { return has_snapshot_; }
    const MetadataObjects& objects() const { return objects_; }

    const Participant* find_participant(const MetadataId& id) const;
    const CommunicationSession* find_session(const MetadataId& id) const;
    const MediaStream* find_stream(const MetadataId& id) const;
    // The stream that now bears the label; the first of several (turret, E-14); null: none.
    const MediaStream* find_stream_by_label(std::string_view label) const;

    // Who sends the stream of this label now, by the associations; empty: nobody, which is hold.
    std::vector<const Participant*> senders_of(std::string_view label) const;
    // True when the metadata says that nobody sends this label although it names the stream and
    // has an association of somebody (M-19, M-20). False where metadata does not tell.
    bool is_held(std::string_view label) const;
    bool names_senders() const;  // of any stream: the client fills the associations
    // Ids that are referred to and that no object of this model has.
    std::vector<MetadataId> unresolved() const;

    // The state as a complete document, without what has vanished.
    MetadataDocument snapshot() const;
    // An upper estimate of the memory held, compared with kMaxMergedBytes.
    std::size_t size_bytes() const;

    friend bool operator==(const MetadataModel&, const MetadataModel&) = default;

private:
    MetadataObjects objects_;
    bool has_snapshot_ = false;
};

}  // namespace earshot::siprec
