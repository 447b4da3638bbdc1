#include "chat/guests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "chat/overlap.h"
#include "mime/cpim.h"
#include "mime/same_user.h"

namespace earshot::chat {

using base::Reason;

namespace {

constexpr std::string_view kCpim = "message/cpim";
constexpr std::string_view kPlain = "text/plain";

// Octets from the first one on, without a hole.
base::ByteView beginning(const base::Bytes& content, const msrp::ReceivedRanges& received) {
    const auto& ranges = received.ranges();
    const bool has_begin = !ranges.empty() && ranges[0].begin == 0;
    const std::size_t size = has_begin ? static_cast<std::size_t>(ranges[0].end) : 0;
    return base::ByteView(content).first(std::min(size, content.size()));
}

// When a login has to be renewed that ends after `lifetime`.
std::chrono::seconds time_to_renew(std::chrono::seconds lifetime) {
    return lifetime > 2 * kRelayAhead ? lifetime - kRelayAhead
                                      : std::max(lifetime / 2, kRelayLeast);
}

auto find_refused(std::deque<std::pair<std::string, Refusal>>& refused,
                  const std::string& message_id) {
    return std::find_if(refused.begin(), refused.end(),
                        [&](const auto& one) { return one.first == message_id; });
}

}  // namespace

Guests::Guests(Network& network, base::Random& random, Copies* copies, Told told)
    : network_(network),
      random_(random),
      copies_(copies),
      told_(std::move(told)),
      links_(network) {}

Guests::~Guests() = default;

Guests::Guest* Guests::find(SessionId session) {
    const auto found = guests_.find(session);
    return found == guests_.end() ? nullptr : found->second.get();
}

void Guests::tell(SessionId session, GuestEvent::Kind kind, Reason reason) {
    told_({.session = session,
           .kind = kind,
           .is_lost = false,
           .use_path = {},
           .reason = std::move(reason)});
}

void Guests::tell_not_taken(base::Now now, SessionId session, std::string_view why) {
    if (!find(session)->faults.add(now.steady)) return;
    tell(session, GuestEvent::Kind::NotTaken,
         {"message_not_taken",
          fmt::format("A message is recorded in part or not at all: {}.", why)});
}

void Guests::tell_rest(SessionId session, std::size_t messages) {
    if (messages == 0) return;
    tell(session, GuestEvent::Kind::NotTaken,
         {"more_not_recorded",
          fmt::format("{} further messages are recorded in part or not at all.", messages)});
}

// ---- sessions -----------------------------------------------------------------------------------

Guests::Guest& Guests::make(SessionId session) {
    auto& guest = guests_[session];
    if (guest == nullptr) guest = std::make_unique<Guest>(random_);
    return *guest;
}

void Guests::log_in(base::Now now, SessionId session, GuestRelay relay) {
    Guest& guest = make(session);
    guest.setup.own = relay.own;
    links_.set_own(session, relay.own);
    const base::NetAddress to = relay.connect_to;
    const std::string tls_name = relay.uri.is_secure ? relay.uri.host : std::string{};
    guest.login = std::make_unique<Login>(std::move(relay), random_);
    guest.login->until = now.steady + kRelayPatience;
    if (!links_.connect(now, session, to, tls_name))
        fail_login(now, session, {"relay_unreachable", "No connection to the MSRP relay is made."});
}

void Guests::set(base::Now now, SessionId session, GuestSetup setup) {
    Guest& guest = make(session);
    const bool is_new_own = !is_same(guest.setup.own, setup.own);
    const bool is_other = guest.has_ended || is_new_own ||
                          to_string(guest.setup.peer.path) != to_string(setup.peer.path) ||
                          guest.setup.peer.fingerprints != setup.peer.fingerprints;
    // At a relay the connection is the relay's, whoever the peer is.
    if (is_new_own || (is_other && guest.login == nullptr)) unbind(now, session, guest);
    if (is_other) {
        forget_open(now, session, guest);
        guest.ended.clear();  // its Message-IDs are its own
    }
    guest.setup = std::move(setup);
    links_.set_own(session, guest.setup.own);
    if (!is_other) return;
    guest.has_ended = false;
    guest.is_connected = false;
    if (guest.login == nullptr)
        connect(now, session, guest);
    else if (guest.setup.peer.connect_to)
        say_hello(now, session, guest);
}

void Guests::set_members(SessionId session, std::vector<GuestMember> members) {
    if (Guest* guest = find(session); guest != nullptr) guest->members = std::move(members);
}

void Guests::close(base::Now now, SessionId session) {
    Guest* guest = find(session);
    if (guest == nullptr) return;
    tell_rest(session, guest->faults.take_rest());
    unbind(now, session, *guest);
    links_.forget(session);
    guests_.erase(session);
}

// What can be said only once is said: the session is no more, its copies are.
void Guests::end(base::Now now, SessionId session, Reason reason) {
    Guest* guest = find(session);
    if (guest == nullptr || std::exchange(guest->has_ended, true)) return;
    note_missing(now, session, guest->gap ? guest->gap->since.wall : now.wall);
    guest->gap.reset();
    unbind(now, session, *guest);
    guest->login.reset();
    links_.forget(session);
    tell_rest(session, guest->faults.take_rest());
    tell(session, GuestEvent::Kind::Ended, std::move(reason));
}

void Guests::fail_login(base::Now now, SessionId session, Reason reason) {
    close(now, session);
    tell(session, GuestEvent::Kind::NotLoggedIn, std::move(reason));
}

// ---- connections --------------------------------------------------------------------------------

void Guests::connect(base::Now now, SessionId session, Guest& guest) {
    const Peer& peer = guest.setup.peer;
    if (!peer.connect_to) return;
    const bool is_secure = guest.setup.own.is_secure;
    if (!links_.connect(now, session, *peer.connect_to,
                        is_secure ? peer.path.front().host : std::string{}) &&
        !guest.gap)
        end(now, session,
            {"chat_not_connected", "No connection for the chat can be made to the conference."});
}

void Guests::say_hello(base::Now now, SessionId session, Guest& guest) {
    const ConnectionId connection = links_.connection_of(session);
    if (connection == 0 || guest.setup.peer.path.empty()) return;
    guest.hello = random_.token(8);
    guest.hello_until = now.steady + msrp::kResponseTime;
    network_.send(connection,
                  empty_send(random_, guest.hello, guest.setup.peer.path, guest.setup.own));
}

void Guests::on_open(base::Now now, ConnectionId id, bool is_tls) {
    const auto session = links_.on_open(now, id, is_tls);
    if (!session) return;
    Guest& guest = *find(*session);
    // Nothing is said to who is not the one that was named (RFC 4975 section 14.4).
    const bool is_at_relay = guest.login != nullptr;
    if (links_.find(id)->is_tls) {
        static const std::vector<base::CertificateFingerprint> by_name;
        auto fault = network_.find_fault(id, is_at_relay ? by_name : guest.setup.peer.fingerprints);
        if (fault)
            return is_at_relay ? fail_login(now, *session, *std::move(fault))
                               : end(now, *session, *std::move(fault));
    }
    if (is_at_relay)
        network_.send(id, guest.login->login.begin().bytes);
    else
        say_hello(now, *session, guest);
}

// False: it is somebody else's, or another connection has it.
bool Guests::bind(base::Now now, Connection& connection, SessionId session) {
    if (connection.bound.contains(session)) return true;
    Guest& guest = *find(session);
    if (guest.login != nullptr) return false;
    const bool is_secure = guest.setup.own.is_secure;
    if (is_secure != connection.is_tls) return false;
    if (is_secure && network_.find_fault(connection.id, guest.setup.peer.fingerprints))
        return false;
    if (links_.bind(connection, session) == Links::Bound::Elsewhere) return false;
    become_connected(now, session, guest);
    return true;
}

void Guests::become_connected(base::Now now, SessionId session, Guest& guest) {
    guest.hello.clear();
    if (std::exchange(guest.is_connected, true)) return;
    guest.connected_at = now.steady;
    tell(session, GuestEvent::Kind::Connected);
    close_gap(now, session, guest);
    if (const std::string line = std::exchange(guest.waiting, {}); !line.empty())
        send_line(now, guest, line);
    pump(now, session);
}

// Its connection, if it is nobody else's, is closed.
void Guests::unbind(base::Now now, SessionId session, Guest& guest) {
    forget_open(now, session, guest);
    guest.hello.clear();
    guest.is_connected = false;
    // What has not arrived is said to who comes next.
    if (!guest.lines.empty()) guest.waiting = guest.said;
    guest.lines.clear();
    guest.sender.emplace(random_);
    links_.unbind(now, session);
}

void Guests::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    links_.feed(id, bytes, [&](Connection& connection, msrp::StreamEvent event) {
        take(now, connection, std::move(event));
    });
    Connection* connection = links_.find(id);
    if (connection == nullptr) return;
    const std::set<SessionId> bound = connection->bound;
    for (const SessionId session : bound) pump(now, session);
    links_.hold_back(id);
    hold_back(id);
}

