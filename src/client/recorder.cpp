#include "client/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/text.h"
#include "client/inside.h"
#include "client/recorded_call.h"
#include "siprec/server_answers.h"

namespace earshot::client {

using base::Reason;
using policy::CallHappening;
using policy::StartAt;
using Verb = CallControl::Verb;

namespace {

constexpr std::size_t kMaxMissedHappenings = 64;  // of one call, while the hook is asked

relay::CallKey media_key(b2bua::CallKey key) { return {key.value}; }

std::string name_addr(const b2bua::Party& party) {
    return party.display_name.empty() ? party.uri
                                      : fmt::format("\"{}\" <{}>", party.display_name, party.uri);
}

std::string_view state_of(b2bua::CallFacts::State state) {
    using State = b2bua::CallFacts::State;
    switch (state) {
        case State::Routing:
            return "routing";
        case State::Calling:
            return "calling";
        case State::Early:
            return "early";
        case State::Answered:
            return "answered";
        case State::Ended:
            break;
    }
    return "ended";
}

}  // namespace

Recorder::Recorder(const ClientConfig& config, const base::Uuid& installation,
                   Dependencies dependencies)
    : config_(config),
      installation_(installation),
      d_(std::move(dependencies)),
      servers_(d_.random, pool_outlets()),
      shared_({.link = {.agent = d_.agent, .clock = d_.clock, .index = index_, .servers = servers_},
               .random = d_.random,
               .events = outlet_,
               .desk = d_.desk,
               .host = d_.host}),
      indicator_(
          Indicator::Dependencies{.switchboard = d_.switchboard,
                                  .plane = d_.plane,
                                  .events = d_.events,
                                  .shares = [this](b2bua::CallKey call) { return shares(call); }}) {
    configure(d_.clock.now(), config);
}

Recorder::~Recorder() = default;

Recorder::RecordedCall* Recorder::find(b2bua::CallKey key) {
    const auto found = calls_.find(key.value);
    return found == calls_.end() ? nullptr : found->second.get();
}

Recorder::RecordedCall* Recorder::find(std::string_view text) {
    // Numbers first: a Call-ID is the caller's choice, and could be another call's number.
    const auto number = base::parse_number<std::uint64_t>(text);
    RecordedCall* call = number ? find(b2bua::CallKey{*number}) : nullptr;
    if (call != nullptr && !call->has_ended) return call;
    for (const auto& [key, other] : calls_)
        if (!other->has_ended && other->facts.call_id == text) return other.get();
    return nullptr;
}

// ---- what happens to a call ---------------------------------------------------------------------

void Recorder::on_call_event(base::Now now, b2bua::CallKey key, const b2bua::CallEvent& event) {
    if (std::holds_alternative<b2bua::Arrived>(event)) {
        const b2bua::CallFacts* facts = d_.switchboard.find_call(key);
        if (facts == nullptr) return;
        auto call = std::make_unique<RecordedCall>();
        call->key = key;
        if (facts->invite != nullptr)
            call->facts = make_call_facts(*facts->invite, facts->leg(b2bua::Leg::A).flow.remote,
                                          config_.inside, now.wall, d_.random);
        call->cs = make_cs_record(*facts, base::make_uuid_v4(d_.random), installation_, now.wall);
        RecordedCall& arrived = *(calls_[key.value] = std::move(call));
        find_consulted(now, arrived);
        return;
    }
    RecordedCall* call = find(key);
    if (call == nullptr) return;
    changed_.insert(key.value);
    if (const auto* party = std::get_if<b2bua::PartyChanged>(&event))
        indicator_.on_party_changed(key, party->leg);
    if (const auto* told = std::get_if<b2bua::ToldAnew>(&event))
        indicator_.on_told_anew(now, key, *told);
    if (const auto* early = std::get_if<b2bua::Early>(&event)) {
        if (!early->has_media) return;
        call->was_early = true;
        begin_all(now, *call, StartAt::Early);
    } else if (std::holds_alternative<b2bua::Answered>(event)) {
        call->was_answered = true;
        // The session of the metadata is the conversation; when it rang is no part of it.
        if (call->recordings.empty()) call->cs.start = now.wall;
        begin_all(now, *call, StartAt::Answer);
    } else if (std::holds_alternative<b2bua::MediaChanged>(event) ||
               std::holds_alternative<b2bua::PartyChanged>(event)) {
        refresh(now, *call);
    } else if (const auto* held = std::get_if<b2bua::Held>(&event)) {
        held_.insert(key.value);
        refresh(now, *call);
        on_happening(now, *call,
                     {.kind = CallHappening::Hold, .by_caller = held->by == b2bua::Leg::A});
    } else if (const auto* unheld = std::get_if<b2bua::Unheld>(&event)) {
        refresh(now, *call);
        on_happening(now, *call,
                     {.kind = CallHappening::Unhold, .by_caller = unheld->by == b2bua::Leg::A});
    } else if (const auto* in_dialog = std::get_if<b2bua::InDialog>(&event)) {
        on_in_dialog(now, *call, *in_dialog);
    } else if (const auto* transferred = std::get_if<b2bua::Transferred>(&event)) {
        on_transfer(now, *call, *transferred);
    } else if (const auto* ended = std::get_if<b2bua::Ended>(&event)) {
        on_ended(now, *call, *ended);
    }
}

void Recorder::admit(base::Now now, b2bua::CallKey key) {
    if (RecordedCall* call = find(key)) plan(now, *call);
}

void Recorder::on_first_offer(base::Now now, b2bua::CallKey key) {
    RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended || std::exchange(call->was_offered, true)) return;
    begin_all(now, *call, StartAt::Invite);
}

