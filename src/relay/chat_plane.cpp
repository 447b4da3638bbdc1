#include "relay/chat_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "chat/limits.h"
#include "relay/limits.h"
#include "relay/screen_sdp.h"
#include "sdp/offer_answer.h"

namespace earshot::relay {

namespace {

using base::Reason;

chat::Side side_of(Leg leg) { return leg == Leg::A ? chat::Side::A : chat::Side::B; }

bool speaks_ipv6(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    const sdp::Connection* connection = sdp.connection_of(medium);
    return connection != nullptr && connection->address_type == "IP6";
}

// Unguessable: 128 bits (RFC 4975 section 14.1).
constexpr std::size_t kSessionIdBytes = 16;

msrp::Uri uri_at(const base::NetAddress& address, std::string session_id, bool is_secure) {
    return {.is_secure = is_secure,
            .host = base::host_to_string(address),
            .port = address.port,
            .session_id = std::move(session_id),
            .transport = "tcp"};
}

// What makes an end of a chat another one when it changes.
std::string end_of(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    std::string text(sdp::message_media_of(sdp, medium).path);
    if (chat_line(medium) == ChatLine::Encrypted)
        for (const auto& one : sdp::fingerprints_of(sdp, medium)) text += " " + sdp::to_string(one);
    return text;
}

constexpr std::string_view proto_of(bool is_secure) {
    return is_secure ? "TCP/TLS/MSRP" : "TCP/MSRP";
}

}  // namespace

chat::SessionId ChatPlane::open_room(CallKey key, std::string attributes) {
    Call& room = calls_[key.value];
    room.is_room = true;
    room.lines[0].agreed = Chat{};
    Chat& chat = *room.lines[0].agreed;
    chat.session = ++last_session_;
    chat.attributes = std::move(attributes);
    chat.is_room = true;
    owners_[chat.session] = {.call = key, .line = 0};
    return chat.session;
}

std::optional<chat::SessionId> ChatPlane::open_guest(CallKey key, std::size_t line,
                                                     std::string attributes, bool is_secure) {
    if (owners_.size() >= chat::kMaxSessions) return std::nullopt;
    close_guest(key, line);
    Line& guest = calls_[key.value].lines[line];
    guest.is_guest = true;
    guest.agreed = Chat{};
    Chat& chat = *guest.agreed;
    chat.session = ++last_session_;
    chat.attributes = std::move(attributes);
    chat.is_secure = is_secure;
    owners_[chat.session] = {.call = key, .line = line};
    return chat.session;
}

void ChatPlane::close_guest(CallKey key, std::size_t line) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end()) return;
    const auto found = call->second.lines.find(line);
    if (found == call->second.lines.end() || !found->second.is_guest) return;
    close(found->second.agreed);
    call->second.lines.erase(found);
}

void ChatPlane::offer(CallKey call, const LegSdp& sdp, SdpDone done) {
    pass(call, sdp, done, true);
}

void ChatPlane::answer(CallKey call, const LegSdp& sdp, SdpDone done) {
    pass(call, sdp, done, false);
}

void ChatPlane::pass(CallKey key, const LegSdp& said, const SdpDone& done, bool is_offer) {
    const auto give = [&](SdpDone finished) {
        is_offer ? inner_.offer(key, said, std::move(finished))
                 : inner_.answer(key, said, std::move(finished));
    };
    const auto parsed = sdp::parse(said.text);
    const bool has_chat =
        parsed && std::any_of(parsed->media.begin(), parsed->media.end(),
                              [](const auto& medium) { return sdp::is_message_media(medium); });
    if (!parsed || (!has_chat && !calls_.contains(key.value))) return give(done);
    give([&](base::Result<std::string, Reason> told) {
        if (!told) return done(told.error());
        Call& call = calls_[key.value];
        if (is_offer) call.offerer = said.from;
        for (std::size_t line = 0; line < parsed->media.size(); ++line)
            is_offer ? take_offer(key, call, line, said, *parsed)
                     : take_answer(call, line, said, *parsed);
        done(tell(call, other(said.from), said.text, *std::move(told), is_offer));
    });
}

void ChatPlane::pass_by(CallKey key, Call& call, std::size_t line, Reason reason) {
    if (!call.passed.insert(line).second || !told_) return;
    told_(key, {.kind = ChatEvent::Kind::NotRecorded, .line = line, .reason = std::move(reason)});
}

// ---- offers -------------------------------------------------------------------------------------

