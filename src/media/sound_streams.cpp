#include "media/sound_streams.h"

namespace earshot::media {

SoundStreams::Lane& SoundStreams::lane_of(const PlacedUnit& unit) {
    const auto [found, is_new] = lanes_.try_emplace({unit.stream->number, unit.format});
    Lane& lane = found->second;
    if (!is_new) return lane;
    lane.stream = unit.stream;
    const rendition::Format& format = unit.stream->formats[unit.format];
    if (!lane.stream->is_audio() || is_no_sound(format.encoding)) return lane;
    auto decoder = SoundDecoder::make(format, rate_);
    stage_.report.tracks.push_back({.stream = unit.stream->number,
                                    .codec = format.encoding,
                                    .state = decoder ? "rendered" : "left_out",
                                    .text = decoder ? "" : decoder.error().text});
    if (decoder) lane.decoder = std::move(*decoder);
    return lane;
}

void SoundStreams::add(const PlacedUnit& unit) {
    Lane& lane = lane_of(unit);
    if (!lane.decoder) return;
    has_any_ = true;
    const auto take = [&](std::int64_t sample, std::span<const std::int16_t> samples) {
        take_(*lane.stream, sample, samples);
    };
    // Another codec in between: what its decoder remembers is of another time.
    const auto [last, is_first] = last_format_.try_emplace(unit.stream->number, unit.format);
    const bool changed = !is_first && last->second != unit.format;
    last->second = unit.format;
    if (!lane.decoder->add(unit.position_ns, unit.unit.bytes, unit.begins_anew || changed, take))
        stage_.faults.add(unit.stream->number, unit.position_ns, "sound that cannot be decoded");
}

void SoundStreams::finish() {
    for (auto& entry : lanes_) {
        Lane& lane = entry.second;
        if (lane.decoder)
            lane.decoder->finish([&](std::int64_t sample, std::span<const std::int16_t> samples) {
                take_(*lane.stream, sample, samples);
            });
    }
}

}  // namespace earshot::media
