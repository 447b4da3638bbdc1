#include "chat/copies.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "chat/limits.h"

namespace earshot::chat {

namespace {

// Without its paths: URIs of sessions are secrets, and those of a communication session are not
// recorded.
std::string text_of(const msrp::Head& head, std::string_view body) {
    std::string text = write_head(head);
    const std::size_t paths = text.find("\r\n") + 2;
    std::size_t end = paths;
    for (int i = 0; i < 2; ++i) end = text.find("\r\n", end) + 2;
    text.erase(paths, end - paths);
    if (!body.empty()) text.append("\r\n").append(body).append("\r\n");
    return text + end_line(head.transaction, msrp::Continuation::Complete);
}

// RFC 7701 section 7.2: Use-Nickname: "Ana the Great"; empty: none any more.
std::string nickname_in(std::string_view value) {
    value = base::trim(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    return std::string(value);
}

bool is_of_content(std::string_view name) { return base::istarts_with(name, "Content-"); }

}  // namespace

Copies::Copies(Network& network, base::Random& random, Told told)
    : network_(network), random_(random), told_(std::move(told)) {}

Copies::~Copies() = default;

Copies::Line* Copies::find(const CopyKey& key) {
    const auto found = lines_.find(key);
    return found == lines_.end() ? nullptr : found->second.get();
}

template <class Work>
void Copies::each(SessionId session, Side from, Work work) {
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        Line& line = *at->second;
        if (line.setup.only && *line.setup.only != from) continue;
        work(line.copy);
        dirty_.insert(at->first);
    }
}

template <class Work>
void Copies::each_that_takes(SessionId session, const RoomMessage& message, Work work) {
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        Line& line = *at->second;
        if (message.only && *message.only != at->first) continue;
        if (line.setup.only && *line.setup.only != Side::A) continue;
        if (!line.copy.is_taking() || message.begun <= line.takes_from) continue;
        work(line.copy);
        dirty_.insert(at->first);
    }
}

void Copies::tell_pause(base::Now now, const CopyKey& key, const Line& line) {
    if (line.copy.is_taking() && on_taking_) on_taking_(now, key, false);
}

bool Copies::is_paused(SessionId session) const {
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at)
        if (!at->second->copy.is_taking() && !at->second->finish_by) return true;
    return false;
}

void Copies::tell(const CopyKey& key, CopyEvent::Kind kind, base::Reason reason) {
    told_({.key = key, .kind = kind, .reason = std::move(reason)});
}

// ---- what the recorder wishes -------------------------------------------------------------------

void Copies::open(const CopyKey& key, CopySetup setup) {
    std::unique_ptr<Line>& line = lines_[key];
    if (line == nullptr) {
        line = std::make_unique<Line>(random_, budget_);
        line->takes_from = last_message_;
    }
    line->finish_by.reset();  // it goes on
    line->copy.set_parties(setup.parties);
    line->setup = std::move(setup);
}

void Copies::answer(base::Now now, const CopyKey& key, std::optional<CopyAnswer> answer) {
    Line* line = find(key);
    if (line == nullptr) return;
    if (!answer) {
        tell_pause(now, key, *line);
        // What was said before the first answer is no server's that takes nothing then.
        if (!line->answer && line->copy.is_taking()) line->copy.forget_all();
        line->copy.pause();
        dirty_.insert(key);
        return work(now);
    }
    const bool is_same = line->answer && line->connection != 0 &&
                         to_string(line->answer->server.path) == to_string(answer->server.path) &&
                         line->answer->fingerprints == answer->fingerprints;
    const bool was_taking = line->copy.is_taking();
    line->copy.resume();
    if (!was_taking) {
        line->takes_from = last_message_;
        if (on_taking_) on_taking_(now, key, true);
    }
    if (is_same && was_taking) return;
    if (!is_same) disconnect(*line);
    // What the server was sent while it took nothing it has stored nowhere.
    line->copy.set_server(answer->server, !is_same);
    line->answer = std::move(answer);
    line->attempts = 0;
    line->is_told_lost = false;
    line->retry_at.reset();
    if (!is_same) connect(now, key, *line);
    dirty_.insert(key);
    work(now);
}

void Copies::pause(base::Now now, const CopyKey& key) {
    Line* line = find(key);
    if (line == nullptr) return;
    tell_pause(now, key, *line);
    line->copy.pause();
    dirty_.insert(key);
    work(now);
}

