// Which connection leads to which sessions of ours (RFC 4975 section 5.4): one that has come is
// bound by its first request, whose To-Path names our URI of the session; one that we make is the
// session's for which we made it. Several sessions may share a connection; a session has one.
//
// `Place`: by what its user knows a session. Belongs to the thread of the connections; what it
// gives out lives until the next call that takes connections away.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "chat/limits.h"
#include "chat/ports.h"
#include "chat/replies.h"
#include "msrp/head.h"
#include "msrp/stream_parser.h"
#include "msrp/uri.h"

namespace earshot::chat {

template <class Place>
class Bindings {
public:
    // The request or answer that is coming in.
    struct Incoming {
        msrp::Head head{};
        std::optional<Place> from{};
        Refusal refusal{};
        bool is_content = false;  // of a SEND whose content counts
        bool is_answered = false;
        std::uint64_t at = 0;  // of its message, from 0
    };
    struct Connection {
        ConnectionId id = 0;
        bool is_tls = false;
        msrp::StreamParser parser{};
        base::TimePoint since{};  // without a session
        std::set<Place> bound{};
        std::optional<Incoming> incoming{};
        bool is_reading = true;
    };
    // Of a connection that is gone: whose it was, and who waited for it to open.
    struct Lost {
        std::set<Place> bound{};
        std::optional<Place> connecting{};
    };
    enum class Bound : std::uint8_t { Now, Before, Elsewhere };  // Elsewhere: another one has it

    explicit Bindings(Network& network) : network_(network) {}  // borrowed

    // ---- URIs of ours

    void set_own(const Place& place, msrp::Uri own) {
        forget_own(place);
        by_uri_[own.session_id] = place;
        ends_[place].own = std::move(own);
    }
    // After unbind(): there is no such session any more.
    void forget(const Place& place) {
        forget_own(place);
        ends_.erase(place);
    }
    // RFC 4975 section 7.3: the URI has to be one that we gave out.
    std::optional<Place> place_of(const msrp::Uri& own) const {
        const auto found = by_uri_.find(own.session_id);
        if (found == by_uri_.end()) return std::nullopt;
        const End* end = find_end(found->second);
        if (end == nullptr || !is_same(end->own, own)) return std::nullopt;
        return found->second;
    }

    // ---- connections

    Connection* find(ConnectionId connection) {
        const auto found = connections_.find(connection);
        return found == connections_.end() ? nullptr : &found->second;
    }
    bool owns(ConnectionId connection) const { return connections_.contains(connection); }
    bool is_bound(ConnectionId connection) const {
        const auto found = connections_.find(connection);
        return found != connections_.end() && !found->second.bound.empty();
    }
    std::size_t size() const { return connections_.size(); }
    // 0: none leads there (yet).
    ConnectionId connection_of(const Place& place) const {
        const End* end = find_end(place);
        return end == nullptr ? 0 : end->bound;
    }

