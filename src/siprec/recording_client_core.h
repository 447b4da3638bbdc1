// The state machine behind RecordingClientSession; see there for the contract. What concerns the
// INVITE and the servers is in recording_client_session.cpp, what becomes of a lost one in
// recording_client_failover.cpp, a session that the server begins in recording_client_answer.cpp,
// requests of ours in the dialog in recording_client_changes.cpp, those of the server in
// recording_client_requests.cpp.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "siprec/client_media.h"
#include "siprec/client_state.h"
#include "siprec/recording_client_session.h"

namespace earshot::siprec {

class RecordingClientSession::Core {
public:
    Core(ClientSessionSettings settings, ClientSessionHost& host, base::Random& random)
        : settings_(std::move(settings)),
          host_(host),
          random_(random),
          timer_(settings_.session_timer) {}

    void start(base::Now now, CsState state, bool is_paused);
    void answer(base::Now now, CsState state, const sip::RequestArrived& invite, bool is_paused);
    void set_state(base::Now now, CsState state);
    bool pause(base::Now now);
    bool resume(base::Now now);
    void stop(base::Now now, base::Reason reason, std::chrono::milliseconds hold);
    base::Result<sip::TransactionId, base::Reason> send(const sip::RequestSpec& request);
    void on_media_lost(base::Now now, MediaLoss how, base::Reason reason);
    void probe(base::Now now);

    void on_response(base::Now now, const sip::ResponseArrived& response);
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout);
    void on_request(base::Now now, const sip::RequestArrived& request);
    void on_ack(base::Now now, const sip::AckArrived& ack);
    void on_dialog_ended(base::Now now, sip::DialogId dialog);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    bool is_running() const { return state_ == State::Running; }
    bool is_done() const { return state_ == State::Done && leftovers_.empty(); }
    ClientSessionView view() const;

private:
    using State = ClientSessionView::State;

    // One request of ours in the dialog that may change the session.
    enum class What : std::uint8_t { Change, Snapshot, Refresh, Closing };
    struct Pending {
        sip::TransactionId transaction{};
        What what = What::Change;
        bool is_invite = false;
        bool has_metadata = false;
        bool is_snapshot = false;  // of the metadata
        std::string offer{};       // its SDP, without a version; empty: none
    };

    // How a running session comes to be over without its user.
    struct Loss {
        enum class Parting : std::uint8_t { SayBye, Forget, IsOver };
        base::Reason reason{};
        Parting parting = Parting::SayBye;
        bool is_dead = false;  // the server, not the session alone
        bool is_own_fault = false;
        bool may_return = true;  // it may be asked again as the last of the round
    };

    // ---- the INVITE (recording_client_session.cpp)
    bool take_first_state(base::Now now, CsState state, bool is_paused);
    void ask_server(base::Now now);
    void ask(base::Now now, std::string uri);
    void send_invite(base::Now now);
    void on_invite_response(base::Now now, const sip::ResponseArrived& response);
    void on_accepted(base::Now now, const sip::ResponseArrived& response);
    void on_rejected(base::Now now, const sip::ResponseArrived& response);
    bool follow(base::Now now, const sip::Message& response);
    bool authenticate(base::Now now, const sip::ResponseArrived& response);
    void begin_running(base::Now now, ReadAnswer media, std::string_view sdp);
    void on_server_failed(base::Now now, int status, base::Reason reason,
                          std::optional<std::chrono::seconds> retry_after = {});
    void give_up_server(base::Now now);
    void give_up(base::Now now);
    void hang_up(sip::DialogId dialog, std::string metadata = {});
    void clean_up(const sip::ResponseArrived& response);

    // ---- a server that is lost (recording_client_failover.cpp)
    void lose(base::Now now, Loss loss);
    void fail_over(base::Now now, Loss loss);
    void forget_dialog();
    std::vector<std::string> ring_after(std::string_view server, bool with_it) const;
    void on_round_over(base::Now now);
    void begin_round(base::Now now);
    bool has_further_round(base::Now now) const;
    static Loss silence(std::string text);  // of a server that answers no more
    static Loss::Parting parting_after(int status);
    bool lose_if_dead(base::Now now, bool is_silent);

    // ---- the server begins (recording_client_answer.cpp)
    void on_first_ack(base::Now now, const sip::AckArrived& ack);
    void give_up_answer(base::Now now, base::Reason reason, bool says_bye);

    // ---- changes (recording_client_changes.cpp)
    void advance(base::Now now);
    void send_change(base::Now now);
    void send_snapshot(base::Now now);
    void send_refresh(base::Now now);
    void send_closing(base::Now now);
    bool send_pending(base::Now now, Pending pending, const std::string& metadata);
    std::string document(const MetadataObjects& changed, bool is_complete, bool has_offer) const;
    void on_pending_response(base::Now now, const sip::ResponseArrived& response);
    void on_pending_accepted(base::Now now, const Pending& done, const sip::Message& message);
    void on_pending_refused(base::Now now, const Pending& refused,
                            const sip::ResponseArrived& response);
    void on_pending_not_sent(base::Now now, const Pending& lost);
    void on_pending_lost(base::Now now, bool is_timeout);
    void go_on(base::Now now);
    void note_told();
    void ask_again(base::Now now, What what, std::chrono::milliseconds delay);
    void leave(base::Now now, std::string metadata = {});
    void end(base::Now now, base::Reason reason, bool is_server_dead = false,
             bool is_own_fault = false);

