// Where shared content changes, as marks of the recording: of the pictures of each stream that
// shows content.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "media/av.h"
#include "media/change_finder.h"
#include "media/picture_decoder.h"
#include "media/units.h"
#include "rendition/job.h"
#include "rendition/report.h"

namespace earshot::media {

class SlideMarks {
public:
    // A picture that was decoded for something else. Streams without content are passed over.
    void show(const rendition::Stream& stream, const AVFrame& picture);
    // A unit that nobody else decodes.
    void add(const PlacedUnit& unit);
    // By time. Once, after the last picture.
    std::vector<rendition::Mark> finish();

private:
    struct Lane {
        ChangeFinder changes;
        Scaler scaler;
        int width = 0;
        int height = 0;
        int format = -1;
        std::map<std::size_t, std::unique_ptr<PictureDecoder>> decoders{};  // by format
    };
    std::map<std::uint16_t, Lane> lanes_;  // by stream
};

}  // namespace earshot::media
