// Who may begin a TLS handshake: each costs a signature, which is a thousand times what a refusal
// costs. A host whose handshakes fail has to wait, and all together come no faster than we can
// bear beside the calls that run. Without I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>

#include "base/net_address.h"
#include "base/time.h"
#include "transport/limits.h"

namespace earshot::transport {

class HandshakeGuard {
public:
    // Whether this host's next connection is worth a handshake: of late fewer than
    // kFailedHandshakes of it have failed (one is forgiven each kHandshakeForgiven).
    bool admits(base::TimePoint now, const base::NetAddress& host);
    void on_failed(base::TimePoint now, const base::NetAddress& host);
    // Takes one of kHandshakesPerSecond; else how long to wait for it.
    std::chrono::milliseconds take_turn(base::TimePoint now);
    // Of a connection that gets no handshake: whoever floods us with those must not slow down
    // others.
    void give_back_turn() { next_turn_ -= kTurn; }

    std::size_t host_count() const { return failed_.size(); }

private:
    struct Failed {
        std::size_t count = 0;
        base::TimePoint since{};  // forgiveness counts from here
    };
    static base::NetAddress group_of(const base::NetAddress& host);
    static void forgive(base::TimePoint now, Failed& failed);
    void make_room(base::TimePoint now);

    static constexpr auto kTurn =
        std::chrono::nanoseconds{std::chrono::seconds{1}} / kHandshakesPerSecond;
    std::map<base::NetAddress, Failed> failed_;
    base::TimePoint next_turn_{};
};

}  // namespace earshot::transport
