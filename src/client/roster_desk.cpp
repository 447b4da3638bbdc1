#include "client/roster_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "client/limits.h"

namespace earshot::client {

using base::Reason;
using Told = RosterSubscription::Told;

struct RosterDesk::Followed {
    std::uint64_t id = 0;
    Wish wish;
    std::size_t changes = 0;  // of the conference that its call is in
    RosterSubscription subscription;
    CsConference state;
    Told::Kind last = Told::Kind::Changed;  // but for Fault
    Reason reason{};
    bool has_state = false;
    bool has_left = false;                     // of the call nothing is told any more
    bool is_changed = false;                   // and has not been told
    std::optional<base::TimePoint> told_at{};  // when it was, last
};

RosterDesk::RosterDesk(Dependencies dependencies, Changed changed)
    : d_(dependencies), changed_(std::move(changed)), meetings_(dependencies.installation) {}

RosterDesk::~RosterDesk() = default;

// The conference that a sidebar belongs to, where one of our calls tells of it.
std::string RosterDesk::root_of(const std::string& uri) const {
    for (const auto& [id, followed] : followed_) {
        const conference::ConferenceInfo& info = followed->subscription.roster().info();
        if (!info.sidebars_by_ref) continue;
        for (const conference::UriEntry& entry : info.sidebars_by_ref->entries)
            if (entry.uri == uri) return followed->wish.where.uri;
    }
    return uri;
}

void RosterDesk::follow(base::Now now, Wish wish) {
    std::size_t changes = 0;
    if (const auto known = of_call_.find(wish.call); known != of_call_.end()) {
        const Wish& before = followed_.at(known->second)->wish;
        if (before.where.uri == wish.where.uri && before.focus == wish.focus) return;
        // Each is a meeting, with a group in the metadata.
        changes = followed_.at(known->second)->changes + 1;
        if (changes > kMaxFocusChanges) return;
        leave(now, wish.call);
    }
    const std::uint64_t id = ++last_id_;
    auto followed = std::make_unique<Followed>(
        Followed{.id = id,
                 .wish = wish,
                 .changes = changes,
                 .subscription = RosterSubscription(wish.where, d_.random),
                 .state = {}});
    followed->state.focus = wish.focus;
    followed->state.uri = wish.where.uri;
    const Meetings::Meeting meeting =
        meetings_.enter(now, wish.call, root_of(wish.where.uri), wish.group);
    followed->state.group = meeting.group;
    followed->state.grouped = meeting.since;
    followed->state.space = siprec::group_id(d_.installation, fmt::format("call {}", wish.call_id));
    Followed& begun = *followed_.emplace(id, std::move(followed)).first->second;
    of_call_[wish.call] = id;
    // The focus is one in the metadata whether it tells who is there or not.
    begun.is_changed = true;
    begun.subscription.start(now);
    drain(now, begun);
}

void RosterDesk::leave(base::Now now, std::uint64_t call) {
    const auto known = of_call_.find(call);
    if (known == of_call_.end()) return;
    Followed& followed = *followed_.at(known->second);
    of_call_.erase(known);
    meetings_.leave(now, call);
    followed.has_left = true;
    followed.subscription.stop(now);
    drain(now, followed);
}

void RosterDesk::leave_all(base::Now now) {
    while (!of_call_.empty()) leave(now, of_call_.begin()->first);
}

bool RosterDesk::take(base::Now now, sip::Action& action) {
    if (auto* request = std::get_if<sip::RequestArrived>(&action)) {
        if (request->message.method() != sip::Method::Notify) return false;
        for (const auto& [id, followed] : followed_) {
            if (!followed->subscription.is_own(request->message)) continue;
            const sip::ResponseSpec answer =
                followed->subscription.on_notify(now, request->message);
            (void)d_.agent.respond(now.steady, request->transaction, answer);
            drain(now, *followed);
            return true;
        }
        return false;
    }
    const sip::TransactionId transaction = std::visit(
        [](const auto& it) {
            if constexpr (requires { it.transaction; }) return it.transaction;
            return sip::TransactionId{};
        },
        action);
    const auto owner = of_transaction_.find(transaction.value);
    if (owner == of_transaction_.end() || !transaction) return false;
    const auto found = followed_.find(owner->second);
    if (found == followed_.end()) {
        of_transaction_.erase(owner);
        return true;
    }
    Followed& followed = *found->second;
    if (auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        if (response->is_final) of_transaction_.erase(owner);
        followed.subscription.on_response(now, response->message);
    } else if (std::holds_alternative<sip::TransactionTimedOut>(action)) {
        of_transaction_.erase(owner);
        followed.subscription.on_no_answer(now, "it does not answer");
    } else if (std::holds_alternative<sip::TransportFailed>(action)) {
        of_transaction_.erase(owner);
        followed.subscription.on_no_answer(now, "it cannot be reached");
    }
    drain(now, followed);
    return true;
}

// Sends what it wants to send, tells what it has to tell. Followed ones that are over are erased
// by on_time(): this may be called from within one.
void RosterDesk::drain(base::Now now, Followed& followed) {
    while (const auto request = followed.subscription.poll_request()) {
        const auto started = d_.agent.start_request(now.steady, *request);
        if (started)
            of_transaction_[started->value] = followed.id;
        else
            followed.subscription.on_no_answer(now, started.error().what);
    }
    for (const Told& told : followed.subscription.take_told()) tell(now, followed, told);
    if (followed.has_left || !followed.is_changed) return;
    if (followed.told_at && now.steady < *followed.told_at + kRosterInterval) return;
    followed.is_changed = false;
    followed.told_at = now.steady;
    if (followed.has_state) update(followed.state, followed.subscription.roster(), now.wall);
    changed_(now, followed.wish.call, followed.state);
}

RecordingEvent RosterDesk::event(base::Now now, const Followed& followed, std::string kind,
                                 Reason reason) const {
    return {.kind = std::move(kind),
            .at = now.wall,
            .call = followed.wish.call,
            .call_id = followed.wish.call_id,
            .server = followed.wish.where.uri,
            .reason = std::move(reason)};
}

void RosterDesk::tell(base::Now now, Followed& followed, const Told& told) {
    if (told.kind != Told::Kind::Fault) {
        followed.last = told.kind;
        followed.reason = told.reason;
    }
    if (told.kind == Told::Kind::Changed) {
        followed.is_changed = true;
        followed.has_state = true;
        return tell_changes(now, followed, told.changes);
    }
    const char* const kind = told.kind == Told::Kind::Fault     ? "roster_fault"
                             : told.kind == Told::Kind::Waiting ? "roster_waiting"
                             : told.kind == Told::Kind::Refused ? "roster_refused"
                                                                : "roster_ended";
    RecordingEvent event = this->event(now, followed, kind, told.reason);
    event.status = told.status;
    d_.events.tell(event);
}

void RosterDesk::tell_changes(base::Now now, Followed& followed,
                              const std::vector<conference::Change>& changes) {
    std::size_t count = 0;
    for (const conference::Change& change : changes) {
        if (++count > kMaxRosterEvents) break;
        std::string text = change.member.user;
        if (!change.value.empty()) text += (text.empty() ? "" : ", ") + change.value;
        d_.events.tell(event(now, followed, "conference",
                             {std::string(to_string(change.kind)), std::move(text)}));
    }
    if (count > kMaxRosterEvents)
        d_.events.tell(
            event(now, followed, "conference",
                  {"more", fmt::format("{} more changes.", changes.size() - kMaxRosterEvents)}));
}

void RosterDesk::on_time(base::Now now) {
    for (const auto& [id, followed] : followed_) {
        followed->subscription.on_time(now);
        drain(now, *followed);
    }
    std::erase_if(followed_, [](const auto& item) {
        return item.second->has_left && item.second->subscription.is_over();
    });
}

std::optional<base::TimePoint> RosterDesk::deadline() const {
    std::optional<base::TimePoint> next;
    for (const auto& [id, followed] : followed_) {
        const auto consider = [&next](std::optional<base::TimePoint> when) {
            if (when && (!next || *when < *next)) next = when;
        };
        consider(followed->subscription.deadline());
        if (followed->is_changed && followed->told_at && !followed->has_left)
            consider(*followed->told_at + kRosterInterval);
        // It is erased then.
        if (followed->has_left && followed->subscription.is_over()) consider(base::TimePoint{});
    }
    return next;
}

std::vector<RosterView> RosterDesk::views() const {
    std::vector<RosterView> views;
    for (const auto& [call, id] : of_call_) {
        const Followed& followed = *followed_.at(id);
        RosterView view{.call = call,
                        .uri = followed.wish.where.uri,
                        .state = "asking",
                        .present = followed.subscription.roster().present_count(),
                        .left_out = followed.state.left_out,
                        .reason = followed.reason};
        if (followed.subscription.is_active()) view.state = "following";
        if (followed.last == Told::Kind::Waiting) view.state = "waiting";
        if (followed.last == Told::Kind::Refused) view.state = "refused";
        if (followed.last == Told::Kind::Ended) view.state = "ended";
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace earshot::client
