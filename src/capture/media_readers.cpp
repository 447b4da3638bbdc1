#include "capture/media_readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include "capture/limits.h"
#include "io/drain_reader.h"
#include "io/packet_ring_reader.h"
#include "io/uring_reader.h"

namespace earshot::capture {

namespace {

constexpr int kBoundTries = 20;
constexpr std::chrono::milliseconds kBoundPause{50};

std::size_t pairs(const CaptureOptions& options) {
    return static_cast<std::size_t>(options.last_port - options.first_port + 1) / 2;
}

// The rule drops all UDP to the media ports. Answers to questions of this host's own (DNS, NTP)
// come to a port that the kernel chose.
std::optional<base::Reason> find_shared_ports(const CaptureOptions& options) {
    int low = 0;
    int high = 0;
    std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
    if (options.last_port < low || options.first_port > high) return std::nullopt;
    return base::Reason{
        "media_ports_in_use",
        fmt::format("With the packet ring the ports of media.ports ({}-{}) must be media's alone, "
                    "but the kernel gives ports from {} to {} to other programs (sysctl "
                    "net.ipv4.ip_local_port_range).",
                    options.first_port, options.last_port, low, high)};
}

io::MediaRange media_range(const CaptureOptions& options) {
    io::MediaRange range{.hosts = {options.bind_host},
                         .first_port = options.first_port,
                         .last_port = options.last_port};
    if (options.other_bind_host) range.hosts.push_back(*options.other_bind_host);
    return range;
}

// Before our own are open. Those of a process that has just ended are not counted: an io_uring's
// are let go by the kernel a moment after it.
std::optional<base::Reason> find_foreign_sockets(const io::MediaRange& range) {
    auto bound = io::check_bound(range);
    for (int tries = 1; bound && tries < kBoundTries; ++tries) {
        std::this_thread::sleep_for(kBoundPause);
        bound = io::check_bound(range);
    }
    return bound;
}

base::Result<MediaReaders, base::Reason> open_rings(const CaptureOptions& options,
                                                    std::size_t workers) {
    if (auto shared = find_shared_ports(options)) return *shared;
    const io::MediaRange range = media_range(options);
    auto traffic = io::find_media_traffic(range.hosts);
    if (!traffic) return traffic.error();
    traffic->max_ip_bytes = io::kMaxRingPacketBytes;
    auto claim = io::MediaClaim::make(range);
    if (!claim) return claim.error();
    if (auto bound = find_foreign_sockets(range)) return *bound;
    MediaReaders readers{.kind = ReaderKind::PacketRing,
                         .fallback = {},
                         .of = {},
                         .claim = std::move(*claim),
                         .drop = {}};
    for (std::size_t worker = 0; worker < workers; ++worker) {
        const CaptureOptions own = options_of(options, worker, workers);
        traffic->first_port = own.first_port;
        traffic->last_port = own.last_port;
        auto reader = io::PacketRingReader::create(*traffic, options.ring_bytes / workers);
        if (!reader) return reader.error();
        readers.of.push_back(std::move(*reader));
    }
    // From here on the sockets see nothing of it: the rings come first.
    traffic->first_port = options.first_port;
    traffic->last_port = options.last_port;
    auto drop = io::IngressDrop::install(*traffic);
    if (!drop) return drop.error();
    readers.drop = std::move(*drop);
    return readers;
}

}  // namespace

std::size_t most_rings(const CaptureOptions& options) {
    return std::max<std::size_t>(pairs(options) / kFewestRingPortPairs, 1);
}

CaptureOptions options_of(const CaptureOptions& options, std::size_t worker, std::size_t workers) {
    if (options.reader != ReaderKind::PacketRing) return options;
    const std::size_t share = pairs(options) / workers;
    CaptureOptions own = options;
    own.first_port = static_cast<std::uint16_t>(options.first_port + 2 * share * worker);
    if (worker + 1 < workers)
        own.last_port = static_cast<std::uint16_t>(own.first_port + 2 * share - 1);
    own.max_port_pairs = options.max_port_pairs / workers;
    return own;
}

base::Result<MediaReaders, base::Reason> open_readers(const CaptureOptions& options,
                                                      std::size_t workers) {
    if (auto claimed = io::check_claims(media_range(options))) return *claimed;
    if (options.reader == ReaderKind::PacketRing) return open_rings(options, workers);
    MediaReaders readers{.kind = options.reader, .fallback = {}, .of = {}, .claim = {}, .drop = {}};
    if (options.reader == ReaderKind::IoUring) {
        const auto ticks = static_cast<std::uint32_t>(
            std::max<std::int64_t>(options.paced_drain / options.bursty_drain, 1));
        while (readers.of.size() < workers) {
            auto reader = io::UringReader::create(ticks);
            if (!reader) {
                readers.kind = ReaderKind::Sockets;
                readers.fallback = reader.error().text;
                readers.of.clear();
                break;
            }
            readers.of.push_back(std::move(*reader));
        }
    }
    while (readers.of.size() < workers) readers.of.push_back(std::make_unique<io::DrainReader>());
    return readers;
}

}  // namespace earshot::capture