bool Guests::has_room(const Connection& connection) const {
    return copies_ == nullptr ||
           std::all_of(connection.bound.begin(), connection.bound.end(),
                       [this](SessionId session) { return copies_->has_room(session); });
}

void Guests::hold_back(ConnectionId id) {
    Connection* connection = links_.find(id);
    if (connection == nullptr || has_room(*connection)) return;
    links_.stop_reading(*connection);
    held_.insert(id);
}

void Guests::read_on() {
    for (auto at = held_.begin(); at != held_.end();) {
        Connection* connection = links_.find(*at);
        if (connection != nullptr && !has_room(*connection)) {
            ++at;
            continue;
        }
        at = held_.erase(at);
        if (connection == nullptr) continue;
        links_.read_on(*connection);
        links_.hold_back(connection->id);
    }
}

void Guests::on_writable(base::Now now, ConnectionId id) {
    Connection* connection = links_.find(id);
    if (connection == nullptr) return;
    if (!held_.contains(id)) links_.read_on(*connection);
    const std::set<SessionId> bound = connection->bound;
    for (const SessionId session : bound) pump(now, session);
}

void Guests::on_closed(base::Now now, ConnectionId id) {
    drop(now, id, {"chat_connection_lost", "The connection for the chat was closed."});
}

void Guests::drop(base::Now now, ConnectionId id, const Reason& reason) {
    const Links::Lost lost = links_.drop(id);
    for (const SessionId session : lost.bound) lose(now, session, reason);
    if (lost.connecting)
        lose(now, *lost.connecting,
             {"chat_not_connected", "The conference does not take the connection for the chat."});
}

