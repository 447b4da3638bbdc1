#include "client/attendance_chat.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "client/client_config.h"
#include "relay/chat_sdp.h"
#include "relay/screen_sdp.h"
#include "sdp/message_media.h"

namespace earshot::client {

using base::Reason;

namespace {

// RFC 7701 section 8, and bare text from who knows nothing of it.
constexpr std::string_view kAttributes =
    "a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:*\r\n"
    "a=chatroom:nickname private-messages\r\n";

}  // namespace

bool is_login_relay(std::string_view uri) {
    const auto relay = msrp::parse_uri(uri);
    return relay && base::iequals(relay->transport, "tcp");
}

bool is_guarded_relay(std::string_view uri) {
    const auto relay = msrp::parse_uri(uri);
    if (!relay || relay->is_secure) return true;
    const auto host = base::parse_host(relay->host, relay->port);
    return host && host->is_loopback();
}

AttendanceChat::AttendanceChat(Surroundings surroundings, Call call)
    : s_(surroundings), call_(std::move(call)) {}

AttendanceChat::~AttendanceChat() { close(); }

std::optional<Reason> AttendanceChat::begin(std::size_t line, bool is_secure) {
    if (auto fault = open(line, is_secure)) return fault;
    return make_own(call_.is_ipv6);
}

// Our URI has the scheme of the hop that it is about: that to the relay.
void AttendanceChat::log_in(const msrp::Uri& relay, const base::NetAddress& at,
                            msrp::RelayLogin::Authorize authorize) {
    if (session_ == 0) return;
    own_.is_secure = relay.is_secure;
    s_.link->post(
        [session = session_,
         login =
             chat::GuestRelay{
                 .uri = relay, .connect_to = at, .own = own_, .authorize = std::move(authorize)}](
            base::Now now, chat::Desk& desk) { desk.guests().log_in(now, session, login); });
}

std::optional<AttendanceChat::Wanted> AttendanceChat::wanted(std::string_view offer) const {
    const auto parsed = sdp::parse(offer);
    for (std::size_t line = 0; parsed && line < parsed->media.size(); ++line) {
        const relay::ChatLine kind = relay::chat_line(parsed->media[line]);
        if (kind == relay::ChatLine::None) continue;
        const bool is_secure = kind == relay::ChatLine::Encrypted;
        const bool is_there =
            session_ != 0 && line_ == line && is_secure_ == is_secure && !has_ended_;
        return is_there ? std::nullopt : std::optional(Wanted{line, is_secure});
    }
    return std::nullopt;
}

// One that the recordings and the chats' thread know.
std::optional<Reason> AttendanceChat::open(std::size_t line, bool is_secure) {
    if (is_secure && !s_.link->certificate())
        return Reason{"chat_encrypted", "There is no certificate for an encrypted chat."};
    close();
    const auto session = s_.plane->open_guest(
        call_.key, line,
        std::string(kAttributes) + fmt::format("a=max-size:{}\r\n", chat::kMaxRoomMessageBytes),
        is_secure);
    if (!session) return Reason{"too_many_chats", "As many chats run as may."};
    session_ = *session;
    line_ = line;
    is_secure_ = is_secure;
    return std::nullopt;
}

std::optional<Reason> AttendanceChat::make_own(bool ipv6) {
    const auto at = s_.link->listener(ipv6, false);
    if (!at) {
        close();
        return at.error();
    }
    own_ = relay::own_chat_uri(*s_.random, *at, is_secure_);
    return std::nullopt;
}

void AttendanceChat::close() {
    if (session_ == 0) return;
    s_.plane->close_guest(call_.key, line_);
    session_ = 0;
    path_.clear();
    use_path_.clear();
    is_connected_ = false;
    has_ended_ = false;
}

// ---- descriptions -------------------------------------------------------------------------------

std::string AttendanceChat::take(std::string_view sdp, bool is_answer) {
    std::string text(sdp);
    const auto parsed = sdp::parse(sdp);
    if (!parsed) return text;
    // Its user knows already why.
    constexpr std::string_view kToldBefore = "no_relay";
    const bool had_line = session_ != 0;
    const std::size_t known = line_;
    std::optional<Reason> fault;
    bool is_taken = false;
    for (std::size_t line = 0; line < parsed->media.size(); ++line) {
        const sdp::MediaDescription& medium = parsed->media[line];
        if (!sdp::is_message_media(medium)) continue;
        // An answer of ours keeps its place among the lines.
        const bool is_its_place = !is_answer || (had_line && known == line);
        if (!is_taken && is_its_place && relay::chat_line(medium) != relay::ChatLine::None) {
            fault = set(line, *parsed, is_answer);
            is_taken = !fault;
        }
        text = relay::with_section(text, line, relay::refused_chat_section(medium));
    }
    if (is_taken) return text;
    const bool was_wished = had_line || fault;
    close();
    if (was_wished && (!fault || fault->code != kToldBefore))
        fault_ = fault ? *std::move(fault)
                       : Reason{"chat_refused", "The conference has no chat (any more)."};
    return text;
}

std::optional<Reason> AttendanceChat::set(std::size_t line, const sdp::SessionDescription& sdp,
                                          bool is_answer) {
    const sdp::MediaDescription& medium = sdp.media[line];
    const sdp::MessageMedia media = sdp::message_media_of(sdp, medium);
    if (!media.file_selector.empty())
        return Reason{"chat_refused", "Files that are offered in a call are not taken."};
    const bool is_same_line = session_ != 0 && line_ == line && is_secure_ == media.is_secure;
    // Another protocol than was offered is no answer.
    if (is_answer && !is_same_line)
        return Reason{"chat_bad_answer", "The conference answers with another protocol."};
    auto peer = relay::peer_of(sdp, medium, is_answer);
    if (!peer) return Reason{"chat_bad_path", "The chat's a=path cannot be read or reached."};
    if (call_.has_relay && (use_path_.empty() || !is_same_line))
        return Reason{"no_relay", "There is no session at the MSRP relay."};
    std::string path = relay::chat_end_of(sdp, medium);
    const sdp::Connection* connection = sdp.connection_of(medium);
    const bool ipv6 = connection != nullptr && connection->address_type == "IP6";
    if (!is_same_line)
        if (auto fault = open(line, media.is_secure)) return fault;
    // Another path of the focus is another session, which gets a URI of its own. Of an answer ours
    // is the one that was offered.
    const bool goes_on = is_same_line && path_ == path && !has_ended_;
    if (!goes_on && !is_answer && use_path_.empty())
        if (auto fault = make_own(ipv6)) return fault;
    path_ = std::move(path);
    mid_ = medium.mid;
    setup_ = is_answer ? std::nullopt : media.setup;
    if (!goes_on) {
        is_connected_ = false;
        has_ended_ = false;
    }
    chat::GuestSetup setup{
        .own = own_, .peer = *std::move(peer), .address = call_.address, .room = call_.room};
    setup.name = call_.name;
    setup.peer.path = msrp::path_to_peer(use_path_, setup.peer.path);
    s_.link->post([session = session_, setup = std::move(setup)](base::Now now, chat::Desk& desk) {
        desk.guests().set(now, session, setup);
    });
    return std::nullopt;
}

std::string AttendanceChat::tell(std::string_view sdp, bool is_offer) const {
    if (session_ == 0 || !relay::find_section(sdp, line_)) return std::string(sdp);
    // m= and c= say where the path begins (RFC 4975 section 8.1).
    const std::vector<msrp::Uri> path = msrp::path_to_tell(use_path_, own_);
    constexpr std::uint16_t kRelayPort = 2855;
    const std::uint16_t port = path.front().port == 0 ? kRelayPort : path.front().port;
    const bool is_ipv6 = path.front().host.find(':') != std::string::npos;
    std::string section = fmt::format("m=message {} {} *\r\nc=IN {} {}\r\na=path:{}\r\n", port,
                                      relay::chat_proto(is_secure_), is_ipv6 ? "IP6" : "IP4",
                                      path.front().host, to_string(path));
    // We connect: nobody has to reach us. Who offers without a=setup connects (RFC 4975 section
    // 8.4), and is answered without.
    if (is_offer)
        section += use_path_.empty() ? "a=setup:active\r\na=msrp-cema\r\n" : "a=setup:active\r\n";
    else if (setup_)
        section +=
            fmt::format("a=setup:{}\r\n", setup_ == sdp::Setup::Passive ? "active" : "passive");
    // Behind a relay nobody sees our certificate.
    if (const auto own = s_.link->certificate(); own && is_secure_ && use_path_.empty())
        section += fmt::format("a=fingerprint:{}\r\n", sdp::to_string(own->fingerprint));
    section += kAttributes;
    section += fmt::format("a=max-size:{}\r\n", chat::kMaxRoomMessageBytes);
    if (!mid_.empty()) section += fmt::format("a=mid:{}\r\n", mid_);
    return relay::with_section(sdp, line_, section);
}

std::optional<Reason> AttendanceChat::poll_fault() { return std::exchange(fault_, std::nullopt); }

// ---- the session --------------------------------------------------------------------------------

bool AttendanceChat::on_event(const chat::GuestEvent& event) {
    if (session_ == 0 || event.session != session_) return false;
    using Kind = chat::GuestEvent::Kind;
    if (event.kind == Kind::Connected) is_connected_ = true;
    if (event.kind == Kind::LoggedIn) use_path_ = event.use_path;
    if (event.kind == Kind::Ended) has_ended_ = true;
    // It is made again; until then nothing is taken.
    if (event.is_lost) is_connected_ = false;
    return true;
}

// Nicknames are in the roster alone (RFC 7701 section 7), and names of more people.
void AttendanceChat::set_members(const CsConference& conference) {
    if (session_ == 0) return;
    std::vector<chat::GuestMember> members;
    for (const CsMember& one : conference.members) {
        if (!one.member.is_present) continue;
        chat::GuestMember member{.uris = {one.member.key.user},
                                 .name = one.member.name,
                                 .nickname = one.member.nickname};
        member.uris.insert(member.uris.end(), one.member.aors.begin(), one.member.aors.end());
        members.push_back(std::move(member));
    }
    s_.link->post(
        [session = session_, members = std::move(members)](base::Now /*now*/, chat::Desk& desk) {
            desk.guests().set_members(session, members);
        });
}

void AttendanceChat::say(std::string_view text) {
    if (session_ == 0) return;
    s_.link->post([session = session_, line = std::string(text)](base::Now now, chat::Desk& desk) {
        desk.guests().say(now, session, line);
    });
}

std::string_view AttendanceChat::state() const {
    if (session_ == 0) return "none";
    if (has_ended_) return "ended";
    if (is_connected_) return "connected";
    return path_.empty() ? "offered" : "agreed";
}

}  // namespace earshot::client
