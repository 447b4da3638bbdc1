#include "chat/copies.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "chat/limits.h"
#include "chat/replies.h"
#include "mime/same_user.h"

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

std::string_view uri_of(std::string_view party) {
    const std::size_t open = party.rfind('<');  // a quoted name may have others
    if (open == std::string_view::npos) return base::trim(party);
    return party.substr(open + 1, party.find('>', open) - open - 1);
}

bool is_of_content(std::string_view name) { return base::istarts_with(name, "Content-"); }

base::Reason not_encrypted() {
    return {
        "chat_not_encrypted",
        "A message is not recorded: the server has not taken the chat by TLS, by which somebody "
        "has come."};
}

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
    const auto followed = followed_.find(session);
    if (followed != followed_.end() && followed->second.early) work(*followed->second.early);
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

void Copies::keep_early(SessionId session) {
    Followed& followed = followed_[session];
    ++followed.early_wishes;
    const auto line = lines_.lower_bound({session, 0});
    const bool has_line = line != lines_.end() && line->first.session == session;
    if (!has_line && !followed.early) followed.early = std::make_unique<Copy>(random_, budget_);
}

void Copies::drop_early(SessionId session) {
    const auto found = followed_.find(session);
    if (found == followed_.end() || found->second.early_wishes == 0) return;
    if (--found->second.early_wishes == 0) found->second.early.reset();
}

void Copies::open(base::Now now, const CopyKey& key, CopySetup setup) {
    std::unique_ptr<Line>& line = lines_[key];
    const bool is_new = line == nullptr;
    if (is_new) {
        line = std::make_unique<Line>(random_, budget_);
        line->takes_from = last_message_;
        if (setup.waits_to_be_told) line->copy.hold(now);
    }
    line->finish_by.reset();  // it goes on
    line->copy.set_parties(setup.parties);
    line->copy.set_stream(setup.stream_id);
    line->setup = std::move(setup);
    const auto followed = followed_.find(key.session);
    if (!is_new || !line->setup.takes_early || followed == followed_.end()) return;
    if (followed->second.early) line->copy.take(*followed->second.early, line->setup.only);
    flush(now, key, *line);
}

void Copies::told(base::Now now, const CopyKey& key, std::uint64_t serial) {
    Line* line = find(key);
    if (line == nullptr) return;
    line->copy.told(serial);
    flush(now, key, *line);
}

void Copies::answer(base::Now now, const CopyKey& key, std::optional<CopyAnswer> answer) {
    Line* line = find(key);
    if (line == nullptr) return;
    const bool was_held = std::exchange(line->held_until, std::nullopt).has_value();
    if (!answer) {
        tell_pause(now, key, *line);
        // What was said before the first answer is no server's that takes nothing then.
        if (!line->answer && line->copy.is_taking())
            line->copy.forget_all(
                was_held
                    ? not_encrypted()
                    : base::Reason{"chat_not_taken",
                                   "A message is not recorded: it came before the server took the "
                                   "chat."});
        line->copy.pause();
        dirty_.insert(key);
        return work(now);
    }
    // One that is over takes nothing any more; what is left of it has a server now.
    const bool is_over = line->finish_by.has_value();
    const bool was_taking = is_over || line->copy.is_taking();
    if (!was_taking) {
        line->copy.resume();
        line->takes_from = last_message_;
        if (on_taking_) on_taking_(now, key, true);
    }
    if (is_over && !line->answer) line->finish_by = now.steady + kLastWords;
    const auto trunk = trunks_.find(line->trunk);
    const bool is_same = line->answer && trunk != trunks_.end() && trunk->second.connection != 0 &&
                         line->trunk == to_string(answer->server.own) &&
                         to_string(line->answer->server.path) == to_string(answer->server.path) &&
                         line->answer->fingerprints == answer->fingerprints;
    if (is_same && was_taking) return;
    // What the server was sent while it took nothing it has stored nowhere.
    line->copy.set_server(answer->server, !is_same);
    line->answer = answer;
    if (!is_same) join(now, key, *line, *answer);
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

void Copies::lose_server(base::Now now, const CopyKey& key) {
    Line* line = find(key);
    if (line == nullptr) return;
    leave(now, key, *line);
    line->answer.reset();
    // The next one is asked for what is wanted then.
    line->held_until.reset();
}

void Copies::await_answer(base::Now now, const CopyKey& key) {
    Line* line = find(key);
    if (line == nullptr) return;
    const bool has_server = line->answer.has_value();
    lose_server(now, key);
    if (has_server) line->held_until = now.steady + kMaxAnswerTime;
}

// What is left of a chat that has ended has a time of its own.
void Copies::give_up_held(base::Now now, const CopyKey& key, Line& line) {
    if (!line.held_until || *line.held_until > now.steady || line.finish_by) return;
    line.held_until.reset();
    tell_pause(now, key, line);
    line.copy.forget_all(not_encrypted());
    line.copy.pause();
}

void Copies::close(base::Now now, const CopyKey& key) {
    const auto found = lines_.find(key);
    if (found == lines_.end()) return;
    Line& line = *found->second;
    tell_pause(now, key, line);
    line.copy.pause();
    line.copy.release();
    flush(now, key, line);
    // Without a server none comes any more.
    if (line.copy.waiting() == 0 || !line.answer) return erase(now, found);
    if (!line.finish_by) line.finish_by = now.steady + kLastWords;
}

void Copies::finish(base::Now now, SessionId session) {
    if (const auto found = followed_.find(session); found != followed_.end()) {
        for (const Side side : {Side::A, Side::B}) on_lost(now, session, side);
        followed_.erase(session);
    }
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        Line& line = *at->second;
        line.copy.pause();
        // Who has yet to answer is also told yet whose it is.
        if (line.answer) line.copy.release();
        line.finish_by = now.steady + kLastWords;
        if (!line.answer) *line.finish_by += kMaxAnswerTime;
        dirty_.insert(at->first);
    }
    work(now);
}

