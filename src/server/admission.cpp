#include "server/admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/no_room.h"

namespace earshot::server {

namespace no_room = api::no_room;

namespace {

constexpr int kRetrySoon = 5;    // seconds: calls end, queues drain
constexpr int kRetryLater = 60;  // a person must act: a full disk, a restart
// So many, or one of a hundred, may lose packets: whoever floods the ports of one call hurts that
// call, and must not keep all others out.
constexpr std::size_t kFewStreams = 2;
// A two-party call takes two pairs; with video four.
constexpr std::size_t kPortPairsPerCall = 4;

Refusal busy(int retry_after, std::string_view code, std::string text) {
    return {.status = 503,
            .retry_after_seconds = retry_after,
            .reason = {std::string(code), std::move(text)}};
}

}  // namespace

const Peer* find_peer(const ServerConfig& config, const base::NetAddress& from,
                      std::string_view username, const io::TlsPeer* certificate) {
    const auto is_listed = [&](const Peer& peer) {
        return std::any_of(peer.addresses.begin(), peer.addresses.end(),
                           [&](const base::NetAddress& a) { return a.same_host(from); });
    };
    const auto is_named = [&](const Peer& peer) {
        return certificate != nullptr && (peer.addresses.empty() || is_listed(peer)) &&
               std::any_of(peer.certificate_names.begin(), peer.certificate_names.end(),
                           [&](const std::string& name) { return certificate->speaks_for(name); });
    };
    for (const Peer& peer : config.peers)
        if (is_named(peer)) return &peer;
    for (const Peer& peer : config.peers)
        if (peer.certificate_names.empty() && is_listed(peer)) return &peer;
    if (username.empty()) return nullptr;
    const auto user = std::find_if(config.peers.begin(), config.peers.end(), [&](const Peer& peer) {
        return peer.digest.username == username;
    });
    return user == config.peers.end() ? nullptr : &*user;
}

const base::NetAddress* find_open_listener(const ServerConfig& config) {
    if (config.insecure || !config.peers.empty()) return nullptr;
    for (const base::NetAddress& address : config.sip_listen)
        if (!address.is_loopback()) return &address;
    for (const base::NetAddress& address : config.tls_listen)
        if (!address.is_loopback() && !io::is_guarded(config.tls)) return &address;
    return nullptr;
}

std::optional<Refusal> check_peer(const ServerConfig& config, const base::NetAddress& from,
                                  const io::TlsPeer* certificate) {
    if (config.peers.empty() || find_peer(config, from, {}, certificate) != nullptr)
        return std::nullopt;
    const std::string host = base::host_to_string(from);
    if (certificate != nullptr && certificate->is_verified)
        return Refusal{.status = 403,
                       .reason = {"unknown_peer",
                                  fmt::format("{}, with the certificate {}, is in no [[peer]] of "
                                              "the configuration.",
                                              host, certificate->subject)}};
    for (const Peer& peer : config.peers)
        if (!peer.certificate_names.empty() &&
            std::any_of(peer.addresses.begin(), peer.addresses.end(),
                        [&](const base::NetAddress& a) { return a.same_host(from); }))
            return Refusal{.status = 403,
                           .reason = {"no_certificate",
                                      fmt::format("{} has to come by TLS and show its certificate "
                                                  "(peer.certificate_names).",
                                                  peer.name)}};
    return Refusal{.status = 403,
                   .reason = {"unknown_peer",
                              fmt::format("{} is in no [[peer]] of the configuration.", host)}};
}

std::optional<Refusal> check_transport(const Peer* peer, sip::Transport transport) {
    if (peer == nullptr || !peer->needs_tls || transport == sip::Transport::Tls)
        return std::nullopt;
    return Refusal{.status = 403,
                   .reason = {"tls_required",
                              fmt::format("{} has to come by TLS (peer.transport).", peer->name)}};
}

std::optional<Refusal> check_room(const ServerConfig& config, const Load& load) {
    if (load.stopping) return busy(kRetryLater, no_room::kStopping, "The server is being stopped.");
    if (!config.redirect_to.empty())
        return Refusal{
            .status = 302,
            .reason = {std::string(no_room::kRedirected), fmt::format("New calls are sent to {} "
                                                                      "(sip.redirect_to).",
                                                                      config.redirect_to)},
            .headers = {{"Contact", "<" + config.redirect_to + ">"}}};
    if (!load.data_is_in_place)
        return busy(kRetryLater, no_room::kDataDirectoryGone,
                    fmt::format("The data directory {} was removed or replaced while the server "
                                "runs; it has to be put back, or the server restarted.",
                                config.data.string()));
    if (load.calls >= config.max_calls)
        return busy(
            kRetrySoon, no_room::kTooManyCalls,
            fmt::format("{} calls are running, as many as sip.max_calls allows.", load.calls));
    if (!load.journal.ok)
        return busy(kRetryLater, load.journal.reason.code, load.journal.reason.text);
    if (load.journal.free_bytes && *load.journal.free_bytes < config.min_free_bytes)
        return busy(
            kRetryLater, no_room::kStorageFull,
            fmt::format("The disk of the data directory has {} MiB free; new calls need {} MiB "
                        "(storage.min_free_mib).",
                        *load.journal.free_bytes >> 20, config.min_free_bytes >> 20));
    // Half of the ring: what runs already must be able to wait for the disk, too.
    if (load.journal.frames_waiting * 2 > load.journal.frames_allowed)
        return busy(kRetrySoon, no_room::kStorageSlow,
                    fmt::format("The disk does not keep up: {} of {} frames of the journal wait "
                                "for it in memory.",
                                load.journal.frames_waiting, load.journal.frames_allowed));
    if (load.free_memory && *load.free_memory < config.min_free_memory_bytes)
        return busy(kRetrySoon, no_room::kNoMemory,
                    fmt::format("{} MiB of memory are left; new calls need {} MiB "
                                "(media.min_free_memory_mib).",
                                *load.free_memory >> 20, config.min_free_memory_bytes >> 20));
    if (load.dropping_streams > std::max(kFewStreams, load.capture.open_streams / 100))
        return busy(
            kRetrySoon, no_room::kOverloaded,
            fmt::format("{} streams lost packets in the last seconds, as the server did not "
                        "take them in time.",
                        load.dropping_streams));
    if (config.max_busy_percent > 0 && load.capture.busy_percent > config.max_busy_percent)
        return busy(kRetrySoon, no_room::kOverloaded,
                    fmt::format("A media thread is busy for {} % of its time; above {} % new calls "
                                "are refused (media.max_busy_percent).",
                                load.capture.busy_percent, config.max_busy_percent));
    if (load.capture.port_pairs_free < kPortPairsPerCall)
        return busy(
            kRetrySoon, no_room::kNoMediaPorts,
            fmt::format("Of {} media port pairs {} are in use, others rest after a call, and a new "
                        "call needs {} that are free (media.ports).",
                        load.capture.port_pairs, load.capture.port_pairs_in_use,
                        kPortPairsPerCall));
    return std::nullopt;
}

std::optional<Refusal> check_share(const ServerConfig& config, const base::NetAddress& from,
                                   const HostCalls& calls) {
    const std::string host = base::host_to_string(from);
    if (calls.unacknowledged >= config.max_unacknowledged)
        return busy(kRetrySoon, no_room::kTooManyUnacknowledged,
                    fmt::format("{} has not acknowledged {} of its INVITEs, as many as "
                                "sip.max_unacknowledged allows one host.",
                                host, calls.unacknowledged));
    if (config.max_calls_per_host > 0 && calls.running >= config.max_calls_per_host)
        return busy(kRetrySoon, no_room::kTooManyCalls,
                    fmt::format("{} has {} calls running, as many as sip.max_calls_per_host allows "
                                "one host.",
                                host, calls.running));
    return std::nullopt;
}

}  // namespace earshot::server
