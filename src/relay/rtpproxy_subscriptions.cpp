// RtpproxyPlane's subscriptions, and what it knows of its calls.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/limits.h"
#include "relay/rtpproxy_parts.h"
#include "relay/rtpproxy_plane.h"

namespace earshot::relay {

using base::Errc;
using base::Reason;
using base::Result;

using rtpproxy::stream_of;
using rtpproxy::unknown_call;

namespace {

constexpr std::uint16_t kFirstInventedPort = 35'000;
constexpr std::uint16_t kLastInventedPort = 64'998;

Reason unknown_subscription() {
    return {.code = "unknown_subscription", .text = "The call has no such subscription."};
}

}  // namespace

std::vector<LiveLine> RtpproxyPlane::live_lines(const Call& call) {
    std::vector<LiveLine> live;
    for (const auto& [number, line] : call.lines)
        if (call.negotiation.is_relayed(number)) live.push_back({.line = number, .id = line.id});
    return live;
}

// ---- subscriptions ------------------------------------------------------------------------------

void RtpproxyPlane::subscribe(CallKey key, std::uint32_t id, const SubscribeOptions& options,
                              SubscriptionDone done) {
    const CallPtr call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (auto fault = find_fault(options)) return done(*std::move(fault));
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, id, options, done = std::move(done)] {
        start_subscribe(call, id, options, done);
    });
}

void RtpproxyPlane::start_subscribe(const CallPtr& call, std::uint32_t id,
                                    const SubscribeOptions& options, const SubscriptionDone& done) {
    const auto refuse = [&](Reason why) {
        done(std::move(why));
        finish(call);
    };
    if (!call->was_made) return refuse(unknown_call());
    const bool is_known = call->subscriptions.contains(id);
    if (!is_known && !call->subscriptions.empty())
        return refuse({.code = "too_many_subscriptions",
                       .text = "RTPProxy copies the media of a call to one server only."});
    const auto entry = call->subscriptions.try_emplace(id, random_.u32()).first;
    SubscriptionState& state = entry->second;
    state.set_options(options);
    if (options.is_paused) want(*call, state.stop());
    end_forks(*call, state.end_others(call->negotiation, live_lines(*call)));
    for (const auto& wanted : state.missing(call->negotiation, live_lines(*call))) {
        if (!state.has_room()) break;  // until the end of others has been told
        last_port_ = last_port_ >= kLastInventedPort ? kFirstInventedPort
                                                     : static_cast<std::uint16_t>(last_port_ + 2);
        state.add(call->negotiation, wanted, ++last_id_, last_port_,
                  std::make_shared<ForkCounters>());
        call->copies[last_id_] = {.from = wanted.from,
                                  .line = wanted.line.line,
                                  .wanted = {},
                                  .running = {},
                                  .has_ended = false};
    }
    if (state.places().empty()) {
        const base::Reason unreadable = state.left_out(call->negotiation);
        call->subscriptions.erase(entry);
        if (!unreadable.code.empty()) return refuse(unreadable);
        return refuse(
            {.code = "no_media", .text = "The call has no media yet that could be recorded."});
    }
    // What is to stop has stopped before the server is told so.
    sync_copies(call, [this, call, id, done](const std::optional<Reason>&) {
        done(call->subscriptions.at(id).offer(call->negotiation, media_address(*call)));
        finish(call);
    });
}

void RtpproxyPlane::answer_subscription(CallKey key, std::uint32_t id, std::string_view sdp,
                                        PlaneDone done) {
    const CallPtr call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, id, sdp = std::string(sdp), done = std::move(done)] {
        start_answer_subscription(call, id, sdp, done);
    });
}

void RtpproxyPlane::start_answer_subscription(const CallPtr& call, std::uint32_t id,
                                              const std::string& sdp, const PlaneDone& done) {
    const auto refuse = [&](Reason why) {
        done(std::move(why));
        finish(call);
    };
    if (!call->was_made) return refuse(unknown_call());
    const auto found = call->subscriptions.find(id);
    if (found == call->subscriptions.end()) return refuse(unknown_subscription());
    const auto answer = sdp::parse(sdp);
    if (!answer)
        return refuse(
            {.code = "sdp_malformed",
             .text = fmt::format("The server's answer cannot be read: {}.", answer.error().what)});
    const auto targets = found->second.answer(*answer);
    if (!targets)
        return refuse({.code = "bad_answer",
                       .text = fmt::format("The server's answer fits no offer of ours: {}.",
                                           targets.error().what)});
    want(*call, *targets);
    sync_copies(call, [this, call, done](std::optional<Reason> fault) {
        if (fault)
            done(*std::move(fault));
        else
            done(base::Done{});
        finish(call);
    });
}

