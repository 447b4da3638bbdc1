// The phone that places a call, does in it what the options say, and hangs up.
#pragma once

#include <memory>
#include <string>

#include "loadgen/phone_leg.h"
#include "loadgen/phone_recorder.h"

namespace earshot::loadgen {

// What differs from call to call.
struct CallerSetup {
    std::string request_uri;
    std::string from;
    std::string to;
    std::string call_id;
    sip::Flow flow;
    std::string cnonce;
    sip::Flow recorder_flow{};       // to options.record_to
    base::Random* random = nullptr;  // borrowed; for what records the call
};

class CallerLeg : public PhoneLeg {
public:
    static constexpr std::chrono::seconds kHoldTime{2};
    static constexpr std::chrono::seconds kAnswerTime{60};          // past the ringing; then CANCEL
    static constexpr std::chrono::milliseconds kDigitsAfter{1000};  // of the answer
    // From the last packet to the BYE: what is on its way arrives.
    static constexpr std::chrono::milliseconds kLinger{200};

    CallerLeg(LegId id, const PhoneOptions& options, PhoneSdp sdp, PhoneHost& host,
              CallerSetup setup);

    void start(base::Now now);
    void on_response(base::Now now, const sip::ResponseArrived& response) override;
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout) override;
    void on_request(base::Now now, const sip::RequestArrived& request) override;
    void on_ack(base::Now now, const sip::AckArrived& ack) override;
    void on_dialog_ended(base::Now now, sip::DialogId dialog) override;
    void on_time(base::Now now) override;
    std::optional<base::TimePoint> deadline() const override;
    void abort(base::Now now) override;
    void settle(base::Now now) override;
    bool is_done() const override;
    PhoneLegResult result() const override;

private:
    void take(Step step, base::Now now) override;
    void on_hung_up() override;
    void on_preference(base::Now now, sdp::RecordPreference preference) override;
    void on_offer_answered(base::Now now, const sip::ResponseArrived& response) override;

    bool send_invite(std::string from_tag, std::optional<sip::ExtraHeader> authorization);
    bool answer_challenge(const sip::Message& response);
    void on_provisional(base::Now now, const sip::Message& response);
    void on_invite_answered(base::Now now, const sip::ResponseArrived& response);
    void on_accepted(base::Now now, const sip::ResponseArrived& response);
    bool settle_media(base::Now now, const sip::Message& response);
    void plan_the_call(base::Now now);
    void transfer();
    void on_notify(const sip::Message& notify);
    void start_recording(base::Now now);
    void change(Step step);
    void dial();
    void give_up(std::string_view code, std::string text, std::string_view result);

    CallerSetup setup_;
    sip::TransactionId invite_{};
    Step changing_ = Step::Hold;  // why offer_ was sent
    sip::TransactionId refer_{};
    std::string early_answer_;  // of the last provisional response that had one
    bool was_challenged_ = false;
    std::unique_ptr<PhoneRecorder> recorder_;
    bool is_peer_aware_ = false;  // and so is told of the recording
    bool is_indicating_ = false;  // an offer that tells it is planned or under way
    sdp::RecordPreference peer_preference_ = sdp::RecordPreference::Absent;
};

}  // namespace earshot::loadgen
