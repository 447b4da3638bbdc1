// Writes one audio stream into tracks/LABEL.wav: one channel, as long as the recording, with
// silence wherever nothing was heard. What is G.711 of one law throughout stays so, an octet a
// sample: no samples to decode, half the bytes to encrypt, hash and read back. Anything else
// becomes PCM16. Packets are what the writer of the `packets` part still has in memory, the first
// megabytes, or fetched from the part.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "archive/block_file.h"
#include "archive/timeline.h"
#include "audio/g711.h"
#include "base/result.h"
#include "io/file.h"

namespace earshot::archive {

// Records by place: from what the writer still has in memory, else from the file it wrote, a few
// blocks unpacked at a time, as packets are asked for nearly in order.
class StoredRecords {
public:
    StoredRecords(io::File& file, const BlockWriter& writer) : reader_(file), writer_(writer) {}

    // Valid until the next call.
    base::Result<journal::Record> find(const RecordPlace& place);

private:
    base::Result<base::ByteView> find_block(std::uint32_t number);

    static constexpr std::size_t kCachedBlocks = 4;
    struct Cached {
        std::uint32_t number = UINT32_MAX;
        std::uint64_t used = 0;
        base::Bytes raw;
    };
    BlockReader reader_;
    const BlockWriter& writer_;
    std::array<Cached, kCachedBlocks> cache_;
    std::uint64_t clock_ = 0;
};

inline constexpr std::int64_t kPeakIntervalMs = 100;

// A stretch that the sender filled with comfort noise (RFC 3389); rendered as silence.
struct NoiseMark {
    std::int64_t start_ms = 0;
    std::int64_t duration_ms = 0;
};

struct TrackForm {
    std::uint32_t rate = 8000;
    std::optional<audio::G711Law> law{};  // absent: PCM16
};

struct Track {
    std::vector<std::int16_t> peak_min;  // of each kPeakIntervalMs
    std::vector<std::int16_t> peak_max;
    std::vector<NoiseMark> noise;
};

// The highest rate among what the packets hold, and their law; nullopt: nothing that we decode.
std::optional<TrackForm> find_track_form(const std::vector<PacketEntry>& entries,
                                         const Timeline& timeline, const StreamFacts& facts);

// `form` is find_track_form()'s. Writes the whole file from front to back.
base::Result<Track> write_track(io::File& file, const TrackForm& form, std::int64_t duration_ms,
                                const std::vector<PacketEntry>& entries, const Timeline& timeline,
                                const StreamFacts& facts, StoredRecords& records);

}  // namespace earshot::archive
