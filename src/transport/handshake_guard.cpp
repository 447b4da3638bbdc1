#include "transport/handshake_guard.h"

#include <algorithm>

namespace earshot::transport {

// Whoever has one IPv6 address has a whole /64.
base::NetAddress HandshakeGuard::group_of(const base::NetAddress& host) {
    base::NetAddress group = host;
    group.port = 0;
    if (!group.is_v4()) std::fill(group.ip.begin() + 8, group.ip.end(), std::uint8_t{0});
    return group;
}

void HandshakeGuard::forgive(base::TimePoint now, Failed& failed) {
    const auto due = static_cast<std::size_t>(
        std::max<std::int64_t>(0, (now - failed.since) / kHandshakeForgiven));
    failed.count -= std::min(failed.count, due);
    failed.since += due * kHandshakeForgiven;
}

bool HandshakeGuard::admits(base::TimePoint now, const base::NetAddress& host) {
    const auto known = failed_.find(group_of(host));
    if (known == failed_.end()) return true;
    forgive(now, known->second);
    const bool is_admitted = known->second.count < kFailedHandshakes;
    if (known->second.count == 0) failed_.erase(known);
    return is_admitted;
}

void HandshakeGuard::on_failed(base::TimePoint now, const base::NetAddress& host) {
    const base::NetAddress group = group_of(host);
    if (!failed_.contains(group) && failed_.size() >= kMaxGuardedHosts) make_room(now);
    if (!failed_.contains(group) && failed_.size() >= kMaxGuardedHosts) return;
    Failed& failed = failed_.try_emplace(group, Failed{.count = 0, .since = now}).first->second;
    forgive(now, failed);
    if (failed.count == 0) failed.since = now;
    failed.count = std::min(failed.count + 1, kFailedHandshakes);
}

void HandshakeGuard::make_room(base::TimePoint now) {
    std::erase_if(failed_, [&](const auto& one) {
        Failed failed = one.second;
        forgive(now, failed);
        return failed.count == 0;
    });
}

std::chrono::milliseconds HandshakeGuard::take_turn(base::TimePoint now) {
    // What was not used in the last moments may be made up for.
    next_turn_ = std::max(next_turn_, now - kHandshakeBurst * kTurn);
    if (next_turn_ > now) return std::chrono::ceil<std::chrono::milliseconds>(next_turn_ - now);
    next_turn_ += kTurn;
    return std::chrono::milliseconds{0};
}

}  // namespace earshot::transport
