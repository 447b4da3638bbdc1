#include "media/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <new>

#include "media/limits.h"

namespace earshot::media {
namespace {

// Chroma is at half the size: places are even.
int even(int value) { return value & ~1; }

// The largest rectangle of the picture's shape within the cell.
Cell fit(const Cell& cell, const AVFrame& picture) {
    AVRational pixel = picture.sample_aspect_ratio;
    if (pixel.num <= 0 || pixel.den <= 0) pixel = {1, 1};
    const double shape = static_cast<double>(picture.width) * pixel.num /
                         (static_cast<double>(picture.height) * pixel.den);
    Cell inside = cell;
    if (shape * cell.height > cell.width)
        inside.height = std::max(even(static_cast<int>(std::lround(cell.width / shape))), 2);
    else
        inside.width = std::max(even(static_cast<int>(std::lround(cell.height * shape))), 2);
    inside.x += even((cell.width - inside.width) / 2);
    inside.y += even((cell.height - inside.height) / 2);
    return inside;
}

void add_grid(std::size_t count, const Cell& room, std::vector<Cell>& out) {
    if (count == 0) return;
    const auto columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
    const int rows = (static_cast<int>(count) + columns - 1) / columns;
    for (int i = 0; i < static_cast<int>(count); ++i)
        out.push_back({.x = room.x + even(room.width * (i % columns) / columns),
                       .y = room.y + even(room.height * (i / columns) / rows),
                       .width = even(room.width / columns),
                       .height = even(room.height / rows)});
}

}  // namespace

std::vector<Cell> lay_out(std::size_t contents, std::size_t cameras, int width, int height) {
    std::vector<Cell> cells;
    const Cell whole{.x = 0, .y = 0, .width = width, .height = height};
    if (contents == 0 || cameras == 0) {
        add_grid(contents + cameras, whole, cells);
        return cells;
    }
    // Three quarters for what is read, one column for faces.
    const int wide = even(width * 3 / 4);
    add_grid(contents, {.x = 0, .y = 0, .width = wide, .height = height}, cells);
    const auto count = static_cast<int>(std::max<std::size_t>(cameras, 3));
    for (int i = 0; i < static_cast<int>(cameras); ++i)
        cells.push_back({.x = wide,
                         .y = even(height * i / count),
                         .width = even(width - wide),
                         .height = even(height / count)});
    return cells;
}

Canvas::Canvas(const rendition::Job& job, int width, int height) : picture_(av_frame_alloc()) {
    if (!picture_) throw std::bad_alloc();
    picture_->format = AV_PIX_FMT_YUV420P;
    picture_->width = width;
    picture_->height = height;
    if (av_frame_get_buffer(picture_.get(), 0) < 0) throw std::bad_alloc();
    fill({.x = 0, .y = 0, .width = width, .height = height});
    std::vector<std::uint16_t> contents;
    std::vector<std::uint16_t> cameras;
    for (const rendition::Stream& stream : job.streams) {
        const bool has_any = std::any_of(stream.formats.begin(), stream.formats.end(),
                                         [](const rendition::Format& f) { return f.is_used; });
        if (!stream.is_video() || !has_any || contents.size() + cameras.size() >= kMaxCells)
            continue;
        (stream.is_content ? contents : cameras).push_back(stream.number);
    }
    const std::vector<Cell> cells = lay_out(contents.size(), cameras.size(), width, height);
    contents.insert(contents.end(), cameras.begin(), cameras.end());
    for (std::size_t i = 0; i < contents.size(); ++i) cells_[contents[i]].cell = cells[i];
}

void Canvas::fill(const Cell& cell) {
    constexpr std::array<int, 3> kDark{24, 128, 128};
    for (int plane = 0; plane < 3; ++plane) {
        const int shift = plane == 0 ? 0 : 1;
        for (int y = cell.y >> shift; y < (cell.y + cell.height) >> shift; ++y)
            std::memset(picture_->data[plane] + y * picture_->linesize[plane] + (cell.x >> shift),
                        kDark.at(static_cast<std::size_t>(plane)),
                        static_cast<std::size_t>(cell.width >> shift));
    }
}

bool Canvas::prepare(Place& place, const AVFrame& picture) {
    if (place.scaler && place.in_width == picture.width && place.in_height == picture.height &&
        place.in_format == picture.format)
        return true;
    const Cell shown = fit(place.cell, picture);
    place.scaler.reset(sws_getContext(
        picture.width, picture.height, static_cast<AVPixelFormat>(picture.format), shown.width,
        shown.height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, nullptr, nullptr, nullptr));
    if (!place.scaler) return false;
    place.in_width = picture.width;
    place.in_height = picture.height;
    place.in_format = picture.format;
    if (!(shown == place.shown)) fill(place.cell);
    place.shown = shown;
    return true;
}

bool Canvas::show(std::uint16_t stream, const AVFrame& picture) {
    const auto found = cells_.find(stream);
    if (found == cells_.end()) return true;
    Place& place = found->second;
    if (!prepare(place, picture)) return false;
    if (av_frame_make_writable(picture_.get()) < 0) throw std::bad_alloc();
    std::array<std::uint8_t*, 4> out{};
    for (int plane = 0; plane < 3; ++plane) {
        const int shift = plane == 0 ? 0 : 1;
        out.at(static_cast<std::size_t>(plane)) =
            picture_->data[plane] + (place.shown.y >> shift) * picture_->linesize[plane] +
            (place.shown.x >> shift);
    }
    return sws_scale(place.scaler.get(), picture.data, picture.linesize, 0, picture.height,
                     out.data(), picture_->linesize) > 0;
}

void Canvas::clear(std::uint16_t stream) {
    const auto found = cells_.find(stream);
    if (found == cells_.end()) return;
    if (av_frame_make_writable(picture_.get()) < 0) throw std::bad_alloc();
    fill(found->second.cell);
}

}  // namespace earshot::media