void Guests::lose(base::Now now, SessionId session, const Reason& reason) {
    Guest* guest = find(session);
    if (guest == nullptr) return;
    if (guest->login != nullptr && !guest->login->is_in)
        fail_login(now, session,
                   {"relay_unreachable", "The MSRP relay does not take the connection."});
    else if (guest->login == nullptr && (guest->is_connected || guest->gap))
        open_gap(now, session, *guest, reason);
    else
        end(now, session, reason);
}

// ---- a connection that is lost ------------------------------------------------------------------

// RFC 4975 section 5.4 ends the session with it; a focus may keep it all the same (our rooms do),
// and if not says so by 481. Where the focus connects it is waited for. Behind a relay the path
// that it was told is gone with the login.
void Guests::open_gap(base::Now now, SessionId session, Guest& guest, const Reason& reason) {
    unbind(now, session, guest);
    if (guest.gap) return;  // one more attempt has failed
    // One that lasts only moments each time is not made anew at once each time.
    if (now.steady - guest.connected_at >= kLongestRejoin) guest.rejoin_wait = kFirstRejoin;
    guest.gap = Gap{.since = now, .reason = reason, .retry_at = now.steady + guest.rejoin_wait};
    told_(
        {.session = session,
         .kind = GuestEvent::Kind::NotTaken,
         .is_lost = true,
         .use_path = {},
         .reason = {reason.code,
                    reason.text + " What is written is not recorded until there is another one."}});
}

