#include "relay/rtpengine_tap.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {

using base::NetAddress;
using base::Reason;
using base::Result;

namespace {

std::vector<std::string> names(const std::vector<NetAddress>& instances) {
    std::vector<std::string> all;
    for (const NetAddress& address : instances) all.push_back(base::to_string(address));
    return all;
}

Reason unknown_call() {
    return {.code = "unknown_call", .text = "The call is not being recorded."};
}
Reason unknown_subscription() {
    return {.code = "unknown_subscription", .text = "The call has no such subscription."};
}
Reason not_ours() {
    return {.code = "not_ours", .text = "The call is another proxy's: it negotiates its media."};
}

// A leg's subscription says sendonly of what the leg may send, inactive of what it may not. As the
// leg's own description these are sendrecv and recvonly; what it takes is the other leg's to say.
std::string party_text(std::string_view offer) {
    std::string text;
    while (!offer.empty()) {
        const std::string_view line = base::trim(base::take_until(offer, '\n'));
        text += line == "a=sendonly" ? "a=sendrecv" : line == "a=inactive" ? "a=recvonly" : line;
        text += "\r\n";
    }
    return text;
}

// m=audio 30000 RTP/AVP 0 8 with the server's port, and where that is.
void append_medium(std::string& answer, std::string_view line, const NetAddress& rtp,
                   const NetAddress& rtcp) {
    const std::string_view media = base::take_until(line, ' ');
    base::take_until(line, ' ');  // RTPEngine's port
    const bool is_open = !rtp.is_unspecified();
    answer += fmt::format("{} {} {}\r\n", media, is_open ? rtp.port : 0, line);
    if (!is_open) {
        answer += "c=IN IP4 0.0.0.0\r\n";
        return;
    }
    answer += fmt::format("c=IN {} {}\r\n", rtp.is_v4() ? "IP4" : "IP6", base::host_to_string(rtp));
    if (!rtcp.is_unspecified()) answer += fmt::format("a=rtcp:{}\r\n", rtcp.port);
}

}  // namespace

RtpengineTap::RtpengineTap(const std::vector<NetAddress>& instances, ControlLink& link,
                           const io::Clock& clock, base::Random& random)
    : clock_(clock), random_(random), client_(names(instances), link, random) {}

RtpengineTap::~RtpengineTap() = default;

RtpengineTap::CallPtr RtpengineTap::find(CallKey call) const {
    const auto found = calls_.find(call.value);
    return found == calls_.end() ? nullptr : found->second;
}

void RtpengineTap::finish(const CallPtr& call) {
    if (call->jobs.is_closed()) return forget(call);
    call->jobs.finish();
}

void RtpengineTap::ask(const CallPtr& call, std::vector<Ask> questions, Job then) {
    if (questions.empty()) return then();
    const auto open = std::make_shared<std::size_t>(questions.size());
    for (Ask& question : questions)
        client_.send(clock_.now().steady, *call->instance, question.command,
                     [this, call, open, then, take = std::move(question.take)](
                         base::TimePoint, const NgClient::Answer& answer) {
                         // What it was subscribed to must be known to be ended, also when removed.
                         take(answer);
                         if (--*open > 0) return;
                         if (call->jobs.is_closed()) return finish(call);
                         then();
                     });
}

NgDictionary RtpengineTap::about(const Call& call, std::string command) {
    return {{"command", std::move(command)}, {"call-id", call.what.call_id}};
}

// ---- which instance has it ----------------------------------------------------------------------

struct RtpengineTap::Search {
    std::size_t open = 0;  // not answered yet
    std::optional<std::size_t> found;
    std::optional<Reason> failure;
    bool is_known = false;  // somewhere, perhaps without one of the tags
};

void RtpengineTap::adopt(CallKey key, TappedCall what, PlaneDone done) {
    const auto call = std::make_shared<Call>(key, std::move(what));
    calls_.insert_or_assign(key.value, call);
    call->jobs.add([this, call, done = std::move(done)] { search(call, done); });
}

