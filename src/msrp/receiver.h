// One MSRP connection at the end that receives (a recording server: RFC 4975 section 7.3 and
// SIPREC's use of it). Octets and what became durable go in; answers, reports and the content of
// messages come out. No I/O, no clock. Belongs to the loop of its connection.
//
//     receiver.on_bytes(bytes);                          // borrowed until all was polled
//     while (auto action = receiver.poll_action()) ...   // until empty, before the next input
//
// A session is bound to the connection by its first request (section 5.4). A message's content is
// told by offset as it comes, whatever the order of its chunks, and its end once; a success report
// is sent when the caller says that the message is durable, never before: it is the receipt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "msrp/head.h"
#include "msrp/received_ranges.h"
#include "msrp/stream_parser.h"

namespace earshot::msrp {

using SessionNumber = std::uint32_t;  // the caller's, of one m-line
using MessageNumber = std::uint64_t;  // ours, unique within the connection

// What the caller knows of the sessions that it gave URIs out for. Asked on the loop's thread.
class Sessions {
public:
    struct Found {
        SessionNumber session = 0;
        Uri own;                      // our URI, for From-Path of answers
        std::uint64_t max_bytes = 0;  // of one message: a=max-size
        bool takes_content = true;    // false while paused: SENDs are answered, not told
        bool is_elsewhere = false;    // bound to another living connection
    };
    Sessions() = default;
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;
    virtual ~Sessions() = default;
    virtual std::optional<Found> find(const Uri& to) = 0;
};

// Octets for the connection.
struct SendBytes {
    std::string bytes;
};
struct BindSession {
    SessionNumber session = 0;
};
// The first chunk of a message, whatever part of it that is.
struct BeginMessage {
    SessionNumber session = 0;
    MessageNumber message = 0;
    Head head;
    bool is_repeated = false;  // a Message-ID that this session has ended before
};
struct MessageContent {
    MessageNumber message = 0;
    std::uint64_t offset = 0;  // counted from 0; overlaps what came before where the last one wins
    base::ByteView bytes;      // borrowed until the next poll_action() or input
};
struct EndMessage {
    enum class How : std::uint8_t {
        Complete,  // all of it is here
        Aborted,   // the sender gave it up: '#'
        TooLarge,  // past max_bytes or with too many holes: answered by 413
        Lost,      // the connection or the session ended
        Cut,       // the session was paused within it
    };
    MessageNumber message = 0;
    How how = How::Complete;
    std::uint64_t octets = 0;            // that are here
    std::optional<std::uint64_t> total;  // as far as it is known
};
// A request that is no SEND: REPORT, NICKNAME, AUTH and unknown ones, as they came (their answer,
// where they get one, has gone).
struct OtherRequest {
    SessionNumber session = 0;
    Head head;
    std::string body;
};
// An answer to a request of ours, which a receiver does not make but for an empty SEND.
struct ResponseCame {
    Head head;
};
struct CloseConnection {
    std::string_view reason;
};
using ReceiverAction = std::variant<SendBytes, BindSession, BeginMessage, MessageContent,
                                    EndMessage, OtherRequest, ResponseCame, CloseConnection>;
std::string_view to_string(EndMessage::How how);  // "complete", "aborted", "too_large", ...

class Receiver {
public:
    // Both must outlive this.
    Receiver(Sessions& sessions, base::Random& random);

    void on_bytes(base::ByteView bytes);
    void on_durable(MessageNumber message);        // of a message that ended Complete
    void on_session_ended(SessionNumber session);  // its open messages are Lost
    void on_paused(SessionNumber session);         // its open messages are Cut
    void on_connection_lost();

    // Where we are the active side: the empty SEND that binds the connection to the session
    // (RFC 4975 section 5.4).
    void send_empty(const Uri& own, const std::vector<Uri>& peer);

    std::optional<ReceiverAction> poll_action();
    std::size_t open_messages() const { return open_.size(); }

private:
    struct Message {
        SessionNumber session = 0;
        MessageNumber number = 0;
        ReceivedRanges received{};
        std::optional<std::uint64_t> total{};
        std::uint64_t max_bytes = 0;
        bool wants_success_report = false;
        std::vector<Uri> report_to{};
        Uri own{};
    };
    struct Chunk {  // between Head and MessageEnd
        Head head{};
        std::optional<Sessions::Found> session{};
        Message* message = nullptr;  // of a SEND whose content is told
        std::uint64_t at = 0;        // where its next octet belongs
        std::string body{};          // of a request that is no SEND
        bool is_answered = false;
        bool is_discarded = false;
    };
    struct Report {  // of an ended message, until it is durable
        std::string message_id;
        std::vector<Uri> to;
        Uri own;
        std::uint64_t octets = 0;
    };
    using Key = std::pair<SessionNumber, std::string>;

    void on_event(StreamEvent event);
    void on_head(Head head);
    void bind();
    void begin_send();
    Message* open_message();
    void on_piece(base::ByteView bytes);
    void on_end(Continuation continuation);
    void end_send(Continuation continuation);
    void answer(int status, std::string_view phrase);
    void refuse_message();
    void end_message(std::map<Key, Message>::iterator at, EndMessage::How how);
    void end_all(EndMessage::How how, std::optional<SessionNumber> session);
    void send_request(Head head);
    void close(std::string_view reason);

    Sessions& sessions_;
    base::Random& random_;
    StreamParser parser_;
    std::optional<Chunk> chunk_;
    std::map<Key, Message> open_;
    std::map<MessageNumber, Report> waiting_reports_;
    std::deque<Key> ended_;  // the last ones, for repeated Message-IDs
    std::set<SessionNumber> bound_;
    MessageNumber next_message_ = 1;
    std::deque<ReceiverAction> actions_;
    bool is_closed_ = false;
};

}  // namespace earshot::msrp
