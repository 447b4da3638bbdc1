#include "chat/switch.h"

#include <algorithm>

#include "chat/limits.h"
#include "chat/replies.h"
#include "msrp/limits.h"

namespace earshot::chat {

namespace {

// Begins the names of transactions that are ours: their answers are nobody else's.
constexpr std::string_view kOurs = "earshot.";

}  // namespace

Switch::Switch(Network& network, base::Random& random, Tap* tap, Told told)
    : network_(network), random_(random), tap_(tap), told_(std::move(told)) {}

Switch::~Switch() = default;

Switch::Session* Switch::find(SessionId session) {
    const auto found = sessions_.find(session);
    return found == sessions_.end() ? nullptr : &found->second;
}

Switch::Connection* Switch::find_connection(ConnectionId connection) {
    const auto found = connections_.find(connection);
    return found == connections_.end() ? nullptr : &found->second;
}

// RFC 4975 section 7.3: the URI has to be one that we gave out.
std::optional<Switch::Place> Switch::place_of(const msrp::Uri& own) const {
    const auto found = by_uri_.find(own.session_id);
    if (found == by_uri_.end()) return std::nullopt;
    const auto session = sessions_.find(found->second.session);
    if (session == sessions_.end()) return std::nullopt;
    const auto& known = session->second.ends[index_of(found->second.side)].own;
    if (!known || !is_same(*known, own)) return std::nullopt;
    return found->second;
}

bool Switch::is_claimed(ConnectionId id) const {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return false;
    const Connection& connection = found->second;
    if (!connection.bound.empty()) return true;
    return connection.held && connection.held->to_path.size() == 1 &&
           place_of(connection.held->to_path.front()).has_value();
}

// ---- sessions -----------------------------------------------------------------------------------

void Switch::set_own(base::Now now, SessionId id, Side facing, msrp::Uri own) {
    Session& session = sessions_[id];
    session.id = id;
    by_uri_[own.session_id] = {.session = id, .side = facing};
    session.end(facing).own = std::move(own);
    connect(now, session, facing);
    work(now);
}

void Switch::set_peer(base::Now now, SessionId id, Side side, Peer peer) {
    Session* session = find(id);
    if (session == nullptr || session->has_ended) return;
    End& end = session->end(side);
    const bool is_other =
        !end.peer.path.empty() && (to_string(end.peer.path) != to_string(peer.path) ||
                                   end.peer.fingerprints != peer.fingerprints);
    if (is_other) let_go(now, {.session = id, .side = side});
    if (peer.address.empty()) peer.address = std::move(end.peer.address);
    end.peer = std::move(peer);
    if (is_loop({.session = id, .side = side}))
        return end_session(now, *session,
                           {"chat_loop", "The paths of these parties lead back to this chat."});
    connect(now, *session, side);
    // What has come for it, or from it, can go on, and what is to be said.
    if (const ConnectionId waiting = session->end(other(side)).bound; waiting != 0) wake(waiting);
    for (const auto& [connection, state] : connections_)
        if (state.held && state.bound.empty()) wake(connection);
    say_line(now, *session, side);
    work(now);
}

// A party's path may be a URI of ours: a call that passes twice. It must not come back.
bool Switch::is_loop(const Place& start) const {
    Place at = start;
    for (std::size_t i = 0; i <= sessions_.size(); ++i) {
        const Session& session = sessions_.at(at.session);
        const auto& path = session.ends[at.side == Side::A ? 0 : 1].peer.path;
        const auto next = path.empty() ? std::nullopt : place_of(path.front());
        if (!next) return false;
        if (next->session == start.session) return true;
        at = {.session = next->session, .side = other(next->side)};
    }
    return true;
}

// Where the party listens: as soon as both URIs are known.
void Switch::connect(base::Now now, Session& session, Side side) {
    End& end = session.end(side);
    if (!end.own || end.peer.path.empty() || !end.peer.connect_to) return;
    if (end.bound != 0 || end.connecting != 0 || session.has_ended) return;
    const std::string tls_name = end.own->is_secure ? end.peer.path.front().host : std::string{};
    end.connecting = network_.connect(*end.peer.connect_to, tls_name);
    if (end.connecting == 0)
        return end_session(now, session,
                           {"chat_no_connection", "No more connections can be made for chats."});
    connecting_[end.connecting] = {.session = session.id, .side = side};
    Connection& made = connections_[end.connecting];
    made.id = end.connecting;
    made.since = now.steady;
}

void Switch::close(base::Now now, SessionId id) {
    Session* session = find(id);
    if (session == nullptr) return;
    for (const Side side : {Side::A, Side::B}) {
        let_go(now, {.session = id, .side = side});
        if (session->end(side).own) by_uri_.erase(session->end(side).own->session_id);
    }
    sessions_.erase(id);
    work(now);
}

// The session goes on without that connection; one that belongs to nobody else is closed.
void Switch::let_go(base::Now now, const Place& place) {
    Session* session = find(place.session);
    if (session == nullptr) return;
    End& end = session->end(place.side);
    for (ConnectionId* id : {&end.bound, &end.connecting}) {
        Connection* connection = find_connection(std::exchange(*id, 0));
        if (connection == nullptr) continue;
        const bool is_its_chunk = connection->incoming && connection->incoming->from == place;
        if (is_its_chunk) break_chunk(now, *connection);
        connection->bound.erase(place);
        connection->since = now.steady;
        // What the other party is in the middle of saying to this one is heard no more.
        if (Connection* writer = find_connection(connection->writer);
            writer != nullptr && writer->incoming && writer->incoming->from &&
            writer->incoming->from->session == place.session) {
            network_.send(connection->id, "\r\n" + end_line(writer->incoming->head.transaction,
                                                            msrp::Continuation::Aborted));
            writer->incoming->to = 0;
            free(*connection);
        }
        wake(connection->id);
        connecting_.erase(connection->id);
        if (!connection->bound.empty() || connection->is_lost) continue;
        network_.close(connection->id);
        lose(now, *connection);
    }
    if (tap_ != nullptr) tap_->on_lost(now, place.session, place.side);
}

void Switch::end_session(base::Now now, Session& session, base::Reason reason) {
    if (session.has_ended) return;
    session.has_ended = true;
    for (const Side side : {Side::A, Side::B}) let_go(now, {.session = session.id, .side = side});
    told_({.session = session.id, .kind = SwitchEvent::Kind::Ended, .reason = std::move(reason)});
}

// ---- connections --------------------------------------------------------------------------------

void Switch::on_open(base::Now now, ConnectionId id, bool is_tls) {
    Connection& connection = connections_[id];
    connection.id = id;
    connection.is_tls = is_tls;
    connection.since = now.steady;
    if (const auto place = take_connecting(id)) {
        Session& session = *find(place->session);
        End& end = session.end(place->side);
        if (is_tls)
            if (auto fault = network_.find_fault(id, end.peer.fingerprints)) {
                network_.close(id);
                lose(now, connection);
                end_session(now, session, *std::move(fault));
                return work(now);
            }
        network_.send(id, empty_send(random_, std::string(kOurs) + random_.token(8), end.peer.path,
                                     *end.own));
        bind(now, connection, *place);
    }
    work(now);
}

// Whose connection it was to become; nothing when nobody waits for it any more.
std::optional<Switch::Place> Switch::take_connecting(ConnectionId id) {
    const auto found = connecting_.find(id);
    if (found == connecting_.end()) return std::nullopt;
    const Place place = found->second;
    connecting_.erase(found);
    Session* session = find(place.session);
    if (session == nullptr || session->end(place.side).connecting != id) return std::nullopt;
    session->end(place.side).connecting = 0;
    return place;
}

void Switch::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    Connection* connection = find_connection(id);
    if (connection == nullptr || connection->is_lost) return;
    connection->parser.feed(bytes);
    connection->heard = now.steady;
    wake(id);
    work(now);
}

