#include "messages/desk.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/json_writer.h"
#include "journal/message_record.h"
#include "messages/audience.h"
#include "messages/limits.h"

namespace earshot::messages {
namespace {

// Questions for durability without an answer, of a recording: the disk has the next part while it
// writes the last. What is less than kAskAfterBytes, receipts of short messages above all, waits
// for the answer before, and is asked for at once.
constexpr std::size_t kMaxQuestions = 8;

journal::MessageOutcome to_outcome(msrp::EndMessage::How how) {
    switch (how) {
        case msrp::EndMessage::How::Complete:
            return journal::MessageOutcome::Complete;
        case msrp::EndMessage::How::Aborted:
            return journal::MessageOutcome::Aborted;
        case msrp::EndMessage::How::TooLarge:
            return journal::MessageOutcome::TooLarge;
        case msrp::EndMessage::How::Lost:
            return journal::MessageOutcome::Lost;
        case msrp::EndMessage::How::Cut:
            return journal::MessageOutcome::Cut;
    }
    return journal::MessageOutcome::Lost;
}

}  // namespace

// What a Receiver may know of the sessions, as its connection sees them.
struct Desk::Connection : msrp::Sessions {
    Connection(Desk& owner, ConnectionId number, const base::NetAddress& peer)
        : desk(owner), id(number), remote(peer), receiver(*this, owner.random_) {}

    std::optional<Found> find(const msrp::Uri& to) override {
        const Session* session = desk.find(to);
        if (session == nullptr) return std::nullopt;
        if (auto fault = desk.find_fault(*session, *this)) {
            refused = {session->setup.key, *std::move(fault)};
            return std::nullopt;
        }
        return Found{.session = session->number,
                     .own = session->setup.own,
                     .max_bytes = session->setup.max_bytes,
                     .takes_content = session->setup.gate->is_open.load(),
                     .is_elsewhere = session->bound != 0 && session->bound != id};
    }

    struct Message {
        SessionKey key;
        std::shared_ptr<Gate> gate;
        std::uint64_t number = 0;  // in the journal
        bool wants_receipt = false;
        bool is_cut = false;  // some of it came behind the closed gate
        // For the live count: what it is. Its first octets, of a message with layers alone.
        bool is_counted = false;
        std::string content_type{};
        std::string begin{};
    };

    Desk& desk;
    ConnectionId id;
    base::NetAddress remote;
    bool is_tls = false;
    bool is_closing = false;
    // Who may not have the session that it asked for just now, and why.
    std::optional<std::pair<SessionKey, base::Reason>> refused{};
    std::set<SessionKey> told_refused{};       // once each
    std::set<msrp::SessionNumber> admitted{};  // of TLS: this peer is who theirs has to be
    bool is_reading = true;
    std::size_t sessions = 0;         // that are bound to it
    base::TimePoint unbound_since{};  // while there are none
    std::size_t undurable = 0;
    std::unordered_map<msrp::MessageNumber, Message> messages;
    msrp::Receiver receiver;
};

Desk::Desk(Network& network, Journal& journal, base::Random& random, base::Log& log,
           bool match_session_id_only)
    : network_(network),
      journal_(journal),
      random_(random),
      log_(log),
      match_session_id_only_(match_session_id_only) {}

Desk::~Desk() = default;

// ---- sessions -----------------------------------------------------------------------------------

Desk::Session* Desk::find(const SessionKey& key) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &sessions_.at(found->second);
}
Desk::Session* Desk::find(msrp::SessionNumber number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : &sessions_.at(found->second);
}
Desk::Session* Desk::find(const msrp::Uri& to) {
    const auto found = sessions_.find(to.session_id);
    if (found == sessions_.end()) return nullptr;
    const bool is_ours = match_session_id_only_ || msrp::is_same(to, found->second.setup.own);
    return is_ours ? &found->second : nullptr;
}