void Copies::lose_server(base::Now /*now*/, const CopyKey& key) {
    Line* line = find(key);
    if (line == nullptr) return;
    disconnect(*line);
    line->answer.reset();
    line->retry_at.reset();
}

void Copies::close(base::Now now, const CopyKey& key) {
    const auto found = lines_.find(key);
    if (found == lines_.end()) return;
    Line& line = *found->second;
    tell_pause(now, key, line);
    line.copy.pause();
    flush(now, key, line);
    if (line.copy.waiting() == 0) return erase(found);
    if (!line.finish_by) line.finish_by = now.steady + kLastWords;
}

void Copies::finish(base::Now now, SessionId session) {
    if (const auto found = followed_.find(session); found != followed_.end()) {
        for (const Side side : {Side::A, Side::B}) on_lost(now, session, side);
        followed_.erase(session);
    }
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        at->second->copy.pause();
        at->second->finish_by = now.steady + kLastWords;
        dirty_.insert(at->first);
    }
    work(now);
}

void Copies::erase(std::map<CopyKey, std::unique_ptr<Line>>::iterator at) {
    const Copy& copy = at->second->copy;
    if (const std::size_t left = copy.waiting() + copy.forgotten(); left > 0)
        tell(at->first, CopyEvent::Kind::NotCopied,
             {"not_receipted",
              fmt::format("The server has not receipted {} messages: they may be missing.", left)});
    if (at->second->setup.counters) at->second->setup.counters->waiting = 0;
    disconnect(*at->second);
    dirty_.erase(at->first);
    lines_.erase(at);
}

// ---- connections --------------------------------------------------------------------------------

void Copies::connect(base::Now now, const CopyKey& key, Line& line) {
    line.retry_at.reset();
    line.parser = {};
    const CopyServer& server = line.answer->server;
    const bool is_secure = server.own.is_secure && !server.path.empty();
    line.connection = network_.connect(line.answer->connect_to,
                                       is_secure ? server.path.front().host : std::string{});
    if (line.connection == 0) return on_lost_connection(now, key, line);
    by_connection_[line.connection] = key;
}

void Copies::disconnect(Line& line) {
    line.is_open = false;
    if (line.connection == 0) return;
    network_.close(line.connection);
    by_connection_.erase(std::exchange(line.connection, 0));
    line.copy.on_connection_lost();
}

void Copies::on_open(base::Now now, ConnectionId connection) {
    const CopyKey key = by_connection_.at(connection);
    Line* line = find(key);
    if (line == nullptr) return;
    // Nothing is said to who is not the server that answered (RFC 4975 section 14.4).
    if (line->answer && line->answer->server.own.is_secure)
        if (auto fault = network_.find_fault(connection, line->answer->fingerprints)) {
            disconnect(*line);
            line->retry_at = now.steady + kReconnectLater;
            if (!std::exchange(line->is_told_lost, true))
                tell(key, CopyEvent::Kind::ServerLost, *std::move(fault));
            return;
        }
    line->is_open = true;
    line->copy.on_connected();
    flush(now, key, *line);
}

void Copies::on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes) {
    const CopyKey key = by_connection_.at(connection);
    Line* line = find(key);
    if (line == nullptr) return;
    line->parser.feed(bytes);
    while (auto event = line->parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) {
            line->copy.on_head(*head);
            // A server that could be reached once is there.
            if (!head->is_request() && head->status == 200) line->attempts = 0;
        }
        if (std::holds_alternative<msrp::StreamBroken>(*event)) {
            disconnect(*line);
            on_lost_connection(now, key, *line);
            return;
        }
    }
    flush(now, key, *line);
}

void Copies::on_closed(base::Now now, ConnectionId connection) {
    const CopyKey key = by_connection_.at(connection);
    Line* line = find(key);
    by_connection_.erase(connection);
    if (line == nullptr) return;
    line->connection = 0;
    line->is_open = false;
    line->copy.on_connection_lost();
    on_lost_connection(now, key, *line);
}

// RFC 4975 section 5.4: sessions end with their connection. Servers that keep them (ours does) get
// the next one; else the answer is 481, and the recorder looks for another server.
void Copies::on_lost_connection(base::Now now, const CopyKey& key, Line& line) {
    const bool is_late = ++line.attempts >= kReconnects;
    line.retry_at =
        now.steady + (is_late ? std::chrono::milliseconds(kReconnectLater) : kReconnectAfter);
    if (!is_late || line.is_told_lost || line.finish_by) return;
    line.is_told_lost = true;
    tell(key, CopyEvent::Kind::ServerLost,
         {"chat_server_lost", "The server does not take the connection for the chat (any more)."});
}

