// What happened when in a recording, made of its packets and events when it is built: the part
// `timeline.json` (docs/recording-format.md). Who typed what (T.140), who spoke in a mix, what was
// shared. Times count from the recording's start. Nothing read back from a disk is trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/people.h"
#include "base/result.h"

namespace earshot::archive {

// One T.140 block: some 300 ms of typing, as it was typed (with backspaces and line ends).
struct Keystroke {
    std::int64_t at_ms = 0;
    std::optional<std::uint32_t> csrc;  // who, where a mixer tells
    std::string text;                   // UTF-8; U+FFFD where text is missing
    friend bool operator==(const Keystroke&, const Keystroke&) = default;
};

struct TimedLine {  // what stood there in the end
    std::int64_t start_ms = 0;
    std::int64_t end_ms = 0;
    std::optional<std::uint32_t> csrc;
    std::string by;  // a name for it; empty: not known
    std::string text;
    friend bool operator==(const TimedLine&, const TimedLine&) = default;
};

struct TextTrack {
    std::string label;
    std::uint64_t missing = 0;  // places where redundancy did not bring back what was lost
    bool is_cut = false;        // more was typed than the limits allow: all of it is in the packets
    std::vector<Keystroke> keys;
    std::vector<TimedLine> lines;
    friend bool operator==(const TextTrack&, const TextTrack&) = default;
};

struct Span {
    std::int64_t start_ms = 0;
    std::int64_t duration_ms = 0;
    friend bool operator==(const Span&, const Span&) = default;
};

struct Speaker {
    std::string label;                  // of the stream
    std::optional<std::uint32_t> csrc;  // none: who sends the stream
    std::string name;                   // empty: not known
    std::vector<Span> spans;
    friend bool operator==(const Speaker&, const Speaker&) = default;
};

struct Sharing {
    std::string label;
    std::int64_t start_ms = 0;
    std::int64_t duration_ms = 0;
    std::string kind;       // screen, application, document; empty: not told
    std::string title;      // the same
    std::string presenter;  // an AOR; empty: not told
    friend bool operator==(const Sharing&, const Sharing&) = default;
};

inline constexpr std::string_view kTimelineName = "timeline.json";  // not there when empty

struct CallTimeline {
    std::vector<TextTrack> texts;
    std::vector<Speaker> speakers;
    std::vector<Sharing> sharing;

    bool empty() const { return texts.empty() && speakers.empty() && sharing.empty(); }
    // Later by so much: a piece of a recording on the timeline of the whole.
    void shift(std::int64_t by_ms);
    // Appends what another piece has.
    void append(CallTimeline&& other);
    friend bool operator==(const CallTimeline&, const CallTimeline&) = default;
};

// `people`: beside it, for readers; the stored part has none, which the metadata tells anew.
std::string to_json(const CallTimeline& timeline, const People* people = nullptr);
// Malformed: not of our making.
base::Result<CallTimeline> parse_call_timeline(std::string_view text);

}  // namespace earshot::archive
