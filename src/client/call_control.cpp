#include "client/call_control.h"

#include <utility>

namespace earshot::client {

using base::Reason;
using Verb = CallControl::Verb;

std::optional<Reason> obey(base::Now now, Recording& recording, const CallControl& wish) {
    const auto who = wish.is_by_trigger ? Recording::Who::Trigger : Recording::Who::Operator;
    switch (wish.verb) {
        case Verb::Pause:
            recording.pause(now, wish.reason, who);
            break;
        case Verb::Resume:
            if (wish.is_by_trigger && recording.is_paused_by_operator())
                return Reason{"paused_by_operator",
                              "An operator has paused the recording, and alone resumes it."};
            recording.resume(now, wish.reason, who);
            break;
        case Verb::Stop:
            recording.stop(now, {"stopped", wish.reason});
            break;
        case Verb::Send:
            if (auto sent = recording.send(now, wish.request); !sent) return sent.error();
            break;
        case Verb::Start:
        case Verb::Hangup:
            break;
    }
    return std::nullopt;
}

Obeyed obey(base::Now now, const std::vector<std::unique_ptr<Recording>>& recordings,
            const CallControl& wish) {
    Obeyed obeyed;
    for (std::size_t i = 0; i < recordings.size(); ++i) {
        Recording& recording = *recordings[i];
        if (!recording.is_engaged()) continue;
        if (!wish.instance.empty() && wish.instance != recording.plan().instance) continue;
        if (recording.is_stopping()) {
            obeyed.has_any = obeyed.has_any || wish.verb == Verb::Stop;
            continue;
        }
        obeyed.has_any = true;
        if (auto refused = obey(now, recording, wish)) obeyed.fault = std::move(refused);
    }
    return obeyed;
}

void when_all_settled(const std::vector<Recording*>& recordings, const ControlDone& done) {
    auto open = std::make_shared<std::size_t>(recordings.size() + 1);
    auto first = std::make_shared<std::optional<Reason>>();
    const auto settle = [open, first, done](const std::optional<Reason>& failure) {
        if (failure && !*first)
            *first = Reason{"recording_failed",
                            failure->text.empty() ? "The recording ended at once." : failure->text};
        if (--*open == 0) done(*first);
    };
    for (Recording* recording : recordings) recording->when_settled(settle);
    settle(std::nullopt);
}

}  // namespace earshot::client
