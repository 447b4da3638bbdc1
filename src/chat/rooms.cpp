#include "chat/rooms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "chat/nickname.h"
#include "chat/wrapping.h"

namespace earshot::chat {

namespace {

// What a stranger calls its file, in quotes (RFC 2045 section 5.1): no path, nothing that would end
// the line.
std::string quoted_file_name(std::string_view name) {
    if (const std::size_t slash = name.find_last_of("/\\"); slash != std::string_view::npos)
        name = name.substr(slash + 1);
    std::string text = "\"";
    for (const char c : base::to_valid_utf8(name.substr(0, kMaxFileNameBytes))) {
        const auto octet = static_cast<unsigned char>(c);
        constexpr unsigned char kDelete = 0x7f;
        text += c == '"' ? '\'' : octet < ' ' || octet == kDelete ? '_' : c;
    }
    return text + '"';
}

// "image/png" as it was told; what is no type, or would be read as another message, is octets.
std::string file_type(std::string_view told) {
    const std::string_view type = bare_type(told);
    const std::size_t slash = type.find('/');
    const bool is_type = slash != std::string_view::npos && slash > 0 && slash + 1 < type.size() &&
                         std::all_of(type.begin(), type.end(), [](char c) {
                             return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                                    std::string_view("/+.-_").find(c) != std::string_view::npos;
                         });
    const bool is_layer = base::istarts_with(type, "message/") || base::iequals(type, kWrapperType);
    return is_type && !is_layer ? std::string(type) : "application/octet-stream";
}

}  // namespace

std::string write_file_head(const RoomFile& file, std::string_view room_name,
                            std::string_view room_uri) {
    mime::CpimHead head;
    head.from = mime::CpimAddress{.name = file.sender_name, .uri = file.sender_uri};
    head.to.push_back({.name = std::string(room_name), .uri = std::string(room_uri)});
    head.date_time = base::to_rfc3339(file.at);
    head.content_type = file_type(file.type);
    head.content_disposition = "attachment";
    if (!file.name.empty()) head.content_disposition += "; filename=" + quoted_file_name(file.name);
    return write_cpim(head);
}

Rooms::Rooms(Network& network, base::Random& random, Copies* copies, Told told)
    : network_(network), random_(random), copies_(copies), told_(std::move(told)), links_(network) {
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
                          to_string(member->setup.peer.path) != to_string(setup.peer.path) ||
                          member->setup.peer.fingerprints != setup.peer.fingerprints;
    if (is_other) {
        unbind(now, place);
        links_.set_own(place, setup.own);
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
    unbind(now, place);
    links_.forget(place);
    dirty_.erase(place);
    kept_ -= (member->queue.size() + member->outgoing.size()) * kDeliveryBytes;
    find(id)->members.erase(number);
    work(now);
}

// Where the member listens.
void Rooms::connect(base::Now now, const Place& place, Member& member) {
    const Peer& peer = member.setup.peer;
    if (!peer.connect_to) return;
    const bool is_secure = member.setup.own.is_secure;
    if (!links_.connect(now, place, *peer.connect_to,
                        is_secure ? peer.path.front().host : std::string{}))
        tell(place, RoomEvent::Kind::NotConnected,
             {"chat_no_connection", "No more connections can be made for chats."});
}

void Rooms::unbind(base::Now now, const Place& place) {
    forget_open(now, place);
    links_.unbind(now, place);
}

// RFC 4975 section 14.4: who shows another certificate than its SDP names is dropped at once, and
// with it the connection.
bool Rooms::admits(base::Now now, const Connection& connection, const Place& place) {
    if (!connection.is_tls || connection.bound.contains(place)) return true;
    const ConnectionId id = connection.id;
    auto fault = network_.find_fault(id, find(place)->setup.peer.fingerprints);
    if (!fault) return true;
    tell(place, RoomEvent::Kind::Refused, *std::move(fault));
    network_.close(id);
    drop(now, id);
    return false;
}

// False: another connection has it.
bool Rooms::bind(Connection& connection, const Place& place) {
    const Links::Bound bound = links_.bind(connection, place);
    if (bound == Links::Bound::Now) on_bound(place);
    return bound != Links::Bound::Elsewhere;
}

void Rooms::on_bound(const Place& place) {
    tell(place, RoomEvent::Kind::Connected);
    dirty_.insert(place);
}

// ---- connections --------------------------------------------------------------------------------

void Rooms::on_open(base::Now now, ConnectionId id, bool is_tls) {
    const auto place = links_.on_open(now, id, is_tls);
    if (!place) return;
    const RoomMember& setup = find(*place)->setup;
    // Nothing is said to who is not the one that was named.
    if (setup.own.is_secure)
        if (auto fault = network_.find_fault(id, setup.peer.fingerprints)) {
            unbind(now, *place);
            return tell(*place, RoomEvent::Kind::NotConnected, *std::move(fault));
        }
    network_.send(id, empty_send(random_, random_.token(8), setup.peer.path, setup.own));
    on_bound(*place);
    work(now);
}

void Rooms::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    links_.feed(id, bytes, [&](Connection& connection, msrp::StreamEvent event) {
        take(now, connection, std::move(event));
    });
    work(now);
    links_.hold_back(id);
}

void Rooms::on_writable(base::Now now, ConnectionId id) {
    Connection* connection = links_.find(id);
    if (connection == nullptr) return;
    for (const Place& place : connection->bound) dirty_.insert(place);
    links_.read_on(*connection);
    work(now);
}

void Rooms::on_closed(base::Now now, ConnectionId id) {
    drop(now, id);
    work(now);
}

// The session may come back on another connection, and gets what it has not got then.
void Rooms::drop(base::Now now, ConnectionId id) {
    const Links::Lost lost = links_.drop(id);
    for (const Place& place : lost.bound) {
        forget_open(now, place);
        start_again(*find(place));
        tell(place, RoomEvent::Kind::Disconnected);
    }
    if (lost.connecting)
        tell(*lost.connecting, RoomEvent::Kind::NotConnected,
             {"chat_not_connected", "The participant does not take the connection for the chat."});
}

void Rooms::on_time(base::Now now) {
    for (const ConnectionId id : links_.overdue(now)) {
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
            open.refusal = {kTimeout, "The recipient does not take messages as fast as they come"};
        return;
    }
    for (const auto& [number, member] : room.members)
        if (number != from.member) deliver(now, {.room = from.room, .member = number}, content);
}

// As who takes part saw it: the CPIM with its one To, and the room around it.
void Rooms::record(base::Now now, const Place& from, const std::string& message_id,
                   const Open& open, bool is_whole, const std::optional<CopyKey>& only) {
    const Member& member = *find(from);
    record_of(now, from.room, name_addr(member.setup.name, member.setup.uris.front()),
              member.nickname, message_id, open, is_whole, only);
}

void Rooms::record_of(base::Now now, SessionId id, const std::string& sender,
                      const std::string& nickname, const std::string& message_id, const Open& open,
                      bool is_whole, const std::optional<CopyKey>& only) {
    if (copies_ == nullptr) return;
    const Room& room = *find(id);
    Copies::RoomMessage message{.begun = open.begun, .only = only};
    message.facts = {
        .from = Side::A,
        .message_id = message_id,
        .content_type = open.content_type,
        .mime_headers = {},
        .at = open.at,
        .nickname = nickname,
        .total = open.total,
        .sender = sender,
        // As in the CPIM: where the two differ the message is private.
        .room = name_addr(room.setup.name, open.is_private ? room.setup.uri : open.room_uri)};
    if (open.is_private && !room.setup.records_private)
        return copies_->on_left_out(now, id, message, open.content.size());
    const std::size_t octets = open.received.ranges().empty() || open.received.ranges()[0].begin > 0
                                   ? 0
                                   : static_cast<std::size_t>(open.received.ranges()[0].end);
    copies_->on_message(now, id, message,
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

// As a message of who handed it over, to all (RFC 7701 has no word of files): readers that know
// nothing of RFC 5547 get it, too.
void Rooms::say_file(base::Now now, SessionId id, MemberId number, RoomFile file) {
    Room* room = find(id);
    if (room == nullptr) return;
    const Place from{.room = id, .member = number};
    const std::string head = write_file_head(file, room->setup.name, room->setup.uri);
    Open open;
    open.content.reserve(head.size() + file.content.size());
    const base::ByteView head_bytes = base::as_bytes(head);
    open.content.assign(head_bytes.begin(), head_bytes.end());
    open.content.insert(open.content.end(), file.content.begin(), file.content.end());
    file.content = {};
    static_cast<void>(open.received.add(0, open.content.size()));
    if (file.is_whole) open.total = open.content.size();
    open.at = file.at;
    open.begun = file.begun;
    open.room_uri = room->setup.uri;
    open.content_type = "message/cpim";
    const Member* member = find(from);
    record_of(now, id, name_addr(file.sender_name, file.sender_uri),
              member != nullptr ? member->nickname : std::string{}, file.message_id, open,
              file.is_whole);
    if (file.is_whole) pass_on(now, from, open);
    work(now);
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
    const ConnectionId connection = links_.connection_of(place);
    if (member == nullptr || connection == 0) return;
    const auto forget = [&](msrp::OutgoingNumber number) {
        const auto found = member->outgoing.find(number);
        if (found == member->outgoing.end()) return;
        member->waiting -= found->second.size();
        kept_ -= kDeliveryBytes;
        member->outgoing.erase(found);
    };
    while (true) {
        begin_next(*member);
        member->sender->set_may_send(network_.queued_bytes(connection) < kMaxQueuedBytes);
        auto action = member->sender->poll_action();
        if (!action) break;
        if (auto* bytes = std::get_if<msrp::Outgoing>(&*action)) {
            network_.send(connection, std::move(bytes->bytes));
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