void Switch::on_writable(base::Now now, ConnectionId id) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    for (const ConnectionId waiter : std::exchange(connection->waiters, {})) wake(waiter);
    // What was to be said while there was no room for it.
    for (const Place& place : connection->bound)
        if (Session* session = find(place.session)) say_line(now, *session, place.side);
    work(now);
}

void Switch::on_closed(base::Now now, ConnectionId id) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    drop(now, *connection);
    work(now);
}

void Switch::drop(base::Now now, Connection& connection) {
    lose(now, connection);
    for (const Place& place : std::exchange(connection.bound, {})) {
        Session* session = find(place.session);
        if (session == nullptr) continue;
        session->end(place.side).bound = 0;
        end_session(
            now, *session,
            {"chat_connection_lost", "A party's connection for the chat was closed or broke."});
    }
    if (const auto place = take_connecting(connection.id))
        end_session(
            now, *find(place->session),
            {"chat_no_connection", "A party takes no connection where it said that it would."});
}

// Whoever waits for it or writes to it goes on without it. It is forgotten at the end of the work.
void Switch::lose(base::Now now, Connection& connection) {
    if (std::exchange(connection.is_lost, true)) return;
    if (Connection* writer = find_connection(connection.writer);
        writer != nullptr && writer->incoming)
        writer->incoming->to = 0;
    connection.writer = 0;
    break_chunk(now, connection);  // what its party was saying ends there
    for (const ConnectionId waiter : std::exchange(connection.waiters, {})) wake(waiter);
    wake(connection.id);
}

