// The whole of SIP's transaction and dialog layers for one signalling thread, without I/O
// (RFC 3261 §8, §9, §12-§17; RFC 3311, RFC 3581, RFC 6026). Parsed messages, time and the wishes of
// the transaction user (TU: siprec sessions, the load generator) come in; actions come out.
//
// The loop: after each call of on_...(), respond(), send_...() or the like, drain poll_action()
// until it is empty, and carry each action out in order. Call on_time() when deadline() has come.
// Nothing here calls back, blocks, reads a clock or throws for what a peer sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "sip/flow.h"
#include "sip/message.h"
#include "sip/server_location.h"

namespace earshot::sip {

struct Credentials;  // digest.h
struct StreamEvent;  // stream_framer.h

// Numbers of transactions and dialogs: never reused within an Agent, 0 is "none".
struct TransactionId {
    std::uint64_t value = 0;
    explicit operator bool() const { return value != 0; }
    friend auto operator<=>(const TransactionId&, const TransactionId&) = default;
};
struct DialogId {
    std::uint64_t value = 0;
    explicit operator bool() const { return value != 0; }
    friend auto operator<=>(const DialogId&, const DialogId&) = default;
};

// ---- what the TU says -------------------------------------------------------------------------

// One line of a message: "Allow", "INVITE, ACK". The TU answers for the syntax of the value; CR and
// LF in it are replaced by spaces.
struct ExtraHeader {
    std::string name{};
    std::string value{};
};

// A response. The Agent writes Via, From, To (with our tag), Call-ID, CSeq, Record-Route, Contact
// (where the method makes or refreshes a dialog), Server and Content-Length; `headers` are the
// rest. A Contact or Server among them takes the place of the Agent's.
struct ResponseSpec {
    int status = 200;
    std::string phrase{};  // empty: the usual one for the status
    std::vector<ExtraHeader> headers{};
    std::string content_type{};  // empty: no body
    std::string body{};
    // Instead of AgentConfig's: ";+sip.instance=\"...\"".
    std::optional<std::string> contact_parameters{};
    // Of a provisional response to an INVITE whose sender knows 100rel: it is sent again until its
    // PRACK comes (RFC 3262 §3). The Agent writes Require and RSeq, and keeps what is said
    // meanwhile: a second reliable response and the 2xx leave after the PRACK.
    bool is_reliable = false;
    // Of a response that is passed on as a proxy does: the tag of who answered, instead of ours. A
    // Record-Route among `headers` takes the place of the request's.
    std::string to_tag{};
};

// A request within a dialog, or the ACK to a 2xx (its method is then ignored). The Agent writes the
// request line, Via, From, To, Call-ID, CSeq, Route, Max-Forwards, Contact, User-Agent,
// Content-Length. A Max-Forwards, Contact or User-Agent among `headers` takes the place of its own.
struct RequestSpec {
    std::string method{};
    std::vector<ExtraHeader> headers{};
    std::string content_type{};
    std::string body{};
    std::optional<std::string> contact_parameters{};  // as in ResponseSpec
    // Of an INVITE: reliable provisional responses are the TU's to acknowledge, in any case.
    bool leaves_prack = false;
};

// A request outside any dialog: INVITE, OPTIONS.
struct OutOfDialogSpec {
    std::string method = "INVITE";
    std::string request_uri{};  // sip:srs@192.0.2.7:5060
    std::string from{};         // name-addr or addr-spec without tag: "\"A\" <sip:a@example.com>"
    std::string to{};
    std::string call_id{};              // empty: made here
    std::string from_tag{};             // the same; both and CSeq of a request that is sent again
    std::uint32_t cseq = 1;             // with credentials stay or go up (§22.2)
    std::vector<std::string> routes{};  // preloaded Route values: "<sip:proxy;lr>"
    // Transport, listener and address to send to. Without an address it is looked for
    // (LocateTarget): by the first Route, or the request URI; the listener is then a wish.
    Flow flow{};
    std::vector<ExtraHeader> headers{};
    std::string content_type{};
    std::string body{};
    std::string next_hop{};  // URI to look for instead: an outbound proxy that adds no Route
    std::optional<std::string> contact_parameters{};  // as in RequestSpec, like the next
    bool leaves_prack = false;
    // `flow` is the only way there (a phone behind a NAT that has registered): the requests of the
    // dialog go that way, too, whatever Contact says.
    bool keeps_flow = false;
};

// ---- what the Agent says ----------------------------------------------------------------------

// Shared, because a message that is sent again is kept while its first copy may still be queued.
using SharedBytes = std::shared_ptr<const std::string>;

// `transaction` and `dialog` tell what the bytes belong to (none for a stateless answer); the
// response that creates a dialog already carries it. `is_retransmission`: the same bytes went out
// before, so a journal need not keep them again.
struct SendBytes {
    Flow flow{};
    SharedBytes bytes{};
    TransactionId transaction{};
    DialogId dialog{};
    bool is_retransmission = false;
    // Of a request by TLS: the host of the URI that it goes to. Its certificate must speak for this
    // host (RFC 5922 section 7.3).
    std::string tls_name{};
};

// A new request (never a retransmission, never ACK or CANCEL). Must be answered by respond(); a
// 100 to an INVITE has gone already. `dialog` is none outside a dialog. Retransmissions, merged
// requests (482), unknown dialogs (481), old CSeq (500) and crossing INVITEs (491, 500) are
// answered by the Agent and not seen here. Max-Forwards 0 is for proxies to refuse: a request that
// has reached us is served (§8.2, §16.3). Policy is the TU's: 405 with Allow, 420 for an unknown
// Require, 415, 488.
struct RequestArrived {
    TransactionId transaction{};
    DialogId dialog{};
    Flow flow{};
    Message message;
};

// An INVITE that the Agent has refused by itself, without a transaction: merged (482), of a dialog
// that is not there (481), too large (400), beyond a limit (503). Nothing is to be done; it is told
// so that no INVITE goes unseen.
struct InviteRefused {
    Flow flow{};
    Message message;
    int status = 0;
    base::Reason reason{};  // "merged", "no_such_dialog", "too_large", "too_many_dialogs", ...
};

// The peer cancelled an INVITE that had no final answer. The Agent has answered the CANCEL with 200
// and the INVITE with 487; an early dialog of it is gone after this action.
struct CancelArrived {
    TransactionId invite{};
    DialogId dialog{};
    Message message;
};

// The first and only ACK for our 2xx; its body may hold the answer to an offer in the 2xx.
struct AckArrived {
    DialogId dialog{};
    TransactionId invite{};
    Flow flow{};
    Message message;
};

// No ACK came within 64*T1 of our 2xx (RFC 3261 §13.3.1.4). The dialog still exists: send BYE.
// `is_prack`: no PRACK came for a reliable provisional response; refuse the INVITE (RFC 3262 §3).
struct NoAck {
    DialogId dialog{};
    TransactionId invite{};
    bool is_prack = false;
};

// A response to a request of ours; retransmitted ones are not seen again. A 2xx to an INVITE
// expects ack(dialog); a second 2xx from another branch of a forking proxy comes with another
// dialog: acknowledge it and send BYE. `is_final` ends the transaction for the TU otherwise.
// A reliable provisional response (RFC 3262) is seen once and in order, and has been acknowledged:
// but when the INVITE carried no offer, the PRACK is the TU's, since it holds the answer
// (send_request() with rack_value() as RAck); the same where the INVITE `leaves_prack`.
struct ResponseArrived {
    TransactionId transaction{};
    DialogId dialog{};
    Flow flow{};
    Message message;
    bool is_final = false;
    // The peer had a request of its own under way: ours may be tried again then (glare, §14.1).
    std::optional<std::chrono::milliseconds> retry_after{};
};

// No final response came (to be treated as 408, §8.1.3.1). Ends the transaction.
struct TransactionTimedOut {
    TransactionId transaction{};
    DialogId dialog{};
};

// The request could not be sent (to be treated as 503). Ends the transaction.
struct TransportFailed {
    // Whether it was for want of an address: its name leads nowhere, or nobody said where in time.
    enum class Lookup : std::uint8_t { Fine, NothingFound, TimedOut };
    TransactionId transaction{};
    DialogId dialog{};
    Lookup lookup = Lookup::Fine;
};

// A request of ours goes to a host name, or its flow was left open: say where that is by
// on_located(), at once or later. It waits until then, but no longer than kMaxLocationTime: then it
// goes to where the peer of its dialog was heard from, and outside a dialog it fails.
struct LocateTarget {
    TransactionId transaction{};
    std::string uri{};
};

// The dialog is forgotten: its BYE was answered with 2xx by us, or finally or not at all by the
// peer; its INVITE failed; or end_dialog(). Nothing that still names it concerns the TU.
struct DialogEnded {
    DialogId dialog{};
};

using Action =
    std::variant<SendBytes, RequestArrived, InviteRefused, CancelArrived, AckArrived, NoAck,
                 ResponseArrived, TransactionTimedOut, TransportFailed, LocateTarget, DialogEnded>;

// ---- configuration ----------------------------------------------------------------------------

struct AgentListener {
    Transport transport = Transport::Udp;
    std::string sent_by;  // host[:port] of our Via: where peers reach this listener
    std::string contact;  // URI of our Contact: sip:192.0.2.1:5060;transport=tcp. By TLS it is
                          // told as a sips: URI where the request's own URI is one (§12.1.1)
    bool ipv6 = false;    // the IP family that it reaches
    // Behind a NAT: both as peers on our own side of it are told (AgentConfig::is_inside).
    std::string inner_sent_by{};
    std::string inner_contact{};
};

struct AgentConfig {
    std::vector<AgentListener> listeners;  // Flow::listener is an index into it
    std::string contact_parameters;        // ";+sip.srs" (RFC 7866 §6.1.2, §8.2)
    std::string product = "Earshot";       // User-Agent and Server
    std::size_t max_transactions;          // above: 503 + Retry-After without state
    std::size_t max_dialogs;               // above: the same to a new INVITE
    std::uint32_t retry_after_s;
    // Subscriptions (RFC 6665) are the TU's, as a proxy has them: SUBSCRIBE and NOTIFY within a
    // dialog that the Agent does not know arrive outside of any, instead of being answered 481.
    bool leaves_subscriptions = false;
    // Peers that tell a private address from elsewhere (nat.h) are answered and asked where they
    // were heard from.
    bool sees_through_nat = false;
    // Requests that would be longer than this over UDP go over TCP, and over UDP only where no
    // connection can be made (RFC 3261 §18.1.1); 0: none. A URI with transport=udp is obeyed.
    std::size_t tcp_above_bytes = 0;
    // Whether this host is on our side of the NAT that we are behind; none: nobody is.
    std::function<bool(std::string_view host)> is_inside;

