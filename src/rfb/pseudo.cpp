// Rectangles that are no pixels of the screen: its size and name, the cursor (RFC 6143 section 7.8
// and github.com/rfbproto/rfbproto).
#include <algorithm>

#include "rfb/decoders.h"
#include "rfb/limits.h"

namespace earshot::rfb {

namespace {

bool is_too_large(const Rect& size) {
    return size.width > kMaxSide || size.height > kMaxSide || size.area() > kMaxPixels;
}

// Nothing but its header, and perhaps octets that mean nothing to a picture.
class Ignored : public RectDecoder {
public:
    explicit Ignored(std::size_t octets) : octets_(octets) {}
    Progress run(ByteQueue& in, DecodeTarget&) override {
        if (!in.has(octets_)) return Progress::Need;
        in.drop(octets_);
        return Progress::Done;
    }

private:
    const std::size_t octets_;
};

class Resize : public RectDecoder {
public:
    Resize(const Rect& rect, bool is_extended) : rect_(rect), is_extended_(is_extended) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (is_extended_) {  // how many monitors there are, and each one's place
            if (!in.has(4)) return Progress::Need;
            const std::size_t octets = 4 + 16 * std::size_t{in.u8()};
            if (!in.has(octets)) return Progress::Need;
            in.drop(octets);
            // x: who asked (1: this viewer), y: with what success. What was refused is no size.
            if (rect_.x == 1 && rect_.y != 0) return Progress::Done;
        }
        if (is_too_large(rect_)) return Progress::TooLarge;
        target.screen.picture.resize(rect_.width, rect_.height);
        return Progress::Done;
    }

private:
    const Rect rect_;
    const bool is_extended_;
};

class DesktopName : public RectDecoder {
public:
    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (!is_begun_) {
            if (!in.has(4)) return Progress::Need;
            left_ = in.u32();
            in.drop(4);
            target.screen.name.clear();
            is_begun_ = true;
        }
        const std::size_t have = std::min<std::size_t>(left_, in.size());
        const base::ByteView bytes = in.take(have);
        const std::size_t kept = std::min(have, kMaxNameBytes - target.screen.name.size());
        target.screen.name.append(base::as_text(bytes.first(kept)));
        left_ -= have;
        return left_ == 0 ? Progress::Done : Progress::Need;
    }

private:
    bool is_begun_ = false;
    std::size_t left_ = 0;
};

class Pointer : public RectDecoder {
public:
    explicit Pointer(const Rect& rect) : rect_(rect) {}
    Progress run(ByteQueue&, DecodeTarget& target) override {
        target.screen.pointer = Point{.x = rect_.x, .y = rect_.y};
        return Progress::Done;
    }

private:
    const Rect rect_;
};

CursorShape shape_of(const Rect& rect) {
    CursorShape shape{.width = rect.width,
                      .height = rect.height,
                      .hot_x = rect.x,
                      .hot_y = rect.y,
                      .pixels = std::vector<Colour>(rect.area()),
                      .alphas = std::vector<std::uint8_t>(rect.area())};
    return shape;
}

bool mask_bit(const std::uint8_t* mask, std::size_t row_size, std::size_t x, std::size_t y) {
    return (mask[y * row_size + x / 8] >> (7 - x % 8) & 1U) != 0;
}

// The size is judged before.
class Cursor : public RectDecoder {
public:
    explicit Cursor(const Rect& rect) : rect_(rect) {}
    Progress run(ByteQueue& in, DecodeTarget& target) override {
        const std::size_t size = target.pixels.bytes();
        const std::size_t row_size = (rect_.width + 7) / 8;
        const std::size_t octets = rect_.area() * size + row_size * rect_.height;
        if (!in.has(octets)) return Progress::Need;
        const std::uint8_t* at = in.take(octets).data();
        CursorShape shape = shape_of(rect_);
        const std::uint8_t* mask = at + rect_.area() * size;
        for (std::size_t i = 0; i < rect_.area(); ++i) {
            if (!mask_bit(mask, row_size, i % rect_.width, i / rect_.width)) continue;
            shape.pixels[i] = target.pixels.read(at + i * size);
            shape.alphas[i] = 255;
        }
        target.screen.cursor = std::move(shape);
        return Progress::Done;
    }

private:
    const Rect rect_;
};

