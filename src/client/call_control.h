// What an operator, or a trigger, wants of what is being recorded: a call, a room of ours, a
// conference that we attend. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/time.h"
#include "client/recording.h"
#include "sip/agent.h"

namespace earshot::client {

struct CallControl {
    enum class Verb : std::uint8_t { Start, Pause, Resume, Stop, Send, Hangup };
    // What `call` is. A room may be called as a call is numbered: who asks says which one is meant.
    enum class Of : std::uint8_t { Call, Room, Attendance };
    Verb verb = Verb::Start;
    Of of = Of::Call;
    std::string call{};      // the caller's Call-ID, or the call's number; a room; an attendance
    std::string instance{};  // empty: all of the call
    std::string reason{};
    bool is_by_trigger = false;  // what an operator has paused it does not resume
    bool waits = false;          // Start: until a server has accepted, or none did
    sip::RequestSpec request{};  // Send
};

// Codes: "unknown_call", "unknown_conference", "unknown_attendance" (404), "not_recording" (409),
// "bad_request", "not_ready", of a start with `waits` "recording_failed" (502). Doing what is done
// already is no fault.
using ControlDone = std::function<void(std::optional<base::Reason>)>;

// Of what is done to a recording that runs; a start and a hangup are not.
std::optional<base::Reason> obey(base::Now now, Recording& recording, const CallControl& wish);

struct Obeyed {
    bool has_any = false;  // there was one that it concerned
    std::optional<base::Reason> fault{};
};
// The same of all that run, or those of the instance.
Obeyed obey(base::Now now, const std::vector<std::unique_ptr<Recording>>& recordings,
            const CallControl& wish);

// One answer for all of them: the first failure, or that all record.
void when_all_settled(const std::vector<Recording*>& recordings, const ControlDone& done);

}  // namespace earshot::client
