// What the relay of chats needs of others: the thread on which chats run, and who is told what
// becomes of them. Both as signalling sees them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "chat/desk.h"
#include "relay/chat_sdp.h"
#include "relay/media_plane.h"

namespace earshot::relay {

// The thread of the chats, as signalling sees it.
class ChatLink {
public:
    ChatLink() = default;
    ChatLink(const ChatLink&) = delete;
    ChatLink& operator=(const ChatLink&) = delete;
    virtual ~ChatLink() = default;

    // Where parties connect to, in that family, as they are told it; the thread runs from then on.
    // Reasons: chat_no_listener.
    virtual base::Result<base::NetAddress, base::Reason> listener(bool ipv6, bool is_inside) = 0;
    // Nothing: there is no TLS.
    virtual std::optional<ChatCertificate> certificate() const = 0;
    // Has it done on that thread, in the order of the calls.
    virtual void post(std::function<void(base::Now, chat::Desk&)> work) = 0;
    // Has it done on the signalling thread, not now.
    virtual void later(std::function<void()> work) = 0;
};

// What becomes of a chat.
struct ChatEvent {
    enum class Kind : std::uint8_t {
        Connected,    // both parties are
        NotRecorded,  // it goes on between the parties, and is not recorded: `reason`
        Refused,      // somebody came who is not the party that was told: `reason`
        OwnLine,      // it has a line of its own although it was to share one: `reason`
        Relined,      // what recording servers are offered of the call has to be told anew
        Unsure,       // messages left before the server had confirmed whose they are: `reason`
        Sender,       // somebody writes on the side of `from` whom nobody has named: `uri`, `name`
        Nickname,     // who is at `from` calls itself so now: `name`
        Ended         // by its connections: `reason`
    };
    Kind kind = Kind::Connected;
    std::size_t line = 0;  // of the call's descriptions
    base::Reason reason{};
    Leg from = Leg::A;
    std::string uri{};
    std::string name{};
};
using ChatTold = std::function<void(CallKey call, const ChatEvent& event)>;

}  // namespace earshot::relay
