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
    if (event.kind == chat::CopyEvent::Kind::ServerLost) {
        if (living != owners_.end() && server_silent_)
            server_silent_(of.call, event.key.subscription, event.reason);
        return;
    }
    if (told_)
        told_(of.call,
              {.kind = ChatEvent::Kind::NotRecorded, .line = of.line, .reason = event.reason});
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

const ChatPlane::Chat* ChatPlane::chat_of(const Call& call, const Place& place) {
    if (place.session == 0) return nullptr;
    const auto line = call.lines.find(place.line);
    if (line == call.lines.end() || !line->second.agreed) return nullptr;
    const Chat& chat = *line->second.agreed;
    return chat.session == place.session ? &chat : nullptr;
}

void ChatPlane::subscribe(CallKey key, std::uint32_t id, const SubscribeOptions& options,
                          SubscriptionDone done) {
    const auto found = calls_.find(key.value);
    if (found == calls_.end()) return inner_.subscribe(key, id, options, std::move(done));
    if (found->second.is_room)
        return done(compose(found->second, id, options,
                            Reason{"no_media", "Nobody has written in the room."}));
    inner_.subscribe(key, id, options, [&](base::Result<Subscription, Reason> made) {
        done(compose(found->second, id, options, std::move(made)));
    });
}

base::Result<Subscription, Reason> ChatPlane::compose(Call& call, std::uint32_t id,
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
    const std::size_t inner_lines = inner ? inner->media.size() : 0;
    for (; recorded.inner_places < inner_lines; ++recorded.inner_places)
        recorded.places.push_back({.is_inner = true});
    find_places(call, id, recorded, options, *address);
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
        lines += section_of(call, place, options.is_paused);
    }
    told.offer = recorded.told.tell([&](std::uint64_t version) {
        return sdp::make_offer({.session_id = recorded.told.session_id(),
                                .session_version = version,
                                .address = *address},
                               {}) +
               lines;
    });
    for (SubscribedStream& stream : told.streams) stream.place = places[stream.place];
    for (std::size_t i = 0; i < recorded.places.size(); ++i) {
        const Place& place = recorded.places[i];
        const Chat* chat = chat_of(call, place);
        if (place.is_inner || chat == nullptr) continue;
        told.streams.push_back({.label = place.label,
                                .line = place.line,
                                .place = i,
                                .media = "message",
                                .is_active = chat->is_active,
                                .title = chat->title,
                                .is_of_both = true});
    }
    std::stable_sort(told.streams.begin(), told.streams.end(),
                     [](const auto& a, const auto& b) { return a.place < b.place; });
    if (told.streams.empty() && !made) return made;
    return told;
}

// A place for each chat that is wanted, and none for those that are over.
void ChatPlane::find_places(Call& call, std::uint32_t id, Recorded& recorded,
                            const SubscribeOptions& options, const base::NetAddress& address) {
    const bool is_wanted =
        options.media.empty() ||
        std::any_of(options.media.begin(), options.media.end(),
                    [](const std::string& media) { return base::iequals(media, "message"); });
    for (Place& place : recorded.places) {
        if (place.session == 0 || (is_wanted && chat_of(call, place) != nullptr)) continue;
        const chat::CopyKey copy{.session = std::exchange(place.session, 0), .subscription = id};
        // One that has ended lets what is left of it go out.
        if (owners_.contains(copy.session))
            link_.post([copy](base::Now now, chat::Desk& desk) { desk.copies().close(now, copy); });
    }
    for (auto& [line, known] : call.lines) {
        if (!known.agreed || !is_wanted) continue;
        const chat::SessionId session = known.agreed->session;
        const auto found =
            std::find_if(recorded.places.begin(), recorded.places.end(),
                         [&](const Place& place) { return place.session == session; });
        std::shared_ptr<chat::CopyCounters> counters;
        if (found != recorded.places.end()) {
            counters = found->counters;
        } else {
            if (recorded.places.size() >= kMaxPlaces) continue;
            const auto listener = link_.listener(!address.is_v4(), false);
            if (!listener) continue;
            base::NetAddress at = address;
            at.port = listener->port;
            counters = std::make_shared<chat::CopyCounters>();
            recorded.places.push_back(
                {.is_inner = false,
                 .session = session,
                 .line = line,
                 .label = fmt::format("chat-{}", ++recorded.last_label),
                 .own = uri_at(at, random_.token(kSessionIdBytes), known.agreed->is_secure),
                 .file_id = known.agreed->is_file ? random_.token(kSessionIdBytes) : std::string{},
                 .is_told_refused = false,
                 .counters = counters});
        }
        chat::CopySetup setup{
            .parties = options.parties, .only = std::nullopt, .counters = std::move(counters)};
        // Where we take part ourselves all that comes is of others.
        if (options.only && !known.is_guest) setup.only = side_of(*options.only);
        const chat::CopyKey copy{.session = session, .subscription = id};
        link_.post([copy, setup = std::move(setup), is_paused = options.is_paused](
                       base::Now now, chat::Desk& desk) {
            desk.copies().open(copy, setup);
            if (is_paused) desk.copies().pause(now, copy);
            for (const chat::Side side : {chat::Side::A, chat::Side::B})
                desk.chats().set_address(copy.session, side, setup.parties[index_of(side)]);
        });
    }
}

