// The reader that takes media before the kernel's UDP: a packet ring sees each packet where it
// enters the host, and a rule (ingress_drop.h, one for all readers) drops it behind that. It needs
// CAP_NET_RAW, for the rule CAP_NET_ADMIN.
//
// The sockets stay bound, and are looked at once a second, or in their turn once something came:
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
    // Whose a port is.
    struct Port {
        MediaFlow* flow = nullptr;
        SocketKind kind = SocketKind::Rtp;
        bool is_socket_used = false;  // something came by it at the last look
        std::uint8_t skipped = 0;     // turns since that look
    };

    explicit PacketRingReader(PacketRing ring, const MediaTraffic& traffic);
    Port* find(std::uint16_t port);
    Port& of(MediaFlow& flow, SocketKind kind);
    void forget_earlier(std::uint16_t port, std::int64_t before_ns);
    bool deliver(const PacketRing::Packet& packet, Sink& sink);
    void count_drops(std::uint64_t tick);

    PacketRing ring_;
    std::uint16_t first_port_;
    std::vector<Port> ports_;  // of the range
    std::uint64_t tick_ = 0;
    std::uint32_t taken_ = 0;       // packets in this tick
    bool has_asked_ = false;        // whose the oldest packet is
    std::uint64_t next_count_ = 0;  // tick
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> invalid_{0};
    std::atomic<std::uint64_t> unclaimed_{0};
};

}  // namespace earshot::io
