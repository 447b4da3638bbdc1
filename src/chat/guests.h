// Chats of others in which the client takes part itself, as a participant of their conference does:
// one session of MSRP (RFC 4975) each, with the focus, whose switch (RFC 7701) sends what all
// write. It is answered and copied for recording servers; but for a line that tells of the
// recording nothing is said. A session may go through an MSRP relay at which it logs in (RFC 4976).
// No sockets, no clock; belongs to the thread of its connections.
//
//   focus -- SEND, CPIM: From Ana, To the room -->  [guests] --> Copies: "Ana wrote to the room"
//
// What was under way when its connection is lost is recorded as cut (section 5.4). The connection
// is made again, for a focus that keeps the session; what is written meanwhile is told as a gap.
// Nothing is receipted that copies do not keep: while none has room the focus is not read.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/bindings.h"
#include "chat/copies.h"
#include "chat/limits.h"
#include "chat/ports.h"
#include "chat/switch.h"
#include "chat/tally.h"
#include "msrp/head.h"
#include "msrp/received_ranges.h"
#include "msrp/relay_login.h"
#include "msrp/sender.h"
#include "msrp/stream_parser.h"
#include "msrp/uri.h"

namespace earshot::chat {

struct GuestSetup {
    msrp::Uri own{};  // our URI that the focus is told
    // Of the focus; through a relay of ours `connect_to` says only that we speak first.
    Peer peer{};
    std::string address{};                         // our URI: what is written to it is private
    std::string room{};                            // URI of the conference
    std::size_t max_bytes = kMaxRoomMessageBytes;  // of a message, as a=max-size tells it
    std::string name{"Recorder"};                  // ours, as in the call: a room may ask for that
};

// Who is there, as the roster tells it.
struct GuestMember {
    std::vector<std::string> uris{};
    std::string name{};
    std::string nickname{};
};

struct GuestRelay {
    msrp::Uri uri{};
    base::NetAddress connect_to{};
    msrp::Uri own{};  // as in GuestSetup
    msrp::RelayLogin::Authorize authorize{};
};

struct GuestEvent {
    enum class Kind : std::uint8_t {
        Connected,
        LoggedIn,     // at its relay: `use_path`
        NotLoggedIn,  // `reason`; the session is forgotten
        NotTold,      // the focus does not take our line: `reason`
        NotTaken,     // a message, or only its beginning: `reason`
        Ended         // `reason`
    };
    SessionId session = 0;
    Kind kind = Kind::Connected;
    bool is_lost = false;  // of NotTaken: the connection; it is made again
    std::vector<msrp::Uri> use_path{};
    base::Reason reason{};
};

class Guests {
public:
    using Told = std::function<void(const GuestEvent&)>;
    // Borrowed, but `told`. `copies`: null: nothing is recorded.
    Guests(Network& network, base::Random& random, Copies* copies, Told told);
    Guests(const Guests&) = delete;
    Guests& operator=(const Guests&) = delete;
    ~Guests();

    // Before set(): the relay through which the session is to go.
    void log_in(base::Now now, SessionId session, GuestRelay relay);
    // Another path than before is another session: what was under way is cut, and the connection is
    // made anew. One that has ended begins again.
    void set(base::Now now, SessionId session, GuestSetup setup);
    void set_members(SessionId session, std::vector<GuestMember> members);
    void close(base::Now now, SessionId session);
    // A line of ours; before the session is connected the last one waits.
    void say(base::Now now, SessionId session, std::string_view text);

    bool knows(const msrp::Uri& to) const { return links_.place_of(to).has_value(); }
    bool owns(ConnectionId connection) const { return links_.owns(connection); }
    bool is_bound(ConnectionId connection) const { return links_.is_bound(connection); }
    void on_open(base::Now now, ConnectionId connection, bool is_tls = false);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_writable(base::Now now, ConnectionId connection);  // all that was sent has gone
    void on_time(base::Now now);                               // several times a second
    void read_on();  // what was held back until copies have room

