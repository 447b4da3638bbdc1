// One copy of a chat for one recording server: messages of the communication session become
// messages of the recording session (RFC 4975), wrapped as the server takes them (wrapping.h), each
// once and in their order. The server's success report is the receipt: until it comes the content
// is kept, to be sent once more to a server that takes this one's place. Pure; the connection is
// the owner's.
//
// Memory is bounded: when a server is slow what has been sent is forgotten first, then messages are
// left out, with a reason, and with a notice to a server that takes notices.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/tally.h"
#include "chat/wrapping.h"
#include "msrp/limits.h"
#include "msrp/sender.h"
#include "msrp/uri.h"

namespace earshot::chat {

// What a server's answer says of the line.
struct CopyServer {
    std::vector<msrp::Uri> path{};  // its a=path
    msrp::Uri own{};                // ours
    ServerTypes types{};
    std::optional<std::uint64_t> max_bytes{};  // of a message
};

// Octets that all copies keep.
struct CopyBudget {
    std::size_t used = 0;
};

class Copy {
public:
    using MessageNumber = std::uint64_t;  // of the communication session, ascending

    // Both must outlive it.
    Copy(base::Random& random, CopyBudget& budget);
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    ~Copy();

    void set_parties(std::array<std::string, 2> parties) { parties_ = std::move(parties); }
    // Of a line that several streams share.
    void set_stream(std::string id) { stream_id_ = std::move(id); }

    // ---- what passes between the parties
    // `awaits_sender`: it is not known yet who wrote it; await_told() or end() follows.
    void begin(base::Now now, MessageNumber number, MessageFacts facts, bool awaits_sender = false);
    void content(base::Now now, MessageNumber number, std::uint64_t at, base::ByteView bytes);
    void end(MessageNumber number, std::optional<std::uint64_t> total);  // whole; else cut
    void give_up(MessageNumber number);  // ends as cut: too many are under way
    // The server knows who wrote it when the metadata of that serial have been told; 0: it does.
    // `sender`: name-addr of who that is, where it is neither of the parties.
    void await_told(MessageNumber number, std::uint64_t serial, std::string_view sender = {});
    // Something else of MSRP, for a server that takes the wrapper. `between`: sender and room, in
    // place of the parties, where it is a room's. `answered`: as write_forwarded() has it.
    void forward(base::Now now, Side from, std::string_view text,
                 const std::optional<std::array<std::string, 2>>& between = {},
                 std::string_view answered = {});
    // A message of which a rule says that it is not copied: a server that takes notices gets one.
    // Without `size`: of nobody knows how many messages.
    void leave_out(base::Now now, MessageNumber number, const MessageFacts& facts,
                   std::optional<std::uint64_t> size);

    // ---- what the server knows by metadata. What waits for it, and all behind it, does so for
    // kMaxHold at most while there is a server.
    void hold(base::Now now);  // all of it, until told()
    void told(std::uint64_t serial);
    void release();  // it waits no longer: the chat is over

    // What begins from now on is not copied, what has begun ends here as cut.
    void pause();
    void resume() { is_taking_ = true; }
    // All that `early` has, of one side or of both: it has followed the same messages.
    void take(const Copy& early, std::optional<Side> only);
    bool is_taking() const { return is_taking_; }
    bool takes_notices() const { return server_ && server_->types.takes_wrapper(); }
    // What waits is no server's: why, for each.
    void forget_all(const base::Reason& why);

    // ---- the server
    // `is_other`: it has nothing yet of what was sent, but for what it has receipted.
    void set_server(CopyServer server, bool is_other);
    void on_connected(bool speaks_first = true);
    void on_connection_lost();
    void on_head(const msrp::Head& head);  // an answer, or a REPORT
    void on_time(base::Now now);
    // What is to be sent now; of content no more than about `room` octets.
    std::string run(base::Now now, std::size_t room);

