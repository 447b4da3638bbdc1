#include "relay/rtpengine_plane.h"

#include <fmt/format.h>

#include <algorithm>

#include "relay/limits.h"
#include "relay/ng_flags.h"
#include "relay/sdp_rewrite.h"

namespace earshot::relay {

using base::Done;
using base::Reason;
using base::Result;
using base::TimePoint;

namespace {

constexpr std::size_t kCallIdBytes = 8;

Reason unknown_call() {
    return {.code = "unknown_call", .text = "RTPEngine has no such call of ours."};
}
Reason overloaded() {
    return {.code = "overloaded", .text = "RTPEngine does not keep up with this call's changes."};
}
Reason nonsense(std::string_view what) {
    return {.code = "media_server_nonsense",
            .text = fmt::format("RTPEngine gave back a session description {}.", what)};
}

std::string_view tag_of(Leg leg) { return leg == Leg::A ? "a" : "b"; }

Result<LegDescriptionPtr, Reason> read(const LegSdp& sdp) {
    auto kept = sdp::KeptDescription::parse(std::string(sdp.text));
    if (!kept)
        return Reason{
            .code = "sdp_malformed",
            .text = fmt::format("The session description cannot be read: {}.", kept.error().what)};
    return std::make_shared<const LegDescription>(
        LegDescription{.sdp = *std::move(kept), .signalled_by = sdp.signalled_by});
}

// What RTPEngine made of a description, if the other leg can be told it: each line is still there,
// and each that carries media has a place.
Result<std::string, Reason> check_sdp(const NgClient::Answer& answer, const LegDescription& from) {
    if (!answer) return answer.error();
    const std::string text(answer->text("sdp"));
    const auto made = sdp::parse(text);
    if (!made) return nonsense("that cannot be read");
    if (made->media.size() != from.sdp->media.size()) return nonsense("with other lines");
    for (std::size_t line = 0; line < made->media.size(); ++line)
        if (is_relayable(from.sdp->media[line]) && !sdp::rtp_address(*made, made->media[line]))
            return nonsense("that does not say where media goes");
    return text;
}

}  // namespace

RtpenginePlane::RtpenginePlane(RtpengineOptions options, ControlLink& link, const io::Clock& clock,
                               base::Random& random)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      client_(options_.instances, link, random),
      call_id_prefix_("earshot-" + random.token(kCallIdBytes) + '-'),
      calls_of_(options_.instances.size()) {
    client_.when_changed(
        [this](TimePoint now, std::size_t instance) { on_instance_changed(now, instance); });
}

// ---- one step after the other -------------------------------------------------------------------

RtpenginePlane::Call* RtpenginePlane::find(CallKey key) {
    const auto found = calls_.find(key.value);
    return found == calls_.end() ? nullptr : &found->second;
}

RtpenginePlane::Call* RtpenginePlane::find(const CallRef& ref) {
    Call* call = find(ref.key);
    return call != nullptr && call->ref.serial == ref.serial ? call : nullptr;
}

void RtpenginePlane::take_step(Call& call, Step step) {
    call.steps.push_back(std::move(step));
    run_next(call);
}

void RtpenginePlane::run_next(Call& call) {
    if (call.is_busy || call.steps.empty()) return;
    call.is_busy = true;
    const Step step = std::move(call.steps.front());
    call.steps.pop_front();
    step(call);
}

// Who is told may say the next thing of the call, or remove it.
void RtpenginePlane::finish(CallRef ref, const std::function<void()>& tell) {
    if (Call* call = find(ref)) call->is_busy = false;
    tell();
    if (Call* call = find(ref)) run_next(*call);
}

NgDictionary RtpenginePlane::command(const Call& call, std::string_view verb) const {
    return {{"command", verb}, {"call-id", call.call_id}};
}

void RtpenginePlane::ask(Call& call, const NgDictionary& command, Then then) {
    client_.send(
        clock_.now().steady, call.instance, command,
        [this, ref = call.ref, then = std::move(then)](TimePoint, NgClient::Answer answer) {
            if (Call* asked = find(ref)) return then(*asked, std::move(answer));
            const auto ending = ending_.extract(ref.serial);
            if (ending) send_delete(ending.mapped());
        });
}

// Until one is refused; `then` has the last answer.
void RtpenginePlane::ask_in_turn(Call& call, std::deque<NgDictionary> commands, Then then) {
    if (commands.empty()) return then(call, NgDictionary{});
    const NgDictionary first = std::move(commands.front());
    commands.pop_front();
    ask(call, first,
        [this, commands = std::move(commands), then = std::move(then)](Call& asked,
                                                                       NgClient::Answer answer) {
            if (!answer || commands.empty()) return then(asked, std::move(answer));
            ask_in_turn(asked, commands, then);
        });
}

// ---- calls --------------------------------------------------------------------------------------

void RtpenginePlane::offer(CallKey key, const LegSdp& sdp, SdpDone done) {
    auto description = read(sdp);
    if (!description) return done(description.error());
    Call* call = find(key);
    if (call == nullptr) {
        if (calls_.size() >= kMaxCalls)
            return done(Reason{.code = "too_many_calls",
                               .text = fmt::format("{} calls are relayed already.", kMaxCalls)});
        const CallRef ref{key, ++last_serial_};
        call = &calls_
                    .try_emplace(key.value, ref, call_id_prefix_ + std::to_string(key.value),
                                 random_.u32(), random_.u32())
                    .first->second;
    }
    if (call->steps.size() >= kMaxNgSteps) return done(overloaded());
    take_step(*call, [this, from = sdp.from, description = *description,
                      done = std::move(done)](Call& its) {
        if (!its.is_placed) its.tried.clear();
        try_offer(its, from, description, done, {});
    });
}

std::optional<std::size_t> RtpenginePlane::pick(const Call& call) const {
    for (std::size_t i = 0; i < client_.size(); ++i) {
        const bool was_tried =
            std::find(call.tried.begin(), call.tried.end(), i) != call.tried.end();
        if (!was_tried && client_.instance(i).is_usable) return i;
    }
    return std::nullopt;
}

void RtpenginePlane::try_offer(Call& call, Leg from, const LegDescriptionPtr& description,
                               const SdpDone& done, Reason last) {
    if (!call.is_placed) {
        const auto instance = pick(call);
        if (!instance) {
            if (last.code.empty())
                last = {.code = "media_server_unreachable",
                        .text = "No RTPEngine can be used: " + client_.instance(0).fault};
            return finish(call.ref, [&] { done(last); });
        }
        call.instance = *instance;
        call.tried.push_back(*instance);
    }
    ask(call, sdp_command(call, "offer", from, *description),
        [this, from, description, done](Call& asked, NgClient::Answer answer) {
            on_offered(asked, from, description, done, std::move(answer));
        });
}

void RtpenginePlane::on_offered(Call& call, Leg from, const LegDescriptionPtr& description,
                                const SdpDone& done, NgClient::Answer answer) {
    const auto made = check_sdp(answer, *description);
    if (!made && !call.is_placed) {
        if (answer) send_delete({call.call_id, {call.instance}});  // what it made of it
        return try_offer(call, from, description, done, made.error());
    }
    if (!made) return finish(call.ref, [&] { done(made.error()); });
    if (!call.is_placed) place(call, call.instance);
    if (call.found == Found::Gone)
        for (auto& [number, subscription] : call.subscriptions) subscription.forget_told();
    call.found = Found::Yes;
    call.has_leg[index_of(from)] = true;
    call.negotiation.offer(from, description);
    const std::string told = tell(call, other(from), *made);
    finish(call.ref, [&] { done(told); });
}

void RtpenginePlane::place(Call& call, std::size_t instance) {
    call.is_placed = true;
    ++calls_of_[instance];
    call.next_query = clock_.now().steady + kNgQueryEvery;
    due_.insert({call.next_query, call.ref.key.value});
}

void RtpenginePlane::answer(CallKey key, const LegSdp& sdp, SdpDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    auto description = read(sdp);
    if (!description) return done(description.error());
    if (call->steps.size() >= kMaxNgSteps) return done(overloaded());
    take_step(*call, [this, from = sdp.from, description = *description, done = std::move(done)](
                         Call& its) { send_answer(its, from, description, done); });
}

void RtpenginePlane::send_answer(Call& call, Leg from, const LegDescriptionPtr& description,
                                 const SdpDone& done) {
    Negotiation next = call.negotiation;
    if (!next.answer(from, description))
        return finish(call.ref, [&] {
            done(Reason{.code = "no_offer",
                        .text = "The other leg has made no offer that this answers."});
        });
    ask(call, sdp_command(call, "answer", other(from), *description),
        [this, from, description, done, next](Call& asked, const NgClient::Answer& answer) {
            const auto made = check_sdp(answer, *description);
            if (!made) return finish(asked.ref, [&] { done(made.error()); });
            asked.has_leg[index_of(from)] = true;
            asked.negotiation = next;
            const std::string told = tell(asked, other(from), *made);
            finish(asked.ref, [&] { done(told); });
        });
}

NgDictionary RtpenginePlane::sdp_command(const Call& call, std::string_view verb, Leg offerer,
                                         const LegDescription& description) const {
    NgDictionary command = this->command(call, verb);
    command.set("sdp", description.sdp.text());
    command.set("from-tag", tag_of(offerer));
    if (verb == "answer" || call.has_leg[index_of(other(offerer))])
        command.set("to-tag", tag_of(other(offerer)));
    const base::NetAddress& source = description.signalled_by;
    if (!source.is_unspecified())
        command.set("received-from",
                    NgList{source.is_v4() ? "IP4" : "IP6", base::host_to_string(source)});
    add_ng_flags(command, options_.flags);
    return command;
}

// The identity and version of o= are ours: another fork's answer, or what holds after a rollback,
// must not look like an older description of the same session (RFC 3264 section 8).
std::string RtpenginePlane::tell(Call& call, Leg to, const std::string& text) {
    const auto made = sdp::parse(text);
    SdpEdit edit{.session_id = call.facing[index_of(to)].session_id(),
                 .session_version = 0,
                 .address = *base::parse_host("0.0.0.0", 0),
                 .lines = {}};
    for (const sdp::MediaDescription& medium : made->media) {
        edit.lines.push_back({.fate = SdpEdit::Fate::Pass, .rtp_port = 0, .rtcp_port = 0});
        if (const auto address = sdp::rtp_address(*made, medium)) edit.address = *address;
    }
    return call.facing[index_of(to)].tell([&](std::uint64_t version) {
        edit.session_version = version;
        return rewrite_sdp(text, edit);
    });
}

void RtpenginePlane::rollback(CallKey key, Leg offerer) {
    Call* call = find(key);
    if (call == nullptr) return;
    take_step(*call, [this, offerer](Call& its) {
        std::deque<NgDictionary> commands;
        const Negotiation& holds = its.negotiation;
        if (its.negotiation.rollback(offerer) && holds.is_complete()) {
            commands.push_back(sdp_command(its, "offer", offerer, *holds.description(offerer)));
            commands.push_back(
                sdp_command(its, "answer", offerer, *holds.description(other(offerer))));
        }
        ask_in_turn(its, std::move(commands),
                    [this](Call& asked, const NgClient::Answer&) { finish(asked.ref, [] {}); });
    });
}

void RtpenginePlane::remove(CallKey key) {
    const auto node = calls_.extract(key.value);
    if (!node) return;
    const Call& call = node.mapped();
    due_.erase({call.next_query, key.value});
    if (call.is_placed) --calls_of_[call.instance];
    Ending ending{call.call_id, call.tried};
    // A command that is under way could be carried out after the end, and begin the call anew.
    if (call.is_busy)
        ending_.emplace(call.ref.serial, std::move(ending));
    else
        send_delete(ending);
}

void RtpenginePlane::send_delete(const Ending& ending) {
    for (const std::size_t instance : ending.instances)
        if (client_.instance(instance).is_usable)  // else its calls are gone, or time out there
            client_.send(clock_.now().steady, instance,
                         {{"command", "delete"}, {"call-id", ending.call_id}},
                         [](TimePoint, const NgClient::Answer&) {});
}

// ---- subscriptions ------------------------------------------------------------------------------

void RtpenginePlane::subscribe(CallKey key, std::uint32_t number, const SubscribeOptions& options,
                               SubscriptionDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (auto fault = find_fault(options)) return done(*std::move(fault));
    if (call->steps.size() >= kMaxNgSteps) return done(overloaded());
    take_step(*call, [this, number, options, done = std::move(done)](Call& its) {
        request(its, number, options, done);
    });
}

void RtpenginePlane::request(Call& call, std::uint32_t number, const SubscribeOptions& options,
                             const SubscriptionDone& done) {
    const bool is_known = call.subscriptions.contains(number);
    if (!is_known && call.subscriptions.size() >= kMaxSubscriptions)
        return finish(call.ref, [&] {
            done(Reason{
                .code = "too_many_subscriptions",
                .text = fmt::format("The call has {} subscriptions already.", kMaxSubscriptions)});
        });
    NgSubscription& subscription =
        call.subscriptions
            .try_emplace(number, number, random_.u32(),
                         has_ng_flag(options_.subscribe_flags, "allow-transcoding"))
            .first->second;
    subscription.set_options(options);
    if (options.is_paused) subscription.stop();
    std::vector<Leg> legs;
    for (const Leg leg : {Leg::A, Leg::B})
        if (subscription.wants(leg) && call.has_leg[index_of(leg)]) legs.push_back(leg);
    request_next(
        call, number, std::move(legs),
        [this, number, is_known, done](Call& asked, std::optional<Reason> fault) {
            NgSubscription& made = asked.subscriptions.at(number);
            const bool has_media = !fault && made.update(asked.negotiation);
            if (!has_media) {
                if (!is_known) asked.subscriptions.erase(number);
                if (!fault)
                    fault = Reason{.code = "no_media",
                                   .text = "The call has no media yet that could be recorded."};
                return finish(asked.ref, [&] { done(*fault); });
            }
            const Subscription offer = made.offer(asked.negotiation);
            const CallRef ref = asked.ref;
            tell_answers(asked, number, [this, ref, offer, done](const std::optional<Reason>&) {
                finish(ref, [&] { done(offer); });
            });
        });
}

void RtpenginePlane::request_next(Call& call, std::uint32_t number, std::vector<Leg> legs,
                                  const std::function<void(Call&, std::optional<Reason>)>& then) {
    if (legs.empty()) return then(call, std::nullopt);
    const Leg leg = legs.front();
    legs.erase(legs.begin());
    NgDictionary command = this->command(call, "subscribe request");
    command.set("from-tag", tag_of(leg));
    command.set("to-tag", call.subscriptions.at(number).tag(leg));
    command.set("flags", NgList{"siprec"});
    add_ng_flags(command, options_.subscribe_flags);
    ask(call, command,
        [this, number, leg, legs = std::move(legs), then](Call& asked, NgClient::Answer answer) {
            if (!answer) return then(asked, answer.error());
            NgSubscription& subscription = asked.subscriptions.at(number);
            if (!subscription.set_offered(leg, std::string(answer->text("sdp"))))
                return then(asked, nonsense("of a subscription that cannot be used"));
            request_next(asked, number, legs, then);
        });
}

// What RTPEngine has not been told of where the streams go.
void RtpenginePlane::tell_answers(Call& call, std::uint32_t number,
                                  const std::function<void(std::optional<Reason>)>& then) {
    NgSubscription& subscription = call.subscriptions.at(number);
    for (const Leg leg : {Leg::A, Leg::B}) {
        auto answer = subscription.untold_answer(leg);
        if (!answer) continue;
        NgDictionary command = this->command(call, "subscribe answer");
        command.set("to-tag", subscription.tag(leg));
        command.set("sdp", *answer);
        return ask(call, command,
                   [this, number, leg, told = *std::move(answer), then](
                       Call& asked, const NgClient::Answer& taken) {
                       NgSubscription& its = asked.subscriptions.at(number);
                       its.set_told(leg, taken ? told : std::string{});
                       if (!taken) return then(taken.error());
                       tell_answers(asked, number, then);
                   });
    }
    then(std::nullopt);
}

void RtpenginePlane::answer_subscription(CallKey key, std::uint32_t number, std::string_view sdp,
                                         PlaneDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    auto kept = sdp::KeptDescription::parse(std::string(sdp));
    if (!kept)
        return done(Reason{.code = "sdp_malformed",
                           .text = fmt::format("The answer of the server cannot be read: {}.",
                                               kept.error().what)});
    if (call->steps.size() >= kMaxNgSteps) return done(overloaded());
    const auto answer = std::make_shared<const sdp::KeptDescription>(*std::move(kept));
    take_step(*call, [this, number, answer, done = std::move(done)](Call& its) {
        const auto found = its.subscriptions.find(number);
        if (found == its.subscriptions.end())
            return finish(its.ref, [&] {
                done(Reason{.code = "unknown_subscription",
                            .text = "The call has no such subscription."});
            });
        if (const auto taken = found->second.answer(**answer); !taken)
            return finish(its.ref, [&] {
                done(Reason{.code = "bad_answer",
                            .text = fmt::format("The server does not answer what it was offered: "
                                                "{}.",
                                                taken.error().what)});
            });
        tell_answers(its, number, [this, ref = its.ref, done](std::optional<Reason> fault) {
            finish(ref, [&] {
                if (fault) return done(*fault);
                done(Done{});
            });
        });
    });
}

void RtpenginePlane::stop_subscription(CallKey key, std::uint32_t number, Stop /*why*/) {
    Call* call = find(key);
    if (call == nullptr) return;
    take_step(*call, [this, number](Call& its) {
        const auto found = its.subscriptions.find(number);
        if (found == its.subscriptions.end()) return finish(its.ref, [] {});
        found->second.stop();
        tell_answers(its, number,
                     [this, ref = its.ref](const std::optional<Reason>&) { finish(ref, [] {}); });
    });
}

void RtpenginePlane::unsubscribe(CallKey key, std::uint32_t number) {
    Call* call = find(key);
    if (call == nullptr) return;
    take_step(*call, [this, number](Call& its) {
        std::deque<NgDictionary> commands;
        if (const auto found = its.subscriptions.extract(number)) {
            for (const Leg leg : {Leg::A, Leg::B}) {
                if (!found.mapped().is_requested(leg)) continue;
                commands.push_back(command(its, "unsubscribe"));
                commands.back().set("to-tag", found.mapped().tag(leg));
            }
        }
        ask_in_turn(its, std::move(commands),
                    [this](Call& asked, const NgClient::Answer&) { finish(asked.ref, [] {}); });
    });
}

}  // namespace earshot::relay
