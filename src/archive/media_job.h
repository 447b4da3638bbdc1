// What earshot-media is told and fed of a stored recording: the job line, and the decrypted packets
// on the recording's timeline, in the order of their places. Two walks over the part `packets`: one
// that places them (the same code that placed the tracks), one that hands them out. Memory grows
// with the number of packets, not with their size. One thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "archive/stored_recording.h"
#include "rendition/job.h"
#include "rendition/worker.h"

namespace earshot::archive {

struct MediaJob {
    rendition::Job job;
    std::unique_ptr<rendition::PacketSource> packets;
};

// `pieces`: of one recording, in order, one at least. They stand on one timeline, each from where
// it began; what lies between is silence and dark. A stream that goes on in the next piece (same
// label, media, role and sender) is one stream; pieces that ran at once have streams of their own.
// Streams have their numbers in the journal, those of several pieces are counted. `stream`: of
// Product::Track, its number in the journal, in the one piece. Borrows nothing of `pieces`. Reason
// codes as archive/render.h lists them, and "no_media", "no_video", "no_audio".
base::Result<MediaJob, base::Reason> make_media_job(std::span<const StoredRecording> pieces,
                                                    rendition::Product product,
                                                    std::optional<std::uint16_t> stream = {});

// There is sound that the recording's tracks do not have, as this server does not decode it.
bool has_sound_beyond_tracks(const Summary& summary);

}  // namespace earshot::archive
