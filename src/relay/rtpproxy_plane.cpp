#include "relay/rtpproxy_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/limits.h"
#include "relay/rtpproxy_parts.h"

namespace earshot::relay {

using base::Errc;
using base::NetAddress;
using base::Reason;
using base::Result;

using rtpproxy::stream_of;
using rtpproxy::unknown_call;

namespace {

constexpr std::uint16_t kFirstInventedPort = 35'000;
constexpr std::size_t kPrefixBytes = 6;

std::vector<std::string> names(const std::vector<NetAddress>& instances) {
    std::vector<std::string> all;
    for (const NetAddress& address : instances) all.push_back(base::to_string(address));
    return all;
}

// Unspecified: a name, or on hold by c=0.0.0.0.
NetAddress rtp_of(const LegDescription& description, std::size_t line) {
    const auto& medium = description.sdp->media[line];
    if (description.sdp->is_held_by_address(medium)) return {};
    return sdp::rtp_address(*description.sdp, medium).value_or(NetAddress{});
}

}  // namespace

RtpproxyPlane::RtpproxyPlane(std::vector<NetAddress> instances, ControlLink& link,
                             const io::Clock& clock, base::Random& random)
    : instances_(std::move(instances)),
      clock_(clock),
      random_(random),
      client_(names(instances_), link, random),
      prefix_(random.token(kPrefixBytes)),
      last_port_(kFirstInventedPort) {}

RtpproxyPlane::~RtpproxyPlane() = default;

RtpproxyPlane::CallPtr RtpproxyPlane::find(CallKey call) const {
    const auto found = calls_.find(call.value);
    return found == calls_.end() ? nullptr : found->second;
}

// ---- one after the other ------------------------------------------------------------------------

void RtpproxyPlane::finish(const CallPtr& call) {
    if (call->jobs.is_closed()) return forget(call);
    call->jobs.finish();
}

void RtpproxyPlane::run(const CallPtr& call, std::vector<Step> steps, Job then) {
    if (steps.empty()) return then();
    const auto open = std::make_shared<std::size_t>(steps.size());
    for (Step& step : steps)
        client_.request(clock_.now().steady, call->instance, step.command,
                        [this, call, open, then, take = std::move(step.take)](
                            base::TimePoint, const Answer& answer) {
                            if (!call->jobs.is_closed()) take(answer);
                            if (--*open > 0) return;
                            if (call->jobs.is_closed()) return finish(call);
                            then();
                        });
}

void RtpproxyPlane::forget(const CallPtr& call) {
    client_.request(clock_.now().steady, call->instance,
                    rtpproxy_delete_call(call->id, rtpproxy::kTags[0], rtpproxy::kTags[1]),
                    [](base::TimePoint, const Answer&) {});
}

// ---- offers and answers -------------------------------------------------------------------------

void RtpproxyPlane::offer(CallKey key, const LegSdp& sdp, SdpDone done) {
    auto description = read_leg(sdp);
    if (!description) return done(description.error());
    CallPtr call = find(key);
    if (call == nullptr) {
        if (calls_.size() >= kMaxCalls)
            return done(Reason{.code = "too_many_calls",
                               .text = fmt::format("{} calls are relayed already.", kMaxCalls)});
        const auto instance = client_.pick({});
        if (!instance) return done(rtpproxy::no_instance());
        call = std::make_shared<Call>(key, random_.u32(), random_.u32());
        call->id = fmt::format("earshot-{}-{}", prefix_, ++last_id_);
        call->instance = *instance;
        calls_.emplace(key.value, call);
    }
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, from = sdp.from, description = *std::move(description),
                    done = std::move(done)] { start_offer(call, from, description, done); });
}

RtpproxyPlane::Step RtpproxyPlane::ask_port(const Call& call, std::size_t line, std::string command,
                                            const std::shared_ptr<Ports>& ports) const {
    return {.command = std::move(command),
            .take = [ports, line, name = client_.name(call.instance)](const Answer& answer) {
                if (!answer) {
                    ports->failure = answer.error();
                } else if (const auto port = parse_rtpproxy_port(*answer)) {
                    ports->of_line[line] = *port;
                } else {
                    ports->failure = rtpproxy::reason_of(port.error(), name);
                }
            }};
}

