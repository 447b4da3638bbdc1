#include "io/packet_ring.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "io/limits.h"

namespace earshot::io {

namespace {

constexpr std::uint32_t kBlockBytes = 1U << 16;
// Of a slot before the packet: tpacket2_hdr and sockaddr_ll, as the kernel lays them out.
constexpr std::uint32_t kSlotHeader = 80;
// Known to the compiler, which divides by it for each look at a slot. Whole cache lines, and no
// power of two, which would crowd a few sets of the cache.
constexpr std::uint32_t kSlotBytes = (kSlotHeader + kMaxRingPacketBytes + 63) / 64 * 64;
constexpr std::uint32_t kSlotsInBlock = kBlockBytes / kSlotBytes;
// Of a slot: the header and a G.711 packet.
constexpr std::size_t kPrefetched = 320;

base::Reason failed(const char* step) {
    const int code = errno;
    const char* hint = code == EPERM || code == EACCES ? " (it takes CAP_NET_RAW)" : "";
    return {"packet_ring", fmt::format("The packet ring cannot be opened ({}): {}{}.", step,
                                       std::generic_category().message(code), hint)};
}

template <class T>
bool set(int socket, int level, int option, const T& value) {
    return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

}  // namespace

base::Result<PacketRing, base::Reason> PacketRing::open(const MediaTraffic& traffic,
                                                        std::size_t bytes) {
    PacketRing ring;
    // Protocol 0: nothing comes before the filter is in place and bind() names a protocol.
    ring.socket_ = FileDescriptor(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int socket = ring.socket_.get();
    if (!ring.socket_.is_open()) return failed("socket");
    if (!set(socket, SOL_PACKET, PACKET_VERSION, int{TPACKET_V2})) return failed("TPACKET_V2");
    // The loopback shows each packet twice, once as it leaves.
    if (!set(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1))
        return failed("PACKET_IGNORE_OUTGOING");
    std::vector<sock_filter> code = make_filter(traffic);
    const sock_fprog program{.len = static_cast<unsigned short>(code.size()),
                             .filter = code.data()};
    if (!set(socket, SOL_SOCKET, SO_ATTACH_FILTER, program)) return failed("filter");

    tpacket_req request{};
    request.tp_block_size = kBlockBytes;
    request.tp_frame_size = kSlotBytes;
    request.tp_block_nr = static_cast<std::uint32_t>(std::max<std::size_t>(bytes / kBlockBytes, 1));
    request.tp_frame_nr = kSlotsInBlock * request.tp_block_nr;
    if (!set(socket, SOL_PACKET, PACKET_RX_RING, request)) return failed("memory");
    if (!ring.memory_.map(std::size_t{kBlockBytes} * request.tp_block_nr, socket))
        return failed("mmap");
    // What people say has no place in a core dump.
    ::madvise(ring.memory_.get(), ring.memory_.bytes(), MADV_DONTDUMP);
    ring.slots_ = request.tp_frame_nr;

    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    // Sockets for one protocol stand behind the ingress hook and would see nothing.
    address.sll_protocol = htons(ETH_P_ALL);
    if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return failed("bind");
    return ring;
}

std::uint8_t* PacketRing::start_of(std::uint32_t slot) const {
    return static_cast<std::uint8_t*>(memory_.get()) +
           std::size_t{slot / kSlotsInBlock} * kBlockBytes +
           std::size_t{slot % kSlotsInBlock} * kSlotBytes;
}

bool PacketRing::has_arrived(std::uint32_t slot) const {
    auto* header = reinterpret_cast<tpacket2_hdr*>(start_of(slot));
    return (std::atomic_ref(header->tp_status).load(std::memory_order_acquire) & TP_STATUS_USER) !=
           0;
}

PacketRing::Packet PacketRing::packet(std::uint32_t slot) const {
    std::uint8_t* start = start_of(slot);
    const auto* header = reinterpret_cast<const tpacket2_hdr*>(start);
    constexpr std::uint32_t kChecked = TP_STATUS_CSUM_VALID | TP_STATUS_CSUMNOTREADY;
    return {.bytes = {start + header->tp_net, header->tp_snaplen},
            .arrival_ns = std::int64_t{header->tp_sec} * 1'000'000'000 + header->tp_nsec,
            .is_checked = (header->tp_status & kChecked) != 0};
}

// In place of the sockaddr_ll, which says nothing that we ask.
PacketRing::Mark& PacketRing::mark(std::uint32_t slot) const {
    return *reinterpret_cast<Mark*>(start_of(slot) + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
}

void PacketRing::prefetch(std::uint32_t slot) const {
    const std::uint8_t* start = start_of(slot);
    for (std::size_t line = 0; line < kPrefetched; line += 64) __builtin_prefetch(start + line);
}

void PacketRing::finish(std::uint32_t slot) {
    reinterpret_cast<tpacket2_hdr*>(start_of(slot))->tp_snaplen = 0;
}

bool PacketRing::is_finished(std::uint32_t slot) const {
    return reinterpret_cast<const tpacket2_hdr*>(start_of(slot))->tp_snaplen == 0;
}

void PacketRing::release(std::uint32_t slot) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(start_of(slot));
    std::atomic_ref(header->tp_status).store(TP_STATUS_KERNEL, std::memory_order_release);
}

std::uint64_t PacketRing::take_drops() {
    tpacket_stats stats{};
    socklen_t size = sizeof stats;
    if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return 0;
    return stats.tp_drops;
}

}  // namespace earshot::io