void Copies::erase(base::Now now, std::map<CopyKey, std::unique_ptr<Line>>::iterator at) {
    Line& line = *at->second;
    tell_faults(now, at->first, line);
    tell_rest(at->first, line.faults.take_rest());
    if (const std::size_t left = line.copy.unreceipted(); left > 0)
        tell(at->first, CopyEvent::Kind::NotCopied,
             {"not_receipted",
              fmt::format("The server has not receipted {} messages: they may be missing.", left)});
    if (line.setup.counters) line.setup.counters->waiting = 0;
    leave(now, at->first, line);
    dirty_.erase(at->first);
    lines_.erase(at);
}

// ---- connections --------------------------------------------------------------------------------

// A trunk that leads elsewhere now is made anew; its other lines get the same answer each.
void Copies::join(base::Now now, const CopyKey& key, Line& line, const CopyAnswer& answer) {
    const std::string name = to_string(answer.server.own);
    if (line.trunk != name) leave(now, key, line);
    line.trunk = name;
    Trunk& trunk = trunks_[name];
    trunk.lines.insert(key);
    trunk.idle_since.reset();
    const bool is_same = trunk.connection != 0 &&
                         to_string(trunk.answer.server.path) == to_string(answer.server.path) &&
                         trunk.answer.fingerprints == answer.fingerprints;
    if (is_same) {
        if (trunk.is_open) line.copy.on_connected(false);
        return;
    }
    disconnect(trunk);
    trunk.answer = answer;
    trunk.attempts = 0;
    trunk.is_told_lost = false;
    connect(now, name, trunk);
}

// The connection of a line that is nobody else's goes with it; a common one waits for the next
// chat.
void Copies::leave(base::Now now, const CopyKey& key, Line& line) {
    const auto found = trunks_.find(std::exchange(line.trunk, {}));
    if (found == trunks_.end()) return;
    Trunk& trunk = found->second;
    trunk.lines.erase(key);
    if (trunk.is_open) line.copy.on_connection_lost();
    if (!trunk.lines.empty()) return;
    if (!line.setup.stream_id.empty() && trunk.is_open) {
        trunk.idle_since = now.steady;
        return;
    }
    disconnect(trunk);
    trunks_.erase(found);
}

Copies::Trunk* Copies::trunk_of(ConnectionId connection) {
    const auto found = by_connection_.find(connection);
    if (found == by_connection_.end()) return nullptr;
    const auto trunk = trunks_.find(found->second);
    return trunk == trunks_.end() ? nullptr : &trunk->second;
}

void Copies::connect(base::Now now, const std::string& name, Trunk& trunk) {
    trunk.retry_at.reset();
    trunk.parser = {};
    const CopyServer& server = trunk.answer.server;
    const bool is_secure = server.own.is_secure && !server.path.empty();
    trunk.connection = network_.connect(trunk.answer.connect_to,
                                        is_secure ? server.path.front().host : std::string{});
    if (trunk.connection == 0) return on_lost_connection(now, trunk);
    by_connection_[trunk.connection] = name;
}

