// Cuts SIP messages out of a byte stream (TCP, TLS) by Content-Length (RFC 3261 §18.3), in linear
// time however the bytes are split. Belongs to the loop of its connection; time limits are the
// caller's: see is_idle().
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "sip/limits.h"

namespace earshot::sip {

struct StreamEvent {
    enum class Kind : std::uint8_t {
        Message,  // `bytes` is one whole message for parse_message()
        Ping,     // CRLF CRLF between messages (RFC 5626 §3.5.1): answer with CRLF
        Pong,     // a single CRLF between messages: the answer to our own ping
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
    bool scan_blank();
    bool scan_head();
    bool scan_body();
    void break_off(int status, std::string_view reason, std::size_t head_size);

    base::Bytes buffer_;
    std::size_t start_ = 0;         // first byte that has not been handed out
    std::size_t scanned_ = 0;       // bytes before this one are known to hold no end of the head
    std::size_t line_start_ = 0;    // of the line that is being scanned
    std::size_t message_size_ = 0;  // 0 while the head is not complete
    std::deque<StreamEvent> events_;
    bool broken_ = false;
};

}  // namespace earshot::sip
