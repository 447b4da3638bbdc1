#include "media/slide_marks.h"

#include <algorithm>

#include "media/limits.h"
#include "media/picture_codec.h"

namespace earshot::media {

void SlideMarks::show(const rendition::Stream& stream, const AVFrame& picture) {
    if (!stream.is_content || picture.pts == AV_NOPTS_VALUE) return;
    // Of a picture of which something was lost, what is shown is the decoder's guess.
    if (picture.decode_error_flags != 0 || (picture.flags & AV_FRAME_FLAG_CORRUPT) != 0) return;
    Lane& lane = lanes_[stream.number];
    if (!lane.scaler || lane.width != picture.width || lane.height != picture.height ||
        lane.format != picture.format) {
        lane.scaler.reset(sws_getContext(picture.width, picture.height,
                                         static_cast<AVPixelFormat>(picture.format),
                                         ChangeFinder::kWidth, ChangeFinder::kHeight,
                                         AV_PIX_FMT_GRAY8, SWS_AREA, nullptr, nullptr, nullptr));
        lane.width = picture.width;
        lane.height = picture.height;
        lane.format = picture.format;
        if (!lane.scaler) return;
    }
    ChangeFinder::Grid grid{};
    std::uint8_t* const out[4]{grid.data()};
    const int stride[4]{ChangeFinder::kWidth};
    if (sws_scale(lane.scaler.get(), picture.data, picture.linesize, 0, picture.height, out,
                  stride) <= 0)
        return;
    lane.changes.add(std::max<std::int64_t>(picture.pts, 0) / 1'000'000, grid,
                     static_cast<double>(picture.width) / picture.height);
}

void SlideMarks::add(const PlacedUnit& unit) {
    if (!unit.stream->is_content || !unit.stream->is_video()) return;
    auto [found, is_new] = lanes_[unit.stream->number].decoders.try_emplace(unit.format);
    if (is_new) {
        const auto codec = find_picture_codec(unit.stream->formats[unit.format].encoding);
        if (codec) found->second = PictureDecoder::make(*codec, false);
    }
    // What cannot be decoded has no changes: nothing is missing of what is made.
    if (found->second)
        found->second->add(unit, [&](const AVFrame& picture) { show(*unit.stream, picture); });
}

std::vector<rendition::Mark> SlideMarks::finish() {
    std::vector<rendition::Mark> marks;
    for (auto& [number, lane] : lanes_) {
        lane.changes.finish();
        for (const std::int64_t at_ms : lane.changes.changes())
            marks.push_back({.stream = number, .at_ms = at_ms});
    }
    std::stable_sort(marks.begin(), marks.end(),
                     [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
    if (marks.size() > kMaxMarks) marks.resize(kMaxMarks);
    return marks;
}

}  // namespace earshot::media