void ChatPlane::take_offer(CallKey key, Call& call, std::size_t line, const LegSdp& said,
                           const sdp::SessionDescription& sdp) {
    const sdp::MediaDescription& medium = sdp.media[line];
    const ChatLine kind = chat_line(medium);
    const auto found = call.lines.find(line);
    if (found != call.lines.end() && found->second.is_guest) return;
    if (found != call.lines.end()) close(found->second.offered);  // nobody has answered it
    if (kind == ChatLine::None) return;
    if (auto fault = find_fault(sdp, medium)) return pass_by(key, call, line, *std::move(fault));
    auto peer = peer_of(sdp, medium, false);
    if (!peer)
        return pass_by(key, call, line,
                       {"chat_bad_path", "The chat's a=path cannot be read or reached."});
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    std::string end = end_of(sdp, medium);
    Line& known = call.lines[line];
    const bool goes_on = known.agreed && known.agreed->said[index_of(said.from)] == end &&
                         known.agreed->is_secure == media.is_secure;
    if (!goes_on) {
        if (owners_.size() >= chat::kMaxSessions)
            return pass_by(key, call, line, {"too_many_chats", "As many chats run as may."});
        Chat chat;
        chat.session = ++last_session_;
        chat.is_secure = media.is_secure;
        if (auto fault =
                tell_own(chat, other(said.from), speaks_ipv6(sdp, medium), said.is_told_inside))
            return pass_by(key, call, line, *std::move(fault));
        chat.said[index_of(said.from)] = std::move(end);
        known.offered = std::move(chat);
        open(key, line, *known.offered, said.from, *std::move(peer));
        for (const Leg leg : {Leg::A, Leg::B})
            if (const std::string& text = call.said[index_of(leg)]; !text.empty())
                link_.post(
                    [id = known.offered->session, leg, text](base::Now now, chat::Desk& desk) {
                        desk.chats().say(now, id, side_of(leg), text);
                    });
    }
    Chat& chat = *known.newest();
    chat.has_setup = media.setup.has_value();
    chat.offered_setup = media.setup;
    chat.has_cema = media.has_cema;
    note_content(chat, sdp, medium);
}

// Why a line cannot pass here.
std::optional<Reason> ChatPlane::find_fault(const sdp::SessionDescription& sdp,
                                            const sdp::MediaDescription& medium) const {
    if (chat_line(medium) != ChatLine::Encrypted) return std::nullopt;
    const auto own = link_.certificate();
    if (!own) return Reason{"chat_encrypted", "The parties encrypt their chat (TLS)."};
    // Parties without fingerprints know each other by the names in their certificates: one of our
    // own making would end their chat.
    if (own->is_self_signed && sdp::fingerprints_of(sdp, medium).empty())
        return Reason{
            "chat_encrypted",
            "The parties encrypt their chat (TLS) by certificates that have names, and no "
            "sip.certificate_file is set."};
    return std::nullopt;
}

// What a recording server has to know of it (RFC 7701 section 8, RFC 5547).
void ChatPlane::note_content(Chat& chat, const sdp::SessionDescription& sdp,
                             const sdp::MediaDescription& medium) {
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    chat.attributes.clear();
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) chat.attributes += fmt::format("a={}:{}\r\n", name, value);
    };
    add("accept-types", media.accept_types.empty() ? "*" : media.accept_types);
    add("accept-wrapped-types", media.accept_wrapped_types);
    if (media.chatroom)
        chat.attributes += media.chatroom->empty()
                               ? std::string("a=chatroom\r\n")
                               : fmt::format("a=chatroom:{}\r\n", *media.chatroom);
    add("file-selector", media.file_selector);
    add("file-disposition", media.file_disposition);
    add("file-date", media.file_date);
    chat.is_file = !media.file_selector.empty();
    chat.is_room = media.chatroom.has_value();
    chat.is_active = medium.direction != sdp::Direction::Inactive;
    chat.title = medium.title;
}

// A URI of ours for who has none yet. Reasons: those of ChatLink::listener().
std::optional<Reason> ChatPlane::tell_own(Chat& chat, Leg facing, bool ipv6, bool is_inside) {
    std::string& own = chat.own[index_of(facing)];
    if (!own.empty()) return std::nullopt;
    const auto at = link_.listener(ipv6, is_inside);
    if (!at) return at.error();
    const msrp::Uri uri = uri_at(*at, random_.token(kSessionIdBytes), chat.is_secure);
    own = to_string(uri);
    chat.address[index_of(facing)] = *at;
    link_.post([id = chat.session, facing, uri](base::Now now, chat::Desk& desk) {
        desk.chats().set_own(now, id, side_of(facing), uri);
    });
    return std::nullopt;
}

void ChatPlane::open(CallKey key, std::size_t line, Chat& chat, Leg from, chat::Peer peer) {
    owners_[chat.session] = {.call = key, .line = line};
    link_.post([id = chat.session, from, peer = std::move(peer)](base::Now now, chat::Desk& desk) {
        desk.chats().set_peer(now, id, side_of(from), peer);
    });
}

// ---- answers ------------------------------------------------------------------------------------

