// The exports of what was typed (RFC 4103) and of the call's timeline, all pieces of a recording on
// one time.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "archive/call_timeline.h"
#include "archive/chat_export.h"
#include "archive/render.h"
#include "archive/stored_recording.h"

namespace earshot::archive {

// `format`: Vtt, Srt, Text or Timeline. Reasons: "no_text" where nobody typed, but for Timeline,
// which then is empty. `utc_offset`: of the times of day in Text.
base::Result<std::unique_ptr<Rendering>, base::Reason> render_text(
    std::span<const StoredRecording> pieces, Format format, Reading reading,
    std::chrono::minutes utc_offset);

// Vtt or Srt: the lines of all streams in the order of their beginning; a line that came later
// stays below.
std::string write_subtitles(const CallTimeline& timeline, Format format);

std::string clock_text(std::int64_t ms, char fraction_mark);  // 00:01:02.345
// Who typed the line, by what is known of it.
std::string typist_of(const TextTrack& track, const TimedLine& line);

}  // namespace earshot::archive
