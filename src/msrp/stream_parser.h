// Cuts MSRP messages out of a byte stream (RFC 4975 section 5.1). There is no length: a message
// ends at CRLF, seven hyphens, its transaction and a flag, wherever TCP cut the stream. Bodies are
// handed out in pieces as they come, so a file of any size takes no memory here; what is held back
// is at most what could be the beginning of an end-line, or a head.
//
//     parser.feed(bytes);
//     while (auto event = parser.poll_event()) ...   // until empty, before the next feed()
//
// One message is: Head, any number of BodyPiece, MessageEnd. Pure; belongs to its connection's
// loop; time limits are the caller's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "msrp/head.h"

namespace earshot::msrp {

struct BodyPiece {
    base::ByteView bytes;  // never empty; borrowed until the next poll_event() or feed()
};
struct MessageEnd {
    Continuation continuation = Continuation::Complete;
    bool has_body = false;  // an empty body (Content-Type, no octets) is one
};
// The stream cannot be followed any more: close it. Nothing comes after this.
struct StreamBroken {
    std::string_view reason;  // static text
};
using StreamEvent = std::variant<Head, BodyPiece, MessageEnd, StreamBroken>;

class StreamParser {
public:
    void feed(base::ByteView bytes);  // ignored once broken
    // The same without a copy, for who polls until it is empty before `bytes` go.
    void lend(base::ByteView bytes);
    std::optional<StreamEvent> poll_event();

    bool is_idle() const;  // between messages, and no octet of the next one has come
    bool is_broken() const { return state_ == State::Broken; }
    std::size_t buffered_bytes() const { return pending().size(); }

private:
    enum class State { Start, Headers, Body, Broken };

    std::optional<StreamEvent> next_event();
    void hold_back();
    std::optional<StreamEvent> poll_start_line();
    std::optional<StreamEvent> poll_headers();
    std::optional<StreamEvent> poll_body();
    std::optional<StreamEvent> give_body(std::size_t size);
    StreamEvent end_message(Continuation continuation, bool has_body);
    StreamEvent break_off(std::string_view reason);
    std::optional<std::string_view> take_line();
    std::optional<Continuation> read_end_line(std::string_view line) const;
    std::string_view pending() const { return base::as_text(input_).substr(start_); }

    base::ByteView input_;     // `buffer_`, or what was lent
    base::Bytes buffer_;       // what was fed or held back
    std::size_t start_ = 0;    // of input_: the first octet that has not been handed out
    std::size_t scanned_ = 0;  // of pending(): no line end, or no end-line, begins in here
    State state_ = State::Start;
    Head head_;
    std::string end_mark_;        // CRLF, the hyphens and the transaction
    std::size_t head_bytes_ = 0;  // of the message at hand
    std::size_t body_bytes_ = 0;
    bool is_send_ = false;
    // The end-line stood right behind the headers: the Head is told first, then this.
    std::optional<Continuation> bodiless_end_;
};

}  // namespace earshot::msrp
