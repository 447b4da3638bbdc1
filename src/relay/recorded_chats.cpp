#include "relay/recorded_chats.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "relay/chat_sdp.h"
#include "relay/limits.h"
#include "relay/screen_sdp.h"
#include "sdp/message_media.h"
#include "sdp/offer_answer.h"

namespace earshot::relay {

namespace {

std::string selector_in(std::string_view attributes) {
    constexpr std::string_view kName = "a=file-selector:";
    const std::size_t at = attributes.find(kName);
    if (at == std::string_view::npos) return {};
    attributes.remove_prefix(at + kName.size());
    return std::string(attributes.substr(0, attributes.find("\r\n")));
}

}  // namespace

RecordedChats::RecordedChats(Surroundings surroundings, CallKey call, std::uint32_t subscription,
                             std::uint64_t session_id)
    : s_(surroundings), call_(call), id_(subscription), told_(session_id) {}

const RecordableChat* RecordedChats::find(const LineChats& chats, const Carried& carried) {
    const auto found = std::find_if(chats.begin(), chats.end(), [&](const LineChat& one) {
        return one.line == carried.line && one.chat->session == carried.session;
    });
    return found == chats.end() ? nullptr : found->chat;
}

CommonChatLine* RecordedChats::common_of(const Place& place) const {
    return s_.common.find(session_, place.label);
}

template <class Work>
void RecordedChats::each_copy(Work work) const {
    for (const Place& place : places_)
        for (const Carried& carried : place.chats)
            s_.link.post([copy = copy_of(carried), work](base::Now now, chat::Desk& desk) {
                work(now, desk.copies(), copy);
            });
}

// ---- offers -------------------------------------------------------------------------------------

// A place for each chat that is wanted, and none for those that are over.
bool RecordedChats::find_places(const LineChats& chats, const SubscribeOptions& options,
                                const base::NetAddress& address, std::size_t inner_lines) {
    use_session(options.chats.session);
    for (; inner_places_ < inner_lines; ++inner_places_) places_.push_back({.is_inner = true});
    const bool is_wanted =
        options.media.empty() ||
        std::any_of(options.media.begin(), options.media.end(),
                    [](const std::string& media) { return base::iequals(media, "message"); });
    for (Place& place : places_)
        for (std::size_t i = place.chats.size(); i-- > 0;) {
            const bool is_living = find(chats, place.chats[i]) != nullptr;
            if (!is_wanted || !is_living) take_away(place, i, is_living);
        }
    move_out();
    for (const LineChat& one : chats) {
        if (!is_wanted) break;
        const bool is_new = find_carried(one.chat->session).first == nullptr;
        if (is_new) {
            const auto listener = s_.link.listener(!address.is_v4(), false);
            if (!listener) continue;
            base::NetAddress at = address;
            at.port = listener->port;
            if (!give_place(one, options.chats, at)) continue;
        }
        open_copy(one, options, is_new);
    }
    return std::any_of(places_.begin(), places_.end(),
                       [](const Place& place) { return !place.is_inner; });
}

std::pair<RecordedChats::Place*, RecordedChats::Carried*> RecordedChats::find_carried(
    chat::SessionId session) {
    for (Place& place : places_)
        for (Carried& carried : place.chats)
            if (carried.session == session) return {&place, &carried};
    return {};
}

void RecordedChats::open_copy(const LineChat& one, const SubscribeOptions& options, bool is_new) {
    const auto [place, carried] = find_carried(one.chat->session);
    if (one.chat->is_file) {
        place->file_selector = selector_in(one.chat->attributes);
        place->pusher = one.chat->pusher;
    }
    const bool is_common = is_common_label(place->label);
    chat::CopySetup setup{.parties = options.parties,
                          .only = std::nullopt,
                          .counters = carried->counters,
                          .stream_id = {},
                          .waits_to_be_told = is_common,
                          .takes_early = !options.is_paused && !(is_new && is_paused_)};
    if (is_common && options.chats.stream_id)
        setup.stream_id = options.chats.stream_id(carried->name);
    // Where we take part ourselves all that comes is of others.
    if (options.only && !one.is_guest)
        setup.only = *options.only == Leg::A ? chat::Side::A : chat::Side::B;
    const bool is_paused = options.is_paused || (is_new && is_paused_);
    s_.link.post([copy = copy_of(*carried), setup = std::move(setup), is_paused](base::Now now,
                                                                                 chat::Desk& desk) {
        desk.copies().open(now, copy, setup);
        if (is_paused) desk.copies().pause(now, copy);
        for (const chat::Side side : {chat::Side::A, chat::Side::B})
            desk.chats().set_address(copy.session, side, setup.parties[index_of(side)]);
    });
}

// False: there is no room. Files and rooms say by attributes of their line what they are.
bool RecordedChats::give_place(const LineChat& one, const ChatLines& lines,
                               const base::NetAddress& at) {
    const RecordableChat& chat = *one.chat;
    if (lines.mapping != ChatMapping::Session && !chat.is_file && !chat.is_room) {
        if (give_common_place(one, lines, at)) return true;
        if (places_.size() < kMaxPlaces) tell_own_line(one.line);
    }
    if (places_.size() >= kMaxPlaces) return false;
    Place place;
    place.label = fmt::format("chat-{}", ++last_label_);
    place.chats.push_back({.session = chat.session,
                           .line = one.line,
                           .name = {},
                           .is_told_refused = false,
                           .counters = std::make_shared<chat::CopyCounters>()});
    place.own = own_chat_uri(s_.random, at, chat.is_secure);
    if (chat.is_file) place.file_id = s_.random.token(kSessionIdBytes);
    places_.push_back(std::move(place));
    return true;
}

// False: the server cannot tell several chats on a line apart.
bool RecordedChats::give_common_place(const LineChat& one, const ChatLines& lines,
                                      const base::NetAddress& at) {
    const bool is_secure = one.chat->is_secure;
    CommonChatLine* common = s_.common.find_for(session_, lines.mapping, is_secure);
    if (common != nullptr && !common->users.empty() && !common->takes_several.value_or(true))
        return false;
    auto place = std::find_if(places_.begin(), places_.end(), [&](const Place& known) {
        return common != nullptr && known.label == common->label;
    });
    if (place == places_.end() && places_.size() >= kMaxPlaces) return false;
    if (common == nullptr) common = &s_.common.add(session_, lines.mapping, at, is_secure);
    common->users.insert({.session = one.chat->session, .subscription = id_});
    if (place == places_.end()) {
        places_.push_back({.is_inner = false, .chats = {}, .label = common->label});
        place = std::prev(places_.end());
        place->own = common->own;
    }
    place->chats.push_back({.session = one.chat->session,
                            .line = one.line,
                            .name = fmt::format("chat-{}", ++last_label_),
                            .is_told_refused = false,
                            .counters = std::make_shared<chat::CopyCounters>()});
    return true;
}

void RecordedChats::tell_own_line(std::size_t line) {
    if (!s_.told) return;
    s_.told(call_, {.kind = ChatEvent::Kind::OwnLine,
                    .line = line,
                    .reason = {"mux_not_taken",
                               "The server has not listed application/msrp-recording, by which "
                               "several chats on a line are told apart."}});
}

// A server that cannot tell several chats on a line apart has the first of them there, and the
// others on lines of their own.
void RecordedChats::move_out() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
        CommonChatLine* common = common_of(places_[i]);
        if (common == nullptr || common->takes_several.value_or(true)) continue;
        for (std::size_t nth = places_[i].chats.size(); nth-- > 0;) {
            if (places_.size() >= kMaxPlaces) return;
            const chat::CopyKey copy = copy_of(places_[i].chats[nth]);
            if (common->is_for(copy)) continue;
            Place place;
            place.label = fmt::format("chat-{}", ++last_label_);
            place.own = common->own;
            place.own.session_id = s_.random.token(kSessionIdBytes);
            place.chats.push_back(std::move(places_[i].chats[nth]));
            place.chats.back().name.clear();
            place.chats.back().is_told_refused = false;
            places_[i].chats.erase(places_[i].chats.begin() + static_cast<std::ptrdiff_t>(nth));
            common->users.erase(copy);
            tell_own_line(place.chats.back().line);
            places_.push_back(std::move(place));
        }
    }
}

