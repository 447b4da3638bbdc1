#include "media/picture_streams.h"

#include "media/picture_codec.h"

namespace earshot::media {

PictureStreams::Lane& PictureStreams::lane_of(const PlacedUnit& unit) {
    const auto [found, is_new] = lanes_.try_emplace({unit.stream->number, unit.format});
    Lane& lane = found->second;
    if (!is_new) return lane;
    lane.stream = unit.stream;
    const rendition::Format& format = unit.stream->formats[unit.format];
    const auto codec = find_picture_codec(format.encoding);
    if (codec) lane.decoder = PictureDecoder::make(*codec, only_key_frames_);
    stage_.report.tracks.push_back(
        {.stream = unit.stream->number,
         .codec = format.encoding,
         .state = lane.decoder ? "rendered" : "left_out",
         .text = lane.decoder ? "" : "No decoder for it is known here."});
    return lane;
}

void PictureStreams::add(const PlacedUnit& unit) {
    if (!unit.stream->is_video()) return;
    Lane& lane = lane_of(unit);
    if (!lane.decoder) return;
    const bool is_decoded =
        lane.decoder->add(unit, [&](const AVFrame& frame) { take_(*lane.stream, frame); });
    if (!is_decoded || unit.unit.damaged || unit.unit.lost_before > 0)
        stage_.faults.add(unit.stream->number, unit.position_ns,
                          "pictures that are damaged or lost");
}

void PictureStreams::finish() {
    for (auto& entry : lanes_) {
        Lane& lane = entry.second;
        if (lane.decoder)
            lane.decoder->finish([&](const AVFrame& frame) { take_(*lane.stream, frame); });
    }
}

}  // namespace earshot::media
