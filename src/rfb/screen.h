// What a viewer of the shared screen sees: the picture, and the cursor, which servers leave to the
// viewer to paint once it says that it can (RFC 6143 section 7.8.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rfb/picture.h"

namespace earshot::rfb {

struct CursorShape {
    std::size_t width = 0;
    std::size_t height = 0;
    std::size_t hot_x = 0;
    std::size_t hot_y = 0;
    std::vector<Colour> pixels;        // multiplied by their alpha already
    std::vector<std::uint8_t> alphas;  // 0: what is below is seen, 255: it is not
};

struct Point {
    std::size_t x = 0;
    std::size_t y = 0;
    friend bool operator==(const Point&, const Point&) = default;
};

struct Screen {
    Picture picture;
    CursorShape cursor;  // of no size: none, or the server paints it
    std::optional<Point>
        pointer;                // as the viewer moves it, or the server tells; nullopt: not known
    std::string name;           // of the desktop, by the server; UTF-8 or not
    std::uint64_t changes = 0;  // counts up with each thing that may look different
};

}  // namespace earshot::rfb
