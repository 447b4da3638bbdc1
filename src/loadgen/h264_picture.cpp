#include "loadgen/h264_picture.h"

#include <algorithm>
#include <array>

namespace earshot::loadgen {

namespace {

constexpr std::uint32_t kAcross = kVideoWidth / 16;
constexpr std::uint32_t kDown = kVideoHeight / 16;
constexpr std::uint32_t kBlocks = kAcross * kDown;
constexpr std::size_t kBlockBytes = 384;  // 256 luminance and 2 * 64 chrominance samples

// Writes bits, most significant first; whole octets go out with emulation prevention (H.264 section
// 7.4.1): 03 between two zeros and what could be taken for a start code.
class NalWriter {
public:
    explicit NalWriter(std::uint8_t header) { out_.push_back(header); }

    void bits(std::uint32_t value, std::size_t count) {
        while (count-- > 0) bit((value >> count & 1U) != 0);
    }
    void ue(std::uint32_t value) {  // section 9.1
        std::size_t length = 0;
        while ((value + 1) >> (length + 1) != 0) ++length;
        bits(0, length);
        bits(value + 1, length + 1);
    }
    void align_zero() {
        while (count_ != 0) bit(false);
    }
    void octet(std::uint8_t value) {  // aligned
        if (zeros_ >= 2 && value <= 3) {
            out_.push_back(3);
            zeros_ = 0;
        }
        zeros_ = value == 0 ? zeros_ + 1 : 0;
        out_.push_back(value);
    }
    base::Bytes finish() {  // rbsp_trailing_bits
        bit(true);
        align_zero();
        return std::move(out_);
    }
    std::size_t size() const { return out_.size(); }

private:
    void bit(bool value) {
        octet_ = static_cast<std::uint8_t>(octet_ << 1 | (value ? 1 : 0));
        if (++count_ < 8) return;
        octet(octet_);
        octet_ = 0;
        count_ = 0;
    }

    base::Bytes out_;
    std::uint8_t octet_ = 0;
    std::size_t count_ = 0;
    std::size_t zeros_ = 0;
};

// Section 7.3.3, for the parameter sets below.
void write_slice_header(NalWriter& nal, bool is_key, std::uint32_t since_key) {
    nal.ue(0);                    // first_mb_in_slice
    nal.ue(is_key ? 7 : 5);       // slice_type: all I, all P
    nal.ue(0);                    // pic_parameter_set_id
    nal.bits(since_key % 16, 4);  // frame_num
    if (is_key) nal.ue(0);        // idr_pic_id
    if (!is_key) nal.bits(0, 2);  // no override of references, no reordering
    nal.bits(0, is_key ? 2 : 1);  // dec_ref_pic_marking
    nal.ue(0);                    // slice_qp_delta
    nal.ue(1);                    // disable_deblocking_filter_idc
}

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

base::Bytes h264_sequence_set() {
    NalWriter nal(0x67);
    nal.bits(66, 8);    // baseline
    nal.bits(0xc0, 8);  // constrained
    nal.bits(30, 8);    // level 3
    nal.ue(0);          // seq_parameter_set_id
    nal.ue(0);          // log2_max_frame_num_minus4
    nal.ue(2);          // pic_order_cnt_type: as decoded
    nal.ue(1);          // max_num_ref_frames
    nal.bits(0, 1);     // no gaps in frame_num
    nal.ue(kAcross - 1);
    nal.ue(kDown - 1);
    nal.bits(0b1100, 4);  // frames only, direct 8x8, no cropping, no VUI
    return nal.finish();
}

base::Bytes h264_picture_set() {
    NalWriter nal(0x68);
    nal.ue(0);       // pic_parameter_set_id
    nal.ue(0);       // seq_parameter_set_id
    nal.bits(0, 2);  // CAVLC, no bottom field order
    nal.ue(0);       // one slice group
    nal.ue(0);       // one reference each
    nal.ue(0);
    nal.bits(0, 3);  // no weights
    nal.ue(0);       // pic_init_qp, pic_init_qs, chroma_qp_index_offset: 0
    nal.ue(0);
    nal.ue(0);
    nal.bits(0b100, 3);  // deblocking can be turned off
    return nal.finish();
}

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