void Recorder::on_in_dialog(base::Now now, RecordedCall& call, const b2bua::InDialog& event) {
    const sip::Message& request = *event.request;
    const bool by_caller = event.from == b2bua::Leg::A;
    const sip::Method method = request.method();
    if (method != sip::Method::Invite && method != sip::Method::Info) return;
    if (method == sip::Method::Info) {
        const auto pressed = siprec::parse_dtmf(
            request.find(sip::HeaderId::ContentType).value_or(""), base::as_text(request.body()));
        // Some tell several in one; what is no key ("hookflash") is none of a code.
        constexpr std::string_view kKeys = "0123456789*#ABCD";
        if (pressed && pressed->digit.find_first_not_of(kKeys) == std::string::npos)
            for (const char digit : pressed->digit)
                on_digit(now, call, event.from, KeyWay::Info, digit);
    }
    on_happening(
        now, call,
        {.kind = CallHappening::Header, .by_caller = by_caller, .headers = headers_of(request)});
}

void Recorder::on_key(base::Now now, b2bua::CallKey key, b2bua::Leg by, char digit) {
    RecordedCall* call = find(key);
    if (call != nullptr && !call->has_ended) on_digit(now, *call, by, KeyWay::Rtp, digit);
}

void Recorder::on_conference(base::Now now, b2bua::CallKey key, const CsConference& conference) {
    RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended) return;
    call->cs.conference = conference;
    // Who calls through here is a member of the roster in the other calls of the conference, and is
    // the same participant in all of them (RFC 7865 section 6.5), unless other ids have been told.
    if (call->recordings.empty() && call->cs.participant_space == call->cs.session_id)
        call->cs.participant_space = conference.group;
    refresh(now, *call);
}

void Recorder::on_chat_sender(base::Now now, b2bua::CallKey key, relay::Leg leg,
                              const std::string& uri, const std::string& name) {
    RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended) return;
    add_sender(call->cs, leg, uri, name, now.wall);
    refresh(now, *call);
}

void Recorder::on_chat_lines(base::Now now, b2bua::CallKey key) {
    RecordedCall* call = find(key);
    if (call != nullptr && !call->has_ended) refresh(now, *call);
}

