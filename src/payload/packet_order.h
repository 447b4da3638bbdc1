// The packets of one source as they arrived, brought into the order of their sequence numbers:
// late ones in their place, duplicates once, numbers and timestamps on 64 bits. What is missing is
// waited for until kMaxHeldPackets or kMaxHoldNs of newer ones are there. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "rtp/rtp_packet.h"
#include "rtp/timestamp_extender.h"

namespace earshot::payload {

struct OrderedPacket {
    std::uint64_t sequence = 0;
    std::int64_t timestamp = 0;
    std::int64_t arrival_ns = 0;
    std::uint8_t payload_type = 0;
    bool marker = false;
    // The sender began anew: numbers have no relation to those before, and none is missing.
    bool restarts = false;
    base::Bytes payload;
};

class PacketOrder {
public:
    // `payload` is the header's, or what was found inside it (RED, RTX).
    void on_packet(const rtp::RtpHeader& header, base::ByteView payload, std::int64_t arrival_ns);
    void finish();  // nothing follows: what is held comes out
    std::optional<OrderedPacket> poll();

    // Is this one still of use: neither there nor passed?
    bool is_missing(std::uint16_t sequence) const;
    std::uint64_t duplicates() const { return duplicates_; }  // and what came too late

private:
    std::int64_t extend(std::uint16_t sequence) const;
    bool is_restart(std::uint16_t sequence);
    void restart(std::uint16_t sequence);
    void insert(std::int64_t sequence, const rtp::RtpHeader& header, base::ByteView payload,
                std::int64_t arrival_ns);
    void release(bool all);

    rtp::TimestampExtender timestamps_;
    bool started_ = false;
    bool restarts_ = false;     // the next one that comes out
    std::int64_t highest_ = 0;  // extended
    std::int64_t next_ = 0;     // the one to come out next
    std::optional<std::uint16_t> after_jump_;
    std::map<std::int64_t, OrderedPacket> held_;
    std::deque<OrderedPacket> ready_;
    std::int64_t newest_arrival_ns_ = 0;
    std::uint64_t duplicates_ = 0;
};

}  // namespace earshot::payload
