#include "base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace earshot::base {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kPolynomial : 0);
        table[i] = crc;
    }
    return table;
}();

std::uint32_t by_table(ByteView bytes, std::uint32_t crc) {
    for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
    return crc;
}

#if defined(__x86_64__)

// The instruction takes 8 bytes in one cycle and gives its result after three: three rows of
// kRowBytes are done side by side, and joined. What a row's bytes before another's amount to is
// what as many zeros make of them, which is linear: a look into four tables.
constexpr std::size_t kRowBytes = 1024;
using ZerosTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr std::array<std::uint32_t, 32> square(const std::array<std::uint32_t, 32>& matrix) {
    std::array<std::uint32_t, 32> result{};
    for (std::size_t column = 0; column < 32; ++column) {
        for (std::size_t row = 0; row < 32; ++row)
            if ((matrix[column] >> row & 1U) != 0) result[column] ^= matrix[row];
    }
    return result;
}

constexpr ZerosTable kZeros = [] {
    std::array<std::uint32_t, 32> matrix{};  // what a zero bit makes of each bit
    matrix[0] = kPolynomial;
    for (std::size_t bit = 1; bit < 32; ++bit) matrix[bit] = std::uint32_t{1} << (bit - 1);
    for (std::size_t bits = 1; bits < 8 * kRowBytes; bits *= 2) matrix = square(matrix);
    ZerosTable table{};
    for (std::size_t byte = 0; byte < 4; ++byte) {
        for (std::size_t value = 0; value < 256; ++value) {
            for (std::size_t bit = 0; bit < 8; ++bit)
                if ((value >> bit & 1U) != 0) table[byte][value] ^= matrix[8 * byte + bit];
        }
    }
    return table;
}();

std::uint32_t after_row_of_zeros(std::uint32_t crc) {
    return kZeros[0][crc & 0xff] ^ kZeros[1][crc >> 8 & 0xff] ^ kZeros[2][crc >> 16 & 0xff] ^
           kZeros[3][crc >> 24];
}

std::uint64_t load_word(ByteView bytes, std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    return word;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(ByteView bytes, std::uint32_t crc) {
    std::size_t at = 0;
    for (; at + 3 * kRowBytes <= bytes.size(); at += 3 * kRowBytes) {
        std::uint64_t first = crc;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = at; i < at + kRowBytes; i += 8) {
            first = _mm_crc32_u64(first, load_word(bytes, i));
            second = _mm_crc32_u64(second, load_word(bytes, i + kRowBytes));
            third = _mm_crc32_u64(third, load_word(bytes, i + 2 * kRowBytes));
        }
        crc = after_row_of_zeros(static_cast<std::uint32_t>(first)) ^
              static_cast<std::uint32_t>(second);
        crc = after_row_of_zeros(crc) ^ static_cast<std::uint32_t>(third);
    }
    std::uint64_t wide = crc;
    for (; at + 8 <= bytes.size(); at += 8) wide = _mm_crc32_u64(wide, load_word(bytes, at));
    crc = static_cast<std::uint32_t>(wide);
    for (; at < bytes.size(); ++at) crc = _mm_crc32_u8(crc, bytes[at]);
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(bytes, ~seed);
#endif
    return ~by_table(bytes, ~seed);
}

}  // namespace earshot::base