    // Why something is not recorded, and that the server has no session for us (any more).
    std::optional<base::Reason> poll_fault();
    bool take_server_lost() { return std::exchange(is_server_lost_, false); }
    // Something has left without being sure that the server knows whose it is.
    bool take_unsure() { return std::exchange(is_unsure_, false); }
    std::size_t waiting() const { return messages_.size(); }  // not receipted, notes of ours, too
    // Messages that the server has not receipted: that wait, or have left and are forgotten.
    std::size_t unreceipted() const { return messages_.size() - notes_ + forgotten_; }
    std::size_t kept_bytes() const { return kept_; }
    bool has(MessageNumber number) const { return messages_.contains({number, 0}); }
    // More than this may be left out: what could be forgotten for it is not enough.
    bool is_full() const;
    // How many messages have been looked at to find what to do: what waits must cost nothing.
    std::uint64_t visits() const { return visits_; }

private:
    struct Message {
        MessageFacts facts{};
        std::string id{};  // of the recording session
        base::Bytes content{};
        std::uint64_t released = 0;                    // octets of it that are not kept any more
        std::map<std::uint64_t, base::Bytes> ahead{};  // behind a hole
        enum class State : std::uint8_t { Open, Complete, Cut };
        State state = State::Open;
        bool is_note = false;      // of ours: a notice, or something forwarded
        std::uint64_t awaits = 0;  // the serial that has to be told; 0: none
        base::TimePoint since{};

        msrp::OutgoingNumber outgoing = 0;  // 0: not begun at this server
        Wrapping wrapping{};
        std::uint64_t sent = 0;  // of the wrapping's prefix and the content
        bool is_wanted = false;  // the sender waits for more
        bool is_all_sent = false;
        std::size_t overhead = 0;     // octets besides the content, as they are counted
        std::size_t forgettable = 0;  // octets of it that have been sent, as they are counted
        std::uint64_t end() const { return released + content.size(); }
        bool is_ready() const {  // to begin at the server
            return outgoing == 0 && !is_all_sent && (state != State::Open || !content.empty());
        }
    };
    static constexpr std::uint64_t kAwaitsSender = ~std::uint64_t{0};
    using Key = std::pair<MessageNumber, std::uint32_t>;  // notes come behind a message
    using Messages = std::map<Key, Message>;

    void begin_at_server(base::Now now, Messages::iterator at);
    void give(base::Now now, Messages::iterator at, std::size_t max_bytes);
    void carry_out(base::Now now, msrp::SenderAction& action, std::string& out);
    void drop(base::Now now, Messages::iterator at, base::Reason why, std::string_view type = {});
    void add_note(std::string text, Message::State state);
    static bool rewrites(const Message& message, std::uint64_t at, base::ByteView bytes);
    void erase(Messages::iterator at);
    void release_sent(Message& message);
    void release_all_sent();
    void count(std::ptrdiff_t octets);
    void count_overhead(Message& message);
    void count_forgettable(Message& message);
    bool find_room();
    void note_news(Messages::iterator at);
    void cut(Messages::iterator at);
    void forget_sending(bool is_other);
    bool is_over_limit() const;
    bool make_room();
    void fault(std::string code, std::string text);

    base::Random& random_;
    CopyBudget& budget_;
    std::array<std::string, 2> parties_{};
    std::optional<CopyServer> server_;
    std::optional<msrp::Sender> sender_;
    Messages messages_;
    std::map<msrp::OutgoingNumber, Key> outgoing_;
    // Of messages_: those that begin when they may, for which the sender waits and that have news,
    // that have left and are not receipted, and of which something may be forgotten.
    std::set<Key> ready_;
    std::set<Key> news_;
    std::set<Key> all_sent_;
    std::set<Key> releasable_;
    std::uint64_t visits_ = 0;
    MessageNumber last_ = 0;
    std::uint32_t last_note_ = 0;
    std::deque<base::Reason> faults_;
    std::size_t kept_ = 0;
    std::size_t forgettable_ = 0;  // of what is kept
    std::size_t forgotten_ = 0;
    std::string stream_id_;
    std::uint64_t told_serial_ = 0;
    std::optional<base::TimePoint> held_since_;  // all of it
    bool is_unsure_ = false;
    bool is_taking_ = true;
    bool is_connected_ = false;
    bool is_server_lost_ = false;
    Tally notices_;          // what they do not say is said by faults
    std::size_t notes_ = 0;  // of messages_
};

}  // namespace earshot::chat
