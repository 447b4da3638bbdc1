#include "client/server_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "client/call_facts.h"
#include "client/limits.h"
#include "sip/headers.h"
#include "sip/uri.h"
#include "siprec/limits.h"

namespace earshot::client {

using base::Reason;
using std::chrono::seconds;

namespace {

constexpr int kTimedOut = 408;
constexpr int kUnavailable = 503;

// RFC 3261 sections 21.4.9 and 21.5: whether the answer tells of the server and not of the call.
// 501 and 505 and 513 are about the message.
bool is_about_server(int status) {
    return status == kTimedOut || status == 500 || (status >= 502 && status <= 504);
}

base::NetAddress host_of(base::NetAddress address) {
    address.port = 0;
    return address;
}

std::optional<seconds> retry_after_of(const sip::Message& response) {
    const auto value = response.find(sip::HeaderId::RetryAfter);
    if (!value) return std::nullopt;
    const auto delay = sip::parse_delta_seconds(*value);
    return delay ? std::optional(delay->seconds) : std::nullopt;
}

}  // namespace

ServerPool::ServerPool(base::Random& random, Outlets outlets)
    : random_(random), outlets_(std::move(outlets)) {}

void ServerPool::configure(base::Now now, Settings settings) {
    settings_ = std::move(settings);
    for (auto& [uri, server] : servers_) {
        server.is_configured = false;
        server.probe_at.reset();
    }
    // Spread over the interval: many servers are not asked in one moment.
    const auto count = static_cast<std::int64_t>(settings_.servers.size());
    std::int64_t place = 0;
    for (const std::string& uri : settings_.servers) {
        Server* server = find_or_add(uri);
        if (server == nullptr || std::exchange(server->is_configured, true)) continue;
        ++place;
        if (settings_.interval.count() > 0)
            server->probe_at = now.steady + settings_.interval * place / count;
    }
}

ServerPool::Server* ServerPool::find_or_add(const std::string& uri) {
    const auto found = servers_.find(uri);
    if (found != servers_.end()) return &found->second;
    if (servers_.size() >= kMaxPoolServers) {
        const auto idle = std::find_if(servers_.begin(), servers_.end(), [](const auto& entry) {
            return !entry.second.is_configured && entry.second.view.recordings == 0;
        });
        if (idle == servers_.end()) return nullptr;
        servers_.erase(idle);
    }
    Server server;
    server.view.server = without_password(uri);
    return &servers_.emplace(uri, std::move(server)).first->second;
}

// ---- the choice ---------------------------------------------------------------------------------

// A probed server comes back by its answer to OPTIONS, another one, and one that never answers
// OPTIONS, by a call that tries it.
bool ServerPool::is_free(const Server* server, base::Now now) const {
    if (server == nullptr || server->failures == 0) return true;
    return (!is_probed(*server) || server->is_deaf) && now.steady >= server->until;
}

bool ServerPool::is_probed(const Server& server) const {
    return server.is_configured && settings_.interval.count() > 0;
}

std::string ServerPool::choose(base::Now now, const std::vector<ServerEntry>& candidates) {
    std::vector<const ServerEntry*> usable;
    const ServerEntry* soonest = &candidates.front();
    base::TimePoint soonest_until = base::TimePoint::max();
    for (const ServerEntry& entry : candidates) {
        const Server* server = find_or_add(entry.uri);
        if (is_free(server, now)) {
            usable.push_back(&entry);
        } else if (server->until < soonest_until) {
            soonest = &entry;
            soonest_until = server->until;
        }
    }
    std::string chosen = usable.empty() ? soonest->uri : draw(usable);
    // One call tries whether it lives again; the others wait for what becomes of that.
    if (Server* server = find_or_add(chosen); server != nullptr && server->failures > 0) {
        server->until = std::max(server->until, now.steady + settings_.patience);
        server->is_tried = true;
    }
    return chosen;
}

// As RFC 2782 draws among records of one priority.
const std::string& ServerPool::draw(const std::vector<const ServerEntry*>& entries) {
    const bool is_weighted = std::any_of(entries.begin(), entries.end(),
                                         [](const auto* one) { return one->weight.has_value(); });
    if (!is_weighted) return entries.front()->uri;
    std::uint32_t sum = 0;
    for (const ServerEntry* entry : entries) sum += entry->weight.value_or(1);
    if (sum == 0) return entries.front()->uri;
    std::uint32_t drawn = random_.u32() % sum;
    for (const ServerEntry* entry : entries) {
        const std::uint32_t weight = entry->weight.value_or(1);
        if (drawn < weight) return entry->uri;
        drawn -= weight;
    }
    return entries.back()->uri;
}

// ---- what was seen ------------------------------------------------------------------------------

void ServerPool::on_heard(base::Now now, const std::string& uri, Server& server) {
    server.was_heard = true;
    server.view.heard = now.wall;
    server.view.reason = {};
    server.until = {};
    server.is_tried = false;
    if (std::exchange(server.failures, 0) == 0) return;
    outlets_.tell({.kind = "server_up", .at = now.wall, .server = without_password(uri)});
}

void ServerPool::fail(base::Now now, const std::string& uri, Server& server, const Reason& reason,
                      std::optional<seconds> retry_after) {
    // Twenty calls that find it dead at once are one failure.
    const bool is_in_quarantine = server.failures > 0 && now.steady < server.until;
    if (is_in_quarantine && !std::exchange(server.is_tried, false) && !retry_after) return;
    const std::uint32_t doublings = std::min<std::uint32_t>(server.failures, 5);
    const seconds usual = std::min(kFirstQuarantine * (1 << doublings), kMaxQuarantine);
    server.until =
        now.steady + (retry_after ? std::min(*retry_after, siprec::kMaxRetryAfter) : usual);
    if (is_probed(server)) server.probe_at = server.until;
    server.view.reason = reason;
    if (server.failures++ > 0) return;
    outlets_.tell(
        {.kind = "server_down", .at = now.wall, .server = without_password(uri), .reason = reason});
}

void ServerPool::on_accepted(base::Now now, const std::string& uri) {
    Server* server = find_or_add(uri);
    if (server == nullptr) return;
    ++server->view.accepted;
    ++server->view.recordings;
    on_heard(now, uri, *server);
}

void ServerPool::on_refused(base::Now now, const std::string& uri, int status, const Reason& reason,
                            std::optional<seconds> retry_after) {
    Server* server = find_or_add(uri);
    if (server == nullptr) return;
    ++server->view.refused;
    if (is_about_server(status)) return fail(now, uri, *server, reason, retry_after);
    if (status >= 300) on_heard(now, uri, *server);
}

void ServerPool::on_ended(base::Now now, const std::string& uri, bool is_dead, bool is_lost,
                          const Reason& reason) {
    Server* server = find_or_add(uri);
    if (server == nullptr) return;
    if (server->view.recordings > 0) --server->view.recordings;
    if (is_lost) ++server->view.lost;
    if (!is_dead) return;
    fail(now, uri, *server, reason, std::nullopt);
    const bool is_known = std::any_of(suspects_.begin(), suspects_.end(),
                                      [&](const auto& suspect) { return suspect.second == uri; });
    if (!is_known) suspects_.emplace_back(now.steady + kSuspicionDelay, uri);
}

void ServerPool::learn(const base::NetAddress& address) {
    if (hosts_.size() < kMaxServerHosts) hosts_.insert(host_of(address));
}

bool ServerPool::knows_host(const base::NetAddress& address) const {
    if (hosts_.contains(host_of(address))) return true;
    return std::any_of(servers_.begin(), servers_.end(), [&](const auto& entry) {
        if (!entry.second.is_configured) return false;
        const auto uri = sip::parse_uri(entry.first);
        const auto host = uri ? base::parse_host(uri->host, 0) : std::nullopt;
        return host && host->same_host(address);
    });
}

// ---- probing ------------------------------------------------------------------------------------

void ServerPool::probe(base::Now now, const std::string& uri, Server& server) {
    server.probe_at.reset();
    const sip::TransactionId asked = outlets_.ask(uri);
    if (asked) {
        probes_[asked.value] = uri;
        server.probe_until = now.steady + settings_.patience;
    } else {
        server.probe_at = now.steady + settings_.interval;
    }
}

// Who answers no OPTIONS, but calls, may be one that drops them: that is for its sessions to find
// out, once.
void ServerPool::on_silence(base::Now now, const std::string& uri, Server& server) {
    server.probe_until.reset();
    if (is_probed(server)) server.probe_at = now.steady + settings_.interval;
    if (server.was_heard && !server.answers_options) {
        if (!std::exchange(server.is_deaf, true)) outlets_.on_silent(now, uri);
        return;
    }
    fail(now, uri, server, {"probe_unanswered", "The server does not answer OPTIONS."},
         std::nullopt);
    outlets_.on_silent(now, uri);
}

void ServerPool::on_probe_answer(base::Now now, const std::string& uri, Server& server,
                                 const sip::Message& response) {
    server.probe_until.reset();
    if (is_probed(server)) server.probe_at = now.steady + settings_.interval;
    const int status = response.status();
    if (status == kTimedOut) return on_silence(now, uri, server);  // a proxy says so
    server.answers_options = true;
    server.is_deaf = false;
    if (status == kUnavailable)
        return fail(now, uri, server,
                    {"unavailable", "The server answered 503 to OPTIONS: it takes no calls now."},
                    retry_after_of(response));
    on_heard(now, uri, server);
}

bool ServerPool::take(base::Now now, const sip::Action& action) {
    if (probes_.empty()) return false;
    const auto* response = std::get_if<sip::ResponseArrived>(&action);
    const auto* silent = std::get_if<sip::TransactionTimedOut>(&action);
    const auto* failed = std::get_if<sip::TransportFailed>(&action);
    const sip::TransactionId id = response != nullptr ? response->transaction
                                  : silent != nullptr ? silent->transaction
                                  : failed != nullptr ? failed->transaction
                                                      : sip::TransactionId{};
    const auto probe = probes_.find(id.value);
    if (probe == probes_.end()) return false;
    if (response != nullptr && !response->is_final) return true;
    const std::string uri = std::move(probe->second);
    probes_.erase(probe);
    const auto server = servers_.find(uri);
    if (server == servers_.end()) return true;
    if (response != nullptr)
        on_probe_answer(now, uri, server->second, response->message);
    else if (server->second.probe_until)  // else its silence has been told
        on_silence(now, uri, server->second);
    return true;
}

void ServerPool::on_time(base::Now now) {
    while (!suspects_.empty() && now.steady >= suspects_.front().first) {
        const std::string uri = std::move(suspects_.front().second);
        suspects_.erase(suspects_.begin());
        outlets_.on_silent(now, uri);
    }
    // Whoever is told of a silence may ask for other servers, and one that is not configured any
    // more then gives way to them (find_or_add).
    std::vector<std::string> due;
    for (const auto& [uri, server] : servers_)
        for (const auto& when : {server.probe_until, server.probe_at})
            if (when && now.steady >= *when && (due.empty() || due.back() != uri))
                due.push_back(uri);
    for (const std::string& uri : due) {
        const auto found = servers_.find(uri);
        if (found == servers_.end()) continue;
        Server& server = found->second;
        if (server.probe_until && now.steady >= *server.probe_until)
            on_silence(now, uri, server);
        else if (server.probe_at && now.steady >= *server.probe_at)
            probe(now, uri, server);
    }
}

std::optional<base::TimePoint> ServerPool::deadline() const {
    std::optional<base::TimePoint> next;
    if (!suspects_.empty()) next = suspects_.front().first;
    if (settings_.interval.count() == 0) return next;
    for (const auto& [uri, server] : servers_)
        for (const auto& when : {server.probe_until, server.probe_at})
            if (when && (!next || *when < *next)) next = when;
    return next;
}

std::vector<ServerView> ServerPool::views(base::Now now) const {
    std::vector<ServerView> views;
    for (const auto& [uri, server] : servers_) {
        ServerView view = server.view;
        view.is_configured = server.is_configured;
        view.state = server.failures > 0 ? "down" : server.was_heard ? "up" : "unknown";
        if (!is_free(&server, now))
            view.quarantine = std::chrono::ceil<seconds>(server.until - now.steady);
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace earshot::client
