#include "app/config_values.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "http/url.h"

namespace earshot::app {

using base::NetAddress;

namespace {

constexpr std::size_t kMaxListens = 8;

}  // namespace

std::string set_address(NetAddress& address, std::string_view text) {
    const auto parsed = base::parse_net_address(text);
    if (!parsed)
        return "is not an address: expected HOST:PORT with a literal IP, like 127.0.0.1:5060";
    address = *parsed;
    return {};
}

// One or several, separated by commas.
std::string set_listens(std::vector<NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    while (!text.empty()) {
        std::string wrong =
            set_address(addresses.emplace_back(), base::trim(base::take_until(text, ',')));
        if (!wrong.empty()) return wrong;
        if (std::count(addresses.begin(), addresses.end(), addresses.back()) > 1)
            return "names an address twice";
    }
    if (addresses.empty()) return "is empty";
    return addresses.size() > kMaxListens ? "has more than 8 addresses" : std::string{};
}

std::string set_advertised(std::vector<NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    while (!text.empty()) {
        const std::string_view one = base::trim(base::take_until(text, ','));
        auto address = base::parse_host(one, 0);
        if (!address) address = base::parse_net_address(one);
        if (!address || address->is_unspecified())
            return "is not an address: expected a literal IP, with or without a port";
        const bool has_family = std::any_of(addresses.begin(), addresses.end(), [&](auto& other) {
            return other.is_v4() == address->is_v4();
        });
        if (has_family) return "has two addresses of one IP family";
        addresses.push_back(*address);
    }
    return {};
}

std::string set_dns(std::string& servers, std::string_view text) {
    servers = text;
    while (!text.empty()) {
        const std::string_view one = base::trim(base::take_until(text, ','));
        if (!base::parse_host(one, 0) && !base::parse_net_address(one))
            return "is not an address: expected literal IPs, with or without a port";
    }
    return {};
}

std::string set_flag(bool& target, std::string_view text) {
    if (text != "true" && text != "false") return "is neither true nor false";
    target = text == "true";
    return {};
}

std::string set_ports(io::PortRange& range, std::string_view text) {
    std::string_view rest = text;
    const auto low = base::parse_number<std::uint16_t>(base::take_until(rest, '-'));
    const auto high = base::parse_number<std::uint16_t>(rest);
    if (!low || !high || *low < 1024)
        return "is not a port range: expected LOW-HIGH, like 10000-19999, from 1024 up";
    if (*low > *high)
        return fmt::format("begins after its end: expected LOW-HIGH, like {}-{}", *high, *low);
    if (*low % 2 != 0 || *high % 2 == 0)
        return "must begin with an even and end with an odd port (RTP takes the even, RTCP the odd "
               "one)";
    constexpr int kFewest = 8;  // what admission wants free for one call: four pairs
    if (*high - *low + 1 < kFewest)
        return "is too small: a call with video takes four pairs, so 8 ports are the least";
    range = {*low, *high};
    return {};
}

std::string set_level(base::LogLevel& level, std::string_view text) {
    constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] != text) continue;
        level = static_cast<base::LogLevel>(i);
        return {};
    }
    return "is none of debug, info, warning, error";
}

std::string set_url(std::string& url, std::string_view text) {
    if (!text.empty() && !http::parse_url(text))
        return "is no URL of the form http://HOST[:PORT]/path (https is not supported)";
    url = text;
    return {};
}

}  // namespace earshot::app