// The chunk that comes in breaks off: who gets it is told so (RFC 4975 section 7.1.1).
void Switch::break_chunk(base::Now now, Connection& connection) {
    if (!connection.incoming) return;
    Incoming incoming = std::move(*connection.incoming);
    connection.incoming.reset();
    if (!incoming.is_streamed) return;
    if (tap_ != nullptr && incoming.from)
        tap_->on_chunk_end(now, incoming.from->session, incoming.from->side, incoming.at,
                           msrp::Continuation::Aborted);
    Connection* to = find_connection(incoming.to);
    if (to == nullptr || to->is_lost || to->writer != connection.id) return;
    network_.send(to->id,
                  "\r\n" + end_line(incoming.head.transaction, msrp::Continuation::Aborted));
    free(*to);
}

// Others wait until its chunk has ended, and it does not go on: for them it ends here.
void Switch::give_up_chunk(base::Now now, Connection& connection) {
    const Connection* to = find_connection(connection.incoming->to);
    if (!connection.incoming->is_streamed || to == nullptr || to->writer != connection.id) return;
    if (to->waiters.empty() && to->after.empty()) return;
    Incoming rest{.head = connection.incoming->head};  // what still comes goes nowhere
    break_chunk(now, connection);
    connection.incoming = std::move(rest);
}

bool Switch::has_room(const Connection& to) const {
    return network_.queued_bytes(to.id) + to.after_bytes < kMaxQueuedBytes;
}

void Switch::set_reading(Connection& connection, bool reading) {
    if (connection.is_lost || connection.is_reading == reading) return;
    connection.is_reading = reading;
    network_.set_reading(connection.id, reading);
}

void Switch::write(Connection& to, std::string bytes) {
    if (to.is_lost) return;
    if (to.writer == 0) return network_.send(to.id, std::move(bytes));
    to.after_bytes += bytes.size();
    to.after.push_back(std::move(bytes));
}

// No chunk is going out there any more.
void Switch::free(Connection& target) {
    target.writer = 0;
    for (std::string& bytes : std::exchange(target.after, {}))
        network_.send(target.id, std::move(bytes));
    target.after_bytes = 0;
    for (const ConnectionId waiter : std::exchange(target.waiters, {})) wake(waiter);
}

// ---- what comes in ------------------------------------------------------------------------------

