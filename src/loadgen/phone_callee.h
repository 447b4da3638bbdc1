// The phone that takes a call: it rings, answers or refuses as the options say, and is hung up on.
#pragma once

#include <string>

#include "loadgen/phone_leg.h"

namespace earshot::loadgen {

class CalleeLeg : public PhoneLeg {
public:
    // A call whose caller has ended it must be over here so much later.
    static constexpr std::chrono::seconds kOrphanTime{5};

    using PhoneLeg::PhoneLeg;

    void on_invite(base::Now now, const sip::RequestArrived& invite);
    void on_ack(base::Now now, const sip::AckArrived& ack) override;
    void on_no_ack(const sip::NoAck& no_ack) override;
    void on_cancel() override;
    // Our caller's end is over: this one should hear of it.
    void on_caller_done(base::Now now);
    void abort(base::Now now) override;

private:
    void take(Step step, base::Now now) override;

    void ring(base::Now now, bool is_reliable);
    void answer(base::Now now);
    void reject(int status, std::vector<sip::ExtraHeader> extra = {});

    sip::TransactionId invite_{};
    std::string answer_;  // to the offer of the INVITE; empty: ours is the offer
};

}  // namespace earshot::loadgen
