// The packets of one stream as units on the recording's timeline: payload::UnitReader brings them
// into order and undoes retransmission and redundancy; here each gets its place back, and the
// format that its number meant then.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "media/input.h"
#include "payload/unit_reader.h"
#include "rendition/job.h"

namespace earshot::media {

struct PlacedUnit {
    const rendition::Stream* stream = nullptr;
    std::size_t format = 0;  // its index in the stream
    std::int64_t position_ns = 0;
    bool begins_anew = false;
    payload::AccessUnit unit;
};

class Units {
public:
    explicit Units(const rendition::Stream& stream);

    void add(const InputRecord& record);
    void finish();
    std::optional<PlacedUnit> poll();

    // What a decoder of this format must know first, as far as it was told until now.
    base::Bytes decoder_setup(std::size_t format) const;

private:
    void begin();
    std::optional<PlacedUnit> place_next();
    std::int64_t position_of(std::int64_t timestamp, std::uint32_t clock_rate) const;

    const rendition::Stream& stream_;
    std::unique_ptr<payload::UnitReader> reader_;  // of this piece of the recording
    std::deque<PlacedUnit> ended_;                 // of the piece before
    std::map<std::uint8_t, std::size_t> formats_;  // by payload type, as of now
    // Of the newest packets, by timestamp: a unit is told by the timestamp of its packets.
    std::map<std::uint32_t, std::int64_t> positions_;
    std::deque<std::uint32_t> order_;
    std::int64_t newest_ns_ = 0;
};

}  // namespace earshot::media
