// The phone that places a call, does in it what the options say, and hangs up.
#pragma once

#include <string>

#include "loadgen/phone_leg.h"

namespace earshot::loadgen {

// What differs from call to call.
struct CallerSetup {
    std::string request_uri;
    std::string from;
    std::string to;
    std::string call_id;
    sip::Flow flow;
    std::string cnonce;
};

class CallerLeg : public PhoneLeg {
public:
    static constexpr std::chrono::seconds kHoldTime{2};
    static constexpr std::chrono::seconds kAnswerTime{60};  // past the ringing; then CANCEL
    static constexpr std::chrono::milliseconds kDigitsAfter{1000};  // of the answer
    // From the last packet to the BYE: what is on its way arrives.
    static constexpr std::chrono::milliseconds kLinger{200};

    CallerLeg(LegId id, const PhoneOptions& options, PhoneSdp sdp, PhoneHost& host,
              CallerSetup setup);

    void start(base::Now now);
    void on_response(base::Now now, const sip::ResponseArrived& response) override;
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout) override;
    void abort(base::Now now) override;

private:
    void take(Step step, base::Now now) override;
    void on_hung_up() override;
    void on_offer_answered(base::Now now, const sip::ResponseArrived& response) override;

    bool send_invite(std::string from_tag, std::optional<sip::ExtraHeader> authorization);
    bool answer_challenge(const sip::Message& response);
    void on_provisional(base::Now now, const sip::Message& response);
    void on_invite_answered(base::Now now, const sip::ResponseArrived& response);
    void on_accepted(base::Now now, const sip::ResponseArrived& response);
    bool settle_media(base::Now now, const sip::Message& response);
    void plan_the_call(base::Now now);
    void change(Step step);
    void dial();
    void give_up(std::string_view code, std::string text, std::string_view result);

    CallerSetup setup_;
    sip::TransactionId invite_{};
    Step changing_ = Step::Hold;  // why offer_ was sent
    std::string early_answer_;    // of the last provisional response that had one
    bool was_challenged_ = false;
};

}  // namespace earshot::loadgen
