#include "io/media_traffic.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "io/limits.h"
#include "io/socket_address.h"

namespace earshot::io {

namespace {

constexpr std::uint32_t kAccept = 0xffffffff;  // bytes of the packet
constexpr std::uint32_t kUdp = 17;
constexpr std::uint32_t kIpv6Header = 40;

// A filter in which jumps name labels. A label is where the code that it names begins.
class Assembler {
public:
    enum Label : std::uint8_t { Next, Ip, V4, V4Ports, V6, V6Ports, Reject };

    void load(std::uint16_t mode, std::uint32_t offset) {
        code_.push_back({static_cast<std::uint16_t>(BPF_LD | mode), 0, 0, offset});
    }
    void load_ancillary(std::uint32_t what) {
        load(BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF) + what);
    }
    void load_ipv4_header_size() { code_.push_back({BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0}); }
    void jump(std::uint16_t test, std::uint32_t value, Label yes, Label no) {
        jumps_.push_back({code_.size(), yes, no});
        code_.push_back({static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), 0, 0, value});
    }
    void jump(Label to) { jump(BPF_JEQ, 0, to, to); }
    // Jumps over so many of the next instructions if unequal.
    void skip_unless(std::uint32_t value, std::uint8_t count) {
        code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, count, value});
    }
    void place(Label label) { places_[label] = code_.size(); }
    void end(std::uint32_t verdict) { code_.push_back({BPF_RET | BPF_K, 0, 0, verdict}); }

    std::vector<sock_filter> finish() {
        for (const Jump& jump : jumps_) {
            code_[jump.at].jt = distance(jump.at, jump.yes);
            code_[jump.at].jf = distance(jump.at, jump.no);
        }
        return std::move(code_);
    }

private:
    struct Jump {
        std::size_t at;
        Label yes;
        Label no;
    };
    std::uint8_t distance(std::size_t from, Label to) const {
        return to == Next ? 0 : static_cast<std::uint8_t>(places_[to] - from - 1);
    }

    std::vector<sock_filter> code_;
    std::vector<Jump> jumps_;
    std::array<std::size_t, Reject + 1> places_{};
};

void check_ports(Assembler& code, const MediaTraffic& traffic) {
    code.jump(BPF_JGE, traffic.first_port, Assembler::Next, Assembler::Reject);
    code.jump(BPF_JGT, traffic.last_port, Assembler::Reject, Assembler::Next);
    code.end(kAccept);
}

void check_ipv4(Assembler& code, const MediaTraffic& traffic) {
    code.place(Assembler::V4);
    code.load(BPF_B | BPF_ABS, 9);
    code.jump(BPF_JEQ, kUdp, Assembler::Next, Assembler::Reject);
    code.load(BPF_H | BPF_ABS, 6);
    code.jump(BPF_JSET, 0x3fff, Assembler::Reject, Assembler::Next);  // a fragment
    code.load(BPF_H | BPF_ABS, 2);
    code.jump(BPF_JGT, traffic.max_ip_bytes, Assembler::Reject, Assembler::Next);
    code.load(BPF_W | BPF_ABS, 16);
    for (const base::NetAddress& address : traffic.addresses)
        if (address.is_v4())
            code.jump(BPF_JEQ, base::load_u32(address.ip, 12), Assembler::V4Ports, Assembler::Next);
    code.jump(Assembler::Reject);
    code.place(Assembler::V4Ports);
    code.load_ipv4_header_size();
    code.load(BPF_H | BPF_IND, 2);
    check_ports(code, traffic);
}

void check_ipv6(Assembler& code, const MediaTraffic& traffic) {
    code.place(Assembler::V6);
    code.load(BPF_B | BPF_ABS, 6);
    code.jump(BPF_JEQ, kUdp, Assembler::Next, Assembler::Reject);
    code.load(BPF_H | BPF_ABS, 4);
    code.jump(BPF_JGT, traffic.max_ip_bytes - kIpv6Header, Assembler::Reject, Assembler::Next);
    for (const base::NetAddress& address : traffic.addresses) {
        if (address.is_v4()) continue;
        for (std::uint8_t word = 0; word < 4; ++word) {
            const std::uint32_t value = base::load_u32(address.ip, std::size_t{4} * word);
            code.load(BPF_W | BPF_ABS, 24 + 4U * word);
            if (word < 3) {
                code.skip_unless(value, static_cast<std::uint8_t>(2 * (3 - word)));
            } else {
                code.jump(BPF_JEQ, value, Assembler::V6Ports, Assembler::Next);
            }
        }
    }
    code.jump(Assembler::Reject);
    code.place(Assembler::V6Ports);
    code.load(BPF_H | BPF_ABS, kIpv6Header + 2);
    check_ports(code, traffic);
}

