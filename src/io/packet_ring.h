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
    // Slots for packets of kMaxRingPacketBytes; traffic must not take longer ones. Reasons:
    // packet_ring (without CAP_NET_RAW, or without memory).
    static base::Result<PacketRing, base::Reason> open(const MediaTraffic& traffic,
                                                       std::size_t bytes);

    // A packet in the ring; borrowed until its slot is released.
    struct Packet {
        std::span<std::uint8_t> bytes;  // from the IP header on
        std::int64_t arrival_ns = 0;
        bool is_checked = false;  // its UDP checksum was verified, or is not made yet (lo)
    };
    // What the reader writes into a slot, in the cache line that it reads anyway.
    struct Mark {
        std::uint32_t next = 0;  // slot
        std::uint32_t tick = 0;
    };

    std::uint32_t slots() const { return slots_; }
    // Slots are filled and released in turn, 0 again after the last.
    std::uint32_t after(std::uint32_t slot) const { return slot + 1 == slots_ ? 0 : slot + 1; }
    // Of a slot that was released last time: whether a packet has come into it since.
    bool has_arrived(std::uint32_t slot) const;
    Packet packet(std::uint32_t slot) const;
    Mark& mark(std::uint32_t slot) const;
    void prefetch(std::uint32_t slot) const;
    // It is dealt with, although those before it may not be.
    void finish(std::uint32_t slot);
    bool is_finished(std::uint32_t slot) const;
    // Gives it back to the kernel.
    void release(std::uint32_t slot);

    // Packets that found the ring full since the last call.
    std::uint64_t take_drops();

private:
    PacketRing() = default;
    std::uint8_t* start_of(std::uint32_t slot) const;

    FileDescriptor socket_;
    PageMemory memory_;
    std::uint32_t slots_ = 0;
};

}  // namespace earshot::io
