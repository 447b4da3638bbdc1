// What people read of a recording's chats and of what was typed in it, as text: a heading, then a
// line for each message, with who came, went and shared, and with the times that were not recorded.
// A line begins in the first column, what goes on below it is indented: no content poses as a line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "archive/call_timeline.h"
#include "archive/chat_export.h"
#include "archive/summary.h"
#include "base/time.h"
#include "siprec/metadata.h"

namespace earshot::archive {

// Who came or went, a part of the stream that is missing: what no participant wrote.
struct TranscriptNote {
    std::int64_t at_ms = 0;
    std::string text;
    friend bool operator==(const TranscriptNote&, const TranscriptNote&) = default;
};

struct TranscriptHead {
    std::string id;
    base::WallTime start{};  // that times count from
    std::vector<ParticipantSummary> participants;
    std::chrono::minutes utc_offset{};  // of the times of day
};

// "UTC", "Z", "+02:00", "-0930": at most 14 hours. Nothing: it is none.
std::optional<std::chrono::minutes> parse_utc_offset(std::string_view text);
std::string utc_offset_text(std::chrono::minutes offset);  // "UTC", "+02:00"

// The gaps of what is written: pauses, holds, what could not be stored. `has_others`: the label
// tells the stream from others that are written in.
std::vector<TranscriptNote> notes_of_gaps(const StreamSummary& stream, bool has_others);

// Joins and leaves by the metadata's associations; of who was there before the recording only the
// end. Times beyond [start, end] are the peer's clock, not ours: they are left out.
std::vector<TranscriptNote> notes_of_people(const siprec::MetadataObjects& metadata,
                                            base::WallTime start, base::WallTime end);

std::string write_transcript(const TranscriptHead& head, const CallTimeline& timeline,
                             std::span<const ChatLine> written,
                             std::span<const TranscriptNote> notes);

}  // namespace earshot::archive
