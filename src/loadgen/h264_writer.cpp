#include "loadgen/h264_writer.h"

namespace earshot::loadgen {

base::Bytes h264_sequence_set_of(std::uint32_t across, std::uint32_t down) {
    NalWriter nal(0x67);
    nal.bits(66, 8);    // baseline
    nal.bits(0xc0, 8);  // constrained
    nal.bits(30, 8);    // level 3
    nal.ue(0);          // seq_parameter_set_id
    nal.ue(0);          // log2_max_frame_num_minus4
    nal.ue(2);          // pic_order_cnt_type: as decoded
    nal.ue(1);          // max_num_ref_frames
    nal.bits(0, 1);     // no gaps in frame_num
    nal.ue(across - 1);
    nal.ue(down - 1);
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

// Section 7.3.3, for the parameter sets of the header.
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

}  // namespace earshot::loadgen
