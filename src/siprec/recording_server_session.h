// One recording session (RS dialog) in the server's role, RFC 7866: decides how INVITE, re-INVITE,
// UPDATE, INFO, OPTIONS and BYE are answered, which streams are open, and what the metadata means.
// No I/O and no clock; owned by the signalling thread.
//
// The caller makes one for each INVITE outside a dialog, gives it what arrives, and after each
// input carries out poll_action() until it is empty, in order. The normal course:
//
//   on_invite           -> CreateRow, StoreMetadata, Event..., OpenStream for each media line
//   on_stream_opened *n    (each OpenStream is answered once, at once or later)
//   on_row_durable      -> Event stream_added..., Respond 200 (needs both; the order is free)
//   on_ack, on_request, on_response, on_time ...
//   BYE by the peer     -> Respond 200, CloseStream..., Event call_ended, End
//
// Where our side begins:
//
//   start               -> SendInvite
//   on_response (2xx)   -> CreateRow and so on as above, Acknowledge in place of Respond
//
// With config.asks_policy the first thing is Decide, of our INVITE once the client has offered; and
// nothing else happens until on_decision().
//
// Actions on media (Open, Update, Pause, Resume, Close) take effect before a Respond that follows
// them is sent: ports are open before the 200 leaves (interop section 1 point 5).
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

#include "base/net_address.h"
#include "base/reason.h"
#include "base/time.h"
#include "sip/agent.h"
#include "sip/message.h"
#include "sip/session_timer.h"
#include "siprec/event.h"
#include "siprec/metadata.h"
#include "siprec/stream_role.h"