    // One that we make, unless there is one, or one is on its way. False: none can be made.
    bool connect(base::Now now, const Place& place, const base::NetAddress& to,
                 const std::string& tls_name) {
        End& end = ends_[place];
        if (end.bound != 0 || end.connecting != 0) return true;
        end.connecting = network_.connect(to, tls_name);
        if (end.connecting == 0) return false;
        connecting_[end.connecting] = place;
        add(now, end.connecting, !tls_name.empty());
        return true;
    }
    // Whose it is now, if we made it.
    std::optional<Place> on_open(base::Now now, ConnectionId id, bool is_tls) {
        Connection& connection = add(now, id, is_tls);
        const auto found = connecting_.find(id);
        if (found == connecting_.end()) return std::nullopt;
        const Place place = found->second;
        connecting_.erase(found);
        End& end = ends_[place];
        end.connecting = 0;
        end.bound = id;
        connection.bound.insert(place);
        return place;
    }
    Bound bind(Connection& connection, const Place& place) {
        if (connection.bound.contains(place)) return Bound::Before;
        End& end = ends_[place];
        if (end.bound != 0) return Bound::Elsewhere;
        end.bound = connection.id;
        connection.bound.insert(place);
        stop_connecting(end);  // ours that is still on its way is not needed
        return Bound::Now;
    }
    // Its connection, if it is nobody else's, is closed.
    void unbind(base::Now now, const Place& place) {
        const auto found = ends_.find(place);
        if (found == ends_.end()) return;
        stop_connecting(found->second);
        Connection* connection = find(std::exchange(found->second.bound, 0));
        if (connection == nullptr) return;
        connection->bound.erase(place);
        connection->since = now.steady;
        if (connection->incoming && connection->incoming->from == place)
            connection->incoming->is_content = false;
        if (!connection->bound.empty()) return;
        const ConnectionId id = connection->id;
        network_.close(id);
        connections_.erase(id);
    }
    // It is gone, or closed by who says so.
    Lost drop(ConnectionId id) {
        Lost lost;
        Connection* connection = find(id);
        if (connection == nullptr) return lost;
        if (const auto found = connecting_.find(id); found != connecting_.end()) {
            lost.connecting = found->second;
            ends_[found->second].connecting = 0;
            connecting_.erase(found);
        }
        lost.bound = std::move(connection->bound);
        for (const Place& place : lost.bound) ends_[place].bound = 0;
        connections_.erase(id);
        return lost;
    }
    // Those that have had no session for too long.
    std::vector<ConnectionId> overdue(base::Now now) const {
        std::vector<ConnectionId> found;
        for (const auto& [id, connection] : connections_)
            if (connection.bound.empty() && now.steady - connection.since >= kUnboundTime)
                found.push_back(id);
        return found;
    }

    // ---- what comes and goes

    // `take(Connection&, msrp::StreamEvent)` of each event; it may end the connection itself.
    template <class Take>
    void feed(ConnectionId id, base::ByteView bytes, Take take) {
        Connection* connection = find(id);
        if (connection == nullptr) return;
        connection->parser.feed(bytes);
        while ((connection = find(id)) != nullptr) {
            auto event = connection->parser.poll_event();
            if (!event) break;
            take(*connection, *std::move(event));
        }
    }
    // Who does not read its answers is not read either, until it has.
    void hold_back(ConnectionId id) {
        Connection* connection = find(id);
        if (connection == nullptr || !connection->is_reading) return;
        if (network_.queued_bytes(id) < kMaxUnreadAnswerBytes) return;
        connection->is_reading = false;
        network_.set_reading(id, false);
    }
    void stop_reading(Connection& connection) {
        if (!std::exchange(connection.is_reading, false)) return;
        network_.set_reading(connection.id, false);
    }
    void read_on(Connection& connection) {
        if (std::exchange(connection.is_reading, true)) return;
        network_.set_reading(connection.id, true);
    }

private:
    struct End {
        msrp::Uri own{};
        ConnectionId bound = 0;
        ConnectionId connecting = 0;
    };

    const End* find_end(const Place& place) const {
        const auto found = ends_.find(place);
        return found == ends_.end() ? nullptr : &found->second;
    }
    void forget_own(const Place& place) {
        const End* end = find_end(place);
        if (end == nullptr) return;
        const auto found = by_uri_.find(end->own.session_id);
        if (found != by_uri_.end() && found->second == place) by_uri_.erase(found);
    }
    Connection& add(base::Now now, ConnectionId id, bool is_tls) {
        Connection& connection = connections_[id];
        connection.id = id;
        connection.is_tls = connection.is_tls || is_tls;
        connection.since = now.steady;
        return connection;
    }
    void stop_connecting(End& end) {
        const ConnectionId late = std::exchange(end.connecting, 0);
        if (late == 0 || late == end.bound) return;
        connecting_.erase(late);
        connections_.erase(late);
        network_.close(late);
    }

    Network& network_;
    std::map<Place, End> ends_;
    std::unordered_map<std::string, Place> by_uri_;  // by our session-id
    std::unordered_map<ConnectionId, Connection> connections_;
    std::unordered_map<ConnectionId, Place> connecting_;  // that are on their way
};

}  // namespace earshot::chat
