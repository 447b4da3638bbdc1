// TRLE and ZRLE (RFC 6143 section 7.7.5, 7.7.6): tiles with palettes and runs, of 16x16 as they are
// or of 64x64 in a zlib stream that goes on over rectangles.
#include <algorithm>

#include "rfb/decoders.h"

namespace earshot::rfb {

namespace {

constexpr std::uint8_t kReusedPacked = 127;
constexpr std::uint8_t kPlainRuns = 128;
constexpr std::uint8_t kReusedRuns = 129;

class Tiles : public RectDecoder {
public:
    Tiles(const Rect& rect, std::size_t side, bool may_reuse)
        : rect_(rect), side_(side), may_reuse_(may_reuse) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        while (y_ < rect_.height && rect_.width > 0) {
            const Rect tile{.x = rect_.x + x_,
                            .y = rect_.y + y_,
                            .width = std::min(side_, rect_.width - x_),
                            .height = std::min(side_, rect_.height - y_)};
            const Progress done = read_tile(in, target.pixels, tile);
            if (done != Progress::Done) return done;
            for (std::size_t y = 0; y < tile.height; ++y)
                target.screen.picture.set_row(
                    tile.x, tile.y + y,
                    std::span<const Colour>(colours_).subspan(y * tile.width, tile.width));
            x_ += side_;
            if (x_ < rect_.width) continue;
            x_ = 0;
            y_ += side_;
        }
        return Progress::Done;
    }

private:
    // Reads it when all of it has come.
    Progress read_tile(ByteQueue& in, const PixelReader& pixels, const Rect& tile) {
        if (in.empty()) return Progress::Need;
        const base::ByteView bytes = in.view();
        const std::uint8_t kind = bytes[0];
        const std::size_t size = pixels.compact_bytes();
        const bool has_runs = kind >= kPlainRuns;
        const bool is_reused = kind == kReusedPacked || kind == kReusedRuns;
        if (is_reused && (!may_reuse_ || palette_.empty())) return Progress::Broken;
        if (kind > 16 && kind < kReusedPacked) return Progress::Broken;
        std::size_t at = 1;
        std::size_t count = has_runs ? kind - kPlainRuns : kind;  // of the palette
        if (is_reused) count = palette_.size();
        const bool has_palette = !is_reused && count > 0 && (kind != kPlainRuns);
        if (!is_reused && has_palette) {
            if (bytes.size() < at + count * size) return Progress::Need;
            fresh_.clear();
            for (std::size_t i = 0; i < count; ++i, at += size)
                fresh_.push_back(pixels.read_compact(bytes.data() + at));
        }
        const std::vector<Colour>& palette = has_palette ? fresh_ : palette_;
        colours_.clear();
        Progress done = Progress::Done;
        if (has_runs) {
            done =
                read_runs(bytes, at, pixels, tile.area(), kind == kPlainRuns ? nullptr : &palette);
        } else if (kind == 0) {
            if (bytes.size() < at + tile.area() * size) return Progress::Need;
            for (std::size_t i = 0; i < tile.area(); ++i, at += size)
                colours_.push_back(pixels.read_compact(bytes.data() + at));
        } else if (count == 1) {
            colours_.assign(tile.area(), palette.front());
        } else {
            done = read_packed(bytes, at, tile, palette);
        }
        if (done != Progress::Done) return done;
        if (has_palette) palette_ = fresh_;
        in.drop(at);
        return Progress::Done;
    }

    Progress read_packed(base::ByteView bytes, std::size_t& at, const Rect& tile,
                         const std::vector<Colour>& palette) {
        if (palette.size() > 16) return Progress::Broken;  // reused of runs, which may have more
        const std::size_t bits = palette.size() == 2 ? 1 : palette.size() <= 4 ? 2 : 4;
        const std::size_t row_size = (tile.width * bits + 7) / 8;
        if (bytes.size() < at + row_size * tile.height) return Progress::Need;
        for (std::size_t y = 0; y < tile.height; ++y, at += row_size)
            for (std::size_t x = 0; x < tile.width; ++x) {
                const std::size_t bit = x * bits;
                const std::size_t place =
                    bytes[at + bit / 8] >> (8 - bits - bit % 8) & ((1U << bits) - 1);
                if (place >= palette.size()) return Progress::Broken;
                colours_.push_back(palette[place]);
            }
        return Progress::Done;
    }

    Progress read_runs(base::ByteView bytes, std::size_t& at, const PixelReader& pixels,
                       std::size_t area, const std::vector<Colour>* palette) {
        const std::size_t size = pixels.compact_bytes();
        while (colours_.size() < area) {
            Colour colour = 0;
            bool is_run = true;
            if (palette == nullptr) {
                if (bytes.size() < at + size) return Progress::Need;
                colour = pixels.read_compact(bytes.data() + at);
                at += size;
            } else {
                if (bytes.size() < at + 1) return Progress::Need;
                is_run = (bytes[at] & 0x80) != 0;
                const std::size_t place = bytes[at] & 0x7f;
                if (place >= palette->size()) return Progress::Broken;
                colour = (*palette)[place];
                ++at;
            }
            std::size_t length = 1;
            while (is_run) {
                if (bytes.size() < at + 1) return Progress::Need;
                length += bytes[at];
                is_run = bytes[at] == 255;
                ++at;
                if (length > area - colours_.size()) return Progress::Broken;
            }
            colours_.insert(colours_.end(), length, colour);
        }
        return Progress::Done;
    }

    const Rect rect_;
    const std::size_t side_;
    const bool may_reuse_;
    std::size_t x_ = 0;
    std::size_t y_ = 0;
    std::vector<Colour> palette_;
    std::vector<Colour> fresh_;
    std::vector<Colour> colours_;
};

}  // namespace

std::unique_ptr<RectDecoder> make_trle(const Rect& rect) {
    return std::make_unique<Tiles>(rect, 16, true);
}
std::unique_ptr<RectDecoder> make_zrle(const Rect& rect) {
    return make_zlib_block(std::make_unique<Tiles>(rect, 64, false), &StreamState::zrle);
}

}  // namespace earshot::rfb