RtpproxyPlane::Step RtpproxyPlane::delete_line(const Call& call, std::size_t line) const {
    return {.command = rtpproxy_delete(stream_of(call.id, Leg::A, line)),
            .take = [](const Answer&) {}};
}

void RtpproxyPlane::start_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                                const SdpDone& done) {
    std::vector<Step> steps;
    // What ended with the offer before was kept until now, since another fork of the call might
    // have answered it otherwise.
    for (auto line = call->lines.begin(); line != call->lines.end();) {
        const bool has_ended =
            call->negotiation.is_complete() && !call->negotiation.is_relayed(line->first);
        if (has_ended) steps.push_back(delete_line(*call, line->first));
        line = has_ended ? call->lines.erase(line) : std::next(line);
    }
    const auto ports = std::make_shared<Ports>();
    const auto& media = description->sdp->media;
    for (std::size_t line = 0; line < media.size(); ++line) {
        if (!is_relayable(media[line])) continue;
        const NetAddress to = rtp_of(*description, line);
        RtpproxyStream stream = stream_of(call->id, from, line);
        const auto known = call->lines.find(line);
        if (known == call->lines.end())
            stream.to = {};
        else
            known->second.announced[index_of(from)] = to;
        steps.push_back(ask_port(*call, line, rtpproxy_update(stream, to), ports));
    }
    run(call, std::move(steps), [this, call, from, description, ports, done] {
        if (ports->failure) return fail_offer(call, from, description, *ports->failure, done);
        take_offer(call, from, description, *ports, done);
    });
}

void RtpproxyPlane::take_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                               const Ports& ports, const SdpDone& done) {
    for (const auto& [number, port] : ports.of_line) {
        const auto [entry, is_new] = call->lines.try_emplace(number);
        Line& line = entry->second;
        if (is_new) {
            line.id = ++last_id_;
            line.media = std::string(description->sdp->media[number].media);
            line.opened = clock_.now().steady;
        }
        set_facing(*call, other(from), number, port);
        line.announced[index_of(from)] = rtp_of(*description, number);
    }
    call->was_made = true;
    call->negotiation.offer(from, description);
    done(tell(*call, other(from), *description));
    finish(call);
}

// Another port than before: RTPProxy has forgotten the stream (it was restarted, or nothing came
// for a minute of hold) and made a new one. This exchange tells both legs of it; copies begin anew.
void RtpproxyPlane::set_facing(Call& call, Leg to, std::size_t number, const RtpproxyPort& port) {
    Line& line = call.lines.at(number);
    RtpproxyPort& known = line.facing[index_of(to)];
    if (known.port != 0 && known.port != port.port) {
        line.facing = {};
        for (auto& [fork, copy] : call.copies)
            if (copy.line == number) copy.running = {};
    }
    known = port;
}

void RtpproxyPlane::fail_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                               const Reason& failure, const SdpDone& done) {
    if (call->was_made) {
        std::vector<Step> steps = restore(*call, from);
        // Lines that only this offer has.
        for (std::size_t line = 0; line < description->sdp->media.size(); ++line)
            if (is_relayable(description->sdp->media[line]) && !call->lines.contains(line))
                steps.push_back(delete_line(*call, line));
        done(failure);
        return run(call, std::move(steps), [this, call] { finish(call); });
    }
    forget(call);
    call->tried.push_back(call->instance);
    if (const auto instance = client_.pick(call->tried)) {
        call->instance = *instance;
        return start_offer(call, from, description, done);
    }
    calls_.erase(call->key.value);
    done(failure);
    call->jobs.finish();  // all that waits is told that there is no such call
}

void RtpproxyPlane::answer(CallKey key, const LegSdp& sdp, SdpDone done) {
    const CallPtr call = find(key);
    if (call == nullptr) return done(unknown_call());
    auto description = read_leg(sdp);
    if (!description) return done(description.error());
    if (!call->jobs.has_room()) return done(too_much_waits());
    call->jobs.add([this, call, from = sdp.from, description = *std::move(description),
                    done = std::move(done)] { start_answer(call, from, description, done); });
}

