// The switch of chat rooms (RFC 7701): members have a session of MSRP (RFC 4975) with us, and what
// one says to the room goes to all others, what it says to one member to that one alone. All
// messages are CPIM, which says who speaks to whom; it passes unaltered. No sockets, no clock;
// belongs to the thread of its connections.
//
//   Ana -- SEND, To: <sip:room@...> -->  [rooms] -- SEND, the same CPIM --> Ben, Cleo
//                                           '--> Copies, for recording servers
//
// A message is put together before it goes on, so that what breaks off reaches nobody in pieces,
// and its chunks are ours. Nobody waits for a slow member: what waits for each is bounded, beyond
// that it is passed over and told how much it missed.
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
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/bindings.h"
#include "chat/copies.h"
#include "chat/limits.h"
#include "chat/ports.h"
#include "chat/replies.h"
#include "chat/switch.h"
#include "mime/cpim.h"
#include "msrp/head.h"
#include "msrp/received_ranges.h"
#include "msrp/sender.h"
#include "msrp/stream_parser.h"
#include "msrp/uri.h"

namespace earshot::chat {

using MemberId = std::uint32_t;  // the user's, of one room; never used again

struct RoomSetup {
    std::string uri{};                   // To of what all are to read
    std::vector<std::string> aliases{};  // what else it is called, as its Contacts tell
    std::string name{};
    std::size_t max_bytes = kMaxRoomMessageBytes;  // of a message
    bool takes_nicknames = true;
    bool takes_private = true;
    bool records_private = true;  // else only that there was a private message
};

struct RoomMember {
    std::vector<std::string> uris{};  // who it is; the first one is shown
    std::string name{};
    msrp::Uri own{};  // our URI that it is told; msrps: it comes by TLS
    Peer peer{};
    bool takes_private = false;  // RFC 7701 section 8: a=chatroom:private-messages
};

struct RoomEvent {
    enum class Kind : std::uint8_t {
        Connected,
        Disconnected,
        NotConnected,  // we do not reach it: `reason`
        Refused,       // somebody came who is not the member that was told: `reason`
        Nickname,      // `nickname`; empty: none any more
        NotDelivered,  // it is too slow: `reason`
        File,          // it has handed one over: `reason` tells which
        FileNotTaken   // `reason`
    };
    SessionId room = 0;
    MemberId member = 0;
    Kind kind = Kind::Connected;
    std::string nickname{};
    // A recording is paused: its metadata and events name the nickname when it goes on, and this
    // comes again then.
    bool is_withheld = false;
    base::Reason reason{};
};

// A file that a participant hands over to the room, who need not be a member: `content` is all
// there is of it.
struct RoomFile {
    std::string sender_uri{};
    std::string sender_name{};
    std::string message_id{};
    std::string name{};  // as its sender calls it; empty: not at all
    std::string type{};
    base::WallTime at{};
    Copy::MessageNumber begun = 0;  // as Copies::begin_message() said when it began
    bool is_whole = true;           // else it is recorded as cut, and nobody gets it
    base::Bytes content{};
};
// As it is said in a room: a message whose Content-Disposition is an attachment of that name.
std::string write_file_head(const RoomFile& file, std::string_view room_name,
                            std::string_view room_uri);

class Rooms {
public:
    using Told = std::function<void(const RoomEvent&)>;
    // Borrowed, but `told`. `copies`: null: nothing is recorded.
    Rooms(Network& network, base::Random& random, Copies* copies, Told told);
    Rooms(const Rooms&) = delete;
    Rooms& operator=(const Rooms&) = delete;
    ~Rooms();

    void open(SessionId room, RoomSetup setup);
    void add_alias(SessionId room, std::string uri);
    void close(base::Now now, SessionId room);
    // One more, or the same one with another path or other wishes: its nickname stays.
    void set_member(base::Now now, SessionId room, MemberId member, RoomMember setup);
    void remove_member(base::Now now, SessionId room, MemberId member);
    // A line of ours to one member; it waits until it has connected.
    void say(base::Now now, SessionId room, MemberId member, std::string_view text);
    void say_file(base::Now now, SessionId room, MemberId sender, RoomFile file);

    bool knows(const msrp::Uri& to) const { return links_.place_of(to).has_value(); }
    bool owns(ConnectionId connection) const { return links_.owns(connection); }
    bool is_bound(ConnectionId connection) const { return links_.is_bound(connection); }
    void on_open(base::Now now, ConnectionId connection, bool is_tls = false);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_writable(base::Now now, ConnectionId connection);  // all that was sent has gone
    void on_time(base::Now now);                               // several times a second