    std::size_t sessions() const { return guests_.size(); }
    std::size_t connections() const { return links_.size(); }
    std::size_t open_bytes() const { return open_; }

private:
    // A message that is coming in.
    struct Open {
        base::Bytes content{};
        msrp::ReceivedRanges received{};
        std::optional<std::uint64_t> total{};
        base::WallTime at{};
        base::TimePoint last{};         // when anything of it came
        Copy::MessageNumber begun = 0;  // as Copies::begin_message() says
        std::string content_type{};
        std::vector<std::pair<std::string, std::string>> mime_headers{};
    };
    using OpenMessages = std::map<std::string, Open>;  // by Message-ID
    // One that has been recorded: what comes again is not recorded again.
    struct Ended {
        std::string id{};
        std::size_t size = 0;
        std::size_t hash = 0;
        friend bool operator==(const Ended&, const Ended&) = default;
    };
    struct Login {
        Login(GuestRelay its_relay, base::Random& random)
            : relay(std::move(its_relay)), login(relay.uri, relay.own, relay.authorize, random) {}
        GuestRelay relay;
        msrp::RelayLogin login;
        bool is_in = false;
        std::vector<msrp::Uri> use_path{};
        std::optional<base::TimePoint> renew_at{};
        base::TimePoint until{};  // of an answer
    };
    // From the loss of a connection until there is another one.
    struct Gap {
        base::Now since{};
        base::Reason reason{};
        base::TimePoint retry_at{};
    };
    struct Guest {
        explicit Guest(base::Random& random) { sender.emplace(random); }
        GuestSetup setup{};
        std::vector<GuestMember> members{};
        std::unique_ptr<Login> login{};
        bool is_connected = false;  // and told so
        bool has_ended = false;
        std::optional<Gap> gap{};
        std::chrono::milliseconds rejoin_wait = kFirstRejoin;  // before the next attempt
        base::TimePoint connected_at{};
        std::string hello{};  // transaction of the SEND that binds the session; empty: answered
        base::TimePoint hello_until{};
        OpenMessages open{};
        std::size_t open_bytes = 0;  // of these
        std::deque<Ended> ended{};
        std::deque<std::pair<std::string, Refusal>> refused{};  // whose chunks may still come
        std::optional<msrp::Sender> sender{};                   // there, always
        std::map<msrp::OutgoingNumber, std::string> lines{};
        std::string said{};            // the last one, as text
        std::string waiting{};         // one, for the connection
        Tally faults{};                // messages that were not taken
        base::TimePoint deaf_until{};  // what is missing may be unread
    };
    using Links = Bindings<SessionId>;
    using Connection = Links::Connection;
    using Incoming = Links::Incoming;

    Guest* find(SessionId session);
    Guest& make(SessionId session);
    void connect(base::Now now, SessionId session, Guest& guest);
    void say_hello(base::Now now, SessionId session, Guest& guest);
    bool bind(base::Now now, Connection& connection, SessionId session);
    void unbind(base::Now now, SessionId session, Guest& guest);
    void end(base::Now now, SessionId session, base::Reason reason);
    void fail_login(base::Now now, SessionId session, base::Reason reason);
    void drop(base::Now now, ConnectionId connection, const base::Reason& reason);
    void lose(base::Now now, SessionId session, const base::Reason& reason);
    void open_gap(base::Now now, SessionId session, Guest& guest, const base::Reason& reason);
    void close_gap(base::Now now, SessionId session, Guest& guest);
    void note_missing(base::Now now, SessionId session, base::WallTime from);
    void try_again(base::Now now, SessionId session, Guest& guest);
    void become_connected(base::Now now, SessionId session, Guest& guest);

    void take(base::Now now, Connection& connection, msrp::StreamEvent event);
    void begin(base::Now now, Connection& connection, msrp::Head head);
    void begin_content(base::Now now, Incoming& incoming);
    void add_content(base::Now now, Connection& connection, Incoming& incoming,
                     base::ByteView bytes);
    Refusal keep(const Incoming& incoming, Guest& guest, Open& open, base::ByteView bytes);
    Refusal complete(base::Now now, SessionId session, OpenMessages::iterator open);
    void give_up(base::Now now, SessionId session, OpenMessages::iterator open, Refusal why);
    void forget_silent(base::Now now, SessionId session, Guest& guest);
    bool has_room(const Connection& connection) const;
    void hold_back(ConnectionId connection);
    void finish(base::Now now, Connection& connection, msrp::Continuation continuation);
    void finish_chunk(base::Now now, Connection& connection, Incoming& incoming,
                      msrp::Continuation continuation);
    void on_response(base::Now now, SessionId session, const msrp::Head& head);
    void on_login_step(base::Now now, SessionId session, const msrp::RelayLogin::Step& step);
    bool record(base::Now now, SessionId session, const std::string& message_id, const Open& open,
                bool is_whole);
    void forget(Guest& guest, OpenMessages::iterator open);
    void forget_open(base::Now now, SessionId session, Guest& guest);
    void pump(base::Now now, SessionId session);
    void send_line(base::Now now, Guest& guest, std::string_view text);
    void tell(SessionId session, GuestEvent::Kind kind, base::Reason reason = {});
    void tell_not_taken(base::Now now, SessionId session, std::string_view why);
    void tell_rest(SessionId session, std::size_t messages);

    Network& network_;
    base::Random& random_;
    Copies* copies_;
    Told told_;
    std::size_t open_ = 0;  // octets of messages that are coming in
    std::map<SessionId, std::unique_ptr<Guest>> guests_;
    Links links_;
    std::set<ConnectionId> held_;  // that are not read until copies have room
};

}  // namespace earshot::chat
