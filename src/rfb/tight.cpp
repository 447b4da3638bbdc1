// Tight (github.com/rfbproto/rfbproto, section "Tight Encoding"): one colour, a JPEG, or pixels
// that passed a filter, in one of four zlib streams that go on over rectangles.
#include <algorithm>
#include <array>

#include "rfb/decoders.h"
#include "rfb/limits.h"

namespace earshot::rfb {

namespace {

constexpr std::size_t kLeastPacked = 12;  // octets; fewer are as they are

enum class Filter : std::uint8_t { Copy, Palette, Gradient };

// A rectangle is read when all of it has come: 4 MiB at most.
class Tight : public RectDecoder {
public:
    explicit Tight(const Rect& rect) : rect_(rect) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (rect_.area() > kMaxPixels) return Progress::TooLarge;
        if (in.size() < wanted_) return Progress::Need;
        at_ = 0;
        const base::ByteView bytes = in.view();
        if (!need(bytes, 1)) return Progress::Need;
        const std::uint8_t control = bytes[at_++];
        Progress done = Progress::Broken;
        switch (control >> 4) {
            case 8:
                done = fill(bytes, target);
                break;
            case 9:
                done = jpeg(bytes, target);
                break;
            default:
                if ((control & 0x80) == 0) done = basic(bytes, control, target);
        }
        if (done == Progress::Done) in.drop(at_);
        return done;
    }

private:
    // Whether so many octets more are there; else what run() waits for is noted.
    bool need(base::ByteView bytes, std::size_t count) {
        if (bytes.size() >= at_ + count) return true;
        wanted_ = at_ + count;
        return false;
    }

    static void reset_streams(std::uint8_t control, StreamState& streams) {
        for (std::size_t i = 0; i < streams.tight.size(); ++i)
            if ((control >> i & 1U) != 0) streams.tight[i].reset();
    }

    // 1 to 3 octets, 7 bits in each but the last one.
    bool read_length(base::ByteView bytes, std::size_t& length) {
        length = 0;
        for (unsigned i = 0; i < 3; ++i) {
            if (!need(bytes, 1)) return false;
            const std::uint8_t octet = bytes[at_++];
            if (i == 2) {
                length |= std::size_t{octet} << 14U;
                return true;
            }
            length |= std::size_t{octet & 0x7fU} << (7 * i);
            if ((octet & 0x80) == 0) return true;
        }
        return true;
    }

    Progress fill(base::ByteView bytes, DecodeTarget& target) {
        const std::size_t size = target.pixels.tight_bytes();
        if (!need(bytes, size)) return Progress::Need;
        reset_streams(bytes[0], target.streams);
        target.screen.picture.fill(rect_, target.pixels.read_tight(bytes.data() + at_));
        at_ += size;
        return Progress::Done;
    }

    Progress jpeg(base::ByteView bytes, DecodeTarget& target) {
        std::size_t length = 0;
        if (!read_length(bytes, length) || !need(bytes, length)) return Progress::Need;
        reset_streams(bytes[0], target.streams);
        std::vector<Colour> colours;
        if (target.jpeg &&
            target.jpeg(bytes.subspan(at_, length), rect_.width, rect_.height, colours) &&
            colours.size() == rect_.area())
            for (std::size_t y = 0; y < rect_.height; ++y)
                target.screen.picture.set_row(
                    rect_.x, rect_.y + y,
                    std::span<const Colour>(colours).subspan(y * rect_.width, rect_.width));
        at_ += length;  // a picture that cannot be read does no harm to what follows
        return Progress::Done;
    }

    Progress basic(base::ByteView bytes, std::uint8_t control, DecodeTarget& target) {
        const std::size_t size = target.pixels.tight_bytes();
        auto filter = Filter::Copy;
        palette_.clear();
        if ((control & 0x40) != 0) {
            if (!need(bytes, 1)) return Progress::Need;
            const std::uint8_t id = bytes[at_++];
            if (id > 2) return Progress::Broken;
            filter = static_cast<Filter>(id);
        }
        if (filter == Filter::Palette) {
            if (!need(bytes, 1)) return Progress::Need;
            const std::size_t count = bytes[at_++] + std::size_t{1};
            if (!need(bytes, count * size)) return Progress::Need;
            for (std::size_t i = 0; i < count; ++i, at_ += size)
                palette_.push_back(target.pixels.read_tight(bytes.data() + at_));
        }
        const bool is_bitmap = filter == Filter::Palette && palette_.size() <= 2;
        row_size_ = is_bitmap                   ? (rect_.width + 7) / 8
                    : filter == Filter::Palette ? rect_.width
                                                : rect_.width * size;
        const std::size_t plain_size = row_size_ * rect_.height;
        above_.assign(3 * rect_.width, 0);
        if (plain_size < kLeastPacked) {
            if (!need(bytes, plain_size)) return Progress::Need;
            reset_streams(control, target.streams);
            const Progress done =
                put_rows(bytes.subspan(at_, plain_size), 0, filter, is_bitmap, target);
            at_ += plain_size;
            return done;
        }
        std::size_t length = 0;
        if (!read_length(bytes, length) || !need(bytes, length)) return Progress::Need;
        reset_streams(control, target.streams);
        const base::ByteView packed = bytes.subspan(at_, length);
        at_ += length;
        return unpack(packed, target.streams.tight[control >> 4 & 3U], filter, is_bitmap, target);
    }

