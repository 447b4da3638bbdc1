#include "chat/copy.h"

#include <fmt/format.h>

#include <algorithm>

#include "chat/limits.h"
#include "chat/replies.h"

namespace earshot::chat {

Copy::Copy(base::Random& random, CopyBudget& budget) : random_(random), budget_(budget) {
    sender_.emplace(random_);
}

Copy::~Copy() { budget_.used -= kept_; }

void Copy::count(std::ptrdiff_t octets) {
    kept_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(kept_) + octets);
    budget_.used = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(budget_.used) + octets);
}

bool Copy::is_over_limit() const {
    return kept_ > kMaxCopyBytes || budget_.used > kMaxCopyBytesOfAll;
}

bool Copy::is_full() const {
    const std::size_t others = budget_.used - forgettable_;
    return messages_.size() - all_sent_.size() >= kMaxUnsentMessages ||
           kept_ - forgettable_ >= kMaxUnsentBytes ||
           others >= kMaxCopyBytesOfAll - kMaxUnsentBytes;
}

void Copy::fault(std::string code, std::string text) {
    faults_.push_back({std::move(code), std::move(text)});
}

std::optional<base::Reason> Copy::poll_fault() {
    if (faults_.empty()) return std::nullopt;
    base::Reason first = std::move(faults_.front());
    faults_.pop_front();
    return first;
}

// ---- what passes --------------------------------------------------------------------------------

void Copy::begin(base::Now now, MessageNumber number, MessageFacts facts, bool awaits_sender) {
    if (!is_taking_) return;
    last_ = number;
    last_note_ = 0;
    if (!find_room()) {
        facts.stream_id = stream_id_;
        // Beside those that wait: a few, so that the recording itself tells of it.
        if (takes_notices() && notes_ < kMaxNotices && notices_.add(now.steady))
            add_note(write_drop(facts, parties_, {}, facts.total), Message::State::Cut);
        return fault("copy_too_slow", "A message is not recorded: too many wait for the server.");
    }
    Message& message = messages_[{number, 0}];
    message.facts = std::move(facts);
    message.facts.stream_id = stream_id_;
    message.id = random_.token(8);
    message.awaits = awaits_sender ? kAwaitsSender : 0;
    message.since = now.steady;
    count_overhead(message);
}

// ---- what waits for metadata

void Copy::await_told(MessageNumber number, std::uint64_t serial, std::string_view sender) {
    const auto found = messages_.find({number, 0});
    if (found == messages_.end()) return;
    Message& message = found->second;
    message.awaits = serial <= told_serial_ ? 0 : serial;
    if (sender.empty()) return;
    // To whom the party's own would be; its nickname is not this one's.
    message.facts.sender = sender;
    message.facts.room = parties_[index_of(other(message.facts.from))];
    message.facts.nickname.clear();
    count_overhead(message);
}

void Copy::hold(base::Now now) { held_since_ = now.steady; }

void Copy::told(std::uint64_t serial) {
    held_since_.reset();
    told_serial_ = std::max(told_serial_, serial);
    for (auto& [key, message] : messages_)
        if (message.awaits <= told_serial_) message.awaits = 0;
}

void Copy::release() {
    is_unsure_ = is_unsure_ || (held_since_ && !messages_.empty());
    held_since_.reset();
    for (auto& [key, message] : messages_)
        is_unsure_ = std::exchange(message.awaits, 0) != 0 || is_unsure_;
}

void Copy::on_time(base::Now now) {
    sender_->on_time(now.steady);
    if (!is_connected_) return;
    if (held_since_ && now.steady - *held_since_ >= kMaxHold) {
        held_since_.reset();
        is_unsure_ = is_unsure_ || !messages_.empty();
    }
    for (auto& [key, message] : messages_) {
        if (message.awaits == 0 || now.steady - message.since < kMaxHold) continue;
        message.awaits = 0;
        is_unsure_ = true;
    }
}

// Of those that have left, and that a server does not receipt, the oldest.
bool Copy::make_room() {
    if (all_sent_.empty()) return false;
    ++visits_;
    const auto found = messages_.find(*all_sent_.begin());
    outgoing_.erase(found->second.outgoing);
    sender_->abort(found->second.outgoing);
    if (!found->second.is_note) ++forgotten_;
    erase(found);
    return true;
}