void Recorder::on_nickname(base::Now now, b2bua::CallKey key, relay::Leg leg,
                           const std::string& nickname) {
    RecordedCall* call = find(key);
    if (call == nullptr || call->has_ended) return;
    set_nickname(call->cs, leg, nickname);
    refresh(now, *call);
}

bool Recorder::records(b2bua::CallKey key) const {
    const auto found = calls_.find(key.value);
    return found != calls_.end() && !found->second->has_ended &&
           (!found->second->is_planned || !found->second->plans.empty() ||
            !found->second->recordings.empty());
}

void Recorder::on_digit(base::Now now, RecordedCall& call, b2bua::Leg by, KeyWay way, char digit) {
    const bool by_caller = by == b2bua::Leg::A;
    KeyMemory& keys = call.keys[by_caller ? 0 : 1];
    if (!keys.add(now.steady, way, digit)) return;
    on_happening(now, call,
                 {.kind = CallHappening::Dtmf, .by_caller = by_caller, .digits = keys.digits()});
}

void Recorder::on_ended(base::Now now, RecordedCall& call, const b2bua::Ended& event) {
    call.has_ended = true;
    held_.erase(call.key.value);
    call.cs.stop = now.wall;
    if (event.status != 0)
        call.cs.end = siprec::EndReason{.cause = event.status, .text = event.reason.text};
    for (const auto& recording : call.recordings) recording->end(now);
    d_.plane.remove(media_key(call.key));
    indicator_.forget(call.key);
    ended_.push_back(call.key.value);
}

// ---- which recordings it gets -------------------------------------------------------------------

void Recorder::plan(base::Now now, RecordedCall& call) {
    // A recording session that passes through is no communication session: to record it would be
    // to record a recording, and where it is led back to us that has no end.
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call.key);
    if (facts != nullptr && facts->invite != nullptr &&
        facts->invite->lists(sip::HeaderId::Require, "siprec")) {
        d_.events.tell({.kind = "not_recorded",
                        .at = now.wall,
                        .call = call.key.value,
                        .call_id = call.facts.call_id,
                        .reason = {"recording_session",
                                   "It is a recording session of somebody else, and only passed "
                                   "on."}});
        return take_plans(now, call, {});
    }
    std::vector<policy::RecordingPlan> plans =
        policy::plan_recordings(config_.rules, config_.recording, call.facts);
    const bool was_decided =
        std::any_of(config_.rules.begin(), config_.rules.end(),
                    [&](const auto& rule) { return matches(rule.conditions, call.facts); });
    if (was_decided || config_.decision.url.empty()) return take_plans(now, call, std::move(plans));
    const bool records = config_.decision.records_on_failure;
    d_.decision.ask(
        config_.decision, config_.recording, call.facts,
        [this, key = call.key, records, plans = std::move(plans)](CallDecision::Plans answer) {
            RecordedCall* asked = find(key);
            if (asked == nullptr) return;
            const base::Now answered_at = d_.clock.now();
            if (answer) return take_plans(answered_at, *asked, *std::move(answer));
            d_.events.tell({.kind = "hook_failed",
                            .at = answered_at.wall,
                            .call = key.value,
                            .call_id = asked->facts.call_id,
                            .reason = answer.error()});
            take_plans(answered_at, *asked, records ? plans : decltype(plans){});
        });
}

void Recorder::take_plans(base::Now now, RecordedCall& call,
                          std::vector<policy::RecordingPlan> plans) {
    call.plans = policy::spread_parallel(std::move(plans));
    call.is_planned = true;
    if (call.has_ended) return;
    changed_.insert(call.key.value);
    for (const b2bua::Leg leg : {b2bua::Leg::A, b2bua::Leg::B}) apply_wish(now, call, leg);
    // What happened while the hook was asked.
    if (call.was_offered) begin_all(now, call, StartAt::Invite);
    if (call.was_early) begin_all(now, call, StartAt::Early);
    if (call.was_answered) begin_all(now, call, StartAt::Answer);
    for (const policy::Happening& happening : std::exchange(call.missed, {}))
        on_happening(now, call, happening);
}

