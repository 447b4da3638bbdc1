// Recordings that a recording server begins (RFC 7866 section 6.2, P-45): its INVITE without an
// offer is told from others, read, and limited. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "b2bua/call_facts.h"
#include "sip/message.h"

namespace earshot::client {

// An INVITE without SDP that a recording server sends to a client: by the +sip.srs of its Contact,
// or by `Require: siprec` where no +sip.src says that a client sent it.
bool is_server_start(const sip::Message& invite);

// Which call it is about. What is named first here counts; nothing: any.
struct StartWish {
    std::string call{};       // `call` parameter of the Request-URI: a Call-ID or our number
    std::string dialog{};     // Target-Dialog (RFC 4538): the Call-ID of either leg
    std::string local_tag{};  // of it; may be empty
    std::string remote_tag{};
    std::string session{};  // Session-ID (RFC 7989), as written
    // Without a remote half it may be the new session's own: it names a call only if one has it.
    bool is_session_own = false;

    bool must_be_found() const {
        return !call.empty() || !dialog.empty() || (!session.empty() && !is_session_own);
    }
};
StartWish read_start(const sip::Message& invite);

// Whether the Target-Dialog or Session-ID is this call's. RFC 4538 section 7 tells the tags from
// the view of the sender; who copied them from one of our legs has them the other way round.
bool is_wished(const StartWish& wish, const b2bua::CallFacts& facts);

// So many of each host in a second.
class StartAllowance {
public:
    bool take(const std::string& host);
    void next_second() { taken_.clear(); }

private:
    std::map<std::string, std::uint32_t> taken_;
};

}  // namespace earshot::client
