// The Recorder's part in telling the parties: what they are to know of each recording, what their
// wishes (a=recordpref, RFC 7866 section 7.1.3) do to it, and announcements that come first.
#include <fmt/format.h>

#include <algorithm>

#include "client/recorded_call.h"
#include "client/recorder.h"
#include "siprec/record_awareness.h"

namespace earshot::client {

using base::Reason;
using policy::PreferencePolicy;
using policy::RecordingPlan;
using sdp::RecordPreference;
using sdp::RecordState;

namespace {

// After the last word of an announcement has left, so that it is heard before the recording begins.
constexpr std::chrono::milliseconds kAfterAnnouncement{100};

bool runs(const Recording* recording) {
    return recording != nullptr && recording->is_engaged() && !recording->is_stopping();
}

}  // namespace

// What is planned counts as recorded already: a party is told before the first word, not after it,
// and is told otherwise should it come to nothing.
std::vector<RecordingShare> Recorder::shares(b2bua::CallKey key) {
    std::vector<RecordingShare> all;
    const RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended) return all;
    for (const RecordingPlan& plan : call->plans) {
        const Recording* recording = call->find(plan);
        const RecordedCall::Wished wished = call->wished_of(plan.instance);
        RecordingShare share{.media = plan.settings.streams,
                             .how = &plan.settings.indication,
                             .instance = plan.instance};
        if (recording == nullptr && wished.is_declined)
            share.state = RecordState::Off;
        else if (recording == nullptr && plan.settings.on_demand && !wished.is_on &&
                 !call->is_waiting(plan))
            share.state = RecordState::Absent;
        else if (recording == nullptr)
            share.state = wished.is_paused ? RecordState::Paused : RecordState::On;
        else if (!runs(recording))
            share.state = RecordState::Off;
        else
            share.state = recording->is_paused() ? RecordState::Paused : RecordState::On;
        share.is_running = runs(recording) && recording->is_running();
        all.push_back(std::move(share));
    }
    for (const auto& recording : call->recordings) {  // that servers have begun: of no plan
        if (recording->started_by().empty() || !runs(recording.get())) continue;
        const policy::RecordingSettings& settings = recording->plan().settings;
        RecordingShare share{.media = settings.streams,
                             .how = &settings.indication,
                             .instance = recording->plan().instance};
        share.state = recording->is_paused() ? RecordState::Paused : RecordState::On;
        share.is_running = recording->is_running();
        all.push_back(std::move(share));
    }
    return all;
}

bool Recorder::indicate(base::Now now) {
    if (changed_.empty()) return false;
    for (const std::uint64_t key : std::exchange(changed_, {})) {
        RecordedCall* call = find(b2bua::CallKey{key});
        if (call == nullptr || call->has_ended) continue;
        if (const auto fault = indicator_.update(now, call->key, config_))
            refuse_untold(now, *call, *fault);
    }
    return true;
}

// P-20: all parties are told, or there is no recording.
void Recorder::refuse_untold(base::Now now, RecordedCall& call, const Reason& fault) {
    const Reason reason{"not_indicated", "A party cannot be told of the recording. " + fault.text};
    bool is_mandatory = false;
    for (std::size_t i = 0; i < call.recordings.size(); ++i) {
        Recording& recording = *call.recordings[i];
        const policy::RecordingSettings& settings = recording.plan().settings;
        if (!runs(&recording) || settings.indication.by == policy::IndicateBy::Agreed) continue;
        is_mandatory = is_mandatory || settings.mandatory;
        recording.stop(now, reason);
    }
    constexpr int kUnavailable = 503;
    if (is_mandatory) d_.switchboard.end(now, call.key, kUnavailable, reason);
}

// ---- announcements ------------------------------------------------------------------------------

bool Recorder::announces_first(base::Now now, RecordedCall& call, const RecordingPlan& plan) {
    const policy::IndicationSettings& how = plan.settings.indication;
    if (how.by != policy::IndicateBy::Announcement || !how.announce_first) return false;
    if (call.is_waiting(plan)) return true;
    // Nobody listens before the call is answered.
    if (!call.was_answered) return true;
    if (!call.waiting.empty()) {
        call.waiting.push_back(plan);
        return true;
    }
    if (std::exchange(call.is_announced, true)) return false;
    const std::chrono::milliseconds length = indicator_.announce(now, call.key, how, config_);
    if (length.count() == 0) return false;
    call.waiting.push_back(plan);
    announcing_.emplace(now.steady + length + kAfterAnnouncement, call.key.value);
    return true;
}