// Two colours, a bitmap, a mask.
class XCursor : public RectDecoder {
public:
    explicit XCursor(const Rect& rect) : rect_(rect) {}
    Progress run(ByteQueue& in, DecodeTarget& target) override {
        const std::size_t row_size = (rect_.width + 7) / 8;
        const std::size_t plane = row_size * rect_.height;
        const std::size_t octets = rect_.area() == 0 ? 0 : 6 + 2 * plane;
        if (!in.has(octets)) return Progress::Need;
        const std::uint8_t* at = in.take(octets).data();
        CursorShape shape = shape_of(rect_);
        for (std::size_t i = 0; i < rect_.area(); ++i) {
            const std::size_t x = i % rect_.width;
            const std::size_t y = i / rect_.width;
            if (!mask_bit(at + 6 + plane, row_size, x, y)) continue;
            const std::uint8_t* colour = mask_bit(at + 6, row_size, x, y) ? at : at + 3;
            shape.pixels[i] = colour_of(colour[0], colour[1], colour[2]);
            shape.alphas[i] = 255;
        }
        target.screen.cursor = std::move(shape);
        return Progress::Done;
    }

private:
    const Rect rect_;
};

void put_rgba(const std::uint8_t* at, CursorShape& shape) {
    for (std::size_t i = 0; i < shape.pixels.size(); ++i, at += 4) {
        shape.pixels[i] = colour_of(at[0], at[1], at[2]);
        shape.alphas[i] = at[3];
    }
}

// RGBA, its colours multiplied already, in an encoding of its own: Raw by all who do this.
class AlphaCursor : public RectDecoder {
public:
    explicit AlphaCursor(const Rect& rect) : rect_(rect) {}
    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (!in.has(4)) return Progress::Need;
        if (in.s32() != encoding::kRaw) return Progress::Broken;
        const std::size_t octets = 4 + 4 * rect_.area();
        if (!in.has(octets)) return Progress::Need;
        CursorShape shape = shape_of(rect_);
        put_rgba(in.take(octets).data() + 4, shape);
        target.screen.cursor = std::move(shape);
        return Progress::Done;
    }

private:
    const Rect rect_;
};

// Of two kinds: masks that are combined with the screen, or RGBA.
class VmwareCursor : public RectDecoder {
public:
    explicit VmwareCursor(const Rect& rect) : rect_(rect) {}
    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (!in.has(2)) return Progress::Need;
        const bool is_classic = in.u8() == 0;
        if (in.u8() > 1) return Progress::Broken;
        const std::size_t size = is_classic ? target.pixels.bytes() : 4;
        const std::size_t plane = size * rect_.area();
        const std::size_t octets = 2 + plane * (is_classic ? 2 : 1);
        if (!in.has(octets)) return Progress::Need;
        const std::uint8_t* at = in.take(octets).data() + 2;
        CursorShape shape = shape_of(rect_);
        if (!is_classic) put_rgba(at, shape);
        for (std::size_t i = 0; is_classic && i < rect_.area(); ++i) {
            // AND mask of zeros: the XOR plane's colour; of ones: the screen is seen (or inverted,
            // which is taken as black: it is to be visible).
            const bool is_opaque = target.pixels.read(at + i * size) == 0;
            const Colour colour = target.pixels.read(at + plane + i * size);
            shape.pixels[i] = is_opaque ? colour : 0;
            shape.alphas[i] = is_opaque || colour != 0 ? 255 : 0;
        }
        target.screen.cursor = std::move(shape);
        return Progress::Done;
    }

private:
    const Rect rect_;
};

class TooLarge : public RectDecoder {
public:
    Progress run(ByteQueue&, DecodeTarget&) override { return Progress::TooLarge; }
};

template <class T>
std::unique_ptr<RectDecoder> cursor(const Rect& rect) {
    if (rect.width > kMaxCursorSide || rect.height > kMaxCursorSide)
        return std::make_unique<TooLarge>();
    return std::make_unique<T>(rect);
}

}  // namespace

std::unique_ptr<RectDecoder> make_pseudo(std::int32_t encoding, const Rect& rect) {
    switch (encoding) {
        case encoding::kDesktopSize:
            return std::make_unique<Resize>(rect, false);
        case encoding::kExtendedDesktopSize:
            return std::make_unique<Resize>(rect, true);
        case encoding::kDesktopName:
            return std::make_unique<DesktopName>();
        case encoding::kPointerPosition:
            return std::make_unique<Pointer>(rect);
        case encoding::kCursor:
            return cursor<Cursor>(rect);
        case encoding::kXCursor:
            return cursor<XCursor>(rect);
        case encoding::kCursorWithAlpha:
            return cursor<AlphaCursor>(rect);
        case encoding::kVmwareCursor:
            return cursor<VmwareCursor>(rect);
        case encoding::kQemuPointerMotion:
        case encoding::kQemuKeyEvent:
        case encoding::kLedState:
            return std::make_unique<Ignored>(0);
        case encoding::kSupportedMessages:
        case encoding::kSupportedEncodings:
        case encoding::kServerIdentity:
            return std::make_unique<Ignored>(rect.width);
        case encoding::kQemuLedState:
            return std::make_unique<Ignored>(1);
        case encoding::kVmwareLedState:
            return std::make_unique<Ignored>(4);
        default:
            return nullptr;
    }
}

}  // namespace earshot::rfb
