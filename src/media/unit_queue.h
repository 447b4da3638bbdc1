// The units of all streams in the order of their places. Where packets are missing, a stream's
// units come late (payload::PacketOrder waits for them): those of the others wait so long.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "media/units.h"

namespace earshot::media {

class UnitQueue {
public:
    explicit UnitQueue(const rendition::Job& job) : job_(job) {}

    // A Packet of the input; Previews are none of its business.
    void add(const InputRecord& record);
    void finish();
    // The next one that nothing can come before any more.
    std::optional<PlacedUnit> poll();
    // So far everything was handed out.
    std::int64_t settled_ns() const { return settled_ns_; }

private:
    void take(Units& units);

    const rendition::Job& job_;
    std::map<std::uint16_t, std::unique_ptr<Units>> streams_;  // null: no such stream
    std::multimap<std::int64_t, PlacedUnit> waiting_;
    std::int64_t settled_ns_ = INT64_MIN;
};

}  // namespace earshot::media
