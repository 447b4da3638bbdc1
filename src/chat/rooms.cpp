#include "chat/rooms.h"

#include <fmt/format.h>

#include <algorithm>

#include "chat/nickname.h"

namespace earshot::chat {

Rooms::Rooms(Network& network, base::Random& random, Copies* copies, Told told)
    : network_(network), random_(random), copies_(copies), told_(std::move(told)) {
    if (copies_ != nullptr)
        copies_->on_taking([this](base::Now now, const CopyKey& copy, bool takes) {
            on_taking(now, copy, takes);
        });
}

Rooms::~Rooms() {
    if (copies_ != nullptr) copies_->on_taking({});
}

Rooms::Room* Rooms::find(SessionId room) {
    const auto found = rooms_.find(room);
    return found == rooms_.end() ? nullptr : &found->second;
}

Rooms::Member* Rooms::find(const Place& place) {
    Room* room = find(place.room);
    if (room == nullptr) return nullptr;
    const auto found = room->members.find(place.member);
    return found == room->members.end() ? nullptr : found->second.get();
}

Rooms::Connection* Rooms::find_connection(ConnectionId connection) {
    const auto found = connections_.find(connection);
    return found == connections_.end() ? nullptr : &found->second;
}

// RFC 4975 section 7.3: the URI has to be one that we gave out.
std::optional<Rooms::Place> Rooms::place_of(const msrp::Uri& own) const {
    const auto found = by_uri_.find(own.session_id);
    if (found == by_uri_.end()) return std::nullopt;
    const auto room = rooms_.find(found->second.room);
    if (room == rooms_.end()) return std::nullopt;
    const auto member = room->second.members.find(found->second.member);
    if (member == room->second.members.end()) return std::nullopt;
    if (!is_same(member->second->setup.own, own)) return std::nullopt;
    return found->second;
}

void Rooms::tell(const Place& place, RoomEvent::Kind kind, base::Reason reason) {
    told_({.room = place.room, .member = place.member, .kind = kind, .reason = std::move(reason)});
}

// ---- who is there -------------------------------------------------------------------------------

void Rooms::open(SessionId room, RoomSetup setup) { rooms_[room].setup = std::move(setup); }

void Rooms::add_alias(SessionId id, std::string uri) {
    Room* room = find(id);
    if (room == nullptr) return;
    auto& known = room->setup.aliases;
    if (std::find(known.begin(), known.end(), uri) == known.end()) known.push_back(std::move(uri));
}

void Rooms::close(base::Now now, SessionId id) {
    Room* room = find(id);
    if (room == nullptr) return;
    while (!room->members.empty()) remove_member(now, id, room->members.begin()->first);
    rooms_.erase(id);
}

void Rooms::set_member(base::Now now, SessionId id, MemberId number, RoomMember setup) {
    Room* room = find(id);
    if (room == nullptr) return;
    const Place place{.room = id, .member = number};
    auto& member = room->members[number];
    if (member == nullptr) member = std::make_unique<Member>(random_);
    const bool is_other = !is_same(member->setup.own, setup.own) ||
                          to_string(member->setup.peer.path) != to_string(setup.peer.path);
    if (is_other) {
        unbind(now, place, *member);
        by_uri_.erase(member->setup.own.session_id);
        by_uri_[setup.own.session_id] = place;
    }
    member->setup = std::move(setup);
    if (is_other) {
        // Another session, with Message-IDs of its own.
        member->ended.clear();
        member->refused.clear();
        start_again(*member);
        connect(now, place, *member);
    }
    work(now);
}

void Rooms::remove_member(base::Now now, SessionId id, MemberId number) {
    const Place place{.room = id, .member = number};
    Member* member = find(place);
    if (member == nullptr) return;
    unbind(now, place, *member);
    by_uri_.erase(member->setup.own.session_id);
    dirty_.erase(place);
    kept_ -= (member->queue.size() + member->outgoing.size()) * kDeliveryBytes;
    find(id)->members.erase(number);
    work(now);
}

// Where the member listens.
void Rooms::connect(base::Now now, const Place& place, Member& member) {
    if (!member.setup.peer.connect_to || member.bound != 0 || member.connecting != 0) return;
    member.connecting = network_.connect(*member.setup.peer.connect_to, {});
    if (member.connecting == 0) return;
    connecting_[member.connecting] = place;
    Connection& made = connections_[member.connecting];
    made.id = member.connecting;
    made.since = now.steady;
}

// Its connection, if it is nobody else's, is closed.
void Rooms::unbind(base::Now now, const Place& place, Member& member) {
    forget_open(now, place);
    if (const ConnectionId late = std::exchange(member.connecting, 0); late != 0) {
        connecting_.erase(late);
        connections_.erase(late);
        network_.close(late);
    }
    Connection* connection = find_connection(std::exchange(member.bound, 0));
    if (connection == nullptr) return;
    connection->bound.erase(place);
    connection->since = now.steady;
    if (connection->incoming && connection->incoming->from == place)
        connection->incoming->is_content = false;
    if (!connection->bound.empty()) return;
    const ConnectionId id = connection->id;
    network_.close(id);
    connections_.erase(id);
}

// False: another connection has it.
bool Rooms::bind(base::Now now, Connection& connection, const Place& place) {
    if (connection.bound.contains(place)) return true;
    Member& member = *find(place);
    if (member.bound != 0) return false;
    member.bound = connection.id;
    connection.bound.insert(place);
    if (const ConnectionId late = std::exchange(member.connecting, 0);
        late != 0 && late != connection.id) {
        connecting_.erase(late);
        connections_.erase(late);
        network_.close(late);
    }
    tell(place, RoomEvent::Kind::Connected);
    dirty_.insert(place);
    static_cast<void>(now);
    return true;
}

// ---- connections --------------------------------------------------------------------------------

void Rooms::on_open(base::Now now, ConnectionId id) {
    Connection& connection = connections_[id];
    connection.id = id;
    connection.since = now.steady;
    const auto found = connecting_.find(id);
    if (found == connecting_.end()) return;
    const Place place = found->second;
    connecting_.erase(found);
    Member* member = find(place);
    if (member == nullptr || member->connecting != id) return;
    member->connecting = 0;
    // RFC 4975 section 5.4: who connects speaks at once.
    msrp::Head head;
    head.transaction = random_.token(8);
    head.method = "SEND";
    head.to_path = member->setup.peer.path;
    head.from_path = {member->setup.own};
    head.message_id = random_.token(8);
    head.byte_range = msrp::ByteRange{.start = 1, .end = 0, .total = 0};
    network_.send(id, write_head(head) + end_line(head.transaction, msrp::Continuation::Complete));
    bind(now, connection, place);
    work(now);
}

void Rooms::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    connection->parser.feed(bytes);
    // What it does may end the connection itself.
    while ((connection = find_connection(id)) != nullptr) {
        auto event = connection->parser.poll_event();
        if (!event) break;
        take(now, *connection, *std::move(event));
    }
    work(now);
    connection = find_connection(id);
    if (connection == nullptr || !connection->is_reading) return;
    if (network_.queued_bytes(id) < kMaxUnreadAnswerBytes) return;
    connection->is_reading = false;
    network_.set_reading(id, false);
}