void Desk::open_session(base::Now now, SessionSetup setup) {
    const SessionKey key = setup.key;
    const std::string id = setup.own.session_id;
    Session& session = sessions_[id];
    session.setup = std::move(setup);
    session.number = ++last_session_;
    by_key_[key] = id;
    by_number_[session.number] = id;
    counters_.sessions.store(sessions_.size());
    if (!session.setup.are_we_active) return;
    if (!session.setup.connect_to)
        return tell(now, key, R"("type":"messages_not_connected","reason":"host_not_found")");
    const ConnectionId connection =
        network_.connect(*session.setup.connect_to, session.setup.tls_name);
    if (connection == 0) return tell(now, key, R"("type":"messages_not_connected")");
    session.bound = connection;
    auto& made = connections_[connection];
    made = std::make_unique<Connection>(*this, connection, *session.setup.connect_to);
    made->sessions = 1;
    made->is_tls = !session.setup.tls_name.empty();
}

void Desk::close_session(base::Now now, const SessionKey& key, std::function<void()> done) {
    if (Session* session = find(key); session != nullptr) {
        const auto bound = connections_.find(session->bound);
        if (bound != connections_.end()) {
            Connection& connection = *bound->second;
            connection.receiver.on_session_ended(session->number);
            drain(now, connection);
            if (--connection.sessions == 0) connection.unbound_since = now.steady;
        }
        by_number_.erase(session->number);
        sessions_.erase(by_key_.at(key));
        by_key_.erase(key);
        counters_.sessions.store(sessions_.size());
    }
    if (const auto rest = waiting_.find(key.recording); rest != waiting_.end()) {
        rest->second.wants_answer = true;  // its share of the memory is given back then
        ask(key.recording, rest->second);
    }
    if (backlog_.empty()) return done();
    after_backlog_.push_back(std::move(done));
}

void Desk::on_paused(base::Now now, const SessionKey& key) {
    const Session* session = find(key);
    if (session == nullptr) return;
    const auto bound = connections_.find(session->bound);
    if (bound == connections_.end()) return;
    bound->second->receiver.on_paused(session->number);
    drain(now, *bound->second);
}

// ---- connections --------------------------------------------------------------------------------

void Desk::on_open(base::Now now, ConnectionId id, const base::NetAddress& remote, bool is_tls) {
    auto& place = connections_[id];
    if (place == nullptr) {
        place = std::make_unique<Connection>(*this, id, remote);
        place->is_tls = is_tls;
        place->unbound_since = now.steady;
        return;
    }
    // Of our making: its session is bound by an empty SEND (RFC 4975 section 5.4).
    for (const auto& [session_id, session] : sessions_) {
        if (session.bound != id) continue;
        if (const auto fault = find_fault(session, *place))
            return refuse(now, *place, session.setup.key, *fault);
        tell(now, session.setup.key,
             R"("type":"messages_connected","by":"us","peer":")" + base::to_string(remote) + '"');
        place->receiver.send_empty(session.setup.own, session.setup.peer);
    }
    drain(now, *place);
}

void Desk::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second->is_closing) return;
    Connection& connection = *found->second;
    connection.receiver.on_bytes(bytes);
    drain(now, connection);
    look_at_flow(connection);
}

void Desk::on_closed(base::Now now, ConnectionId id) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    found->second->receiver.on_connection_lost();
    drain(now, *found->second);
    forget(now, *found->second);
}

// Its sessions have failed (RFC 4975 section 5.4); what they get is a new offer. Until then another
// connection may take them: the client may not have noticed that this one is gone.
void Desk::forget(base::Now now, Connection& connection) {
    for (auto& [id, session] : sessions_) {
        if (session.bound != connection.id) continue;
        session.bound = 0;
        tell(now, session.setup.key, R"("type":"messages_disconnected")");
    }
    undurable_ -= connection.undurable;
    connections_.erase(connection.id);
}

void Desk::drain(base::Now now, Connection& connection) {
    while (true) {
        auto action = connection.receiver.poll_action();
        const auto refused = std::exchange(connection.refused, std::nullopt);
        if (refused) refuse(now, connection, refused->first, refused->second);
        if (action)
            std::visit([&](auto& one) { carry_out(now, connection, one); }, *action);
        else if (!refused)
            return;
    }
}

