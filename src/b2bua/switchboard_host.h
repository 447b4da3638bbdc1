// What the Switchboard asks of its surroundings. All of it on the signalling thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "b2bua/call_event.h"
#include "b2bua/leg.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "sip/agent.h"

namespace earshot::b2bua {

// A request outside any dialog that asks for its way: an INVITE (`call` names it), REGISTER,
// OPTIONS, MESSAGE, ... The views are valid during the call of route() alone.
struct RouteQuestion {
    CallKey call{};  // none: no INVITE
    const sip::Message* request = nullptr;
    sip::Flow from{};
    std::string request_uri{};      // where it is to lead; a Contact of ours already undone
    std::string hop{};              // the host that it goes to if the answer names no other
    bool is_to_registered = false;  // to a phone that registered through us: next_hop and
                                    // request_uri of the answer are not obeyed
    bool is_to_us = false;          // the Request-URI names us: without a next_hop or another
                                    // request_uri it is refused (404)
};

// Where it goes. Both may be empty: to the first Route after ours, else to the Request-URI.
struct RouteTo {
    std::string next_hop{};     // URI of who gets it, name or address; the Request-URI stays
    std::string request_uri{};  // instead of the caller's
};
using RouteAnswer = std::variant<RouteTo, sip::ResponseSpec>;  // or the refusal

// The answers may come before the question has returned, or later; each once. They are taken for
// kMaxHostTime. Afterwards the Agent has to be drained.
using RouteDone = std::function<void(base::Now, RouteAnswer)>;
using SdpDone = std::function<void(base::Now, base::Result<std::string, base::Reason>)>;

// A phone that the registrar took under a Contact of ours, as its REGISTER was answered.
struct Registered {
    std::string uri{};            // its own Contact; empty: it has none there any more
    sip::Flow flow{};             // that its REGISTER came on
    bool is_behind_nat = false;   // its own address is another one than it was heard from
    std::chrono::seconds time{};  // so long it is registered
};

class SwitchboardHost {
public:
    SwitchboardHost() = default;
    SwitchboardHost(const SwitchboardHost&) = delete;
    SwitchboardHost& operator=(const SwitchboardHost&) = delete;
    virtual ~SwitchboardHost() = default;

    virtual void route(const RouteQuestion& question, RouteDone done) = 0;

    // The media plane's part (relay/media_plane.h): the SDP of `from` as the other leg is to see
    // it. A refused offer is answered 488, a refused answer ends the call. The answer to one offer
    // may be said again (18x, then 200; another branch).
    virtual void offer(CallKey call, Leg from, std::string sdp, SdpDone done) = 0;
    virtual void answer(CallKey call, Leg from, std::string sdp, SdpDone done) = 0;
    // The answer of `from` to a description that it was told anew (Switchboard::tell_anew): the
    // other leg made no offer, so it is told nothing; the text is not used.
    virtual void answer_unheard(CallKey call, Leg from, std::string sdp, SdpDone done) {
        answer(call, from, std::move(sdp), std::move(done));
    }
    // The offer of `offerer` came to nothing: what was agreed before holds.
    virtual void rollback(CallKey call, Leg offerer) = 0;

    // May ask for facts, call Switchboard::end() and send_in_dialog(). After Ended the call is gone
    // when this returns, and with it what is asked for it.
    virtual void on_call_event(base::Now now, CallKey call, const CallEvent& event) = 0;
    virtual void on_registered(base::Now /*now*/, const Registered& /*phone*/) {}
};

}  // namespace earshot::b2bua