// Of octets that come twice the last ones count for who reads them (RFC 4975 section 7.3.1), while
// the first ones may have been sent to the server already.
bool Copy::rewrites(const Message& message, std::uint64_t at, base::ByteView bytes) {
    const auto differs = [&](std::uint64_t begin, base::ByteView known) {
        const std::uint64_t from = std::max(at, begin);
        const std::uint64_t to = std::min(at + bytes.size(), begin + known.size());
        if (from >= to) return false;
        const auto size = static_cast<std::size_t>(to - from);
        const auto ours = known.subspan(static_cast<std::size_t>(from - begin), size);
        const auto theirs = bytes.subspan(static_cast<std::size_t>(from - at), size);
        return !std::equal(ours.begin(), ours.end(), theirs.begin());
    };
    // What is not kept any more cannot be compared.
    return differs(message.released, message.content) ||
           std::any_of(message.ahead.begin(), message.ahead.end(),
                       [&](const auto& piece) { return differs(piece.first, piece.second); });
}

void Copy::content(base::Now now, MessageNumber number, std::uint64_t at, base::ByteView bytes) {
    const auto found = messages_.find({number, 0});
    if (found == messages_.end() || found->second.state != Message::State::Open) return;
    Message& message = found->second;
    if (rewrites(message, at, bytes)) {
        cut(found);
        return fault("message_rewritten",
                     "A message is recorded as cut: its sender said a part of it twice, and "
                     "differently.");
    }
    if (at > message.end()) {
        base::Bytes& piece = message.ahead[at];
        if (bytes.size() <= piece.size()) return;
        count(static_cast<std::ptrdiff_t>(bytes.size() - piece.size()));
        piece.assign(bytes.begin(), bytes.end());
    } else if (at + bytes.size() > message.end()) {
        // What has come before stays as it was: it may have been sent.
        bytes = bytes.subspan(static_cast<std::size_t>(message.end() - at));
        count(static_cast<std::ptrdiff_t>(bytes.size()));
        base::append(message.content, bytes);
        while (!message.ahead.empty() && message.ahead.begin()->first <= message.end()) {
            const auto next = message.ahead.begin();
            const std::uint64_t known = message.end() - next->first;
            const std::size_t size = next->second.size();
            if (known < size)
                base::append(message.content,
                             base::ByteView(next->second).subspan(static_cast<std::size_t>(known)));
            count(-static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(known, size)));
            message.ahead.erase(next);
        }
    }
    note_news(found);
    if (is_over_limit() && !find_room())
        drop(now, found,
             {"copy_too_slow",
              "A message is not recorded: the server takes them more slowly than they come."});
}

void Copy::end(MessageNumber number, std::optional<std::uint64_t> total) {
    const auto found = messages_.find({number, 0});
    if (found == messages_.end() || found->second.state != Message::State::Open) return;
    Message& message = found->second;
    const bool is_whole = total && message.end() == *total;
    message.state = is_whole ? Message::State::Complete : Message::State::Cut;
    note_news(found);
    // Nobody will say any more who wrote it.
    if (message.awaits == kAwaitsSender) message.awaits = 0;
    for (const auto& [at, piece] : message.ahead) count(-static_cast<std::ptrdiff_t>(piece.size()));
    message.ahead.clear();
}

void Copy::give_up(MessageNumber number) {
    if (!messages_.contains({number, 0})) return;
    end(number, std::nullopt);
    fault("too_many_open", "A message is recorded as cut: too many are under way.");
}

void Copy::pause() {
    is_taking_ = false;
    for (auto at = messages_.begin(); at != messages_.end(); ++at)
        if (at->second.state == Message::State::Open) cut(at);
}

void Copy::cut(Messages::iterator at) {
    at->second.state = Message::State::Cut;
    note_news(at);
}

// There is something to send of it.
void Copy::note_news(Messages::iterator at) {
    if (at->second.is_wanted) news_.insert(at->first);
    if (at->second.is_ready()) ready_.insert(at->first);
}

void Copy::take(const Copy& early, std::optional<Side> only) {
    for (const auto& [key, known] : early.messages_) {
        if (only && known.facts.from != *only) continue;
        const auto at = messages_.insert_or_assign(key, known).first;
        Message& message = at->second;
        message.facts.stream_id = stream_id_;
        message.id = random_.token(8);
        message.overhead = 0;
        std::size_t octets = message.content.size();
        for (const auto& [offset, piece] : message.ahead) octets += piece.size();
        count(static_cast<std::ptrdiff_t>(octets));
        count_overhead(message);
        note_news(at);
    }
    last_ = std::max(last_, early.last_);
    faults_.insert(faults_.end(), early.faults_.begin(), early.faults_.end());
}

