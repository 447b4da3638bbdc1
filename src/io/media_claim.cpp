#include "io/media_claim.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "io/kernel_text.h"

namespace earshot::io {

namespace {

constexpr const char* kInUse = "media_ports_in_use";
constexpr std::string_view kPrefix = "@earshot-media/";  // an abstract name, as the kernel shows it

// A socket of :: may take IPv4 as well.
bool overlaps(const MediaRange& range, const base::NetAddress& other) {
    if (!other.is_v4() && other.is_unspecified()) return true;
    return std::any_of(range.hosts.begin(), range.hosts.end(), [&](const base::NetAddress& host) {
        return host.is_v4() == other.is_v4() &&
               (host.same_host(other) || host.is_unspecified() || other.is_unspecified());
    });
}

std::optional<std::uint32_t> parse_hex(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// 0100007F:0035 is 127.0.0.1:53, and IPv6 four such words: each as this CPU reads it from memory.
std::optional<base::NetAddress> parse_local(std::string_view text) {
    constexpr std::size_t kWord = 8;
    const std::string_view host = base::take_until(text, ':');
    const auto port = parse_hex(text);
    if ((host.size() != kWord && host.size() != 4 * kWord) || !port || *port > 0xffff)
        return std::nullopt;
    base::NetAddress address;
    if (host.size() == kWord) address.ip[10] = address.ip[11] = 0xff;
    std::size_t at = address.ip.size() - host.size() / 2;
    for (std::size_t i = 0; i < host.size(); i += kWord, at += sizeof(std::uint32_t)) {
        const auto word = parse_hex(host.substr(i, kWord));
        if (!word) return std::nullopt;
        std::memcpy(address.ip.data() + at, &*word, sizeof *word);
    }
    address.port = static_cast<std::uint16_t>(*port);
    return address;
}

// 192.0.2.1/20000-29999.
std::optional<MediaRange> parse_claim(std::string_view text) {
    const auto host = base::parse_host(base::take_until(text, '/'), 0);
    const auto first = base::parse_number<std::uint16_t>(base::take_until(text, '-'));
    const auto last = base::parse_number<std::uint16_t>(text);
    if (!host || !first || !last) return std::nullopt;
    return MediaRange{.hosts = {*host}, .first_port = *first, .last_port = *last};
}

std::string claim_of(const base::NetAddress& host, const MediaRange& range) {
    return fmt::format("{}/{}-{}", base::host_to_string(host), range.first_port, range.last_port);
}

base::Reason claimed(const std::string& claim) {
    return {kInUse, fmt::format("Another Earshot with a packet ring takes all media to {}: sockets "
                                "would get none. Choose other media.ports.",
                                claim)};
}

}  // namespace

base::Result<MediaClaim, base::Reason> MediaClaim::make(const MediaRange& range) {
    MediaClaim claim;
    for (const base::NetAddress& host : range.hosts) {
        const std::string text = claim_of(host, range);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = std::string(kPrefix.substr(1)) + text;  // behind a zero byte
        std::copy(name.begin(), name.end(), address.sun_path + 1);
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
            if (errno == EADDRINUSE) return claimed(text);
            return base::Reason{kInUse, fmt::format("The media ports cannot be claimed: {}.",
                                                    std::generic_category().message(errno))};
        }
        claim.names_.push_back(std::move(socket));
    }
    return claim;
}

std::optional<std::string> find_claim(std::string_view sockets, const MediaRange& range) {
    while (!sockets.empty()) {
        const std::string_view line = base::take_until(sockets, '\n');
        const std::size_t at = line.find(kPrefix);
        if (at == std::string_view::npos) continue;
        const std::string_view text = line.substr(at + kPrefix.size());
        const auto claim = parse_claim(text);
        if (claim && overlaps(range, claim->hosts.front()) &&
            claim->first_port <= range.last_port && claim->last_port >= range.first_port)
            return std::string(text);
    }
    return std::nullopt;
}

std::optional<base::NetAddress> find_bound(std::string_view sockets, const MediaRange& range) {
    while (!sockets.empty()) {  // sl: local_address rem_address ...; the first line is of names
        std::string_view line = base::trim(base::take_until(sockets, '\n'));
        base::take_until(line, ' ');
        const auto local = parse_local(base::take_until(line, ' '));
        if (local && local->port >= range.first_port && local->port <= range.last_port &&
            overlaps(range, *local))
            return local;
    }
    return std::nullopt;
}

std::optional<base::Reason> check_claims(const MediaRange& range) {
    if (const auto claim = find_claim(read_kernel_text("/proc/thread-self/net/unix"), range))
        return claimed(*claim);
    return std::nullopt;
}

std::optional<base::Reason> check_bound(const MediaRange& range) {
    for (const char* path : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"})
        if (const auto bound = find_bound(read_kernel_text(path), range))
            return base::Reason{
                kInUse, fmt::format("Another program has UDP port {} ({}), among media.ports "
                                    "({}-{}): the packet ring would make it deaf.",
                                    bound->port, base::to_string(*bound), range.first_port,
                                    range.last_port)};
    return std::nullopt;
}

}  // namespace earshot::io
