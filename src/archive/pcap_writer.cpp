#include "archive/pcap_writer.h"

#include <algorithm>

namespace earshot::archive {
namespace {

constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kTcp = 6;
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kIpv4HeaderBytes = 20;
constexpr std::size_t kMaxTransportBytes = 65'535 - kIpv4HeaderBytes;
constexpr std::size_t kMaxSegmentBytes = 1400;
constexpr std::size_t kMaxFlows = 10'000;
constexpr std::uint32_t kSnapshotLength = 262'144;

// RFC 1071: the one's complement sum, to be continued over several pieces of even size.
std::uint32_t add_to_sum(std::uint32_t sum, base::ByteView bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += base::load_u16(bytes, i);
    if (bytes.size() % 2 != 0) sum += std::uint32_t{bytes.back()} << 8;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}
std::uint16_t finish_sum(std::uint32_t sum) { return static_cast<std::uint16_t>(~sum); }

void store_u16(base::Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// The address as it stands in the packet: 4 or 16 bytes.
base::ByteView ip_bytes(const base::NetAddress& address, bool is_v4) {
    return is_v4 ? base::ByteView(address.ip).subspan(12) : base::ByteView(address.ip);
}

// `transport` is the UDP or TCP header and payload, its checksum field zero.
void append_frame(std::int64_t time_ns, const base::NetAddress& from, const base::NetAddress& to,
                  std::uint8_t protocol, base::Bytes transport, base::Bytes& out) {
    const bool is_v4 = from.is_v4() && to.is_v4();
    const auto length = static_cast<std::uint16_t>(transport.size());
    std::uint32_t sum = add_to_sum(0, ip_bytes(from, is_v4));
    sum = add_to_sum(sum, ip_bytes(to, is_v4));
    sum = add_to_sum(sum + protocol + length, transport);  // the pseudo header
    std::uint16_t checksum = finish_sum(sum);
    if (protocol == kUdp && checksum == 0) checksum = 0xffff;  // RFC 768: zero means none
    store_u16(transport, protocol == kUdp ? 6 : 16, checksum);

    base::Bytes frame{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};  // locally administered addresses
    base::append_u16(frame, is_v4 ? 0x0800 : 0x86dd);
    if (is_v4) {
        base::Bytes ip{0x45, 0};
        base::append_u16(ip, static_cast<std::uint16_t>(kIpv4HeaderBytes + length));
        base::append(ip, base::Bytes{0, 0, 0x40, 0, 64, protocol, 0, 0});  // do not fragment
        base::append(ip, ip_bytes(from, true));
        base::append(ip, ip_bytes(to, true));
        store_u16(ip, 10, finish_sum(add_to_sum(0, ip)));
        base::append(frame, ip);
    } else {
        base::append(frame, base::Bytes{0x60, 0, 0, 0});
        base::append_u16(frame, length);
        base::append(frame, base::Bytes{protocol, 64});
        base::append(frame, ip_bytes(from, false));
        base::append(frame, ip_bytes(to, false));
    }
    base::append(frame, transport);

    constexpr std::int64_t kSecondNs = 1'000'000'000;
    const std::int64_t time = std::max<std::int64_t>(time_ns, 0);
    base::append_le(out, static_cast<std::uint32_t>(time / kSecondNs));
    base::append_le(out, static_cast<std::uint32_t>(time % kSecondNs));
    base::append_le(out, static_cast<std::uint32_t>(frame.size()));
    base::append_le(out, static_cast<std::uint32_t>(frame.size()));
    base::append(out, frame);
}

}  // namespace

base::Bytes make_pcap_header() {
    base::Bytes header;
    base::append_le<std::uint32_t>(header, 0xa1b23c4d);  // nanoseconds
    base::append_le<std::uint16_t>(header, 2);
    base::append_le<std::uint16_t>(header, 4);
    base::append_le<std::uint32_t>(header, 0);  // UTC
    base::append_le<std::uint32_t>(header, 0);
    base::append_le<std::uint32_t>(header, kSnapshotLength);
    base::append_le<std::uint32_t>(header, 1);  // LINKTYPE_ETHERNET
    return header;
}

void PcapWriter::add_udp(std::int64_t time_ns, const base::NetAddress& from,
                         const base::NetAddress& to, base::ByteView payload, base::Bytes& out) {
    payload = payload.first(std::min(payload.size(), kMaxTransportBytes - kUdpHeaderBytes));
    base::Bytes datagram;
    base::append_u16(datagram, from.port);
    base::append_u16(datagram, to.port);
    base::append_u16(datagram, static_cast<std::uint16_t>(kUdpHeaderBytes + payload.size()));
    base::append_u16(datagram, 0);
    base::append(datagram, payload);
    append_frame(time_ns, from, to, kUdp, std::move(datagram), out);
}

void PcapWriter::add_tcp(std::int64_t time_ns, const base::NetAddress& from,
                         const base::NetAddress& to, base::ByteView payload, base::Bytes& out) {
    if (next_sequence_.size() >= kMaxFlows) next_sequence_.clear();
    std::uint32_t& sequence = next_sequence_.try_emplace({from, to}, 1).first->second;
    const std::uint32_t acknowledged = next_sequence_.try_emplace({to, from}, 1).first->second;
    while (!payload.empty()) {
        const base::ByteView piece = payload.first(std::min(payload.size(), kMaxSegmentBytes));
        payload = payload.subspan(piece.size());
        base::Bytes segment;
        base::append_u16(segment, from.port);
        base::append_u16(segment, to.port);
        base::append_u32(segment, sequence);
        base::append_u32(segment, acknowledged);
        segment.push_back((kTcpHeaderBytes / 4) << 4);
        segment.push_back(payload.empty() ? 0x18 : 0x10);  // ACK, at the end PSH
        base::append_u16(segment, 65'535);
        base::append_u32(segment, 0);  // checksum, urgent pointer
        base::append(segment, piece);
        append_frame(time_ns, from, to, kTcp, std::move(segment), out);
        sequence += static_cast<std::uint32_t>(piece.size());
    }
}

}  // namespace earshot::archive
