// The names of elements in recording metadata: RFC 7865's and those of the drafts.
#pragma once

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

// By the local name, whatever its letters' case: dataMode, datamode.
MetadataTag find_metadata_tag(std::string_view local_name);

}  // namespace earshot::siprec
