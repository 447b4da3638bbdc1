// Files that participants hand over to a room (RFC 5547): each has a session of MSRP of its own, in
// which the file comes as one message with nothing around it. It is put together here and then said
// in the room, as a message of who sent it (Rooms::say_file): so all get it, and recordings have
// it. No sockets, no clock; belongs to the thread of its connections.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/copies.h"
#include "chat/limits.h"
#include "chat/ports.h"
#include "chat/rooms.h"
#include "msrp/receiver.h"
#include "msrp/uri.h"

namespace earshot::chat {

struct FileKey {
    SessionId room = 0;
    MemberId member = 0;   // who hands it over; it need not be in the chat
    std::size_t line = 0;  // of its descriptions
    friend auto operator<=>(const FileKey&, const FileKey&) = default;
};

struct FileSetup {
    msrp::Uri own{};  // our URI that it is told; msrps: it comes by TLS
    Peer peer{};
    std::string sender_uri{};
    std::string sender_name{};
    std::string name{};  // as a=file-selector tells it: no path of ours
};

class Files {
public:
    // Borrowed, but `told`. `copies`: null: nothing is recorded.
    Files(Network& network, base::Random& random, Copies* copies, Rooms& rooms, Rooms::Told told);
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    ~Files();

    // One more, or the same one; with another URI of ours it is another transfer.
    void set(base::Now now, const FileKey& key, FileSetup setup);
    void remove(base::Now now, const FileKey& key);
    void close(base::Now now, SessionId room);

    bool knows(const msrp::Uri& to) const { return number_of(to).has_value(); }
    bool owns(ConnectionId connection) const { return connections_.contains(connection); }
    bool is_bound(ConnectionId connection) const;
    void on_open(base::Now now, ConnectionId connection, bool is_tls);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_time(base::Now now);  // several times a second

    std::size_t sessions() const { return sessions_.size(); }
    std::size_t connections() const { return connections_.size(); }
    std::size_t kept_bytes() const { return kept_; }  // room that is set aside for what comes

private:
    struct Connection;
    // What has come, until it is said: a room takes a file after the other, so that who reads as
    // fast as they come misses none, and none before a recording has room for it.
    struct Ready {
        FileKey key{};
        RoomFile file{};
    };
    // The file, while it comes.
    struct Open {
        msrp::MessageNumber message = 0;
        RoomFile file{};
        msrp::ReceivedRanges received{};
        base::TimePoint begun{};
        base::TimePoint last{};  // when anything of it came
    };
    struct Session {
        FileKey key{};
        FileSetup setup{};
        ConnectionId bound = 0;
        ConnectionId connecting = 0;
        std::optional<Open> open{};
        bool is_done = false;         // it has come
        int tries = 0;                // that began
        bool has_told_extra = false;  // that more came than was taken: each is an event
    };

    Session* find(msrp::SessionNumber number);
    std::optional<msrp::SessionNumber> number_of(const msrp::Uri& to) const;
    std::optional<msrp::SessionNumber> number_of(const FileKey& key) const;
    void connect(Session& session);
    bool takes_one(const Session& session) const;
    void drain(base::Now now, ConnectionId connection);
    void carry_out(base::Now now, Connection& connection, msrp::ReceiverAction& action);
    void begin(base::Now now, Session& session, msrp::BeginMessage& begun);
    void end(base::Now now, Connection& connection, Session& session,
             const msrp::EndMessage& ended);
    // Says what may be said now; of `key` all.
    void say_ready(base::Now now, const FileKey* key = nullptr);
    void bind(Session& session, Connection& connection);
    void end_connection(base::Now now, msrp::SessionNumber number);
    void let_go(Session& session);
    void forget(ConnectionId connection);
    void tell(const Session& session, RoomEvent::Kind kind, base::Reason reason);

    Network& network_;
    base::Random& random_;
    Copies* copies_;
    Rooms& rooms_;
    Rooms::Told told_;
    std::size_t kept_ = 0;
    std::deque<Ready> ready_;
    std::set<SessionId> said_;  // the rooms that have had one since the last tick
    msrp::SessionNumber last_number_ = 0;
    std::map<msrp::SessionNumber, Session> sessions_;
    std::unordered_map<std::string, msrp::SessionNumber> by_uri_;  // by our session-id
    std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
};

}  // namespace earshot::chat