void RtpproxyPlane::stop_subscription(CallKey key, std::uint32_t id, Stop /*why*/) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    call->jobs.add([this, call, id] {
        const auto found = call->subscriptions.find(id);
        if (found != call->subscriptions.end()) want(*call, found->second.stop());
        sync_copies(call, [this, call](const std::optional<Reason>&) { finish(call); });
    });
}

void RtpproxyPlane::unsubscribe(CallKey key, std::uint32_t id) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    call->jobs.add([this, call, id] {
        const auto found = call->subscriptions.find(id);
        if (found != call->subscriptions.end()) {
            end_forks(*call, found->second.end_others(call->negotiation, {}));
            call->subscriptions.erase(found);
        }
        sync_copies(call, [this, call](const std::optional<Reason>&) { finish(call); });
    });
}

// ---- copies -------------------------------------------------------------------------------------

void RtpproxyPlane::want(Call& call, const std::vector<ForkTarget>& targets) {
    for (const ForkTarget& target : targets) {
        const auto copy = call.copies.find(target.fork);
        if (copy != call.copies.end()) copy->second.wanted = target.rtp;
    }
}

void RtpproxyPlane::end_forks(Call& call, const std::vector<std::uint64_t>& forks) {
    for (const std::uint64_t fork : forks) {
        const auto copy = call.copies.find(fork);
        if (copy == call.copies.end()) continue;
        copy->second.wanted = {};
        copy->second.has_ended = true;
    }
}

// RTPProxy keeps the first target of a copy, so one that moves is stopped first.
void RtpproxyPlane::sync_copies(const CallPtr& call, const Synced& then) {
    std::vector<Step> steps;
    const auto fault = std::make_shared<std::optional<Reason>>();
    for (const auto& [fork, copy] : call->copies) {
        if (copy.running.is_unspecified() || copy.running == copy.wanted) continue;
        if (!call->lines.contains(copy.line)) continue;  // it went with its line
        steps.push_back({.command = rtpproxy_stop_copy(stream_of(call->id, copy.from, copy.line)),
                         .take = [this, call, id = fork, fault](const Answer& answer) {
                             const auto told = answer ? parse_rtpproxy_done(*answer)
                                                      : base::Error{Errc::Io, "silent"};
                             // What it does not know, it does not copy either.
                             if (told || told.error().code == Errc::NotFound)
                                 call->copies.at(id).running = {};
                             else
                                 *fault = answer ? rtpproxy::reason_of(told.error(),
                                                                       client_.name(call->instance))
                                                 : answer.error();
                         }});
    }
    run(call, std::move(steps), [this, call, fault, then] { start_copies(call, fault, then); });
}

void RtpproxyPlane::start_copies(const CallPtr& call,
                                 const std::shared_ptr<std::optional<Reason>>& fault,
                                 const Synced& then) {
    std::vector<Step> steps;
    for (auto entry = call->copies.begin(); entry != call->copies.end();) {
        const Copy& copy = entry->second;
        const bool has_line = call->lines.contains(copy.line);
        if ((copy.has_ended && copy.running.is_unspecified()) || !has_line) {
            entry = call->copies.erase(entry);
            continue;
        }
        if (copy.running.is_unspecified() && !copy.wanted.is_unspecified())
            steps.push_back(
                {.command = rtpproxy_copy(stream_of(call->id, copy.from, copy.line), copy.wanted),
                 .take = [this, call, id = entry->first, to = copy.wanted,
                          fault](const Answer& answer) {
                     if (!answer) {
                         *fault = answer.error();
                     } else if (const auto told = parse_rtpproxy_done(*answer); !told) {
                         *fault = rtpproxy::reason_of(told.error(), client_.name(call->instance));
                     } else {
                         call->copies.at(id).running = to;
                     }
                 }});
        ++entry;
    }
    run(call, std::move(steps), [fault, then] { then(*fault); });
}

// ---- figures ------------------------------------------------------------------------------------

void RtpproxyPlane::on_time(base::TimePoint now) {
    client_.on_time(now);
    if (calls_.empty() || now < next_poll_) return;
    next_poll_ = now + kFigureTick;
    // A share of the calls at each tick, so that all have had their turn within kFigureTime.
    const std::size_t share = calls_.size() * static_cast<std::size_t>(kFigureTick.count()) /
                                  static_cast<std::size_t>(kFigureTime.count()) +
                              1;
    for (std::size_t i = 0; i < share; ++i) {
        auto found = calls_.upper_bound(last_polled_);
        if (found == calls_.end()) found = calls_.begin();
        last_polled_ = found->first;
        poll(now, found->second);
    }
}

std::optional<base::TimePoint> RtpproxyPlane::deadline() const {
    const auto answer = client_.deadline();
    return calls_.empty() || !answer ? answer : std::min(*answer, next_poll_);
}