void ChatPlane::take_answer(Call& call, std::size_t line, const LegSdp& said,
                            const sdp::SessionDescription& sdp) {
    const auto found = call.lines.find(line);
    if (found == call.lines.end() || found->second.is_guest) return;
    Line& known = found->second;
    const sdp::MediaDescription& medium = sdp.media[line];
    auto peer = chat_line(medium) == ChatLine::None ? std::nullopt : peer_of(sdp, medium, true);
    // Another protocol than was offered is no answer.
    const Chat* offered = known.newest();
    if (offered != nullptr && offered->is_secure != (chat_line(medium) == ChatLine::Encrypted))
        peer.reset();
    if (!peer) {  // refused, or another medium has its place
        close(known.offered);
        close(known.agreed);
        call.lines.erase(found);
        return;
    }
    if (known.offered) {
        close(known.agreed);
        known.agreed = std::exchange(known.offered, std::nullopt);
    }
    if (!known.agreed) return;
    Chat& chat = *known.agreed;
    // The offerer connects to us unless it said that it does not (RFC 6135).
    if (tell_own(chat, other(said.from), speaks_ipv6(sdp, medium), said.is_told_inside)) return;
    chat.said[index_of(said.from)] = end_of(sdp, medium);
    link_.post([id = chat.session, from = said.from, peer = *std::move(peer)](base::Now now,
                                                                              chat::Desk& desk) {
        desk.chats().set_peer(now, id, side_of(from), peer);
    });
}

std::string ChatPlane::tell(Call& call, Leg to, std::string_view original, std::string told,
                            bool is_offer) {
    const auto parsed = sdp::parse(told);
    if (!parsed) return told;
    std::string text = told;
    for (auto& [line, known] : call.lines) {
        Chat* chat = known.newest();
        if (chat == nullptr || line >= parsed->media.size()) continue;
        if (chat_line(parsed->media[line]) == ChatLine::None) continue;
        const std::size_t index = index_of(to);
        const auto section = find_section(original, line);
        if (chat->own[index].empty() || !section) continue;
        ToldChat ours{.address = chat->address[index],
                      .path = chat->own[index],
                      .setup = sdp::Setup::ActPass,
                      .fingerprint = std::nullopt,
                      .has_cema = is_offer || chat->has_cema};
        if (chat->is_secure)
            if (const auto certificate = link_.certificate())
                ours.fingerprint = certificate->fingerprint;
        // Who offers without a=setup connects (RFC 4975 section 8.4), and is answered without.
        if (!is_offer) {
            const bool is_theirs_passive = chat->offered_setup == sdp::Setup::Passive;
            ours.setup = is_theirs_passive ? sdp::Setup::Active : sdp::Setup::Passive;
            if (!chat->has_setup) ours.setup = std::nullopt;
        }
        text = with_section(text, line, told_chat_section(*section, ours));
    }
    return text;
}

// ---- the end ------------------------------------------------------------------------------------

void ChatPlane::close(std::optional<Chat>& chat) {
    if (!chat) return;
    if (const auto owner = owners_.find(chat->session); owner != owners_.end()) {
        constexpr std::size_t kRemembered = 1024;
        if (ended_.size() >= kRemembered) ended_.erase(ended_.begin());
        ended_.insert(*owner);
        owners_.erase(owner);
    }
    link_.post([id = chat->session](base::Now now, chat::Desk& desk) { desk.close(now, id); });
    chat.reset();
}

void ChatPlane::rollback(CallKey key, Leg offerer) {
    inner_.rollback(key, offerer);
    const auto found = calls_.find(key.value);
    if (found == calls_.end() || found->second.offerer != offerer) return;
    for (auto& [line, known] : found->second.lines) close(known.offered);
}

void ChatPlane::remove(CallKey key) {
    const auto found = calls_.find(key.value);
    if (found == calls_.end() || !found->second.is_room) inner_.remove(key);
    if (found == calls_.end()) return;
    for (const auto& [id, recorded] : found->second.subscriptions) leave_all_common(id, recorded);
    for (auto& [line, known] : found->second.lines) {
        close(known.offered);
        close(known.agreed);
    }
    calls_.erase(found);
}

void ChatPlane::on_event(const chat::SwitchEvent& event) {
    const auto owner = owners_.find(event.session);
    if (owner == owners_.end() || !told_) return;
    using Kind = chat::SwitchEvent::Kind;
    const auto kind = event.kind == Kind::Ended     ? ChatEvent::Kind::Ended
                      : event.kind == Kind::Refused ? ChatEvent::Kind::Refused
                                                    : ChatEvent::Kind::Connected;
    told_(owner->second.call, {.kind = kind, .line = owner->second.line, .reason = event.reason});
}

void ChatPlane::on_event(const chat::CopyEvent& event) {
    auto owner = ended_.find(event.key.session);
    const auto living = owners_.find(event.key.session);
    if (owner == ended_.end() && living == owners_.end()) return;
    const Owner of = living != owners_.end() ? living->second : owner->second;
    using Kind = chat::CopyEvent::Kind;
    if (event.kind == Kind::ServerLost) {
        if (living != owners_.end() && server_silent_)
            server_silent_(of.call, event.key.subscription, event.reason);
        return;
    }
    told_senders_ = std::max(told_senders_, event.serial);
    if (!told_) return;
    const auto kind = event.kind == Kind::Sender     ? ChatEvent::Kind::Sender
                      : event.kind == Kind::Nickname ? ChatEvent::Kind::Nickname
                      : event.kind == Kind::Unsure   ? ChatEvent::Kind::Unsure
                                                     : ChatEvent::Kind::NotRecorded;
    told_(of.call, {.kind = kind,
                    .line = of.line,
                    .reason = event.reason,
                    .from = event.from == chat::Side::A ? Leg::A : Leg::B,
                    .uri = event.uri,
                    .name = event.name});
}

