// One dialog (RFC 3261 §12) as the agent keeps it: the fields that requests of ours are made of,
// the order of CSeq, and what INVITE is under way. No Message is kept: an idle dialog is small.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/agent.h"
#include "sip/ok_retransmitter.h"
#include "sip/timer_queue.h"

namespace earshot::sip {

// The lines that a request and the ACK or CANCEL to it share.
struct RequestHead {
    std::string method{};
    std::string uri{};
    std::string branch{};  // with the magic cookie
    std::string via{};     // value of our Via, holding the branch
    std::string from{};    // with tag
    std::string to{};      // with tag within a dialog
    std::string call_id{};
    std::uint32_t cseq = 0;
    std::vector<std::string> routes{};  // values of Route, first hop first
    std::string tls_name{};  // host of the next hop's URI, as by TLS its certificate must have it
};

// A 2xx of ours that waits for its ACK; freed when that comes.
struct UnacknowledgedOk {
    OkRetransmitter timer;
    SharedBytes bytes;
    Flow flow;
    TransactionId invite;
    std::uint32_t cseq = 0;
    bool is_initial = false;           // it made the dialog
    std::unique_ptr<RequestSpec> bye;  // of the TU, that must not be sent before the ACK (§15)
};

struct Dialog {
    DialogId id;
    bool is_uac = false;
    bool is_confirmed = false;
    bool is_ending = false;  // our BYE is under way

    std::string call_id;
    std::string local_tag;
    std::string remote_tag;
    std::string local_party;    // From of our requests, with tag
    std::string remote_party;   // To of our requests, with tag if the peer has one
    std::string remote_target;  // URI
    std::vector<std::string> routes;
    std::uint32_t local_cseq = 0;
    std::optional<std::uint32_t> remote_cseq;  // none until the peer's first request
    Flow flow;
    bool is_secure = false;   // made by a sips: URI: by TLS alone (§12.1.1, RFC 5630 §3.1.3)
    std::string peer_name;    // of a UAC by TLS: who answered; Contacts are often bare addresses
    bool is_pinned = false;   // `flow` is the only way, as the TU says
    bool keeps_flow = false;  // the peer's own address cannot be reached from here (nat.h)

    TransactionId invite_in;   // the peer's INVITE that we have not answered finally
    TransactionId invite_out;  // ours that has no final answer
    TransactionId update_in;
    std::unique_ptr<UnacknowledgedOk> ok;
    std::optional<std::uint32_t>
        ack_due;                 // CSeq of a 2xx to our INVITE that the TU must acknowledge
    std::uint32_t ack_cseq = 0;  // of `ack`
    SharedBytes ack;             // sent again for each repeated 2xx
    Flow ack_flow;
    TimerQueue::Handle timer = TimerQueue::kNone;

    // §12.2.2: a lower number than the last is out of order. An equal one is let through: a Cisco
    // phone's BYE repeats the INVITE's (interop Q20).
    bool accept_cseq(std::uint32_t number);
    // §12.2.1.2, §12.2.2: the Contact of a target refresh; one that cannot be read changes nothing.
    void refresh_target(const Message& message);
    // Request line, Route, From, To and Call-ID of §12.2.1.1; Via and CSeq are left to the caller.
    RequestHead request_head(std::string_view method) const;
    // The URI of the next hop: the first Route, else the remote target.
    std::string next_hop() const;
};

// §12.1.1: from an INVITE that we answer with `local_tag`.
void fill_uas_dialog(Dialog& dialog, const Message& invite, std::string_view local_tag);
// §12.1.2: from our INVITE and a response to it that is no 100.
void fill_uac_dialog(Dialog& dialog, const RequestHead& invite, const Message& response);
// §13.2.2.4: a 2xx sets the route set of an early dialog anew.
void set_uac_routes(Dialog& dialog, const Message& response);

// Where the next hop of `dialog` is: its open connection, else the literal address in the first
// Route or the remote target, else (a name, nothing readable) where it last heard from the peer.
Flow next_flow(const Dialog& dialog, const std::vector<AgentListener>& listeners);

// The host of a SIP URI; empty where there is none.
std::string host_of_uri(std::string_view uri);
// Our Contact by TLS, for who was asked by a sips: URI: sips:HOST:PORT (§12.1.1).
std::string secured_contact(std::string contact);
bool is_sips(std::string_view uri);

// The URI of that hop when its host is a name that has to be looked for; else empty.
std::string next_hop_name(const Dialog& dialog);
// The URI in a name-addr; of anything else the text itself.
std::string uri_of(std::string_view name_addr);

// Where a response goes: RFC 3261 §18.2.2, RFC 3581 §4. `maddr` is not obeyed: it would let anyone
// aim our responses.
Flow response_flow(const Flow& source, const Via& top_via);

// RFC 5923: the address at which its peer wants to be asked over the stream that this request came
// on. Only the host that it came from can be meant, so that nobody takes what is another's.
std::optional<base::NetAddress> alias_of(const Flow& source, const Via& top_via);

// Whether what a dialog would keep of this INVITE is within agent_limits.h.
bool fits_dialog(const Message& invite);

}  // namespace earshot::sip
