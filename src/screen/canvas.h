// The screen as people see it, as I420: what an encoder takes.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "rfb/screen.h"

namespace earshot::screen {

// Planes of 8 bits, one behind the other; the chroma of each 2x2 pixels is one sample (BT.601,
// limited range, what VP8 means by its colour space 0).
struct I420 {
    std::size_t width = 0;
    std::size_t height = 0;
    base::Bytes bytes;

    std::size_t chroma_width() const { return (width + 1) / 2; }
    std::size_t chroma_height() const { return (height + 1) / 2; }
    std::uint8_t* y() { return bytes.data(); }
    std::uint8_t* u() { return bytes.data() + width * height; }
    std::uint8_t* v() { return u() + chroma_width() * chroma_height(); }
};

// The picture with the cursor where the pointer is.
void paint(const rfb::Screen& screen, std::vector<rfb::Colour>& pixels);
void convert(const std::vector<rfb::Colour>& pixels, std::size_t width, std::size_t height,
             I420& out);

}  // namespace earshot::screen