void RtpengineTap::search(const CallPtr& call, const PlaneDone& done) {
    const auto state = std::make_shared<Search>();
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < client_.size(); ++i)
        if (call->what.instance.empty() || call->what.instance == client_.name(i))
            asked.push_back(i);
    if (asked.empty()) {
        done(Reason{"bad_request", fmt::format("No RTPEngine {} is configured "
                                               "(companion.rtpengine).",
                                               call->what.instance)});
        return finish(call);
    }
    state->open = asked.size();
    const auto has_leg = [call](const NgDictionary& tags, Leg leg) {
        return tags.find(call->what.tags[index_of(leg)]) != nullptr;
    };
    for (const std::size_t instance : asked)
        client_.send(clock_.now().steady, instance, about(*call, "query"),
                     [this, call, done, state, instance, has_leg](base::TimePoint now,
                                                                  const NgClient::Answer& answer) {
                         if (answer) {
                             const NgDictionary& tags = answer->dictionary("tags");
                             state->is_known = true;
                             if (has_leg(tags, Leg::A) && has_leg(tags, Leg::B)) {
                                 state->found = instance;
                                 take_figures(now, call, answer);
                             }
                         } else if (answer.error().code != "media_server_unknown_call") {
                             state->failure = answer.error();
                         }
                         if (--state->open == 0) end_search(call, *state, done);
                     });
}

void RtpengineTap::end_search(const CallPtr& call, const Search& search, const PlaneDone& done) {
    if (call->jobs.is_closed()) return;
    if (search.found) {
        call->instance = search.found;
        call->next_poll = clock_.now().steady + kTapPollTime;
        polls_.emplace(call->next_poll, call->key.value);
        done(base::Done{});
    } else if (search.is_known) {
        done(Reason{"unknown_call", fmt::format("RTPEngine has the call {}, but not both tags.",
                                                call->what.call_id)});
    } else if (search.failure) {
        done(Reason{"not_ready", search.failure->text});
    } else {
        done(Reason{"unknown_call",
                    fmt::format("No RTPEngine has the call {}.", call->what.call_id)});
    }
    finish(call);
}

std::string RtpengineTap::instance_of(CallKey key) const {
    const CallPtr call = find(key);
    return call == nullptr || !call->instance ? std::string{} : client_.name(*call->instance);
}

// ---- what is not ours ---------------------------------------------------------------------------

void RtpengineTap::offer(CallKey /*call*/, const LegSdp& /*sdp*/, SdpDone done) {
    done(not_ours());
}
void RtpengineTap::answer(CallKey /*call*/, const LegSdp& /*sdp*/, SdpDone done) {
    done(not_ours());
}
void RtpengineTap::rollback(CallKey /*call*/, Leg /*offerer*/) {}

void RtpengineTap::remove(CallKey key) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    calls_.erase(key.value);
    call->jobs.close();
    if (!call->jobs.is_busy()) forget(call);
}

void RtpengineTap::forget(const CallPtr& call) {
    end_subscription(call, [] {});
}

// ---- the subscription ---------------------------------------------------------------------------

void RtpengineTap::subscribe(CallKey key, std::uint32_t id, const SubscribeOptions& options,
                             SubscriptionDone done) {
    const CallPtr call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (auto fault = find_fault(options)) return done(*std::move(fault));
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, id, options, done = std::move(done)] {
        start_subscribe(call, id, options, done);
    });
}

void RtpengineTap::start_subscribe(const CallPtr& call, std::uint32_t id,
                                   const SubscribeOptions& options, const SubscriptionDone& done) {
    const auto refuse = [&](Reason why) {
        done(std::move(why));
        finish(call);
    };
    if (!call->instance) return refuse(unknown_call());
    if (call->state && call->subscription != id)
        return refuse(
            {.code = "too_many_subscriptions", .text = "The call has a subscription already."});
    std::vector<Ask> questions;
    const auto failure = std::make_shared<std::optional<Reason>>();
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (options.only && *options.only != leg) continue;
        questions.push_back(request(call, leg, failure));
    }
    ask(call, std::move(questions), [this, call, id, options, done, failure] {
        call->subscription = id;
        Result<Subscription, Reason> made =
            *failure ? Result<Subscription, Reason>(**failure) : make_offer(*call, options);
        if (made || call->state) {
            done(std::move(made));
            return finish(call);
        }
        end_subscription(call, [this, call, done, why = made.error()] {
            if (!call->jobs.is_closed()) done(why);
            finish(call);
        });
    });
}

RtpengineTap::Ask RtpengineTap::request(const CallPtr& call, Leg leg,
                                        const std::shared_ptr<std::optional<Reason>>& failure) {
    NgDictionary command = about(*call, "subscribe request");
    command.set("from-tag", call->what.tags[index_of(leg)]);
    command.set("flags", NgList{"siprec"});
    const LegTap& tap = call->legs[index_of(leg)];
    if (!tap.handle.empty()) command.set("to-tag", tap.handle);
    return {std::move(command), [call, leg, failure](const NgClient::Answer& answer) {
                if (!answer) {
                    if (failure) *failure = answer.error();
                    return;
                }
                LegTap& made = call->legs[index_of(leg)];
                made.handle = answer->text("to-tag");
                made.offer = answer->text("sdp");
                made.is_open = true;
            }};
}

