// One picture of all: shared content large, cameras beside it; without content the cameras share
// the room. A cell belongs to a stream from its first picture on.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "media/av.h"
#include "rendition/job.h"

namespace earshot::media {

struct Cell {
    int x = 0;
    int y = 0;
    int width = 0;
    int height = 0;
    friend bool operator==(const Cell&, const Cell&) = default;
};

// Where `cameras` and `contents` lie on a picture of that size: the contents' cells first.
std::vector<Cell> lay_out(std::size_t contents, std::size_t cameras, int width, int height);

class Canvas {
public:
    // Cells for all video streams of the job that have packets, kMaxCells at most.
    Canvas(const rendition::Job& job, int width, int height);

    bool has_cell(std::uint16_t stream) const { return cells_.contains(stream); }
    bool is_empty() const { return cells_.empty(); }
    // Scaled into the stream's cell, its shape kept. False: it cannot be scaled.
    bool show(std::uint16_t stream, const AVFrame& picture);
    void clear(std::uint16_t stream);  // it sends no more
    const AVFrame& picture() const { return *picture_; }

private:
    struct Place {
        Cell cell;
        Cell shown;  // what the newest picture covers
        Scaler scaler;
        int in_width = 0;
        int in_height = 0;
        int in_format = -1;
    };
    bool prepare(Place& place, const AVFrame& picture);
    void fill(const Cell& cell);

    Frame picture_;
    std::map<std::uint16_t, Place> cells_;
};

}  // namespace earshot::media
