// The pixels of a screen. What lies outside is passed over: a server that shrinks its screen may
// have rectangles of the larger one under way.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "rfb/pixel_format.h"

namespace earshot::rfb {

struct Rect {
    std::size_t x = 0;
    std::size_t y = 0;
    std::size_t width = 0;
    std::size_t height = 0;
    std::size_t area() const { return width * height; }
    friend bool operator==(const Rect&, const Rect&) = default;
};

class Picture {
public:
    std::size_t width() const { return width_; }
    std::size_t height() const { return height_; }
    std::span<const Colour> row(std::size_t y) const {
        return std::span(pixels_).subspan(y * width_, width_);
    }
    Colour at(std::size_t x, std::size_t y) const { return pixels_[y * width_ + x]; }

    // What both sizes have stays where it is, the rest is black. The caller has judged the size.
    void resize(std::size_t width, std::size_t height);
    void set(std::size_t x, std::size_t y, Colour colour) {
        if (x < width_ && y < height_) pixels_[y * width_ + x] = colour;
    }
    void fill(const Rect& rect, Colour colour);
    void set_row(std::size_t x, std::size_t y, std::span<const Colour> colours);
    void copy(const Rect& to, std::size_t from_x, std::size_t from_y);

private:
    std::size_t width_ = 0;
    std::size_t height_ = 0;
    std::vector<Colour> pixels_;
};

}  // namespace earshot::rfb