Result<Subscription, Reason> RtpengineTap::make_offer(Call& call, const SubscribeOptions& options) {
    Negotiation negotiation;
    NetAddress address;
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (options.only && *options.only != leg) continue;
        const std::string text = party_text(call.legs[index_of(leg)].offer);
        auto description = read_leg({.from = leg, .text = text, .signalled_by = {}});
        if (!description)
            return Reason{"media_server_nonsense",
                          "RTPEngine's description of the call cannot be read."};
        for (const auto& medium : (*description)->sdp->media)
            if (const auto at = sdp::rtp_address(*(*description)->sdp, medium);
                at && address.is_unspecified())
                address = *at;
        if (options.only || leg == Leg::A)
            negotiation.offer(leg, *std::move(description));
        else
            negotiation.answer(leg, *std::move(description));
    }
    call.negotiation = negotiation;
    const bool is_new = !call.state;
    if (is_new) call.state.emplace(random_.u32());
    SubscriptionState& state = *call.state;
    state.set_options(options);
    if (options.is_paused) take_targets(call, state.stop());
    const std::vector<LiveLine> lines = live_lines(call);
    for (const std::uint64_t fork : state.end_others(negotiation, lines)) call.targets.erase(fork);
    for (const auto& wanted : state.missing(negotiation, lines)) {
        if (!state.has_room()) break;  // until the end of others has been told
        const std::uint16_t port = negotiation.medium(wanted.from, wanted.line.line)->port;
        state.add(negotiation, wanted, ++last_fork_, port, std::make_shared<ForkCounters>());
        call.targets[last_fork_] = {
            .from = wanted.from, .line = wanted.line.line, .rtp = {}, .rtcp = {}};
    }
    if (state.places().empty()) {
        call.state.reset();
        return Reason{.code = "no_media",
                      .text = "The call has no media yet that could be recorded."};
    }
    return state.offer(negotiation, address);
}

// A line has another life when RTPEngine sends it from another port.
std::vector<LiveLine> RtpengineTap::live_lines(const Call& call) {
    std::vector<LiveLine> live;
    for (std::size_t line = 0; line < call.negotiation.lines(); ++line) {
        if (!call.negotiation.is_relayed(line)) continue;
        std::uint64_t id = line + 1;
        for (const Leg leg : {Leg::A, Leg::B})
            if (const auto* medium = call.negotiation.medium(leg, line))
                id = (id << 16) + medium->port;
        live.push_back({.line = line, .id = id});
    }
    return live;
}

void RtpengineTap::answer_subscription(CallKey key, std::uint32_t id, std::string_view sdp,
                                       PlaneDone done) {
    const CallPtr call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, id, sdp = std::string(sdp), done = std::move(done)] {
        start_answer(call, id, sdp, done);
    });
}

void RtpengineTap::start_answer(const CallPtr& call, std::uint32_t id, const std::string& sdp,
                                const PlaneDone& done) {
    const auto refuse = [&](Reason why) {
        done(std::move(why));
        finish(call);
    };
    if (!call->state || call->subscription != id) return refuse(unknown_subscription());
    const auto answer = sdp::parse(sdp);
    if (!answer)
        return refuse(
            {.code = "sdp_malformed",
             .text = fmt::format("The server's answer cannot be read: {}.", answer.error().what)});
    const auto targets = call->state->answer(*answer);
    if (!targets)
        return refuse({.code = "bad_answer",
                       .text = fmt::format("The server's answer fits no offer of ours: {}.",
                                           targets.error().what)});
    take_targets(*call, *targets);
    tell_targets(call, done);
}

void RtpengineTap::take_targets(Call& call, const std::vector<ForkTarget>& targets) {
    for (const ForkTarget& target : targets) {
        const auto known = call.targets.find(target.fork);
        if (known == call.targets.end()) continue;
        known->second.rtp = target.rtp;
        known->second.rtcp = target.rtcp;
    }
}

// RTPEngine refuses an answer that has not all of the formats that it offered with their names, as
// the server's may be, and those of lines with port 0; what the leg sends does not change by it. So
// the answer is its offer, turned round. Port 0 stops a line; `inactive` does not (10.5).
std::string RtpengineTap::leg_answer(const Call& call, Leg leg) {
    std::string answer;
    std::string_view rest = call.legs[index_of(leg)].offer;
    std::size_t lines = 0;
    while (!rest.empty()) {
        const std::string_view line = base::trim(base::take_until(rest, '\n'));
        if (line.starts_with("m=")) {
            const Target target = target_of(call, leg, lines++);
            append_medium(answer, line, target.rtp, target.rtcp);
        } else if (line == "a=sendonly" || line == "a=inactive") {
            answer += "a=recvonly\r\n";
        } else if (!line.empty() && !line.starts_with("c=") && !line.starts_with("a=rtcp:")) {
            answer += line;
            answer += "\r\n";
        }
    }
    return answer;
}