void Switch::work(base::Now now) {
    while (!ready_.empty()) {
        const ConnectionId id = *ready_.begin();
        ready_.erase(ready_.begin());
        Connection* connection = find_connection(id);
        if (connection == nullptr) continue;
        if (connection->is_lost)
            connections_.erase(id);
        else
            pump(now, *connection);
    }
}

void Switch::pump(base::Now now, Connection& connection) {
    while (!connection.is_lost) {
        if (Connection* blocking = find_connection(connection.blocked_on);
            blocking != nullptr && !blocking->is_lost && !has_room(*blocking)) {
            blocking->waiters.insert(connection.id);
            return set_reading(connection, false);
        }
        connection.blocked_on = 0;
        if (connection.held) {
            if (!begin(now, connection)) return set_reading(connection, false);
            continue;
        }
        auto event = connection.parser.poll_event();
        if (!event) break;
        take(now, connection, *std::move(event));
    }
    set_reading(connection, true);
}

void Switch::take(base::Now now, Connection& connection, msrp::StreamEvent event) {
    if (auto* head = std::get_if<msrp::Head>(&event)) {
        connection.held = std::move(*head);
        connection.held_since = now.steady;
        return;
    }
    if (const auto* piece = std::get_if<msrp::BodyPiece>(&event)) {
        if (!connection.incoming) return;
        Incoming& incoming = *connection.incoming;
        if (!incoming.is_streamed) {
            // A SEND without Content-Type has none; the parser bounds those of all others.
            if (incoming.to == 0) return;
            incoming.body += base::as_text(piece->bytes);
            if (incoming.body.size() <= msrp::kMaxOtherBodyBytes) return;
            incoming.to = 0;
            return answer(connection, incoming.head, 400, "missing Content-Type");
        }
        if (tap_ != nullptr)
            tap_->on_content(now, incoming.from->session, incoming.from->side, incoming.at,
                             piece->bytes);
        incoming.at += piece->bytes.size();
        if (incoming.to == 0) return;
        network_.send(incoming.to, std::string(base::as_text(piece->bytes)));
        connection.blocked_on = incoming.to;
        return;
    }
    if (const auto* end = std::get_if<msrp::MessageEnd>(&event))
        return finish(now, connection, end->continuation, end->has_body);
    // No MSRP: nobody can tell where the next request begins.
    network_.close(connection.id);
    drop(now, connection);
}

// The head that is held. False: its other end is not ready.
bool Switch::begin(base::Now now, Connection& connection) {
    const msrp::Head& head = *connection.held;
    const auto discard = [&] {
        connection.incoming = Incoming{.head = std::move(*connection.held)};
        connection.held.reset();
        return true;
    };
    const auto refuse = [&](int status, std::string_view phrase) {
        // Who reads no answers is not read either.
        if (!has_room(connection)) {
            connection.waiters.insert(connection.id);
            return false;
        }
        answer(connection, head, status, phrase);
        return discard();
    };
    // We are no relay: our URI is the only one of To-Path.
    const auto place = head.to_path.size() == 1 ? place_of(head.to_path.front()) : std::nullopt;
    if (!head.is_request()) {
        const bool is_ours = std::string_view(head.transaction).starts_with(kOurs);
        if (!place || is_ours || !head.fault.empty() || !connection.bound.contains(*place))
            return discard();
    } else if (!head.fault.empty()) {
        return refuse(400, head.fault);
    } else if (head.method != "SEND" && head.method != "REPORT" && head.method != "NICKNAME") {
        // RFC 4975 section 7.1. What it holds could not be recorded.
        return refuse(501, "Unknown method");
    } else if (!place || find(place->session)->has_ended ||
               find(place->session)->end(place->side).own->is_secure != connection.is_tls) {
        return refuse(481, "No such session");
    } else if (const Peer& theirs = find(place->session)->end(place->side).peer;
               connection.is_tls && theirs.path.empty()) {
        // Who it has to be comes with its answer.
        if (now.steady - connection.held_since < kPatience) return false;
        return refuse(481, "No such session");
    } else if (!admits(now, connection, *place)) {
        return discard();
    } else if (!bind(now, connection, *place)) {
        return refuse(506, "The session is bound to another connection");
    }
    Session& session = *find(place->session);
    End& end = session.end(other(place->side));
    Connection* to = find_connection(end.bound);
    const bool is_ready = to != nullptr && !end.peer.path.empty();
    if (!is_ready && !head.is_request()) return discard();  // nobody waits for it
    if (!is_ready && now.steady - connection.held_since >= kPatience)
        return refuse(408, "The other party has not connected");
    if (!is_ready) return false;  // woken by its binding, or by time
    const bool is_streamed = head.method == "SEND" && !head.content_type.empty();
    const bool is_taken = is_streamed && to->writer != 0;
    if (is_taken || !has_room(*to)) {
        to->waiters.insert(connection.id);
        return false;
    }
    Incoming incoming{.head = std::move(*connection.held), .from = place, .to = to->id};
    connection.held.reset();
    incoming.is_streamed = is_streamed;
    begin_request(now, connection, std::move(incoming));
    return true;
}