void Copy::forget_all(const base::Reason& why) {
    for (const auto& [key, message] : messages_)
        if (!message.is_note) faults_.push_back(why);
    while (!messages_.empty()) erase(messages_.begin());
    sender_.emplace(random_);
    outgoing_.clear();
}

void Copy::forward(base::Now now, Side from, std::string_view text,
                   const std::optional<std::array<std::string, 2>>& between,
                   std::string_view answered) {
    if (!is_taking_ || !takes_notices()) return;
    if (!find_room()) return;
    add_note(
        write_forwarded(from, now.wall, between ? *between : parties_, text, stream_id_, answered),
        Message::State::Complete);
}

void Copy::leave_out(base::Now now, MessageNumber number, const MessageFacts& facts,
                     std::optional<std::uint64_t> size) {
    if (!is_taking_ || !takes_notices()) return;
    if (!find_room() || !notices_.add(now.steady))
        return fault("notice_not_sent",
                     "A message that is not to be recorded is not told of in the recording: there "
                     "are too many.");
    last_ = number;
    last_note_ = 0;
    add_note(write_drop(facts, parties_, {}, size), Message::State::Cut);
}

void Copy::add_note(std::string text, Message::State state) {
    const Key key{last_, ++last_note_};
    Message& note = messages_[key];
    note.is_note = true;
    ++notes_;
    note.id = random_.token(8);
    note.state = state;
    note.wrapping = {.content_type = std::string(kWrapperType), .prefix = std::move(text)};
    count_overhead(note);
    ready_.insert(key);
}

// ---- the server ---------------------------------------------------------------------------------

void Copy::set_server(CopyServer server, bool is_other) {
    server_ = std::move(server);
    is_server_lost_ = false;
    is_connected_ = is_connected_ && !is_other;
    forget_sending(is_other);
}

// All that is not receipted is sent again, under the names that it had: a server that has one
// knows it again (RFC 4975 section 5.4).
void Copy::forget_sending(bool is_other) {
    sender_.emplace(random_);
    outgoing_.clear();
    news_.clear();
    all_sent_.clear();
    releasable_.clear();
    for (auto at = messages_.begin(); at != messages_.end();) {
        Message& message = at->second;
        message.outgoing = 0;
        message.sent = 0;
        message.is_wanted = false;
        const bool is_all_there = message.released == 0;
        const bool was_sent = std::exchange(message.is_all_sent, false);
        count_forgettable(message);
        if (is_all_there) {
            note_news(at++);
            continue;
        }
        // What is not kept cannot be said again.
        if (is_other || !was_sent)
            fault("copy_not_repeated",
                  "A message that the lost server may have is not given to the next one: it is too "
                  "long to be kept.");
        else
            fault("not_receipted",
                  "The server has not receipted a message before its connection was lost, and it "
                  "is too long to be sent again: it may be missing.");
        erase(at++);
    }
}

void Copy::on_connected(bool speaks_first) {
    is_connected_ = true;
    if (!server_ || !speaks_first) return;
    // Who connects speaks at once (RFC 4975 section 5.4).
    outgoing_[sender_->begin({.to = server_->path,
                              .own = server_->own,
                              .message_id = random_.token(8),
                              .content_type = {},
                              .size = std::nullopt})] = Key{0, 0};
}

void Copy::on_connection_lost() {
    is_connected_ = false;
    forget_sending(false);
}

void Copy::on_head(const msrp::Head& head) {
    if (!head.is_request())
        sender_->on_response(head);
    else if (head.method == "REPORT")
        sender_->on_report(head);
}

std::string Copy::run(base::Now now, std::size_t room) {
    std::string out;
    if (!server_ || !is_connected_ || is_server_lost_) return out;
    sender_->set_may_send(room > 0);
    // One that is left out goes, and puts its notice behind.
    while (!ready_.empty()) {
        ++visits_;
        const auto at = messages_.find(*ready_.begin());
        // In their order: those behind it wait, too.
        if (held_since_ || at->second.awaits != 0) break;
        ready_.erase(ready_.begin());
        begin_at_server(now, at);
    }
    while (room > 0 && !news_.empty()) {
        ++visits_;
        const auto at = messages_.find(*news_.begin());
        news_.erase(news_.begin());
        give(now, at, msrp::kChunkBytes);
    }
    while (auto action = sender_->poll_action()) {
        carry_out(now, *action, out);
        if (out.size() >= room) sender_->set_may_send(false);
    }
    return out;
}