struct LocalAddress {
    std::string interface;
    base::NetAddress address;
    bool is_loopback = false;  // the interface
};

// Of all interfaces, IPv4 and IPv6.
std::vector<LocalAddress> local_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
    std::vector<LocalAddress> found;
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
        const int family = one->ifa_addr == nullptr ? AF_UNSPEC : one->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) continue;
        sockaddr_storage storage{};
        std::memcpy(&storage, one->ifa_addr,
                    family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
        const std::string_view name = one->ifa_name;  // eth0, or eth0:1 for a labelled address
        found.push_back({.interface = std::string(name.substr(0, name.find(':'))),
                         .address = from_socket_address(storage),
                         .is_loopback = (one->ifa_flags & IFF_LOOPBACK) != 0});
    }
    return found;
}

bool is_among(const std::vector<base::NetAddress>& hosts, const base::NetAddress& address) {
    return std::any_of(hosts.begin(), hosts.end(), [&](const base::NetAddress& host) {
        return host.is_v4() == address.is_v4() &&
               (host.is_unspecified() || host.same_host(address));
    });
}

void add_interface(std::vector<NetworkInterface>& interfaces, const std::string& name) {
    for (const NetworkInterface& known : interfaces)
        if (known.name == name) return;
    interfaces.push_back({.name = name, .index = ::if_nametoindex(name.c_str())});
}

}  // namespace

std::vector<sock_filter> make_filter(const MediaTraffic& traffic) {
    Assembler code;
    code.load_ancillary(SKF_AD_PKTTYPE);
    code.jump(BPF_JEQ, PACKET_HOST, Assembler::Next, Assembler::Reject);
    // A tagged frame comes again, without its tag, at the interface of its VLAN if there is one.
    code.load_ancillary(SKF_AD_VLAN_TAG_PRESENT);
    code.jump(BPF_JEQ, 0, Assembler::Next, Assembler::Reject);
    code.load_ancillary(SKF_AD_IFINDEX);
    for (const NetworkInterface& interface : traffic.interfaces)
        code.jump(BPF_JEQ, interface.index, Assembler::Ip, Assembler::Next);
    code.jump(Assembler::Reject);
    code.place(Assembler::Ip);
    code.load_ancillary(SKF_AD_PROTOCOL);
    code.jump(BPF_JEQ, ETH_P_IP, Assembler::V4, Assembler::Next);
    code.jump(BPF_JEQ, ETH_P_IPV6, Assembler::V6, Assembler::Reject);
    check_ipv4(code, traffic);
    check_ipv6(code, traffic);
    code.place(Assembler::Reject);
    code.end(0);
    return code.finish();
}

std::optional<base::Reason> check_limits(const MediaTraffic& traffic) {
    if (traffic.addresses.size() > kMaxRingAddresses ||
        traffic.interfaces.size() > kMaxRingInterfaces)
        return base::Reason{
            "too_many_addresses",
            fmt::format("A packet ring serves at most {} addresses and {} interfaces; this host "
                        "has {} and {}. Name one address in sip.listen.",
                        kMaxRingAddresses, kMaxRingInterfaces, traffic.addresses.size(),
                        traffic.interfaces.size())};
    return std::nullopt;
}

base::Result<MediaTraffic, base::Reason> find_media_traffic(
    const std::vector<base::NetAddress>& hosts) {
    MediaTraffic traffic;
    for (const LocalAddress& local : local_addresses()) {
        const bool is_media = is_among(hosts, local.address);
        if (is_media) traffic.addresses.push_back(local.address);
        // What this host sends to itself comes by the loopback, whatever its address.
        if (is_media || local.is_loopback) add_interface(traffic.interfaces, local.interface);
    }
    for (const base::NetAddress& host : hosts) {
        if (host.is_unspecified() || is_among(traffic.addresses, host)) continue;
        // All of 127.0.0.0/8 is the loopback's, which shows 127.0.0.1 alone.
        if (!(host.is_v4() && host.is_loopback()))
            return base::Reason{"no_interface",
                                fmt::format("No network interface has the media address {}.",
                                            base::host_to_string(host))};
        traffic.addresses.push_back(host);
    }
    if (auto too_many = check_limits(traffic)) return *too_many;
    return traffic;
}

}  // namespace earshot::io