// RFC 7866 section 7.1.1. We connect: nobody has to reach us.
std::string ChatPlane::section_of(const Call& call, const Place& place, bool is_paused) const {
    const Chat* chat = chat_of(call, place);
    if (chat == nullptr)
        return fmt::format("m=message 0 {} *\r\na=label:{}\r\n", proto_of(place.own.is_secure),
                           place.label);
    std::string text =
        fmt::format("m=message {} {} *\r\n", place.own.port, proto_of(place.own.is_secure));
    if (!chat->title.empty()) text += fmt::format("i={}\r\n", chat->title);
    text += fmt::format("a=path:{}\r\na=setup:active\r\na=msrp-cema\r\n", to_string(place.own));
    if (const auto own = link_.certificate(); own && place.own.is_secure)
        text += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    text += chat->attributes;
    // The recording's own: the same transfer is no other one (RFC 5547 section 6).
    if (!place.file_id.empty()) text += fmt::format("a=file-transfer-id:{}\r\n", place.file_id);
    return text + fmt::format("a={}\r\na=label:{}\r\n",
                              chat->is_active && !is_paused ? "sendonly" : "inactive", place.label);
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
    const std::size_t lines = std::min(answer->media.size(), recorded.places.size());
    // An older offer had fewer places, but the same ones.
    const auto first = find_section(sdp, 0);
    std::string to_inner(first ? sdp.substr(0, static_cast<std::size_t>(first->data() - sdp.data()))
                               : sdp);
    std::size_t inner_lines = 0;
    for (std::size_t i = 0; i < lines; ++i) {
        Place& place = recorded.places[i];
        if (!place.is_inner) {
            take_server_answer(key, id, place, *answer, answer->media[i]);
            continue;
        }
        to_inner += *find_section(sdp, i);
        ++inner_lines;
    }
    if (inner_lines == 0 && lines > 0) return done(base::Done{});
    inner_.answer_subscription(key, id, to_inner, std::move(done));
}

void ChatPlane::take_server_answer(CallKey key, std::uint32_t id, Place& place,
                                   const sdp::SessionDescription& answer,
                                   const sdp::MediaDescription& medium) {
    if (place.session == 0) return;
    const chat::CopyKey copy{.session = place.session, .subscription = id};
    const auto refuse = [&](std::string code, std::string text) {
        link_.post([copy](base::Now now, chat::Desk& desk) {
            desk.copies().answer(now, copy, std::nullopt);
        });
        if (!code.empty() && told_ && !std::exchange(place.is_told_refused, true))
            told_(key, {.kind = ChatEvent::Kind::NotRecorded,
                        .line = place.line,
                        .reason = {std::move(code), std::move(text)}});
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
    place.is_told_refused = false;
    chat::CopyAnswer taken{
        .server = {.path = peer->path,
                   .own = place.own,
                   .types = {.accept_types = std::string(media.accept_types),
                             .accept_wrapped_types = std::string(media.accept_wrapped_types),
                             .is_file = !place.file_id.empty()},
                   .max_bytes = media.max_size},
        .connect_to = *peer->connect_to,
        .fingerprints = peer->fingerprints};
    link_.post([copy, taken = std::move(taken)](base::Now now, chat::Desk& desk) {
        desk.copies().answer(now, copy, taken);
    });
}

void ChatPlane::stop_subscription(CallKey key, std::uint32_t id, Stop why) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.stop_subscription(key, id, why);
    if (call == calls_.end()) return;
    const auto found = call->second.subscriptions.find(id);
    if (found == call->second.subscriptions.end()) return;
    for (const Place& place : found->second.places) {
        if (place.session == 0) continue;
        const chat::CopyKey copy{.session = place.session, .subscription = id};
        link_.post([copy, why](base::Now now, chat::Desk& desk) {
            why == Stop::ServerLost ? desk.copies().lose_server(now, copy)
                                    : desk.copies().pause(now, copy);
        });
    }
}

void ChatPlane::unsubscribe(CallKey key, std::uint32_t id) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || !call->second.is_room) inner_.unsubscribe(key, id);
    if (call == calls_.end()) return;
    const auto found = call->second.subscriptions.find(id);
    if (found == call->second.subscriptions.end()) return;
    for (const Place& place : found->second.places) {
        if (place.session == 0) continue;
        const chat::CopyKey copy{.session = place.session, .subscription = id};
        link_.post([copy](base::Now now, chat::Desk& desk) { desk.copies().close(now, copy); });
    }
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
            if (place.session != 0)
                told.forks.push_back({.subscription = id,
                                      .label = place.label,
                                      .from = Leg::A,
                                      .line = place.line,
                                      .is_open = false,
                                      .to = {},
                                      .rtp = {},
                                      .rtcp = {},
                                      .from_server = {},
                                      .replayed = {},
                                      .is_replaying = place.counters->waiting > 0});
    return told;
}

}  // namespace earshot::relay