void Recorder::begin_announced(base::Now now) {
    while (!announcing_.empty() && announcing_.begin()->first <= now.steady) {
        RecordedCall* call = find(b2bua::CallKey{announcing_.begin()->second});
        announcing_.erase(announcing_.begin());
        if (call == nullptr || call->has_ended) continue;
        begin_each(now, *call, std::exchange(call->waiting, {}));
    }
}

// ---- wishes -------------------------------------------------------------------------------------

void Recorder::on_description(base::Now now, b2bua::CallKey key, b2bua::Leg from,
                              std::string_view sdp) {
    RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended) return;
    const auto wish = indicator_.on_description(key, from, sdp);
    changed_.insert(key.value);  // also by what it says of recordings on its side
    if (!wish) return;
    call->wishes[static_cast<std::size_t>(from)] = *wish;
    if (call->is_planned) apply_wish(now, *call, from);
}

void Recorder::apply_wish(base::Now now, RecordedCall& call, b2bua::Leg leg) {
    const RecordPreference wish = call.wishes[static_cast<std::size_t>(leg)];
    if (wish == RecordPreference::Absent) return;
    const std::string who = leg == b2bua::Leg::A ? "caller" : "callee";
    const std::string why =
        fmt::format("The {} prefers \"{}\" (a=recordpref).", who, siprec::to_string(wish));
    const auto before = call.wished;  // parallel copies share what is wished of their instance
    for (const RecordingPlan& plan : std::vector(call.plans)) {
        if (call.has_ended) return;
        const auto known = before.find(plan.instance);
        const bool was_limited =
            known != before.end() && (known->second.is_declined || known->second.is_paused);
        const bool is_obeyed = obey_wish(now, call, plan, wish, was_limited, why);
        d_.events.tell(
            {.kind = "preference",
             .at = now.wall,
             .call = call.key.value,
             .call_id = call.facts.call_id,
             .instance = plan.instance,
             .reason = {is_obeyed ? "honoured" : "ignored",
                        fmt::format("{} It is {}.", why, is_obeyed ? "honoured" : "ignored")}});
    }
}

// Whether it counts at all; doing what is done already counts.
bool Recorder::obey_wish(base::Now now, RecordedCall& call, const RecordingPlan& plan,
                         RecordPreference wish, bool was_limited, const std::string& why) {
    const PreferencePolicy policy = plan.settings.indication.preference;
    if (policy == PreferencePolicy::Ignore || plan.settings.mandatory) return false;
    Recording* recording = call.find(plan);
    RecordedCall::Wished& wished = call.wished[plan.instance];
    switch (wish) {
        case RecordPreference::Off:
            wished = {.is_declined = true};
            std::erase_if(call.waiting,
                          [&](const auto& other) { return other.instance == plan.instance; });
            if (runs(recording)) recording->stop(now, {"stopped", why});
            return true;
        case RecordPreference::Pause:
            if (wished.is_declined) return true;  // P-51: what does not run is not paused
            wished.is_paused = !runs(recording) || !recording->is_paused() || wished.is_paused;
            if (runs(recording)) recording->pause(now, why);
            return true;
        case RecordPreference::On:
            if (policy == PreferencePolicy::Restrict && !was_limited) return false;
            wish_on(now, call, plan, why);
            return true;
        case RecordPreference::NoPreference:
        case RecordPreference::Absent:
            break;
    }
    return true;
}

void Recorder::wish_on(base::Now now, RecordedCall& call, const RecordingPlan& plan,
                       const std::string& why) {
    call.wished[plan.instance] = {.is_on = true};
    Recording* recording = call.find(plan);
    if (runs(recording)) {
        recording->resume(now, why);
    } else if (recording != nullptr || call.was_answered) {
        // Else it begins when its time has come.
        begin(now, call, plan);
    }
}

}  // namespace earshot::client