void Rooms::on_writable(base::Now now, ConnectionId id) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    for (const Place& place : connection->bound) dirty_.insert(place);
    if (!connection->is_reading) {
        connection->is_reading = true;
        network_.set_reading(id, true);
    }
    work(now);
}

void Rooms::on_closed(base::Now now, ConnectionId id) {
    drop(now, id);
    work(now);
}

// The session may come back on another connection, and gets what it has not got then.
void Rooms::drop(base::Now now, ConnectionId id) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) return;
    if (const auto found = connecting_.find(id); found != connecting_.end()) {
        if (Member* member = find(found->second); member != nullptr) member->connecting = 0;
        connecting_.erase(found);
    }
    const std::set<Place> bound = std::exchange(connection->bound, {});
    connections_.erase(id);
    for (const Place& place : bound) {
        Member* member = find(place);
        if (member == nullptr) continue;
        member->bound = 0;
        forget_open(now, place);
        start_again(*member);
        tell(place, RoomEvent::Kind::Disconnected);
    }
}

void Rooms::on_time(base::Now now) {
    std::vector<ConnectionId> idle;
    for (const auto& [id, connection] : connections_)
        if (connection.bound.empty() && now.steady - connection.since >= kUnboundTime)
            idle.push_back(id);
    for (const ConnectionId id : idle) {
        network_.close(id);
        drop(now, id);
    }
    for (auto& [id, room] : rooms_)
        for (auto& [number, member] : room.members) {
            member->sender->on_time(now.steady);
            forget_silent(now, room, {.room = id, .member = number}, *member);
        }
    work(now);
}

