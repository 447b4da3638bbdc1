#include "rfb/picture.h"

#include <algorithm>

namespace earshot::rfb {

namespace {
std::size_t cut(std::size_t at, std::size_t length, std::size_t end) {
    return at >= end ? 0 : std::min(length, end - at);
}
}  // namespace

void Picture::resize(std::size_t width, std::size_t height) {
    std::vector<Colour> pixels(width * height);
    const std::size_t columns = std::min(width, width_);
    for (std::size_t y = 0; y < std::min(height, height_); ++y)
        std::copy_n(row(y).begin(), columns,
                    pixels.begin() + static_cast<std::ptrdiff_t>(y * width));
    pixels_ = std::move(pixels);
    width_ = width;
    height_ = height;
}

void Picture::fill(const Rect& rect, Colour colour) {
    const std::size_t columns = cut(rect.x, rect.width, width_);
    const std::size_t rows = cut(rect.y, rect.height, height_);
    if (columns == 0) return;
    for (std::size_t y = rect.y; y < rect.y + rows; ++y)
        std::fill_n(pixels_.begin() + static_cast<std::ptrdiff_t>(y * width_ + rect.x), columns,
                    colour);
}

void Picture::set_row(std::size_t x, std::size_t y, std::span<const Colour> colours) {
    const std::size_t columns = cut(x, colours.size(), width_);
    if (y >= height_ || columns == 0) return;
    std::copy_n(colours.begin(), columns,
                pixels_.begin() + static_cast<std::ptrdiff_t>(y * width_ + x));
}

void Picture::copy(const Rect& to, std::size_t from_x, std::size_t from_y) {
    const std::size_t columns =
        std::min(cut(to.x, to.width, width_), cut(from_x, to.width, width_));
    const std::size_t rows =
        std::min(cut(to.y, to.height, height_), cut(from_y, to.height, height_));
    if (columns == 0) return;
    for (std::size_t i = 0; i < rows; ++i) {
        // The two may overlap: from below, when it moves down.
        const std::size_t line = to.y > from_y ? rows - 1 - i : i;
        Colour* target = pixels_.data() + (to.y + line) * width_ + to.x;
        const Colour* source = pixels_.data() + (from_y + line) * width_ + from_x;
        if (target > source)
            std::copy_backward(source, source + columns, target + columns);
        else
            std::copy(source, source + columns, target);
    }
}

}  // namespace earshot::rfb
