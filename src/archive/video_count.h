// What the archive tells of a video stream: its pictures, counted while the records pass; of any
// stream with FEC, what that brings back. Reads the
// payloads (payload/), decodes nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "archive/recording_facts.h"
#include "base/bytes.h"

namespace earshot::payload {
class UnitReader;
struct StreamUnit;
}  // namespace earshot::payload

namespace earshot::archive {

// From here on pictures have this size and codec.
struct PictureChange {
    std::int64_t arrival_ns = 0;
    std::string codec;        // "H264/90000"
    std::uint32_t width = 0;  // 0: not told
    std::uint32_t height = 0;
};

struct VideoFacts {
    std::uint64_t pictures = 0;
    std::uint64_t key_pictures = 0;
    std::uint64_t damaged = 0;    // of the pictures: something of them is missing or unreadable
    std::uint64_t lost = 0;       // packets that did not come, nor again
    std::uint64_t restored = 0;   // packets that came again: RTX, RED
    std::uint64_t recovered = 0;  // packets that FEC brought back
    std::vector<PictureChange> changes;  // kMaxPictureChanges at most
};

class VideoCount {
public:
    VideoCount();
    VideoCount(const VideoCount&) = delete;
    VideoCount& operator=(const VideoCount&) = delete;
    ~VideoCount();

    // In the order of arrival, as journalled. `facts`: of its stream, as known so far.
    void on_rtp(base::ByteView packet, std::int64_t arrival_ns, const StreamFacts& facts);
    VideoFacts finish();  // once

private:
    void take_units();

    std::unique_ptr<payload::UnitReader> reader_;
    std::size_t formats_seen_ = 0;  // of StreamFacts::formats
    VideoFacts facts_;
};

}  // namespace earshot::archive
