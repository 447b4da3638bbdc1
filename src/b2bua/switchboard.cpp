#include "b2bua/switchboard.h"

#include <algorithm>
#include <utility>

#include "b2bua/limits.h"
#include "b2bua/switchboard_core.h"

namespace earshot::b2bua {

SwitchboardConfig::SwitchboardConfig() : max_calls(kMaxCalls) {}

// ---- a call ----

Passage* Call::find_passage(sip::TransactionId out) {
    const auto at = std::find_if(passages.begin(), passages.end(),
                                 [&](const Passage& passage) { return passage.out == out; });
    return at == passages.end() ? nullptr : &*at;
}

Passage* Call::find_passage_in(sip::TransactionId in) {
    const auto at = std::find_if(passages.begin(), passages.end(),
                                 [&](const Passage& passage) { return in && passage.in == in; });
    return at == passages.end() ? nullptr : &*at;
}

Passage* Call::initial() {
    const auto at = std::find_if(passages.begin(), passages.end(),
                                 [](const Passage& passage) { return passage.is_initial; });
    return at == passages.end() ? nullptr : &*at;
}

std::optional<base::TimePoint> Call::deadline() const {
    std::optional<base::TimePoint> first;
    for (const auto& one : {give_up_at, ring_until, refresh_by, tell_at})
        if (one && (!first || *one < *first)) first = one;
    return first;
}

// ---- the tables ----

namespace {

PlaceSecret draw_secret(base::Random& random) {
    PlaceSecret secret{};
    random.fill(secret);
    return secret;
}

}  // namespace

Switchboard::Core::Core(SwitchboardConfig config, sip::Agent& agent, SwitchboardHost& host,
                        base::Random& random)
    : config_(std::move(config)),
      agent_(agent),
      host_(host),
      random_(random),
      own_names_(config_.listeners, config_.own_hosts),
      places_(config_.place_secret ? *config_.place_secret : draw_secret(random)),
      secret_low_(random.u64()),
      secret_high_(random.u64()) {}

Call* Switchboard::Core::find(CallKey key) const {
    const auto at = calls_.find(key.value);
    return at == calls_.end() ? nullptr : at->second.get();
}

// A call that came back to us by a proxy has the Call-ID of another call's leg B: the caller's goes
// first.
CallKey Switchboard::Core::find_call_id(std::string_view call_id) const {
    CallKey found;
    const auto [first, last] = by_call_id_.equal_range(std::string(call_id));
    for (auto at = first; at != last; ++at) {
        const Call* call = find(at->second);
        if (call == nullptr || call->is_over) continue;
        if (call->facts.leg(Leg::A).call_id == call_id) return call->key();
        found = call->key();
    }
    return found;
}

std::vector<CallKey> Switchboard::Core::calls() const {
    std::vector<CallKey> keys;
    keys.reserve(calls_.size());
    for (const auto& [id, call] : calls_)
        if (!call->is_over) keys.push_back(CallKey{id});
    return keys;
}

Call* Switchboard::Core::call_of(sip::TransactionId id) const {
    const auto at = by_transaction_.find(id.value);
    return at == by_transaction_.end() ? nullptr : find(at->second);
}

Call* Switchboard::Core::call_of(sip::DialogId id) const {
    const auto at = by_dialog_.find(id.value);
    return at == by_dialog_.end() ? nullptr : find(at->second.first);
}

Call* Switchboard::Core::call_of(const sip::Action& action) const {
    struct Finder {
        const Core& core;
        Call* operator()(const sip::RequestArrived& one) const { return core.call_of(one.dialog); }
        Call* operator()(const sip::AckArrived& one) const { return core.call_of(one.dialog); }
        Call* operator()(const sip::NoAck& one) const { return core.call_of(one.dialog); }
        Call* operator()(const sip::DialogEnded& one) const { return core.call_of(one.dialog); }
        Call* operator()(const sip::CancelArrived& one) const {
            Call* call = core.call_of(one.invite);
            return call != nullptr ? call : core.call_of(one.dialog);
        }
        Call* operator()(const sip::ResponseArrived& one) const {
            return core.call_of(one.transaction);
        }
        Call* operator()(const sip::TransactionTimedOut& one) const {
            return core.call_of(one.transaction);
        }
        Call* operator()(const sip::TransportFailed& one) const {
            return core.call_of(one.transaction);
        }
        Call* operator()(const sip::SendBytes& /*one*/) const { return nullptr; }
        Call* operator()(const sip::InviteRefused& /*one*/) const { return nullptr; }
        Call* operator()(const sip::LocateTarget& /*one*/) const { return nullptr; }
    };
    return std::visit(Finder{*this}, action);
}

Leg Switchboard::Core::leg_of(const Call& call, sip::DialogId dialog) const {
    const auto at = by_dialog_.find(dialog.value);
    if (at != by_dialog_.end() && at->second.first == call.key()) return at->second.second;
    return Leg::A;
}

void Switchboard::Core::own_dialog(Call& call, sip::DialogId dialog, Leg leg) {
    if (!dialog) return;
    call.dialog(leg) = dialog;
    if (by_dialog_.emplace(dialog.value, std::pair{call.key(), leg}).second)
        call.known_dialogs.push_back(dialog);
    if (const auto known = agent_.find_dialog(dialog)) {
        LegFacts& facts = call.facts.leg(leg);
        facts.local_tag = known->local_tag;
        facts.remote_tag = known->remote_tag;
    }
}

void Switchboard::Core::disown_dialog(Call& call, sip::DialogId dialog) {
    by_dialog_.erase(dialog.value);
    std::erase(call.known_dialogs, dialog);
}

Passage& Switchboard::Core::add_passage(Call& call, Passage passage) {
    by_transaction_[passage.out.value] = call.key();
    call.passages.push_back(std::move(passage));
    return call.passages.back();
}

void Switchboard::Core::erase_passage(Call& call, sip::TransactionId out) {
    by_transaction_.erase(out.value);
    std::erase_if(call.passages, [&](const Passage& passage) { return passage.out == out; });
}

void Switchboard::Core::index_call_id(const Call& call, Leg leg) {
    by_call_id_.emplace(call.facts.leg(leg).call_id, call.key());
}

void Switchboard::Core::forget(Call& call) {
    timers_.set(call.timer, std::nullopt, 0);
    by_transaction_.erase(call.invite.value);
    for (const Passage& passage : call.passages) by_transaction_.erase(passage.out.value);
    for (const sip::DialogId dialog : call.known_dialogs) by_dialog_.erase(dialog.value);
    for (const LegFacts& leg : call.facts.legs) {
        auto [at, last] = by_call_id_.equal_range(leg.call_id);
        while (at != last) at = at->second == call.key() ? by_call_id_.erase(at) : std::next(at);
    }
    calls_.erase(call.key().value);
}

// ---- the order of things ----

void Switchboard::Core::on_action(base::Now now, sip::Action&& action) {
    enter(now, [&] {
        if (auto* request = std::get_if<sip::RequestArrived>(&action);
            request != nullptr && !request->dialog) {
            const bool is_invite = request->message.method() == sip::Method::Invite;
            return is_invite ? on_invite(std::move(*request))
                             : on_outside_request(std::move(*request));
        }
        Call* call = call_of(action);
        if (call == nullptr || call->is_over) return on_stray(std::move(action));
        // The Agent has answered the caller's CANCEL: what waits is not wanted any more.
        const auto* cancel = std::get_if<sip::CancelArrived>(&action);
        const bool is_urgent = cancel != nullptr && cancel->invite == call->invite;
        if (is_urgent || (call->question == 0 && call->inbox.empty()))
            return handle(*call, std::move(action));
        if (call->inbox.size() < kMaxWaitingMessages) {
            call->inbox.push_back(std::move(action));
            return;
        }
        ends_.push_back({call->key(),
                         503,
                         {"too_many_messages", "More messages came than may wait for the media."}});
        on_stray(std::move(action));
    });
}

void Switchboard::Core::handle(Call& call, sip::Action&& action) {
    struct Handler {
        Core& core;
        Call& call;
        void operator()(sip::RequestArrived& one) { core.on_request(call, std::move(one)); }
        void operator()(sip::ResponseArrived& one) { core.on_response(call, std::move(one)); }
        void operator()(sip::AckArrived& one) { core.on_ack(call, one); }
        void operator()(sip::CancelArrived& one) { core.on_cancel(call, one); }
        void operator()(sip::NoAck& one) { core.on_no_ack(call, one); }
        void operator()(sip::DialogEnded& one) { core.on_dialog_ended(call, one.dialog); }
        void operator()(sip::TransactionTimedOut& one) {
            core.on_silence(call, one.transaction, 408,
                            {"no_answer", "There was no answer before the time for it was over."});
        }
        void operator()(sip::TransportFailed& one) {
            core.on_silence(call, one.transaction, 503,
                            {"unreachable", "The next hop could not be found or reached."});
        }
        void operator()(sip::SendBytes& /*one*/) {}
        void operator()(sip::InviteRefused& /*one*/) {}
        void operator()(sip::LocateTarget& /*one*/) {}
    };
    std::visit(Handler{*this, call}, action);
    tell_what_waits(call);
    schedule(call);
}

void Switchboard::Core::pump(Call& call) {
    while (call.question == 0 && !call.is_over && !call.inbox.empty()) {
        sip::Action action = std::move(call.inbox.front());
        call.inbox.pop_front();
        handle(call, std::move(action));
    }
    tell_what_waits(call);
    schedule(call);
}

void Switchboard::Core::settle() {
    while (!ends_.empty() || !awake_.empty()) {
        if (!ends_.empty()) {
            PlannedEnd planned = std::move(ends_.front());
            ends_.pop_front();
            Call* call = find(planned.key);
            if (call == nullptr || call->is_over) continue;
            finish(*call, Ended{.status = planned.status, .reason = std::move(planned.reason)});
            continue;
        }
        Call* call = find(awake_.front());
        awake_.pop_front();
        if (call == nullptr) continue;
        pump(*call);
        if (!call->is_over) continue;
        for (sip::Action& action : call->inbox) on_stray(std::move(action));
        forget(*call);
    }
}

// What belongs to no call, most often to one that is over. Nobody is left waiting: a late 2xx is
// acknowledged and ended (RFC 3261 §13.2.2.4), requests are answered.
void Switchboard::Core::on_stray(sip::Action&& action) {
    if (const auto* request = std::get_if<sip::RequestArrived>(&action)) {
        const bool is_bye = request->message.method() == sip::Method::Bye;
        (void)agent_.respond(now_.steady, request->transaction, {.status = is_bye ? 200 : 481});
    } else if (const auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        if (on_passed_response(*response)) return;
        const int status = response->message.status();
        const bool is_invite = response->message.cseq_method() == sip::Method::Invite;
        if (!is_invite || status < 200 || status >= 300 || !response->dialog) return;
        (void)agent_.ack(now_.steady, response->dialog, {});
        (void)agent_.send_request(now_.steady, response->dialog, {.method = "BYE"});
    } else if (const auto* no_ack = std::get_if<sip::NoAck>(&action)) {
        if (!no_ack->is_prack)
            (void)agent_.send_request(now_.steady, no_ack->dialog, {.method = "BYE"});
    } else if (const auto* timed_out = std::get_if<sip::TransactionTimedOut>(&action)) {
        on_passed_silence(timed_out->transaction, 408);
    } else if (const auto* failed = std::get_if<sip::TransportFailed>(&action)) {
        on_passed_silence(failed->transaction, 503);
    }
}

void Switchboard::Core::tell(Call& call, const CallEvent& event) {
    host_.on_call_event(now_, call.key(), event);
}

// A question to the host: its number; until it is answered the call's messages wait.
std::uint64_t Switchboard::Core::ask(Call& call) {
    call.question = ++last_question_;
    call.give_up_at = now_.steady + kMaxHostTime;
    return call.question;
}

void Switchboard::Core::schedule(Call& call) {
    timers_.set(call.timer, call.is_over ? std::nullopt : call.deadline(), call.key().value);
}

void Switchboard::Core::on_call_time(Call& call) {
    const base::TimePoint now = now_.steady;
    if (call.give_up_at && now >= *call.give_up_at) {
        call.give_up_at.reset();
        call.question = 0;
        const SdpThen sdp_then = std::exchange(call.sdp_then, nullptr);
        const RouteThen route_then = std::exchange(call.route_then, nullptr);
        if (sdp_then)
            sdp_then(call, base::Reason{"media_silent", "The media plane did not answer in time."});
        if (route_then) route_then(call, sip::ResponseSpec{.status = 503});
        awake_.push_back(call.key());
    } else if (call.refresh_by && now >= *call.refresh_by) {
        finish(call,
               Ended{.reason = {"no_refresh",
                                "No refresh came within the session's interval (RFC 4028)."}});
    } else if (call.ring_until && now >= *call.ring_until) {
        finish(call, Ended{.by = Leg::B,
                           .status = 408,
                           .reason = {"no_answer", "Nobody answered while it rang."}});
    }
    if (call.tell_at && now >= *call.tell_at) call.tell_at.reset();
    tell_what_waits(call);
    schedule(call);
}

void Switchboard::Core::on_time(base::Now now) {
    enter(now, [&] {
        while (const auto token = timers_.due(now.steady)) {
            if (Call* call = find(CallKey{*token})) {
                on_call_time(*call);
            } else {
                on_passed_time(passed_.at(*token));
            }
        }
    });
}

void Switchboard::Core::end(base::Now now, CallKey key, int status, base::Reason reason) {
    enter(now, [&] { ends_.push_back({key, status, std::move(reason)}); });
}

void Switchboard::Core::end_all(base::Now now, int status, const base::Reason& reason) {
    enter(now, [&] {
        for (const CallKey key : calls()) ends_.push_back({key, status, reason});
    });
}

base::Result<sip::TransactionId> Switchboard::Core::send_in_dialog(
    base::Now now, CallKey key, Leg leg, const sip::RequestSpec& request) {
    Call* call = find(key);
    if (call == nullptr || call->is_over || !call->dialog(leg))
        return base::Error{base::Errc::NotFound, "B2BUA: no such call, or no dialog on that leg"};
    const sip::Method method = sip::find_method(request.method);
    if (method == sip::Method::Invite || method == sip::Method::Update ||
        method == sip::Method::Bye || method == sip::Method::Prack)
        return base::Error{base::Errc::Unsupported, "B2BUA: no request for one leg alone"};
    return agent_.send_request(now.steady, call->dialog(leg), request);
}

// ---- the face ----

Switchboard::Switchboard(SwitchboardConfig config, sip::Agent& agent, SwitchboardHost& host,
                         base::Random& random)
    : core_(std::make_unique<Core>(std::move(config), agent, host, random)) {}
Switchboard::~Switchboard() = default;

void Switchboard::on_action(base::Now now, sip::Action&& action) {
    core_->on_action(now, std::move(action));
}
void Switchboard::on_time(base::Now now) { core_->on_time(now); }
std::optional<base::TimePoint> Switchboard::deadline() const { return core_->deadline(); }
void Switchboard::end(base::Now now, CallKey call, int status, base::Reason reason) {
    core_->end(now, call, status, std::move(reason));
}
void Switchboard::end_all(base::Now now, int status, const base::Reason& reason) {
    core_->end_all(now, status, reason);
}
base::Result<sip::TransactionId> Switchboard::send_in_dialog(base::Now now, CallKey call, Leg leg,
                                                             const sip::RequestSpec& request) {
    return core_->send_in_dialog(now, call, leg, request);
}
void Switchboard::tell_anew(base::Now now, CallKey call, Leg leg) {
    core_->tell_anew(now, call, leg);
}
void Switchboard::set_draining(bool is_draining) { core_->set_draining(is_draining); }
const CallFacts* Switchboard::find_call(CallKey call) const {
    const Call* found = core_->find(call);
    return found != nullptr ? &found->facts : nullptr;
}
CallKey Switchboard::find_call_id(std::string_view call_id) const {
    return core_->find_call_id(call_id);
}
std::vector<CallKey> Switchboard::calls() const { return core_->calls(); }
std::size_t Switchboard::call_count() const { return core_->call_count(); }

}  // namespace earshot::b2bua
