// What tests and fuzz targets of chats have in place of byte streams, and how octets of a fuzzer
// become turns of who speaks.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "chat/copies.h"
#include "chat/limits.h"
#include "chat/ports.h"
#include "msrp/stream_parser.h"
#include "msrp/uri.h"

namespace earshot::chat {

inline msrp::Uri uri(std::string_view text) { return *msrp::parse_uri(text); }

// Connections by number: those that we make are 101 and on.
class Wires : public Network {
public:
    void send(ConnectionId connection, std::string bytes) override {
        if (is_stuck.contains(connection)) queued[connection] += bytes.size();
        sent[connection] += bytes;
    }
    void close(ConnectionId connection) override { closed.insert(connection); }
    void set_reading(ConnectionId connection, bool reading) override {
        if (reading)
            unread.erase(connection);
        else
            unread.insert(connection);
    }
    ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) override {
        if (!can_connect) return 0;
        connected_to.push_back(base::to_string(to) + (tls_name.empty() ? "" : " " + tls_name));
        return ++last;
    }
    std::optional<base::Reason> find_fault(
        ConnectionId connection, const std::vector<base::CertificateFingerprint>& told) override {
        if (fault) return fault;
        const auto found = shows.find(connection);
        if ((found == shows.end() ? all_show : found->second) == told) return std::nullopt;
        return base::Reason{"fingerprint_mismatch", ""};
    }
    std::size_t queued_bytes(ConnectionId connection) const override {
        const auto found = queued.find(connection);
        return found == queued.end() ? 0 : found->second;
    }
    std::string take(ConnectionId connection) { return std::exchange(sent[connection], {}); }

    std::map<ConnectionId, std::string> sent;
    std::map<ConnectionId, std::size_t> queued;  // grows for those that are stuck
    std::set<ConnectionId> is_stuck;
    std::set<ConnectionId> closed;
    std::set<ConnectionId> unread;
    std::vector<std::string> connected_to;  // "192.0.2.9:7000", by TLS "192.0.2.9:7000 name"
    ConnectionId last = 100;
    bool can_connect = true;
    // The certificates of who is there: of one, of all others. `fault`: whoever it is.
    std::map<ConnectionId, std::vector<base::CertificateFingerprint>> shows;
    std::vector<base::CertificateFingerprint> all_show;
    std::optional<base::Reason> fault;
};

// For fuzz targets: what goes out is whole requests and answers that the parser takes, whoever
// wrote what.
class CheckedWires : public Wires {
public:
    void send(ConnectionId connection, std::string bytes) override {
        msrp::StreamParser& parser = parsers_[connection];
        parser.feed(base::as_bytes(bytes));
        while (auto event = parser.poll_event())
            if (std::holds_alternative<msrp::StreamBroken>(*event)) std::abort();
        if (all_are_stuck) queued[connection] += bytes.size();
    }
    void close(ConnectionId /*connection*/) override {}
    void set_reading(ConnectionId /*connection*/, bool /*reading*/) override {}

    bool all_are_stuck = false;

private:
    std::map<ConnectionId, msrp::StreamParser> parsers_;
};

inline base::Now first_now() {
    return {base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
}

// Each turn: an octet that says whose it is, one that says how long the piece is, and the piece;
// 10 ms later than the one before.
template <class Turn>
void each_turn(base::ByteView rest, base::Now& now, Turn turn) {
    while (rest.size() > 2) {
        const std::uint8_t whose = rest[0];
        const std::size_t step = std::min<std::size_t>(1 + rest[1] % 255, rest.size() - 2);
        const base::ByteView piece = rest.subspan(2, step);
        rest = rest.subspan(2 + step);
        now.steady += std::chrono::milliseconds(10);
        turn(whose, piece);
    }
}

// A server that takes all of it, until a message is too large.
inline CopyAnswer any_server(std::string accept_types) {
    return {.server = {.path = {uri("msrp://s:1/s;tcp")},
                       .own = uri("msrp://o:1/o;tcp"),
                       .types = {.accept_types = std::move(accept_types)},
                       .max_bytes = 4096},
            .connect_to = {}};
}

}  // namespace earshot::chat
