// A container that grows: libavformat over Output. Tracks first, then begin(), then frames in the
// order of their times, then finish().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "media/av.h"
#include "media/output.h"
#include "rendition/job.h"
#include "rendition/product.h"

namespace earshot::media {

struct MuxedFrame {
    base::ByteView bytes{};
    std::int64_t position_ns = 0;
    std::int64_t duration_ns = 0;  // 0: not known
    bool is_key = true;
};

struct Chapter {
    std::int64_t from_ms = 0;
    std::int64_t to_ms = 0;
    std::string title{};
};

class Muxer {
public:
    static Expected<std::unique_ptr<Muxer>> make(rendition::Container container, Output& output,
                                                 const rendition::Job& job);
    Muxer(const Muxer&) = delete;
    Muxer& operator=(const Muxer&) = delete;
    ~Muxer() = default;

    bool can_hold(AVCodecID codec) const;
    // Tries the track alone, in memory. Parameter sets are read when a container begins, and one
    // track's broken ones would be the end of all others.
    Outcome can_begin(const AVCodecParameters& parameters, AVRational time_base) const;
    // At the file's beginning when it is called before begin(), else at its end. Once. Matroska.
    void add_chapters(std::vector<Chapter> chapters);
    // Its index. `name`: what players show of the track.
    Expected<std::size_t> add_track(const AVCodecParameters& parameters, AVRational time_base,
                                    const std::string& name);
    Outcome begin();
    // Code "refused": the container does not take this frame; it goes on with the next one.
    Outcome write(std::size_t track, const MuxedFrame& frame);
    // One that an encoder made, in that encoder's time base.
    Outcome write(std::size_t track, AVPacket& packet, AVRational time_base);
    Outcome finish();

private:
    struct Track {
        std::int64_t last_dts = INT64_MIN;
        bool is_video = false;
    };
    Muxer(rendition::Container container, Output& output)
        : container_(container), output_(output) {}
    Outcome write_now(AVPacket& packet);

    const rendition::Container container_;
    Output& output_;
    IoContext io_;  // outlives context_
    FormatContext context_;
    Packet packet_;
    std::vector<Track> tracks_;
};

}  // namespace earshot::media