// Why this connection may not have the session (RFC 4975 section 14.4).
std::optional<base::Reason> Desk::find_fault(const Session& session, Connection& connection) {
    const SessionSetup& setup = session.setup;
    if (setup.own.is_secure && !connection.is_tls)
        return base::Reason{"tls_missing", "Plain TCP came where TLS was agreed."};
    if (!setup.own.is_secure && connection.is_tls)
        return base::Reason{"tls_not_agreed", "TLS came where TCP was agreed."};
    if (!setup.own.is_secure || connection.admitted.contains(session.number)) return std::nullopt;
    auto fault = network_.find_fault(connection.id, setup.fingerprints);
    if (!fault) connection.admitted.insert(session.number);
    return fault;
}

// Who it is has been proved wrong: it is dropped at once. What came without TLS, or with it, where
// the other was agreed gets 481 from the receiver: other sessions may share the connection.
void Desk::refuse(base::Now now, Connection& connection, const SessionKey& key,
                  const base::Reason& why) {
    if (connection.told_refused.insert(key).second)
        tell(now, key,
             R"("type":"messages_refused","reason":")" + why.code + R"(","peer":")" +
                 base::to_string(connection.remote) + '"');
    const Session* session = find(key);
    if (session == nullptr || session->setup.own.is_secure != connection.is_tls) return;
    log_.warning(
        "an MSRP connection is closed: it is not whom its session was agreed with",
        {{"peer", base::to_string(connection.remote)}, {"code", why.code}, {"reason", why.text}});
    connection.receiver.on_connection_lost();
    close(now, connection, why.code);
}

void Desk::carry_out(base::Now /*now*/, Connection& connection, msrp::SendBytes& action) {
    network_.send(connection.id, std::move(action.bytes));
}

void Desk::carry_out(base::Now now, Connection& connection, msrp::BindSession& action) {
    Session* session = find(action.session);
    if (session == nullptr || session->bound == connection.id) return;
    session->bound = connection.id;
    ++connection.sessions;
    tell(now, session->setup.key,
         R"("type":"messages_connected","by":"client","peer":")" +
             base::to_string(connection.remote) + '"');
}

void Desk::carry_out(base::Now now, Connection& connection, msrp::BeginMessage& action) {
    const Session* session = find(action.session);
    if (session == nullptr) return;
    Connection::Message& message = connection.messages[action.message];
    message = {.key = session->setup.key,
               .gate = session->setup.gate,
               .number = ++last_message_,
               .wants_receipt = action.head.success_report,
               .is_counted = !action.is_repeated,
               .content_type = action.head.content_type};
    append(now, connection, message.key, journal::RecordType::MessageHead,
           journal::write(journal::MessageHead{.message = message.number,
                                               .is_repeated = action.is_repeated,
                                               .source = connection.remote,
                                               .head = msrp::write_head(action.head)}));
}

void Desk::carry_out(base::Now now, Connection& connection, msrp::MessageContent& action) {
    const auto found = connection.messages.find(action.message);
    // A pause counts from the moment that it was asked for, not from when it got here.
    if (found == connection.messages.end()) return;
    Connection::Message& message = found->second;
    if (!message.gate->is_open.load()) {
        message.is_cut = true;
        return;
    }
    if (action.offset == message.begin.size() && message.begin.size() < kCountedHeadBytes)
        message.begin +=
            base::as_text(action.bytes).substr(0, kCountedHeadBytes - message.begin.size());
    for (std::size_t at = 0; at < action.bytes.size(); at += kMaxContentBytes) {
        const base::ByteView octets =
            action.bytes.subspan(at, std::min(kMaxContentBytes, action.bytes.size() - at));
        append(now, connection, message.key, journal::RecordType::MessageContent,
               journal::write(journal::MessageContent{
                   .message = message.number, .offset = action.offset + at, .octets = octets}));
    }
}