// An answer begins also those that nothing earlier has: there was no early media, or a late offer.
void Recorder::begin_all(base::Now now, RecordedCall& call, StartAt at) {
    std::vector<policy::RecordingPlan> due;
    for (const policy::RecordingPlan& plan : call.plans) {
        const bool is_due = plan.settings.start_at == at || at == StartAt::Answer ||
                            (at == StartAt::Early && plan.settings.start_at == StartAt::Invite);
        const RecordedCall::Wished wished = call.wished_of(plan.instance);
        const bool is_wanted = !plan.settings.on_demand || wished.is_on;
        if (is_due && is_wanted && !wished.is_declined && call.find(plan) == nullptr)
            due.push_back(plan);
    }
    begin_each(now, call, due);
    // Those that run already: both sides are known now.
    if (!call.has_ended) refresh(now, call);
}

void Recorder::begin_each(base::Now now, RecordedCall& call,
                          const std::vector<policy::RecordingPlan>& plans) {
    const bool is_within = std::exchange(call.is_beginning, true);
    for (const policy::RecordingPlan& plan : plans)
        if (!call.has_ended) begin(now, call, plan);
    call.is_beginning = is_within;
    if (is_within) return;
    for (const auto& [lost, failure] : std::exchange(call.failed_at_once, {}))
        end_unrecorded(call, *lost, failure);
}

// One server of several is enough.
void Recorder::end_unrecorded(RecordedCall& call, const Recording& lost, const Reason& failure) {
    if (call.has_ended || call.has_sibling(lost, [](const Recording&) { return true; })) return;
    constexpr int kUnavailable = 503;
    d_.switchboard.end(
        d_.clock.now(), call.key, kUnavailable,
        {"not_recorded", "The call must be recorded and cannot be: " + failure.text});
}

void Recorder::begin(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan) {
    changed_.insert(call.key.value);
    if (announces_first(now, call, plan)) return;
    Recording& recording = add_recording(now, call, plan);
    recording.start(now);
    if (call.wished_of(plan.instance).is_paused)
        recording.pause(now, "A party wished that it is paused.");
}

SessionCommon Recorder::session_common(const policy::RecordingPlan& plan) const {
    return {.credentials = config_.credentials,
            .server_silence = config_.server_silence,
            .media_ring = config_.media_ring,
            .flow = d_.find_socket(plan.settings.socket).value_or(sip::Flow{}),
            .fails_over = config_.fails_over,
            .failover_time = config_.failover_time};
}

Recording& Recorder::add_recording(base::Now now, RecordedCall& call,
                                   const policy::RecordingPlan& plan) {
    changed_.insert(call.key.value);
    const auto number = static_cast<std::uint32_t>(call.recordings.size() + 1);
    const auto flow = d_.find_socket(plan.settings.socket);
    const policy::RecordingPlan told = as_servers_see_us(config_, plan);
    if (!flow)
        d_.events.tell({.kind = "setting_fault",
                        .at = now.wall,
                        .call = call.key.value,
                        .call_id = call.facts.call_id,
                        .instance = plan.instance,
                        .reason = {"no_such_socket",
                                   fmt::format("We do not listen at {}; another socket is used.",
                                               plan.settings.socket)}});
    call.recordings.push_back(std::make_unique<Recording>(
        Recording::Dependencies{.agent = d_.agent,
                                .plane = d_.plane,
                                .clock = d_.clock,
                                .random = d_.random,
                                .index = index_,
                                .events = outlet_,
                                .servers = servers_,
                                .shared = &shared_},
        call.cs, media_key(call.key), number, told, session_common(plan)));
    Recording& recording = *call.recordings.back();
    recording.when_choosing([&call, &recording](const std::string& server) {
        return call.has_sibling(recording,
                                [&](const Recording& other) { return other.server() == server; });
    });
    if (plan.settings.mandatory)
        recording.when_lost([this, &call, &recording](const Reason& failure) {
            if (call.is_beginning)
                call.failed_at_once.emplace_back(&recording, failure);
            else
                end_unrecorded(call, recording, failure);
        });
    return recording;
}

