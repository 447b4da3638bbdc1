// Recorder, continued: which calls belong together, where no rule says so. All sessions of one
// human conversation are in one CS-Group (RFC 7865 section 6.2), and who takes part in several of
// them is the same participant in all.
#include "client/recorded_call.h"

namespace earshot::client {

// Who holds one call and makes another consults somebody about it: the agent who asks a colleague
// about the customer. Told from the beginning, since an id once told must not change (spec M-15).
void Recorder::find_consulted(base::Now now, RecordedCall& call) {
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call.key);
    if (facts == nullptr) return;
    const std::string& caller = facts->leg(b2bua::Leg::A).address.uri;
    if (caller.empty()) return;
    // The newest one: who consults twice asks about what they were just talking of.
    for (auto it = held_.rbegin(); it != held_.rend(); ++it) {
        RecordedCall* other = find(b2bua::CallKey{*it});
        const b2bua::CallFacts* held = d_.switchboard.find_call(b2bua::CallKey{*it});
        if (other == nullptr || other == &call || held == nullptr) continue;
        for (const b2bua::Leg leg : {b2bua::Leg::A, b2bua::Leg::B})
            if (held->leg(leg).is_holding && held->leg(leg).address.uri == caller)
                return join_groups(now, *other, call);
    }
}

// One conversation from now on: `call` comes from `from`, which may be in a group already, and each
// of the two may have others with it.
void Recorder::join_groups(base::Now now, RecordedCall& from, RecordedCall& call) {
    std::optional<base::Uuid> group = from.cs.transfer_group;
    if (!group) group = call.cs.transfer_group;
    for (const RecordedCall* one : {&from, &call})
        if (!group && one->cs.conference) group = one->cs.conference->group;
    if (!group) group = siprec::group_id(installation_, base::to_string(from.cs.session_id));
    const std::optional<base::Uuid> before = call.cs.transfer_group;
    if (!before) call.cs.participant_space = from.cs.participant_space;
    for (const auto& [key, other] : calls_) {
        const bool is_of_it = other.get() == &call || other.get() == &from ||
                              (before && other->cs.transfer_group == before);
        if (!is_of_it || other->cs.transfer_group == group) continue;
        other->cs.transfer_group = group;
        if (!other->has_ended) refresh(now, *other);
    }
}

std::optional<base::Uuid> Recorder::group_of(b2bua::CallKey key) const {
    const auto found = calls_.find(key.value);
    return found == calls_.end() ? std::nullopt : found->second->cs.transfer_group;
}

void Recorder::on_transfer(base::Now now, RecordedCall& call, const b2bua::Transferred& event) {
    RecordedCall* from = find(event.from);
    if (from == nullptr) return;
    // Spec F-8. An attended transfer names two calls: their groups become one.
    join_groups(now, *from, call);
    on_happening(now, *from, {.kind = policy::CallHappening::Transfer});
}

}  // namespace earshot::client