void Copies::on_writable(base::Now now, ConnectionId connection) {
    const CopyKey key = by_connection_.at(connection);
    if (Line* line = find(key); line != nullptr) flush(now, key, *line);
}

void Copies::on_time(base::Now now) {
    std::vector<CopyKey> over;
    for (auto& [key, line] : lines_) {
        line->copy.on_time(now);
        if (line->retry_at && *line->retry_at <= now.steady && line->answer)
            connect(now, key, *line);
        flush(now, key, *line);
        const bool has_finished =
            line->finish_by && (line->copy.waiting() == 0 || *line->finish_by <= now.steady);
        if (has_finished) over.push_back(key);
    }
    for (const CopyKey& key : over) erase(lines_.find(key));
}

void Copies::work(base::Now now) {
    while (!dirty_.empty()) {
        const CopyKey key = *dirty_.begin();
        dirty_.erase(dirty_.begin());
        if (Line* line = find(key); line != nullptr) flush(now, key, *line);
    }
}

void Copies::flush(base::Now now, const CopyKey& key, Line& line) {
    if (line.is_open) {
        line.copy.set_may_send(network_.queued_bytes(line.connection) < kMaxQueuedBytes);
        std::string bytes = line.copy.run(now);
        if (!bytes.empty()) network_.send(line.connection, std::move(bytes));
    }
    tell_faults(now, key, line);
    if (line.copy.take_server_lost()) {
        disconnect(line);
        line.retry_at = now.steady + kReconnectLater;
        if (!std::exchange(line.is_told_lost, true))
            tell(key, CopyEvent::Kind::ServerLost,
                 {"chat_server_lost", "The server has no session for the chat any more."});
    }
    if (line.setup.counters) line.setup.counters->waiting = line.copy.waiting();
}

// Each, up to a number a minute; then how many more there were.
void Copies::tell_faults(base::Now now, const CopyKey& key, Line& line) {
    if (now.steady - line.faults_since >= kNoticeTime) {
        if (line.faults > kMaxNotices)
            tell(key, CopyEvent::Kind::NotCopied,
                 {"more_not_recorded",
                  fmt::format("{} further messages are not recorded.", line.faults - kMaxNotices)});
        line.faults_since = now.steady;
        line.faults = 0;
    }
    while (auto reason = line.copy.poll_fault())
        if (++line.faults <= kMaxNotices) tell(key, CopyEvent::Kind::NotCopied, *std::move(reason));
}

// ---- what passes --------------------------------------------------------------------------------

void Copies::on_chunk(base::Now now, SessionId session, Side from, const msrp::Head& head) {
    Followed& followed = followed_[session];
    std::string& current = followed.current[index_of(from)];
    current.clear();
    const OpenKey key{from, head.message_id};
    const auto known = followed.open.find(key);
    if (known == followed.open.end()) {
        limit_open(followed, session, from);
        Open& open = followed.open[key];
        open.number = ++last_message_;
        MessageFacts facts{.from = from,
                           .message_id = head.message_id,
                           .content_type = head.content_type,
                           .mime_headers = {},
                           .at = now.wall,
                           .nickname = followed.nicknames[index_of(from)],
                           .total = head.byte_range ? head.byte_range->total : std::nullopt};
        std::size_t octets = 0;
        for (const auto& [name, value] : head.others) {
            if (!is_of_content(name)) continue;
            octets += name.size() + value.size();
            if (octets <= kMaxMimeHeaderBytes) facts.mime_headers.emplace_back(name, value);
        }
        each(session, from, [&](Copy& copy) { copy.begin(open.number, facts); });
    }
    current = head.message_id;
}

// Messages that never end must not keep others from being copied: the oldest makes way.
void Copies::limit_open(Followed& followed, SessionId session, Side from) {
    std::size_t count = 0;
    auto oldest = followed.open.end();
    for (auto at = followed.open.begin(); at != followed.open.end(); ++at) {
        if (at->first.first != from) continue;
        ++count;
        if (oldest == followed.open.end() || at->second.number < oldest->second.number) oldest = at;
    }
    if (count < kMaxOpenMessages) return;
    const Copy::MessageNumber number = oldest->second.number;
    followed.open.erase(oldest);
    each(session, from, [&](Copy& copy) { copy.give_up(number); });
}

