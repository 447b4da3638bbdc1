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

bool has_voice(const sdp::SessionDescription& sdp) {
    return std::any_of(sdp.media.begin(), sdp.media.end(), [](const auto& medium) {
        return base::iequals(medium.media, "audio") && medium.port != 0;
    });
}

}  // namespace

ConferenceChat::ConferenceChat(Surroundings surroundings, relay::CallKey key, std::string uri,
                               Wishes wishes)
    : s_(surroundings), key_(key), uri_(std::move(uri)), wishes_(wishes) {}

ConferenceChat::~ConferenceChat() {
    if (is_open()) s_.plane->remove(key_);
}

void ConferenceChat::open() {
    if (is_open()) return;
    room_ = s_.plane->open_room(key_, room_attributes(wishes_.takes_private));
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
    std::optional<base::Reason> refusal;
    std::vector<std::size_t> files;
    const auto known = line_of(member);
    for (std::size_t line = 0; line < parsed->media.size(); ++line) {
        const sdp::MediaDescription& medium = parsed->media[line];
        if (!sdp::is_message_media(medium)) continue;
        taken.rest = relay::with_section(taken.rest, line, relay::refused_chat_section(medium));
        if (relay::chat_line(medium) == relay::ChatLine::None) continue;
        if (!sdp::message_media_of(*parsed, medium).file_selector.empty()) {
            files.push_back(line);
            continue;
        }
        // An answer of ours keeps its place among the lines.
        if (is_taken || (is_answer && known != line)) continue;
        auto fault = set(member, line, *parsed, is_answer, names);
        is_taken = !fault;
        if (!refusal) refusal = std::move(fault);
    }
    if (!is_taken) remove_chat(member);
    if (!is_taken && refusal) taken.refusals.push_back(*std::move(refusal));
    for (const std::size_t line : file_lines_of(member))
        if (std::find(files.begin(), files.end(), line) == files.end()) remove_file({member, line});
    for (const std::size_t line : files) {
        auto fault = is_taken || has_voice(*parsed)
                         ? set_file({member, line}, *parsed, is_answer, names)
                         : base::Reason{"chat_file_alone",
                                        "Files are taken of who is in the conference by voice or "
                                        "chat, where it can be told that it is recorded."};
        if (!fault) continue;
        remove_file({member, line});
        taken.refusals.push_back(*std::move(fault));
    }
    return taken;
}

// What is agreed on of a line from now on, and who is at its other end. Reasons: those of
// ChatLink::listener() and relay::find_tls_fault(), and those below.
base::Result<chat::Peer, base::Reason> ConferenceChat::agree(Session& session,
                                                             const sdp::SessionDescription& sdp,
                                                             const sdp::MediaDescription& medium,
                                                             bool is_answer) {
    if (s_.plane == nullptr || s_.link == nullptr || !wishes_.is_offered)
        return base::Reason{"no_chat", "There is no chat here."};
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    if (media.is_secure && !wishes_.takes_tls)
        return base::Reason{"chat_in_clear",
                            "Chats are taken in the clear alone (focus.tls_chat)."};
    // Another protocol than was offered is no answer.
    if (is_answer && session.is_secure != media.is_secure)
        return base::Reason{"chat_bad_answer",
                            "It answers with another protocol than was offered."};
    if (auto fault = relay::find_tls_fault(sdp, medium, s_.link->certificate()))
        return *std::move(fault);
    auto peer = relay::peer_of(sdp, medium, is_answer);
    if (!peer) return base::Reason{"chat_bad_path", "Its a=path cannot be read or reached."};
    if (media.path.size() > chat::kMaxMemberPathBytes)
        return base::Reason{"chat_bad_path", "Its a=path is too long."};
    const sdp::Connection* connection = sdp.connection_of(medium);
    const auto at =
        s_.link->listener(connection != nullptr && connection->address_type == "IP6", false);
    if (!at) return at.error();
    open();
    std::string end = relay::chat_end_of(sdp, medium);
    const bool goes_on = session.end == end && session.is_secure == media.is_secure;
    // In our offer, which an answer may meet with another path, ours has been told.
    if (!goes_on && !is_answer) {
        session.own = to_string(relay::own_chat_uri(*s_.random, *at, media.is_secure));
        session.address = *at;
    }
    session.end = std::move(end);
    session.is_secure = media.is_secure;
    session.mid = medium.mid;
    session.setup = media.setup;
    return *std::move(peer);
}