void Desk::carry_out(base::Now now, Connection& connection, msrp::EndMessage& action) {
    const auto found = connection.messages.find(action.message);
    if (found == connection.messages.end()) return;
    const Connection::Message message = std::move(found->second);
    connection.messages.erase(found);
    // It came whole, and not all of it was kept: that gets no receipt.
    if (message.is_cut && action.how == msrp::EndMessage::How::Complete)
        action.how = msrp::EndMessage::How::Cut;
    append(now, connection, message.key, journal::RecordType::MessageEnd,
           journal::write(journal::MessageEnd{.message = message.number,
                                              .outcome = to_outcome(action.how),
                                              .octets = action.octets,
                                              .total = action.total}));
    if (message.is_counted && action.octets > 0 &&
        is_for_people(message.content_type, message.begin))
        message.gate->messages.fetch_add(1);
    if (action.how != msrp::EndMessage::How::Complete) return;
    counters_.messages.fetch_add(1);
    if (!message.wants_receipt) return;
    Waiting& waiting = waiting_[message.key.recording];
    waiting.next.receipts.emplace_back(connection.id, action.message);
    waiting.wants_answer = true;
    ask(message.key.recording, waiting);
}

void Desk::carry_out(base::Now now, Connection& connection, msrp::OtherRequest& action) {
    const Session* session = find(action.session);
    if (session == nullptr || !session->setup.gate->is_open.load()) return;
    append(now, connection, session->setup.key, journal::RecordType::MessageRequest,
           journal::write(journal::MessageRequest{.source = connection.remote,
                                                  .head = msrp::write_head(action.head),
                                                  .body = action.body}));
}

void Desk::carry_out(base::Now /*now*/, Connection& /*connection*/,
                     msrp::ResponseCame& /*action*/) {}

void Desk::carry_out(base::Now now, Connection& connection, msrp::CloseConnection& action) {
    log_.info(
        "an MSRP connection is closed: its octets cannot be followed",
        {{"peer", base::to_string(connection.remote)}, {"reason", std::string(action.reason)}});
    close(now, connection, action.reason);
}

void Desk::close(base::Now now, Connection& connection, std::string_view reason) {
    connection.is_closing = true;
    for (auto& [id, session] : sessions_) {
        if (session.bound != connection.id) continue;
        session.bound = 0;
        tell(now, session.setup.key,
             R"("type":"messages_disconnected","reason":")" + std::string(reason) + '"');
    }
    connection.sessions = 0;
    connection.unbound_since = now.steady;
    network_.close(connection.id);
}

// ---- the journal --------------------------------------------------------------------------------

// `json`: the fields of the event, all of them ours.
void Desk::tell(base::Now now, const SessionKey& key, std::string json) {
    const std::string text = "{" + json + ",\"stream\":" + std::to_string(key.stream) + "}";
    const base::ByteView bytes = base::as_bytes(text);
    append(now, key, journal::RecordType::Event, {bytes.begin(), bytes.end()});
}

void Desk::append(base::Now now, Connection& connection, const SessionKey& key,
                  journal::RecordType type, base::Bytes payload) {
    const std::size_t cost = payload.size() + kRecordCostBytes;
    Waiting::Part& part = waiting_[key.recording].next;
    part.bytes[connection.id] += cost;
    part.size += cost;
    connection.undurable += cost;
    undurable_ += cost;
    append(now, key, type, std::move(payload));
}

void Desk::append(base::Now now, const SessionKey& key, journal::RecordType type,
                  base::Bytes payload) {
    const std::int64_t arrival_ns = base::to_ns(now.wall);
    if (backlog_.empty() && journal_.append(key, type, arrival_ns, payload)) return;
    // Nothing more is read from anybody until these are taken, so they are few.
    if (backlog_.empty())
        for (const auto& [id, connection] : connections_) network_.set_reading(id, false);
    backlog_.push_back({key, type, arrival_ns, std::move(payload)});
}

