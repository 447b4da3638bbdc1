#include "payload/packet_order.h"

#include <algorithm>
#include <utility>

#include "payload/limits.h"

namespace earshot::payload {

// Of all numbers with the same low 16 bits the nearest to the newest one.
std::int64_t PacketOrder::extend(std::uint16_t sequence) const {
    const auto step = static_cast<std::int16_t>(sequence - static_cast<std::uint16_t>(highest_));
    return highest_ + step;
}

bool PacketOrder::is_missing(std::uint16_t sequence) const {
    if (!started_) return false;
    const std::int64_t extended = extend(sequence);
    return extended >= next_ && !held_.contains(extended);
}

// RFC 3550 A.1: a number far off is a new beginning once the next one follows it.
bool PacketOrder::is_restart(std::uint16_t sequence) {
    if (std::abs(extend(sequence) - highest_) <= kMaxStep) {
        after_jump_.reset();
        return false;
    }
    return std::exchange(after_jump_, static_cast<std::uint16_t>(sequence + 1)) == sequence;
}

void PacketOrder::restart(std::uint16_t sequence) {
    release(true);
    highest_ = ((highest_ >> 16) + 2) << 16 | sequence;
    next_ = highest_;
    restarts_ = true;
    after_jump_.reset();
    timestamps_ = {};
}

void PacketOrder::on_packet(const rtp::RtpHeader& header, base::ByteView payload,
                            std::int64_t arrival_ns) {
    if (!started_) {
        started_ = true;
        highest_ = 0x10000 | header.sequence;  // so that earlier ones are not negative
        next_ = highest_;
    } else if (is_restart(header.sequence)) {
        restart(header.sequence);
    } else if (after_jump_) {
        return;  // a stray packet, or the first one of a new beginning, which is lost
    }
    const std::int64_t sequence = extend(header.sequence);
    if (sequence < next_ || held_.contains(sequence)) {
        ++duplicates_;
        return;
    }
    highest_ = std::max(highest_, sequence);
    insert(sequence, header, payload, arrival_ns);
    release(false);
}

void PacketOrder::insert(std::int64_t sequence, const rtp::RtpHeader& header,
                         base::ByteView payload, std::int64_t arrival_ns) {
    newest_arrival_ns_ = std::max(newest_arrival_ns_, arrival_ns);
    OrderedPacket packet;
    packet.sequence = static_cast<std::uint64_t>(sequence);
    packet.timestamp = timestamps_.extend(header.timestamp);
    packet.arrival_ns = arrival_ns;
    packet.payload_type = header.payload_type;
    packet.marker = header.marker;
    packet.payload.assign(payload.begin(), payload.end());
    held_.emplace(sequence, std::move(packet));
}

void PacketOrder::release(bool all) {
    while (!held_.empty()) {
        const auto first = held_.begin();
        const bool waited = held_.size() > kMaxHeldPackets ||
                            newest_arrival_ns_ - first->second.arrival_ns > kMaxHoldNs;
        if (first->first != next_ && !waited && !all) return;
        next_ = first->first + 1;
        first->second.restarts = std::exchange(restarts_, false);
        ready_.push_back(std::move(first->second));
        held_.erase(first);
    }
}

void PacketOrder::finish() { release(true); }

std::optional<OrderedPacket> PacketOrder::poll() {
    if (ready_.empty()) return std::nullopt;
    OrderedPacket packet = std::move(ready_.front());
    ready_.pop_front();
    return packet;
}

}  // namespace earshot::payload
