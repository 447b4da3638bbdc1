// A recording client (SRC) with many calls in simulated time: a scripted model on sip::Agent that
// knows what each call of it sent, and that can be as unmannerly as a scenario wants.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sip/agent.h"
#include "siprec/client_documents.h"
#include "world.h"

namespace earshot::simulation {

enum class Step : std::uint8_t {
    Hold,         // re-INVITE inactive
    Resume,       // re-INVITE sendonly
    Refresh,      // re-INVITE that changes nothing
    AskForOffer,  // re-INVITE without an offer
    Metadata,     // UPDATE
    Digit,        // INFO
    Options,
    NewSource,  // the voice goes on with another SSRC
};
enum class Ending : std::uint8_t {
    Bye,
    ByeAcrossReinvite,  // a re-INVITE, and BYE before its answer
    Cancel,             // soon after the INVITE: it may cross the answer
    NoAck,              // the 200 is never acknowledged
};

struct CallPlan {
    std::uint32_t number = 0;  // below 1000, unique in a run: names the call's packets
    milliseconds start{};
    milliseconds talk{};  // from the answer to the end; from the INVITE to CANCEL
    Ending ending = Ending::Bye;
    std::vector<std::pair<milliseconds, Step>> steps;  // after the answer
    bool is_offerless = false;                         // the answer to their offer in the ACK
    bool has_session_timer = false;
    bool has_broken_metadata = false;
    bool sends_while_held = false;
    bool sends_from_elsewhere = false;  // from another port than its SDP says
    // As soon as the call has ended another one begins with its Call-ID, ports and SSRCs.
    bool is_repeated = false;
};

class RecordingClient {
public:
    RecordingClient(World& world, const base::NetAddress& address, const base::NetAddress& server);

    const base::NetAddress& address() const { return address_; }
    void plan(const CallPlan& plan);
    void on_datagram(const Datagram& datagram);
    std::optional<base::TimePoint> deadline() const { return agent_.deadline(); }
    void on_time();
    void switch_off() { is_off_ = true; }  // the host is gone; nothing of it goes on

    bool is_off() const { return is_off_; }
    std::size_t open_calls() const;
    std::size_t transactions() const { return agent_.transaction_count(); }
    std::size_t dialogs() const { return agent_.dialog_count(); }

    struct Result {
        std::string call_id;
        std::string from_tag;
        int status = 0;            // of the INVITE's final response; 408: none came
        bool was_running = false;  // a dialog was made and acknowledged
    };
    // By the number of the call.
    const std::map<std::uint32_t, Result>& results() const { return results_; }
    // The Call-ID of the call that has this number; empty: no INVITE of it went out.
    std::string call_id(std::uint32_t number) const;
    // Whether the server knows from where its media comes: it comes from where its SDP says, and
    // that is said before it comes (not in the ACK, which may be lost).
    bool is_heard_where_sdp_says(std::uint32_t number) const;

private:
    enum class State : std::uint8_t { Inviting, Running, Leaving, Done };
    struct Stream {
        bool sends = false;
        base::NetAddress to;
        base::NetAddress from;
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
        std::uint64_t packets = 0;
    };
    struct Call {
        CallPlan plan;
        State state = State::Inviting;
        siprec::ClientCall documents;
        std::string call_id;
        sip::TransactionId invite;
        sip::DialogId dialog;
        sip::TransactionId offer;  // ours, under way
        Step offered = Step::Refresh;
        bool is_held = false;
        std::array<Stream, 2> streams;
    };

    void start(const CallPlan& plan, const Call* before);
    void drain();
    void handle(sip::SendBytes& action);
    void handle(sip::RequestArrived& action);
    static void handle(sip::InviteRefused& /*action*/) {}
    static void handle(sip::CancelArrived& /*action*/) {}
    static void handle(sip::AckArrived& /*action*/) {}
    void handle(sip::NoAck& action);
    void handle(sip::ResponseArrived& action);
    void handle(sip::TransactionTimedOut& action);
    void handle(sip::TransportFailed& action);
    void handle(sip::LocateTarget& action) {
        agent_.on_located(world_.now.steady, action.transaction, {});  // where it was heard from
    }
    void handle(sip::DialogEnded& action);

    void on_invite_answered(Call& call, const sip::ResponseArrived& response);
    void on_offer_answered(Call& call, const sip::ResponseArrived& response);
    void on_offer_of_server(Call& call, const sip::RequestArrived& request);
    void acknowledge(Call& call, const sip::Message& response);
    void take_answer(Call& call, std::string_view sdp);
    void take_step(Call& call, Step step);
    void send_offer(Call& call, Step step);
    void leave(Call& call);
    void finish(Call& call);
    void send_media(Call& call);
    void later(std::uint32_t number, milliseconds delay, std::function<void(Call&)> work);
    Call* find(sip::DialogId dialog);
    Call* find(sip::TransactionId transaction);

    World& world_;
    base::NetAddress address_;
    base::NetAddress server_;
    sip::Agent agent_;
    std::map<std::uint32_t, Call> calls_;
    std::map<std::uint32_t, Result> results_;
    std::uint16_t next_port_ = 20000;
    bool is_off_ = false;
};

}  // namespace earshot::simulation