void Copies::disconnect(Trunk& trunk) {
    trunk.is_open = false;
    if (trunk.connection == 0) return;
    network_.close(trunk.connection);
    by_connection_.erase(std::exchange(trunk.connection, 0));
    for (const CopyKey& key : trunk.lines) find(key)->copy.on_connection_lost();
}

void Copies::tell_lost(Trunk& trunk, const base::Reason& reason) {
    if (std::exchange(trunk.is_told_lost, true)) return;
    for (const CopyKey& key : trunk.lines)
        if (!find(key)->finish_by) tell(key, CopyEvent::Kind::ServerLost, reason);
}

void Copies::on_open(base::Now now, ConnectionId connection) {
    Trunk* trunk = trunk_of(connection);
    if (trunk == nullptr) return;
    // Nothing is said to who is not the server that answered (RFC 4975 section 14.4). In front of
    // its relays we see the first one's certificate, not its: known by its name (RFC 4976).
    static const std::vector<base::CertificateFingerprint> by_name;
    const bool is_direct = trunk->answer.server.path.size() == 1;
    const auto& told = is_direct ? trunk->answer.fingerprints : by_name;
    if (trunk->answer.server.own.is_secure)
        if (auto fault = network_.find_fault(connection, told)) {
            disconnect(*trunk);
            trunk->retry_at = now.steady + kReconnectLater;
            return tell_lost(*trunk, *fault);
        }
    trunk->is_open = true;
    bool speaks = true;
    for (const CopyKey& key : trunk->lines)
        find(key)->copy.on_connected(std::exchange(speaks, false));
    flush_all(now, *trunk);
}

void Copies::on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes) {
    Trunk* trunk = trunk_of(connection);
    if (trunk == nullptr) return;
    trunk->parser.feed(bytes);
    while (auto event = trunk->parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) {
            // Each knows its own transactions and messages, also those of a chat that is over.
            for (const CopyKey& key : trunk->lines) find(key)->copy.on_head(*head);
            // A server that could be reached once is there.
            if (!head->is_request() && head->status == kOk) trunk->attempts = 0;
        }
        if (std::holds_alternative<msrp::StreamBroken>(*event)) {
            disconnect(*trunk);
            on_lost_connection(now, *trunk);
            return;
        }
    }
    flush_all(now, *trunk);
}

void Copies::on_closed(base::Now now, ConnectionId connection) {
    Trunk* trunk = trunk_of(connection);
    by_connection_.erase(connection);
    if (trunk == nullptr) return;
    trunk->connection = 0;
    trunk->is_open = false;
    for (const CopyKey& key : trunk->lines) find(key)->copy.on_connection_lost();
    on_lost_connection(now, *trunk);
}

// RFC 4975 section 5.4: sessions end with their connection. Servers that keep them (ours does) get
// the next one; else the answer is 481, and the recorder looks for another server.
void Copies::on_lost_connection(base::Now now, Trunk& trunk) {
    const bool is_late = ++trunk.attempts >= kReconnects;
    trunk.retry_at =
        now.steady + (is_late ? std::chrono::milliseconds(kReconnectLater) : kReconnectAfter);
    if (is_late)
        tell_lost(trunk, {"chat_server_lost",
                          "The server does not take the connection for the chat (any more)."});
}

void Copies::on_writable(base::Now now, ConnectionId connection) {
    if (Trunk* trunk = trunk_of(connection)) flush_all(now, *trunk);
}

void Copies::on_time(base::Now now) {
    std::vector<CopyKey> over;
    for (auto& [key, line] : lines_) {
        line->copy.on_time(now);
        give_up_held(now, key, *line);
        flush(now, key, *line);
        const bool has_finished =
            line->finish_by && (line->copy.waiting() == 0 || *line->finish_by <= now.steady);
        if (has_finished) over.push_back(key);
    }
    for (const CopyKey& key : over) erase(now, lines_.find(key));
    for (auto at = trunks_.begin(); at != trunks_.end();) {
        auto& [name, trunk] = *at;
        const bool is_over = trunk.lines.empty() &&
                             (trunk.connection == 0 ||
                              now.steady - trunk.idle_since.value_or(now.steady) >= kIdleTrunk);
        if (is_over) {
            disconnect(trunk);
            at = trunks_.erase(at);
            continue;
        }
        if (trunk.retry_at && *trunk.retry_at <= now.steady) connect(now, name, trunk);
        ++at;
    }
}

void Copies::work(base::Now now) {
    while (!dirty_.empty()) {
        const CopyKey key = *dirty_.begin();
        dirty_.erase(dirty_.begin());
        if (Line* line = find(key); line != nullptr) flush(now, key, *line);
    }
}

