#include "msrp/stream_parser.h"

#include <algorithm>

#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

constexpr std::string_view kHyphens = "-------";

bool is_continuation(char c) { return c == '$' || c == '+' || c == '#'; }

// Whether `tail`, which is all that has come, may become an end-line yet: `mark`, a flag, CRLF.
bool may_become_end_line(std::string_view tail, std::string_view mark) {
    const std::string_view known = tail.substr(0, mark.size());
    if (known != mark.substr(0, known.size())) return false;
    tail.remove_prefix(known.size());
    if (tail.empty()) return true;
    return is_continuation(tail[0]) && (tail.size() == 1 || tail[1] == '\r');
}

}  // namespace

void StreamParser::feed(base::ByteView bytes) {
    if (is_broken()) return;
    hold_back();
    base::append(buffer_, bytes);
    input_ = buffer_;
}

void StreamParser::lend(base::ByteView bytes) {
    if (is_broken()) return;
    if (!pending().empty()) return feed(bytes);
    input_ = bytes;
    start_ = 0;
}

// What was not handed out is ours from now on.
void StreamParser::hold_back() {
    const base::ByteView rest = input_.subspan(start_);
    if (rest.data() >= buffer_.data() && rest.data() < buffer_.data() + buffer_.size()) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    } else if (rest.empty()) {
        buffer_ = {};  // it may have been large
    } else {
        buffer_.assign(rest.begin(), rest.end());
    }
    input_ = buffer_;
    start_ = 0;
}

bool StreamParser::is_idle() const { return state_ == State::Start && pending().empty(); }

std::optional<StreamEvent> StreamParser::poll_event() {
    auto event = next_event();
    if (!event) hold_back();
    return event;
}

std::optional<StreamEvent> StreamParser::next_event() {
    if (bodiless_end_) {
        const Continuation continuation = *bodiless_end_;
        bodiless_end_.reset();
        return end_message(continuation, false);
    }
    switch (state_) {
        case State::Start:
            return poll_start_line();
        case State::Headers:
            return poll_headers();
        case State::Body:
            return poll_body();
        case State::Broken:
            break;
    }
    return std::nullopt;
}

// The next line of a head without its line end; nothing when it has not come whole. A bare LF is
// taken, too.
std::optional<std::string_view> StreamParser::take_line() {
    const std::string_view rest = pending();
    const std::size_t newline = rest.find('\n', scanned_);
    if (newline == std::string_view::npos) {
        scanned_ = rest.size();
        return std::nullopt;
    }
    std::string_view line = rest.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    start_ += newline + 1;
    head_bytes_ += newline + 1;
    scanned_ = 0;
    return line;
}

std::optional<StreamEvent> StreamParser::poll_start_line() {
    // Line ends between messages are no messages; some keep connections alive by them.
    while (start_ < input_.size() && (input_[start_] == '\r' || input_[start_] == '\n')) ++start_;
    const auto line = take_line();
    if (!line) {
        // Something that is no MSRP is told apart at once, before it fills the buffer.
        const std::string_view rest = pending();
        const bool can_be = rest.substr(0, 5) == std::string_view("MSRP ").substr(0, rest.size()) &&
                            rest.size() <= kMaxHeadBytes;
        if (!can_be) return break_off("no MSRP start line");
        return std::nullopt;
    }
    auto head = parse_start_line(*line);
    if (!head) return break_off(head.error().what);
    head_ = *std::move(head);
    is_send_ = head_.method == "SEND";
    end_mark_ = "\r\n" + std::string(kHyphens) + head_.transaction;
    body_bytes_ = 0;
    state_ = State::Headers;
    return poll_headers();
}

std::optional<Continuation> StreamParser::read_end_line(std::string_view line) const {
    const std::string_view mark = std::string_view(end_mark_).substr(2);
    if (line.size() != mark.size() + 1 || !line.starts_with(mark)) return std::nullopt;
    if (!is_continuation(line.back())) return std::nullopt;
    return static_cast<Continuation>(line.back());
}

std::optional<StreamEvent> StreamParser::poll_headers() {
    while (const auto line = take_line()) {
        if (head_bytes_ > kMaxHeadBytes) return break_off("MSRP headers too large");
        if (line->empty()) {
            state_ = State::Body;
        } else if (const auto continuation = read_end_line(*line)) {
            bodiless_end_ = continuation;
        } else {
            add_header(head_, *line);
            continue;
        }
        finish_head(head_);
        return std::move(head_);
    }
    if (head_bytes_ + pending().size() > kMaxHeadBytes) return break_off("MSRP headers too large");
    return std::nullopt;
}

std::optional<StreamEvent> StreamParser::poll_body() {
    const std::string_view rest = pending();
    const std::string_view mark = end_mark_;
    // Some senders leave out the CRLF that belongs to the end-line where the body is empty.
    if (body_bytes_ == 0 && rest.starts_with(mark.substr(2))) {
        const std::size_t newline = rest.find('\n');
        if (newline != std::string_view::npos && newline >= 1) {
            if (const auto continuation = read_end_line(rest.substr(0, newline - 1))) {
                start_ += newline + 1;
                return end_message(*continuation, true);
            }
        } else if (rest.size() <= mark.size() + 1) {
            return std::nullopt;
        }
    } else if (body_bytes_ == 0 && rest.size() < mark.size() && mark.substr(2).starts_with(rest)) {
        return std::nullopt;
    }
    for (std::size_t at = rest.find('\r', scanned_); at != std::string_view::npos;
         at = rest.find('\r', at + 1)) {
        const std::string_view tail = rest.substr(at);
        if (!may_become_end_line(tail.substr(0, mark.size() + 2), mark)) continue;
        const bool is_whole = tail.size() >= mark.size() + 3;
        if (is_whole && tail[mark.size() + 2] != '\n') continue;
        scanned_ = at;
        if (at > 0) return give_body(at);
        if (!is_whole) return std::nullopt;
        start_ += mark.size() + 3;
        return end_message(static_cast<Continuation>(tail[mark.size()]), true);
    }
    if (rest.empty()) return std::nullopt;
    return give_body(rest.size());
}

std::optional<StreamEvent> StreamParser::give_body(std::size_t size) {
    if (!is_send_) {
        size = std::min(size, kMaxOtherBodyBytes - body_bytes_);
        if (size == 0) return break_off("body of an MSRP request that is no SEND too large");
    }
    body_bytes_ += size;
    const base::ByteView piece = input_.subspan(start_, size);
    start_ += size;
    scanned_ = 0;
    return BodyPiece{piece};
}

StreamEvent StreamParser::end_message(Continuation continuation, bool has_body) {
    state_ = State::Start;
    scanned_ = 0;
    head_bytes_ = 0;
    return MessageEnd{.continuation = continuation, .has_body = has_body};
}

StreamEvent StreamParser::break_off(std::string_view reason) {
    state_ = State::Broken;
    input_ = {};
    buffer_ = {};
    start_ = 0;
    return StreamBroken{reason};
}

}  // namespace earshot::msrp
