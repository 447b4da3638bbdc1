// A communication session (CS) as a recording client knows it, in plain words, and the metadata
// objects (RFC 7865) that say so. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/uuid.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// Of the elements by which this project adds to RFC 7865 (spec/metadata-model section 5).
inline constexpr std::string_view kExtensionNamespace =
    "urn:uuid:6f1d2c9e-4b7a-4e0b-9a53-0c5f3f1e7a10";

struct CsParticipant {
    base::Uuid id{};              // the same in all sessions of one group (M-15)
    std::vector<NameId> names{};  // one for each address; aor as a URI
    // Content of <participant> that a rule gives: nameID elements, which then replace `names`, and
    // extensions. Empty: none.
    std::string xml{};
    std::vector<ContactParam> params{};  // RFC 4235 form: isfocus = true
    OptionalTime joined{};               // none: when the session began
    OptionalTime left{};                 // it stays described, and sends and receives nothing
    std::vector<Period> earlier{};       // when it was there before it came back, in their order
};

struct CsStream {
    base::Uuid id{};
    std::string label{};                   // a=label of its m-line in the offer
    std::vector<std::size_t> senders{};    // indices of participants; several: a mix
    std::vector<std::size_t> receivers{};  // the same
    bool is_held = false;                  // nobody takes it: no send, no recv (M-19)
    std::string xml{};                     // extensions
};

struct CsGroup {
    base::Uuid id{};      // see group_id(); of a raw one it is not used
    std::string name{};   // what the operator calls it: goes out in an element of ours
    bool is_raw = false;  // the name itself is the group_id, as OpenSIPS sends it; no UUID
    OptionalTime formed{};
};

struct CsDescription {
    base::Uuid session_id{};
    std::vector<std::string> sip_session_ids{};  // RFC 7989 values, or Call-IDs
    OptionalTime start{};
    OptionalTime stop{};
    std::vector<EndReason> reasons{};  // why it ended
    std::optional<CsGroup> group{};
    std::vector<CsParticipant> participants{};
    std::vector<CsStream> streams{};
    // Extension blocks of a rule: any number of elements. Empty: none.
    std::string session_xml{};
    std::string group_xml{};
    // Where elements of those blocks belong that name no namespace of their own.
    std::string extension_namespace{kExtensionNamespace};
    bool leaves_extensions_raw = false;  // they go out as they were given: the schema is broken
};

struct CsMetadata {
    MetadataObjects objects;
    // What was left out: "bad_extension", "bad_participant", "extension_without_group". They come
    // again with each description of the same call.
    std::vector<base::Reason> faults;
};

// All objects but the sessionrecordingassoc, which the recording session adds: only it knows when
// it began. Never fails: what cannot be said is left out and told in `faults`.
CsMetadata describe(const CsDescription& description);

// The group_id of a group that an operator named: always the same one, for this `name_space`, a
// random UUID of the installation (M-8, M-23: a version 5 UUID reveals nothing of the name then).
base::Uuid group_id(const base::Uuid& name_space, std::string_view name);

}  // namespace earshot::siprec
