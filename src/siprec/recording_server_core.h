// The state machine behind RecordingServerSession; see there for the contract.
//
//   Idle --start--> Inviting --2xx with an offer--> Answering (and else Ended)
//   Idle --INVITE--> Answering --ports open, row durable--> Established --BYE, loss, stop--> Ended
//     \--refused--> Ended                \--declined, cancelled, no port, no row--> Ended
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sdp/session_description.h"
#include "siprec/invite_marks.h"
#include "siprec/media_lines.h"
#include "siprec/offer_leniencies.h"
#include "siprec/recording_server_session.h"
#include "siprec/request_body.h"
#include "siprec/session_metadata.h"

namespace earshot::siprec {

inline constexpr std::string_view kStoppedByOperator = "stopped_by_operator";

class RecordingServerSession::Core {
public:
    Core(const RecordingServerConfig& config, std::uint64_t session_number)
        : media_(config.media),
          is_strict_(config.strict),
          records_unmarked_(config.profile_records_unmarked),
          asks_policy_(config.asks_policy),
          keeps_digits_(config.keeps_digits),
          session_number_(session_number),
          timer_(config.session_timer) {
        lines_.set_second_video(config.second_video);
        lines_.set_key_source(config.srtp_keys);
        lines_.set_dtls_source(config.dtls);
        lines_.set_message_terms(config.messages);
    }

    void on_invite(base::Now now, sip::TransactionId transaction, const base::NetAddress& peer,
                   const sip::Message& invite);
    void start(base::Now now, StartRequest request);
    void retarget(const base::NetAddress& peer, const RecordingServerConfig& config);
    void on_decision(base::Now now, Ruling ruling);
    void on_row_durable(base::Now now);
    void on_row_failed(base::Now now, base::Reason reason);
    void on_stream_opened(base::Now now, std::uint16_t stream, std::uint16_t rtp_port,
                          std::uint16_t rtcp_port);
    void on_messages_opened(base::Now now, std::uint16_t stream, MessageEndpoint ours);
    void on_stream_failed(base::Now now, std::uint16_t stream, const base::Reason& reason);
    void on_stream_refused(base::Now now, std::uint16_t stream, const base::Reason& reason);
    void on_request(base::Now now, sip::TransactionId transaction, const sip::Message& request);
    void on_cancel(base::Now now);
    void on_ack(base::Now now, const sip::Message& ack);
    void on_no_ack(base::Now now);
    void on_response(base::Now now, const sip::Message& response,
                     std::optional<std::chrono::milliseconds> retry_after);
    void on_request_timed_out(base::Now now);
    void on_request_not_sent(base::Now now, base::Reason why);
    void probe();
    void on_dialog_lost(base::Now now, base::Reason reason);
    void stop(base::Now now, base::Reason reason);
    bool pause(base::Now now, const ControlRequest& request);
    bool resume(base::Now now, const ControlRequest& request);
    bool stop_by_operator(base::Now now, const ControlRequest& request);
    bool drop_stream(base::Now now, std::string_view label, const ControlRequest& request);
    void ask_for_key_frame(std::uint16_t stream, std::string_view reason);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    std::optional<Action> poll_action();

    bool is_established() const { return state_ == State::Established; }
    bool is_ended() const { return state_ == State::Ended; }
    bool is_withheld() const { return lines_.is_withheld(); }
    bool is_paused() const { return lines_.is_all_paused(); }
    OperatorPause operator_pause() const { return control_ ? control_->pause : OperatorPause{}; }
    const MetadataModel& metadata() const { return metadata_.model(); }

private:
    enum class State : std::uint8_t { Idle, Inviting, Answering, Established, Ended };

    // A request with an offer that is answered when its streams are open, or one without an offer
    // that gets ours.
    struct Pending {
        sip::TransactionId transaction;
        std::optional<sdp::KeptDescription> offer;
        bool is_initial = false;
        bool is_in_ack = false;  // the INVITE was ours: its 2xx is answered by the ACK
        // Why lines of it were not opened: we had no ports; or they were at fault, the last one so.
        bool lacks_ports = false;
        std::optional<base::Reason> refusal{};
        sip::SessionTimerFields timer;
        std::vector<HeaderParty> header_parties;                   // of the initial INVITE
        std::optional<std::chrono::milliseconds> release_after{};  // the 200: Ruling's
    };

    // Our request that waits for its final response: one at a time.
    enum class Asked : std::uint8_t { Nothing, Snapshot, Refresh, Control, Probe, KeyFrame };
    struct Retry {  // after glare; nothing else is asked before it
        Asked what = Asked::Nothing;
        std::uint8_t tries = 0;
        base::TimePoint at;
    };

    // What an operator wants of the streams, and how far the client knows (recording_server_
    // control.cpp).
    struct Control {
        OperatorPause pause;
        bool releases = false;                      // media that a rule withholds is asked for
        bool is_told = false;                       // the SDP in force says inactive by our will
        bool is_in_doubt = false;                   // the client was silent: it may say otherwise
        bool offers_inactive = false;               // that of the re-INVITE under way
        std::string offered_sdp;                    // of it
        std::string_view request;                   // what it asks, for the timeline
        std::optional<base::TimePoint> due;         // a re-INVITE is to be sent
        std::optional<base::TimePoint> release_at;  // the time of the rule that withholds
    };

    // Our INVITE that has no final answer yet.
    struct Inviting {
        StartRequest request;
        base::TimePoint give_up_at;
    };

    // The SDP of a request, if any, or why it cannot be read.
    using Offer = std::optional<base::Result<sdp::KeptDescription>>;
    static Offer parse_offer(const RequestBody& body);

