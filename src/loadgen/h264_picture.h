// Made H.264 video that any decoder shows, without an encoder: baseline profile, 176x144, whose
// macroblocks are either given sample by sample (I_PCM) or taken from the picture before (P_Skip).
// A light bar goes over a field, and the number of the picture stands above it as a row of 16 dark
// and light squares, so that a test finds each picture again. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "loadgen/h264_writer.h"

namespace earshot::loadgen {

inline constexpr std::uint32_t kVideoWidth = 176;
inline constexpr std::uint32_t kVideoHeight = 144;

// NAL units without start codes; h264_picture_set() belongs to it. All pictures refer to the one
// before.
base::Bytes h264_sequence_set();
// An IDR picture: all macroblocks, 38 kB. `party` chooses the field's brightness.
base::Bytes h264_key_picture(std::uint32_t number, unsigned party);
// The next one: what moved, and as many macroblocks more as fill `bytes`. `since_key`: 1 for the
// first after the key picture.
base::Bytes h264_next_picture(std::uint32_t number, std::uint32_t since_key, unsigned party,
                              std::size_t bytes);

}  // namespace earshot::loadgen
