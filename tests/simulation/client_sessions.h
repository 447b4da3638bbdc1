// The client's half of the recording sessions in simulated time: RecordingClientSession over a
// sip::Agent, wired as client/ wires it, for calls that change as a scenario draws. Knows what is
// true of each call, and holds it against what the server has been told.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recording_server.h"
#include "sip/agent.h"
#include "siprec/cs_description.h"
#include "siprec/recording_client_session.h"
#include "world.h"

namespace earshot::simulation {

class ClientSessions {
public:
    ClientSessions(World& world, const RecordingServer& server);
    ~ClientSessions();
    ClientSessions(const ClientSessions&) = delete;
    ClientSessions& operator=(const ClientSessions&) = delete;

    const base::NetAddress& address() const { return address_; }
    // A call that begins at `start`, changes for `talk`, is left alone until all of it must have
    // been told, is compared with the server, and ends.
    void plan(milliseconds start, milliseconds talk);

    void on_datagram(const Datagram& datagram);
    std::optional<base::TimePoint> deadline() const;
    void on_time();

    // When all is quiet.
    void check_rest() const;
    std::size_t recorded() const;
    std::size_t compared() const { return compared_; }

private:
    class Call;

    void drain();
    void handle(sip::SendBytes& action);
    void handle(sip::RequestArrived& action);
    void handle(sip::AckArrived& action);
    void handle(sip::ResponseArrived& action);
    void handle(sip::TransactionTimedOut& action);
    void handle(sip::TransportFailed& action);
    void handle(sip::DialogEnded& action);
    void handle(sip::LocateTarget& action);
    static void handle(sip::InviteRefused& /*action*/) {}
    static void handle(sip::CancelArrived& /*action*/) {}
    static void handle(sip::NoAck& /*action*/) {}
    Call* find(sip::TransactionId transaction, sip::DialogId dialog);
    // Does this with the call later, and what comes of it.
    void later(std::size_t number, milliseconds delay, std::function<void(Call&)> work);

    World& world_;
    const RecordingServer& server_;
    base::NetAddress address_ = *base::parse_net_address("198.51.100.30:5060");
    sip::Agent agent_;
    std::vector<std::unique_ptr<Call>> calls_;
    std::map<std::uint64_t, Call*> by_transaction_;
    std::map<std::uint64_t, Call*> by_dialog_;
    std::size_t compared_ = 0;
};

}  // namespace earshot::simulation
