// Connections that others have made and that are nobody's yet: the first request binds one to its
// session (RFC 4975 section 5.4). Few may wait for that, few of one host, and none for long: who
// holds connections without a session keeps nobody from a chat. Who has to make way is the one that
// has waited longest: a party speaks at once. Belongs to the thread of the connections.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/net_address.h"
#include "base/time.h"
#include "chat/ports.h"

namespace earshot::chat {

class Newcomers {
public:
    struct Newcomer {
        std::string text{};  // what has come, while nobody has seen it
        bool is_tls = false;
        bool is_seen = false;  // somebody has: a room, a guest, or the switch
        base::TimePoint since{};
        std::optional<base::NetAddress> host{};  // nothing: not known, it counts with all alone
    };

    // Who is to be closed for it; 0: nobody.
    ConnectionId add(base::Now now, ConnectionId connection, bool is_tls,
                     const std::optional<base::NetAddress>& remote);
    Newcomer* find(ConnectionId connection);
    void erase(ConnectionId connection);  // it has a session, or is gone
    // Those whose first request has not bound them in kBindTime: to be closed.
    std::vector<ConnectionId> overdue(base::Now now) const;
    std::size_t size() const { return waiting_.size(); }

private:
    using Waiting = std::map<ConnectionId, Newcomer>;

    std::size_t count_of(const base::NetAddress& host) const;
    std::optional<base::NetAddress> fullest_host() const;
    ConnectionId oldest(const std::optional<base::NetAddress>& of) const;

    Waiting waiting_;  // numbers are given out in the order in which connections come
    std::map<base::NetAddress, std::size_t> by_host_;  // ports are 0
};

}  // namespace earshot::chat
