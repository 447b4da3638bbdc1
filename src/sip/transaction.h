// The four transaction machines of RFC 3261 §17 with RFC 6026's corrections: states and timers
// only. They see no message; the agent keeps those and does what a Step asks. `reliable` is the
// transport (TCP, TLS): it needs no retransmission and no state that waits for one.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "sip/timers.h"

namespace earshot::sip {

// What one event leads to, to be done in this order.
struct Step {
    bool resend = false;  // send the last message of ours again (client: request, server: response)
    bool ack = false;     // INVITE client: send the ACK to a final response other than 2xx
    bool to_tu = false;   // hand the message that arrived to the TU
    bool timed_out = false;         // tell the TU: no final response
    bool transport_failed = false;  // tell the TU: the request could not be sent
    bool terminated = false;        // forget the transaction
    friend bool operator==(const Step&, const Step&) = default;
};

// Timers of any machine: one that repeats (A, E, G) and one that ends a state (B, D, F, H-M).
class TransactionTimers {
public:
    std::optional<base::TimePoint> deadline() const;

protected:
    TransactionTimers() = default;
    void start_resending(base::TimePoint now);
    void resend_after(base::TimePoint now, std::chrono::milliseconds interval);
    bool is_resend_due(base::TimePoint now) const { return resend_at_ && now >= *resend_at_; }
    bool is_end_due(base::TimePoint now) const { return end_at_ && now >= *end_at_; }

    std::optional<base::TimePoint> resend_at_;
    std::optional<base::TimePoint> end_at_;
    std::chrono::milliseconds interval_ = kT1;
};

// RFC 3261 §17.1.1, RFC 6026 §7.2. The request has been sent at `now`.
class InviteClient : public TransactionTimers {
public:
    enum class State : std::uint8_t { Calling, Proceeding, Completed, Accepted, Terminated };

    InviteClient(base::TimePoint now, bool reliable);
    Step on_response(base::TimePoint now, int status);
    Step on_time(base::TimePoint now);
    Step on_transport_error();
    void on_cancel_sent(base::TimePoint now);  // §9.1: no answer within 64*T1 is one, too
    State state() const { return state_; }

private:
    Step terminate();
    State state_ = State::Calling;
    bool reliable_;
    bool cancelled_ = false;
};

// RFC 3261 §17.1.2.
class NonInviteClient : public TransactionTimers {
public:
    enum class State : std::uint8_t { Trying, Proceeding, Completed, Terminated };

    NonInviteClient(base::TimePoint now, bool reliable);
    Step on_response(base::TimePoint now, int status);
    Step on_time(base::TimePoint now);
    Step on_transport_error();
    State state() const { return state_; }

private:
    Step terminate();
    State state_ = State::Trying;
    bool reliable_;
};

// RFC 3261 §17.2.1, RFC 6026 §7.1. A 2xx is sent again by OkRetransmitter, not by this machine.
class InviteServer : public TransactionTimers {
public:
    enum class State : std::uint8_t { Proceeding, Completed, Confirmed, Accepted, Terminated };

    explicit InviteServer(bool reliable) : reliable_(reliable) {}
    Step on_request();                                  // the INVITE again
    Step on_ack(base::TimePoint now);                   // to_tu: it acknowledges our 2xx
    void on_response(base::TimePoint now, int status);  // the TU sends it now
    // RFC 3262 §3: a provisional response that is sent again until on_prack(), over any transport;
    // timed_out in the end.
    void on_reliable_response(base::TimePoint now);
    void on_prack();
    Step on_time(base::TimePoint now);
    State state() const { return state_; }
    bool is_answered() const { return state_ != State::Proceeding; }

private:
    Step terminate();
    State state_ = State::Proceeding;
    bool reliable_;
};

// RFC 3261 §17.2.2.
class NonInviteServer : public TransactionTimers {
public:
    enum class State : std::uint8_t { Trying, Proceeding, Completed, Terminated };

    explicit NonInviteServer(bool reliable) : reliable_(reliable) {}
    Step on_request();
    Step on_response(base::TimePoint now, int status);  // terminated: nothing to keep
    Step on_time(base::TimePoint now);
    State state() const { return state_; }
    bool is_answered() const { return state_ == State::Completed || state_ == State::Terminated; }

private:
    State state_ = State::Trying;
    bool reliable_;
};

}  // namespace earshot::sip