void Copy::begin_at_server(base::Now now, Messages::iterator at) {
    Message& message = at->second;
    if (message.is_note) {
        if (!server_->types.takes_wrapper()) return erase(at);
    } else {
        if (message.state == Message::State::Cut && message.content.empty())
            return erase(at);  // nothing of it has come
        auto wrapping = wrap(message.facts, server_->types, parties_);
        if (!wrapping) {
            const std::string type(bare_type(message.facts.content_type));
            drop(now, at,
                 {"type_not_taken",
                  fmt::format("A message is not recorded: the server does not take {}.", type)},
                 type);
            return;
        }
        message.wrapping = *std::move(wrapping);
        const std::uint64_t least = std::max(message.facts.total.value_or(0), message.end()) +
                                    message.wrapping.prefix.size();
        if (server_->max_bytes && least > *server_->max_bytes) {
            drop(now, at,
                 {"message_too_large",
                  "A message is not recorded: it is larger than the server takes."});
            return;
        }
    }
    count_overhead(message);
    message.outgoing = sender_->begin({.to = server_->path,
                                       .own = server_->own,
                                       .message_id = message.id,
                                       .content_type = message.wrapping.content_type,
                                       .size = std::nullopt,
                                       .success_report = true,
                                       .failure_report = msrp::FailureReport::Yes,
                                       .headers = message.wrapping.headers});
    outgoing_[message.outgoing] = at->first;
}

// The next chunk; nothing while nothing has come.
void Copy::give(base::Now now, Messages::iterator at, std::size_t max_bytes) {
    Message& message = at->second;
    const std::string& prefix = message.wrapping.prefix;
    base::Bytes chunk;
    if (message.sent < prefix.size()) {
        const std::string_view rest = std::string_view(prefix).substr(message.sent, max_bytes);
        base::append(chunk, base::as_bytes(rest));
    }
    const std::uint64_t done = message.sent + chunk.size();
    if (done >= prefix.size() && chunk.size() < max_bytes) {
        const auto from = static_cast<std::size_t>(done - prefix.size() - message.released);
        const std::size_t size = std::min(max_bytes - chunk.size(), message.content.size() - from);
        base::append(chunk, base::ByteView(message.content).subspan(from, size));
    }
    const bool is_at_end = message.sent + chunk.size() == prefix.size() + message.end();
    const bool is_last = is_at_end && message.state == Message::State::Complete;
    const bool is_cut = is_at_end && message.state == Message::State::Cut;
    if (chunk.empty() && !is_last && !is_cut) return;
    message.is_wanted = false;
    message.sent += chunk.size();
    message.is_all_sent = is_last;
    count_forgettable(message);
    if (!chunk.empty()) releasable_.insert(at->first);
    if (is_last) all_sent_.insert(at->first);
    const msrp::OutgoingNumber outgoing = message.outgoing;
    if (!chunk.empty() || is_last) sender_->give(now.steady, outgoing, chunk, is_last);
    if (!is_cut) return;
    // It ends here, and says so: nobody receipts it.
    sender_->abort(outgoing);
    outgoing_.erase(outgoing);
    erase(at);
}

