// One recording session (RS) in the client's role, RFC 7866: tries servers in their order until one
// records, tells it by metadata what becomes of the communication session (CS), follows changes of
// the media by offers, answers the server, and ends. No I/O and no clock; owned by the signalling
// thread. Whatever a server says ends this session at the worst, by an event with the reason.
//
//   Idle --start--> Inviting --2xx with SDP--> Running --stop--> Closing --UPDATE done--> Leaving
//    |               |  ^ \--stop--> Cancelling   |                                        |
//    | the next one  +--+  <--the server is lost--+                                        |
//    +--answer--> waits for the ACK's SDP         \-------------------> Done <---BYE done--+
//
// A server that is lost while it records (fails_over) is replaced by the next one, which gets all
// of the metadata, the offer of now, and the ids of before. RFC 7245 and RFC 7866 leave the way of
// it to the client.
//
// The user says what is true now (set_state), as a whole and as often as it likes. The session
// finds what the server has not been told yet and says that: by re-INVITE when the offer changed,
// else by UPDATE; one request at a time, so that changes meanwhile go together into the next.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "sip/agent.h"
#include "sip/digest.h"
#include "sip/session_timer.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// ---- settings ---------------------------------------------------------------------------------

// The answers (300 to 699) after which no further server is tried: a POSIX extended regular
// expression, matched anywhere in the three digits ("408|487", "[34][0-9][0-9]", "^6"), as the
// OpenSIPS module does. Empty: none. Silence is 408.
class SkipCodes {
public:
    static base::Result<SkipCodes, base::Reason> parse(const std::string& expression);
    bool has(int status) const {
        return status >= 0 && static_cast<std::size_t>(status) < codes_.size() &&
               codes_[static_cast<std::size_t>(status)];
    }

private:
    std::bitset<1000> codes_;
};

