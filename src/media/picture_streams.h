// The video streams of a job, decoded: a decoder for each format of each stream.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "media/picture_decoder.h"
#include "media/stage.h"
#include "media/units.h"

namespace earshot::media {

class PictureStreams {
public:
    using Take = std::function<void(const rendition::Stream&, const AVFrame&)>;
    PictureStreams(Stage& stage, bool only_key_frames, Take take)
        : stage_(stage), only_key_frames_(only_key_frames), take_(std::move(take)) {}

    void add(const PlacedUnit& unit);
    void finish();

private:
    struct Lane {
        const rendition::Stream* stream = nullptr;
        std::unique_ptr<PictureDecoder> decoder;
    };
    Lane& lane_of(const PlacedUnit& unit);

    Stage& stage_;
    const bool only_key_frames_;
    const Take take_;
    std::map<std::pair<std::uint16_t, std::size_t>, Lane> lanes_;
};

}  // namespace earshot::media