void Recorder::refresh(base::Now now, RecordedCall& call) {
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call.key);
    if (facts != nullptr) update(call.cs, *facts, now.wall);
    for (std::size_t i = 0; i < call.recordings.size(); ++i) call.recordings[i]->refresh(now);
}

// ---- what happens during it ---------------------------------------------------------------------

void Recorder::on_happening(base::Now now, RecordedCall& call, const policy::Happening& happening) {
    if (call.has_ended || config_.triggers.empty()) return;
    if (!call.is_planned) {  // nothing is recorded yet that a trigger could concern
        if (call.missed.size() < kMaxMissedHappenings)
            call.missed.push_back(happening);
        else
            d_.events.tell({.kind = "trigger_failed",
                            .at = now.wall,
                            .call = call.key.value,
                            .call_id = call.facts.call_id,
                            .reason = {"not_ready",
                                       "More happened in the call than is kept until the decision "
                                       "hook has answered."}});
        return;
    }
    for (const policy::Trigger& trigger : std::vector(config_.triggers))
        if (matches(trigger, happening)) fire(now, call, trigger);
}

void Recorder::fire(base::Now now, RecordedCall& call, const policy::Trigger& trigger) {
    constexpr std::array kVerbs{Verb::Start, Verb::Pause, Verb::Resume, Verb::Stop, Verb::Send};
    CallControl wish{.verb = kVerbs[static_cast<std::size_t>(trigger.action)],
                     .instance = trigger.instance,
                     .reason = fmt::format("trigger {}", trigger.name),
                     .is_by_trigger = true};
    if (wish.verb == Verb::Send) {
        wish.request = {
            .method = trigger.method,
            .headers = {},
            .content_type = trigger.content_type,
            .body = policy::expand(
                trigger.body, call.facts,
                policy::is_xml(trigger.content_type) ? policy::Escape::Xml : policy::Escape::None)};
        for (const auto& [name, value] : trigger.send_headers)
            wish.request.headers.push_back(
                {name, policy::one_line(policy::expand(value, call.facts, policy::Escape::None))});
    }
    // A call that is not recorded has nothing to pause: that is no fault.
    if (auto fault = obey(now, call, wish); fault && fault->code != "not_recording")
        d_.events.tell({.kind = "trigger_failed",
                        .at = now.wall,
                        .call = call.key.value,
                        .call_id = call.facts.call_id,
                        .instance = trigger.instance,
                        .reason = {fault->code,
                                   fmt::format("Trigger \"{}\": {}", trigger.name, fault->text)}});
}

// ---- what somebody wants ------------------------------------------------------------------------

void Recorder::control(base::Now now, CallControl wish, ControlDone done) {
    RecordedCall* call = find(wish.call);
    if (call == nullptr)
        return done(
            Reason{"unknown_call",
                   fmt::format("No running call has the Call-ID or number \"{}\".", wish.call)});
    if (wish.verb == Verb::Hangup) {
        constexpr int kDeclined = 603;
        d_.switchboard.end(now, call->key, kDeclined,
                           {"hung_up", "An operator ended the call. " + wish.reason});
        return done(std::nullopt);
    }
    if (auto fault = obey(now, *call, wish)) return done(std::move(fault));
    if (wish.verb != Verb::Start || !wish.waits) return done(std::nullopt);
    std::vector<Recording*> begun;
    for (const policy::RecordingPlan& plan : call->plans) {
        Recording* recording = call->find(plan);
        if (recording == nullptr || (!wish.instance.empty() && wish.instance != plan.instance))
            continue;
        begun.push_back(recording);
    }
    when_all_settled(begun, done);
}

