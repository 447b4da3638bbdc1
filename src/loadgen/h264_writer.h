// What makes H.264 NAL units bit by bit (ITU-T H.264 sections 7.3, 7.4.1), for pictures that are
// drawn and not encoded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace earshot::loadgen {

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

// Baseline, level 3, so many macroblocks across and down; without start code, as all of these.
base::Bytes h264_sequence_set_of(std::uint32_t across, std::uint32_t down);
base::Bytes h264_picture_set();

// Of a picture in one slice under these sets (section 7.3.3). `since_key`: 0 for an IDR picture.
void write_slice_header(NalWriter& nal, bool is_key, std::uint32_t since_key);

}  // namespace earshot::loadgen