void RtpproxyPlane::poll(base::TimePoint now, const CallPtr& call) {
    if (client_.state(call->instance) != RtpproxyClient::State::Fit || call->jobs.is_busy()) return;
    for (const auto& [number, line] : call->lines)
        client_.request(now, call->instance, rtpproxy_query(stream_of(call->id, Leg::A, number)),
                        [this, call, at = number, id = line.id](base::TimePoint answered,
                                                                const Answer& answer) {
                            take_figures(answered, call, at, id, answer);
                        });
    // A stop that was not answered is asked for again.
    const bool is_behind = std::any_of(call->copies.begin(), call->copies.end(), [](auto& entry) {
        return entry.second.running != entry.second.wanted;
    });
    if (is_behind)
        call->jobs.add([this, call] {
            sync_copies(call, [this, call](const std::optional<Reason>&) { finish(call); });
        });
}

void RtpproxyPlane::take_figures(base::TimePoint now, const CallPtr& call, std::size_t number,
                                 std::uint64_t id, const Answer& answer) {
    const auto line = call->lines.find(number);
    if (call->jobs.is_closed() || line == call->lines.end() || line->second.id != id || !answer)
        return;
    const auto figures = parse_rtpproxy_figures(*answer);
    if (figures) {
        const std::array<std::uint64_t, 2> packets{figures->from, figures->to};
        for (const Leg leg : {Leg::A, Leg::B}) {
            PacketCount& count = line->second.from[index_of(leg)];
            if (count.packets != packets[index_of(leg)]) count.last = now;
            count.packets = packets[index_of(leg)];
        }
        return;
    }
    // While it is being negotiated anew, the answer may be of before. A stream on hold is forgotten
    // after a minute of silence and made again when it goes on.
    const bool may_flow =
        call->negotiation.may_send(Leg::A, number) || call->negotiation.may_send(Leg::B, number);
    if (figures.error().code == Errc::NotFound && may_flow && !call->jobs.is_busy() &&
        call->negotiation.is_complete())
        tell_lost(call);
}

void RtpproxyPlane::tell_lost(const CallPtr& call) {
    if (call->jobs.is_closed() || std::exchange(call->was_told_lost, true) || !lost_) return;
    lost_(call->key, rtpproxy::reason_of({Errc::NotFound, ""}, client_.name(call->instance)));
}

std::vector<PlaneInstance> RtpproxyPlane::instances() const {
    std::vector<PlaneInstance> all;
    for (std::size_t i = 0; i < client_.size(); ++i) {
        all.push_back(client_.view(i));
        all.back().calls = static_cast<std::size_t>(
            std::count_if(calls_.begin(), calls_.end(),
                          [&](const auto& entry) { return entry.second->instance == i; }));
    }
    return all;
}

Result<CallMedia, Reason> RtpproxyPlane::query(CallKey key) const {
    const CallPtr call = find(key);
    if (call == nullptr || !call->was_made) return unknown_call();
    const base::TimePoint now = clock_.now().steady;
    CallMedia media;
    for (const auto& [number, line] : call->lines) {
        if (!call->negotiation.is_relayed(number)) continue;
        LineMedia view{.line = number, .media = line.media, .legs = {}, .silent = std::nullopt};
        std::array<bool, 2> is_heard{};
        for (const Leg leg : {Leg::A, Leg::B}) {
            LegMedia& of = view.legs[index_of(leg)];
            of.rtp = line.from[index_of(leg)];
            of.announced = line.announced[index_of(leg)];
            is_heard[index_of(leg)] = of.rtp.last && now - *of.rtp.last < kOneSided + kFigureTime;
        }
        const bool may_both = call->negotiation.is_complete() &&
                              call->negotiation.may_send(Leg::A, number) &&
                              call->negotiation.may_send(Leg::B, number);
        if (may_both && is_heard[0] != is_heard[1] && now - line.opened >= kOneSided + kFigureTime)
            view.silent = is_heard[0] ? Leg::B : Leg::A;
        media.lines.push_back(std::move(view));
    }
    for (const auto& [id, subscription] : call->subscriptions)
        for (const Place& place : subscription.places()) {
            const auto copy = call->copies.find(place.fork);
            if (place.fork == 0 || copy == call->copies.end()) continue;
            media.forks.push_back({.subscription = id,
                                   .label = place.label,
                                   .from = place.from,
                                   .line = place.line.line,
                                   .is_open = !copy->second.running.is_unspecified(),
                                   .to = copy->second.running,
                                   .rtp = {},
                                   .rtcp = {},
                                   .from_server = {}});
        }
    return media;
}

}  // namespace earshot::relay
