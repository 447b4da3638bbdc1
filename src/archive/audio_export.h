// The WAV and stereo exports: tracks read from the folder, converted to one rate, interleaved or
// mixed. One rendering, one thread.
#pragma once

#include <memory>

#include "archive/render.h"
#include "archive/stored_recording.h"

namespace earshot::archive {

base::Result<std::unique_ptr<Rendering>, base::Reason> render_audio(
    const StoredRecording& recording, bool is_stereo);

// Of each audio stream, by its place in streams_by_label(): 0 left, 1 right. Left is the first
// participant who sends audio; without metadata the first stream that brought any.
std::vector<std::size_t> stereo_channels(const Summary& summary);

}  // namespace earshot::archive
