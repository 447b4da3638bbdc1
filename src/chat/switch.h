// Chats between the two parties of calls, as a back-to-back user agent of MSRP (RFC 4975): each
// party has a session with us, and what comes in one goes out in the other, chunk by chunk, with
// the paths of the other side. Transactions keep their names, so bodies pass untouched and answers
// find their way back by the paths alone. No sockets, no clock; belongs to the thread of its
// connections.
//
//   A  --- To-Path: ours, facing A --->  [switch]  --- To-Path: B's, From-Path: ours --->  B
//
// Memory is bounded by waiting: a connection whose octets find no room at the other end is not
// read. A session ends with either of its connections (section 5.4); its other one is told by '#'
// and closed.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/ports.h"
#include "chat/tap.h"
#include "chat/wrapping.h"
#include "msrp/head.h"
#include "msrp/stream_parser.h"
#include "msrp/uri.h"

namespace earshot::chat {

// What a party has said of its end.
struct Peer {
    std::vector<msrp::Uri> path{};                 // its a=path: relays first, it last
    std::optional<base::NetAddress> connect_to{};  // we connect, to there; nothing: it does
    // Of msrps: the certificate that it shows (a=fingerprint, RFC 8122); empty: one that speaks for
    // the host of its path.
    std::vector<base::CertificateFingerprint> fingerprints{};
    std::string accept_types{};  // a=accept-types
    std::string address{};       // who it is, for lines of ours in CPIM: sip:ana@desk.example
};

struct SwitchEvent {
    enum class Kind : std::uint8_t {
        Connected,  // both ends are
        Refused,    // somebody came who is not the party that was told: `reason`; it goes on
        Ended       // a connection was lost, or never came: `reason`
    };
    SessionId session = 0;
    Kind kind = Kind::Connected;
    base::Reason reason{};
};

class Switch {
public:
    using Told = std::function<void(const SwitchEvent&)>;
    // All but `told` are borrowed. `tap`: sees what passes; null: nobody does.
    Switch(Network& network, base::Random& random, Tap* tap, Told told);
    Switch(const Switch&) = delete;
    Switch& operator=(const Switch&) = delete;
    ~Switch();

    // Our URI that this party is told; the session is there from the first on.
    void set_own(base::Now now, SessionId session, Side facing, msrp::Uri own);
    // Another path or certificate than before is another end: what was connected there is let go.
    void set_peer(base::Now now, SessionId session, Side side, Peer peer);
    void close(base::Now now, SessionId session);
    // Who is there, for lines of ours in CPIM.
    void set_address(SessionId session, Side side, std::string address);
    // A line of ours to one party, by a message that wants no answer. Before the party has
    // connected it waits; only the last one does.
    void say(base::Now now, SessionId session, Side to, std::string_view text);

    void on_open(base::Now now, ConnectionId connection, bool is_tls = false);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_writable(base::Now now, ConnectionId connection);  // all that was sent has gone
    void on_time(base::Now now);                               // several times a second

    bool owns(ConnectionId connection) const { return connections_.contains(connection); }
    // It is a session's, or has named one of which it has to wait.
    bool is_claimed(ConnectionId connection) const;
    // Somebody else's, as its first request says: it is forgotten, and not closed.
    void release(ConnectionId connection) { connections_.erase(connection); }

    std::size_t sessions() const { return sessions_.size(); }
    std::size_t connections() const { return connections_.size(); }

private:
    struct End {
        std::optional<msrp::Uri> own{};
        Peer peer{};
        ConnectionId bound = 0;
        ConnectionId connecting = 0;
        std::string line{};  // that waits for the connection
    };
    struct Session {
        SessionId id = 0;
        std::array<End, 2> ends{};
        bool is_told_connected = false;
        bool has_ended = false;
        End& end(Side side) { return ends[index_of(side)]; }
    };
    struct Place {
        SessionId session = 0;
        Side side = Side::A;  // of the party that the connection leads to
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    // The request or answer that is coming in.
    struct Incoming {
        msrp::Head head{};
        std::optional<Place> from{};
        ConnectionId to = 0;       // 0: nowhere
        bool is_streamed = false;  // a SEND with content: it leaves as it comes
        std::string body{};        // of others
        std::uint64_t at = 0;      // of its message, from 0
    };
    struct Connection {
        ConnectionId id = 0;
        bool is_tls = false;
        msrp::StreamParser parser{};
        base::TimePoint since{};  // without a session
        base::TimePoint heard{};
        std::set<Place> bound{};
        std::optional<Incoming> incoming{};
        std::optional<msrp::Head> held{};  // its other end is not ready
        base::TimePoint held_since{};
        ConnectionId blocked_on = 0;  // that has no room
        bool is_reading = true;
        // As a target:
        ConnectionId writer = 0;          // whose chunk is going out
        std::deque<std::string> after{};  // whole requests and answers, behind that chunk
        std::size_t after_bytes = 0;
        std::set<ConnectionId> waiters{};  // held or blocked because of this one
        bool is_lost = false;
    };

    Session* find(SessionId session);
    Connection* find_connection(ConnectionId connection);
    std::optional<Place> place_of(const msrp::Uri& own) const;
    bool is_loop(const Place& start) const;
    void work(base::Now now);
    void pump(base::Now now, Connection& connection);
    void take(base::Now now, Connection& connection, msrp::StreamEvent event);
    bool begin(base::Now now, Connection& connection);
    msrp::Head as_told(const Incoming& incoming);
    void begin_request(base::Now now, Connection& connection, Incoming incoming);
    void finish(base::Now now, Connection& connection, msrp::Continuation continuation,
                bool has_body);
    void forward(Connection& to, Incoming& incoming, msrp::Continuation continuation,
                 bool has_body);
    void answer(Connection& connection, const msrp::Head& head, int status,
                std::string_view phrase);
    bool bind(base::Now now, Connection& connection, const Place& place);
    bool admits(base::Now now, Connection& connection, const Place& place);
    void connect(base::Now now, Session& session, Side side);
    void write(Connection& to, std::string bytes);
    void free(Connection& target);
    void break_chunk(base::Now now, Connection& connection);
    void give_up_chunk(base::Now now, Connection& connection);
    void wake(ConnectionId connection) { ready_.insert(connection); }
    bool has_room(const Connection& to) const;
    void set_reading(Connection& connection, bool reading);
    void end_session(base::Now now, Session& session, base::Reason reason);
    void let_go(base::Now now, const Place& place);
    void lose(base::Now now, Connection& connection);
    void drop(base::Now now, Connection& connection);
    std::optional<Place> take_connecting(ConnectionId connection);
    void say_line(base::Now now, Session& session, Side to);

    Network& network_;
    base::Random& random_;
    Tap* tap_;
    Told told_;
    std::unordered_map<SessionId, Session> sessions_;
    std::unordered_map<std::string, Place> by_uri_;  // by our session-id
    std::unordered_map<ConnectionId, Connection> connections_;
    std::unordered_map<ConnectionId, Place> connecting_;  // that are on their way
    std::set<ConnectionId> ready_;                        // to be looked at again
};

}  // namespace earshot::chat
