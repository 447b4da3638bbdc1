// A ring of packets that the kernel fills and this process reads in place (packet(7), TPACKET_V2):
// no system call for what arrives. One thread at a time.
//
// Version 2 with a slot a packet, not version 3 with blocks: a block shows itself only when it is
// full or after its timer, and nothing tells when all that has arrived until now is in. A pause, a
// new SDP and the end of a stream must know just that.
#pragma once

#include <cstdint>
#include <span>

#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"
#include "io/media_traffic.h"
#include "io/page_memory.h"

namespace earshot::io {

class PacketRing {
public:
    // Slots for packets of traffic.max_ip_bytes. Reasons: packet_ring (without CAP_NET_RAW, or
    // without memory).
    static base::Result<PacketRing, base::Reason> open(const MediaTraffic& traffic,
                                                       std::size_t bytes);

    // A packet in the ring; borrowed until it is released.
    struct Packet {
        std::span<std::uint8_t> bytes;  // from the IP header on; empty: take() was called
        std::int64_t arrival_ns = 0;
        bool is_checked = false;  // its UDP checksum was verified, or is not made yet (lo)
    };

    // The one `ahead` of the oldest; false: none has arrived there yet.
    bool peek(std::uint32_t ahead, Packet& packet) const;
    // Marks it as dealt with before its turn.
    void take(std::uint32_t ahead);
    // Gives the oldest back to the kernel.
    void release();

    std::uint32_t slots() const { return slots_; }
    // Packets that found the ring full since the last call.
    std::uint64_t take_drops();

private:
    PacketRing() = default;
    std::uint8_t* slot(std::uint32_t ahead) const;

    FileDescriptor socket_;
    PageMemory memory_;
    std::uint32_t slots_ = 0;
    std::uint32_t slot_bytes_ = 0;
    std::uint32_t next_ = 0;
};

}  // namespace earshot::io
