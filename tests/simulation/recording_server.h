// A recording server in simulated time: the SIP agent, a RecordingServerSession for each call and
// the capture side, wired as server/signalling.cpp wires them. The catalogue is a list of rows that
// answers late or not at all, as the scenario draws.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "capture.h"
#include "sip/agent.h"
#include "siprec/recording_server_session.h"

namespace earshot::simulation {

inline constexpr std::uint16_t kPlentyOfPairs = 200;

struct ServerFaults {
    unsigned slow_row_percent = 0;    // the catalogue needs up to a second
    unsigned failed_row_percent = 0;  // neither catalogue nor journal take the row
    bool asks_policy = false;         // some are declined, some accepted without media for now
    bool refreshes_always = false;    // also calls of clients that know no session timers
    std::uint16_t port_pairs = kPlentyOfPairs;
};

struct Row {
    std::string call_id;
    std::string from_tag;
    std::string outcome = "recording";
    base::Reason reason;
    std::optional<base::Uuid> recording;
};

class RecordingServer {
public:
    static constexpr std::uint16_t kFirstMediaPort = 10000;

    RecordingServer(World& world, ServerFaults faults);

    const base::NetAddress& address() const { return address_; }
    void on_datagram(const Datagram& datagram);
    std::optional<base::TimePoint> deadline() const { return agent_.deadline(); }
    void on_time();
    // What an operator wants of a running call, if there is one.
    enum class Wish : std::uint8_t { Stop, Pause, Resume, DropStream };
    void control_some_call(Wish wish);

    const std::vector<Row>& rows() const { return rows_; }
    const Capture& capture() const { return capture_; }
    // The Call-IDs of the recordings.
    const std::map<base::Uuid, std::string>& call_ids() const { return call_ids_; }
    // Of the call that runs under this Call-ID; null: none.
    const siprec::RecordingServerSession* find_session(std::string_view call_id) const;
    std::size_t calls() const { return calls_.size(); }
    std::size_t transactions() const { return agent_.transaction_count(); }
    std::size_t dialogs() const { return agent_.dialog_count(); }

private:
    struct Call {
        std::uint64_t serial = 0;
        base::Uuid recording;
        std::size_t row = 0;
        sip::Flow flow;
        sip::TransactionId invite;
        sip::DialogId dialog;
        std::unique_ptr<siprec::RecordingServerSession> session;
        std::map<std::uint16_t, bool> streams;  // is it closed?
        bool wants_row = false;
        bool is_declined = false;
        bool is_cancelled = false;
        server::TimerList::Id session_timer = 0;
        std::optional<siprec::End> end;
    };

    void drain();
    void handle(sip::SendBytes& action);
    void handle(sip::RequestArrived& action);
    void handle(sip::InviteRefused& action);
    void handle(sip::CancelArrived& action);
    void handle(sip::AckArrived& action);
    void handle(sip::NoAck& action);
    void handle(sip::ResponseArrived& action);
    void handle(sip::TransactionTimedOut& action);
    void handle(sip::TransportFailed& action);
    void handle(sip::LocateTarget& action) {
        agent_.on_located(world_.now.steady, action.transaction, {});  // where it was heard from
    }
    void handle(sip::DialogEnded& action);
    void take_invite(sip::RequestArrived& request);

    void run(Call& call);
    void carry_out(Call& call, siprec::Decide& action);
    void carry_out(Call& call, siprec::CreateRow& action);
    static void carry_out(Call& /*call*/, siprec::UpdateRow& /*action*/) {}
    // No recording begins at the server here.
    static void carry_out(Call& /*call*/, siprec::SendInvite& /*action*/) {}
    static void carry_out(Call& /*call*/, siprec::CancelInvite& /*action*/) {}
    static void carry_out(Call& /*call*/, siprec::Acknowledge& /*action*/) {}
    void carry_out(Call& call, siprec::OpenStream& action);
    static void carry_out(Call& call, siprec::MoveStream& action);
    void carry_out(Call& call, siprec::UpdateStream& action);
    void carry_out(Call& call, siprec::PauseStream& action);
    void carry_out(Call& call, siprec::ResumeStream& action);
    void carry_out(Call& call, siprec::CloseStream& action);
    void carry_out(Call& call, siprec::Respond& action);
    void carry_out(Call& call, siprec::SendRequest& action);
    static void carry_out(Call& /*call*/, siprec::StoreMetadata& /*action*/) {}
    void carry_out(Call& call, siprec::Event& action);
    static void carry_out(Call& call, siprec::End& action) { call.end = std::move(action); }
    // Whatever is to be done later is done with the call if it still runs.
    void later(std::uint64_t serial, milliseconds delay, std::function<void(Call&)> work);
    void submit_row(Call& call);
    void finish(Call& call);
    std::size_t add_row(const sip::Message& invite);

    Call* find(std::uint64_t serial);
    Call* find(sip::DialogId dialog);
    Call* find(sip::TransactionId invite);

    World& world_;
    ServerFaults faults_;
    base::NetAddress address_ = *base::parse_net_address("192.0.2.80:5060");
    sip::Agent agent_;
    Capture capture_;
    std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
    std::map<std::uint64_t, std::uint64_t> by_dialog_;
    std::map<std::uint64_t, std::uint64_t> by_invite_;
    std::vector<Row> rows_;
    std::map<base::Uuid, std::string> call_ids_;
    std::uint64_t last_serial_ = 0;
};

}  // namespace earshot::simulation