    std::size_t rooms() const { return rooms_.size(); }
    std::size_t connections() const { return links_.size(); }
    std::size_t kept_bytes() const { return kept_; }
    std::size_t open_bytes() const { return open_; }

private:
    struct Place {
        SessionId room = 0;
        MemberId member = 0;
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    // Of a message that waits for members. Shared: they all read the same octets, and the last one
    // lets go of them.
    struct Content {
        Content(base::Bytes its_bytes, std::size_t& counted)
            : bytes(std::move(its_bytes)), count(counted) {
            count += bytes.size();
        }
        Content(const Content&) = delete;
        Content& operator=(const Content&) = delete;
        ~Content() { count -= bytes.size(); }
        base::Bytes bytes;
        std::size_t& count;
    };
    using ContentPtr = std::shared_ptr<const Content>;
    struct Delivery {
        std::string id{};
        ContentPtr content;
        std::size_t size() const { return content->bytes.size() + kDeliveryBytes; }
    };
    // A message that a member is sending.
    struct Open {
        base::Bytes content{};
        msrp::ReceivedRanges received{};
        std::optional<std::uint64_t> total{};
        base::WallTime at{};
        base::TimePoint last{};  // when anything of it came
        Copy::MessageNumber begun = 0;
        Refusal refusal{};
        bool is_judged = false;  // its CPIM headers have been read
        bool is_private = false;
        std::vector<MemberId> to{};  // of a private one
        std::string room_uri{};      // of a public one: by which name it calls the room
        std::string content_type{};
        bool is_repeated = false;
    };
    struct Member {
        explicit Member(base::Random& random) { sender.emplace(random); }
        RoomMember setup{};
        std::string nickname{};
        bool is_withheld = false;  // the nickname, as in RoomEvent
        base::TimePoint nicknames_since{};
        std::size_t nicknames = 0;                              // NICKNAMEs since then
        std::map<std::string, Open> open{};                     // by Message-ID
        std::deque<std::string> ended{};                        // Message-IDs
        std::deque<std::pair<std::string, Refusal>> refused{};  // whose chunks may still come
        std::optional<msrp::Sender> sender{};                   // there, always
        std::deque<Delivery> queue{};                           // nothing of them has gone out
        std::map<msrp::OutgoingNumber, Delivery> outgoing{};    // kMaxMemberSending at most
        std::size_t waiting = 0;                                // octets of both
        std::size_t missed = 0;                                 // messages, since it was told
    };
    struct Room {
        RoomSetup setup{};
        std::map<MemberId, std::unique_ptr<Member>> members{};
        std::size_t open = 0;  // octets of messages that are coming in
    };
    using Links = Bindings<Place>;
    using Connection = Links::Connection;
    using Incoming = Links::Incoming;

    Room* find(SessionId room);
    Member* find(const Place& place);

    // What comes in: rooms_input.cpp.
    void take(base::Now now, Connection& connection, msrp::StreamEvent event);
    void begin(base::Now now, Connection& connection, msrp::Head head);
    void begin_content(base::Now now, Incoming& incoming);
    void add_content(base::Now now, Connection& connection, Incoming& incoming,
                     base::ByteView bytes);
    void finish(base::Now now, Connection& connection, msrp::Continuation continuation);
    void finish_chunk(base::Now now, Connection& connection, Incoming& incoming,
                      msrp::Continuation continuation);
    void judge(Room& room, const Place& from, Open& open, bool is_whole);
    Refusal find_recipients(const Room& room, const Place& from, const mime::CpimHead& head,
                            Open& open) const;
    Refusal keep(const Incoming& incoming, Open& open, const Member& member, base::ByteView bytes);
    void recount(Room& room, std::size_t before, std::size_t after);
    void refuse(Room& room, Open& open, Refusal refusal);
    void refuse_rest(Member& member, const std::string& message_id, Refusal refusal);
    void forget(Room& room, Member& member, std::map<std::string, Open>::iterator open);
    void forget_silent(base::Now now, Room& room, const Place& place, Member& member);
    void forget_open(base::Now now, const Place& place);
    void take_nickname(base::Now now, Connection& connection, const Incoming& incoming);
    bool admits(base::Now now, const Connection& connection, const Place& place);
    bool bind(Connection& connection, const Place& place);

    // What goes out.
    void pass_on(base::Now now, const Place& from, Open& open);
    void record(base::Now now, const Place& from, const std::string& message_id, const Open& open,
                bool is_whole, const std::optional<CopyKey>& only = {});
    void record_of(base::Now now, SessionId room, const std::string& sender,
                   const std::string& nickname, const std::string& message_id, const Open& open,
                   bool is_whole, const std::optional<CopyKey>& only = {});
    void on_taking(base::Now now, const CopyKey& copy, bool takes);
    void tell_nickname(const Place& place, Member& member);
    bool deliver(base::Now now, const Place& to, const ContentPtr& content);
    void begin_next(Member& member);
    void pump(base::Now now, const Place& place);
    void tell_missed(base::Now now, const Place& place);
    void start_again(Member& member);
    void connect(base::Now now, const Place& place, Member& member);
    void unbind(base::Now now, const Place& place);
    void on_bound(const Place& place);
    void drop(base::Now now, ConnectionId connection);
    void work(base::Now now);
    void tell(const Place& place, RoomEvent::Kind kind, base::Reason reason = {});

    Network& network_;
    base::Random& random_;
    Copies* copies_;
    Told told_;
    std::size_t kept_ = 0;  // octets of messages that wait for members; outlives rooms_
    std::size_t open_ = 0;  // octets of messages that are coming in
    std::map<SessionId, Room> rooms_;
    Links links_;
    std::set<Place> dirty_;  // members for whom something waits
};

}  // namespace earshot::chat
