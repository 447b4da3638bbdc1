// The chat of a conference that the client attends (RFC 7701), as signalling sees it: the m=message
// line of our call is none of the media plane's, and its session one of chat::Guests. To recording
// servers it is one chat with many who write in it. Belongs to the signalling thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "chat/guests.h"
#include "client/cs_conference.h"
#include "relay/chat_plane.h"
#include "sdp/session_description.h"

namespace earshot::client {

class AttendanceChat {
public:
    struct Surroundings {  // borrowed
        relay::ChatPlane* plane = nullptr;
        relay::ChatLink* link = nullptr;
        base::Random* random = nullptr;
    };
    struct Call {
        relay::CallKey key{};
        std::string address{};  // by which we call
        std::string name{"Recorder"};
        std::string room{};      // URI of the conference
        bool is_secure = false;  // its SIP goes by TLS: so does a chat that we offer
        bool is_ipv6 = false;
        bool has_relay = false;  // without a session there (log_in()) there is no chat
    };
    AttendanceChat(Surroundings surroundings, Call call);
    AttendanceChat(const AttendanceChat&) = delete;
    AttendanceChat& operator=(const AttendanceChat&) = delete;
    ~AttendanceChat();

    // Before our offer: the chat is to be its line with that number. Reasons: those of
    // ChatLink::listener(), chat_encrypted, too_many_chats.
    std::optional<base::Reason> begin(std::size_t line) { return begin(line, call_.is_secure); }
    std::optional<base::Reason> begin(std::size_t line, bool is_secure);
    // After begin(), before the line is told: its session is to go through this relay (RFC 4976).
    // What comes of it is told by an event, and on_event() knows of it then.
    void log_in(const msrp::Uri& relay, const base::NetAddress& at,
                msrp::RelayLogin::Authorize authorize);
    // The line of an offer of the focus that take() would take while there is no session, or
    // another one's: with a relay it has to be begun before.
    struct Wanted {
        std::size_t line = 0;
        bool is_secure = false;
    };
    std::optional<Wanted> wanted(std::string_view offer) const;
    // What the focus says, for the media plane: without its lines of messages, which get port 0.
    // Of an answer our line, of an offer the first one that we can take is the chat from now on;
    // without any it ends. `is_answer`: to an offer of ours.
    std::string take(std::string_view sdp, bool is_answer);
    // What the focus is told, with our line in its place.
    std::string tell(std::string_view sdp, bool is_offer) const;
    // Why the line that was taken last is none; once.
    std::optional<base::Reason> poll_fault();

    // Of this chat's session; false: it is another's.
    bool on_event(const chat::GuestEvent& event);
    void set_members(const CsConference& conference);
    void say(std::string_view text);
    void close();

    bool is_secure_call() const { return call_.is_secure; }
    bool is_open() const { return session_ != 0 && !path_.empty(); }  // the focus has taken it
    std::string_view state() const;  // "none", "offered", "agreed", "connected", "ended"

private:
    std::optional<base::Reason> open(std::size_t line, bool is_secure);
    std::optional<base::Reason> make_own(bool ipv6);
    std::optional<base::Reason> set(std::size_t line, const sdp::SessionDescription& sdp,
                                    bool is_answer);

    Surroundings s_;
    const Call call_;
    chat::SessionId session_ = 0;  // 0: there is none
    std::size_t line_ = 0;
    bool is_secure_ = false;
    msrp::Uri own_{};
    std::vector<msrp::Uri> use_path_{};  // of our relay; empty: there is none
    std::string path_{};                 // a=path and certificate of the focus; empty: not told yet
    std::string mid_{};
    std::optional<sdp::Setup> setup_{};  // of an offer of the focus
    bool is_connected_ = false;
    bool has_ended_ = false;
    std::optional<base::Reason> fault_{};
};

}  // namespace earshot::client
