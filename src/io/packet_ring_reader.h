// The reader that takes media before the kernel's UDP: a packet ring sees each packet where it
// enters the host, and a rule (ingress_drop.h, one for all readers) drops it behind that. It needs
// CAP_NET_RAW, for the rule CAP_NET_ADMIN.
//
// What came is sorted by port and waits in the ring for its flow's turn, as it would in a socket:
// ten packets of a flow one after the other cost less than as many of ten flows, because the state
// of a flow is in the cache by then. Only when the ring is half full nobody's turn is waited for.
//
// The sockets stay bound, and are looked at in each fifth turn, or in each once something came:
// fragments, packets longer than a slot, and those of interfaces and addresses that are not the
// ring's come there as ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "io/media_reader.h"
#include "io/media_traffic.h"
#include "io/packet_ring.h"

namespace earshot::io {

class PacketRingReader : public MediaReader {
public:
    // `traffic`: of the ports whose flows this reader is given, and of no others. Reasons: those of
    // PacketRing::open().
    static base::Result<std::unique_ptr<PacketRingReader>, base::Reason> create(
        const MediaTraffic& traffic, std::size_t ring_bytes);

    void add(MediaFlow& flow) override;
    void remove(MediaFlow& flow) override;
    bool read(std::uint64_t tick, Sink& sink) override;
    void visit(MediaFlow& flow, SocketKind kind, Sink& sink) override;
    void drain(MediaFlow& flow, SocketKind kind, Sink& sink) override;
    ReaderCounters counters() const override;

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    // Whose a port is, and the slots of what waits for it, oldest first.
    struct Port {
        MediaFlow* flow = nullptr;
        std::uint32_t oldest = kNone;
        std::uint32_t newest = kNone;
        SocketKind kind = SocketKind::Rtp;
        bool is_socket_used = false;  // something came by it at the last look
        std::uint8_t skipped = 0;     // turns since that look
    };

    PacketRingReader(PacketRing ring, const MediaTraffic& traffic);
    Port& of(MediaFlow& flow, SocketKind kind);
    Port& port_of(std::uint32_t slot);
    void sort();
    bool release(Sink& sink);
    bool finish_early(Sink& sink);
    std::uint32_t take_oldest(Port& port);
    void deliver(const Port& port, std::uint32_t slot, Sink& sink);
    void deliver_all(Port& port, Sink& sink);
    std::uint64_t throw_away(Port& port, std::int64_t before_ns);
    void wipe(std::uint32_t slot);
    void count_drops(std::uint64_t tick);

    PacketRing ring_;
    std::uint16_t first_port_;
    std::vector<Port> ports_;     // of the range
    std::uint32_t oldest_ = 0;    // slot that has not been released
    std::uint32_t unsorted_ = 0;  // slot that the next packet comes into
    std::uint32_t used_ = 0;      // slots between them
    std::uint64_t tick_ = 0;
    std::uint64_t next_count_ = 0;  // tick
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> invalid_{0};
    std::atomic<std::uint64_t> unclaimed_{0};
};

}  // namespace earshot::io