// In turn: what one has to say must not keep others from being heard.
void Copies::flush_all(base::Now now, Trunk& trunk) {
    const auto first = trunk.lines.lower_bound(trunk.turn);
    std::vector<CopyKey> keys(first, trunk.lines.end());
    keys.insert(keys.end(), trunk.lines.begin(), first);
    if (!keys.empty()) trunk.turn = keys[1 % keys.size()];
    for (const CopyKey& key : keys)
        if (Line* line = find(key); line != nullptr) flush(now, key, *line);
}

void Copies::flush(base::Now now, const CopyKey& key, Line& line) {
    const auto found = trunks_.find(line.trunk);
    Trunk* trunk = found == trunks_.end() ? nullptr : &found->second;
    if (trunk != nullptr && trunk->is_open) {
        const std::size_t queued = network_.queued_bytes(trunk->connection);
        std::string bytes = line.copy.run(now, kMaxQueuedBytes - std::min(queued, kMaxQueuedBytes));
        if (!bytes.empty()) network_.send(trunk->connection, std::move(bytes));
    }
    tell_faults(now, key, line);
    if (line.copy.take_unsure())
        tell(key, CopyEvent::Kind::Unsure,
             {"metadata_not_confirmed",
              "Messages go to the server before it has confirmed the metadata about them."});
    if (line.copy.take_server_lost() && trunk != nullptr) {
        disconnect(*trunk);
        trunk->retry_at = now.steady + kReconnectLater;
        tell_lost(*trunk, {"chat_server_lost", "The server has no session for the chat any more."});
    }
    if (line.setup.counters) line.setup.counters->waiting = line.copy.waiting();
}

void Copies::tell_faults(base::Now now, const CopyKey& key, Line& line) {
    tell_rest(key, line.faults.take_due(now.steady));
    while (auto reason = line.copy.poll_fault())
        if (line.faults.add(now.steady)) tell(key, CopyEvent::Kind::NotCopied, *std::move(reason));
}

void Copies::tell_rest(const CopyKey& key, std::size_t messages) {
    if (messages == 0) return;
    tell(key, CopyEvent::Kind::NotCopied,
         {"more_not_recorded", fmt::format("{} further messages are not recorded.", messages)});
}

// ---- what passes --------------------------------------------------------------------------------

void Copies::on_chunk(base::Now now, SessionId session, Side from, const msrp::Head& head) {
    Followed& followed = followed_[session];
    auto& sends = followed.sends[index_of(from)];
    if (sends.size() >= kMaxAwaitedAnswers) sends.pop_front();
    sends.emplace_back(head.transaction, head.message_id);
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
        // Files carry no CPIM of a sender's.
        const bool awaits = base::iequals(bare_type(head.content_type), "message/cpim");
        if (awaits) open.cpim_head.emplace();
        const std::uint64_t serial = followed.nickname_serials[index_of(from)];
        each(session, from, [&](Copy& copy) {
            copy.begin(now, open.number, facts, awaits);
            if (!awaits) copy.await_told(open.number, serial);
        });
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
    if (open->second.cpim_head) find_sender(session, from, open->second, at, bytes);
}

// ---- who writes

void Copies::find_sender(SessionId session, Side from, Open& open, std::uint64_t at,
                         base::ByteView bytes) {
    std::string& text = *open.cpim_head;
    if (at != text.size()) return settle_sender(session, from, open, nullptr);  // out of order
    const std::string_view more =
        base::as_text(bytes.first(std::min(bytes.size(), mime::kMaxCpimHeadBytes)));
    text += more;
    // Nothing has become whole without a line's end.
    if (more.find('\n') == std::string_view::npos && text.size() < mime::kMaxCpimHeadBytes) return;
    const auto head = mime::parse_cpim(text);
    if (head) return settle_sender(session, from, open, head->from ? &*head->from : nullptr);
    if (head.error().code == base::Errc::TooLarge || text.size() >= mime::kMaxCpimHeadBytes)
        settle_sender(session, from, open, nullptr);
}

// RFC 7866 has participants in the metadata before what they say. `sender` null: nobody says.
void Copies::settle_sender(SessionId session, Side from, Open& open,
                           const mime::CpimAddress* sender) {
    Followed& followed = followed_[session];
    std::uint64_t serial = followed.nickname_serials[index_of(from)];
    const bool is_named = sender != nullptr && !sender->uri.empty() &&
                          !mime::is_anonymous(sender->uri) &&
                          sender->uri.size() <= kMaxSenderUriBytes;
    std::string third;
    if (is_named && !is_party(session, sender->uri)) {
        serial = std::max(serial, serial_of(followed, session, from, *sender));
        third = name_addr(sender->name.substr(0, kMaxSenderNameBytes), sender->uri);
    }
    each(session, from, [&](Copy& copy) { copy.await_told(open.number, serial, third); });
    open.cpim_head.reset();
}

