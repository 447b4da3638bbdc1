// The exports of what was typed (RFC 4103) and of the call's timeline, all pieces of a recording on
// one time.
#pragma once

#include <memory>
#include <span>

#include "archive/call_timeline.h"
#include "archive/chat_export.h"
#include "archive/render.h"
#include "archive/stored_recording.h"

namespace earshot::archive {

// `format`: Vtt, Srt, Text or Timeline. Reasons: "no_text" where nobody typed, but for Timeline,
// which then is empty.
base::Result<std::unique_ptr<Rendering>, base::Reason> render_text(
    std::span<const StoredRecording> pieces, Format format, Reading reading);

// The lines of all streams in the order of their beginning; a line that came later stays below.
// `written`: in chats, for Text.
std::string write_subtitles(const CallTimeline& timeline, Format format,
                            std::span<const ChatLine> written = {});

}  // namespace earshot::archive