std::optional<Reason> Recorder::obey(base::Now now, RecordedCall& call, const CallControl& wish) {
    if (wish.verb == Verb::Start) return start(now, call, wish);
    auto [has_any, fault] = client::obey(now, call.recordings, wish);
    has_any = obey_before(call, wish) || has_any;
    if (has_any) return fault;
    return Reason{"not_recording",
                  wish.instance.empty()
                      ? "The call is not being recorded."
                      : fmt::format("The call has no running recording \"{}\".", wish.instance)};
}

// What is not begun yet, but will be by itself: it is stopped or paused before its first word.
bool Recorder::obey_before(RecordedCall& call, const CallControl& wish) {
    if (wish.verb != Verb::Stop && wish.verb != Verb::Pause && wish.verb != Verb::Resume)
        return false;
    bool has_any = false;
    for (const policy::RecordingPlan& plan : call.plans) {
        if (!wish.instance.empty() && wish.instance != plan.instance) continue;
        RecordedCall::Wished wished = call.wished_of(plan.instance);
        const bool will_begin = call.is_waiting(plan) || wished.is_on || !plan.settings.on_demand;
        if (call.find(plan) != nullptr || wished.is_declined || !will_begin) continue;
        has_any = true;
        if (wish.verb == Verb::Stop)
            wished.is_declined = true;
        else
            wished.is_paused = wish.verb == Verb::Pause;
        call.wished[plan.instance] = wished;
        changed_.insert(call.key.value);
    }
    if (wish.verb == Verb::Stop)
        std::erase_if(call.waiting,
                      [&](const auto& plan) { return call.wished_of(plan.instance).is_declined; });
    return has_any;
}

bool Recorder::knows_instance(std::string_view instance) const {
    return instance == policy::kDefaultInstance ||
           std::any_of(config_.rules.begin(), config_.rules.end(),
                       [&](const auto& rule) { return rule.instance == instance; });
}

std::optional<Reason> Recorder::start(base::Now now, RecordedCall& call, const CallControl& wish) {
    if (!call.is_planned)
        return Reason{"not_ready", "The decision hook has not answered about this call yet."};
    // Nobody planned it, so it is recorded by what holds where nothing else is said.
    const std::string wanted =
        wish.instance.empty() ? std::string(policy::kDefaultInstance) : wish.instance;
    const auto is_wanted = [&](const policy::RecordingPlan& plan) {
        return wish.instance.empty() || plan.instance == wish.instance;
    };
    if (std::none_of(call.plans.begin(), call.plans.end(), is_wanted)) {
        if (!knows_instance(wanted))
            return Reason{"bad_request", fmt::format("No rule has the instance \"{}\".", wanted)};
        const auto rule =
            std::find_if(config_.rules.begin(), config_.rules.end(),
                         [&](const auto& one) { return one.instance == wanted && one.records; });
        policy::RecordingSettings settings =
            rule == config_.rules.end() ? config_.recording : rule->settings;
        if (settings.servers.empty())
            return Reason{"bad_request",
                          fmt::format("No recording server is configured for \"{}\".", wanted)};
        for (policy::RecordingPlan& plan : policy::spread_parallel(
                 {{wanted, rule == config_.rules.end() ? std::string{} : rule->name,
                   policy::resolve(std::move(settings), call.facts)}}))
            call.plans.push_back(std::move(plan));
    }
    std::vector<policy::RecordingPlan> due;
    for (const policy::RecordingPlan& plan : call.plans) {
        if (!is_wanted(plan)) continue;
        const Recording* recording = call.find(plan);
        call.wished[plan.instance] = {.is_on = true};  // whatever a party has wished for before
        if (recording == nullptr || !recording->is_engaged() || recording->is_stopping())
            due.push_back(plan);
    }
    begin_each(now, call, due);
    return std::nullopt;
}