void RecordedChats::take_away(Place& place, std::size_t nth, bool is_living) {
    const chat::CopyKey copy = copy_of(place.chats[nth]);
    s_.common.leave(session_, place.label, copy, place.chats[nth].counters);
    place.chats.erase(place.chats.begin() + static_cast<std::ptrdiff_t>(nth));
    // One that has ended lets what is left of it go out.
    if (is_living)
        s_.link.post([copy](base::Now now, chat::Desk& desk) { desk.copies().close(now, copy); });
}

// One that does not share a session any more has nothing on that one's lines.
void RecordedChats::use_session(CommonChatLines::Session session) {
    if (session == nullptr) session = own_session_;
    if (session_ == session) return;
    if (session_ != nullptr) {
        leave_common();
        for (Place& place : places_)
            if (is_common_label(place.label)) place.chats.clear();
    }
    session_ = std::move(session);
}

void RecordedChats::leave_common() const {
    for (const Place& place : places_)
        for (const Carried& carried : place.chats)
            s_.common.leave(session_, place.label, copy_of(carried), carried.counters);
}

Subscription RecordedChats::compose(const LineChats& chats, const SubscribeOptions& options,
                                    const base::NetAddress& address, Subscription inner) {
    Subscription told = std::move(inner);
    std::string lines;
    std::size_t at_inner = 0;
    std::vector<std::size_t> places;  // of the lines of the plane behind
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (place.is_inner) {
            places.push_back(i);
            const auto section = find_section(told.offer, at_inner++);
            lines += section ? *section : std::string_view("m=audio 0 RTP/AVP 0\r\n");
            continue;
        }
        lines += section_of(chats, place, options.is_paused);
    }
    told.offer = told_.tell([&](std::uint64_t version) {
        return sdp::make_offer({.session_id = told_.session_id(),
                                .session_version = version,
                                .address = address},
                               {}) +
               lines;
    });
    for (SubscribedStream& stream : told.streams) stream.place = places[stream.place];
    for (std::size_t i = 0; i < places_.size(); ++i)
        for (const Carried& carried : places_[i].chats)
            if (const RecordableChat* chat = find(chats, carried); chat != nullptr)
                told.streams.push_back({.label = places_[i].label,
                                        .from = chat->pusher.value_or(Leg::A),
                                        .line = carried.line,
                                        .place = i,
                                        .media = "message",
                                        .is_active = chat->is_active,
                                        .title = chat->title,
                                        .is_of_both = !chat->is_file || !chat->pusher,
                                        .name = carried.name});
    std::stable_sort(told.streams.begin(), told.streams.end(),
                     [](const auto& a, const auto& b) { return a.place < b.place; });
    return told;
}