void Copy::carry_out(base::Now now, msrp::SenderAction& action, std::string& out) {
    if (auto* bytes = std::get_if<msrp::Outgoing>(&action)) {
        out += bytes->bytes;
        return;
    }
    const auto find = [&](msrp::OutgoingNumber number) {
        const auto known = outgoing_.find(number);
        return known == outgoing_.end() ? messages_.end() : messages_.find(known->second);
    };
    if (const auto* want = std::get_if<msrp::WantContent>(&action)) {
        const auto found = find(want->message);
        if (found == messages_.end())  // the empty one that binds
            return sender_->give(now.steady, want->message, {}, true);
        found->second.is_wanted = true;
        return give(now, found, want->max_bytes);
    }
    if (const auto* confirmed = std::get_if<msrp::Confirmed>(&action)) {
        const auto found = find(confirmed->message);
        if (found != messages_.end()) erase(found);
        outgoing_.erase(confirmed->message);
        return;
    }
    const auto* failed = std::get_if<msrp::Failed>(&action);
    if (failed == nullptr || failed->status == 0) return;
    const auto found = find(failed->message);
    outgoing_.erase(failed->message);
    if (failed->status == kTimeout || failed->status == kNoSession ||
        failed->status == kOtherConnection) {
        is_server_lost_ = true;
        if (found == messages_.end()) return;
        found->second.is_all_sent = false;  // the server has not got it
        count_forgettable(found->second);
        all_sent_.erase(found->first);
        return;
    }
    if (found == messages_.end()) return;
    if (!found->second.is_note)
        fault(
            "message_refused",
            fmt::format("A message is not recorded: the server refused it ({}).", failed->status));
    erase(found);
}

void Copy::drop(base::Now now, Messages::iterator at, base::Reason why, std::string_view type) {
    const Message& message = at->second;
    if (message.outgoing != 0) {
        sender_->abort(message.outgoing);
        outgoing_.erase(message.outgoing);
    }
    std::string notice;
    if (takes_notices() && !message.is_note && notices_.add(now.steady)) {
        std::optional<std::uint64_t> size = message.facts.total;
        if (!size && message.state == Message::State::Complete) size = message.end();
        notice = write_drop(message.facts, parties_, type, size);
    }
    erase(at);
    faults_.push_back(std::move(why));
    if (!notice.empty()) add_note(std::move(notice), Message::State::Cut);
}

// ---- memory -------------------------------------------------------------------------------------

void Copy::erase(Messages::iterator at) {
    std::size_t octets = at->second.content.size();
    for (const auto& [offset, piece] : at->second.ahead) octets += piece.size();
    octets += at->second.overhead;
    count(-static_cast<std::ptrdiff_t>(octets));
    if (at->second.is_note) --notes_;
    forgettable_ -= at->second.forgettable;
    for (std::set<Key>* keys : {&ready_, &news_, &all_sent_, &releasable_}) keys->erase(at->first);
    messages_.erase(at);
}

// What is kept of it besides the content.
void Copy::count_overhead(Message& message) {
    const MessageFacts& facts = message.facts;
    std::size_t octets = sizeof(Messages::value_type) + message.id.size() +
                         facts.message_id.size() + facts.content_type.size() +
                         facts.nickname.size() + facts.sender.size() + facts.room.size() +
                         facts.stream_id.size() + facts.file_selector.size() +
                         message.wrapping.content_type.size() + message.wrapping.prefix.size();
    for (const auto* headers : {&facts.mime_headers, &std::as_const(message).wrapping.headers})
        for (const auto& [name, value] : *headers) octets += name.size() + value.size();
    count(static_cast<std::ptrdiff_t>(octets) - static_cast<std::ptrdiff_t>(message.overhead));
    message.overhead = octets;
}

// What release_sent() and make_room() would give back.
void Copy::count_forgettable(Message& message) {
    const std::uint64_t before = message.wrapping.prefix.size() + message.released;
    const std::uint64_t content = message.sent > before ? message.sent - before : 0;
    const std::size_t octets =
        static_cast<std::size_t>(content) + (message.is_all_sent ? message.overhead : 0);
    forgettable_ = forgettable_ - message.forgettable + octets;
    message.forgettable = octets;
}

// False: nothing can be forgotten for a further message.
bool Copy::find_room() {
    if (is_over_limit()) release_all_sent();
    while (messages_.size() >= kMaxCopiedMessages || is_over_limit())
        if (!make_room()) return false;
    return true;
}

void Copy::release_sent(Message& message) {
    const std::size_t prefix = message.wrapping.prefix.size();
    if (message.outgoing == 0 || message.sent <= prefix + message.released) return;
    const auto octets = static_cast<std::size_t>(message.sent - prefix - message.released);
    message.content.erase(message.content.begin(),
                          message.content.begin() + static_cast<std::ptrdiff_t>(octets));
    message.released += octets;
    count(-static_cast<std::ptrdiff_t>(octets));
    count_forgettable(message);
}

void Copy::release_all_sent() {
    for (const Key& key : std::exchange(releasable_, {})) {
        ++visits_;
        release_sent(messages_.at(key));
    }
}

}  // namespace earshot::chat
