// Whether a new call may come in: who sends it, and what there is room for. Running calls are never
// touched (design: overload).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "capture/capture_engine.h"
#include "catalog/catalog.h"
#include "io/tls_peer.h"
#include "journal/journal.h"
#include "server/server_config.h"
#include "sip/agent.h"

namespace earshot::server {

struct Refusal {
    int status = 503;             // 302, 401, 403 or 503
    int retry_after_seconds = 0;  // 0: no Retry-After
    base::Reason reason;
    std::vector<sip::ExtraHeader> headers{};  // of a 401 the challenges, of a 302 Contact
};

// What admission looks at; taken anew once a second and before each new call.
struct Load {
    bool stopping = false;
    bool data_is_in_place = true;  // the data directory is still the one that was opened
    std::size_t calls = 0;
    capture::CaptureLoad capture;
    journal::Health journal;
    std::optional<std::uint64_t> free_memory{};  // bytes; absent: not known
    // Streams that lost packets in the last seconds because the kernel had no room for them.
    std::size_t dropping_streams = 0;
    catalog::Health catalogue;
};

// What one host has under way.
struct HostCalls {
    std::uint32_t running = 0;
    std::uint32_t unacknowledged = 0;  // of them; from the INVITE to its ACK
};

// The configured peer that this certificate names (null or unverified: none was shown), else the
// one whose list holds this host, else the one of this user (admitted by digest; empty: nobody);
// null when there is none. Borrowed from `config`.
const Peer* find_peer(const ServerConfig& config, const base::NetAddress& from,
                      std::string_view username = {}, const io::TlsPeer* certificate = nullptr);

// A listener that is not loopback and takes calls from anyone, which nobody asked for; null: none.
const base::NetAddress* find_open_listener(const ServerConfig& config);

// Does its address, or its certificate, admit this host? 403.
std::optional<Refusal> check_peer(const ServerConfig& config, const base::NetAddress& from,
                                  const io::TlsPeer* certificate = nullptr);

// May what comes from this peer come this way? 403.
std::optional<Refusal> check_transport(const Peer* peer, sip::Transport transport);

// Is there room for one more call? 503 with Retry-After; 302 when calls are to go elsewhere.
std::optional<Refusal> check_room(const ServerConfig& config, const Load& load);

// Does this host leave room for others? 503 with Retry-After.
std::optional<Refusal> check_share(const ServerConfig& config, const base::NetAddress& from,
                                   const HostCalls& calls);

}  // namespace earshot::server