// ---- what goes out ------------------------------------------------------------------------------

void Rooms::pass_on(base::Now now, const Place& from, Open& open) {
    Room& room = *find(from.room);
    const auto content = std::make_shared<const Content>(std::move(open.content), kept_);
    open.content = {};
    if (open.is_private) {
        bool is_delivered = false;
        for (const MemberId to : open.to)
            is_delivered = deliver(now, {.room = from.room, .member = to}, content) || is_delivered;
        if (!is_delivered)
            open.refusal = {408, "The recipient does not take messages as fast as they come"};
        return;
    }
    for (const auto& [number, member] : room.members)
        if (number != from.member) deliver(now, {.room = from.room, .member = number}, content);
}

// As who takes part saw it: the CPIM with its one To, and the room around it.
void Rooms::record(base::Now now, const Place& from, const std::string& message_id,
                   const Open& open, bool is_whole, const std::optional<CopyKey>& only) {
    if (copies_ == nullptr) return;
    const Room& room = *find(from.room);
    const Member& member = *find(from);
    Copies::RoomMessage message{.begun = open.begun, .only = only};
    message.facts = {
        .from = Side::A,
        .message_id = message_id,
        .content_type = open.content_type,
        .mime_headers = {},
        .at = open.at,
        .nickname = member.nickname,
        .total = open.total,
        .sender = name_addr(member.setup.name, member.setup.uris.front()),
        // As in the CPIM: where the two differ the message is private.
        .room = name_addr(room.setup.name, open.is_private ? room.setup.uri : open.room_uri)};
    if (open.is_private && !room.setup.records_private)
        return copies_->on_left_out(now, from.room, message, open.content.size());
    const std::size_t octets = open.received.ranges().empty() || open.received.ranges()[0].begin > 0
                                   ? 0
                                   : static_cast<std::size_t>(open.received.ranges()[0].end);
    copies_->on_message(now, from.room, message,
                        base::ByteView(open.content).first(std::min(octets, open.content.size())),
                        is_whole);
}

// A pause cuts what is coming in; of what comes of it later nothing is recorded, whenever it is
// whole.
void Rooms::on_taking(base::Now now, const CopyKey& copy, bool takes) {
    Room* room = find(copy.session);
    if (room == nullptr) return;
    for (auto& [number, member] : room->members) {
        const Place place{.room = copy.session, .member = number};
        if (takes) {
            if (member->is_withheld && !copies_->is_paused(copy.session))
                tell_nickname(place, *member);
            continue;
        }
        for (const auto& [id, open] : member->open)
            if (open.refusal.status == 0 && open.is_judged && !open.is_repeated)
                record(now, place, id, open, false, copy);
    }
}

void Rooms::tell_nickname(const Place& place, Member& member) {
    member.is_withheld = copies_ != nullptr && copies_->is_paused(place.room);
    told_({.room = place.room,
           .member = place.member,
           .kind = RoomEvent::Kind::Nickname,
           .nickname = member.nickname,
           .is_withheld = member.is_withheld});
}

// False: it is passed over.
bool Rooms::deliver(base::Now now, const Place& to, const ContentPtr& content) {
    Member& member = *find(to);
    Delivery delivery{.id = random_.token(8), .content = content};
    const std::size_t size = delivery.size();
    const std::size_t count = member.queue.size() + member.outgoing.size();
    const std::size_t most = kept_ > kMaxRoomBytesOfAll ? kMaxMemberBytesThen : kMaxMemberBytes;
    const bool is_slow = count > 0 && (member.waiting + size > most || count >= kMaxMemberMessages);
    if (is_slow) {
        if (member.missed++ == 0)
            tell(
                to, RoomEvent::Kind::NotDelivered,
                {"member_too_slow",
                 "Messages are not delivered to a participant: it takes them more slowly than they "
                 "come."});
        return false;
    }
    // Before the first one that it gets again.
    if (member.missed > 0 && member.waiting == 0) tell_missed(now, to);
    member.queue.push_back(std::move(delivery));
    member.waiting += size;
    kept_ += kDeliveryBytes;
    dirty_.insert(to);
    return true;
}