void Desk::work_off_backlog() {
    if (backlog_.empty()) return;
    while (!backlog_.empty()) {
        Entry& entry = backlog_.front();
        if (!journal_.append(entry.key, entry.type, entry.arrival_ns, entry.payload)) return;
        backlog_.pop_front();
    }
    for (const auto& [id, connection] : connections_) {
        connection->is_reading = !is_full(*connection);
        network_.set_reading(id, connection->is_reading);
    }
    for (const auto& done : std::exchange(after_backlog_, {})) done();
}

void Desk::ask(const base::Uuid& recording, Waiting& waiting) {
    if (!backlog_.empty() || waiting.asked.size() >= kMaxQuestions) return;
    if (!waiting.asked.empty() && waiting.next.size < kAskAfterBytes) return;
    const std::uint64_t token = last_token_ + 1;
    if (!journal_.request_durable(recording, token)) return;  // again by the clock
    last_token_ = token;
    by_token_[token] = recording;
    waiting.asked.push_back(std::exchange(waiting.next, {}));
    waiting.wants_answer = false;
}

bool Desk::is_full(const Connection& connection) const {
    return connection.undurable >= kMaxUndurableBytes ||
           network_.queued_bytes(connection.id) >= kMaxUnreadAnswerBytes ||
           (undurable_ >= kMaxUndurableBytesOfAll && connection.undurable > 0);
}

// After what a connection brought: the disk is asked in time, and waited for, and so is who does
// not read what it is answered.
void Desk::look_at_flow(Connection& connection) {
    if (connection.undurable >= kAskAfterBytes || undurable_ >= kMaxUndurableBytesOfAll) {
        for (auto& [recording, waiting] : waiting_) {
            if (!waiting.next.bytes.contains(connection.id)) continue;
            waiting.wants_answer = true;
            ask(recording, waiting);
        }
    }
    if (!connection.is_reading || !is_full(connection)) return;
    connection.is_reading = false;
    network_.set_reading(connection.id, false);
}

void Desk::on_durable(base::Now now, std::uint64_t token) {
    const auto found = by_token_.find(token);
    if (found == by_token_.end()) return;
    const base::Uuid recording = found->second;
    by_token_.erase(found);
    Waiting& waiting = waiting_.at(recording);
    // Answers come in the order of the questions.
    const Waiting::Part part = std::move(waiting.asked.front());
    waiting.asked.pop_front();
    if (waiting.wants_answer) ask(recording, waiting);
    if (waiting.asked.empty() && waiting.next.is_empty()) waiting_.erase(recording);
    release(now, part);
}

void Desk::release(base::Now now, const Waiting::Part& part) {
    for (const auto& [id, bytes] : part.bytes) {
        const auto at = connections_.find(id);
        if (at == connections_.end()) continue;  // its share was given back when it went
        at->second->undurable -= bytes;
        undurable_ -= bytes;
    }
    for (const auto& [id, message] : part.receipts) {
        const auto at = connections_.find(id);
        if (at == connections_.end()) continue;
        at->second->receiver.on_durable(message);
        drain(now, *at->second);
    }
    read_again();
}

void Desk::read_again() {
    if (!backlog_.empty()) return;
    for (const auto& [id, connection] : connections_) {
        if (connection->is_reading || is_full(*connection)) continue;
        connection->is_reading = true;
        network_.set_reading(id, true);
    }
}

void Desk::on_time(base::Now now) {
    work_off_backlog();
    read_again();
    const bool is_filling = undurable_ >= kMaxUndurableBytesOfAll / 2;
    for (auto& [recording, waiting] : waiting_)
        if (waiting.wants_answer || (is_filling && !waiting.next.is_empty()))
            ask(recording, waiting);
    std::vector<ConnectionId> late;
    for (const auto& [id, connection] : connections_)
        if (connection->sessions == 0 && now.steady - connection->unbound_since >= kUnboundTime)
            late.push_back(id);
    for (const ConnectionId id : late) {
        counters_.unbound_closed.fetch_add(1);
        network_.close(id);
        forget(now, *connections_.at(id));
    }
}

}  // namespace earshot::messages
