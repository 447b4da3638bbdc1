// Recording awareness (RFC 7866 sections 6.1.2, 6.3, 7.1.2, 7.1.3, 7.3): what a=record says to the
// parties of a call and what a=recordpref asks of its recorders. For aware user agents and for
// recording clients; pure functions. The values are those of RFC 7866's prose (spec ); the
// parser of sdp/ has settled already that media level overrides session level (P-38, P-50).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdp/session_description.h"
#include "sip/message.h"

namespace earshot::siprec {

inline constexpr std::string_view kRecordAware = "record-aware";  // option tag, in Supported

// Whether the sender of this INVITE, or of the response that sets up the call, wants to be told by
// a=record (P-21, P-24).
inline bool is_record_aware(const sip::Message& message) {
    return message.lists(sip::HeaderId::Supported, kRecordAware);
}

std::string_view to_string(sdp::RecordState state);            // as in a=record; Absent: ""
std::string_view to_string(sdp::RecordPreference preference);  // as in a=recordpref; Absent: ""
// "on", "off", "pause", "nopreference"; nothing for any other text.
std::optional<sdp::RecordPreference> find_record_preference(std::string_view name);

// What one side has been told, for each m-line: the latest indication counts (P-46).
class RecordIndications {
public:
    struct Change {
        std::size_t line = 0;
        sdp::RecordState from = sdp::RecordState::Absent;
        sdp::RecordState to = sdp::RecordState::Absent;
        friend bool operator==(const Change&, const Change&) = default;
    };

    // An offer or answer of the peer. A line without the attribute leaves its state as it is, since
    // nothing was said; a line with port 0 has none any more.
    std::vector<Change> on_description(const sdp::SessionDescription& description);

    std::span<const sdp::RecordState> states() const { return states_; }  // by m-line

private:
    std::vector<sdp::RecordState> states_;
};

// What becomes of a recording in that state when a party utters this preference and local policy
// honours it (P-40, P-51): on starts or resumes, off stops, pause pauses what is running,
// nopreference changes nothing.
sdp::RecordState obey_preference(sdp::RecordState state, sdp::RecordPreference preference);

// Several recorders may record one call, and a party hears one indication: that of the one who
// records most (P-47, P-48). Off only when all have stopped.
sdp::RecordState combine(sdp::RecordState one, sdp::RecordState other);

// The description with these states as a=record of its m-lines, instead of what it said, and
// otherwise byte for byte (P-39). Lines past the end of `states` get none.
std::string with_record_states(std::string_view sdp, std::span<const sdp::RecordState> states);

}  // namespace earshot::siprec