void Guests::close_gap(base::Now now, SessionId session, Guest& guest) {
    if (!guest.gap) return;
    const Gap gap = *std::exchange(guest.gap, std::nullopt);
    note_missing(now, session, gap.since.wall);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.steady - gap.since.steady);
    tell(session, GuestEvent::Kind::NotTaken,
         {"chat_gap", fmt::format("What was written in the chat from {} on, for {} ms, may be "
                                  "missing: {}",
                                  base::to_rfc3339(gap.since.wall), ms.count(), gap.reason.text)});
}

// In the recording itself: from then on messages may be missing.
void Guests::note_missing(base::Now now, SessionId session, base::WallTime from) {
    if (copies_ == nullptr) return;
    Copies::RoomMessage notice{.begun = copies_->begin_message()};
    notice.facts.from = Side::B;
    notice.facts.at = from;
    copies_->on_left_out(now, session, notice, std::nullopt);
}

void Guests::try_again(base::Now now, SessionId session, Guest& guest) {
    Gap& gap = *guest.gap;
    if (now.steady - gap.since.steady >= kRejoinTime) return end(now, session, gap.reason);
    if (gap.retry_at > now.steady) return;
    guest.rejoin_wait = std::min<std::chrono::milliseconds>(2 * guest.rejoin_wait, kLongestRejoin);
    gap.retry_at = now.steady + guest.rejoin_wait;
    connect(now, session, guest);  // unless one is on its way
}

void Guests::on_time(base::Now now) {
    for (const ConnectionId id : links_.overdue(now)) {
        network_.close(id);
        drop(now, id,
             {"chat_not_connected", "The conference does not take the connection for the chat."});
    }
    std::vector<SessionId> all;
    for (const auto& [session, guest] : guests_) all.push_back(session);
    for (const SessionId session : all) {
        Guest& guest = *find(session);
        tell_rest(session, guest.faults.take_due(now.steady));
        forget_silent(now, session, guest);
        // Who is not read cannot be late.
        if (held_.contains(links_.connection_of(session)))
            guest.deaf_until = now.steady + kDeafTime;
        if (now.steady < guest.deaf_until) continue;
        guest.sender->on_time(now.steady);
        pump(now, session);
        if (find(session) == nullptr) continue;
        if (!guest.hello.empty() && guest.hello_until <= now.steady)
            lose(now, session, {"chat_no_answer", "The conference does not answer in the chat."});
        if (find(session) == nullptr) continue;
        if (guest.gap) try_again(now, session, guest);
        Login* login = guest.login.get();
        if (login == nullptr) continue;
        if (login->renew_at && *login->renew_at <= now.steady) {
            login->renew_at.reset();
            login->until = now.steady + kRelayPatience;
            network_.send(links_.connection_of(session), login->login.begin().bytes);
        } else if (login->until != base::TimePoint{} && login->until <= now.steady) {
            const Reason silent{"relay_silent", "The MSRP relay does not answer."};
            login->is_in ? end(now, session, silent) : fail_login(now, session, silent);
        }
    }
}

// ---- what comes in ------------------------------------------------------------------------------

void Guests::take(base::Now now, Connection& connection, msrp::StreamEvent event) {
    if (auto* head = std::get_if<msrp::Head>(&event))
        return begin(now, connection, std::move(*head));
    if (const auto* piece = std::get_if<msrp::BodyPiece>(&event)) {
        if (connection.incoming && connection.incoming->is_content)
            add_content(now, connection, *connection.incoming, piece->bytes);
        return;
    }
    if (const auto* end = std::get_if<msrp::MessageEnd>(&event))
        return finish(now, connection, end->continuation);
    // No MSRP: nobody can tell where the next request begins.
    const ConnectionId id = connection.id;
    network_.close(id);
    drop(now, id, {"chat_no_msrp", "What comes in the chat is no MSRP."});
}