    // ---- the media (recording_client_changes.cpp). A "content" is an SDP whose version is 0.
    std::string offer_content(bool is_paused) const;  // of what is true now
    std::string offer_content_of(std::string_view offer, bool is_paused) const;
    std::string as_sent(const std::string& content);  // with the version that it is to have
    bool take_answer(base::Now now, const std::string& offer, std::string_view answer);
    void apply(ReadAnswer answer);
    void hold_fork();
    void release_fork();

    // ---- requests of the server (recording_client_requests.cpp)
    bool refuse(base::Now now, const sip::RequestArrived& request);
    void on_offer(base::Now now, const sip::RequestArrived& request, std::string_view sdp);
    void on_offerless_invite(base::Now now, const sip::RequestArrived& request);
    void on_bye(base::Now now, const sip::RequestArrived& request);
    void on_snapshot_request(base::Now now, std::string reason);
    void accept(base::Now now, const sip::RequestArrived& request, std::string sdp);
    bool has_offer_under_way() const;

    static std::vector<sip::ExtraHeader> session_headers();
    ClientEvent make_event(ClientEvent::Kind kind, int status, base::Reason reason) const;
    void tell(ClientEvent::Kind kind, int status, base::Reason reason,
              sip::TransactionId transaction = {});
    void tell_faults(const std::vector<std::string>& faults);

    ClientSessionSettings settings_;
    ClientSessionHost& host_;
    base::Random& random_;
    std::string session_id_;

    // What is true, and what of it the server knows.
    CsState wanted_;
    MetadataObjects told_;
    MetadataObjects sent_;                        // by the request under way
    std::string told_content_;                    // of our last offer that was accepted
    std::string last_content_;                    // of our last SDP of any kind
    std::uint64_t sdp_version_ = 0;               // of it
    std::set<std::string, std::less<>> dropped_;  // labels of lines that the server removed

    // The INVITE.
    std::vector<std::string> candidates_;  // servers that this round has not asked yet
    std::string server_;                   // asked now, or that records: of the settings
    std::string uri_;                      // the same, or where it redirected us
    std::string call_id_;
    std::string from_tag_;
    sip::Flow flow_;  // of the one who challenged us
    std::vector<sip::ExtraHeader> credentials_;
    sip::TransactionId invite_;
    std::string early_answer_;  // SDP of a reliable provisional response (RFC 3262 section 5)

    // The dialog.
    sip::DialogId dialog_;
    sip::SessionTimer timer_;
    std::optional<Pending> pending_;
    std::string ok_offer_;     // content of our offer in a 2xx that waits for its ACK; empty: none
    std::string answer_text_;  // the last SDP of the server
    ReadAnswer media_;         // as it is understood
    std::vector<sip::TransactionId> user_requests_;
    std::string told_faults_;

    // A server that was lost, until another one records.
    std::optional<base::TimePoint> lost_at_;
    std::string lost_server_;
    std::string lost_uri_;
    base::Reason lost_reason_;
    bool may_lost_return_ = false;
    std::set<std::string, std::less<>> banned_;  // servers that ended at once what they took
    std::chrono::milliseconds round_delay_{};    // before the next round
    std::size_t failovers_ = 0;
    base::TimePoint accepted_at_{};

    // BYEs and cancelled INVITEs that have not come to their end.
    std::set<std::uint64_t> leftovers_;

    // Times at which something is due.
    std::optional<base::TimePoint> silent_until_;
    std::optional<base::TimePoint> answer_by_;
    std::optional<base::TimePoint> retry_at_;
    std::optional<base::TimePoint> gather_until_;  // changes of metadata alone
    std::optional<base::TimePoint> snapshot_at_;   // not sooner
    std::optional<base::TimePoint> ack_by_;
    std::optional<base::TimePoint> close_by_;
    std::optional<base::TimePoint> hold_until_;  // Closing: nothing is said of it before
    std::optional<base::TimePoint> round_at_;    // the servers are asked once more

    OptionalTime started_;
    OptionalTime ended_;
    base::Reason reason_;
    int status_ = 0;
    int challenges_ = 0;       // to the INVITE
    std::uint32_t cseq_ = 0;   // of the INVITE
    std::uint32_t tries_ = 0;  // of the request under way
    std::uint32_t fault_events_ = 0;

    State state_ = State::Idle;
    bool is_recorded_ = false;   // a Start without its Stop
    bool is_answering_ = false;  // our 2xx to the server's INVITE waits for its ACK
    bool is_by_server_ = false;  // the server began it
    bool is_paused_ = false;     // as the user wishes
    bool is_fork_held_ = false;
    bool is_change_due_ = false;
    bool is_snapshot_due_ = false;     // the next document is complete: the last one was refused
    bool is_snapshot_wanted_ = false;  // by the server
    bool is_redirected_ = false;
    bool was_heard_ = false;    // any response to the INVITE
    bool takes_update_ = true;  // the server, by its Allow
};

}  // namespace earshot::siprec