// ---- who is told --------------------------------------------------------------------------------

bool ChatPlane::takes_chat(CallKey key, std::size_t line) const {
    const auto call = calls_.find(key.value);
    if (call == calls_.end()) return false;
    const auto found = call->second.lines.find(line);
    return found != call->second.lines.end() && (found->second.agreed || found->second.offered);
}

void ChatPlane::say(CallKey key, Leg to, std::string_view text) {
    const auto found = calls_.find(key.value);
    if (found == calls_.end()) return;
    found->second.said[index_of(to)] = text;
    for (const auto& [line, known] : found->second.lines)
        for (const auto* chat : {&known.agreed, &known.offered})
            if (*chat)
                link_.post([id = (*chat)->session, to, line_text = std::string(text)](
                               base::Now now, chat::Desk& desk) {
                    desk.chats().say(now, id, side_of(to), line_text);
                });
}

// ---- recording ----------------------------------------------------------------------------------

const ChatPlane::Chat* ChatPlane::chat_of(const Call& call, const Carried& carried) {
    const auto line = call.lines.find(carried.line);
    if (line == call.lines.end() || !line->second.agreed) return nullptr;
    const Chat& chat = *line->second.agreed;
    return chat.session == carried.session ? &chat : nullptr;
}

void ChatPlane::subscribe(CallKey key, std::uint32_t id, const SubscribeOptions& options,
                          SubscriptionDone done) {
    const auto found = calls_.find(key.value);
    if (found == calls_.end()) return inner_.subscribe(key, id, options, std::move(done));
    if (found->second.is_room)
        return done(compose(key, found->second, id, options,
                            Reason{"no_media", "Nobody has written in the room."}));
    inner_.subscribe(key, id, options, [&](base::Result<Subscription, Reason> made) {
        done(compose(key, found->second, id, options, std::move(made)));
    });
}

base::Result<Subscription, Reason> ChatPlane::compose(CallKey key, Call& call, std::uint32_t id,
                                                      const SubscribeOptions& options,
                                                      base::Result<Subscription, Reason> made) {
    // The plane behind may have nothing for a server where there is a chat.
    const bool is_empty =
        !made && (made.error().code == "no_media" || made.error().code == "media_not_decryptable");
    if (!made && !is_empty) return made;
    Subscription told = made ? *made : Subscription{};
    if (!made && made.error().code != "no_media") told.left_out = made.error();
    const auto inner = sdp::parse(told.offer);
    auto address = base::parse_host(options.address, 0);
    if (!address && inner && inner->connection)
        address = base::parse_host(inner->connection->address, 0);
    if (!address) {
        const auto listener = link_.listener(false, false);
        if (!listener) return made ? std::move(made) : listener.error();
        address = *listener;
    }
    // The session that the server may know already without a chat goes on (RFC 3264 section 8).
    const auto known = inner && inner->origin
                           ? base::parse_number<std::uint64_t>(inner->origin->session_id)
                           : std::nullopt;
    Recorded& recorded =
        call.subscriptions.try_emplace(id, known ? *known : random_.u32()).first->second;
    use_session(id, recorded, options.chats.session);
    const std::size_t inner_lines = inner ? inner->media.size() : 0;
    for (; recorded.inner_places < inner_lines; ++recorded.inner_places)
        recorded.places.push_back({.is_inner = true});
    find_places(key, call, id, recorded, options, *address);
    const bool has_chat = std::any_of(recorded.places.begin(), recorded.places.end(),
                                      [](const Place& place) { return !place.is_inner; });
    if (!has_chat) {
        call.subscriptions.erase(id);
        return made;
    }
    std::string lines;
    std::size_t at_inner = 0;
    std::vector<std::size_t> places;  // of the lines of the plane behind
    for (std::size_t i = 0; i < recorded.places.size(); ++i) {
        const Place& place = recorded.places[i];
        if (place.is_inner) {
            places.push_back(i);
            const auto section = find_section(told.offer, at_inner++);
            lines += section ? *section : std::string_view("m=audio 0 RTP/AVP 0\r\n");
            continue;
        }
        lines += section_of(call, recorded, place, options.is_paused);
    }
    told.offer = recorded.told.tell([&](std::uint64_t version) {
        return sdp::make_offer({.session_id = recorded.told.session_id(),
                                .session_version = version,
                                .address = *address},
                               {}) +
               lines;
    });
    for (SubscribedStream& stream : told.streams) stream.place = places[stream.place];
    for (std::size_t i = 0; i < recorded.places.size(); ++i)
        for (const Carried& carried : recorded.places[i].chats)
            if (const Chat* chat = chat_of(call, carried); chat != nullptr)
                told.streams.push_back({.label = recorded.places[i].label,
                                        .line = carried.line,
                                        .place = i,
                                        .media = "message",
                                        .is_active = chat->is_active,
                                        .title = chat->title,
                                        .is_of_both = true,
                                        .name = carried.name});
    told.serial = told_senders_;
    std::stable_sort(told.streams.begin(), told.streams.end(),
                     [](const auto& a, const auto& b) { return a.place < b.place; });
    const bool has_kept = std::any_of(
        recorded.places.begin(), recorded.places.end(),
        [&](const Place& place) { return find_common(recorded, place.label) != nullptr; });
    if (told.streams.empty() && !made && !has_kept) return made;
    return told;
}

