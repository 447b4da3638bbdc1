// The names of elements in recording metadata: RFC 7865's and those of the drafts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace earshot::siprec {

enum class MetadataTag : std::uint8_t {
    Foreign,  // of somebody else's namespace, or unknown
    Aor,
    AssociateTime,
    Csrc,
    DataMode,
    DisassociateTime,
    Group,
    GroupRef,
    Label,
    Mode,
    Name,
    NameId,
    Param,
    Participant,
    ParticipantSessionAssoc,
    ParticipantStreamAssoc,
    Reason,
    Recv,
    RequestReason,
    Send,
    Session,
    SessionRecordingAssoc,
    SipSessionId,
    StartTime,
    StopTime,
    Stream,
};

inline constexpr std::array<std::string_view, 3> kRecordingNamespaces = {
    "urn:ietf:params:xml:ns:recording:1",  // RFC 7865
    "urn:ietf:params:xml:ns:recording",    // drafts: Oracle, AudioCodes, Ribbon
    "urn:ietf:params:xml:ns:siprec",       // an older draft: BroadWorks
};
bool is_recording_namespace(std::string_view uri);

// By the local name, whatever its letters' case: dataMode, datamode.
MetadataTag find_metadata_tag(std::string_view local_name);

}  // namespace earshot::siprec
