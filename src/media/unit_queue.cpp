#include "media/unit_queue.h"

#include <algorithm>

#include "media/limits.h"

namespace earshot::media {

void UnitQueue::add(const InputRecord& record) {
    if (record.header.type != rendition::RecordType::Packet) return;
    auto [found, is_new] = streams_.try_emplace(record.header.stream);
    if (is_new)
        for (const rendition::Stream& stream : job_.streams)
            if (stream.number == record.header.stream)
                found->second = std::make_unique<Units>(stream);
    if (!found->second) return;
    found->second->add(record);
    take(*found->second);
    settled_ns_ = std::max(settled_ns_, record.header.position_ns - kSettleMs * 1'000'000);
}

void UnitQueue::take(Units& units) {
    while (auto unit = units.poll()) {
        const std::int64_t position = unit->position_ns;
        waiting_.emplace(position, std::move(*unit));
    }
}

void UnitQueue::finish() {
    for (auto& [number, units] : streams_) {
        if (!units) continue;
        units->finish();
        take(*units);
    }
    settled_ns_ = INT64_MAX;
}

std::optional<PlacedUnit> UnitQueue::poll() {
    if (waiting_.empty() || waiting_.begin()->first > settled_ns_) return std::nullopt;
    PlacedUnit unit = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    return unit;
}

}  // namespace earshot::media