bool RecordedChats::has_kept_line() const {
    return std::any_of(places_.begin(), places_.end(),
                       [&](const Place& place) { return common_of(place) != nullptr; });
}

// RFC 7866 section 7.1.1. We connect: nobody has to reach us.
std::string RecordedChats::section_of(const LineChats& chats, const Place& place,
                                      bool is_paused) const {
    const bool is_common = is_common_label(place.label);
    std::vector<const RecordableChat*> on_it;
    for (const Carried& carried : place.chats)
        if (const RecordableChat* chat = find(chats, carried)) on_it.push_back(chat);
    if (on_it.empty() && common_of(place) == nullptr)
        return fmt::format("m=message 0 {} *\r\na=label:{}\r\n", chat_proto(place.own.is_secure),
                           place.label);
    std::string text =
        fmt::format("m=message {} {} *\r\n", place.own.port, chat_proto(place.own.is_secure));
    if (!is_common && !on_it.front()->title.empty())
        text += fmt::format("i={}\r\n", on_it.front()->title);
    text += fmt::format("a=path:{}\r\na=setup:active\r\na=msrp-cema\r\n", to_string(place.own));
    if (const auto own = s_.link.certificate(); own && place.own.is_secure)
        text += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    // What a line carries that is shared changes without an offer.
    text += is_common ? "a=accept-types:*\r\n" : on_it.front()->attributes;
    // The recording's own: the same transfer is no other one (RFC 5547 section 6).
    if (!place.file_id.empty()) text += fmt::format("a=file-transfer-id:{}\r\n", place.file_id);
    const bool is_active = on_it.empty() || std::any_of(on_it.begin(), on_it.end(),
                                                        [](auto* chat) { return chat->is_active; });
    return text + fmt::format("a={}\r\na=label:{}\r\n",
                              is_active && !is_paused ? "sendonly" : "inactive", place.label);
}

