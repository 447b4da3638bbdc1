// One phone's end of one call, without I/O or clock: what both ends do once the call is being set
// up. A CallerLeg places it, a CalleeLeg takes it. Belongs to the signalling thread.
//
//   Idle --INVITE--> SettingUp --2xx--> Running --BYE sent--> Leaving --answered--> Done
//                       |  \--gave up--> Cancelling --487, 2xx + BYE------------------^
//                       +--3xx-6xx, timeout, CANCEL; from Running: BYE of the peer----+
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "base/time.h"
#include "loadgen/phone_client.h"
#include "loadgen/phone_media.h"
#include "loadgen/phone_sdp.h"
#include "sip/agent.h"
#include "siprec/record_awareness.h"

namespace earshot::loadgen {

// Of the caller's INVITE: which call of the run it is, so that the callee knows it again behind
// whatever changes Call-ID and tags.
inline constexpr std::string_view kCallNumberHeader = "X-Earshot-Call";

// What a phone asks of its surroundings. The ids that start_request() and send_request() return are
// given back to the leg with what becomes of them.
class PhoneHost {
public:
    PhoneHost() = default;
    PhoneHost(const PhoneHost&) = delete;
    PhoneHost& operator=(const PhoneHost&) = delete;
    virtual ~PhoneHost() = default;

    virtual base::Result<sip::TransactionId> start_request(LegId leg,
                                                           const sip::OutOfDialogSpec& spec) = 0;
    virtual base::Result<sip::TransactionId> send_request(LegId leg, sip::DialogId dialog,
                                                          const sip::RequestSpec& spec) = 0;
    virtual base::Result<sip::DialogId> respond(LegId leg, sip::TransactionId transaction,
                                                const sip::ResponseSpec& spec) = 0;
    virtual void acknowledge(sip::DialogId dialog, const sip::RequestSpec& spec) = 0;
    virtual void cancel(sip::TransactionId invite) = 0;
    virtual void set_media(LegId leg, const PhonePlan& plan) = 0;
    virtual void play_digits(LegId leg, const std::string& digits) = 0;
    // The call is about to end: neither phone of it speaks any more, so that nothing is on its way
    // when what is between them is told.
    virtual void fall_silent(LegId leg) = 0;
    virtual void on_record_change(LegId leg, const RecordNotice& notice) = 0;

    // ---- of a phone that records itself
    virtual void end_dialog(sip::DialogId dialog) = 0;
    virtual void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                              const base::NetAddress& host,
                              std::vector<sip::ExtraHeader> of_invite) = 0;
    // Sockets for its two streams: where they are, or nothing when no ports are left.
    virtual std::optional<std::array<base::NetAddress, kParties>> open_recording(LegId leg) = 0;
    virtual void set_recording(LegId leg, const MediaPlan& plan) = 0;
    virtual void stop_recording(LegId leg) = 0;
};

class PhoneLeg {
public:
    // Borrows `options` and `host` for its life.
    PhoneLeg(LegId id, const PhoneOptions& options, PhoneSdp sdp, PhoneHost& host);
    PhoneLeg(const PhoneLeg&) = delete;
    PhoneLeg& operator=(const PhoneLeg&) = delete;
    virtual ~PhoneLeg() = default;

    virtual void on_response(base::Now now, const sip::ResponseArrived& response);
    // No final response, or the request could not be sent.
    virtual void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout);
    virtual void on_request(base::Now now, const sip::RequestArrived& request);
    virtual void on_ack(base::Now now, const sip::AckArrived& ack);
    virtual void on_no_ack(const sip::NoAck& no_ack);
    virtual void on_cancel() {}
    virtual void on_dialog_ended(base::Now now, sip::DialogId dialog);
    virtual void on_time(base::Now now);
    virtual std::optional<base::TimePoint> deadline() const;
    virtual void abort(base::Now now) = 0;
    // After each of the above.
    virtual void settle(base::Now /*now*/) {}
    // Before it has begun: there are no ports.
    void end(const base::Reason& reason);

    virtual bool is_done() const { return state_ == State::Done; }
    bool was_answered() const { return result_.answered.has_value(); }
    virtual PhoneLegResult result() const { return result_; }  // without media

protected:
    enum class State : std::uint8_t { Idle, SettingUp, Cancelling, Running, Leaving, Done };
    // What a leg does when its time has come.
    enum class Step : std::uint8_t {
        GiveUp,
        Answer,
        Hold,
        Resume,
        Prefer,
        Transfer,
        Indicate,
        PlayDigits,
        FallSilent,
        HangUp,
        Orphaned,
    };

    virtual void take(Step step, base::Now now) = 0;
    virtual void on_preference(base::Now /*now*/, sdp::RecordPreference /*preference*/) {}
    // The peer hung up; the state is still Running.
    virtual void on_hung_up() {}

    void plan(Step step, base::TimePoint when) { steps_.emplace_back(when, step); }
    void forget_steps() { steps_.clear(); }
    // Allow and Supported, in all that sets up or changes the call.
    std::vector<sip::ExtraHeader> headers(bool takes_100rel) const;
    void refuse(const sip::RequestArrived& request, int status);
    bool send_offer();
    void apply(const PhonePlan& plan);
    // The peer's description: its indications are noted. An answer is applied; false after fail().
    void note_indications(base::Now now, std::string_view sdp);
    bool take_answer(base::Now now, std::string_view sdp);
    virtual void on_offer_answered(base::Now now, const sip::ResponseArrived& response);
    void hang_up();
    void fail(std::string_view code, std::string text, std::string_view result = "failed");
    void finish();

    static std::string_view sdp_in(const sip::Message& message);
    static std::string status_line(const sip::Message& message);

    const LegId id_;
    const PhoneOptions& options_;
    PhoneHost& host_;
    PhoneSdp sdp_;
    PhoneLegResult result_;
    State state_ = State::Idle;
    std::optional<base::TimePoint> started_;  // when the INVITE went out or came in
    sip::DialogId dialog_{};
    sip::TransactionId offer_{};  // re-INVITE of ours
    sip::TransactionId bye_{};
    PhonePlan plan_{};
    bool is_ack_with_answer_ = false;  // we offered in a 2xx

private:
    void on_offer_of_peer(base::Now now, const sip::RequestArrived& request);
    void on_info(const sip::Message& info);

    siprec::RecordIndications indications_;
    std::vector<std::pair<base::TimePoint, Step>> steps_;
};

}  // namespace earshot::loadgen
