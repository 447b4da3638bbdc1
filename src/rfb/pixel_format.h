// How RFB writes a pixel (RFC 6143 section 7.4), and what colour that is. Colours are 0x00RRGGBB.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace earshot::rfb {

using Colour = std::uint32_t;

constexpr Colour colour_of(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
    return std::uint32_t{red} << 16 | std::uint32_t{green} << 8 | blue;
}

inline constexpr std::size_t kPixelFormatBytes = 16;

struct PixelFormat {
    std::uint8_t bits_per_pixel = 32;  // 8, 16 or 32
    std::uint8_t depth = 24;
    bool is_big_endian = false;
    bool has_true_colour = true;                         // else pixels are places in a colour map
    std::array<std::uint16_t, 3> maxima{255, 255, 255};  // red, green, blue
    std::array<std::uint8_t, 3> shifts{16, 8, 0};

    friend bool operator==(const PixelFormat&, const PixelFormat&) = default;
};

// Of kPixelFormatBytes octets. Malformed: no pixel can be like that.
base::Result<PixelFormat> parse_pixel_format(base::ByteView bytes);

using ColourMap = std::array<Colour, 256>;  // black, until the server has told

class PixelReader {
public:
    explicit PixelReader(const PixelFormat& format = {});

    const PixelFormat& format() const { return format_; }
    std::size_t bytes() const { return format_.bits_per_pixel / 8U; }
    // CPIXEL of ZRLE and TRLE (RFC 6143 section 7.7.5), TPIXEL of Tight: without the unused octet.
    std::size_t compact_bytes() const { return is_compact_ ? 3 : bytes(); }
    std::size_t tight_bytes() const { return is_tight_ ? 3 : bytes(); }

    // The octets are there.
    Colour read(const std::uint8_t* at) const { return colour(load(at)); }
    Colour read_compact(const std::uint8_t* at) const;
    Colour read_tight(const std::uint8_t* at) const {
        return is_tight_ ? colour_of(at[0], at[1], at[2]) : read(at);
    }
    // The parts of a TPIXEL, not scaled (Tight's gradient filter reckons with them).
    std::array<std::uint16_t, 3> tight_parts(const std::uint8_t* at) const;
    Colour from_parts(const std::array<std::uint16_t, 3>& parts) const;

    void set_colour(std::size_t place, Colour colour) {
        if (place < map_.size()) map_[place] = colour;
    }

private:
    std::uint32_t load(const std::uint8_t* at) const;
    Colour colour(std::uint32_t value) const;

    PixelFormat format_;
    bool is_plain_ = false;  // 8 bits of each: no scaling
    bool is_compact_ = false;
    bool is_high_ = false;  // the unused octet is the least significant one
    bool is_tight_ = false;
    ColourMap map_{};
};

}  // namespace earshot::rfb
