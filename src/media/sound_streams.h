// The audio streams of a job, decoded: a decoder for each format of each stream, made when it is
// first met. What cannot be decoded is told in the report.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "media/sound_decoder.h"
#include "media/stage.h"
#include "media/units.h"

namespace earshot::media {

class SoundStreams {
public:
    using Take = std::function<void(const rendition::Stream&, std::int64_t sample,
                                    std::span<const std::int16_t>)>;
    // Borrows both.
    SoundStreams(Stage& stage, int rate, Take take)
        : stage_(stage), rate_(rate), take_(std::move(take)) {}

    // Whatever units of audio streams there are; others are passed over.
    void add(const PlacedUnit& unit);
    void finish();
    bool has_any() const { return has_any_; }  // something could be decoded

private:
    using Key = std::pair<std::uint16_t, std::size_t>;  // stream, format
    struct Lane {
        const rendition::Stream* stream = nullptr;
        std::unique_ptr<SoundDecoder> decoder;  // null: nobody decodes it
    };
    Lane& lane_of(const PlacedUnit& unit);

    Stage& stage_;
    const int rate_;
    const Take take_;
    std::map<Key, Lane> lanes_;
    std::map<std::uint16_t, std::size_t> last_format_;  // of each stream
    bool has_any_ = false;
};

}  // namespace earshot::media
