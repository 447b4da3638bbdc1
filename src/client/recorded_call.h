// A call as the Recorder keeps it.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/recorder.h"

namespace earshot::client {

// A call from its INVITE until its last recording is over.
struct Recorder::RecordedCall {
    b2bua::CallKey key;
    policy::CallFacts facts;
    CsRecord cs;
    bool is_planned = false;
    bool has_ended = false;
    bool was_offered = false;
    bool was_early = false;
    bool was_answered = false;
    std::vector<policy::RecordingPlan> plans;            // one for each instance and server at once
    std::vector<std::unique_ptr<Recording>> recordings;  // begun; of an instance the last counts
    std::array<KeyMemory, 2> keys;                       // by leg: the caller's, the callee's
    std::vector<policy::Happening> missed;               // while the hook was asked

    // What a party's a=recordpref has made of a plan (RFC 7866 section 7.1.3), by instance.
    struct Wished {
        bool is_declined = false;  // not begun, or stopped
        bool is_on = false;        // begun although it is on demand
        bool is_paused = false;    // from its beginning, or in mid-call
    };
    std::map<std::string, Wished, std::less<>> wished;
    std::array<sdp::RecordPreference, 2> wishes{};  // by leg, the last ones
    bool is_announced = false;                      // what is heard before a recording begins
    std::vector<policy::RecordingPlan> waiting;     // for the end of the announcement

    // While several are begun: mandatory ones that failed at once. A copy may be fulfilled by
    // another one that has not begun yet.
    bool is_beginning = false;
    std::vector<std::pair<const Recording*, base::Reason>> failed_at_once;

    Wished wished_of(std::string_view instance) const {
        const auto found = wished.find(instance);
        return found == wished.end() ? Wished{} : found->second;
    }
    bool is_waiting(const policy::RecordingPlan& plan) const {
        return std::any_of(waiting.begin(), waiting.end(), [&](const auto& one) {
            return one.instance == plan.instance && one.copy == plan.copy;
        });
    }

    // Of several servers at once the last one.
    Recording* find(std::string_view instance) const {
        const auto found = std::find_if(
            recordings.rbegin(), recordings.rend(),
            [&](const auto& recording) { return recording->plan().instance == instance; });
        return found == recordings.rend() ? nullptr : found->get();
    }

    Recording* find(const policy::RecordingPlan& plan) const {
        const auto found =
            std::find_if(recordings.rbegin(), recordings.rend(), [&](const auto& recording) {
                return recording->started_by().empty() &&
                       recording->plan().instance == plan.instance &&
                       recording->plan().copy == plan.copy;
            });
        return found == recordings.rend() ? nullptr : found->get();
    }
    // Whether a recording beside this one, by another server of the same instance, fulfils that.
    template <class Condition>
    bool has_sibling(const Recording& one, Condition condition) const {
        return std::any_of(recordings.begin(), recordings.end(), [&](const auto& other) {
            return other.get() != &one && other->started_by().empty() &&
                   other->plan().instance == one.plan().instance && other->is_engaged() &&
                   condition(*other);
        });
    }
};

}  // namespace earshot::client
