// What members say: requests of MSRP (RFC 4975 section 7.3), judged by RFC 7701 sections 6 and 7.
#include <algorithm>

#include "base/text.h"
#include "chat/nickname.h"
#include "chat/overlap.h"
#include "chat/rooms.h"
#include "mime/same_user.h"

namespace earshot::chat {

namespace {

constexpr std::string_view kCpim = "message/cpim";

}  // namespace

void Rooms::take(base::Now now, Connection& connection, msrp::StreamEvent event) {
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
    drop(now, id);
}

void Rooms::begin(base::Now now, Connection& connection, msrp::Head head) {
    // We are no relay: our URI is the only one of To-Path.
    const auto place =
        head.to_path.size() == 1 ? links_.place_of(head.to_path.front()) : std::nullopt;
    if (!head.is_request()) {
        connection.incoming = Incoming{};
        if (!place || !connection.bound.contains(*place)) return;
        find(*place)->sender->on_response(head);
        dirty_.insert(*place);
        return;
    }
    connection.incoming = Incoming{};
    Incoming& incoming = *connection.incoming;
    incoming.head = std::move(head);
    const msrp::Head& known = incoming.head;
    if (!known.fault.empty()) {
        incoming.refusal = {kBad, known.fault};
        return;
    }
    // RFC 4975 section 7.3: of the peer that SDP named; what a middlebox makes of its host does not
    // count.
    if (!place ||
        find(*place)->setup.peer.path.back().session_id != known.from_path.back().session_id) {
        incoming.refusal = {kNoSession, "No such session"};
        return;
    }
    if (find(*place)->setup.own.is_secure != connection.is_tls) {
        incoming.refusal = {kNoSession, "No such session"};
        return;
    }
    if (!admits(now, connection, *place)) return;  // it is closed
    if (!bind(connection, *place)) {
        incoming.refusal = {kOtherConnection, "The session is bound to another connection"};
        return;
    }
    incoming.from = place;
    if (known.method == "SEND") {
        if (!known.content_type.empty()) begin_content(now, incoming);
    } else if (known.method != "REPORT" && known.method != "NICKNAME") {
        incoming.refusal = {kBadMethod, "Unknown method"};
    }
}

// A chunk of a message: the first one, or one more.
void Rooms::begin_content(base::Now now, Incoming& incoming) {
    Member& member = *find(*incoming.from);
    Room& room = *find(incoming.from->room);
    const msrp::Head& head = incoming.head;
    auto known = member.open.find(head.message_id);
    const auto refused = std::find_if(member.refused.begin(), member.refused.end(),
                                      [&](const auto& it) { return it.first == head.message_id; });
    if (refused != member.refused.end()) {
        incoming.refusal = refused->second;
        return;
    }
    if (known == member.open.end()) {
        if (member.open.size() >= kMaxRoomOpenMessages) {
            incoming.refusal = {kTooLarge, "Too many messages are under way"};
            return;
        }
        known = member.open.try_emplace(head.message_id).first;
        Open& open = known->second;
        open.at = now.wall;
        if (copies_ != nullptr) open.begun = copies_->begin_message();
        open.content_type = head.content_type;
        open.is_repeated = std::find(member.ended.begin(), member.ended.end(), head.message_id) !=
                           member.ended.end();
        if (!base::iequals(bare_type(head.content_type), kCpim))
            open.refusal = {kBadType, "A room takes message/cpim alone"};
    }
    Open& open = known->second;
    open.last = now.steady;
    incoming.at = head.byte_range ? head.byte_range->start - 1 : 0;
    const auto total = head.byte_range ? head.byte_range->total : std::nullopt;
    if (open.refusal.status == 0 && std::max(total.value_or(0), incoming.at) > room.setup.max_bytes)
        refuse(room, open, {kTooLarge, "It is larger than a=max-size"});
    incoming.is_content = true;
}

void Rooms::recount(Room& room, std::size_t before, std::size_t after) {
    open_ = open_ - before + after;
    room.open = room.open - before + after;
}

void Rooms::refuse(Room& room, Open& open, Refusal refusal) {
    open.refusal = refusal;
    recount(room, open.content.size(), 0);
    open.content = {};
}

void Rooms::refuse_rest(Member& member, const std::string& message_id, Refusal refusal) {
    member.refused.emplace_back(message_id, refusal);
    if (member.refused.size() > kMaxEndedInRoom) member.refused.pop_front();
}

void Rooms::add_content(base::Now now, Connection& connection, Incoming& incoming,
                        base::ByteView bytes) {
    Member* member = find(*incoming.from);
    const auto found = member->open.find(incoming.head.message_id);
    if (found == member->open.end()) return;
    Open& open = found->second;
    open.last = now.steady;
    if (open.refusal.status == 0)
        if (const Refusal refusal = keep(incoming, open, *member, bytes); refusal.status != 0)
            refuse(*find(incoming.from->room), open, refusal);
    incoming.at += bytes.size();
    // Who is to stop is told at once (RFC 4975 section 7.3.1): it has '#' for that.
    if (open.refusal.status != kTooLarge || std::exchange(incoming.is_answered, true)) return;
    send_answer(network_, connection.id, incoming.head, open.refusal);
}

Refusal Rooms::keep(const Incoming& incoming, Open& open, const Member& member,
                    base::ByteView bytes) {
    Room& room = *find(incoming.from->room);
    const std::uint64_t end = incoming.at + bytes.size();
    const std::size_t most = room.setup.max_bytes;
    if (end > most) return {kTooLarge, "It is larger than a=max-size"};
    if (open.total && end > *open.total) return {kBad, "It has octets behind its end"};
    const std::size_t before = open.content.size();
    const std::size_t more = end > before ? static_cast<std::size_t>(end) - before : 0;
    std::size_t of_member = more;
    for (const auto& [id, one] : member.open) of_member += one.content.size();
    const bool is_full =
        open_ + more > kMaxRoomOpenBytes || room.open + more > kMaxRoomOpenBytesOfOne;
    if (of_member > (is_full ? kMaxMemberOpenBytesThen : 2 * most))
        return {kTooLarge, "There is no room for it now"};
    if (!open.is_repeated && differs(open.content, open.received, incoming.at, bytes))
        return {kBad, "It has octets twice that differ"};
    if (!open.received.add(incoming.at, end) ||
        open.received.end() - open.received.count() > kMaxRoomHoleBytes)
        return {kTooLarge, "Too many or too large holes"};
    if (open.is_repeated) return {};  // counted, so that it is known to be whole
    recount(room, before, before + more);
    if (more > 0) open.content.resize(static_cast<std::size_t>(end));
    std::copy(bytes.begin(), bytes.end(),
              open.content.begin() + static_cast<std::ptrdiff_t>(incoming.at));
    return {};
}

void Rooms::finish(base::Now now, Connection& connection, msrp::Continuation continuation) {
    if (!connection.incoming) return;
    Incoming incoming = *std::exchange(connection.incoming, std::nullopt);
    if (!incoming.head.is_request()) return;
    if (incoming.refusal.status != 0)
        return send_answer(network_, connection.id, incoming.head, incoming.refusal);
    // Its session has ended meanwhile.
    if (!incoming.from || find(*incoming.from) == nullptr) return;
    if (incoming.is_content) return finish_chunk(now, connection, incoming, continuation);
    if (incoming.head.method == "NICKNAME") return take_nickname(now, connection, incoming);
    if (incoming.head.method == "SEND") send_ok(network_, connection.id, incoming.head);
}

void Rooms::finish_chunk(base::Now now, Connection& connection, Incoming& incoming,
                         msrp::Continuation continuation) {
    const Place from = *incoming.from;
    Room& room = *find(from.room);
    Member& member = *find(from);
    const msrp::Head& head = incoming.head;
    const auto found = member.open.find(head.message_id);
    if (found == member.open.end()) {
        // It has been given up while this chunk came.
        const auto refused =
            std::find_if(member.refused.begin(), member.refused.end(),
                         [&](const auto& it) { return it.first == head.message_id; });
        if (refused == member.refused.end()) return send_ok(network_, connection.id, head);
        return send_answer(network_, connection.id, head, refused->second);
    }
    Open& open = found->second;
    // The last chunk fixes the size; it may come before others.
    if (continuation == msrp::Continuation::Complete && open.refusal.status == 0) {
        const bool is_other = open.total && *open.total != incoming.at;
        if (is_other || open.received.end() > incoming.at)
            refuse(room, open, {kBad, "It ends before octets that have come"});
        else
            open.total = incoming.at;
    }
    const bool is_whole = open.total && open.received.is_whole(*open.total);
    if (open.refusal.status == 0 && !open.is_repeated) judge(room, from, open, is_whole);
    const bool is_cut = continuation == msrp::Continuation::Aborted;
    if (open.refusal.status == 0 && is_cut) {
        if (open.is_judged && !open.is_repeated) record(now, from, head.message_id, open, false);
        forget(room, member, found);
        return send_ok(network_, connection.id, head);
    }
    std::uint64_t octets = 0;
    if (open.refusal.status == 0 && is_whole) {
        octets = *open.total;
        if (!open.is_repeated) {
            // Recorded as it is, before anybody reads it.
            recount(room, open.content.size(), 0);
            record(now, from, head.message_id, open, true);
            pass_on(now, from, open);
        }
    }
    const Refusal refusal = open.refusal;
    const bool is_over = is_whole || is_cut || refusal.status != 0;
    if (refusal.status != 0 && continuation == msrp::Continuation::More)
        refuse_rest(member, head.message_id, refusal);
    if (is_whole && refusal.status == 0 && !open.is_repeated) {
        member.ended.push_back(head.message_id);
        if (member.ended.size() > kMaxEndedInRoom) member.ended.pop_front();
    }
    if (is_over) forget(room, member, found);
    if (refusal.status != 0) {
        if (!incoming.is_answered) send_answer(network_, connection.id, head, refusal);
        return;
    }
    send_ok(network_, connection.id, head);
    // All members have it now, or have it before them: we are where it was sent to.
    if (is_whole && head.success_report)
        send_success_report(network_, random_, connection.id, head, octets);
}

void Rooms::forget(Room& room, Member& member, std::map<std::string, Open>::iterator open) {
    recount(room, open->second.content.size(), 0);
    member.open.erase(open);
}

// Of what it was saying nobody gets a part; a recording keeps what there was.
void Rooms::forget_open(base::Now now, const Place& place) {
    Member& member = *find(place);
    for (auto& [id, open] : member.open)
        if (open.refusal.status == 0 && open.is_judged && !open.is_repeated)
            record(now, place, id, open, false);
    while (!member.open.empty()) forget(*find(place.room), member, member.open.begin());
}

// Whose sender has nothing more to say of it.
void Rooms::forget_silent(base::Now now, Room& room, const Place& place, Member& member) {
    for (auto at = member.open.begin(); at != member.open.end();) {
        const auto open = at++;
        if (now.steady - open->second.last < kMaxRoomSilence) continue;
        const bool is_good = open->second.refusal.status == 0 && !open->second.is_repeated;
        if (is_good && open->second.is_judged) record(now, place, open->first, open->second, false);
        refuse_rest(member, open->first, {kTimeout, "Nothing of it came for too long"});
        forget(room, member, open);
    }
}

// RFC 7701 section 6: as soon as the headers of the CPIM are here.
void Rooms::judge(Room& room, const Place& from, Open& open, bool is_whole) {
    if (open.is_judged) return;
    const auto& ranges = open.received.ranges();
    const bool has_begin = !ranges.empty() && ranges[0].begin == 0;
    const std::size_t size = has_begin ? static_cast<std::size_t>(ranges[0].end) : 0;
    const std::string_view text = base::as_text(base::ByteView(open.content).first(size));
    const auto head = mime::parse_cpim(text);
    if (!head) {
        // More of it may come.
        const bool may_come = !is_whole && size < mime::kMaxCpimHeadBytes &&
                              head.error().code == base::Errc::Malformed;
        if (!may_come) refuse(room, open, {kBad, "The CPIM headers cannot be read"});
        return;
    }
    const Refusal refusal = find_recipients(room, from, *head, open);
    if (refusal.status != 0) return refuse(room, open, refusal);
    open.is_judged = true;
}

Refusal Rooms::find_recipients(const Room& room, const Place& from, const mime::CpimHead& head,
                               Open& open) const {
    const Member& member = *room.members.at(from.member);
    const std::vector<std::string>& own = member.setup.uris;
    if (!head.from || head.to.empty()) return {kBad, "The CPIM has no From or no To"};
    if (head.is_ambiguous) return {kBad, "The CPIM has more than one From, or one address"};
    if (std::none_of(own.begin(), own.end(), [&](const std::string& uri) {
            return mime::is_same_user(uri, head.from->uri);
        }))
        return {kForbidden, "From is somebody else"};
    const auto is_room = [&](const std::string& uri) {
        const auto is_it = [&](const std::string& name) { return mime::is_same_user(name, uri); };
        const std::vector<std::string>& aliases = room.setup.aliases;
        return is_it(room.setup.uri) || std::any_of(aliases.begin(), aliases.end(), is_it);
    };
    // Our own lines are from the room, as Recorder: nobody else's are. Who has that name in the
    // call itself, as a recorder that attends, may say it: its address is another one.
    const bool is_posing =
        is_reserved_name(head.from->name) && head.from->name != member.setup.name;
    if (std::any_of(own.begin(), own.end(), is_room) || is_posing)
        return {kForbidden, "From is the room, or Recorder"};
    if (head.to.size() + head.cc.size() != 1) return {kForbidden, "There has to be one To"};
    const std::string& to = head.to.front().uri;
    const auto is_to = [&](const std::string& uri) { return mime::is_same_user(uri, to); };
    if (is_room(to)) {
        open.room_uri = to;
        return {};
    }
    open.is_private = true;
    std::size_t known = 0;
    for (const auto& [number, other] : room.members) {
        const std::vector<std::string>& uris = other->setup.uris;
        if (std::none_of(uris.begin(), uris.end(), is_to)) continue;
        ++known;
        if (other->setup.takes_private) open.to.push_back(number);
    }
    // An address that many may have is nobody's.
    if (known == 0 || (mime::is_anonymous(to) && known > 1))
        return {kNoRecipient, "Nobody of that address is in the room"};
    if (open.to.empty() || !room.setup.takes_private)
        return {kNoPrivate, "No private messages are taken there"};
    // To oneself: to one's other phones, and only else back.
    if (open.to.size() > 1) std::erase(open.to, from.member);
    return {};
}

// RFC 7701 section 7.
void Rooms::take_nickname(base::Now now, Connection& connection, const Incoming& incoming) {
    const Place from = *incoming.from;
    Room& room = *find(from.room);
    Member& member = *find(from);
    if (now.steady - member.nicknames_since >= kNicknameTime) {
        member.nicknames_since = now.steady;
        member.nicknames = 0;
    }
    if (++member.nicknames > kMaxNicknames)
        return send_answer(network_, connection.id, incoming.head,
                           {kForbidden, "Too many nicknames"});
    const auto reply = [&](int status, std::string_view phrase) {
        if (copies_ != nullptr) {
            const std::array<std::string, 2> between{
                name_addr(member.setup.name, member.setup.uris.front()),
                name_addr(room.setup.name, room.setup.uri)};
            copies_->on_exchange(now, from.room, between, incoming.head);
            msrp::Head told;
            told.transaction = incoming.head.transaction;
            told.status = status;
            told.comment = phrase;
            told.to_path = incoming.head.from_path;
            told.from_path = incoming.head.to_path;
            copies_->on_exchange(now, from.room, between, told);
        }
        send_answer(network_, connection.id, incoming.head, {status, phrase});
    };
    if (!room.setup.takes_nicknames) return reply(kForbidden, "The room has no nicknames");
    const auto& others = incoming.head.others;
    const auto asked = std::find_if(others.begin(), others.end(), [](const auto& header) {
        return base::iequals(header.first, "Use-Nickname");
    });
    const auto nickname = asked == others.end() ? std::nullopt : parse_nickname(asked->second);
    if (!nickname) return reply(kBadNickname, "Malformed nickname");
    const std::string key = nickname_key(*nickname);
    const bool is_taken = std::any_of(room.members.begin(), room.members.end(), [&](auto& entry) {
        return entry.first != from.member && nickname_key(entry.second->nickname) == key;
    });
    if (!key.empty() && (is_taken || is_reserved_name(*nickname)))
        return reply(kNicknameTaken, "Nickname reserved or already in use");
    if (std::exchange(member.nickname, *nickname) != *nickname) tell_nickname(from, member);
    reply(kOk, "OK");
}

}  // namespace earshot::chat
