#include "client/conference_chat.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "chat/wrapping.h"
#include "relay/chat_sdp.h"
#include "relay/screen_sdp.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
#include "sdp/session_description.h"

namespace earshot::client {

namespace {

constexpr std::size_t kMaxAliases = 8;

// RFC 7701 section 8: "nickname private-messages"; its text says "nicknames" in places.
bool has_token(std::string_view tokens, std::string_view wanted) {
    while (!(tokens = base::trim(tokens)).empty())
        if (base::iequals(base::take_until(tokens, ' '), wanted)) return true;
    return false;
}

std::string room_attributes(bool takes_private) {
    return fmt::format(
        "a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=chatroom:nickname{}\r\n",
        takes_private ? " private-messages" : "");
}

std::string_view proto_of(bool is_secure) { return is_secure ? "TCP/TLS/MSRP" : "TCP/MSRP"; }

std::string refused(const sdp::MediaDescription& medium) {
    std::string text = fmt::format("m=message 0 {} *\r\n", medium.proto);
    if (!medium.mid.empty()) text += fmt::format("a=mid:{}\r\n", medium.mid);
    return text;
}

}  // namespace

ConferenceChat::ConferenceChat(Surroundings surroundings, relay::CallKey key, std::string uri,
                               Wishes wishes)
    : s_(surroundings), key_(key), uri_(std::move(uri)), wishes_(wishes) {}

ConferenceChat::~ConferenceChat() {
    if (is_open()) s_.plane->remove(key_);
}

void ConferenceChat::open(bool is_secure) {
    if (is_secure && !std::exchange(is_secure_, true) && is_open()) s_.plane->encrypt_room(key_);
    if (is_open()) return;
    room_ = s_.plane->open_room(key_, room_attributes(wishes_.takes_private), is_secure);
    s_.link->post(
        [room = room_, setup = chat::RoomSetup{.uri = uri_,
                                               .aliases = aliases_,
                                               .takes_private = wishes_.takes_private,
                                               .records_private = wishes_.records_private}](
            base::Now /*now*/, chat::Desk& desk) { desk.rooms().open(room, setup); });
}

void ConferenceChat::add_alias(std::string_view contact) {
    const std::size_t open = contact.find('<');
    if (open != std::string_view::npos) contact = contact.substr(open + 1);
    std::string uri(contact.substr(0, contact.find('>')));
    if (aliases_.size() >= kMaxAliases ||
        std::find(aliases_.begin(), aliases_.end(), uri) != aliases_.end())
        return;
    aliases_.push_back(uri);
    if (!is_open()) return;
    s_.link->post([room = room_, uri = std::move(uri)](base::Now /*now*/, chat::Desk& desk) {
        desk.rooms().add_alias(room, uri);
    });
}

// ---- descriptions -------------------------------------------------------------------------------

ConferenceChat::Taken ConferenceChat::take(std::uint32_t member, std::string_view sdp,
                                           bool is_answer,
                                           const std::vector<siprec::NameId>& names) {
    Taken taken{.rest = std::string(sdp)};
    const auto parsed = sdp::parse(sdp);
    if (!parsed) return taken;
    bool is_taken = false;
    const auto known = line_of(member);
    for (std::size_t line = 0; line < parsed->media.size(); ++line) {
        const sdp::MediaDescription& medium = parsed->media[line];
        if (!sdp::is_message_media(medium)) continue;
        // An answer of ours keeps its place among the lines.
        const bool is_its_place = !is_answer || known == line;
        if (!is_taken && is_its_place && relay::chat_line(medium) != relay::ChatLine::None) {
            auto refusal = set(member, line, *parsed, is_answer, names);
            is_taken = !refusal;
            if (!taken.refusal) taken.refusal = std::move(refusal);
        }
        taken.rest = relay::with_section(taken.rest, line, refused(medium));
    }
    if (is_taken) taken.refusal.reset();
    if (!is_taken) remove(member);
    return taken;
}

// Reasons: those of ChatLink::listener() and relay::find_tls_fault(), and those below.
std::optional<base::Reason> ConferenceChat::set(std::uint32_t number, std::size_t line,
                                                const sdp::SessionDescription& sdp, bool is_answer,
                                                const std::vector<siprec::NameId>& names) {
    if (s_.plane == nullptr || s_.link == nullptr || !wishes_.is_offered || names.empty())
        return base::Reason{"no_chat", "There is no chat here."};
    const sdp::MediaDescription& medium = sdp.media[line];
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    if (!media.file_selector.empty())
        return base::Reason{"chat_file", "Files that are offered in a call are not taken."};
    if (!media.accept_types.empty() && !chat::accepts_type(media.accept_types, "message/cpim"))
        return base::Reason{"chat_no_cpim", "It takes no message/cpim, as a room has (RFC 7701)."};
    const auto known = members_.find(number);
    // Another protocol than was offered is no answer.
    if (is_answer && known != members_.end() && known->second.is_secure != media.is_secure)
        return base::Reason{"chat_bad_answer",
                            "It answers with another protocol than was offered."};
    if (auto fault = relay::find_tls_fault(sdp, medium, s_.link->certificate())) return fault;
    const auto peer = relay::peer_of(sdp, medium, is_answer);
    if (!peer) return base::Reason{"chat_bad_path", "Its a=path cannot be read or reached."};
    if (media.path.size() > chat::kMaxMemberPathBytes)
        return base::Reason{"chat_bad_path", "Its a=path is too long."};
    const sdp::Connection* connection = sdp.connection_of(medium);
    const auto at =
        s_.link->listener(connection != nullptr && connection->address_type == "IP6", false);
    if (!at) return at.error();
    open(media.is_secure);
    Member& member = members_[number];
    std::string end = relay::chat_end_of(sdp, medium);
    const bool goes_on = member.end == end && member.is_secure == media.is_secure;
    // In our offer, which an answer may meet with another path, ours has been told.
    if (!goes_on && !is_answer) {
        member.own = to_string(relay::own_chat_uri(*s_.random, *at, media.is_secure));
        member.address = *at;
    }
    member.end = std::move(end);
    member.is_secure = media.is_secure;
    member.line = line;
    member.mid = medium.mid;
    member.setup = media.setup;
    member.has_setup = media.setup.has_value();
    chat::RoomMember told{
        .uris = {},
        .name = names.front().name,
        .own = *msrp::parse_uri(member.own),
        .peer = *peer,
        .takes_private = media.chatroom && has_token(*media.chatroom, "private-messages")};
    for (const siprec::NameId& name : names) told.uris.push_back(name.aor);
    s_.link->post([room = room_, number, told = std::move(told)](base::Now now, chat::Desk& desk) {
        desk.rooms().set_member(now, room, number, told);
    });
    return std::nullopt;
}

std::string ConferenceChat::tell(std::uint32_t number, std::string_view sdp, bool is_offer) const {
    const auto found = members_.find(number);
    if (found == members_.end()) return std::string(sdp);
    const Member& member = found->second;
    if (!relay::find_section(sdp, member.line)) return std::string(sdp);
    const char* const family = member.address.is_v4() ? "IP4" : "IP6";
    std::string section = fmt::format("m=message {} {} *\r\nc=IN {} {}\r\na=path:{}\r\n",
                                      member.address.port, proto_of(member.is_secure), family,
                                      base::host_to_string(member.address), member.own);
    // Who offers without a=setup connects (RFC 4975 section 8.4), and is answered without.
    if (is_offer)
        section += "a=setup:actpass\r\n";
    else if (member.has_setup)
        section += fmt::format("a=setup:{}\r\n",
                               member.setup == sdp::Setup::Passive ? "active" : "passive");
    if (const auto own = s_.link->certificate(); own && member.is_secure)
        section += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    section += room_attributes(wishes_.takes_private);
    section += fmt::format("a=max-size:{}\r\n", chat::kMaxRoomMessageBytes);
    if (!member.mid.empty()) section += fmt::format("a=mid:{}\r\n", member.mid);
    return relay::with_section(sdp, member.line, section);
}

std::optional<std::size_t> ConferenceChat::line_of(std::uint32_t member) const {
    const auto found = members_.find(member);
    return found == members_.end() ? std::nullopt : std::optional(found->second.line);
}

void ConferenceChat::remove(std::uint32_t member) {
    if (members_.erase(member) == 0) return;
    s_.link->post([room = room_, member](base::Now now, chat::Desk& desk) {
        desk.rooms().remove_member(now, room, member);
    });
}

// ---- what is told -------------------------------------------------------------------------------

void ConferenceChat::indicate(std::uint32_t number, Awareness awareness, bool takes_attribute,
                              const std::vector<RecordingShare>& shares) {
    const auto found = members_.find(number);
    const bool is_reached = awareness == Awareness::Aware && takes_attribute;
    if (found == members_.end() || is_reached) return;
    const sdp::RecordState wanted = state_to_read(shares);
    if (wanted == found->second.read) return;
    const sdp::RecordState before = std::exchange(found->second.read, wanted);
    s_.link->post(
        [room = room_, number, line = std::string(line_to_read(before, wanted))](
            base::Now now, chat::Desk& desk) { desk.rooms().say(now, room, number, line); });
}

bool ConferenceChat::on_event(const chat::RoomEvent& event) {
    if (!is_open() || event.room != room_) return false;
    const auto found = members_.find(event.member);
    if (found != members_.end() && event.kind == chat::RoomEvent::Kind::Nickname) {
        found->second.nickname = event.nickname;
        if (!event.is_withheld) found->second.recorded_nickname = event.nickname;
    }
    return true;
}

std::string ConferenceChat::nickname(std::uint32_t member) const {
    const auto found = members_.find(member);
    return found == members_.end() ? std::string{} : found->second.nickname;
}

std::string ConferenceChat::recorded_nickname(std::uint32_t member) const {
    const auto found = members_.find(member);
    return found == members_.end() ? std::string{} : found->second.recorded_nickname;
}

}  // namespace earshot::client
