// What each client sent that is not as the standards have it, counted since the start: the second
// half of `earshot doctor`. Bounded; owned by the signalling thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "base/time.h"
#include "siprec/leniency.h"

namespace earshot::server {

// Clients told apart; the next ones share one last entry, named "others".
inline constexpr std::size_t kMaxClients = 256;
inline constexpr std::size_t kMaxUserAgentBytes = 128;

class ClientLedger {
public:
    explicit ClientLedger(base::WallTime start) { clients_.since = start; }

    // A call of this client begins. The place is good for on_leniency() for ever.
    std::size_t on_call(std::string_view peer, std::string_view user_agent, base::WallTime now);
    // Once for each call, so that this counts calls.
    void on_leniency(std::size_t client, siprec::Leniency leniency, base::WallTime now);

    const api::Clients& clients() const { return clients_; }

private:
    api::Clients clients_;
};

}  // namespace earshot::server