// ---- the agent, time, views ---------------------------------------------------------------------

bool Recorder::take(base::Now now, sip::Action& action) {
    const auto by_id = [](const auto& map, std::uint64_t id) -> ServerLink* {
        const auto found = id == 0 ? map.end() : map.find(id);
        return found == map.end() ? nullptr : found->second;
    };
    ServerLink* recording = std::visit(
        [&](const auto& it) -> ServerLink* {
            ServerLink* owner = nullptr;
            if constexpr (requires { it.transaction; })
                owner = by_id(index_.by_transaction, it.transaction.value);
            if constexpr (requires { it.invite; })
                owner = owner != nullptr ? owner : by_id(index_.by_transaction, it.invite.value);
            if constexpr (requires { it.dialog; })
                owner = owner != nullptr ? owner : by_id(index_.by_dialog, it.dialog.value);
            return owner;
        },
        action);
    if (recording == nullptr) return servers_.take(now, action);
    changed_.insert(recording->call().value);
    recording->on_action(now, action);
    return true;
}

void Recorder::on_time(base::Now now) {
    std::vector<ServerLink*> due;
    for (const auto& [when, recording] : index_.due) {
        if (when > now.steady) break;
        due.push_back(recording);
    }
    for (ServerLink* recording : due) {
        changed_.insert(recording->call().value);
        recording->on_time(now);
    }
    shared_.on_time(now);
    begin_announced(now);
    servers_.on_time(now);
}

std::optional<base::TimePoint> Recorder::deadline() const {
    std::optional<base::TimePoint> next = servers_.deadline();
    const auto sooner = [&next](base::TimePoint when) {
        if (!next || when < *next) next = when;
    };
    if (!index_.due.empty()) sooner(index_.due.begin()->first);
    if (!announcing_.empty()) sooner(announcing_.begin()->first);
    if (const auto when = shared_.deadline()) sooner(*when);
    return next;
}

void Recorder::tidy() {
    std::erase_if(ended_, [&](std::uint64_t key) {
        const auto& recordings = calls_.at(key)->recordings;
        const bool is_done =
            std::all_of(recordings.begin(), recordings.end(),
                        [](const auto& recording) { return recording->is_done(); });
        if (is_done) calls_.erase(key);
        return is_done;
    });
    shared_.tidy();
}

std::vector<CallView> Recorder::views() const {
    std::vector<CallView> views;
    for (const auto& [key, call] : calls_) {
        const b2bua::CallFacts* facts = d_.switchboard.find_call(call->key);
        if (call->has_ended || facts == nullptr) continue;
        const auto& caller = facts->leg(b2bua::Leg::A);
        const auto& callee = facts->leg(b2bua::Leg::B);
        CallView view{.call = key,
                      .call_id = call->facts.call_id,
                      .from = name_addr(caller.address),
                      .to = name_addr(callee.address),
                      .state = std::string(state_of(facts->state)),
                      .arrived = facts->arrived_at,
                      .answered = facts->answered_at,
                      .is_held = caller.is_holding || callee.is_holding,
                      .caller_told = std::string(to_string(indicator_.means(call->key)[0])),
                      .callee_told = std::string(to_string(indicator_.means(call->key)[1]))};
        for (const policy::RecordingPlan& plan : call->plans) {
            const Recording* recording = call->find(plan);
            if (recording != nullptr)
                view.recordings.push_back(recording->view());
            else
                view.recordings.push_back({.instance = plan.instance,
                                           .rule = plan.rule,
                                           .state = "waiting",
                                           .copy = plan.copy,
                                           .is_mandatory = plan.settings.mandatory});
        }
        for (const auto& recording : call->recordings)
            if (recording->view().initiator == "server")
                view.recordings.push_back(recording->view());
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace earshot::client
