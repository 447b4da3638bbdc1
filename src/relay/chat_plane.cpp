#include "relay/chat_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "chat/limits.h"
#include "relay/limits.h"
#include "relay/screen_sdp.h"
#include "sdp/offer_answer.h"

namespace earshot::relay {

namespace {

using base::Reason;

constexpr std::size_t kRemembered = 1024;  // calls that are over

chat::Side side_of(Leg leg) { return leg == Leg::A ? chat::Side::A : chat::Side::B; }

bool speaks_ipv6(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    const sdp::Connection* connection = sdp.connection_of(medium);
    return connection != nullptr && connection->address_type == "IP6";
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

void ChatPlane::encrypt_room(CallKey key) {
    const auto room = calls_.find(key.value);
    if (room == calls_.end() || !room->second.is_room) return;
    Chat& chat = *room->second.lines.at(0).agreed;
    if (std::exchange(chat.is_secure, true)) return;
    for (auto& [id, recorded] : room->second.subscriptions) recorded.encrypt(chat.session);
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
    if (auto fault = find_tls_fault(sdp, medium, link_.certificate()))
        return pass_by(key, call, line, *std::move(fault));
    auto peer = peer_of(sdp, medium, false);
    if (!peer)
        return pass_by(key, call, line,
                       {"chat_bad_path", "The chat's a=path cannot be read or reached."});
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    std::string end = chat_end_of(sdp, medium);
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
    note_pusher(chat, said.from, medium);
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

// RFC 5547 sections 8.1 and 8.2: who hands a file over says sendonly, who fetches or takes it
// recvonly. With another direction (a hold) whose it is stays as it was.
void ChatPlane::note_pusher(Chat& chat, Leg from, const sdp::MediaDescription& medium) {
    if (medium.direction == sdp::Direction::SendOnly) chat.pusher = from;
    if (medium.direction == sdp::Direction::RecvOnly) chat.pusher = other(from);
}

// A URI of ours for who has none yet. Reasons: those of ChatLink::listener().
std::optional<Reason> ChatPlane::tell_own(Chat& chat, Leg facing, bool ipv6, bool is_inside) {
    std::string& own = chat.own[index_of(facing)];
    if (!own.empty()) return std::nullopt;
    const auto at = link_.listener(ipv6, is_inside);
    if (!at) return at.error();
    const msrp::Uri uri = own_chat_uri(random_, *at, chat.is_secure);
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
    chat.said[index_of(said.from)] = chat_end_of(sdp, medium);
    note_pusher(chat, said.from, medium);
    link_.post([id = chat.session, from = said.from, peer = *std::move(peer)](base::Now now,
                                                                              chat::Desk& desk) {
        desk.copies().keep_early(id);
        desk.chats().set_peer(now, id, side_of(from), peer);
    });
    // Parties write as soon as they have the answer. Who records it is decided behind that, before
    // signalling does anything else; what begins later begins with what is said then.
    link_.later([&link = link_, id = chat.session] {
        link.post([id](base::Now /*now*/, chat::Desk& desk) { desk.copies().drop_early(id); });
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
    for (auto& [line, known] : found->second.lines) {
        close(known.offered);
        close(known.agreed);
    }
    // Until unsubscribe() a server may answer yet, and gets what is left of its copies.
    auto& left = found->second.subscriptions;
    if (!left.empty()) left_.insert_or_assign(key.value, std::move(left));
    if (left_.size() > kRemembered) {
        for (const auto& [id, recorded] : left_.begin()->second) recorded.leave_common();
        left_.erase(left_.begin());
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

LineChats ChatPlane::chats_of(const Call& call) {
    LineChats chats;
    for (const auto& [line, known] : call.lines)
        if (known.agreed)
            chats.push_back({.line = line, .chat = &*known.agreed, .is_guest = known.is_guest});
    return chats;
}

RecordedChats* ChatPlane::find_recorded(CallKey key, std::uint32_t id) {
    const auto call = calls_.find(key.value);
    const auto left = left_.find(key.value);
    if (call == calls_.end() && left == left_.end()) return nullptr;
    auto& subscriptions = call != calls_.end() ? call->second.subscriptions : left->second;
    const auto found = subscriptions.find(id);
    return found == subscriptions.end() ? nullptr : &found->second;
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
    RecordedChats& recorded =
        call.subscriptions
            .try_emplace(id, RecordedChats::Surroundings{link_, random_, common_, told_}, key, id,
                         known ? *known : random_.u32())
            .first->second;
    const LineChats chats = chats_of(call);
    if (!recorded.find_places(chats, options, *address, inner ? inner->media.size() : 0)) {
        call.subscriptions.erase(id);
        return made;
    }
    told = recorded.compose(chats, options, *address, std::move(told));
    told.serial = told_senders_;
    if (told.streams.empty() && !made && !recorded.has_kept_line()) return made;
    return told;
}

void ChatPlane::answer_subscription(CallKey key, std::uint32_t id, std::string_view sdp,
                                    PlaneDone done) {
    RecordedChats* recorded = find_recorded(key, id);
    const auto answer = sdp::parse(sdp);
    if (recorded == nullptr || !answer)
        return inner_.answer_subscription(key, id, sdp, std::move(done));
    const auto to_inner = recorded->take_answer(sdp, *answer);
    if (!to_inner) return done(base::Done{});
    inner_.answer_subscription(key, id, *to_inner, std::move(done));
}

void ChatPlane::on_metadata_told(CallKey key, std::uint32_t id, std::uint64_t serial) {
    inner_.on_metadata_told(key, id, serial);
    if (RecordedChats* recorded = find_recorded(key, id)) recorded->on_metadata_told(serial);
}

void ChatPlane::stop_subscription(CallKey key, std::uint32_t id, Stop why) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.stop_subscription(key, id, why);
    if (RecordedChats* recorded = find_recorded(key, id)) recorded->stop(why);
}

void ChatPlane::unsubscribe(CallKey key, std::uint32_t id) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.unsubscribe(key, id);
    RecordedChats* recorded = find_recorded(key, id);
    if (recorded == nullptr) return;
    recorded->close();
    if (call != calls_.end()) {
        call->second.subscriptions.erase(id);
        return;
    }
    const auto left = left_.find(key.value);
    left->second.erase(id);
    if (left->second.empty()) left_.erase(left);
}

base::Result<CallMedia, Reason> ChatPlane::query(CallKey key) const {
    const auto call = calls_.find(key.value);
    const bool is_room = call != calls_.end() && call->second.is_room;
    const auto left = left_.find(key.value);
    const bool has_inner = !is_room && (call != calls_.end() || left == left_.end());
    auto media = has_inner ? inner_.query(key) : base::Result<CallMedia, Reason>(CallMedia{});
    if (!media || (call == calls_.end() && left == left_.end())) return media;
    CallMedia told = *std::move(media);
    const auto& subscriptions = call != calls_.end() ? call->second.subscriptions : left->second;
    for (const auto& [id, recorded] : subscriptions) recorded.add_forks(told.forks);
    return told;
}

}  // namespace earshot::relay