struct ClientSessionSettings {
    std::vector<std::string> servers{};  // URIs, in the order in which they are tried
    SkipCodes skip_failover_codes{};
    std::vector<sip::ExtraHeader> headers{};  // of the first request to each server
    std::string from_uri{};          // URI or name-addr; empty: the server's URI, as OpenSIPS does
    std::string to_uri{};            // the same
    sip::Credentials credentials{};  // an empty username: a challenge is a refusal
    // Transport and listener that requests leave by. Without an address the agent looks for it.
    sip::Flow flow{};
    // A server counts as 408 that has sent nothing at all by then while another one is left to be
    // tried, or no final answer.
    std::chrono::milliseconds silence_time{5'000};
    std::chrono::milliseconds answer_time{60'000};
    // Refreshed also where the server knows no timers: a server that has died is found out so.
    sip::SessionTimerConfig session_timer{.refresh_always = true};
    // A server that is lost while it records is replaced: by the others in their order, then by
    // itself, unless it said BYE or recorded for less than kShortRecording; and when none of them
    // takes it, so again after a pause, until failover_time after the loss. A BYE that tells by its
    // Reason (RFC 3326) that it was meant so (200, Q.850 16, a skip code) replaces nothing.
    bool fails_over = false;
    std::chrono::milliseconds failover_time{60'000};
    std::string instance{};  // as events tell it
    // CSs come and go in this RS, which may last for weeks: those that have left it are forgotten
    // once the server knows, and a snapshot tells of the others alone.
    bool forgets_ended = false;
};

// What is wrong with a request of the user's own (see send()); nullopt: nothing.
std::optional<base::Reason> find_request_fault(const sip::RequestSpec& request);

// What is wrong with settings: no or unreadable URIs, a header that is ours, is no token or holds a
// line end, times that are not positive. nullopt: nothing.
std::optional<base::Reason> find_fault(const ClientSessionSettings& settings);

// ---- what the session tells -------------------------------------------------------------------

struct ClientEvent {
    enum class Kind : std::uint8_t {
        Start,              // a server records: exactly one for each RS that is accepted
        Stop,               // that RS is over: exactly one after each Start, never without it
        Failover,           // `server` records instead of `from_server`; its Start follows
        Refused,            // a server does not record: its code, or 408, 503, and why
        Failed,             // none does, or none any more: the last event when no RS runs
        AnswerFault,        // an answer or offer of the server was bent to be read
        ChangeRefused,      // the server would not take a change; the session goes on
        SnapshotRequested,  // the server asked for all metadata; the reason it gave
        RequestAnswered,    // of send()
    };
    Kind kind = Kind::Start;
    std::string server{};      // URI that was asked: of the settings, or of a redirection
    std::string chosen{};      // the same of the settings alone
    std::string rs_call_id{};  // Call-ID of the RS
    std::string session_id{};  // of the CS, as in the metadata: base64 of a UUID
    std::string instance{};
    int status = 0;         // SIP status, where there is one
    base::Reason reason{};  // empty code: nothing is amiss (Start; Stop that the user asked for)
    sip::TransactionId transaction{};                   // of RequestAnswered
    std::string from_server{};                          // of Failover
    std::optional<std::chrono::seconds> retry_after{};  // of Refused: when it may be asked again
    bool is_server_dead = false;  // of Stop: it did not answer, or takes no media any more
    bool is_own_fault = false;    // of Stop: what carries the media failed, not the server
    bool is_last = false;         // of Stop and Failed: the session is over
};
std::string_view to_string(ClientEvent::Kind kind);  // "start", "stop", "refused", ...

// Why a server gets no media: it is not there any more, what it answered cannot be used, or what
// carries the media on our side has failed.
enum class MediaLoss : std::uint8_t { ServerDead, BadAnswer, OwnFault };

// What the session asks of its surroundings. All return at once and may not call the session. What
// becomes of the ids that start_request() and send_request() return is given back to it, and
// everything of the dialogs that answers to them make.
class ClientSessionHost {
public:
    ClientSessionHost() = default;
    ClientSessionHost(const ClientSessionHost&) = delete;
    ClientSessionHost& operator=(const ClientSessionHost&) = delete;
    virtual ~ClientSessionHost() = default;

    // ---- of the sip::Agent
    virtual base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) = 0;
    virtual base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                          const sip::RequestSpec& spec) = 0;
    virtual void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) = 0;
    // A 2xx to the INVITE of answer(): the dialog that it makes; none: it could not be sent. Who
    // never calls answer() needs none of it.
    virtual sip::DialogId accept_invite(sip::TransactionId invite, const sip::ResponseSpec& spec) {
        respond(invite, spec);
        return {};
    }
    virtual void acknowledge(sip::DialogId dialog) = 0;  // without a body
    virtual void cancel(sip::TransactionId invite) = 0;
    virtual void end_dialog(sip::DialogId dialog) = 0;
    // Agent::authenticate_as(); before the acknowledge() of the INVITE that it is about.
    virtual void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                              const base::NetAddress& host,
                              std::vector<sip::ExtraHeader> of_invite) = 0;

    // ---- of the media
    // Where the streams go: SDP with exactly the m-lines, in their order, of the last offer that
    // the server accepted, whatever it wrote; lines that are not to be sent are inactive or have
    // port 0. Lines of a later offer that it refused are not among them and are not sent.
    virtual void apply_answer(std::string sdp) = 0;
    // No packet more until the next apply_answer(): a pause, which does not wait for the server.
    virtual void pause_fork() = 0;
    virtual void stop_fork() = 0;  // no packet more at all
    // The server is lost: no packet until the next apply_answer(), which is another server's. What
    // would have gone out meanwhile is better kept for it than forgotten.
    virtual void lose_fork() { pause_fork(); }

    // Which of these, in the order of the settings, is to be asked next; none: none of them. Each
    // of a round is asked once.
    virtual std::optional<std::string> choose_server(const std::vector<std::string>& candidates) {
        return candidates.front();
    }

    virtual void on_event(const ClientEvent& event) = 0;
    // The server knows now all that set_state() has said of the CS.
    virtual void on_metadata_told() {}
};

// The CS as it is now, or several of them; an RS that waits for one (RFC 7866 section 10) has none.
struct CsState {
    MetadataObjects objects;  // of describe(); sessionrecordingassoc elements are the session's own
    // SDP: one m-line for each stream, sendonly or inactive, with a=label. An m-line may get port 0
    // but never goes away. Its o= version is written anew here.
    std::string offer;
    // CSs that are not in `objects` any more and have not ended: they are recorded here no longer.
    std::vector<MetadataId> left{};
};