// ---- answers ------------------------------------------------------------------------------------

std::optional<std::string> RecordedChats::take_answer(std::string_view sdp,
                                                      const sdp::SessionDescription& answer) {
    is_paused_ = false;
    const std::size_t lines = std::min(answer.media.size(), places_.size());
    // An older offer had fewer places, but the same ones.
    const auto first = find_section(sdp, 0);
    std::string to_inner(first ? sdp.substr(0, static_cast<std::size_t>(first->data() - sdp.data()))
                               : sdp);
    std::size_t inner_lines = 0;
    for (std::size_t i = 0; i < lines; ++i) {
        if (!places_[i].is_inner) {
            take_answer(places_[i], answer, answer.media[i]);
            continue;
        }
        to_inner += *find_section(sdp, i);
        ++inner_lines;
    }
    // Once all lines are answered: which chats take notices is known then.
    for (Place& place : places_)
        if (std::exchange(place.is_just_refused, false)) tell_refused_file(place);
    if (inner_lines == 0 && lines > 0) return std::nullopt;
    return to_inner;
}

void RecordedChats::tell_once(Carried& carried, std::string code, std::string text) {
    if (std::exchange(carried.is_told_refused, true) || !s_.told) return;
    s_.told(call_, {.kind = ChatEvent::Kind::NotRecorded,
                    .line = carried.line,
                    .reason = {std::move(code), std::move(text)}});
}

void RecordedChats::refuse(Place& place, const std::string& code, const std::string& text) {
    for (Carried& carried : place.chats) {
        s_.link.post([copy = copy_of(carried)](base::Now now, chat::Desk& desk) {
            desk.copies().answer(now, copy, std::nullopt);
        });
        if (code.empty()) continue;
        place.is_just_refused = !place.file_id.empty() && !carried.is_told_refused;
        tell_once(carried, code, text);
    }
}

// That there was a file stands in a chat of the same recording session, if one takes notices. What
// was encrypted between the parties leaves no other way (P-123), its name neither.
void RecordedChats::tell_refused_file(const Place& place) {
    if (!place.pusher) return;  // nobody knows whose it is
    std::vector<chat::CopyKey> chats;
    for (const Place& line : places_) {
        const bool is_secure = line.own.is_secure && !line.was_clear;
        if (line.is_inner || !line.file_id.empty() || (place.own.is_secure && !is_secure)) continue;
        for (const Carried& carried : line.chats) chats.push_back(copy_of(carried));
    }
    if (chats.empty()) return;
    chat::MessageFacts facts{.from = *place.pusher == Leg::A ? chat::Side::A : chat::Side::B,
                             .file_selector = place.file_selector};
    const auto size = sdp::parse_file_selector(place.file_selector).size;
    s_.link.post([chats = std::move(chats), facts = std::move(facts), size](base::Now now,
                                                                            chat::Desk& desk) {
        desk.copies().on_file_left_out(now, chats, facts, size);
    });
}

