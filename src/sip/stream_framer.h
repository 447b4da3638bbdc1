// Cuts SIP messages out of a byte stream (TCP, TLS) by Content-Length (RFC 3261 §18.3), in linear
// time however the bytes are split. Belongs to the loop of its connection; time limits are the
// caller's: see is_idle().
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "sip/limits.h"

namespace earshot::sip {

struct StreamEvent {
    enum class Kind : std::uint8_t {
        Message,  // `bytes` is one whole message for parse_message()
        Pong,     // CRLF between messages: the answer to a ping of ours (RFC 5626 §3.5.1), if any
        Ping,     // a second CRLF after that one: answer with CRLF
        Broken,   // the stream cannot be followed any more: close it; nothing comes after this
    };
    Kind kind = Kind::Message;
    base::Bytes bytes;        // Message: all of it. Broken: the head, when there is one to answer
    int status = 0;           // Broken: status to answer that request with, or 0: just close
    std::string_view reason;  // Broken: static text, "Missing Content-Length"
};

class StreamFramer {
public:
    void feed(base::ByteView bytes);          // ignored once broken
    std::optional<StreamEvent> poll_event();  // drain until empty after each feed()

    bool is_broken() const { return broken_; }
    // Whether no message has begun: an idle timer applies, not the one for a slow message.
    bool is_idle() const;
    std::size_t buffered_bytes() const;

private:
    std::optional<StreamEvent> poll_blank();
    std::optional<StreamEvent> poll_head();
    std::optional<StreamEvent> take_message();
    StreamEvent break_off(int status, std::string_view reason);
    std::string_view pending() const;

    base::Bytes buffer_;
    std::size_t start_ = 0;         // first byte that has not been handed out
    std::size_t scanned_ = 0;       // of pending(): no line ends in what lies before
    std::size_t line_start_ = 0;    // of pending(): the line that is being scanned
    std::size_t message_size_ = 0;  // 0 while the head is not complete
    bool after_blank_ = false;      // the last thing handed out was the first CRLF of a pair
    bool broken_ = false;
};

}  // namespace earshot::sip
