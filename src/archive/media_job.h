// What earshot-media is told and fed of a stored recording: the job line, and the decrypted packets
// on the recording's timeline, in the order of their places. Two walks over the part `packets`: one
// that places them (the same code that placed the tracks), one that hands them out. Memory grows
// with the number of packets, not with their size. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "archive/stored_recording.h"
#include "rendition/job.h"
#include "rendition/worker.h"

namespace earshot::archive {

struct MediaJob {
    rendition::Job job;
    std::unique_ptr<rendition::PacketSource> packets;
};

// `stream`: of Product::Track, its number in the journal. Borrows nothing of `recording`. Reason
// codes as archive/render.h lists them, and "no_media", "no_video", "no_audio".
base::Result<MediaJob, base::Reason> make_media_job(const StoredRecording& recording,
                                                    rendition::Product product,
                                                    std::optional<std::uint16_t> stream = {});

// There is sound that the recording's tracks do not have, as this server does not decode it.
bool has_sound_beyond_tracks(const Summary& summary);

}  // namespace earshot::archive
