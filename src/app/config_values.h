// Reads the values of configuration keys from their texts. Each returns what is wrong with the
// text, as the rest of a sentence that begins with it; empty when nothing is.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "base/text.h"
#include "io/port_range.h"

namespace earshot::app {

std::string set_address(base::NetAddress& address, std::string_view text);
// One or several, separated by commas.
std::string set_listens(std::vector<base::NetAddress>& addresses, std::string_view text);
std::string set_advertised(std::vector<base::NetAddress>& addresses, std::string_view text);
std::string set_dns(std::string& servers, std::string_view text);
std::string set_flag(bool& target, std::string_view text);
std::string set_ports(io::PortRange& range, std::string_view text);
std::string set_level(base::LogLevel& level, std::string_view text);
std::string set_url(std::string& url, std::string_view text);

template <class T>
std::string set_number(T& target, std::string_view text, std::uint64_t low, std::uint64_t high) {
    const auto value = base::parse_number<std::uint64_t>(text);
    if (!value || *value < low || *value > high)
        return fmt::format("is not a whole number from {} to {}", low, high);
    target = T(*value);
    return {};
}

}  // namespace earshot::app
