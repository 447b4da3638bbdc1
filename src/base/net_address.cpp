#include "base/net_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace earshot::base {

namespace {
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void append_number(std::string& out, std::uint16_t number) {
    const fmt::format_int digits{number};
    out.append(digits.data(), digits.size());
}
}  // namespace

bool NetAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), ip.begin()); }

bool NetAddress::is_loopback() const {
    if (is_v4()) return ip[12] == 127;
    return ip[15] == 1 && std::all_of(ip.begin(), ip.begin() + 15, [](auto b) { return b == 0; });
}

bool NetAddress::is_unspecified() const {
    const std::size_t first = is_v4() ? 12 : 0;
    return std::all_of(ip.begin() + static_cast<std::ptrdiff_t>(first), ip.end(),
                       [](auto b) { return b == 0; });
}

// Not by inet_ntop(), which formats an IPv4 address with sprintf(): each event names an address.
std::string host_to_string(const NetAddress& address) {
    if (!address.is_v4()) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        inet_ntop(AF_INET6, address.ip.data(), text.data(), text.size());
        return text.data();
    }
    std::string text;
    text.reserve(sizeof "255.255.255.255:65535");
    for (std::size_t i = 12; i < address.ip.size(); ++i) {
        if (i > 12) text += '.';
        append_number(text, address.ip[i]);
    }
    return text;
}

std::string to_string(const NetAddress& address) {
    std::string text = host_to_string(address);
    if (!address.is_v4()) text = '[' + text + ']';
    text += ':';
    append_number(text, address.port);
    return text;
}

std::optional<NetAddress> parse_host(std::string_view host, std::uint16_t port) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    const std::string text(host);  // inet_pton wants a terminated string
    NetAddress address{.port = port};
    std::copy(kMapped.begin(), kMapped.end(), address.ip.begin());
    if (inet_pton(AF_INET, text.c_str(), address.ip.data() + 12) == 1) return address;
    if (inet_pton(AF_INET6, text.c_str(), address.ip.data()) == 1) return address;
    return std::nullopt;
}

std::optional<NetAddress> parse_net_address(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    const std::string_view host = text.substr(0, colon);
    if (!port || (host.find(':') != std::string_view::npos && host.front() != '['))
        return std::nullopt;
    return parse_host(host, *port);
}

}  // namespace earshot::base