std::optional<base::Reason> ConferenceChat::set(std::uint32_t number, std::size_t line,
                                                const sdp::SessionDescription& sdp, bool is_answer,
                                                const std::vector<siprec::NameId>& names) {
    if (names.empty()) return base::Reason{"no_chat", "There is no chat here."};
    const sdp::MediaDescription& medium = sdp.media[line];
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    if (!media.accept_types.empty() && !chat::accepts_type(media.accept_types, "message/cpim"))
        return base::Reason{"chat_no_cpim", "It takes no message/cpim, as a room has (RFC 7701)."};
    const auto known = members_.find(number);
    Session session = known == members_.end() ? Session{} : known->second.session;
    auto peer = agree(session, sdp, medium, is_answer);
    if (!peer) return peer.error();
    Member& member = members_[number];
    member.line = line;
    member.session = std::move(session);
    chat::RoomMember told{
        .uris = {},
        .name = names.front().name,
        .own = *msrp::parse_uri(member.session.own),
        .peer = *std::move(peer),
        .takes_private = media.chatroom && has_token(*media.chatroom, "private-messages")};
    for (const siprec::NameId& name : names) told.uris.push_back(name.aor);
    s_.link->post([room = room_, number, told = std::move(told)](base::Now now, chat::Desk& desk) {
        desk.rooms().set_member(now, room, number, told);
    });
    return std::nullopt;
}

// RFC 5547: one that is handed over. Once it is agreed on it stays so, whatever becomes of its
// direction, until its line gets port 0 or names another transfer.
std::optional<base::Reason> ConferenceChat::set_file(const FileId& id,
                                                     const sdp::SessionDescription& sdp,
                                                     bool is_answer,
                                                     const std::vector<siprec::NameId>& names) {
    if (names.empty()) return base::Reason{"no_chat", "There is no chat here."};
    const sdp::MediaDescription& medium = sdp.media[id.second];
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    const sdp::FileSelector file = sdp::parse_file_selector(media.file_selector);
    const auto known = files_.find(id);
    const bool goes_on =
        known != files_.end() && known->second.transfer_id == media.file_transfer_id;
    if (!goes_on && medium.direction != sdp::Direction::SendOnly)
        return base::Reason{
            "chat_file_pull",
            "Files are taken, and not given: the line has to be sendonly (RFC 5547)."};
    if (file.size.value_or(0) > chat::kMaxRoomFileBytes)
        return base::Reason{"chat_file_too_large",
                            fmt::format("The file has {} octets, a room takes {} at most.",
                                        *file.size, chat::kMaxRoomFileBytes)};
    if (known == files_.end() && file_lines_of(id.first).size() >= chat::kMaxFilesOfMember)
        return base::Reason{"chat_too_many_files",
                            fmt::format("More than {} files at once.", chat::kMaxFilesOfMember)};
    Session session = goes_on ? known->second.session : Session{};
    auto peer = agree(session, sdp, medium, is_answer && goes_on);
    if (!peer) return peer.error();
    File& taken = files_[id];
    taken = {.session = std::move(session),
             .selector = sdp::selector_without_hashes(media.file_selector),
             .transfer_id = std::string(media.file_transfer_id)};
    const chat::FileKey key{.room = room_, .member = id.first, .line = id.second};
    chat::FileSetup told{.own = *msrp::parse_uri(taken.session.own),
                         .peer = *std::move(peer),
                         .sender_uri = names.front().aor,
                         .sender_name = names.front().name,
                         .name = file.name};
    s_.link->post([key, told = std::move(told)](base::Now now, chat::Desk& desk) {
        desk.files().set(now, key, told);
    });
    return std::nullopt;
}

