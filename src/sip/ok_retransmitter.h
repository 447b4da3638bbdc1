// Sends the 2xx to an INVITE again until its ACK arrives (RFC 3261 §13.3.1.4), over any transport.
// The caller gives it `now`, obeys the Action, and calls on_time() again at deadline().
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.h"
#include "sip/timers.h"

namespace earshot::sip {

class OkRetransmitter {
public:
    enum class State { Waiting, Acknowledged, TimedOut };
    enum class Action { None, Resend, EndSession };  // EndSession: send BYE

    explicit OkRetransmitter(base::TimePoint sent)
        : resend_at_(sent + kT1), give_up_at_(sent + kTimeout) {}

    State state() const { return state_; }

    void on_ack() {  // a late or repeated ACK changes nothing
        if (state_ == State::Waiting) state_ = State::Acknowledged;
    }

    Action on_time(base::TimePoint now) {
        if (state_ != State::Waiting || now < *deadline()) return Action::None;
        if (now >= give_up_at_) {
            state_ = State::TimedOut;
            return Action::EndSession;
        }
        interval_ = std::min(2 * interval_, kT2);
        resend_at_ = now + interval_;  // from now, not from the plan: no burst after a stall
        return Action::Resend;
    }

    std::optional<base::TimePoint> deadline() const {
        if (state_ != State::Waiting) return std::nullopt;
        return std::min(resend_at_, give_up_at_);
    }

private:
    State state_ = State::Waiting;
    std::chrono::milliseconds interval_ = kT1;
    base::TimePoint resend_at_;
    base::TimePoint give_up_at_;
};

}  // namespace earshot::sip
