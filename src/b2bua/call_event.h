// What happens to a call, told in order: Arrived first, Ended last, each once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "b2bua/call_facts.h"
#include "b2bua/leg.h"
#include "base/reason.h"
#include "sip/message.h"

namespace earshot::b2bua {

// A new INVITE, before it is routed.
struct Arrived {};

// Leg A was told a provisional response (101-199). `has_media`: it held a session description.
struct Early {
    int status = 0;
    bool has_media = false;
};

// Leg B's 2xx has gone on to leg A.
struct Answered {};

// An offer was answered, for the first time or anew, or came to nothing in an answered call:
// CallFacts has both sides' descriptions that hold. `is_early`: before the call is answered; may be
// said again for another branch of a fork.
struct MediaChanged {
    Leg offerer = Leg::A;
    bool is_early = false;
};

struct Held {
    Leg by = Leg::A;
};
struct Unheld {
    Leg by = Leg::A;
};

// Somebody else, or somebody better known, is at that end now (P-Asserted-Identity).
struct PartyChanged {
    Leg leg = Leg::A;
    Party party{};
};

// A request within the call that goes to the other leg: INFO, re-INVITE, REFER, ...; BYE, PRACK and
// ACK are not told. Valid during the call of on_call_event().
struct InDialog {
    Leg from = Leg::A;
    const sip::Message* request = nullptr;
};

// This new call goes on with another one: its INVITE replaces a dialog of that call (RFC 3891), or
// follows a REFER that went through it (RFC 3515). Follows Arrived; CallFacts::transferred_from.
struct Transferred {
    CallKey from{};
    bool is_attended = false;  // by Replaces
    std::string to{};          // the Request-URI
};

// What tell_anew() came to. The leg has answered the new description; or it has refused it, or it
// was silent (`status` 0): then it knows what it knew before. Or the host had no description for
// it, however often it was asked: nobody has refused anything.
struct ToldAnew {
    Leg leg = Leg::A;
    bool is_taken = false;
    int status = 0;
    bool is_own_fault = false;
};

struct Ended {
    std::optional<Leg> by{};  // whose BYE, CANCEL, refusal or silence; none: ours
    int status = 0;           // told to leg A when the call was not answered (487: it cancelled)
    bool was_answered = false;
    base::Reason
        reason{};  // "bye", "cancelled", "refused", "no_answer", "no_route", "media_refused",
                   // "no_refresh", "no_ack", "no_prack", "unreachable", or the host's
};

using CallEvent = std::variant<Arrived, Early, Answered, MediaChanged, Held, Unheld, PartyChanged,
                               InDialog, Transferred, ToldAnew, Ended>;

}  // namespace earshot::b2bua
