#include "sip/stream_framer.h"

#include <cstring>

#include "base/result.h"
#include "base/text.h"
#include "sip/chars.h"
#include "sip/header_id.h"

namespace earshot::sip {
namespace {

// Whether this can be the first line of a SIP message: what else comes is not worth waiting for.
bool is_sip_start(std::string_view line) {
    return base::istarts_with(line, "SIP/") || line.find(" SIP/") != std::string_view::npos;
}

std::string_view take_line(std::string_view& rest) {
    std::string_view line = base::take_until(rest, '\n');
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
}

bool is_fold(std::string_view rest) {
    return !rest.empty() && (rest.front() == ' ' || rest.front() == '\t');
}

// The one Content-Length of a head. Where two readers could differ there is none: the next message
// would begin at another place for each (request smuggling).
base::Result<std::size_t> find_content_length(std::string_view head) {
    std::optional<std::size_t> length;
    take_line(head);
    while (!head.empty()) {
        std::string_view line = take_line(head);
        const std::string_view name = trim_lws(base::take_until(line, ':'));
        std::string value(trim_lws(line));
        while (is_fold(head)) value.append(" ").append(trim_lws(take_line(head)));
        if (find_header_id(name) != HeaderId::ContentLength) continue;

        const auto number = base::parse_number<std::size_t>(trim_lws(value));
        if (!number) return base::Error{base::Errc::Malformed, "Malformed Content-Length"};
        if (length && *length != *number) {
            return base::Error{base::Errc::Malformed, "Content-Lengths Differ"};
        }
        length = number;
    }
    if (!length) return base::Error{base::Errc::Malformed, "Missing Content-Length"};
    return *length;
}

}  // namespace

std::string_view StreamFramer::pending() const { return base::as_text(buffer_).substr(start_); }

bool StreamFramer::is_idle() const { return pending().empty(); }

std::size_t StreamFramer::buffered_bytes() const { return pending().size(); }

void StreamFramer::feed(base::ByteView bytes) {
    if (broken_) return;
    // Once a message: the bytes that are moved are those of the next one that have come already.
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
    base::append(buffer_, bytes);
}

std::optional<StreamEvent> StreamFramer::poll_event() {
    if (broken_) return std::nullopt;
    if (message_size_ == 0) {
        if (scanned_ == 0) {
            if (auto blank = poll_blank()) return blank;
        }
        if (auto broken = poll_head()) return broken;
    }
    return take_message();
}

// RFC 5626 §3.5.1. Each line end between messages is an event of its own, so that the events do not
// depend on how TCP split them.
std::optional<StreamEvent> StreamFramer::poll_blank() {
    const std::string_view rest = pending();
    const std::size_t size = rest.substr(0, 1) == "\n" ? 1 : rest.substr(0, 2) == "\r\n" ? 2 : 0;
    if (size == 0) return std::nullopt;
    start_ += size;
    after_blank_ = !after_blank_;
    StreamEvent event;
    event.kind = after_blank_ ? StreamEvent::Kind::Pong : StreamEvent::Kind::Ping;
    return event;
}

// Scans on from where the last call stopped, line by line, until the blank line. Gives an event
// only when the stream is lost.
std::optional<StreamEvent> StreamFramer::poll_head() {
    const std::string_view rest = pending();
    if (rest == "\r") return std::nullopt;  // perhaps a blank line
    while (scanned_ < rest.size()) {
        const std::size_t newline = rest.find('\n', scanned_);
        const std::size_t head_size = newline == std::string_view::npos ? rest.size() : newline + 1;
        if (head_size > kMaxSipHeadBytes) return break_off(513, "Headers Too Large");
        scanned_ = head_size;
        if (newline == std::string_view::npos) break;

        std::string_view line = rest.substr(line_start_, newline - line_start_);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line_start_ == 0 && !is_sip_start(line)) return break_off(0, "Not a SIP message");
        line_start_ = head_size;
        if (!line.empty()) continue;

        const auto length = find_content_length(rest.substr(0, head_size));
        if (!length) return break_off(400, length.error().what);
        if (*length > kMaxSipMessageBytes - head_size) return break_off(513, "Message Too Large");
        message_size_ = head_size + *length;
        break;
    }
    return std::nullopt;
}

std::optional<StreamEvent> StreamFramer::take_message() {
    const std::string_view rest = pending();
    if (message_size_ == 0 || rest.size() < message_size_) return std::nullopt;
    StreamEvent event;
    const base::ByteView message = base::as_bytes(rest.substr(0, message_size_));
    event.bytes.assign(message.begin(), message.end());
    start_ += message_size_;
    scanned_ = line_start_ = message_size_ = 0;
    after_blank_ = false;
    return event;
}

StreamEvent StreamFramer::break_off(int status, std::string_view reason) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::Broken;
    event.status = status;
    event.reason = reason;
    if (status != 0) {
        const base::ByteView head = base::as_bytes(pending().substr(0, kMaxSipHeadBytes));
        event.bytes.assign(head.begin(), head.end());
    }
    broken_ = true;
    buffer_ = {};
    start_ = 0;
    return event;
}

}  // namespace earshot::sip
