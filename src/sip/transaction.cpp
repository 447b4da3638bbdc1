#include "sip/transaction.h"

#include <algorithm>

namespace earshot::sip {

std::optional<base::TimePoint> TransactionTimers::deadline() const {
    if (resend_at_ && end_at_) return std::min(*resend_at_, *end_at_);
    return resend_at_ ? resend_at_ : end_at_;
}

void TransactionTimers::start_resending(base::TimePoint now) { resend_after(now, kT1); }

// From now, not from the plan: a stalled loop does not answer with a burst.
void TransactionTimers::resend_after(base::TimePoint now, std::chrono::milliseconds interval) {
    interval_ = interval;
    resend_at_ = now + interval;
}

// ---- INVITE client ----

InviteClient::InviteClient(base::TimePoint now, bool reliable) : reliable_(reliable) {
    if (!reliable) start_resending(now);  // timer A
    end_at_ = now + kTimeout;             // timer B
}

Step InviteClient::terminate() {
    state_ = State::Terminated;
    resend_at_.reset();
    end_at_.reset();
    return {.terminated = true};
}

Step InviteClient::on_response(base::TimePoint now, int status) {
    switch (state_) {
        case State::Calling:
        case State::Proceeding:
            break;
        case State::Completed:
            return {.ack = status >= 300};
        case State::Accepted:
            return {.to_tu = status >= 200 && status < 300};
        case State::Terminated:
            return {};
    }
    resend_at_.reset();
    if (status < 200) {
        state_ = State::Proceeding;
        if (!cancelled_) end_at_ = now + kInviteProceeding;
        return {.to_tu = true};
    }
    if (status < 300) {
        state_ = State::Accepted;
        end_at_ = now + kTimeout;  // timer M, RFC 6026 §7.2
        return {.to_tu = true};
    }
    Step step{.ack = true, .to_tu = true};
    if (reliable_) {  // timer D is zero
        step.terminated = terminate().terminated;
        return step;
    }
    state_ = State::Completed;
    end_at_ = now + kTimerD;
    return step;
}

Step InviteClient::on_time(base::TimePoint now) {
    if (is_end_due(now)) {
        const bool answered = state_ == State::Completed || state_ == State::Accepted;
        Step step = terminate();  // timers D, M; B; the bound of Proceeding
        step.timed_out = !answered;
        return step;
    }
    if (!is_resend_due(now)) return {};
    resend_after(now, 2 * interval_);  // timer A doubles without limit; B ends it
    return {.resend = true};
}

Step InviteClient::on_transport_error() {
    const bool answered = state_ == State::Completed || state_ == State::Accepted;
    if (answered || state_ == State::Terminated) return {};  // the TU has its answer
    Step step = terminate();
    step.transport_failed = true;
    return step;
}

void InviteClient::on_cancel_sent(base::TimePoint now) {
    cancelled_ = true;
    if (state_ == State::Proceeding) end_at_ = now + kTimeout;
}

// ---- non-INVITE client ----

NonInviteClient::NonInviteClient(base::TimePoint now, bool reliable) : reliable_(reliable) {
    if (!reliable) start_resending(now);  // timer E
    end_at_ = now + kTimeout;             // timer F
}

Step NonInviteClient::terminate() {
    state_ = State::Terminated;
    resend_at_.reset();
    end_at_.reset();
    return {.terminated = true};
}

Step NonInviteClient::on_response(base::TimePoint now, int status) {
    if (state_ == State::Completed || state_ == State::Terminated) return {};
    if (status < 200) {
        state_ = State::Proceeding;
        return {.to_tu = true};
    }
    Step step{.to_tu = true};
    resend_at_.reset();
    if (reliable_) {  // timer K is zero
        step.terminated = terminate().terminated;
        return step;
    }
    state_ = State::Completed;
    end_at_ = now + kT4;  // timer K
    return step;
}

Step NonInviteClient::on_time(base::TimePoint now) {
    if (is_end_due(now)) {
        const bool answered = state_ == State::Completed;
        Step step = terminate();
        step.timed_out = !answered;
        return step;
    }
    if (!is_resend_due(now)) return {};
    resend_after(now, state_ == State::Proceeding ? kT2 : std::min(2 * interval_, kT2));
    return {.resend = true};
}

Step NonInviteClient::on_transport_error() {
    if (state_ == State::Completed || state_ == State::Terminated) return {};
    Step step = terminate();
    step.transport_failed = true;
    return step;
}

// ---- INVITE server ----

Step InviteServer::terminate() {
    state_ = State::Terminated;
    resend_at_.reset();
    end_at_.reset();
    return {.terminated = true};
}

Step InviteServer::on_request() {
    // In Accepted the INVITE is absorbed (RFC 6026 §7.1): the 2xx has a timer of its own.
    return {.resend = state_ == State::Proceeding || state_ == State::Completed};
}

Step InviteServer::on_ack(base::TimePoint now) {
    if (state_ == State::Accepted) return {.to_tu = true};
    if (state_ != State::Completed) return {};
    if (reliable_) return terminate();  // timer I is zero
    state_ = State::Confirmed;
    resend_at_.reset();
    end_at_ = now + kT4;  // timer I
    return {};
}

void InviteServer::on_response(base::TimePoint now, int status) {
    if (state_ != State::Proceeding || status < 200) return;
    on_prack();
    end_at_ = now + kTimeout;  // timer L or H
    if (status < 300) {
        state_ = State::Accepted;
        return;
    }
    state_ = State::Completed;
    if (!reliable_) start_resending(now);  // timer G
}

void InviteServer::on_reliable_response(base::TimePoint now) {
    if (state_ != State::Proceeding) return;
    start_resending(now);
    end_at_ = now + kTimeout;
}

void InviteServer::on_prack() {
    resend_at_.reset();
    end_at_.reset();
}

Step InviteServer::on_time(base::TimePoint now) {
    if (state_ == State::Proceeding) {
        if (is_end_due(now)) {
            on_prack();
            return {.timed_out = true};
        }
        if (!is_resend_due(now)) return {};
        resend_after(now, 2 * interval_);
        return {.resend = true};
    }
    // That the ACK to a refusal never came (timer H) leaves nothing to do for the TU.
    if (is_end_due(now)) return terminate();
    if (!is_resend_due(now)) return {};
    resend_after(now, std::min(2 * interval_, kT2));
    return {.resend = true};
}

// ---- non-INVITE server ----

Step NonInviteServer::on_request() {
    return {.resend = state_ == State::Proceeding || state_ == State::Completed};
}

Step NonInviteServer::on_response(base::TimePoint now, int status) {
    if (is_answered()) return {};
    if (status < 200) {
        state_ = State::Proceeding;
        return {};
    }
    if (reliable_) {  // timer J is zero
        state_ = State::Terminated;
        return {.terminated = true};
    }
    state_ = State::Completed;
    end_at_ = now + kTimeout;  // timer J
    return {};
}

Step NonInviteServer::on_time(base::TimePoint now) {
    if (!is_end_due(now)) return {};
    state_ = State::Terminated;
    end_at_.reset();
    return {.terminated = true};
}

}  // namespace earshot::sip
