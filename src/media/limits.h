// Limits of earshot-media.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::media {

inline constexpr int kSoundRate = 48'000;  // of mixed sound
inline constexpr std::int64_t kSettleMs =
    2500;  // a unit that late still finds its place: payload::kMaxHoldNs
inline constexpr std::int64_t kProgressMs = 1000;  // of the recording between two lines
inline constexpr int kMaxPictureSide = 8192;       // of what is decoded
inline constexpr int kCanvasWidth = 1280;
inline constexpr int kCanvasHeight = 720;
inline constexpr std::int64_t kTickMs = 40;         // of the composed picture: 25 a second
inline constexpr std::int64_t kMaxStillMs = 1000;   // a picture that does not change comes again
inline constexpr std::int64_t kMaxAbsentMs = 5000;  // a camera that sent none so long is gone
inline constexpr int kSheetColumns = 10;
inline constexpr int kSheetRows = 10;
inline constexpr int kSheetCellWidth = 160;
inline constexpr int kSheetCellHeight = 90;
inline constexpr std::size_t kMaxCells = 16;          // of the composed picture
inline constexpr std::size_t kMaxMarks = 1000;        // where content changes
inline constexpr std::size_t kMaxTracks = 128;        // of a Matroska file
inline constexpr std::int64_t kPeakIntervalMs = 100;  // as in the archive's peaks.json

}  // namespace earshot::media