namespace earshot::siprec {

// What the catalogue's row and the list of live calls show. The archive derives the same from the
// journal at the end.
struct RowFacts {
    std::string call_id;
    std::string from;  // URI and display name as received: "\"A\" <sip:a@example.com>"
    std::string to;
    std::vector<std::string> session_ids;  // of the metadata, as text
    struct Party {
        std::string aor;
        std::string name;
    };
    std::vector<Party> participants;
    std::string group;  // id of the first group; empty: none
    // The INVITE's headers that are not SIP's own: X-Cisco-Recording-Participant, ...
    std::vector<std::pair<std::string, std::string>> headers;
};

// ---- policy -----------------------------------------------------------------------------------

// A media line of the first offer that could be recorded.
struct OfferedStream {
    std::string label;  // as StreamFacts::label
    std::string media;
    std::vector<std::string> encodings;  // "PCMU", "telephone-event", in the order offered
};

// What the caller's policy makes of an INVITE (P-42, P-43, P-126).
struct Ruling {
    enum class Kind : std::uint8_t { Record, Decline, Inactive };
    Kind kind = Kind::Record;
    // Decline: the answer, and the reason of the row.
    int status = 603;
    std::string phrase;  // empty: the usual one
    base::Reason reason;
    // Inactive: accepted without media; a re-INVITE offers recvonly after this time, or never
    // unless resume() is called.
    std::optional<std::chrono::milliseconds> release_after;
    // Streams answered by port 0, also when they are offered later; empty: none.
    std::function<bool(const OfferedStream&)> declines;
    std::optional<Event> event;  // told on the timeline of what is recorded
};

// ---- actions ----------------------------------------------------------------------------------

// Ask the policy, then call on_decision(), at once or later.
struct Decide {
    RowFacts facts;
    std::vector<OfferedStream> streams;
};

// Make the row of this attempt durable, then call on_row_durable(). Also for an INVITE that is then
// refused, whose answer does not wait for it.
struct CreateRow {
    RowFacts facts;
};
// Metadata changed who takes part: participants, session_ids and group are meant, the rest is
// empty.
struct UpdateRow {
    RowFacts facts;
};
// Open a port pair and answer by on_stream_opened() or on_stream_failed(). With facts.paused the
// stream starts paused. facts.peer_* is unspecified when the peer's address is not known yet. No
// pair is opened, and that one's told, where a stream of the session has facts.transport already.
// With facts.messages it is an MSRP session, answered by on_messages_opened().
struct OpenStream {
    StreamFacts facts;
};
// Of an open stream: all that UpdateStream is, and it goes over to facts.transport (BUNDLE). To be
// answered as OpenStream.
struct MoveStream {
    StreamFacts facts;
};
// Of an open stream: peer address, payload types or label changed.
struct UpdateStream {
    StreamFacts facts;
};
struct PauseStream {  // discard its packets from now on, provably (E-25)
    std::uint16_t stream = 0;
};
struct ResumeStream {
    std::uint16_t stream = 0;
};
struct CloseStream {
    std::uint16_t stream = 0;
};
struct Respond {
    sip::TransactionId transaction;
    sip::ResponseSpec response;
};
// In the dialog; its outcome comes by on_response() or on_request_failed(). An INVITE carries an
// offer, so the caller acknowledges a 2xx to it without a body.
struct SendRequest {
    sip::RequestSpec request;
};
// Of a session that our side begins: the INVITE outside a dialog, without a body. Its outcome comes
// as that of a SendRequest; a 2xx to it is acknowledged by Acknowledge alone.
struct SendInvite {
    std::vector<sip::ExtraHeader> headers;
};
struct CancelInvite {};  // nobody waits for its outcome any more
struct Acknowledge {
    sip::RequestSpec request;  // the ACK: its body is our answer, if there is one
};
struct StoreMetadata {  // a metadata document as received, for the journal (type 2)
    std::string bytes;
};
// The last action: forget the session (the dialog may need a moment more to answer its BYE).
// `accepted`: a 2xx had been sent. Reasons: none (empty code) after a normal BYE; "cancelled",
// "no_ack", "refused", "dialog_lost", "session_expired", "stopped", ...
struct End {
    bool accepted = false;
    base::Reason reason;
};

using Action = std::variant<Decide, CreateRow, UpdateRow, OpenStream, MoveStream, UpdateStream,
                            PauseStream, ResumeStream, CloseStream, Respond, SendRequest,
                            SendInvite, CancelInvite, Acknowledge, StoreMetadata, Event, End>;

// ---- control by an operator -------------------------------------------------------------------

// Who wants a recording paused, resumed or stopped, and why: goes onto the timeline as it is.
struct ControlRequest {
    std::string who;     // as the asker calls itself; not proven
    std::string access;  // how it was let in: "token", "session"
    std::string from;    // its address
    std::string reason;  // free text; empty: none given
};

// Our pause of a running session, and what the client said to it.
struct OperatorPause {
    enum class Client : std::uint8_t { Untold, Agreed, Refused };
    bool is_paused = false;
    Client client = Client::Untold;
    int status = 0;  // of its answer; 0: none yet
    std::string who;
    std::string reason;
};

// A recording that an operator wants begun at a client (RFC 7866 section 6.2).
struct StartRequest {
    ControlRequest by;
    std::string from;  // From and To of the INVITE, as the row tells them
    std::string to;
    std::string call;  // value of Target-Dialog (RFC 4538): which call; empty: the client knows
    base::NetAddress peer;  // where the INVITE goes
};

// ---- configuration ----------------------------------------------------------------------------

// Where we receive media; ports are not used.
struct MediaAddresses {
    base::NetAddress usual{};  // of the family that the signalling came over
    base::NetAddress other{};  // of the other IP family; unspecified: we do not have it
};

struct RecordingServerConfig {
    MediaAddresses media{};  // c= of our answers
    sip::SessionTimerConfig session_timer{};
    bool strict = false;                    // refuse what leniency would take
    bool profile_records_unmarked = false;  // the peer's profile says: every INVITE is an RS (E-3)
    bool asks_policy = false;               // Decide comes first
    bool keeps_digits = true;               // of INFO; false: neither events nor bodies
    SecondVideo second_video = SecondVideo::Camera;  // what an unmarked one is
    SrtpKeySource srtp_keys = nullptr;               // null: SRTP by a=crypto is refused
    DtlsSource dtls{};                               // without a fingerprint: by DTLS, too
    MessageTerms messages{};                         // MSRP lines are refused where it says so
};

class RecordingServerSession {
public:
    // `session_number` becomes the sess-id of our o= line: unique among sessions of this host.
    RecordingServerSession(const RecordingServerConfig& config, std::uint64_t session_number);
    RecordingServerSession(const RecordingServerSession&) = delete;
    RecordingServerSession& operator=(const RecordingServerSession&) = delete;
    ~RecordingServerSession();

