#include "chat/newcomers.h"

#include <algorithm>

#include "chat/limits.h"

namespace earshot::chat {

ConnectionId Newcomers::add(base::Now now, ConnectionId connection, bool is_tls,
                            const std::optional<base::NetAddress>& remote) {
    Newcomer made{.is_tls = is_tls, .since = now.steady, .host = remote};
    ConnectionId leaves = 0;
    if (made.host) made.host->port = 0;
    if (made.host && count_of(*made.host) >= kMaxUnboundOfHost)
        leaves = oldest(made.host);
    else if (waiting_.size() >= kMaxUnbound)
        leaves = oldest(fullest_host());
    erase(leaves);
    if (made.host) ++by_host_[*made.host];
    waiting_.emplace(connection, std::move(made));
    return leaves;
}

Newcomers::Newcomer* Newcomers::find(ConnectionId connection) {
    const auto found = waiting_.find(connection);
    return found == waiting_.end() ? nullptr : &found->second;
}

void Newcomers::erase(ConnectionId connection) {
    const auto found = waiting_.find(connection);
    if (found == waiting_.end()) return;
    if (found->second.host)
        if (const auto host = by_host_.find(*found->second.host); --host->second == 0)
            by_host_.erase(host);
    waiting_.erase(found);
}

std::vector<ConnectionId> Newcomers::overdue(base::Now now) const {
    std::vector<ConnectionId> found;
    for (const auto& [connection, one] : waiting_)
        if (now.steady - one.since >= kBindTime) found.push_back(connection);
    return found;
}

std::size_t Newcomers::count_of(const base::NetAddress& host) const {
    const auto found = by_host_.find(host);
    return found == by_host_.end() ? 0 : found->second;
}

// So a host that brings many pays for them, and not one that brings the only one it needs.
std::optional<base::NetAddress> Newcomers::fullest_host() const {
    const auto found = std::max_element(by_host_.begin(), by_host_.end(),
                                        [](auto& a, auto& b) { return a.second < b.second; });
    if (found == by_host_.end() || found->second < 2) return std::nullopt;
    return found->first;
}

// Nothing: of all.
ConnectionId Newcomers::oldest(const std::optional<base::NetAddress>& of) const {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
        return !of || entry.second.host == of;
    });
    return found == waiting_.end() ? 0 : found->first;
}

}  // namespace earshot::chat
