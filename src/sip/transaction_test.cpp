#include "sip/transaction.h"

#include <gtest/gtest.h>

#include <ostream>

#include "sip/ok_retransmitter.h"

namespace earshot::sip {

static void PrintTo(const Step& step, std::ostream* out) {
    *out << (step.resend ? "resend " : "") << (step.ack ? "ack " : "")
         << (step.to_tu ? "to_tu " : "") << (step.timed_out ? "timed_out " : "")
         << (step.transport_failed ? "transport_failed " : "")
         << (step.terminated ? "terminated" : "");
}

namespace {

using namespace std::chrono_literals;
using base::TimePoint;

const TimePoint kStart{1h};

const Step kNothing{};
const Step kToTu{.to_tu = true};
const Step kResend{.resend = true};
const Step kAck{.ack = true};
const Step kEnd{.terminated = true};

// ---- INVITE client ----

using IC = InviteClient::State;

InviteClient invite_client_in(IC state, bool reliable = false) {
    InviteClient machine(kStart, reliable);
    if (state == IC::Proceeding) machine.on_response(kStart, 180);
    if (state == IC::Completed) machine.on_response(kStart, 486);
    if (state == IC::Accepted) machine.on_response(kStart, 200);
    if (state == IC::Terminated) machine.on_transport_error();
    EXPECT_EQ(machine.state(), state);
    return machine;
}

TEST(InviteClient, FollowsTheTableOfRfc3261AndRfc6026) {
    struct Row {
        IC state;
        int status;
        Step step;
        IC next;
    };
    const Step first_refusal{.ack = true, .to_tu = true};
    for (const Row& row : {
             Row{IC::Calling, 100, kToTu, IC::Proceeding},
             Row{IC::Calling, 200, kToTu, IC::Accepted},
             Row{IC::Calling, 486, first_refusal, IC::Completed},
             Row{IC::Proceeding, 183, kToTu, IC::Proceeding},
             Row{IC::Proceeding, 200, kToTu, IC::Accepted},
             Row{IC::Proceeding, 603, first_refusal, IC::Completed},
             Row{IC::Completed, 180, kNothing, IC::Completed},
             Row{IC::Completed, 200, kNothing, IC::Completed},
             Row{IC::Completed, 486, kAck, IC::Completed},
             Row{IC::Accepted, 180, kNothing, IC::Accepted},
             Row{IC::Accepted, 200, kToTu, IC::Accepted},
             Row{IC::Accepted, 486, kNothing, IC::Accepted},
             Row{IC::Terminated, 200, kNothing, IC::Terminated},
         }) {
        InviteClient machine = invite_client_in(row.state);
        SCOPED_TRACE(row.status);
        EXPECT_EQ(row.step, machine.on_response(kStart + 1ms, row.status));
        EXPECT_EQ(machine.state(), row.next);
    }
}

TEST(InviteClient, TimerADoublesUntilTimerBAt64T1) {
    InviteClient machine(kStart, false);
    TimePoint at = kStart;
    for (const auto interval : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms}) {
        at += interval;
        ASSERT_EQ(machine.deadline(), at);
        EXPECT_EQ(kNothing, machine.on_time(at - 1ms));
        EXPECT_EQ(kResend, machine.on_time(at));
    }
    ASSERT_EQ(machine.deadline(), kStart + 32s);
    const Step timed_out{.timed_out = true, .terminated = true};
    EXPECT_EQ(timed_out, machine.on_time(kStart + 32s));
    EXPECT_EQ(machine.deadline(), std::nullopt);
}

TEST(InviteClient, ReliableTransportNeedsNeitherTimerANorTimerD) {
    InviteClient machine(kStart, true);
    EXPECT_EQ(machine.deadline(), kStart + 32s);
    const Step refused{.ack = true, .to_tu = true, .terminated = true};
    EXPECT_EQ(refused, machine.on_response(kStart, 503));
}

TEST(InviteClient, AProvisionalResponseStopsResendingAndBoundsTheWait) {
    InviteClient machine = invite_client_in(IC::Proceeding);
    EXPECT_EQ(machine.deadline(), kStart + kInviteProceeding);
}

TEST(InviteClient, ACancelledInviteWithoutAnswerEndsAfter64T1) {
    InviteClient machine = invite_client_in(IC::Proceeding);
    machine.on_cancel_sent(kStart + 1s);
    machine.on_response(kStart + 2s, 180);
    EXPECT_EQ(machine.deadline(), kStart + 33s);
    const Step timed_out{.timed_out = true, .terminated = true};
    EXPECT_EQ(timed_out, machine.on_time(kStart + 33s));
}

TEST(InviteClient, TimersDAndMEndInSilence) {
    InviteClient refused = invite_client_in(IC::Completed);
    EXPECT_EQ(refused.deadline(), kStart + 32s);
    EXPECT_EQ(kEnd, refused.on_time(kStart + 32s));
    InviteClient accepted = invite_client_in(IC::Accepted);
    EXPECT_EQ(accepted.deadline(), kStart + 32s);
    EXPECT_EQ(kEnd, accepted.on_time(kStart + 32s));
}

TEST(InviteClient, ATransportErrorBeforeTheAnswerIsTold) {
    const Step failed{.transport_failed = true, .terminated = true};
    EXPECT_EQ(failed, invite_client_in(IC::Calling).on_transport_error());
    EXPECT_EQ(failed, invite_client_in(IC::Proceeding).on_transport_error());
    EXPECT_EQ(kNothing, invite_client_in(IC::Completed).on_transport_error());
    EXPECT_EQ(kNothing, invite_client_in(IC::Accepted).on_transport_error());
}

// ---- non-INVITE client ----

using NC = NonInviteClient::State;

NonInviteClient non_invite_client_in(NC state) {
    NonInviteClient machine(kStart, false);
    if (state == NC::Proceeding) machine.on_response(kStart, 100);
    if (state == NC::Completed) machine.on_response(kStart, 200);
    if (state == NC::Terminated) machine.on_transport_error();
    EXPECT_EQ(machine.state(), state);
    return machine;
}

TEST(NonInviteClient, FollowsTheTableOfRfc3261) {
    struct Row {
        NC state;
        int status;
        Step step;
        NC next;
    };
    for (const Row& row : {
             Row{NC::Trying, 100, kToTu, NC::Proceeding},
             Row{NC::Trying, 200, kToTu, NC::Completed},
             Row{NC::Trying, 481, kToTu, NC::Completed},
             Row{NC::Proceeding, 100, kToTu, NC::Proceeding},
             Row{NC::Proceeding, 500, kToTu, NC::Completed},
             Row{NC::Completed, 100, kNothing, NC::Completed},
             Row{NC::Completed, 200, kNothing, NC::Completed},
             Row{NC::Terminated, 200, kNothing, NC::Terminated},
         }) {
        NonInviteClient machine = non_invite_client_in(row.state);
        SCOPED_TRACE(row.status);
        EXPECT_EQ(row.step, machine.on_response(kStart + 1ms, row.status));
        EXPECT_EQ(machine.state(), row.next);
    }
}

TEST(NonInviteClient, TimerEDoublesToT2UntilTimerFAt64T1) {
    NonInviteClient machine(kStart, false);
    TimePoint at = kStart;
    for (const auto interval :
         {500ms, 1000ms, 2000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms}) {
        at += interval;
        ASSERT_EQ(machine.deadline(), at);
        EXPECT_EQ(kResend, machine.on_time(at));
    }
    ASSERT_EQ(machine.deadline(), kStart + 32s);
    const Step timed_out{.timed_out = true, .terminated = true};
    EXPECT_EQ(timed_out, machine.on_time(kStart + 32s));
}

TEST(NonInviteClient, InProceedingTimerEIsT2AndTimerFStillEndsIt) {
    NonInviteClient machine = non_invite_client_in(NC::Proceeding);
    EXPECT_EQ(kResend, machine.on_time(kStart + 500ms));
    EXPECT_EQ(machine.deadline(), kStart + 4500ms);
    const Step timed_out{.timed_out = true, .terminated = true};
    EXPECT_EQ(timed_out, machine.on_time(kStart + 32s));
}

TEST(NonInviteClient, TimerKAbsorbsForT4ExceptOverReliableTransport) {
    NonInviteClient udp = non_invite_client_in(NC::Completed);
    EXPECT_EQ(udp.deadline(), kStart + 5s);
    EXPECT_EQ(kEnd, udp.on_time(kStart + 5s));
    NonInviteClient tcp(kStart, true);
    const Step done{.to_tu = true, .terminated = true};
    EXPECT_EQ(done, tcp.on_response(kStart, 200));
}

// ---- INVITE server ----

using IS = InviteServer::State;

InviteServer invite_server_in(IS state, bool reliable = false) {
    InviteServer machine(reliable);
    if (state == IS::Accepted) machine.on_response(kStart, 200);
    if (state == IS::Completed || state == IS::Confirmed) machine.on_response(kStart, 486);
    if (state == IS::Confirmed) machine.on_ack(kStart);
    if (state == IS::Terminated) {
        machine.on_response(kStart, 200);
        machine.on_time(kStart + 32s);
    }
    EXPECT_EQ(machine.state(), state);
    return machine;
}

TEST(InviteServer, FollowsTheTableOfRfc3261AndRfc6026) {
    enum class Event { Request, Ack };
    struct Row {
        IS state;
        Event event;
        Step step;
        IS next;
    };
    for (const Row& row : {
             Row{IS::Proceeding, Event::Request, kResend, IS::Proceeding},
             Row{IS::Proceeding, Event::Ack, kNothing, IS::Proceeding},
             Row{IS::Completed, Event::Request, kResend, IS::Completed},
             Row{IS::Completed, Event::Ack, kNothing, IS::Confirmed},
             Row{IS::Confirmed, Event::Request, kNothing, IS::Confirmed},
             Row{IS::Confirmed, Event::Ack, kNothing, IS::Confirmed},
             Row{IS::Accepted, Event::Request, kNothing, IS::Accepted},
             Row{IS::Accepted, Event::Ack, kToTu, IS::Accepted},
             Row{IS::Terminated, Event::Request, kNothing, IS::Terminated},
             Row{IS::Terminated, Event::Ack, kNothing, IS::Terminated},
         }) {
        InviteServer machine = invite_server_in(row.state);
        SCOPED_TRACE(static_cast<int>(row.state));
        EXPECT_EQ(row.step,
                  row.event == Event::Request ? machine.on_request() : machine.on_ack(kStart));
        EXPECT_EQ(machine.state(), row.next);
    }
}

TEST(InviteServer, TimerGDoublesToT2UntilTimerHAt64T1) {
    InviteServer machine = invite_server_in(IS::Completed);
    TimePoint at = kStart;
    for (const auto interval : {500ms, 1000ms, 2000ms, 4000ms, 4000ms}) {
        at += interval;
        ASSERT_EQ(machine.deadline(), at);
        EXPECT_EQ(kResend, machine.on_time(at));
    }
    EXPECT_EQ(kEnd, machine.on_time(kStart + 32s));
}

TEST(InviteServer, OverReliableTransportNothingIsSentAgainAndTimerIIsZero) {
    InviteServer machine = invite_server_in(IS::Completed, true);
    EXPECT_EQ(machine.deadline(), kStart + 32s);
    EXPECT_EQ(kEnd, machine.on_ack(kStart));
}

TEST(InviteServer, TimerIAndTimerLEndInSilence) {
    InviteServer confirmed = invite_server_in(IS::Confirmed);
    EXPECT_EQ(confirmed.deadline(), kStart + 5s);
    EXPECT_EQ(kEnd, confirmed.on_time(kStart + 5s));
    InviteServer accepted = invite_server_in(IS::Accepted);
    EXPECT_EQ(accepted.deadline(), kStart + 32s);
    EXPECT_EQ(kEnd, accepted.on_time(kStart + 32s));
}

// ---- non-INVITE server ----

TEST(NonInviteServer, FollowsTheTableOfRfc3261) {
    NonInviteServer machine(false);
    EXPECT_EQ(kNothing, machine.on_request());  // Trying: dropped
    EXPECT_EQ(kNothing, machine.on_response(kStart, 100));
    EXPECT_EQ(kResend, machine.on_request());  // Proceeding
    EXPECT_EQ(kNothing, machine.on_response(kStart, 200));
    EXPECT_EQ(machine.state(), NonInviteServer::State::Completed);
    EXPECT_EQ(kResend, machine.on_request());
    EXPECT_EQ(kNothing, machine.on_response(kStart, 500));  // §17.2.2: discarded
    EXPECT_EQ(machine.deadline(), kStart + 32s);
    EXPECT_EQ(kEnd, machine.on_time(kStart + 32s));  // timer J
    EXPECT_EQ(kNothing, machine.on_request());
}

TEST(NonInviteServer, OverReliableTransportTimerJIsZero) {
    NonInviteServer machine(true);
    EXPECT_EQ(kEnd, machine.on_response(kStart, 200));
}

// ---- 2xx to INVITE ----

TEST(OkRetransmitter, DoublesToT2ThenEndsSession) {
    OkRetransmitter timer(kStart);
    TimePoint at = kStart;
    for (const auto interval :
         {500ms, 1000ms, 2000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms, 4000ms}) {
        at += interval;
        ASSERT_EQ(timer.deadline(), at);
        EXPECT_EQ(timer.on_time(at - 1ms), OkRetransmitter::Action::None);
        EXPECT_EQ(timer.on_time(at), OkRetransmitter::Action::Resend);
    }
    EXPECT_EQ(timer.on_time(kStart + 32s), OkRetransmitter::Action::EndSession);
    EXPECT_EQ(timer.deadline(), std::nullopt);
}

TEST(OkRetransmitter, AnAckStopsItForGood) {
    OkRetransmitter timer(kStart);
    timer.on_ack();
    timer.on_ack();
    EXPECT_EQ(timer.state(), OkRetransmitter::State::Acknowledged);
    EXPECT_EQ(timer.deadline(), std::nullopt);
    EXPECT_EQ(timer.on_time(kStart + 1h), OkRetransmitter::Action::None);
}

}  // namespace
}  // namespace earshot::sip