// A place for each chat that is wanted, and none for those that are over.
void ChatPlane::find_places(CallKey key, Call& call, std::uint32_t id, Recorded& recorded,
                            const SubscribeOptions& options, const base::NetAddress& address) {
    const bool is_wanted =
        options.media.empty() ||
        std::any_of(options.media.begin(), options.media.end(),
                    [](const std::string& media) { return base::iequals(media, "message"); });
    for (Place& place : recorded.places)
        for (std::size_t i = place.chats.size(); i-- > 0;)
            if (!is_wanted || chat_of(call, place.chats[i]) == nullptr)
                take_away(id, recorded, place, i);
    move_out(key, id, recorded);
    for (auto& [line, known] : call.lines) {
        if (!known.agreed || !is_wanted) continue;
        const Chat& chat = *known.agreed;
        const auto find = [&]() -> std::pair<Place*, Carried*> {
            for (Place& place : recorded.places)
                for (Carried& carried : place.chats)
                    if (carried.session == chat.session) return {&place, &carried};
            return {};
        };
        auto [place, carried] = find();
        const bool is_new = place == nullptr;
        if (is_new) {
            const auto listener = link_.listener(!address.is_v4(), false);
            if (!listener) continue;
            base::NetAddress at = address;
            at.port = listener->port;
            if (give_place(key, id, recorded, chat, line, options.chats, at) == nullptr) continue;
            std::tie(place, carried) = find();
        }
        const bool is_common = is_common_label(place->label);
        chat::CopySetup setup{.parties = options.parties,
                              .only = std::nullopt,
                              .counters = carried->counters,
                              .stream_id = {},
                              .waits_to_be_told = is_common};
        if (is_common && options.chats.stream_id)
            setup.stream_id = options.chats.stream_id(carried->name);
        // Where we take part ourselves all that comes is of others.
        if (options.only && !known.is_guest) setup.only = side_of(*options.only);
        const chat::CopyKey copy{.session = chat.session, .subscription = id};
        const bool is_paused = options.is_paused || (is_new && recorded.is_paused);
        link_.post([copy, setup = std::move(setup), is_paused](base::Now now, chat::Desk& desk) {
            desk.copies().open(now, copy, setup);
            if (is_paused) desk.copies().pause(now, copy);
            for (const chat::Side side : {chat::Side::A, chat::Side::B})
                desk.chats().set_address(copy.session, side, setup.parties[index_of(side)]);
        });
    }
}

// Null: there is no room. Files and rooms say by attributes of their line what they are.
ChatPlane::Place* ChatPlane::give_place(CallKey key, std::uint32_t id, Recorded& recorded,
                                        const Chat& chat, std::size_t line, const ChatLines& chats,
                                        const base::NetAddress& at) {
    if (chats.mapping != ChatMapping::Session && !chat.is_file && !chat.is_room) {
        if (Place* place = give_common_place(id, recorded, chat, line, chats, at)) return place;
        if (recorded.places.size() < kMaxPlaces) tell_own_line(key, line);
    }
    if (recorded.places.size() >= kMaxPlaces) return nullptr;
    Place place;
    place.label = fmt::format("chat-{}", ++recorded.last_label);
    place.chats.push_back({.session = chat.session,
                           .line = line,
                           .name = {},
                           .is_told_refused = false,
                           .counters = std::make_shared<chat::CopyCounters>()});
    place.own = uri_at(at, random_.token(kSessionIdBytes), chat.is_secure);
    if (chat.is_file) place.file_id = random_.token(kSessionIdBytes);
    recorded.places.push_back(std::move(place));
    return &recorded.places.back();
}

void ChatPlane::tell_own_line(CallKey key, std::size_t line) {
    if (!told_) return;
    told_(key, {.kind = ChatEvent::Kind::OwnLine,
                .line = line,
                .reason = {"mux_not_taken",
                           "The server has not listed application/msrp-recording, by which several "
                           "chats on a line are told apart."}});
}

