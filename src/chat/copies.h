// The copies of chats for recording servers: follows the messages that pass (Tap), puts chunks
// together to messages, and owns the connections to the servers. Whatever a server does, the
// parties wait for nothing of this. Belongs to the thread of the connections.
//
//   chat --> Line (Copy) --+
//   chat --> Line (Copy) --+--> Trunk: one session with a server (our URI), and its connection
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/net_address.h"
#include "chat/copy.h"
#include "chat/ports.h"
#include "chat/tally.h"
#include "chat/tap.h"
#include "mime/cpim.h"
#include "msrp/received_ranges.h"
#include "msrp/stream_parser.h"

namespace earshot::chat {

struct CopyKey {
    SessionId session = 0;
    std::uint32_t subscription = 0;  // the user's, of one recording
    friend auto operator<=>(const CopyKey&, const CopyKey&) = default;
};

// Read by others.
struct CopyCounters {
    std::atomic<std::size_t> waiting{0};  // messages that the server has not receipted
};

struct CopySetup {
    std::array<std::string, 2> parties{};  // name-addr of each side
    std::optional<Side> only{};            // what one side says; else both
    std::shared_ptr<CopyCounters> counters{};
    // Of a line that several streams share (rs.Stream-ID); empty: it is this one's alone.
    std::string stream_id{};
    bool waits_to_be_told = false;  // nothing of it leaves before told()
    bool takes_early = true;        // what has been kept by keep_early()
};

// What a server answered: where it takes the copy.
struct CopyAnswer {
    CopyServer server{};
    base::NetAddress connect_to{};
    // Of msrps: the certificate that it has to show (RFC 8122); empty: one that speaks for the host
    // of its path.
    std::vector<base::CertificateFingerprint> fingerprints{};
};

struct CopyEvent {
    enum class Kind : std::uint8_t {
        NotCopied,   // something was not: `reason`
        ServerLost,  // the server has no session for it, or does not take the connection
        Sender,      // of a session: somebody wrote in it whom nobody has named before
        Nickname,    // of a session: what a side calls itself now
        Unsure       // something left before told(): that has not come in time
    };
    CopyKey key{};
    Kind kind = Kind::NotCopied;
    base::Reason reason{};
    Side from = Side::A;       // on whose side
    std::string uri{};         // of a sender
    std::string name{};        // of a sender; the nickname, empty: none any more
    std::uint64_t serial = 0;  // of both, ascending: for told()
};

class Copies : public Tap {
public:
    using Told = std::function<void(const CopyEvent&)>;
    // A copy stops taking messages, told before it does so, or takes them again.
    using OnTaking = std::function<void(base::Now, const CopyKey&, bool takes)>;
    Copies(Network& network, base::Random& random, Told told);
    ~Copies() override;

    void on_taking(OnTaking on_taking) { on_taking_ = std::move(on_taking); }

    // Who records the session is about to be decided, while parties may write already: what they do
    // is kept for copies that are opened before drop_early(). Of each there are as many as of the
    // other.
    void keep_early(SessionId session);
    void drop_early(SessionId session);
    // What begins from now on is kept for it, until a server answers. Lines that are answered with
    // the same URI of ours share a session with the server.
    void open(base::Now now, const CopyKey& key, CopySetup setup);
    // The server knows of the copy by metadata, and of senders and nicknames up to that serial.
    void told(base::Now now, const CopyKey& key, std::uint64_t serial);
    // Nothing: the server takes nothing now.
    void answer(base::Now now, const CopyKey& key, std::optional<CopyAnswer> answer);
    void pause(base::Now now, const CopyKey& key);
    void lose_server(base::Now now, const CopyKey& key);  // until another one answers
    // Nothing leaves any more by the way that was agreed on: a server that is there has
    // kMaxAnswerTime to answer to another one. Without that it takes nothing from then on.
    void await_answer(base::Now now, const CopyKey& key);
    // What is left goes out as below.
    void close(base::Now now, const CopyKey& key);
    // The chat has ended: what is left of its copies goes out, for kLastWords at most; where no
    // server has answered yet kMaxAnswerTime comes before.
    void finish(base::Now now, SessionId session);

    bool owns(ConnectionId connection) const { return by_connection_.contains(connection); }
    void on_open(base::Now now, ConnectionId connection);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_writable(base::Now now, ConnectionId connection);
    void on_time(base::Now now);
    // Sends what has come in since the last time; after each input of others.
    void work(base::Now now);

    std::size_t size() const { return lines_.size(); }
    std::size_t trunks() const { return trunks_.size(); }

    // ---- a room, whose switch has whole messages, each of a sender of its own
    // Its first octet comes: the number tells later which copies it belongs to. Those that took
    // nothing then, or have paused since, get nothing of it.
    Copy::MessageNumber begin_message() { return ++last_message_; }
    struct RoomMessage {
        MessageFacts facts{};
        Copy::MessageNumber begun = 0;
        std::optional<CopyKey> only{};  // for one copy
    };
    // `is_whole`: all of it is here; else it was cut. False: there are copies that take it, and
    // none has room.
    bool on_message(base::Now now, SessionId session, const RoomMessage& message,
                    base::ByteView content, bool is_whole);
    // One that a rule leaves out, or (without `size`) what nobody has seen: only that there was one
    // is told.
    void on_left_out(base::Now now, SessionId session, const RoomMessage& message,
                     std::optional<std::uint64_t> size);
    // A file that the server takes on no line of its own: the first of these that takes notices
    // tells that there was one.
    void on_file_left_out(base::Now now, const std::vector<CopyKey>& chats, MessageFacts facts,
                          std::optional<std::uint64_t> size);
    // Whether more can be taken; also where nothing takes it.
    bool has_room(SessionId session) const;
    // A copy of it takes nothing now: what is said is not to be told by other ways either.
    bool is_paused(SessionId session) const;
    // A request that is no message, or its answer. `between`: name-addr of who asks, and the room.
    void on_exchange(base::Now now, SessionId session, const std::array<std::string, 2>& between,
                     const msrp::Head& head);

