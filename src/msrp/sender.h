// The sending end of one MSRP connection (RFC 4975 section 7.1): messages of any size are cut into
// chunks, several go side by side, answers and reports tell what became of each. No I/O, no clock;
// belongs to the loop of its connection.
//
// The content is asked for, so that a file never lies in memory:
//
//     const auto number = sender.begin(spec);
//     while (auto action = sender.poll_action()) ...   // WantContent -> give(), SendBytes -> write
//
// A chunk is asked for only when the one before has been taken and `may_send` is true: the caller
// turns it off while its socket takes no more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "msrp/head.h"

namespace earshot::msrp {

// What is to be sent, and to whom.
struct MessageSpec {
    std::vector<Uri> to;  // To-Path: relays first, the peer last
    Uri own;
    std::string message_id;             // 4 to 32 characters, unique in the session
    std::string content_type;           // empty: a SEND without content, that binds the session
    std::optional<std::uint64_t> size;  // of the content; empty: not known yet
    bool success_report = false;
    FailureReport failure_report = FailureReport::Yes;
    std::vector<std::pair<std::string, std::string>> headers{};  // further ones, of each chunk
};

using OutgoingNumber = std::uint64_t;  // ours, unique within the connection

struct Outgoing {  // octets for the connection
    std::string bytes;
};
struct WantContent {
    OutgoingNumber message = 0;
    std::uint64_t offset = 0;
    std::size_t max_bytes = 0;
};
// All of it has left and the next hop has taken each chunk (or no answer was asked for).
struct Sent {
    OutgoingNumber message = 0;
};
// A success REPORT that covers all of it: the far end has it.
struct Confirmed {
    OutgoingNumber message = 0;
};
// An error answer, a failure REPORT, no answer within 30 s (status 408), or abort() (status 0).
// What had not left of the message does not leave.
struct Failed {
    OutgoingNumber message = 0;
    int status = 0;
    std::string comment;
};
using SenderAction = std::variant<Outgoing, WantContent, Sent, Confirmed, Failed>;

class Sender {
public:
    explicit Sender(base::Random& random) : random_(random) {}  // must outlive this

    OutgoingNumber begin(MessageSpec spec);
    // The answer to WantContent: 1 to max_bytes octets from there, or none at the end.
    // `is_last`: nothing follows; must be said by the last octet of a message whose size is known.
    void give(base::TimePoint now, OutgoingNumber message, base::ByteView content, bool is_last);
    void abort(OutgoingNumber message);  // told by '#' if something of it has left

    void on_response(const Head& response);
    void on_report(const Head& report);
    void on_time(base::TimePoint now);
    std::optional<base::TimePoint> deadline() const;

    // False: asks for no content until it is true again.
    void set_may_send(bool may_send) { may_send_ = may_send; }
    std::optional<SenderAction> poll_action();
    std::size_t unfinished() const { return messages_.size(); }

private:
    struct Message {
        MessageSpec spec;
        std::uint64_t sent = 0;       // octets that have left
        std::uint64_t confirmed = 0;  // octets that success reports cover
        std::size_t unanswered = 0;   // chunks
        bool is_reported = false;     // a success report has come
        bool is_asked = false;        // WantContent is out
        bool is_all_sent = false;
        bool is_told_sent = false;
    };
    struct Transaction {
        OutgoingNumber message = 0;
        base::TimePoint until;
    };

    void write_chunk(base::TimePoint now, OutgoingNumber number, Message& message,
                     base::ByteView content, Continuation continuation);
    void fail(OutgoingNumber number, int status, std::string_view comment);
    void settle(OutgoingNumber number);
    std::optional<OutgoingNumber> next_to_ask() const;
    void erase(OutgoingNumber number);

    base::Random& random_;
    std::map<OutgoingNumber, Message> messages_;
    // Of messages_: those of which more is to be asked for, so that those that only wait for their
    // reports cost nothing; and by Message-ID.
    std::set<OutgoingNumber> wanting_;
    std::unordered_multimap<std::string, OutgoingNumber> by_id_;
    std::map<std::string, Transaction> transactions_;
    std::deque<SenderAction> actions_;
    OutgoingNumber next_number_ = 1;
    OutgoingNumber last_asked_ = 0;
    bool may_send_ = true;
};

}  // namespace earshot::msrp