// 0: there are too many already.
std::uint64_t Copies::serial_of(Followed& followed, SessionId session, Side from,
                                const mime::CpimAddress& sender) {
    const auto known = followed.senders.find(sender.uri);
    if (known != followed.senders.end()) return known->second;
    if (followed.senders.size() >= kMaxSenders) return 0;
    followed.senders[sender.uri] = ++last_serial_;
    told_({.key = {.session = session},
           .kind = CopyEvent::Kind::Sender,
           .reason = {},
           .from = from,
           .uri = sender.uri,
           .name = sender.name.substr(0, kMaxSenderNameBytes),
           .serial = last_serial_});
    return last_serial_;
}

// Also where nobody records just now: then nobody is told.
bool Copies::is_party(SessionId session, std::string_view uri) const {
    bool has_lines = false;
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        has_lines = has_lines || at->second->copy.is_taking();
        for (const std::string& party : at->second->setup.parties)
            if (mime::is_same_user(uri_of(party), uri)) return true;
    }
    return !has_lines;
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
    if (open->second.cpim_head) settle_sender(session, key.first, open->second, nullptr);
    const auto total = is_whole ? open->second.total : std::nullopt;
    const Side from = key.first;
    followed.open.erase(open);
    each(session, from, [&](Copy& copy) { copy.end(number, total); });
}

void Copies::on_other(base::Now now, SessionId session, Side from, const msrp::Head& head,
                      std::string_view body) {
    const auto forward = [&](const std::string& answered = {}) {
        const std::string text = text_of(head, body);
        each(session, from,
             [&](Copy& copy) { copy.forward(now, from, text, std::nullopt, answered); });
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
    if (asked != followed.asked.end()) {
        std::string& known = followed.nicknames[index_of(other(from))];
        if (head.status < kFirstError && known != asked->second) {
            known = asked->second;
            followed.nickname_serials[index_of(other(from))] = ++last_serial_;
            told_({.key = {.session = session},
                   .kind = CopyEvent::Kind::Nickname,
                   .reason = {},
                   .from = other(from),
                   .name = known,
                   .serial = last_serial_});
        }
        followed.asked.erase(asked);
        return forward();
    }
    if (head.status >= kFirstError) forward(answered_by(followed, from, head));
}

// The Message-ID of the SEND; empty: it is not known.
std::string Copies::answered_by(const Followed& followed, Side from, const msrp::Head& answer) {
    const auto& sends = followed.sends[index_of(other(from))];
    const auto found = std::find_if(sends.rbegin(), sends.rend(), [&](const auto& send) {
        return send.first == answer.transaction;
    });
    return found == sends.rend() ? std::string{} : found->second;
}

void Copies::on_file_left_out(base::Now now, const std::vector<CopyKey>& chats, MessageFacts facts,
                              std::optional<std::uint64_t> size) {
    facts.at = now.wall;
    for (const CopyKey& key : chats) {
        Line* line = find(key);
        if (line == nullptr || !line->copy.is_taking() || !line->copy.takes_notices()) continue;
        line->copy.leave_out(now, ++last_message_, facts, size);
        dirty_.insert(key);
        return;
    }
}

bool Copies::on_message(base::Now now, SessionId session, const RoomMessage& message,
                        base::ByteView content, bool is_whole) {
    bool is_taken = false;
    bool is_kept = false;
    const Copy::MessageNumber number = ++last_message_;
    const auto total = is_whole ? std::optional<std::uint64_t>(content.size()) : std::nullopt;
    each_that_takes(session, message, [&](Copy& copy) {
        copy.begin(now, number, message.facts);
        copy.content(now, number, 0, content);
        copy.end(number, total);
        is_taken = true;
        is_kept = is_kept || copy.has(number);
    });
    return is_kept || !is_taken;
}

// One copy that has room is enough: a server that is slow does not make others wait.
bool Copies::has_room(SessionId session) const {
    bool is_taken = false;
    for (auto at = lines_.lower_bound({session, 0});
         at != lines_.end() && at->first.session == session; ++at) {
        const Copy& copy = at->second->copy;
        if (!copy.is_taking()) continue;
        if (!copy.is_full()) return true;
        is_taken = true;
    }
    return !is_taken;
}

void Copies::on_left_out(base::Now now, SessionId session, const RoomMessage& message,
                         std::optional<std::uint64_t> size) {
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