    AgentConfig();  // the limits from limits of agent_limits.h
};

// What a dialog is, RFC 3261 §12. Views into the Agent: valid until its next call that changes it.
struct DialogFacts {
    std::string_view call_id;
    std::string_view local_tag;
    std::string_view remote_tag;
    std::string_view local_party;    // From of our requests, whole: name, URI, tag
    std::string_view remote_party;   // their To
    std::string_view remote_target;  // URI of the peer's Contact
    Flow flow;                       // where requests of ours go
    std::uint32_t local_cseq = 0;    // of our last request
    bool is_uac = false;             // we sent the INVITE
    bool is_confirmed = false;
};

// The value of RAck for a reliable provisional response (RFC 3262 §7.2); empty for any other.
std::string rack_value(const Message& response);

class Agent {
public:
    // Borrows `random` (branches, tags, Call-IDs, hash keys) for its life.
    Agent(AgentConfig config, base::Random& random);
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent();

    // ---- from the network and the clock
    // A message with Verdict::Good.
    void on_message(base::TimePoint now, const Flow& flow, Message&& message);
    // A message that parse_message() or StreamFramer refused: answers it without state, `status`
    // and `reason` (it names the header at fault) being the parser's. Silence for ACK and
    // responses.
    void reject_malformed(const Flow& flow, const Message& message, int status,
                          std::string_view reason);
    // The stream of `flow` ends here (StreamEvent::Kind::Broken) and is to be closed: answers the
    // request at its end, as far as its head can be read.
    void reject_broken_stream(const Flow& flow, const StreamEvent& event);
    // The connection is gone: dialogs on it will open another, requests waiting on it fail.
    void on_flow_closed(base::TimePoint now, const Flow& flow);
    // Bytes for `transaction` could not be sent (connect refused, ICMP error): the TU hears of it.
    void on_send_failed(base::TimePoint now, TransactionId transaction);
    // The targets of a LocateTarget in the order in which they are to be tried (ServerLocation has
    // them); empty: nothing was found. When one does not answer, or by 503, the next is tried, and
    // is not tried first for a while (RFC 3263 §4.3); the TU hears only the last outcome.
    void on_located(base::TimePoint now, TransactionId transaction, std::vector<Target> targets);
    // From now on no request waits for its name to be located, as if the time for that were over:
    // for a program that is about to end.
    void stop_locating(base::TimePoint now);
    void on_time(base::TimePoint now);
    std::optional<base::TimePoint> deadline() const;