void RecordedChats::take_answer(Place& place, const sdp::SessionDescription& answer,
                                const sdp::MediaDescription& medium) {
    if (place.chats.empty()) return;
    if (chat_line(medium) == ChatLine::None)
        return refuse(place, "chat_refused", "The server does not take the chat.");
    const bool is_secure = sdp::message_media_of(answer, medium).is_secure;
    if (place.was_clear && !is_secure) return;  // to the offer before
    place.was_clear = false;
    // P-123: what was encrypted between the parties leaves no other way.
    if (is_secure != place.own.is_secure)
        return refuse(place, "chat_bad_answer",
                      "The server answers with another protocol than was offered.");
    if (medium.direction == sdp::Direction::Inactive ||
        medium.direction == sdp::Direction::SendOnly)
        return refuse(place, {}, {});
    const sdp::MessageMedia media = sdp::message_media_of(answer, medium);
    const auto peer = peer_of(answer, medium, true);
    if (!peer || !peer->connect_to)
        return refuse(place, "chat_bad_answer", "The server's answer says no place to connect to.");
    // RFC 5547 section 8.2: without it the server does not know that it gets a file.
    if (!place.file_id.empty() && media.file_transfer_id != place.file_id)
        return refuse(place, "file_refused", "The server does not take the file.");
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
    if (CommonChatLine* common = common_of(place)) {
        common->takes_several = taken.server.types.takes_wrapper();
        // All others get lines of their own.
        takes_next = common->is_for(copy_of(place.chats.front()));
    }
    for (Carried& carried : place.chats) {
        if (!takes_next) {  // it waits for a line of its own
            s_.link.later(
                [call = call_, alive = std::weak_ptr<const void>(own_session_), &told = s_.told] {
                    if (!alive.expired() && told) told(call, {.kind = ChatEvent::Kind::Relined});
                });
            break;
        }
        takes_next = taken.server.types.takes_wrapper();
        carried.is_told_refused = false;
        s_.link.post([copy = copy_of(carried), taken](base::Now now, chat::Desk& desk) {
            desk.copies().answer(now, copy, taken);
        });
    }
}

void RecordedChats::on_metadata_told(std::uint64_t serial) {
    each_copy([serial](base::Now now, chat::Copies& copies, const chat::CopyKey& copy) {
        copies.told(now, copy, serial);
    });
}

void RecordedChats::encrypt(chat::SessionId session) {
    const auto [place, carried] = find_carried(session);
    if (place == nullptr || place->own.is_secure) return;
    place->own.is_secure = true;
    place->own.session_id = s_.random.token(kSessionIdBytes);
    place->was_clear = true;
    s_.link.post([copy = copy_of(*carried)](base::Now now, chat::Desk& desk) {
        desk.copies().await_answer(now, copy);
    });
}

// ---- the end ------------------------------------------------------------------------------------

void RecordedChats::stop(Stop why) {
    is_paused_ = is_paused_ || why == Stop::Wanted;
    each_copy([why](base::Now now, chat::Copies& copies, const chat::CopyKey& copy) {
        why == Stop::ServerLost ? copies.lose_server(now, copy) : copies.pause(now, copy);
    });
}

void RecordedChats::close() {
    each_copy([](base::Now now, chat::Copies& copies, const chat::CopyKey& copy) {
        copies.close(now, copy);
    });
    leave_common();
}

void RecordedChats::add_forks(std::vector<ForkMedia>& forks) const {
    for (const Place& place : places_)
        for (const Carried& carried : place.chats)
            forks.push_back({.subscription = id_,
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
}

}  // namespace earshot::relay
