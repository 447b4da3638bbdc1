// Hextile (RFC 6143 section 7.7.4): tiles of 16x16, each raw or a background with rectangles.
#include <algorithm>

#include "rfb/decoders.h"

namespace earshot::rfb {

namespace {

constexpr std::size_t kTile = 16;
constexpr std::uint8_t kRawTile = 1;
constexpr std::uint8_t kHasBackground = 2;
constexpr std::uint8_t kHasForeground = 4;
constexpr std::uint8_t kHasParts = 8;
constexpr std::uint8_t kIsColoured = 16;

class Hextile : public RectDecoder {
public:
    explicit Hextile(const Rect& rect) : rect_(rect) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        while (y_ < rect_.height && rect_.width > 0) {
            const Rect tile{.x = rect_.x + x_,
                            .y = rect_.y + y_,
                            .width = std::min(kTile, rect_.width - x_),
                            .height = std::min(kTile, rect_.height - y_)};
            const Progress done = read_tile(in, target, tile);
            if (done != Progress::Done) return done;
            x_ += kTile;
            if (x_ < rect_.width) continue;
            x_ = 0;
            y_ += kTile;
        }
        return Progress::Done;
    }

private:
    // A tile is small: it is read when all of it has come.
    Progress read_tile(ByteQueue& in, DecodeTarget& target, const Rect& tile) {
        const PixelReader& pixels = target.pixels;
        Picture& picture = target.screen.picture;
        const std::size_t size = pixels.bytes();
        if (in.empty()) return Progress::Need;
        const std::uint8_t kind = in.u8();
        const std::uint8_t* bytes = in.view().data();
        if ((kind & kRawTile) != 0) {
            const std::size_t whole = 1 + tile.area() * size;
            if (!in.has(whole)) return Progress::Need;
            for (std::size_t i = 0; i < tile.area(); ++i)
                picture.set(tile.x + i % tile.width, tile.y + i / tile.width,
                            pixels.read(bytes + 1 + i * size));
            in.drop(whole);
            return Progress::Done;
        }
        std::size_t whole = 1;
        const auto next = [&](std::size_t count) {
            const std::size_t at = whole;
            whole += count;
            return at;
        };
        const std::size_t background_at = (kind & kHasBackground) != 0 ? next(size) : 0;
        const std::size_t foreground_at = (kind & kHasForeground) != 0 ? next(size) : 0;
        std::size_t parts = 0;
        std::size_t parts_at = 0;
        const std::size_t part_size = ((kind & kIsColoured) != 0 ? size : 0) + 2;
        if ((kind & kHasParts) != 0) {
            const std::size_t at = next(1);
            if (!in.has(whole)) return Progress::Need;
            parts = in.u8(at);
            parts_at = next(parts * part_size);
        }
        if (!in.has(whole)) return Progress::Need;
        if (background_at != 0) background_ = pixels.read(bytes + background_at);
        if (foreground_at != 0) foreground_ = pixels.read(bytes + foreground_at);
        picture.fill(tile, background_);
        for (std::size_t i = 0; i < parts; ++i) {
            const std::uint8_t* at = bytes + parts_at + i * part_size;
            Colour colour = foreground_;
            if ((kind & kIsColoured) != 0) {
                colour = pixels.read(at);
                at += size;
            }
            const Rect part{.x = std::size_t{at[0]} >> 4U,
                            .y = at[0] & 15U,
                            .width = (std::size_t{at[1]} >> 4U) + 1U,
                            .height = (at[1] & 15U) + 1U};
            if (part.x + part.width > tile.width || part.y + part.height > tile.height)
                return Progress::Broken;
            picture.fill({.x = tile.x + part.x,
                          .y = tile.y + part.y,
                          .width = part.width,
                          .height = part.height},
                         colour);
        }
        in.drop(whole);
        return Progress::Done;
    }

    const Rect rect_;
    std::size_t x_ = 0;
    std::size_t y_ = 0;
    Colour background_ = 0;
    Colour foreground_ = 0;
};

}  // namespace

std::unique_ptr<RectDecoder> make_hextile(const Rect& rect) {
    return std::make_unique<Hextile>(rect);
}

}  // namespace earshot::rfb
