#include "audio/g711.h"

#include <algorithm>
#include <array>
#include <bit>

namespace earshot::audio {
namespace {

constexpr int kMuBias = 33 << 2;  // G.711 table 2: 33 at 14 bits, here at 16
constexpr int kMuClip = 32767 - kMuBias;

constexpr std::int16_t expand_mu(std::uint8_t octet) {
    const int bits = ~octet & 0xff;  // transmitted inverted, so that silence is rich in ones
    const int segment = bits >> 4 & 7;
    const int magnitude = (((bits & 0x0f) << 3) + kMuBias) << segment;
    return static_cast<std::int16_t>((bits & 0x80) != 0 ? kMuBias - magnitude
                                                        : magnitude - kMuBias);
}

constexpr std::int16_t expand_a(std::uint8_t octet) {
    const int bits = octet ^ 0x55;  // even bits are transmitted inverted
    const int segment = bits >> 4 & 7;
    int magnitude = ((bits & 0x0f) << 4) + 8;  // the middle of the interval
    if (segment >= 1) magnitude = (magnitude + 0x100) << (segment - 1);
    return static_cast<std::int16_t>((bits & 0x80) != 0 ? magnitude : -magnitude);
}

constexpr std::uint8_t compress_mu(std::int16_t sample) {
    const bool negative = sample < 0;
    const int magnitude = std::min(negative ? -int{sample} : int{sample}, kMuClip) + kMuBias;
    const auto segment = static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude) >> 8));
    const int mantissa = magnitude >> (segment + 3) & 0x0f;
    return static_cast<std::uint8_t>(~((negative ? 0x80 : 0) | segment << 4 | mantissa));
}

constexpr std::uint8_t compress_a(std::int16_t sample) {
    const bool positive = sample >= 0;
    // One's complement, as the Recommendation's reference does: -1 is the smallest negative step.
    const int magnitude = positive ? int{sample} : -1 - int{sample};
    const auto width = static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude)));
    const int segment = std::max(0, width - 8);
    const int mantissa = magnitude >> (segment == 0 ? 4 : segment + 3) & 0x0f;
    return static_cast<std::uint8_t>(((positive ? 0x80 : 0) | segment << 4 | mantissa) ^ 0x55);
}

using Table = std::array<std::int16_t, 256>;

template <std::int16_t (*expand)(std::uint8_t)>
constexpr Table make_table() {
    Table table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = expand(static_cast<std::uint8_t>(i));
    return table;
}

constexpr Table kMuTable = make_table<expand_mu>();
constexpr Table kATable = make_table<expand_a>();

}  // namespace

std::int16_t decode_mu_law(std::uint8_t octet) { return kMuTable[octet]; }
std::int16_t decode_a_law(std::uint8_t octet) { return kATable[octet]; }
std::uint8_t encode_mu_law(std::int16_t sample) { return compress_mu(sample); }
std::uint8_t encode_a_law(std::int16_t sample) { return compress_a(sample); }

void decode_g711(G711Law law, base::ByteView in, std::span<std::int16_t> out) {
    const Table& table = law == G711Law::Mu ? kMuTable : kATable;
    const std::size_t count = std::min(in.size(), out.size());
    for (std::size_t i = 0; i < count; ++i) out[i] = table[in[i]];
}

void encode_g711(G711Law law, std::span<const std::int16_t> in, std::span<std::uint8_t> out) {
    const std::size_t count = std::min(in.size(), out.size());
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = law == G711Law::Mu ? compress_mu(in[i]) : compress_a(in[i]);
    }
}

}  // namespace earshot::audio