// RFC 4975 section 7.2: an answer goes to the hop before alone, a request all the way.
msrp::Head Switch::as_told(const Incoming& incoming) {
    End& end = find(incoming.from->session)->end(other(incoming.from->side));
    msrp::Head told = incoming.head;
    told.to_path = end.peer.path;
    if (!told.is_request()) told.to_path.resize(1);
    told.from_path = {*end.own};
    return told;
}

void Switch::begin_request(base::Now now, Connection& connection, Incoming incoming) {
    if (incoming.is_streamed) {
        Connection& to = *find_connection(incoming.to);
        to.writer = connection.id;
        network_.send(to.id, write_head(as_told(incoming)) + "\r\n");
        incoming.at = incoming.head.byte_range ? incoming.head.byte_range->start - 1 : 0;
        if (tap_ != nullptr)
            tap_->on_chunk(now, incoming.from->session, incoming.from->side, incoming.head);
    }
    connection.incoming = std::move(incoming);
}

void Switch::finish(base::Now now, Connection& connection, msrp::Continuation continuation,
                    bool has_body) {
    if (!connection.incoming) return;
    Incoming incoming = std::move(*connection.incoming);
    connection.incoming.reset();
    if (incoming.is_streamed && tap_ != nullptr)
        tap_->on_chunk_end(now, incoming.from->session, incoming.from->side, incoming.at,
                           continuation);
    Connection* to = find_connection(incoming.to);
    if (to == nullptr || to->is_lost) return;
    forward(*to, incoming, continuation, has_body);
    connection.blocked_on = to->id;
    if (incoming.is_streamed || tap_ == nullptr) return;
    if (incoming.head.method != "SEND" || !has_body)
        return tap_->on_other(now, incoming.from->session, incoming.from->side, incoming.head,
                              incoming.body);
    // Content without Content-Type breaks the RFC; who gets it reads it all the same.
    tap_->on_chunk(now, incoming.from->session, incoming.from->side, incoming.head);
    const std::uint64_t at = incoming.head.byte_range ? incoming.head.byte_range->start - 1 : 0;
    tap_->on_content(now, incoming.from->session, incoming.from->side, at,
                     base::as_bytes(incoming.body));
    tap_->on_chunk_end(now, incoming.from->session, incoming.from->side, at + incoming.body.size(),
                       continuation);
}

void Switch::forward(Connection& to, Incoming& incoming, msrp::Continuation continuation,
                     bool has_body) {
    const std::string end = end_line(incoming.head.transaction, continuation);
    if (incoming.is_streamed) {
        network_.send(to.id, "\r\n" + end);
        return free(to);
    }
    std::string text = write_head(as_told(incoming));
    if (has_body) text.append("\r\n").append(incoming.body).append("\r\n");
    write(to, text + end);
}