void Rooms::tell_missed(base::Now now, const Place& place) {
    Member& member = *find(place);
    const std::size_t missed = std::exchange(member.missed, 0);
    say(now, place.room, place.member,
        fmt::format("{} messages were not delivered to you: your connection is too slow.", missed));
}

void Rooms::say(base::Now now, SessionId id, MemberId number, std::string_view text) {
    const Place place{.room = id, .member = number};
    Room* room = find(id);
    Member* member = find(place);
    if (member == nullptr) return;
    const std::string to = member->setup.uris.empty() ? std::string{} : member->setup.uris.front();
    const std::string line =
        write_line(room->setup.uri, to, now.wall, text.substr(0, kMaxLineBytes));
    const base::ByteView bytes = base::as_bytes(line);
    deliver(now, place,
            std::make_shared<const Content>(base::Bytes(bytes.begin(), bytes.end()), kept_));
    pump(now, place);
}

// All that it has not got whole is sent again, under the names that it had (RFC 4975 section 5.4).
void Rooms::start_again(Member& member) {
    member.sender.emplace(random_);
    std::map<msrp::OutgoingNumber, Delivery> before = std::exchange(member.outgoing, {});
    for (auto one = before.rbegin(); one != before.rend(); ++one)
        member.queue.push_front(std::move(one->second));
}

void Rooms::begin_next(Member& member) {
    while (!member.queue.empty() && member.outgoing.size() < kMaxMemberSending) {
        Delivery& next = member.queue.front();
        const msrp::OutgoingNumber number =
            member.sender->begin({.to = member.setup.peer.path,
                                  .own = member.setup.own,
                                  .message_id = next.id,
                                  .content_type = "message/cpim",
                                  .size = next.content->bytes.size(),
                                  .success_report = false,
                                  .failure_report = msrp::FailureReport::Partial});
        member.outgoing.emplace(number, std::move(next));
        member.queue.pop_front();
    }
}

void Rooms::work(base::Now now) {
    while (!dirty_.empty()) {
        const Place place = *dirty_.begin();
        dirty_.erase(dirty_.begin());
        pump(now, place);
    }
}

// What its connection takes now.
void Rooms::pump(base::Now now, const Place& place) {
    Member* member = find(place);
    if (member == nullptr || member->bound == 0) return;
    const auto forget = [&](msrp::OutgoingNumber number) {
        const auto found = member->outgoing.find(number);
        if (found == member->outgoing.end()) return;
        member->waiting -= found->second.size();
        kept_ -= kDeliveryBytes;
        member->outgoing.erase(found);
    };
    while (true) {
        begin_next(*member);
        member->sender->set_may_send(network_.queued_bytes(member->bound) < kMaxQueuedBytes);
        auto action = member->sender->poll_action();
        if (!action) break;
        if (auto* bytes = std::get_if<msrp::Outgoing>(&*action)) {
            network_.send(member->bound, std::move(bytes->bytes));
        } else if (const auto* want = std::get_if<msrp::WantContent>(&*action)) {
            const auto found = member->outgoing.find(want->message);
            if (found == member->outgoing.end()) continue;
            const base::ByteView all = found->second.content->bytes;
            const auto from = static_cast<std::size_t>(want->offset);
            const std::size_t size = std::min(want->max_bytes, all.size() - from);
            member->sender->give(now.steady, want->message, all.subspan(from, size),
                                 from + size == all.size());
        } else if (const auto* sent = std::get_if<msrp::Sent>(&*action)) {
            forget(sent->message);
        } else if (const auto* failed = std::get_if<msrp::Failed>(&*action)) {
            forget(failed->message);  // it does not want it: its own choice
        }
    }
    if (member->missed > 0 && member->waiting == 0) tell_missed(now, place);
}

}  // namespace earshot::chat