void Guests::begin(base::Now now, Connection& connection, msrp::Head head) {
    // We are no relay: our URI is the only one of To-Path.
    const auto session =
        head.to_path.size() == 1 ? links_.place_of(head.to_path.front()) : std::nullopt;
    connection.incoming.reset();
    if (!head.is_request()) {
        if (session && connection.bound.contains(*session)) on_response(now, *session, head);
        return;
    }
    connection.incoming = Incoming{};
    Incoming& incoming = *connection.incoming;
    incoming.head = std::move(head);
    const msrp::Head& known = incoming.head;
    const auto refuse = [&](int status, std::string_view phrase) {
        incoming.refusal = {status, phrase};
    };
    if (!known.fault.empty()) return refuse(kBad, known.fault);
    if (!session) return refuse(kNoSession, "No such session");
    if (!bind(now, connection, *session))
        return refuse(kOtherConnection, "The session is bound to another connection");
    incoming.from = *session;
    // Through a relay of ours, and who speaks first is the focus.
    Guest& guest = *find(*session);
    if (guest.login != nullptr && guest.hello.empty() && !guest.setup.peer.path.empty())
        become_connected(now, *session, guest);
    if (known.method == "SEND") {
        if (!known.content_type.empty()) begin_content(now, incoming);
    } else if (known.method == "REPORT") {
        guest.sender->on_report(known);
    } else {
        refuse(kBadMethod, "Unknown method");
    }
}

void Guests::on_response(base::Now now, SessionId session, const msrp::Head& head) {
    Guest& guest = *find(session);
    if (guest.login != nullptr)
        if (const auto step = guest.login->login.on_response(head))
            return on_login_step(now, session, *step);
    if (guest.hello.empty() || head.transaction != guest.hello)
        return guest.sender->on_response(head);
    // A relay of ours answers for itself; what the peer does not take comes as a REPORT.
    if (head.status < kFirstError) return become_connected(now, session, guest);
    end(now, session,
        {"chat_refused", fmt::format("The conference has no session for us in its chat: {} {}.",
                                     head.status, head.comment)});
}

void Guests::on_login_step(base::Now now, SessionId session, const msrp::RelayLogin::Step& step) {
    Guest& guest = *find(session);
    Login& login = *guest.login;
    if (const auto* ask = std::get_if<msrp::RelayLogin::Ask>(&step)) {
        login.until = now.steady + kRelayPatience;
        network_.send(links_.connection_of(session), ask->bytes);
        return;
    }
    if (const auto* refused = std::get_if<msrp::RelayLogin::Refused>(&step)) {
        const std::string what = refused->status == 0
                                     ? refused->comment
                                     : fmt::format("{} {}", refused->status, refused->comment);
        const Reason reason{"relay_refused",
                            fmt::format("The MSRP relay does not let us in: {}.", what)};
        return login.is_in ? end(now, session, reason) : fail_login(now, session, reason);
    }
    const auto& in = std::get<msrp::RelayLogin::LoggedIn>(step);
    login.until = {};
    if (in.lifetime) login.renew_at = now.steady + time_to_renew(*in.lifetime);
    // Once more: the path that the conference was told stays the one that it uses.
    if (std::exchange(login.is_in, true)) return;
    login.use_path = in.use_path;
    told_({.session = session,
           .kind = GuestEvent::Kind::LoggedIn,
           .is_lost = false,
           .use_path = in.use_path,
           .reason = {}});
}

// A chunk of a message: the first one, or one more.
void Guests::begin_content(base::Now now, Incoming& incoming) {
    Guest& guest = *find(*incoming.from);
    const msrp::Head& head = incoming.head;
    incoming.at = head.byte_range ? head.byte_range->start - 1 : 0;
    incoming.is_content = true;
    if (const auto refused = find_refused(guest.refused, head.message_id);
        refused != guest.refused.end()) {
        incoming.refusal = refused->second;
        return;
    }
    auto known = guest.open.find(head.message_id);
    if (known == guest.open.end()) {
        // Messages that never end must not keep others from being recorded.
        if (guest.open.size() >= kMaxOpenMessages)
            give_up(now, *incoming.from,
                    std::min_element(
                        guest.open.begin(), guest.open.end(),
                        [](const auto& a, const auto& b) { return a.second.last < b.second.last; }),
                    {kTooLarge, "too many are under way"});
        known = guest.open.try_emplace(head.message_id).first;
        Open& open = known->second;
        open.at = now.wall;
        if (copies_ != nullptr) open.begun = copies_->begin_message();
        open.content_type = head.content_type;
        std::size_t octets = 0;
        for (const auto& [name, value] : head.others) {
            if (!base::istarts_with(name, "Content-")) continue;
            octets += name.size() + value.size();
            if (octets <= kMaxMimeHeaderBytes) open.mime_headers.emplace_back(name, value);
        }
    }
    known->second.last = now.steady;
}

