// An IP address with a port, as text and journal records need it. No sockets: those are io/'s.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace earshot::base {

struct NetAddress {
    std::array<std::uint8_t, 16> ip{};  // IPv6, or IPv4 in the mapped form ::ffff:a.b.c.d
    std::uint16_t port = 0;  // NOLINTNEXTLINE(modernize-use-nullptr): the compiler's own 0
    friend auto operator<=>(const NetAddress&, const NetAddress&) = default;

    bool is_v4() const;
    bool is_loopback() const;
    bool is_unspecified() const;  // 0.0.0.0 or ::
    bool same_host(const NetAddress& other) const { return ip == other.ip; }
};

std::string host_to_string(const NetAddress& address);  // 192.0.2.1, 2001:db8::1
std::string to_string(const NetAddress& address);       // 192.0.2.1:5060, [2001:db8::1]:5060

// A literal address (brackets allowed around IPv6), no names.
std::optional<NetAddress> parse_host(std::string_view host, std::uint16_t port);
// HOST:PORT with a literal address; the port must be there.
std::optional<NetAddress> parse_net_address(std::string_view text);

}  // namespace earshot::base
