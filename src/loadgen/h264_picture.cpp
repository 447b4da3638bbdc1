#include "loadgen/h264_picture.h"

#include <algorithm>
#include <array>

#include "loadgen/h264_writer.h"

namespace earshot::loadgen {

namespace {

constexpr std::uint32_t kAcross = kVideoWidth / 16;
constexpr std::uint32_t kDown = kVideoHeight / 16;
constexpr std::uint32_t kBlocks = kAcross * kDown;
constexpr std::size_t kBlockBytes = 384;  // 256 luminance and 2 * 64 chrominance samples

// 1 to 254, so that samples are neither reserved nor start codes.
std::uint8_t brightness(std::uint32_t block, std::uint32_t number, unsigned party) {
    const std::uint32_t x = block % kAcross;
    const std::uint32_t y = block / kAcross;
    if (x == number % kAcross && (y == 4 || y == 5)) return 235;
    return static_cast<std::uint8_t>(60 + 40 * party + 2 * y);
}

// Two rows of macroblocks hold eight squares each, most significant first.
bool is_of_number(std::uint32_t block) { return block / kAcross < 2 && block % kAcross < 8; }
bool bit_of(std::uint32_t number, std::uint32_t block) {
    return (number >> (15 - (8 * (block / kAcross) + block % kAcross)) & 1U) != 0;
}

void write_block(NalWriter& nal, std::uint32_t block, std::uint32_t number, unsigned party) {
    nal.align_zero();
    std::uint8_t luminance = brightness(block, number, party);
    if (is_of_number(block)) luminance = bit_of(number, block) ? 235 : 16;
    for (std::size_t i = 0; i < 256; ++i) nal.octet(luminance);
    for (std::size_t i = 0; i < 128; ++i) nal.octet(static_cast<std::uint8_t>(128 + 8 * party));
}

bool has_changed(std::uint32_t block, std::uint32_t number, unsigned party) {
    // The first one after a key picture may also follow the last one of a round.
    if (is_of_number(block))
        return number == 1 || bit_of(number, block) != bit_of(number - 1, block);
    return brightness(block, number, party) != brightness(block, number - 1, party);
}

}  // namespace

base::Bytes h264_sequence_set() { return h264_sequence_set_of(kAcross, kDown); }

base::Bytes h264_key_picture(std::uint32_t number, unsigned party) {
    NalWriter nal(0x65);
    write_slice_header(nal, true, 0);
    for (std::uint32_t block = 0; block < kBlocks; ++block) {
        nal.ue(25);  // I_PCM (table 7-11)
        write_block(nal, block, number, party);
    }
    return nal.finish();
}

base::Bytes h264_next_picture(std::uint32_t number, std::uint32_t since_key, unsigned party,
                              std::size_t bytes) {
    std::array<bool, kBlocks> is_sent{};
    std::size_t expected = 0;
    for (std::uint32_t block = 0; block < kBlocks; ++block) {
        is_sent.at(block) = has_changed(block, number, party);
        if (is_sent.at(block)) expected += kBlockBytes;
    }
    for (std::uint32_t block = kBlocks; block-- > 0 && expected + kBlockBytes <= bytes;) {
        if (is_sent.at(block)) continue;
        is_sent.at(block) = true;
        expected += kBlockBytes;
    }
    NalWriter nal(0x41);
    write_slice_header(nal, false, since_key);
    std::uint32_t skipped = 0;
    for (std::uint32_t block = 0; block < kBlocks; ++block) {
        if (!is_sent.at(block)) {
            ++skipped;
            continue;
        }
        nal.ue(skipped);  // mb_skip_run
        skipped = 0;
        nal.ue(5 + 25);  // I_PCM in a P slice (section 7.4.5)
        write_block(nal, block, number, party);
    }
    if (skipped > 0) nal.ue(skipped);
    return nal.finish();
}

}  // namespace earshot::loadgen
