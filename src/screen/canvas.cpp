#include "screen/canvas.h"

#include <algorithm>

namespace earshot::screen {

namespace {

using rfb::Colour;

// `over` is multiplied by its alpha already.
Colour blend(Colour under, Colour over, std::uint32_t alpha) {
    Colour mixed = 0;
    for (const unsigned shift : {16U, 8U, 0U}) {
        const std::uint32_t below = (under >> shift & 0xff) * (255 - alpha) / 255;
        mixed |= std::min<std::uint32_t>(255, below + (over >> shift & 0xff)) << shift;
    }
    return mixed;
}

void paint_cursor(const rfb::Screen& screen, std::vector<Colour>& pixels) {
    const rfb::CursorShape& shape = screen.cursor;
    const std::size_t width = screen.picture.width();
    for (std::size_t row = 0; row < shape.height; ++row) {
        // Below 0 it wraps to something large, which is outside as well.
        const std::size_t y = screen.pointer->y + row - shape.hot_y;
        if (y >= screen.picture.height()) continue;
        for (std::size_t column = 0; column < shape.width; ++column) {
            const std::size_t x = screen.pointer->x + column - shape.hot_x;
            if (x >= width) continue;
            const std::size_t i = row * shape.width + column;
            Colour& pixel = pixels[y * width + x];
            pixel = blend(pixel, shape.pixels[i], shape.alphas[i]);
        }
    }
}

struct Sum {
    std::uint32_t red = 0;
    std::uint32_t green = 0;
    std::uint32_t blue = 0;
};

}  // namespace

void paint(const rfb::Screen& screen, std::vector<Colour>& pixels) {
    const rfb::Picture& picture = screen.picture;
    pixels.clear();
    pixels.reserve(picture.width() * picture.height());
    for (std::size_t y = 0; y < picture.height(); ++y) {
        const auto row = picture.row(y);
        pixels.insert(pixels.end(), row.begin(), row.end());
    }
    if (screen.pointer) paint_cursor(screen, pixels);
}

void convert(const std::vector<Colour>& pixels, std::size_t width, std::size_t height, I420& out) {
    out.width = width;
    out.height = height;
    out.bytes.resize(width * height + 2 * out.chroma_width() * out.chroma_height());
    std::uint8_t* y_plane = out.y();
    for (std::size_t i = 0; i < width * height; ++i) {
        const Colour c = pixels[i];
        const std::uint32_t red = c >> 16 & 0xff;
        const std::uint32_t green = c >> 8 & 0xff;
        const std::uint32_t blue = c & 0xff;
        y_plane[i] =
            static_cast<std::uint8_t>(((66 * red + 129 * green + 25 * blue + 128) >> 8) + 16);
    }
    std::uint8_t* u_plane = out.u();
    std::uint8_t* v_plane = out.v();
    for (std::size_t y = 0; y < height; y += 2)
        for (std::size_t x = 0; x < width; x += 2) {
            Sum sum;
            for (const std::size_t row : {y, std::min(y + 1, height - 1)})
                for (const std::size_t column : {x, std::min(x + 1, width - 1)}) {
                    const Colour c = pixels[row * width + column];
                    sum.red += c >> 16 & 0xff;
                    sum.green += c >> 8 & 0xff;
                    sum.blue += c & 0xff;
                }
            const auto red = static_cast<std::int32_t>(sum.red);
            const auto green = static_cast<std::int32_t>(sum.green);
            const auto blue = static_cast<std::int32_t>(sum.blue);
            const std::size_t i = y / 2 * out.chroma_width() + x / 2;
            u_plane[i] =
                static_cast<std::uint8_t>((-38 * red - 74 * green + 112 * blue + 131'584) >> 10);
            v_plane[i] =
                static_cast<std::uint8_t>((112 * red - 94 * green - 18 * blue + 131'584) >> 10);
        }
}

}  // namespace earshot::screen