RtpengineTap::Target RtpengineTap::target_of(const Call& call, Leg leg, std::size_t line) {
    for (const auto& [fork, target] : call.targets)
        if (target.from == leg && target.line == line) return target;
    return {.from = leg, .line = line, .rtp = {}, .rtcp = {}};
}

// A subscription that was ended because it could not be stopped otherwise is made again first.
void RtpengineTap::tell_targets(const CallPtr& call, const PlaneDone& done) {
    std::vector<Ask> questions;
    for (const Leg leg : {Leg::A, Leg::B}) {
        const LegTap& tap = call->legs[index_of(leg)];
        if (!tap.handle.empty() && !tap.is_open) questions.push_back(request(call, leg, nullptr));
    }
    ask(call, std::move(questions), [this, call, done] { tell_open_targets(call, done); });
}

void RtpengineTap::tell_open_targets(const CallPtr& call, const PlaneDone& done) {
    std::vector<Ask> questions;
    const auto failure = std::make_shared<std::optional<Reason>>();
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (call->legs[index_of(leg)].handle.empty()) continue;
        NgDictionary command = about(*call, "subscribe answer");
        command.set("to-tag", call->legs[index_of(leg)].handle);
        command.set("sdp", leg_answer(*call, leg));
        questions.push_back({std::move(command), [failure](const NgClient::Answer& answer) {
                                 if (!answer) *failure = answer.error();
                             }});
    }
    ask(call, std::move(questions), [this, call, failure, done] {
        if (*failure)
            done(**failure);
        else
            done(base::Done{});
        finish(call);
    });
}

// What is to stop must stop: where RTPEngine does not take the answer that says so, it loses the
// subscription.
void RtpengineTap::stop(const CallPtr& call) {
    std::vector<Ask> questions;
    const auto has_failed = std::make_shared<bool>(false);
    for (const Leg leg : {Leg::A, Leg::B}) {
        const LegTap& tap = call->legs[index_of(leg)];
        if (tap.handle.empty() || !tap.is_open) continue;
        NgDictionary command = about(*call, "subscribe answer");
        command.set("to-tag", tap.handle);
        command.set("sdp", leg_answer(*call, leg));
        questions.push_back({std::move(command), [has_failed](const NgClient::Answer& answer) {
                                 if (!answer) *has_failed = true;
                             }});
    }
    ask(call, std::move(questions), [this, call, has_failed] {
        if (!*has_failed) return finish(call);
        std::vector<Ask> last;
        for (LegTap& tap : call->legs) {
            if (tap.handle.empty() || !tap.is_open) continue;
            tap.is_open = false;
            NgDictionary command = about(*call, "unsubscribe");
            command.set("to-tag", tap.handle);
            last.push_back({std::move(command), [](const NgClient::Answer&) {}});
        }
        ask(call, std::move(last), [this, call] { finish(call); });
    });
}

void RtpengineTap::stop_subscription(CallKey key, std::uint32_t id, Stop /*why*/) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    call->jobs.add([this, call, id] {
        if (!call->state || call->subscription != id) return finish(call);
        take_targets(*call, call->state->stop());
        stop(call);
    });
}

void RtpengineTap::unsubscribe(CallKey key, std::uint32_t id) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    call->jobs.add([this, call, id] {
        if (call->subscription != id) return finish(call);
        end_subscription(call, [this, call] { finish(call); });
    });
}

void RtpengineTap::end_subscription(const CallPtr& call, Job then) {
    std::vector<NgDictionary> commands;
    for (LegTap& leg : call->legs) {
        if (leg.handle.empty()) continue;
        commands.push_back(about(*call, "unsubscribe"));
        commands.back().set("to-tag", std::exchange(leg, {}).handle);
    }
    call->state.reset();
    call->targets.clear();
    if (commands.empty()) return then();
    const auto open = std::make_shared<std::size_t>(commands.size());
    for (const NgDictionary& command : commands)
        client_.send(clock_.now().steady, *call->instance, command,
                     [open, then](base::TimePoint, const NgClient::Answer&) {
                         if (--*open == 0) then();
                     });
}

}  // namespace earshot::relay