    // ---- Tap
    void on_chunk(base::Now now, SessionId session, Side from, const msrp::Head& head) override;
    void on_content(base::Now now, SessionId session, Side from, std::uint64_t at,
                    base::ByteView bytes) override;
    void on_chunk_end(base::Now now, SessionId session, Side from, std::uint64_t end,
                      msrp::Continuation continuation) override;
    void on_other(base::Now now, SessionId session, Side from, const msrp::Head& head,
                  std::string_view body) override;
    void on_lost(base::Now now, SessionId session, Side from) override;

private:
    struct Line {
        Line(base::Random& random, CopyBudget& budget) : copy(random, budget) {}
        CopySetup setup{};
        Copy copy;
        Copy::MessageNumber takes_from = 0;  // messages behind this one
        std::optional<CopyAnswer> answer{};
        std::string trunk{};  // empty: none
        std::optional<base::TimePoint> finish_by{};
        std::optional<base::TimePoint> held_until{};
        Tally faults;
    };
    // A session with a server, by our URI.
    struct Trunk {
        CopyAnswer answer{};
        std::set<CopyKey> lines{};
        CopyKey turn{};  // who is first the next time
        ConnectionId connection = 0;
        bool is_open = false;
        msrp::StreamParser parser{};
        std::optional<base::TimePoint> retry_at{};
        int attempts = 0;
        bool is_told_lost = false;
        std::optional<base::TimePoint> idle_since{};  // without lines
    };
    // A message that is under way.
    struct Open {
        Copy::MessageNumber number = 0;
        std::optional<std::string> cpim_head{};  // until it is known who wrote it
        msrp::ReceivedRanges received{};
        std::optional<std::uint64_t> total{};
    };
    using OpenKey = std::pair<Side, std::string>;
    struct Followed {
        std::map<OpenKey, Open> open{};
        std::array<std::string, 2> current{};  // Message-ID of the chunk of each side; empty: none
        // Transaction and Message-ID of the SENDs of each side, the oldest first.
        std::array<std::deque<std::pair<std::string, std::string>>, 2> sends{};
        std::array<std::string, 2> nicknames{};
        std::array<std::uint64_t, 2> nickname_serials{};
        std::map<std::string, std::string> asked{};      // NICKNAMEs by transaction
        std::map<std::string, std::uint64_t> senders{};  // serials by URI
        std::unique_ptr<Copy> early{};                   // what nobody has opened a copy for yet
        std::size_t early_wishes = 0;
    };

    Line* find(const CopyKey& key);
    template <class Work>
    void each(SessionId session, Side from, Work work);
    template <class Work>
    void each_that_takes(SessionId session, const RoomMessage& message, Work work);
    void tell_pause(base::Now now, const CopyKey& key, const Line& line);
    void give_up_held(base::Now now, const CopyKey& key, Line& line);
    void limit_open(Followed& followed, SessionId session, Side from);
    void end(Followed& followed, SessionId session, const OpenKey& key, bool is_whole);
    static std::string answered_by(const Followed& followed, Side from, const msrp::Head& answer);
    void find_sender(SessionId session, Side from, Open& open, std::uint64_t at,
                     base::ByteView bytes);
    void settle_sender(SessionId session, Side from, Open& open, const mime::CpimAddress* sender);
    std::uint64_t serial_of(Followed& followed, SessionId session, Side from,
                            const mime::CpimAddress& sender);
    bool is_party(SessionId session, std::string_view uri) const;
    void join(base::Now now, const CopyKey& key, Line& line, const CopyAnswer& answer);
    void leave(base::Now now, const CopyKey& key, Line& line);
    Trunk* trunk_of(ConnectionId connection);
    void connect(base::Now now, const std::string& name, Trunk& trunk);
    void disconnect(Trunk& trunk);
    void tell_lost(Trunk& trunk, const base::Reason& reason);
    void flush_all(base::Now now, Trunk& trunk);
    void flush(base::Now now, const CopyKey& key, Line& line);
    void on_lost_connection(base::Now now, Trunk& trunk);
    void tell_faults(base::Now now, const CopyKey& key, Line& line);
    void tell_rest(const CopyKey& key, std::size_t messages);
    void tell(const CopyKey& key, CopyEvent::Kind kind, base::Reason reason);
    void erase(base::Now now, std::map<CopyKey, std::unique_ptr<Line>>::iterator at);

    Network& network_;
    base::Random& random_;
    Told told_;
    OnTaking on_taking_;
    CopyBudget budget_;
    std::map<CopyKey, std::unique_ptr<Line>> lines_;
    std::map<std::string, Trunk> trunks_;                          // by our URI
    std::unordered_map<ConnectionId, std::string> by_connection_;  // whose trunk it is
    std::unordered_map<SessionId, Followed> followed_;
    std::set<CopyKey> dirty_;
    Copy::MessageNumber last_message_ = 0;
    std::uint64_t last_serial_ = 0;
};

}  // namespace earshot::chat