void Copies::on_content(base::Now now, SessionId session, Side from, std::uint64_t at,
                        base::ByteView bytes) {
    const auto followed = followed_.find(session);
    if (followed == followed_.end()) return;
    const auto open = followed->second.open.find({from, followed->second.current[index_of(from)]});
    if (open == followed->second.open.end()) return;
    if (!open->second.received.add(at, at + bytes.size()))
        return end(followed->second, session, open->first, false);
    each(session, from, [&](Copy& copy) { copy.content(now, open->second.number, at, bytes); });
}

void Copies::on_chunk_end(base::Now /*now*/, SessionId session, Side from, std::uint64_t end_at,
                          msrp::Continuation continuation) {
    const auto followed = followed_.find(session);
    if (followed == followed_.end()) return;
    const OpenKey key{from, std::exchange(followed->second.current[index_of(from)], {})};
    const auto open = followed->second.open.find(key);
    if (open == followed->second.open.end()) return;
    if (continuation == msrp::Continuation::Aborted)
        return end(followed->second, session, key, false);
    // The last chunk fixes the size; it may come before others.
    Open& message = open->second;
    if (continuation == msrp::Continuation::Complete) message.total = end_at;
    if (message.total && message.received.is_whole(*message.total))
        end(followed->second, session, key, true);
}

void Copies::end(Followed& followed, SessionId session, const OpenKey& key, bool is_whole) {
    const auto open = followed.open.find(key);
    const Copy::MessageNumber number = open->second.number;
    const auto total = is_whole ? open->second.total : std::nullopt;
    const Side from = key.first;
    followed.open.erase(open);
    each(session, from, [&](Copy& copy) { copy.end(number, total); });
}

void Copies::on_other(base::Now now, SessionId session, Side from, const msrp::Head& head,
                      std::string_view body) {
    const auto forward = [&] {
        const std::string text = text_of(head, body);
        each(session, from, [&](Copy& copy) { copy.forward(now, from, text); });
    };
    Followed& followed = followed_[session];
    if (head.method == "NICKNAME") {
        if (followed.asked.size() < kMaxOpenMessages)
            followed.asked[head.transaction] = nickname_in(head.find_other("Use-Nickname"));
        return forward();
    }
    if (head.method == "REPORT") return forward();
    if (head.is_request()) return;
    const auto asked = followed.asked.find(head.transaction);
    constexpr int kFirstError = 300;
    if (asked != followed.asked.end()) {
        if (head.status < kFirstError) followed.nicknames[index_of(other(from))] = asked->second;
        followed.asked.erase(asked);
        return forward();
    }
    if (head.status >= kFirstError) forward();
}

void Copies::on_message(base::Now now, SessionId session, const RoomMessage& message,
                        base::ByteView content, bool is_whole) {
    const Copy::MessageNumber number = ++last_message_;
    const auto total = is_whole ? std::optional<std::uint64_t>(content.size()) : std::nullopt;
    each_that_takes(session, message, [&](Copy& copy) {
        copy.begin(number, message.facts);
        copy.content(now, number, 0, content);
        copy.end(number, total);
    });
}

void Copies::on_left_out(base::Now now, SessionId session, const RoomMessage& message,
                         std::uint64_t size) {
    const Copy::MessageNumber number = ++last_message_;
    each_that_takes(session, message,
                    [&](Copy& copy) { copy.leave_out(now, number, message.facts, size); });
}

void Copies::on_exchange(base::Now now, SessionId session,
                         const std::array<std::string, 2>& between, const msrp::Head& head) {
    const std::string text = text_of(head, {});
    const Side from = head.is_request() ? Side::A : Side::B;
    each(session, Side::A, [&](Copy& copy) { copy.forward(now, from, text, between); });
}

void Copies::on_lost(base::Now /*now*/, SessionId session, Side from) {
    const auto found = followed_.find(session);
    if (found == followed_.end()) return;
    Followed& followed = found->second;
    followed.current[index_of(from)].clear();
    std::vector<OpenKey> open;
    for (const auto& [key, message] : followed.open)
        if (key.first == from) open.push_back(key);
    for (const OpenKey& key : open) end(followed, session, key, false);
}

}  // namespace earshot::chat
