// What each product has of its surroundings: the job, the packets, the output, and what to tell.
#pragma once

#include <cstdint>
#include <functional>

#include "media/faults.h"
#include "media/input.h"
#include "media/output.h"
#include "rendition/job.h"
#include "rendition/report.h"

namespace earshot::media {

struct Stage {
    const rendition::Job& job;
    Input& input;
    Output& output;
    std::function<void(std::int64_t position_ns)> on_progress;
    rendition::Report report{};
    Faults faults{};

    const rendition::Stream* find_stream(std::uint16_t number) const {
        for (const rendition::Stream& stream : job.streams)
            if (stream.number == number) return &stream;
        return nullptr;
    }
    // The format that a record names; null: no such one.
    const rendition::Format* find_format(const rendition::RecordHeader& header) const {
        const rendition::Stream* stream = find_stream(header.stream);
        if (stream == nullptr || header.format >= stream->formats.size()) return nullptr;
        return &stream->formats[header.format];
    }
};

// Each makes one product off the stage's input, to its end.
Outcome make_tracks(Stage& stage);  // Tracks, Track
Outcome make_sound(Stage& stage);   // Wav, Stereo, Ogg, Peaks
Outcome make_watch(Stage& stage);   // Webm, Mp4
Outcome make_sheet(Stage& stage);   // Sheet
Outcome make_marks(Stage& stage);   // Marks

// The name that people know a track by.
std::string track_name(const rendition::Stream& stream);

}  // namespace earshot::media