// What has come of it is recorded, as cut; what still comes is refused.
void Guests::give_up(base::Now now, SessionId session, OpenMessages::iterator open, Refusal why) {
    Guest& guest = *find(session);
    record(now, session, open->first, open->second, false);
    guest.refused.emplace_back(open->first, why);
    if (guest.refused.size() > kMaxEndedInGuest) guest.refused.pop_front();
    forget(guest, open);
    tell_not_taken(now, session, why.phrase);
}

// Whose sender has nothing more to say of it.
void Guests::forget_silent(base::Now now, SessionId session, Guest& guest) {
    for (auto at = guest.open.begin(); at != guest.open.end();) {
        const auto open = at++;
        if (now.steady - open->second.last < kMaxRoomSilence) continue;
        give_up(now, session, open, {kTimeout, "nothing more of it came for too long"});
    }
}

void Guests::add_content(base::Now now, Connection& connection, Incoming& incoming,
                         base::ByteView bytes) {
    Guest& guest = *find(*incoming.from);
    const auto found = guest.open.find(incoming.head.message_id);
    if (found != guest.open.end() && incoming.refusal.status == 0) {
        found->second.last = now.steady;
        incoming.refusal = keep(incoming, guest, found->second, bytes);
        if (incoming.refusal.status != 0) give_up(now, *incoming.from, found, incoming.refusal);
    }
    incoming.at += bytes.size();
    // Who is to stop is told at once (RFC 4975 section 7.3.1): it has '#' for that.
    if (incoming.refusal.status != kTooLarge || std::exchange(incoming.is_answered, true)) return;
    send_answer(network_, connection.id, incoming.head, incoming.refusal);
}

Refusal Guests::keep(const Incoming& incoming, Guest& guest, Open& open, base::ByteView bytes) {
    const Refusal too_large{kTooLarge, "it is larger than a=max-size"};
    const std::size_t most = guest.setup.max_bytes;
    if (incoming.at >= most) return too_large;
    // Its beginning is worth having.
    const auto room = static_cast<std::size_t>(most - incoming.at);
    const bool is_too_large = bytes.size() > room;
    bytes = bytes.first(std::min(bytes.size(), room));
    const std::uint64_t end = incoming.at + bytes.size();
    if (open.total && end > *open.total) return {kBad, "it has octets behind its end"};
    if (differs(open.content, open.received, incoming.at, bytes))
        return {kBad, "it has octets twice that differ"};
    const std::size_t before = open.content.size();
    const std::size_t more = end > before ? static_cast<std::size_t>(end) - before : 0;
    // Of a session as of a room; where all bring more, as of a member: nobody silences others.
    const std::size_t share =
        open_ + more > kMaxRoomOpenBytes ? kMaxMemberOpenBytesThen : kMaxRoomOpenBytesOfOne;
    if (guest.open_bytes + more > share) return {kTooLarge, "there is no room for it now"};
    msrp::ReceivedRanges received = open.received;
    if (!received.add(incoming.at, end) || received.end() - received.count() > kMaxRoomHoleBytes)
        return {kTooLarge, "it has too many or too large holes"};
    open.received = std::move(received);
    open_ += more;
    guest.open_bytes += more;
    if (more > 0) open.content.resize(static_cast<std::size_t>(end));
    std::copy(bytes.begin(), bytes.end(),
              open.content.begin() + static_cast<std::ptrdiff_t>(incoming.at));
    return is_too_large ? too_large : Refusal{};
}

void Guests::finish(base::Now now, Connection& connection, msrp::Continuation continuation) {
    if (!connection.incoming) return;
    Incoming incoming = *std::exchange(connection.incoming, std::nullopt);
    // Its session has ended meanwhile.
    if (incoming.from && find(*incoming.from) == nullptr) return;
    if (incoming.is_content) return finish_chunk(now, connection, incoming, continuation);
    if (incoming.refusal.status != 0)
        return send_answer(network_, connection.id, incoming.head, incoming.refusal);
    send_ok(network_, connection.id, incoming.head);
}

