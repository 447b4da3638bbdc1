// One recording session from the client's side: INVITE, media by the answer, hold and resume, the
// closing metadata, BYE, and whatever the server asks in between. No I/O, no clock; belongs to the
// signalling thread.
//
//   Idle --start--> Inviting --2xx--> Running --all said--> Closing --UPDATE answered--> Leaving
//                      |  \--abort--> Cancelling                                           |
//                      +--3xx-6xx, timeout------------------------------------> Done <--BYE+
//
// Within Running one offer of ours may be under way (hold, resume); an end waits for its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/reason.h"
#include "base/time.h"
#include "loadgen/call_client.h"
#include "loadgen/media_plan.h"
#include "sip/agent.h"
#include "sip/digest.h"
#include "siprec/client_documents.h"

namespace earshot::loadgen {

// What a call asks of its surroundings. The ids that start_request() and send_request() return are
// given back to the call with what becomes of them.
class CallHost {
public:
    CallHost() = default;
    CallHost(const CallHost&) = delete;
    CallHost& operator=(const CallHost&) = delete;
    virtual ~CallHost() = default;

    virtual base::Result<sip::TransactionId> start_request(std::uint32_t call,
                                                           const sip::OutOfDialogSpec& spec) = 0;
    virtual base::Result<sip::TransactionId> send_request(std::uint32_t call, sip::DialogId dialog,
                                                          const sip::RequestSpec& spec) = 0;
    virtual void acknowledge(sip::DialogId dialog) = 0;
    virtual void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) = 0;
    virtual void cancel(sip::TransactionId invite) = 0;
    virtual void set_media(std::uint32_t call, const MediaPlan& plan) = 0;
    virtual void stop_media(std::uint32_t call) = 0;
};

struct CallSetup {
    std::uint32_t index = 0;
    std::string request_uri;
    std::string from;
    sip::Flow flow;
    siprec::ClientCall documents;  // ids, parties with their ports
    std::string call_id;
    std::optional<std::chrono::milliseconds> hold_at;
    sip::Credentials credentials{};  // empty username: a challenge is a refusal
    std::string cnonce{};
};

class Call {
public:
    static constexpr std::chrono::seconds kHoldTime{2};
    static constexpr std::chrono::seconds kAnswerTime{60};  // then CANCEL

    Call(CallSetup setup, CallHost& host, base::Log& log);

    void start(base::Now now);
    void on_response(base::Now now, const sip::ResponseArrived& response);
    // No final response, or the request could not be sent.
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout);
    void on_request(base::Now now, const sip::RequestArrived& request);
    void on_ack(base::Now now, const sip::AckArrived& ack);
    void on_dialog_ended();
    void on_media_finished(base::Now now);  // every packet has gone out
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    void abort(base::Now now);

    bool is_done() const { return state_ == State::Done; }
    bool was_answered() const { return was_answered_; }
    const CallResult& result() const { return result_; }  // without `sent`

private:
    enum class State : std::uint8_t { Idle, Inviting, Cancelling, Running, Closing, Leaving, Done };
    enum class Hold : std::uint8_t { None, Asking, Held, Resuming, Over };

    bool send_invite(base::Now now, std::string from_tag, std::optional<sip::ExtraHeader> extra);
    bool answer_challenge(base::Now now, const sip::Message& response);
    void on_invite_answered(base::Now now, const sip::ResponseArrived& response);
    void on_offer_answered(base::Now now, const sip::ResponseArrived& response);
    void on_hold_answered(base::Now now, bool is_accepted);
    void on_offer_of_peer(base::Now now, const sip::RequestArrived& request, std::string_view sdp);
    void on_bye(base::Now now, const sip::RequestArrived& request);

    bool apply_answer(const sip::Message& message);
    void offer_hold(base::Now now);
    void offer_resume(base::Now now);
    bool send_offer(std::string content_type, std::string body, std::string_view method);
    void send_snapshot(base::Now now);
    void close(base::Now now);
    void leave(std::string content_type, std::string body);
    void fail(std::string_view code, std::string text, std::string_view result = "failed");
    void finish();
    void pause_media();

    CallSetup setup_;
    CallHost& host_;
    base::Log& log_;
    CallResult result_;
    State state_ = State::Idle;
    Hold hold_ = Hold::None;
    MediaPlan plan_{};  // by the last answer
    sip::DialogId dialog_{};
    sip::TransactionId invite_{};
    sip::TransactionId offer_{};    // re-INVITE or UPDATE with an offer of ours
    sip::TransactionId closing_{};  // UPDATE with the last metadata
    sip::TransactionId bye_{};
    std::string offer_method_;
    std::string early_answer_;  // SDP of a reliable provisional response (RFC 3262 §5)
    std::optional<base::TimePoint> answer_by_;
    std::optional<base::TimePoint> hold_due_;
    bool peer_takes_update_ = true;
    bool was_answered_ = false;
    bool was_challenged_ = false;  // the credentials are given once (E-22)
    bool is_close_wanted_ = false;
    bool is_snapshot_wanted_ = false;
};

}  // namespace earshot::loadgen
