// How the parties of a call come to know that it is recorded (RFC 7866 sections 6.1.2 and 6.3):
// what a=record of each line says to a party, who is told by that, and who by other means. Pure;
// client/indicator.h does it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "b2bua/call_facts.h"
#include "policy/indication.h"
#include "sdp/session_description.h"
#include "siprec/record_awareness.h"

namespace earshot::client {

// Unknown: the callee has not answered yet.
enum class Awareness : std::uint8_t { Unknown, Aware, Unaware };
Awareness awareness_of(const b2bua::CallFacts& facts, b2bua::Leg leg);

// Line: in a chat, of a call in which there is nothing to hear.
enum class Means : std::uint8_t { None, Attribute, Tone, Announcement, Agreed, Line };
std::string_view to_string(Means means);  // "none", "a=record", "tone", ...

// A recording of the call, as its parties are to know of it.
struct RecordingShare {
    sdp::RecordState state = sdp::RecordState::Absent;
    bool is_running = false;                          // a server takes what is said now
    std::vector<std::string> media{};                 // types that it records; empty: all
    const policy::IndicationSettings* how = nullptr;  // borrowed
    std::string instance{};
};

// By what a party is told now. `takes_attribute`: it has not refused to be told by a=record. Of
// several recordings the one that asks for most decides: an announcement or a tone before what is
// agreed. Before it has answered, a callee hears nothing of us.
struct Indication {
    Means means = Means::None;
    const RecordingShare* because_of = nullptr;  // into `shares`
};
Indication indication_of(Awareness awareness, bool takes_attribute,
                         std::span<const RecordingShare> shares);

// A line of a description as far as its a=record goes.
struct ToldLine {
    std::string media{};
    bool is_used = false;  // its port is not 0
};
std::vector<ToldLine> lines_of(const sdp::SessionDescription& description);

// What a=record says of each line: of our recordings, and of those behind the other party, which
// stay true (P-47, P-48). Absent: there is nothing to say.
std::vector<sdp::RecordState> states_for(std::span<const ToldLine> lines,
                                         std::span<const RecordingShare> shares,
                                         std::span<const sdp::RecordState> behind);

// The descriptions that one party is given: those of the media plane, with a=record in them. The
// version of o= goes up with each that differs from the last (RFC 3264 section 8), also where the
// plane's did not.
class ToldDescriptions {
public:
    std::string tell(std::string_view from_plane, std::span<const sdp::RecordState> states);

private:
    std::string last_;  // without its version
    std::uint64_t version_ = 0;
};

// What the readers of a chat are to know of its recordings (P-22: what a tone is to a voice), and
// the line that says so to who has read of `before`.
sdp::RecordState state_to_read(std::span<const RecordingShare> shares);
std::string_view line_to_read(sdp::RecordState before, sdp::RecordState now);

// A wish (a=recordpref) that counts: of the first audio line, else of the first line that has one.
sdp::RecordPreference preference_of(const sdp::SessionDescription& description);

}  // namespace earshot::client