// A server that cannot tell several chats on a line apart has the first of them there, and the
// others on lines of their own.
void ChatPlane::move_out(CallKey key, std::uint32_t id, Recorded& recorded) {
    for (std::size_t i = 0; i < recorded.places.size(); ++i) {
        CommonLine* common = find_common(recorded, recorded.places[i].label);
        if (common == nullptr || common->takes_several.value_or(true)) continue;
        for (std::size_t nth = recorded.places[i].chats.size(); nth-- > 0;) {
            if (recorded.places.size() >= kMaxPlaces) return;
            const chat::CopyKey copy{.session = recorded.places[i].chats[nth].session,
                                     .subscription = id};
            if (*common->users.begin() == copy) continue;
            Place place;
            place.label = fmt::format("chat-{}", ++recorded.last_label);
            place.own = common->own;
            place.own.session_id = random_.token(kSessionIdBytes);
            place.chats.push_back(std::move(recorded.places[i].chats[nth]));
            place.chats.back().name.clear();
            place.chats.back().is_told_refused = false;
            recorded.places[i].chats.erase(recorded.places[i].chats.begin() +
                                           static_cast<std::ptrdiff_t>(nth));
            common->users.erase(copy);
            tell_own_line(key, place.chats.back().line);
            recorded.places.push_back(std::move(place));
        }
    }
}

// Null: the server cannot tell several chats on a line apart.
ChatPlane::Place* ChatPlane::give_common_place(std::uint32_t id, Recorded& recorded,
                                               const Chat& chat, std::size_t line,
                                               const ChatLines& chats, const base::NetAddress& at) {
    const bool is_mux = chats.mapping == ChatMapping::Mux;
    const std::string_view prefix = is_mux ? kMuxLabel : kReusedLabel;
    std::erase_if(common_, [](const auto& entry) { return entry.first.expired(); });
    std::vector<CommonLine>& lines = common_[recorded.session];
    auto common = std::find_if(lines.begin(), lines.end(), [&](const CommonLine& one) {
        return one.label.starts_with(prefix) && one.own.is_secure == chat.is_secure &&
               (is_mux || one.is_free());
    });
    if (common != lines.end() && !common->users.empty() && !common->takes_several.value_or(true))
        return nullptr;
    auto place = std::find_if(
        recorded.places.begin(), recorded.places.end(),
        [&](const Place& one) { return common != lines.end() && one.label == common->label; });
    if (place == recorded.places.end() && recorded.places.size() >= kMaxPlaces) return nullptr;
    if (common == lines.end()) {
        lines.push_back({.label = fmt::format("{}{}", prefix, ++last_common_),
                         .own = uri_at(at, random_.token(kSessionIdBytes), chat.is_secure),
                         .users = {},
                         .takes_several = std::nullopt,
                         .last = nullptr});
        common = std::prev(lines.end());
    }
    common->users.insert({.session = chat.session, .subscription = id});
    if (place == recorded.places.end()) {
        recorded.places.push_back({.is_inner = false, .chats = {}, .label = common->label});
        place = std::prev(recorded.places.end());
        place->own = common->own;
    }
    place->chats.push_back({.session = chat.session,
                            .line = line,
                            .name = fmt::format("chat-{}", ++recorded.last_label),
                            .is_told_refused = false,
                            .counters = std::make_shared<chat::CopyCounters>()});
    return &*place;
}

ChatPlane::CommonLine* ChatPlane::find_common(const Recorded& recorded, const std::string& label) {
    return const_cast<CommonLine*>(std::as_const(*this).find_common(recorded, label));
}

const ChatPlane::CommonLine* ChatPlane::find_common(const Recorded& recorded,
                                                    const std::string& label) const {
    const auto session = common_.find(recorded.session);
    if (session == common_.end()) return nullptr;
    const auto found = std::find_if(session->second.begin(), session->second.end(),
                                    [&](const CommonLine& one) { return one.label == label; });
    return found == session->second.end() ? nullptr : &*found;
}

// Without chats a line is kept for the next one, if that is wanted.
void ChatPlane::leave_common(const Recorded& recorded, const std::string& label,
                             const chat::CopyKey& key,
                             const std::shared_ptr<chat::CopyCounters>& counters) {
    CommonLine* common = find_common(recorded, label);
    if (common == nullptr) return;
    common->users.erase(key);
    common->last = counters;
    if (!common->users.empty()) return;
    std::vector<CommonLine>& lines = common_[recorded.session];
    const auto idle = std::count_if(lines.begin(), lines.end(),
                                    [](const CommonLine& one) { return one.users.empty(); });
    const bool is_kept =
        label.starts_with(kReusedLabel) && static_cast<std::size_t>(idle) <= kMaxIdleChatLines;
    if (!is_kept) std::erase_if(lines, [&](const CommonLine& one) { return one.label == label; });
}

// One that does not share a session any more has nothing on that one's lines.
void ChatPlane::use_session(std::uint32_t id, Recorded& recorded,
                            std::shared_ptr<const void> session) {
    if (session == nullptr) session = recorded.own_session;
    if (recorded.session == session) return;
    if (recorded.session != nullptr) {
        leave_all_common(id, recorded);
        for (Place& place : recorded.places)
            if (is_common_label(place.label)) place.chats.clear();
    }
    recorded.session = std::move(session);
}