struct ClientSessionView {
    enum class State : std::uint8_t { Idle, Inviting, Running, Closing, Done };
    State state = State::Idle;
    std::string server{};      // asked now, or that records
    std::string rs_call_id{};  // of it
    std::string session_id{};
    std::string instance{};
    bool is_paused = false;        // as the user wishes: nothing is sent
    bool is_failing_over = false;  // a server was lost, and no other has it yet
    bool is_by_server = false;     // the server began it: answer()
    OptionalTime started{};        // the first server's 2xx
    OptionalTime ended{};
    std::size_t streams_sent = 0;  // that the server takes now
    int status = 0;                // of the last final answer to an INVITE
    base::Reason reason{};         // why it ended, or failed
};

// What the user of an RS does with it: one of its own, or its part of one that several share.
class ClientSession {
public:
    ClientSession() = default;
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;
    virtual ~ClientSession() = default;

    // The INVITE to the first server. Once. With `is_paused` it offers inactive lines.
    virtual void start(base::Now now, CsState state, bool is_paused) = 0;
    // Participants and associations that are gone are told as ended now; an association whose send
    // or recv differ from before gets this time when it brings none of its own. A change of
    // metadata alone waits a moment for others (kMetadataDelay).
    virtual void set_state(base::Now now, CsState state) = 0;
    // All lines inactive, and not one packet more from now on, whatever the server says to it.
    // False: it is so already, or the session is over.
    virtual bool pause(base::Now now) = 0;
    virtual bool resume(base::Now now) = 0;
    // The last metadata, then BYE; CANCEL while no server has accepted. Set a state with the stop
    // time before when the CS itself has ended. An empty `reason` is the usual end. The server is
    // told only after `hold`, in which it still gets media.
    virtual void stop(base::Now now, base::Reason reason, std::chrono::milliseconds hold) = 0;
    // A request of the user's own in the running dialog: INFO, MESSAGE, OPTIONS, NOTIFY, any name
    // but those that the session itself speaks. Its outcome is RequestAnswered.
    virtual base::Result<sip::TransactionId, base::Reason> send(
        const sip::RequestSpec& request) = 0;
    // Who carries the media cannot give it to the server (any more): it is lost, and another one is
    // asked, since a session without media must not be taken for a recording.
    virtual void on_media_lost(base::Now now, MediaLoss how, base::Reason reason) = 0;
    // There is doubt whether the server lives: it is asked by a refresh, which whoever has the
    // session must answer (OPTIONS some drop), and is lost when it does not within silence_time.
    virtual void probe(base::Now now) = 0;

    virtual bool is_running() const = 0;  // a server records
    // Nothing more comes from it or is of use to it: it can be forgotten. A while after the last
    // event, since refused attempts and the BYE have to come to their end.
    virtual bool is_done() const = 0;
    virtual ClientSessionView view() const = 0;
};

class RecordingClientSession final : public ClientSession {
public:
    // `settings` without a fault; borrows `host` and `random` for its life.
    RecordingClientSession(ClientSessionSettings settings, ClientSessionHost& host,
                           base::Random& random);
    RecordingClientSession(const RecordingClientSession&) = delete;
    RecordingClientSession& operator=(const RecordingClientSession&) = delete;
    ~RecordingClientSession() override;

    // ---- from the user
    void start(base::Now now, CsState state, bool is_paused = false) override;
    // Instead of start(): the INVITE without an offer by which a server begins (RFC 7866 section
    // 6.2, P-45). Our 2xx offers and tells all, the ACK answers. The settings name no server.
    void answer(base::Now now, CsState state, const sip::RequestArrived& invite,
                bool is_paused = false);
    void set_state(base::Now now, CsState state) override;
    bool pause(base::Now now) override;
    bool resume(base::Now now) override;
    void stop(base::Now now, base::Reason reason = {},
              std::chrono::milliseconds hold = {}) override;
    base::Result<sip::TransactionId, base::Reason> send(const sip::RequestSpec& request) override;
    void on_media_lost(base::Now now, MediaLoss how, base::Reason reason) override;
    void probe(base::Now now) override;

    // ---- from the agent: what concerns this session
    void on_response(base::Now now, const sip::ResponseArrived& response);
    // No final response, or the request could not be sent.
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout);
    void on_request(base::Now now, const sip::RequestArrived& request);
    void on_ack(base::Now now, const sip::AckArrived& ack);
    void on_dialog_ended(base::Now now, sip::DialogId dialog);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    bool is_running() const override;
    bool is_done() const override;
    ClientSessionView view() const override;

private:
    class Core;
    std::unique_ptr<Core> core_;
};

}  // namespace earshot::siprec