    // The initial INVITE. `peer` is where it came from (for texts, and the fallback for media).
    void on_invite(base::Now now, sip::TransactionId transaction, const base::NetAddress& peer,
                   const sip::Message& invite);
    // Our INVITE in place of the peer's.
    void start(base::Now now, StartRequest request);
    // It goes to another address than thought: its name leads there, or a redirection. With what is
    // configured for the client there; before its 2xx only.
    void retarget(const base::NetAddress& peer, const RecordingServerConfig& config);
    // The answer to Decide; one that comes after the INVITE was cancelled changes nothing.
    void on_decision(base::Now now, Ruling ruling);
    void on_row_durable(base::Now now);
    // The row could not be stored: 503 with Retry-After, End.
    void on_row_failed(base::Now now, base::Reason reason);
    void on_stream_opened(base::Now now, std::uint16_t stream, std::uint16_t rtp_port,
                          std::uint16_t rtcp_port);
    void on_messages_opened(base::Now now, std::uint16_t stream, MessageEndpoint ours);
    // That line is answered with port 0; when it was the last one, the INVITE by 503 or 488.
    void on_stream_failed(base::Now now, std::uint16_t stream, const base::Reason& reason);
    // The same, for a fault of the offer: where no line is left the answer is 488, not 503.
    void on_stream_refused(base::Now now, std::uint16_t stream, const base::Reason& reason);

    // Any later request of the dialog: INVITE, UPDATE, INFO, OPTIONS, BYE, others.
    void on_request(base::Now now, sip::TransactionId transaction, const sip::Message& request);
    void on_cancel(base::Now now);  // the initial INVITE (ends the session) or a re-INVITE
    void on_ack(base::Now now, const sip::Message& ack);
    void on_no_ack(base::Now now);
    // To a SendRequest. `retry_after`: as sip::ResponseArrived tells it.
    void on_response(base::Now now, const sip::Message& response,
                     std::optional<std::chrono::milliseconds> retry_after = std::nullopt);
    void on_request_timed_out(base::Now now);  // as good as a 408
    // `why`: of an INVITE that begins the session, where more is known than that it did not go.
    void on_request_not_sent(base::Now now, base::Reason why = {});
    // Nothing has come from the client for long. Where no session timer tells whether it is still
    // there, it is asked (OPTIONS): one that does not know the dialog or does not answer ends it.
    void probe();
    // The dialog is gone without a BYE (its flow or its BYE is lost), or our INVITE will make none:
    // everything is closed.
    void on_dialog_lost(base::Now now, base::Reason reason);
    // Our side ends it: BYE when established, 503 while still answering, CANCEL while asking.
    void stop(base::Now now, base::Reason reason);

    // An operator's wish. Nothing is stored from a pause on, whatever the client says to the
    // re-INVITE `inactive` that follows. Resume undoes our pause and asks for media that a rule
    // holds back (RFC 7866 section 7.2); it does not undo the client's own pause. Stop is BYE with
    // the reason "stopped_by_operator". Asking for what is already so changes nothing. False when
    // the session has ended, or has not begun.
    bool pause(base::Now now, const ControlRequest& request);
    bool resume(base::Now now, const ControlRequest& request);
    bool stop_by_operator(base::Now now, const ControlRequest& request);
    // Removes one stream by an offer with port 0 (P-43); false also when none of that label runs.
    bool drop_stream(base::Now now, std::string_view label, const ControlRequest& request);
    bool is_withheld() const;  // media of this call, by a rule

    // Asks the client for a picture that a decoder can begin with, where no RTCP feedback was
    // negotiated (RFC 7866 section 8.1.7.1.1, RFC 5168). Not while another request is under way:
    // who wants one asks again. `reason`: for the timeline.
    void ask_for_key_frame(std::uint16_t stream, std::string_view reason);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    std::optional<Action> poll_action();

    bool is_established() const;  // a 2xx to the INVITE has been handed out
    bool is_ended() const;
    // Every open stream is paused: digits in INFO must not reach the journal (design section 6).
    bool is_paused() const;
    OperatorPause operator_pause() const;
    const MetadataModel& metadata() const;

private:
    class Core;
    std::unique_ptr<Core> core_;
};

}  // namespace earshot::siprec