    Progress unpack(base::ByteView packed, Inflater& stream, Filter filter, bool is_bitmap,
                    DecodeTarget& target) {
        base::Bytes plain;
        std::size_t row = 0;
        while (true) {
            const std::size_t before = plain.size();
            const std::size_t used = stream.inflate(packed, kInflatedAtOnce, plain);
            if (stream.is_broken()) return Progress::Broken;
            packed = packed.subspan(used);
            if (plain.size() == before && used == 0) break;
            const std::size_t rows = plain.size() / row_size_;
            if (row + rows > rect_.height) return Progress::Broken;
            const std::size_t size = rows * row_size_;
            const Progress done =
                put_rows(base::ByteView(plain).first(size), row, filter, is_bitmap, target);
            if (done != Progress::Done) return done;
            plain.erase(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(size));
            row += rows;
        }
        return packed.empty() && plain.empty() && row == rect_.height ? Progress::Done
                                                                      : Progress::Broken;
    }

    Progress put_rows(base::ByteView bytes, std::size_t row, Filter filter, bool is_bitmap,
                      DecodeTarget& target) {
        std::vector<Colour> colours(rect_.width);
        for (std::size_t at = 0; row_size_ > 0 && at + row_size_ <= bytes.size();
             at += row_size_, ++row) {
            const std::uint8_t* from = bytes.data() + at;
            if (filter == Filter::Gradient) {
                gradient_row(from, target.pixels, colours);
            } else {
                for (std::size_t x = 0; x < rect_.width; ++x) {
                    if (filter == Filter::Copy) {
                        colours[x] =
                            target.pixels.read_tight(from + x * target.pixels.tight_bytes());
                        continue;
                    }
                    const std::size_t place =
                        is_bitmap ? from[x / 8] >> (7 - x % 8) & 1U : std::size_t{from[x]};
                    if (place >= palette_.size()) return Progress::Broken;
                    colours[x] = palette_[place];
                }
            }
            target.screen.picture.set_row(rect_.x, rect_.y + row, colours);
        }
        return Progress::Done;
    }

    // Each part of a pixel is the difference to what its neighbours left, above and left above make
    // expected. Outside of the rectangle all are 0.
    void gradient_row(const std::uint8_t* from, const PixelReader& pixels,
                      std::vector<Colour>& colours) {
        std::array<std::int32_t, 3> left{};
        std::array<std::int32_t, 3> left_above{};
        const auto& maxima = pixels.format().maxima;
        for (std::size_t x = 0; x < rect_.width; ++x) {
            const auto parts = pixels.tight_parts(from + x * pixels.tight_bytes());
            std::array<std::uint16_t, 3> sum{};
            for (std::size_t i = 0; i < 3; ++i) {
                const std::int32_t max = maxima[i];
                std::int32_t& above = above_[3 * x + i];
                const std::int32_t expected =
                    std::clamp(left[i] + above - left_above[i], std::int32_t{0}, max);
                sum[i] = static_cast<std::uint16_t>((expected + parts[i]) & max);
                left_above[i] = above;
                left[i] = above = sum[i];
            }
            colours[x] = pixels.from_parts(sum);
        }
    }

    const Rect rect_;
    std::size_t wanted_ = 0;  // octets before it is worth to look again
    std::size_t at_ = 0;
    std::size_t row_size_ = 0;
    std::vector<Colour> palette_;
    std::vector<std::int32_t> above_;
};

}  // namespace

std::unique_ptr<RectDecoder> make_tight(const Rect& rect) { return std::make_unique<Tight>(rect); }

}  // namespace earshot::rfb
