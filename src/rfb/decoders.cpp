#include "rfb/decoders.h"

namespace earshot::rfb {

namespace {

// RFC 6143 section 7.7.1.
class Raw : public RectDecoder {
public:
    explicit Raw(const Rect& rect) : rect_(rect), colours_(rect.width) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        const std::size_t size = target.pixels.bytes();
        if (rect_.width == 0) return Progress::Done;
        for (; row_ < rect_.height; ++row_) {
            if (!in.has(rect_.width * size)) return Progress::Need;
            const std::uint8_t* at = in.take(rect_.width * size).data();
            for (Colour& colour : colours_) {
                colour = target.pixels.read(at);
                at += size;
            }
            target.screen.picture.set_row(rect_.x, rect_.y + row_, colours_);
        }
        return Progress::Done;
    }

private:
    const Rect rect_;
    std::vector<Colour> colours_;
    std::size_t row_ = 0;
};

// RFC 6143 section 7.7.2.
class CopyRect : public RectDecoder {
public:
    explicit CopyRect(const Rect& rect) : rect_(rect) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (!in.has(4)) return Progress::Need;
        target.screen.picture.copy(rect_, in.u16(0), in.u16(2));
        in.drop(4);
        return Progress::Done;
    }

private:
    const Rect rect_;
};

// RFC 6143 section 7.7.3; CoRRE says places and sizes in one octet each.
class Rre : public RectDecoder {
public:
    Rre(const Rect& rect, bool is_compact) : rect_(rect), is_compact_(is_compact) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        const std::size_t size = target.pixels.bytes();
        if (!is_begun_) {
            if (!in.has(4 + size)) return Progress::Need;
            left_ = in.u32();
            target.screen.picture.fill(rect_, target.pixels.read(in.view().data() + 4));
            in.drop(4 + size);
            is_begun_ = true;
        }
        const std::size_t place = is_compact_ ? 4 : 8;
        for (; left_ > 0; --left_) {
            if (!in.has(size + place)) return Progress::Need;
            const Colour colour = target.pixels.read(in.view().data());
            const auto number = [&](std::size_t i) -> std::size_t {
                return is_compact_ ? in.u8(size + i) : in.u16(size + 2 * i);
            };
            const Rect part{
                .x = number(0), .y = number(1), .width = number(2), .height = number(3)};
            if (part.x + part.width > rect_.width || part.y + part.height > rect_.height)
                return Progress::Broken;
            target.screen.picture.fill({.x = rect_.x + part.x,
                                        .y = rect_.y + part.y,
                                        .width = part.width,
                                        .height = part.height},
                                       colour);
            in.drop(size + place);
        }
        return Progress::Done;
    }

private:
    const Rect rect_;
    const bool is_compact_;
    bool is_begun_ = false;
    std::uint32_t left_ = 0;
};

}  // namespace

std::unique_ptr<RectDecoder> make_decoder(std::int32_t encoding, const Rect& rect) {
    switch (encoding) {
        case encoding::kRaw:
            return std::make_unique<Raw>(rect);
        case encoding::kCopyRect:
            return std::make_unique<CopyRect>(rect);
        case encoding::kRre:
            return std::make_unique<Rre>(rect, false);
        case encoding::kCoRre:
            return std::make_unique<Rre>(rect, true);
        case encoding::kHextile:
            return make_hextile(rect);
        case encoding::kZlib:
            return make_zlib_block(std::make_unique<Raw>(rect), &StreamState::zlib);
        case encoding::kTight:
            return make_tight(rect);
        case encoding::kTrle:
            return make_trle(rect);
        case encoding::kZrle:
            return make_zrle(rect);
        default:
            return make_pseudo(encoding, rect);
    }
}

}  // namespace earshot::rfb