void Guests::finish_chunk(base::Now now, Connection& connection, Incoming& incoming,
                          msrp::Continuation continuation) {
    const SessionId session = *incoming.from;
    Guest& guest = *find(session);
    const msrp::Head& head = incoming.head;
    const auto found = guest.open.find(head.message_id);
    std::uint64_t octets = 0;
    bool is_whole = false;
    if (found != guest.open.end() && incoming.refusal.status == 0) {
        Open& open = found->second;
        // The last chunk fixes the size; it may come before others.
        if (continuation == msrp::Continuation::Complete) {
            const bool is_other = open.total && *open.total != incoming.at;
            if (is_other || open.received.end() > incoming.at)
                incoming.refusal = {kBad, "it ends before octets that have come"};
            open.total = incoming.at;
        }
        is_whole = open.total && open.received.is_whole(*open.total);
        // Before it is answered: who has its answer finds it in the recording.
        if (incoming.refusal.status != 0) {
            give_up(now, session, found, incoming.refusal);
        } else if (is_whole) {
            octets = *open.total;
            incoming.refusal = complete(now, session, found);
        } else if (continuation == msrp::Continuation::Aborted) {
            // Under its Message-ID it may come again, whole.
            record(now, session, head.message_id, open, false);
            forget(guest, found);
        }
    } else if (incoming.refusal.status == 0) {
        // It has been given up while this chunk came.
        const auto refused = find_refused(guest.refused, head.message_id);
        incoming.refusal = refused == guest.refused.end()
                               ? Refusal{kTimeout, "it has been given up"}
                               : refused->second;
    }
    if (incoming.refusal.status != 0) {
        const auto refused = find_refused(guest.refused, head.message_id);
        // Nothing more of it comes.
        if (continuation != msrp::Continuation::More && refused != guest.refused.end())
            guest.refused.erase(refused);
        if (!incoming.is_answered) send_answer(network_, connection.id, head, incoming.refusal);
        return;
    }
    send_ok(network_, connection.id, head);
    if (is_whole && head.success_report)
        send_success_report(network_, random_, connection.id, head, octets);
}

// Recorded, unless that has come before under its Message-ID.
Refusal Guests::complete(base::Now now, SessionId session, OpenMessages::iterator open) {
    Guest& guest = *find(session);
    const std::string_view text = base::as_text(open->second.content);
    Ended ended{
        .id = open->first, .size = text.size(), .hash = std::hash<std::string_view>{}(text)};
    const bool is_repeated =
        std::find(guest.ended.begin(), guest.ended.end(), ended) != guest.ended.end();
    const bool is_kept = is_repeated || record(now, session, open->first, open->second, true);
    forget(guest, open);
    if (!is_kept) {
        const Refusal full{kTooLarge, "there is no room for it now"};
        tell_not_taken(now, session, full.phrase);
        return full;
    }
    if (!is_repeated) guest.ended.push_back(std::move(ended));
    if (guest.ended.size() > kMaxEndedInGuest) guest.ended.pop_front();
    return {};
}

void Guests::forget(Guest& guest, OpenMessages::iterator open) {
    open_ -= open->second.content.size();
    guest.open_bytes -= open->second.content.size();
    guest.open.erase(open);
}

void Guests::forget_open(base::Now now, SessionId session, Guest& guest) {
    for (const auto& [id, open] : guest.open) record(now, session, id, open, false);
    while (!guest.open.empty()) forget(guest, guest.open.begin());
    guest.refused.clear();
}