    std::optional<sip::ResponseSpec> find_refusal(const sip::Message& invite,
                                                  const RequestBody& body, const InviteMarks& marks,
                                                  const Offer& offer,
                                                  const std::vector<FoundLeniency>& found,
                                                  base::Reason& reason) const;
    void begin(base::Now now, RowFacts& facts, const sip::Message& message, const RequestBody& body,
               const std::vector<FoundLeniency>& found);
    void ask_policy(RowFacts facts);
    void start_recording(base::Now now);
    // Answers what is pending, though not as it wished: `response`, or an ACK and a BYE that tells
    // its status.
    void give_up_pending(sip::ResponseSpec response);
    // What is bent to take this request; `marks` only of the initial INVITE.
    std::vector<FoundLeniency> find_all_leniencies(const sip::Message& request,
                                                   const InviteMarks* marks,
                                                   const RequestBody& body,
                                                   const Offer& offer) const;
    void create_held_row();
    void tell_leniencies(const std::vector<FoundLeniency>& found);
    void tell_leniency(const FoundLeniency& found);
    void tell_record_attributes(const sdp::SessionDescription& offer);
    void tell_parties(std::string_view source, std::vector<HeaderParty> parties);
    // `of_headers`: who speaks by the request's headers, where the metadata names nobody.
    void assume_parties(std::vector<HeaderParty> of_headers);

    void on_modification(base::Now now, sip::TransactionId transaction,
                         const sip::Message& request);
    std::optional<sip::ResponseSpec> find_fault(const sip::Message& request,
                                                const RequestBody& body, const Offer& offer,
                                                const std::vector<FoundLeniency>& found) const;
    void on_info(base::Now now, sip::TransactionId transaction, const sip::Message& request);
    void on_bye(base::Now now, sip::TransactionId transaction, const sip::Message& bye);
    void take_metadata(base::Now now, const RequestBody& body);

    void answer_when_ready(base::Now now);
    std::string make_answer(const sdp::SessionDescription& offer);
    std::string make_first_offer();
    std::string make_repeated_offer(bool inactive);
    sdp::LocalOrigin origin() const;

    void respond(sip::TransactionId transaction, sip::ResponseSpec response);
    void refuse(sip::TransactionId transaction, sip::ResponseSpec response, base::Reason reason);
    // Closes what is open, tells who ended it, and is the last thing that happens.
    void end(std::string_view by, base::Reason reason);
    void send_bye(int cause = 0);

    // ---- recording_server_requests.cpp
    bool is_busy() const;
    bool is_retrying() const { return retry_.what != Asked::Nothing; }
    void ask_for_snapshot(const char* reason);
    void send_refresh();
    void on_refresh_refused(base::Now now, int status);
    void on_key_frame_answer(int status);
    void tell_refused(Asked asked, int status);
    void lose_session(base::Reason reason);
    void lose_silent(int status);  // of the answer to probe()
    void try_again(Asked what, base::TimePoint at);
    void apply_answer(const RequestBody& body, bool to_inactive);

    // ---- recording_server_control.cpp
    void tell_control(std::string_view type, const ControlRequest& request,
                      std::uint16_t stream = kNoStream);
    Control& control();
    bool can_control() const;
    bool is_told_inactive() const { return control_ != nullptr && control_->is_told; }
    std::optional<base::TimePoint> control_deadline() const;
    void on_control_time(base::Now now);
    bool wants_inactive() const;
    bool wants_drop(const sdp::SessionDescription& in_force) const;
    void want_reinvite(base::Now now);
    void send_control();
    void on_control_answer(base::Now now, const sip::Message& response);
    void on_control_refused(int status, std::string_view why);
    void tell_control_answer(int status, std::string_view refusal);

    // ---- recording_server_start.cpp
    void on_start_response(base::Now now, const sip::Message& response);
    void give_up_start(const sdp::SessionDescription* offer, base::Reason reason);
    void refuse_in_ack(const sdp::SessionDescription* offer);
    void on_inviting_time(base::Now now);

    // Of RecordingServerConfig; thousands of sessions are idle, so each octet counts.
    MediaAddresses media_;
    bool is_strict_;
    bool records_unmarked_;
    bool asks_policy_;
    bool keeps_digits_;
    bool told_digits_ = false;  // that they are not kept
    State state_ = State::Idle;
    std::uint64_t session_number_;
    std::uint64_t sdp_version_ = 0;
    base::NetAddress peer_;
    bool row_durable_ = false;
    bool was_accepted_ = false;
    bool awaits_ack_ = false;           // of a 2xx to an INVITE
    bool awaits_answer_ = false;        // in that ACK: the offer was ours
    bool initial_was_ours_ = false;     // and it is the first one
    bool peer_takes_update_ = true;     // by its Allow
    bool takes_key_frame_info_ = true;  // until it refuses one (RFC 5168)
    bool is_offering_ = false;          // our re-INVITE is under way
    Asked asked_ = Asked::Nothing;
    const char* snapshot_reason_ = nullptr;  // of the newest request
    Retry retry_;
    std::unique_ptr<Control> control_;  // null: nobody touched this session, as nearly always
    std::unique_ptr<Inviting> inviting_;
    std::unique_ptr<Pending> pending_;
    MediaLines lines_;
    SessionMetadata metadata_;
    sip::SessionTimer timer_;
    std::string last_sdp_;  // ours: repeated for an INVITE without an offer
    OfferHistory offers_;
    std::bitset<kLeniencies> told_leniencies_;
    std::size_t told_parties_hash_ = 0;            // 0: none
    std::size_t told_record_attributes_hash_ = 0;  // 0: none came
    std::unique_ptr<std::vector<Action>> held_;    // CreateRow and more, until the policy decides
    std::vector<Action> actions_;                  // released when drained
    std::size_t next_action_ = 0;
};

}  // namespace earshot::siprec
