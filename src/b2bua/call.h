// One call as the Switchboard keeps it.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "b2bua/call_facts.h"
#include "b2bua/switchboard_host.h"
#include "sip/agent.h"
#include "sip/timer_queue.h"

namespace earshot::b2bua {

// A request of one leg that went on to the other and has no final answer yet; of an INVITE also
// while the ACK is owed.
struct Passage {
    // A reliable provisional response that went on; the PRACK for it goes to `dialog` (RFC 3262).
    struct Reliable {
        sip::DialogId dialog{};
        std::string rack{};
    };

    sip::TransactionId in{};  // none: ours, or its sender has taken it back
    sip::TransactionId out{};
    Leg from = Leg::A;
    sip::Method method = sip::Method::Other;
    bool is_initial = false;      // the call's INVITE
    bool is_ours = false;         // `from` said nothing: its peer is told anew by us
    bool has_offer = false;       // the request held SDP
    bool takes_reliable = false;  // who asks knows 100rel
    // An INVITE without offer: the other leg's first reliable response holds it.
    bool has_late_offer = false;
    bool awaits_ack = false;  // the ACK to `acknowledges` waits for that of `in`: it has the answer
    sip::DialogId acknowledges{};
    std::size_t exchange = 0;  // Call::exchanges when its offer was answered by a reliable response
    std::deque<Reliable> reliable{};  // not acknowledged yet, in their order
};

// An offer that has no final answer: what the offerer said, and as the other leg was told.
struct Offer {
    Leg by = Leg::A;
    std::string said{};
    std::string told{};
    // The last answer that was not final (in an unreliable 18x), the same way.
    std::string answer_said{};
    std::string answer_told{};
    // What was in force before, of each leg by Leg: remote_sdp and local_sdp.
    std::array<std::pair<std::string, std::string>, 2> before{};
};

// A REFER that went through the call: its NOTIFYs name it by its CSeq, which differs on each leg.
struct Reference {
    Leg from = Leg::A;
    std::uint32_t cseq_in = 0;
    std::uint32_t cseq_out = 0;
};

struct Call;
using SdpResult = base::Result<std::string, base::Reason>;
using SdpThen = std::function<void(Call&, SdpResult)>;
using RouteThen = std::function<void(Call&, RouteAnswer)>;

struct Call {
    CallFacts facts;
    sip::TransactionId invite;                 // leg A's
    std::array<sip::DialogId, 2> dialogs;      // by Leg; of leg B the branch that spoke last
    std::vector<sip::DialogId> known_dialogs;  // those in the Switchboard's table
    std::vector<Passage> passages;
    std::vector<Reference> references;
    std::optional<Offer> offer;
    std::size_t exchanges = 0;  // offers that were answered
    std::string sent_uri;       // the Request-URI of leg B's INVITE

    // Legs that are to be told anew, by Leg, and those of them that are told also what they know
    // already, to refresh the session timer.
    std::array<bool, 2> tells{};
    std::array<bool, 2> refreshes{};
    std::array<std::uint8_t, 2> tell_failures{};           // of the host, in a row
    std::optional<base::TimePoint> tell_at;                // not before, after glare
    bool has_ack = false;                                  // leg A has acknowledged the 2xx
    std::optional<std::chrono::seconds> session_interval;  // RFC 4028, as agreed
    Leg refresher = Leg::A;
    std::array<std::string, 2> contact_parameters;  // of each leg's Contact, as last said

    // While the host is asked: the question, what to do with the answer, and what came meanwhile.
    std::uint64_t question = 0;
    sip::TransactionId asks;  // the request within the call that the question is about
    SdpThen sdp_then;
    RouteThen route_then;
    std::deque<sip::Action> inbox;

    std::optional<base::TimePoint> give_up_at;  // the host's answer
    std::optional<base::TimePoint> ring_until;  // leg B says nothing more
    std::optional<base::TimePoint> refresh_by;  // session timer (RFC 4028)
    sip::TimerQueue::Handle timer = sip::TimerQueue::kNone;
    bool is_over = false;

    CallKey key() const { return facts.key; }
    sip::DialogId& dialog(Leg leg) { return dialogs[static_cast<std::size_t>(leg)]; }
    Passage* find_passage(sip::TransactionId out);
    Passage* find_passage_in(sip::TransactionId in);
    Passage* initial();
    std::optional<base::TimePoint> deadline() const;
};

}  // namespace earshot::b2bua