// As a room's own switch has it recorded (Rooms::record): From is who wrote it, To the room. Where
// the message names us instead of the room it is private.
// False: no copy has room for it.
bool Guests::record(base::Now now, SessionId session, const std::string& message_id,
                    const Open& open, bool is_whole) {
    if (copies_ == nullptr) return true;
    const Guest& guest = *find(session);
    MessageFacts facts{.from = Side::B,
                       .message_id = message_id,
                       .content_type = open.content_type,
                       .mime_headers = open.mime_headers,
                       .at = open.at,
                       .nickname = {},
                       .total = open.total};
    const base::ByteView content = beginning(open.content, open.received);
    // The content of a message that was cut in its first octets is nobody's.
    if (content.empty() && !is_whole) return true;
    const bool is_cpim = base::iequals(bare_type(open.content_type), kCpim);
    const auto head = is_cpim ? mime::parse_cpim(base::as_text(content))
                              : base::Result<mime::CpimHead>(base::Error{});
    if (head && head->from) {
        const std::string& uri = head->from->uri;
        std::string name = head->from->name;
        const auto is_it = [&](const std::string& one) { return mime::is_same_user(one, uri); };
        for (const GuestMember& member : guest.members) {
            if (std::none_of(member.uris.begin(), member.uris.end(), is_it)) continue;
            if (!member.name.empty()) name = member.name;
            // An address that many may have is nobody's.
            if (!mime::is_anonymous(uri)) facts.nickname = member.nickname;
            break;
        }
        facts.sender = name_addr(name, uri);
        const bool is_private = std::any_of(head->to.begin(), head->to.end(), [&](const auto& to) {
            return mime::is_same_user(to.uri, guest.setup.address);
        });
        facts.room =
            "<" + (is_private || head->to.empty() ? guest.setup.room : head->to.front().uri) + ">";
    }
    return copies_->on_message(now, session, {.facts = std::move(facts), .begun = open.begun},
                               content, is_whole);
}

// ---- what is said -------------------------------------------------------------------------------

void Guests::say(base::Now now, SessionId session, std::string_view text) {
    Guest* guest = find(session);
    if (guest == nullptr || guest->has_ended) return;
    if (!guest->is_connected) {
        guest->waiting = text.substr(0, kMaxLineBytes);
        return;
    }
    send_line(now, *guest, text.substr(0, kMaxLineBytes));
    pump(now, session);
}

void Guests::send_line(base::Now now, Guest& guest, std::string_view text) {
    guest.said = text;
    const std::string& types = guest.setup.peer.accept_types;
    const bool is_cpim = types.empty() || accepts_type(types, kCpim);
    std::string line = is_cpim ? write_line(guest.setup.address, guest.setup.room, now.wall, text,
                                            guest.setup.name)
                               : std::string(text);
    const msrp::OutgoingNumber number =
        guest.sender->begin({.to = guest.setup.peer.path,
                             .own = guest.setup.own,
                             .message_id = random_.token(8),
                             .content_type = std::string(is_cpim ? kCpim : kPlain),
                             .size = line.size(),
                             .success_report = false,
                             .failure_report = msrp::FailureReport::Yes});
    guest.lines.emplace(number, std::move(line));
}

void Guests::pump(base::Now now, SessionId session) {
    Guest* guest = find(session);
    const ConnectionId connection = links_.connection_of(session);
    if (guest == nullptr || connection == 0) return;
    while (true) {
        auto action = guest->sender->poll_action();
        if (!action) return;
        if (auto* bytes = std::get_if<msrp::Outgoing>(&*action)) {
            network_.send(connection, std::move(bytes->bytes));
        } else if (const auto* want = std::get_if<msrp::WantContent>(&*action)) {
            const auto found = guest->lines.find(want->message);
            if (found == guest->lines.end()) continue;
            const base::ByteView all = base::as_bytes(found->second);
            const auto from = static_cast<std::size_t>(want->offset);
            const std::size_t size = std::min(want->max_bytes, all.size() - from);
            guest->sender->give(now.steady, want->message, all.subspan(from, size),
                                from + size == all.size());
        } else if (const auto* sent = std::get_if<msrp::Sent>(&*action)) {
            guest->lines.erase(sent->message);
        } else if (const auto* failed = std::get_if<msrp::Failed>(&*action)) {
            guest->lines.erase(failed->message);
            // Its user leaves a chat that cannot be told that it is recorded.
            note_missing(now, session, now.wall);
            tell(session, GuestEvent::Kind::NotTold,
                 {"line_refused", fmt::format("The conference does not take the line that tells of "
                                              "the recording: {} {}.",
                                              failed->status, failed->comment)});
        }
    }
}

}  // namespace earshot::chat