    std::optional<Action> poll_action();

    // ---- from the TU, answering
    // Sends a response. To an INVITE, 101-299 create the dialog (early or confirmed) and return it;
    // otherwise the dialog of the transaction, or none. Error: no such transaction, or it has been
    // answered finally (it may have been cancelled).
    base::Result<DialogId> respond(base::TimePoint now, TransactionId transaction,
                                   const ResponseSpec& response);
    // Sends a final failure to a request outside a dialog once and keeps nothing of it (§8.2.7):
    // when it is repeated, it is a new request. For refusals that a flood must not turn into
    // memory.
    void respond_and_forget(base::TimePoint now, TransactionId transaction,
                            const ResponseSpec& response);
    // The tag in To of every response above 100 to this transaction; empty when unknown.
    std::string_view local_tag(TransactionId transaction) const;

    // ---- from the TU, asking
    base::Result<TransactionId> start_request(base::TimePoint now, const OutOfDialogSpec& request);
    // Any method but ACK and CANCEL. BYE ends the dialog when it is answered or times out. An
    // INVITE while another is pending in either direction is refused here (§14.1). A BYE before the
    // ACK to the 2xx that made the dialog is held until that has come or comes no more (§15): the
    // id is none then, and no NoAck follows.
    base::Result<TransactionId> send_request(base::TimePoint now, DialogId dialog,
                                             const RequestSpec& request);
    // Cancels our INVITE: at once if a provisional response has come, else after it (§9.1). The
    // outcome arrives as a response (487, or a 2xx that crossed it: ACK, BYE); or as
    // TransportFailed, when it was not sent yet because its target is being located. `headers`: of
    // the CANCEL (Reason, RFC 3326).
    base::Result<base::Done> cancel(base::TimePoint now, TransactionId invite,
                                    std::vector<ExtraHeader> headers = {});
    // The ACK to the last 2xx of the dialog; kept to be sent again with each repeated 2xx.
    base::Result<base::Done> ack(base::TimePoint now, DialogId dialog, const RequestSpec& request);
    // A request of this dialog that `host` challenges (401, 407) is sent there once more with
    // these, before the TU sees an answer (RFC 3261 §22.2). A peer's Contact or Record-Route may
    // lead elsewhere: who sits there gets no answer. `of_invite`: what our INVITE that made the
    // dialog gave; its ACK repeats it (§22.1), to that host as well.
    void authenticate_as(DialogId dialog, const Credentials& credentials,
                         const base::NetAddress& host, std::vector<ExtraHeader> of_invite = {});
    // Forgets the dialog without a word to the peer; nothing to do after BYE.
    void end_dialog(base::TimePoint now, DialogId dialog);
    // The process is about to end: better a BYE too early than none.
    void send_held_byes(base::TimePoint now);

    // ---- facts
    std::optional<DialogFacts> find_dialog(DialogId id) const;
    // By the fields that Replaces and Join name (RFC 3891); none if there is no such dialog.
    DialogId find_dialog(std::string_view call_id, std::string_view local_tag,
                         std::string_view remote_tag) const;
    // A BYE of a confirmed dialog for start_request(): ends it when the Agent itself is no more.
    // Its CSeq is past all that the dialog may still come to (kCseqAhead).
    std::optional<OutOfDialogSpec> describe_bye(DialogId dialog) const;
    std::size_t dialog_count() const;
    std::size_t transaction_count() const;

private:
    class Core;  // agent_core.h
    std::unique_ptr<Core> core_;
};

}  // namespace earshot::sip
