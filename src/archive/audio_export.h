// The WAV and stereo exports: tracks read from the folders, converted to one rate, interleaved or
// mixed. The pieces of a recording stand on one timeline, each from where it began. One rendering,
// one thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "archive/render.h"
#include "archive/stored_recording.h"

namespace earshot::archive {

base::Result<std::unique_ptr<Rendering>, base::Reason> render_audio(
    std::span<const StoredRecording> pieces, bool is_stereo);

// Of each audio stream, piece after piece by its place in streams_by_label(): 0 left, 1 right. Left
// is the first participant who sends audio; without metadata the first stream that brought any, in
// each piece; of pieces with one stream each (the two legs of a Cisco phone) the first.
std::vector<std::size_t> stereo_channels(std::span<const Summary> pieces);

}  // namespace earshot::archive
