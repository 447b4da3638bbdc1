#include "capture/early_packets.h"

#include <utility>

#include "capture/limits.h"

namespace earshot::capture {

void EarlyPackets::keep(EarlyPacket packet) {
    bytes_ += packet.bytes.size();
    packets_.push_back(std::move(packet));
}

std::optional<EarlyPacket> EarlyPackets::take_too_many(std::int64_t from_ns) {
    if (packets_.empty()) return std::nullopt;
    const bool is_too_many = packets_.size() > kMaxEarlyPackets || bytes_ > kMaxEarlyBytes;
    if (!is_too_many && packets_.front().arrival_ns >= from_ns) return std::nullopt;
    return take_oldest();
}

std::optional<EarlyPacket> EarlyPackets::take_oldest() {
    if (packets_.empty()) return std::nullopt;
    bytes_ -= packets_.front().bytes.size();
    return packets_.take_front();
}

}  // namespace earshot::capture