void ChatPlane::leave_all_common(std::uint32_t id, const Recorded& recorded) {
    for (const Place& place : recorded.places)
        for (const Carried& carried : place.chats)
            leave_common(recorded, place.label, {.session = carried.session, .subscription = id},
                         carried.counters);
}

void ChatPlane::take_away(std::uint32_t id, Recorded& recorded, Place& place, std::size_t nth) {
    const chat::CopyKey copy{.session = place.chats[nth].session, .subscription = id};
    leave_common(recorded, place.label, copy, place.chats[nth].counters);
    place.chats.erase(place.chats.begin() + static_cast<std::ptrdiff_t>(nth));
    // One that has ended lets what is left of it go out.
    if (owners_.contains(copy.session))
        link_.post([copy](base::Now now, chat::Desk& desk) { desk.copies().close(now, copy); });
}

// RFC 7866 section 7.1.1. We connect: nobody has to reach us.
std::string ChatPlane::section_of(const Call& call, const Recorded& recorded, const Place& place,
                                  bool is_paused) const {
    const bool is_common = is_common_label(place.label);
    std::vector<const Chat*> chats;
    for (const Carried& carried : place.chats)
        if (const Chat* chat = chat_of(call, carried)) chats.push_back(chat);
    if (chats.empty() && find_common(recorded, place.label) == nullptr)
        return fmt::format("m=message 0 {} *\r\na=label:{}\r\n", proto_of(place.own.is_secure),
                           place.label);
    std::string text =
        fmt::format("m=message {} {} *\r\n", place.own.port, proto_of(place.own.is_secure));
    if (!is_common && !chats.front()->title.empty())
        text += fmt::format("i={}\r\n", chats.front()->title);
    text += fmt::format("a=path:{}\r\na=setup:active\r\na=msrp-cema\r\n", to_string(place.own));
    if (const auto own = link_.certificate(); own && place.own.is_secure)
        text += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    // What a line carries that is shared changes without an offer.
    text += is_common ? "a=accept-types:*\r\n" : chats.front()->attributes;
    // The recording's own: the same transfer is no other one (RFC 5547 section 6).
    if (!place.file_id.empty()) text += fmt::format("a=file-transfer-id:{}\r\n", place.file_id);
    const bool is_active = chats.empty() || std::any_of(chats.begin(), chats.end(),
                                                        [](auto* chat) { return chat->is_active; });
    return text + fmt::format("a={}\r\na=label:{}\r\n",
                              is_active && !is_paused ? "sendonly" : "inactive", place.label);
}

void ChatPlane::answer_subscription(CallKey key, std::uint32_t id, std::string_view sdp,
                                    PlaneDone done) {
    const auto call = calls_.find(key.value);
    const auto found = call == calls_.end() ? decltype(Call::subscriptions)::iterator{}
                                            : call->second.subscriptions.find(id);
    if (call == calls_.end() || found == call->second.subscriptions.end())
        return inner_.answer_subscription(key, id, sdp, std::move(done));
    const auto answer = sdp::parse(sdp);
    if (!answer) return inner_.answer_subscription(key, id, sdp, std::move(done));
    Recorded& recorded = found->second;
    recorded.is_paused = false;
    const std::size_t lines = std::min(answer->media.size(), recorded.places.size());
    // An older offer had fewer places, but the same ones.
    const auto first = find_section(sdp, 0);
    std::string to_inner(first ? sdp.substr(0, static_cast<std::size_t>(first->data() - sdp.data()))
                               : sdp);
    std::size_t inner_lines = 0;
    for (std::size_t i = 0; i < lines; ++i) {
        Place& place = recorded.places[i];
        if (!place.is_inner) {
            take_server_answer(key, id, recorded, place, *answer, answer->media[i]);
            continue;
        }
        to_inner += *find_section(sdp, i);
        ++inner_lines;
    }
    if (inner_lines == 0 && lines > 0) return done(base::Done{});
    inner_.answer_subscription(key, id, to_inner, std::move(done));
}

void ChatPlane::tell_once(CallKey key, Carried& carried, std::string code, std::string text) {
    if (std::exchange(carried.is_told_refused, true) || !told_) return;
    told_(key, {.kind = ChatEvent::Kind::NotRecorded,
                .line = carried.line,
                .reason = {std::move(code), std::move(text)}});
}

