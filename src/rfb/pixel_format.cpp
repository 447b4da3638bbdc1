#include "rfb/pixel_format.h"

namespace earshot::rfb {

base::Result<PixelFormat> parse_pixel_format(base::ByteView bytes) {
    using base::Errc;
    using base::Error;
    if (bytes.size() < kPixelFormatBytes)
        return Error{Errc::Malformed, "RFB: pixel format cut", bytes.size()};
    PixelFormat format{
        .bits_per_pixel = bytes[0],
        .depth = bytes[1],
        .is_big_endian = bytes[2] != 0,
        .has_true_colour = bytes[3] != 0,
        .maxima = {base::load_u16(bytes, 4), base::load_u16(bytes, 6), base::load_u16(bytes, 8)},
        .shifts = {bytes[10], bytes[11], bytes[12]}};
    if (format.bits_per_pixel != 8 && format.bits_per_pixel != 16 && format.bits_per_pixel != 32)
        return Error{Errc::Malformed, "RFB: bits per pixel", 0};
    if (!format.has_true_colour) {
        // RFC 6143 section 7.4 leaves the rest open then; a map of more than 8 bits is in no use.
        if (format.bits_per_pixel != 8) return Error{Errc::Unsupported, "RFB: colour map", 0};
        format.maxima = {};
        format.shifts = {};
        return format;
    }
    for (std::size_t i = 0; i < 3; ++i)
        if (format.maxima[i] == 0 || format.shifts[i] >= format.bits_per_pixel)
            return Error{Errc::Malformed, "RFB: colour of the pixel format", 4 + 2 * i};
    return format;
}

PixelReader::PixelReader(const PixelFormat& format) : format_(format) {
    if (!format.has_true_colour) return;
    std::uint64_t used = 0;
    bool has_8_bits = true;
    for (std::size_t i = 0; i < 3; ++i) {
        used |= std::uint64_t{format.maxima[i]} << format.shifts[i];
        has_8_bits = has_8_bits && format.maxima[i] == 255;
    }
    is_plain_ = has_8_bits;
    const bool is_wide = format.bits_per_pixel == 32;
    const bool is_low = used <= 0x00ffffffU;
    is_high_ = !is_low && (used & 0xffU) == 0;
    is_compact_ = is_wide && format.depth <= 24 && (is_low || is_high_);
    is_tight_ = is_wide && format.depth == 24 && has_8_bits;
}

std::uint32_t PixelReader::load(const std::uint8_t* at) const {
    switch (format_.bits_per_pixel) {
        case 8:
            return at[0];
        case 16:
            return format_.is_big_endian ? std::uint32_t{at[0]} << 8 | at[1]
                                         : std::uint32_t{at[1]} << 8 | at[0];
        default:
            return format_.is_big_endian ? std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 |
                                               std::uint32_t{at[2]} << 8 | at[3]
                                         : std::uint32_t{at[3]} << 24 | std::uint32_t{at[2]} << 16 |
                                               std::uint32_t{at[1]} << 8 | at[0];
    }
}

Colour PixelReader::colour(std::uint32_t value) const {
    if (!format_.has_true_colour) return map_[value & 0xff];
    if (is_plain_)
        return (value >> format_.shifts[0] & 0xff) << 16 |
               (value >> format_.shifts[1] & 0xff) << 8 | (value >> format_.shifts[2] & 0xff);
    std::array<std::uint16_t, 3> parts{};
    for (std::size_t i = 0; i < 3; ++i)
        parts[i] = static_cast<std::uint16_t>(value >> format_.shifts[i] & format_.maxima[i]);
    return from_parts(parts);
}

Colour PixelReader::read_compact(const std::uint8_t* at) const {
    if (!is_compact_) return read(at);
    const std::uint32_t value =
        format_.is_big_endian ? std::uint32_t{at[0]} << 16 | std::uint32_t{at[1]} << 8 | at[2]
                              : std::uint32_t{at[2]} << 16 | std::uint32_t{at[1]} << 8 | at[0];
    return colour(is_high_ ? value << 8 : value);
}

std::array<std::uint16_t, 3> PixelReader::tight_parts(const std::uint8_t* at) const {
    if (is_tight_) return {at[0], at[1], at[2]};
    const std::uint32_t value = load(at);
    std::array<std::uint16_t, 3> parts{};
    for (std::size_t i = 0; i < 3; ++i)
        parts[i] = static_cast<std::uint16_t>(value >> format_.shifts[i] & format_.maxima[i]);
    return parts;
}

Colour PixelReader::from_parts(const std::array<std::uint16_t, 3>& parts) const {
    Colour colour = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        const std::uint32_t max = format_.maxima[i] == 0 ? 1U : format_.maxima[i];
        colour = colour << 8 | ((std::uint32_t{parts[i]} * 255 + max / 2) / max & 0xff);
    }
    return colour;
}

}  // namespace earshot::rfb
