#include "io/media_ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "io/limits.h"

namespace earshot::io {

MediaPorts::MediaPorts(const MediaPortOptions& options, base::Random& random)
    : options_(options),
      allocator_(options.first_port, options.last_port, random),
      // Of a small range most must stay free to rest.
      ready_aim_(std::min(kReadyPortPairs, std::min(allocator_.pairs(), options.max_pairs) / 8)) {
    families_.push_back({.host = options.bind_host, .ready = {}});
    if (options.other_bind_host)
        families_.push_back({.host = *options.other_bind_host, .ready = {}});
    ready_aim_ /= families_.size();
}

MediaPorts::Family& MediaPorts::family(bool ipv6) {
    return families_.front().host.is_v4() == ipv6 ? families_.back() : families_.front();
}

base::Result<UdpPair, base::Reason> MediaPorts::take(base::TimePoint now, bool ipv6) {
    std::unique_lock lock(mutex_);
    Family& wanted = family(ipv6);
    if (!wanted.ready.empty()) {
        UdpPair pair = std::move(wanted.ready.front());
        wanted.ready.pop_front();
        lock.unlock();
        pair.discard();
        return pair;
    }
    if (!has_descriptors())
        return base::Reason{
            .code = "no_descriptors",
            .text = fmt::format("{} media port pairs are in use, as many as the limit of open "
                                "files leaves room for (ulimit -n).",
                                allocator_.in_use())};
    for (int i = 0; i < kMaxBindTries; ++i) {
        const auto port = allocator_.allocate(now);
        if (!port) break;
        auto pair = open(wanted, *port);
        if (pair) return std::move(*pair);
        allocator_.release(*port, now);
        if (pair.error().detail == EADDRINUSE) continue;  // a stranger's: the next one
        const auto failure =
            std::error_code(static_cast<int>(pair.error().detail), std::generic_category());
        return base::Reason{
            .code = "media_socket",
            .text = fmt::format("Opening media port {} failed: {}.", *port, failure.message())};
    }
    return base::Reason{.code = "no_media_ports",
                        .text = fmt::format("No media port from {} to {} is free.",
                                            options_.first_port, options_.last_port)};
}

void MediaPorts::release(std::uint16_t rtp_port, base::TimePoint now) {
    const std::lock_guard lock(mutex_);
    allocator_.release(rtp_port, now);
}

void MediaPorts::refill(base::TimePoint now) {
    for (Family& family : families_)
        for (std::size_t tries = 0; tries < ready_aim_; ++tries)
            if (!refill_one(family, now)) break;
}

// False: nothing more is to be done in this family now.
bool MediaPorts::refill_one(Family& family, base::TimePoint now) {
    std::unique_lock lock(mutex_);
    if (family.ready.size() >= ready_aim_ || !has_descriptors() || !allocator_.has_rested(now))
        return false;
    const auto port = allocator_.allocate(now);
    if (!port) return false;
    lock.unlock();  // a call must not wait for the system calls
    auto pair = open(family, *port);
    lock.lock();
    if (pair) {
        family.ready.push_back(std::move(*pair));
        return true;
    }
    allocator_.release(*port, now);
    return pair.error().detail == EADDRINUSE;  // take() will say the rest when it matters
}

std::size_t MediaPorts::ready() const {
    std::size_t count = 0;
    for (const Family& family : families_) count += family.ready.size();
    return count;
}

MediaPorts::Counters MediaPorts::counters(base::TimePoint now) const {
    const std::lock_guard lock(mutex_);
    const std::size_t taken = allocator_.in_use();
    const std::size_t openable = std::min(allocator_.available(now),
                                          options_.max_pairs - std::min(options_.max_pairs, taken));
    return {.pairs = std::min(allocator_.pairs(), options_.max_pairs),
            .in_use = taken - ready(),
            .ready = ready(),
            .free = ready() + openable,
            .allocator = allocator_.counters()};
}

base::Result<UdpPair> MediaPorts::open(const Family& family, std::uint16_t rtp_port) const {
    base::NetAddress address = family.host;
    address.port = rtp_port;
    return bind_udp_pair(address, options_.rtp, options_.rtcp);
}

}  // namespace earshot::io