void ChatPlane::take_server_answer(CallKey key, std::uint32_t id, Recorded& recorded, Place& place,
                                   const sdp::SessionDescription& answer,
                                   const sdp::MediaDescription& medium) {
    if (place.chats.empty()) return;
    const auto refuse = [&](const std::string& code, const std::string& text) {
        for (Carried& carried : place.chats) {
            const chat::CopyKey copy{.session = carried.session, .subscription = id};
            link_.post([copy](base::Now now, chat::Desk& desk) {
                desk.copies().answer(now, copy, std::nullopt);
            });
            if (!code.empty()) tell_once(key, carried, code, text);
        }
    };
    if (chat_line(medium) == ChatLine::None)
        return refuse("chat_refused", "The server does not take the chat.");
    // P-123: what was encrypted between the parties leaves no other way.
    if (sdp::message_media_of(answer, medium).is_secure != place.own.is_secure)
        return refuse("chat_bad_answer",
                      "The server answers with another protocol than was offered.");
    if (medium.direction == sdp::Direction::Inactive ||
        medium.direction == sdp::Direction::SendOnly)
        return refuse({}, {});
    const sdp::MessageMedia media = sdp::message_media_of(answer, medium);
    const auto peer = peer_of(answer, medium, true);
    if (!peer || !peer->connect_to)
        return refuse("chat_bad_answer", "The server's answer says no place to connect to.");
    // RFC 5547 section 8.2: without it the server does not know that it gets a file.
    if (!place.file_id.empty() && media.file_transfer_id != place.file_id)
        return refuse("file_refused", "The server does not take the file.");
    chat::CopyAnswer taken{
        .server = {.path = peer->path,
                   .own = place.own,
                   .types = {.accept_types = std::string(media.accept_types),
                             .accept_wrapped_types = std::string(media.accept_wrapped_types),
                             .is_file = !place.file_id.empty()},
                   .max_bytes = media.max_size},
        .connect_to = *peer->connect_to,
        .fingerprints = peer->fingerprints};
    bool takes_next = true;
    if (CommonLine* common = find_common(recorded, place.label)) {
        common->takes_several = taken.server.types.takes_wrapper();
        // All others get lines of their own.
        const chat::CopyKey first{.session = place.chats.front().session, .subscription = id};
        takes_next =
            *common->takes_several || common->users.empty() || *common->users.begin() == first;
    }
    for (Carried& carried : place.chats) {
        if (!takes_next) {  // it waits for a line of its own
            link_.later([this, key] {
                if (told_ && calls_.contains(key.value))
                    told_(key, {.kind = ChatEvent::Kind::Relined});
            });
            break;
        }
        takes_next = taken.server.types.takes_wrapper();
        carried.is_told_refused = false;
        const chat::CopyKey copy{.session = carried.session, .subscription = id};
        link_.post([copy, taken](base::Now now, chat::Desk& desk) {
            desk.copies().answer(now, copy, taken);
        });
    }
}

void ChatPlane::on_metadata_told(CallKey key, std::uint32_t id, std::uint64_t serial) {
    inner_.on_metadata_told(key, id, serial);
    const auto call = calls_.find(key.value);
    if (call == calls_.end()) return;
    const auto found = call->second.subscriptions.find(id);
    if (found == call->second.subscriptions.end()) return;
    for (const Place& place : found->second.places)
        for (const Carried& carried : place.chats) {
            const chat::CopyKey copy{.session = carried.session, .subscription = id};
            link_.post([copy, serial](base::Now now, chat::Desk& desk) {
                desk.copies().told(now, copy, serial);
            });
        }
}

void ChatPlane::stop_subscription(CallKey key, std::uint32_t id, Stop why) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.stop_subscription(key, id, why);
    if (call == calls_.end()) return;
    const auto found = call->second.subscriptions.find(id);
    if (found == call->second.subscriptions.end()) return;
    found->second.is_paused = found->second.is_paused || why == Stop::Wanted;
    for (const Place& place : found->second.places) {
        for (const Carried& carried : place.chats) {
            const chat::CopyKey copy{.session = carried.session, .subscription = id};
            link_.post([copy, why](base::Now now, chat::Desk& desk) {
                why == Stop::ServerLost ? desk.copies().lose_server(now, copy)
                                        : desk.copies().pause(now, copy);
            });
        }
    }
}

void ChatPlane::unsubscribe(CallKey key, std::uint32_t id) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.unsubscribe(key, id);
    if (call == calls_.end()) return;
    const auto found = call->second.subscriptions.find(id);
    if (found == call->second.subscriptions.end()) return;
    for (const Place& place : found->second.places)
        for (const Carried& carried : place.chats) {
            const chat::CopyKey copy{.session = carried.session, .subscription = id};
            link_.post([copy](base::Now now, chat::Desk& desk) { desk.copies().close(now, copy); });
        }
    leave_all_common(id, found->second);
    call->second.subscriptions.erase(found);
}

base::Result<CallMedia, Reason> ChatPlane::query(CallKey key) const {
    const auto call = calls_.find(key.value);
    const bool is_room = call != calls_.end() && call->second.is_room;
    auto media = is_room ? base::Result<CallMedia, Reason>(CallMedia{}) : inner_.query(key);
    if (!media || call == calls_.end()) return media;
    CallMedia told = *std::move(media);
    for (const auto& [id, recorded] : call->second.subscriptions)
        for (const Place& place : recorded.places)
            for (const Carried& carried : place.chats)
                told.forks.push_back({.subscription = id,
                                      .label = place.label,
                                      .from = Leg::A,
                                      .line = carried.line,
                                      .is_open = false,
                                      .to = {},
                                      .rtp = {},
                                      .rtcp = {},
                                      .from_server = {},
                                      .replayed = {},
                                      .is_replaying = carried.counters->waiting > 0});
    return told;
}

}  // namespace earshot::relay