void RtpproxyPlane::start_answer(const CallPtr& call, Leg from,
                                 const LegDescriptionPtr& description, const SdpDone& done) {
    const auto refuse = [&](Reason why) {
        done(std::move(why));
        finish(call);
    };
    if (!call->was_made) return refuse(unknown_call());
    Negotiation negotiation = call->negotiation;
    if (!negotiation.answer(from, description))
        return refuse(
            {.code = "no_offer", .text = "The other leg has made no offer that this answers."});
    std::vector<Step> steps;
    const auto ports = std::make_shared<Ports>();
    const auto& media = description->sdp->media;
    for (std::size_t line = 0; line < media.size(); ++line) {
        if (!is_relayable(media[line]) || !call->lines.contains(line)) continue;
        const NetAddress to = rtp_of(*description, line);
        call->lines.at(line).announced[index_of(from)] = to;
        steps.push_back(
            ask_port(*call, line, rtpproxy_lookup(stream_of(call->id, from, line), to), ports));
    }
    run(call, std::move(steps), [this, call, from, description, negotiation, ports, done] {
        if (ports->failure) {
            done(*ports->failure);
            if (ports->failure->code == "media_server_unknown_call") tell_lost(call);
            return run(call, restore(*call, from), [this, call] { finish(call); });
        }
        for (const auto& [line, port] : ports->of_line) set_facing(*call, other(from), line, port);
        call->negotiation = negotiation;
        done(tell(*call, other(from), *description));
        sync_copies(call, [this, call](const std::optional<Reason>&) { finish(call); });
    });
}

void RtpproxyPlane::rollback(CallKey key, Leg offerer) {
    if (const CallPtr call = find(key))
        call->jobs.add([this, call, offerer] { start_rollback(call, offerer); });
}

void RtpproxyPlane::start_rollback(const CallPtr& call, Leg offerer) {
    if (!call->negotiation.rollback(offerer)) return finish(call);
    std::vector<Step> steps = restore(*call, offerer);
    for (auto line = call->lines.begin(); line != call->lines.end();) {
        const bool was_added = !call->negotiation.is_relayed(line->first);  // by the offer
        if (was_added) steps.push_back(delete_line(*call, line->first));
        line = was_added ? call->lines.erase(line) : std::next(line);
    }
    run(call, std::move(steps), [this, call] { finish(call); });
}

// RTPProxy has heard of places of that leg which do not hold.
std::vector<RtpproxyPlane::Step> RtpproxyPlane::restore(Call& call, Leg leg) const {
    std::vector<Step> steps;
    for (auto& [number, line] : call.lines) {
        const NetAddress before = call.negotiation.remote(leg, number).rtp;
        NetAddress& announced = line.announced[index_of(leg)];
        if (before.is_unspecified() || before == announced) continue;
        announced = before;
        steps.push_back({.command = rtpproxy_update(stream_of(call.id, leg, number), before),
                         .take = [](const Answer&) {}});
    }
    return steps;
}

void RtpproxyPlane::remove(CallKey key) {
    const CallPtr call = find(key);
    if (call == nullptr) return;
    calls_.erase(key.value);
    call->jobs.close();
    // What is under way could make it anew behind the D, so that waits.
    if (!call->jobs.is_busy()) forget(call);
}

NetAddress RtpproxyPlane::media_address(const Call& call) const {
    for (const auto& [number, line] : call.lines)
        for (const RtpproxyPort& facing : line.facing)
            if (facing.port != 0 && facing.address) return *facing.address;
    return instances_[call.instance];
}

// What `from` says, as `to` is to see it.
std::string RtpproxyPlane::tell(Call& call, Leg to, const LegDescription& from) const {
    SdpTold& told = call.told[index_of(to)];
    SdpEdit edit{.session_id = told.session_id(),
                 .session_version = 0,
                 .address = media_address(call),
                 .lines = {}};
    for (std::size_t number = 0; number < from.sdp->media.size(); ++number) {
        const auto line = call.lines.find(number);
        SdpEdit::Line decision;  // refused: RTP that was not offered
        if (!is_relayable(from.sdp->media[number])) {
            decision.fate = SdpEdit::Fate::Pass;
        } else if (line != call.lines.end()) {
            const RtpproxyPort& facing = line->second.facing[index_of(to)];
            if (facing.address) edit.address = *facing.address;
            decision = {.fate = SdpEdit::Fate::Relay,
                        .rtp_port = facing.port,
                        .rtcp_port = static_cast<std::uint16_t>(facing.port + 1)};
        }
        edit.lines.push_back(decision);
    }
    return told.tell([&](std::uint64_t version) {
        edit.session_version = version;
        return rewrite_sdp(from.sdp.text(), edit);
    });
}

}  // namespace earshot::relay