void Switch::answer(Connection& connection, const msrp::Head& head, int status,
                    std::string_view phrase) {
    if (auto text = answer_to(head, status, phrase)) write(connection, *std::move(text));
}

// RFC 4975 section 14.4: who shows another certificate than its SDP names is dropped at once.
bool Switch::admits(base::Now now, Connection& connection, const Place& place) {
    if (!connection.is_tls || connection.bound.contains(place)) return true;
    auto fault =
        network_.find_fault(connection.id, find(place.session)->end(place.side).peer.fingerprints);
    if (!fault) return true;
    told_({.session = place.session,
           .kind = SwitchEvent::Kind::Refused,
           .reason = *std::move(fault)});
    network_.close(connection.id);
    drop(now, connection);
    return false;
}

// False: another connection has it.
bool Switch::bind(base::Now now, Connection& connection, const Place& place) {
    if (connection.bound.contains(place)) return true;
    Session& session = *find(place.session);
    End& end = session.end(place.side);
    if (end.bound != 0) return false;
    end.bound = connection.id;
    connection.bound.insert(place);
    // Ours that is still on its way is not needed.
    if (const ConnectionId late = std::exchange(end.connecting, 0); late != 0 && late != end.bound)
        if (Connection* made = find_connection(late); made != nullptr) {
            connecting_.erase(late);
            network_.close(late);
            lose(now, *made);
        }
    const End& peer = session.end(other(place.side));
    if (peer.bound != 0) {
        wake(peer.bound);
        if (!std::exchange(session.is_told_connected, true))
            told_({.session = session.id, .kind = SwitchEvent::Kind::Connected});
    }
    say_line(now, session, place.side);
    return true;
}

void Switch::on_time(base::Now now) {
    for (auto& [id, connection] : connections_) {
        if (connection.held && now.steady - connection.held_since >= kPatience) wake(id);
        if (connection.incoming && now.steady - connection.heard >= kStallTime)
            give_up_chunk(now, connection);
        if (connection.bound.empty() && now.steady - connection.since >= kUnboundTime &&
            !connection.is_lost) {
            network_.close(id);
            drop(now, connection);
        }
    }
    work(now);
}

// ---- lines of ours ------------------------------------------------------------------------------

void Switch::set_address(SessionId id, Side side, std::string address) {
    if (Session* session = find(id); session != nullptr)
        session->end(side).peer.address = std::move(address);
}

void Switch::say(base::Now now, SessionId id, Side to, std::string_view text) {
    Session* session = find(id);
    if (session == nullptr || session->has_ended) return;
    session->end(to).line = std::string(text.substr(0, kMaxLineBytes));
    say_line(now, *session, to);
}

void Switch::say_line(base::Now now, Session& session, Side side) {
    End& end = session.end(side);
    Connection* connection = find_connection(end.bound);
    if (end.line.empty() || connection == nullptr || end.peer.path.empty() || !end.own) return;
    if (!has_room(*connection)) return;  // who does not read is told nothing
    const std::string text = std::exchange(end.line, {});
    msrp::Head head;
    head.transaction = std::string(kOurs) + random_.token(8);
    head.method = "SEND";
    head.to_path = end.peer.path;
    head.from_path = {*end.own};
    head.message_id = random_.token(8);
    head.failure_report = msrp::FailureReport::No;
    const bool takes_text =
        end.peer.accept_types.empty() || accepts_type(end.peer.accept_types, "text/plain");
    head.content_type = takes_text ? "text/plain;charset=utf-8" : "message/cpim";
    const std::string body =
        takes_text ? text
                   : write_line("sip:recorder@anonymous.invalid", end.peer.address, now.wall, text);
    head.byte_range = msrp::ByteRange{.start = 1, .end = body.size(), .total = body.size()};
    write(*connection, write_head(head) + "\r\n" + body + "\r\n" +
                           end_line(head.transaction, msrp::Continuation::Complete));
}

}  // namespace earshot::chat