void ConferenceChat::on_agreed(std::uint32_t number) {
    const auto member = members_.find(number);
    const bool has_secure =
        (member != members_.end() && member->second.session.is_secure) ||
        std::any_of(files_.begin(), files_.end(), [&](const auto& entry) {
            return entry.first.first == number && entry.second.session.is_secure;
        });
    if (has_secure && !std::exchange(is_secure_, true)) s_.plane->encrypt_room(key_);
}

std::string ConferenceChat::section_of(const Session& session, bool is_offer) const {
    const char* const family = session.address.is_v4() ? "IP4" : "IP6";
    std::string section = fmt::format("m=message {} {} *\r\nc=IN {} {}\r\na=path:{}\r\n",
                                      session.address.port, relay::chat_proto(session.is_secure),
                                      family, base::host_to_string(session.address), session.own);
    // Who offers without a=setup connects (RFC 4975 section 8.4), and is answered without.
    if (is_offer)
        section += "a=setup:actpass\r\n";
    else if (session.setup)
        section += fmt::format("a=setup:{}\r\n",
                               session.setup == sdp::Setup::Passive ? "active" : "passive");
    if (const auto own = s_.link->certificate(); own && session.is_secure)
        section += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    if (!session.mid.empty()) section += fmt::format("a=mid:{}\r\n", session.mid);
    return section;
}

std::string ConferenceChat::tell(std::uint32_t number, std::string_view sdp, bool is_offer) const {
    std::string text(sdp);
    const auto found = members_.find(number);
    if (found != members_.end() && relay::find_section(text, found->second.line))
        text = relay::with_section(
            text, found->second.line,
            section_of(found->second.session, is_offer) + room_attributes(wishes_.takes_private) +
                fmt::format("a=max-size:{}\r\n", chat::kMaxRoomMessageBytes));
    // RFC 5547 section 8.2.
    for (const auto& [id, file] : files_) {
        if (id.first != number || !relay::find_section(text, id.second)) continue;
        std::string section = section_of(file.session, is_offer) +
                              fmt::format(
                                  "a=accept-types:*\r\na=max-size:{}\r\na=recvonly\r\n"
                                  "a=file-selector:{}\r\n",
                                  chat::kMaxRoomFileBytes, file.selector);
        if (!file.transfer_id.empty())
            section += fmt::format("a=file-transfer-id:{}\r\n", file.transfer_id);
        text = relay::with_section(text, id.second, section);
    }
    return text;
}

std::optional<std::size_t> ConferenceChat::line_of(std::uint32_t member) const {
    const auto found = members_.find(member);
    return found == members_.end() ? std::nullopt : std::optional(found->second.line);
}

std::vector<std::size_t> ConferenceChat::file_lines_of(std::uint32_t member) const {
    std::vector<std::size_t> lines;
    for (const auto& [id, file] : files_)
        if (id.first == member) lines.push_back(id.second);
    return lines;
}

void ConferenceChat::remove(std::uint32_t member) {
    for (const std::size_t line : file_lines_of(member)) remove_file({member, line});
    remove_chat(member);
}

void ConferenceChat::remove_chat(std::uint32_t member) {
    if (members_.erase(member) == 0) return;
    s_.link->post([room = room_, member](base::Now now, chat::Desk& desk) {
        desk.rooms().remove_member(now, room, member);
    });
}

void ConferenceChat::remove_file(const FileId& id) {
    if (files_.erase(id) == 0) return;
    const chat::FileKey key{.room = room_, .member = id.first, .line = id.second};
    s_.link->post([key](base::Now now, chat::Desk& desk) { desk.files().remove(now, key); });
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
