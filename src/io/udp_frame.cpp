#include "io/udp_frame.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace earshot::io {

namespace {

using base::Errc;
using base::Error;
using base::load_u16;

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kUdpHeader = 8;
constexpr std::uint8_t kUdp = 17;

// The one's complement sum of RFC 1071, in host order over big-endian words; not yet folded.
std::uint64_t sum_words(base::ByteView bytes, std::uint64_t sum = 0) {
    std::size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2) sum += load_u16(bytes, at);
    if (at < bytes.size()) sum += static_cast<std::uint64_t>(bytes[at]) << 8;
    return sum;
}

std::uint16_t fold(std::uint64_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

struct IpPart {
    base::ByteView addresses;  // source and destination
    std::span<std::uint8_t> content;
};

base::Result<IpPart> parse_ipv4(std::span<std::uint8_t> packet) {
    if (packet.size() < kIpv4Header) return Error{Errc::Malformed, "IPv4: short"};
    const std::size_t header = std::size_t{4} * (packet[0] & 0x0f);
    const std::size_t total = load_u16(packet, 2);
    if (header < kIpv4Header || total < header || total > packet.size())
        return Error{Errc::Malformed, "IPv4: wrong length"};
    constexpr std::uint16_t kFragment = 0x3fff;  // more fragments, and the offset
    if ((load_u16(packet, 6) & kFragment) != 0) return Error{Errc::Unsupported, "IPv4: fragment"};
    if (packet[9] != kUdp) return Error{Errc::Unsupported, "IPv4: not UDP"};
    if (fold(sum_words(packet.first(header))) != 0xffff)
        return Error{Errc::Malformed, "IPv4: checksum"};
    return IpPart{packet.subspan(12, 8), packet.subspan(header, total - header)};
}

base::Result<IpPart> parse_ipv6(std::span<std::uint8_t> packet) {
    if (packet.size() < kIpv6Header) return Error{Errc::Malformed, "IPv6: short"};
    const std::size_t length = load_u16(packet, 4);
    if (length > packet.size() - kIpv6Header) return Error{Errc::Malformed, "IPv6: wrong length"};
    if (packet[6] != kUdp) return Error{Errc::Unsupported, "IPv6: not UDP"};
    return IpPart{packet.subspan(8, 32), packet.subspan(kIpv6Header, length)};
}

base::NetAddress address(base::ByteView ip, std::uint16_t port) {
    base::NetAddress address;
    if (ip.size() == 4) address.ip[10] = address.ip[11] = 0xff;
    std::copy(ip.begin(), ip.end(), address.ip.end() - static_cast<std::ptrdiff_t>(ip.size()));
    address.port = port;
    return address;
}

}  // namespace

base::Result<UdpFrame> parse_udp_frame(std::span<std::uint8_t> packet, bool verify) {
    if (packet.empty()) return Error{Errc::Malformed, "IP: empty"};
    const int version = packet[0] >> 4;
    if (version != 4 && version != 6) return Error{Errc::Unsupported, "IP: version"};
    const auto ip = version == 4 ? parse_ipv4(packet) : parse_ipv6(packet);
    if (!ip) return ip.error();
    const std::span<std::uint8_t> udp = ip->content;
    if (udp.size() < kUdpHeader) return Error{Errc::Malformed, "UDP: short"};
    const std::size_t length = load_u16(udp, 4);
    if (length < kUdpHeader || length > udp.size())
        return Error{Errc::Malformed, "UDP: wrong length"};
    const std::uint16_t checksum = load_u16(udp, 6);
    // RFC 768: 0 means none. IPv6 does not permit that (RFC 8200 section 8.1).
    if (checksum == 0 && version == 6 && verify) return Error{Errc::Malformed, "UDP: no checksum"};
    if (verify && checksum != 0) {
        const std::uint64_t pseudo = sum_words(ip->addresses, kUdp + length);
        if (fold(sum_words(udp.first(length), pseudo)) != 0xffff)
            return Error{Errc::Malformed, "UDP: checksum"};
    }
    const std::size_t half = ip->addresses.size() / 2;
    return UdpFrame{.source = address(ip->addresses.first(half), load_u16(udp, 0)),
                    .destination = address(ip->addresses.subspan(half), load_u16(udp, 2)),
                    .payload = udp.subspan(kUdpHeader, length - kUdpHeader)};
}

}  // namespace earshot::io
