// Made H.264 of what people share: pages of a document, a window with a chart, a desktop, 320x176.
// Even areas are predicted from their neighbours (Intra_16x16, DC) and take few bits; what has an
// edge in it is given sample by sample (I_PCM). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "loadgen/h264_writer.h"

namespace earshot::loadgen {

inline constexpr std::uint32_t kSlideWidth = 320;
inline constexpr std::uint32_t kSlideHeight = 176;
inline constexpr std::uint32_t kSlidePages = 6;

// What is shared, by the words of the metadata (docs/conference-recording.md).
enum class Sharing : std::uint8_t { Screen, Application, Document };
std::string_view to_string(Sharing sharing);
std::optional<Sharing> find_sharing(std::string_view word);
// What a person would call it: "Quarterly report".
std::string_view title_of(Sharing sharing);

// NAL units without start codes.
base::Bytes slide_sequence_set();
base::Bytes slide_key_picture(Sharing sharing, std::uint32_t page);
// Nothing has moved. `since_key`: 1 for the first after the key picture.
base::Bytes slide_next_picture(std::uint32_t since_key);

// The picture itself, as a decoder must show it: planes of luminance and chrominance (4:2:0).
struct SlideCanvas {
    std::array<std::uint8_t, std::size_t{kSlideWidth} * kSlideHeight> y{};
    std::array<std::uint8_t, std::size_t{kSlideWidth} * kSlideHeight / 4> u{};
    std::array<std::uint8_t, std::size_t{kSlideWidth} * kSlideHeight / 4> v{};
};
SlideCanvas draw_slide(Sharing sharing, std::uint32_t page);

}  // namespace earshot::loadgen
