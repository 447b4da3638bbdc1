#include "relay/plane_chooser.h"

#include <memory>
#include <string>
#include <utility>

namespace earshot::relay {

using base::Reason;
using base::Result;

namespace {

Reason unknown_call() {
    return {.code = "unknown_call", .text = "No media plane has such a call."};
}

}  // namespace

PlaneChooser::PlaneChooser(MediaPlane& foreign, MediaPlane* built_in)
    : foreign_(foreign), built_in_(built_in) {}

// ---- the choice ---------------------------------------------------------------------------------

void PlaneChooser::offer(CallKey call, const LegSdp& sdp, SdpDone done) {
    if (MediaPlane* plane = plane_of(call)) return plane->offer(call, sdp, std::move(done));
    FirstOffer offer{.from = sdp.from,
                     .text = std::string(sdp.text),
                     .signalled_by = sdp.signalled_by,
                     .is_told_inside = sdp.is_told_inside,
                     .done = std::move(done)};
    const auto known = calls_.find(call.value);
    if (known != calls_.end() && !known->second.is_settled) {
        // Replaces the one that is being decided about.
        known->second.waiting.emplace_back([call, offer = std::move(offer)](MediaPlane* plane) {
            if (plane == nullptr) return offer.done(unknown_call());
            plane->offer(call, offer.sdp(), offer.done);
        });
        return;
    }
    const std::uint64_t serial = ++last_serial_;
    calls_[call.value] = {.plane = &foreign_, .is_settled = false, .serial = serial, .waiting = {}};
    const auto shared = std::make_shared<const FirstOffer>(std::move(offer));
    foreign_.offer(call, sdp, [this, call, serial, shared](Result<std::string, Reason> mapped) {
        on_offered(call, serial, *shared, mapped);
    });
}

void PlaneChooser::on_offered(CallKey call, std::uint64_t serial, const FirstOffer& offer,
                              const Result<std::string, Reason>& mapped) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end() || found->second.serial != serial) return;
    if (mapped) {
        ++choices_.foreign;
        return settle(call, &foreign_, [&] { offer.done(mapped); });
    }
    foreign_.remove(call);
    const Reason reason = mapped.error();
    if (built_in_ == nullptr) {
        ++choices_.refused;
        if (passed_over_) passed_over_(call, reason);
        return settle(call, nullptr, [&] { offer.done(reason); });
    }
    if (passed_over_) passed_over_(call, reason);
    built_in_->offer(call, offer.sdp(), [this, call, &offer](Result<std::string, Reason> own) {
        ++(own ? choices_.built_in : choices_.refused);
        settle(call, own ? built_in_ : nullptr, [&] { offer.done(own); });
    });
}

// Whoever hears of it may remove the call, or offer it anew: then what waited is of the past.
void PlaneChooser::settle(CallKey call, MediaPlane* plane, const std::function<void()>& tell) {
    const auto found = calls_.find(call.value);
    const auto waiting = std::exchange(found->second.waiting, {});
    const std::uint64_t serial = found->second.serial;
    found->second.plane = plane;
    found->second.is_settled = true;
    const auto is_there = [&] {
        const auto still = calls_.find(call.value);
        return still != calls_.end() && still->second.serial == serial;
    };
    tell();
    for (const Verb& verb : waiting) {
        if (!is_there()) return;
        verb(plane);
    }
    if (plane == nullptr && is_there()) calls_.erase(call.value);
}

MediaPlane* PlaneChooser::plane_of(CallKey call) const {
    const auto found = calls_.find(call.value);
    if (found == calls_.end()) return left_.contains(call.value) ? built_in_ : nullptr;
    return found->second.is_settled ? found->second.plane : nullptr;
}

void PlaneChooser::when_settled(CallKey call, Verb verb) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end() || found->second.is_settled)
        verb(plane_of(call));
    else
        found->second.waiting.push_back(std::move(verb));
}

// ---- everything else ----------------------------------------------------------------------------

void PlaneChooser::on_metadata_told(CallKey call, std::uint32_t subscription,
                                    std::uint64_t serial) {
    if (MediaPlane* plane = plane_of(call)) plane->on_metadata_told(call, subscription, serial);
}

bool PlaneChooser::takes_chat(CallKey call, std::size_t line) const {
    const MediaPlane* plane = plane_of(call);
    return plane != nullptr && plane->takes_chat(call, line);
}

void PlaneChooser::say(CallKey call, Leg to, std::string_view text) {
    if (MediaPlane* plane = plane_of(call)) plane->say(call, to, text);
}

void PlaneChooser::answer(CallKey call, const LegSdp& sdp, SdpDone done) {
    if (MediaPlane* plane = plane_of(call)) return plane->answer(call, sdp, std::move(done));
    const auto found = calls_.find(call.value);
    if (found == calls_.end() || found->second.is_settled) return done(unknown_call());
    // Nobody has been told an offer yet that this could answer.
    done(Reason{.code = "no_offer", .text = "The other leg has made no offer that this answers."});
}

void PlaneChooser::rollback(CallKey call, Leg offerer) {
    when_settled(call, [=](MediaPlane* plane) {
        if (plane != nullptr) plane->rollback(call, offerer);
    });
}

void PlaneChooser::remove(CallKey call) {
    const auto node = calls_.extract(call.value);
    if (!node || node.mapped().plane == nullptr) return;
    node.mapped().plane->remove(call);
    if (node.mapped().plane != built_in_) return;
    constexpr std::size_t kRemembered = 1024;
    left_.insert(call.value);
    if (left_.size() > kRemembered) left_.erase(left_.begin());
}

void PlaneChooser::subscribe(CallKey call, std::uint32_t subscription,
                             const SubscribeOptions& options, SubscriptionDone done) {
    when_settled(call, [=](MediaPlane* plane) {
        if (plane == nullptr) return done(unknown_call());
        plane->subscribe(call, subscription, options, done);
    });
}

void PlaneChooser::answer_subscription(CallKey call, std::uint32_t subscription,
                                       std::string_view sdp, PlaneDone done) {
    when_settled(call, [call, subscription, text = std::string(sdp), done](MediaPlane* plane) {
        if (plane == nullptr) return done(unknown_call());
        plane->answer_subscription(call, subscription, text, done);
    });
}

void PlaneChooser::stop_subscription(CallKey call, std::uint32_t subscription, Stop why) {
    when_settled(call, [=](MediaPlane* plane) {
        if (plane != nullptr) plane->stop_subscription(call, subscription, why);
    });
}

void PlaneChooser::on_server_silent(ServerSilent told) {
    foreign_.on_server_silent(told);
    if (built_in_ != nullptr) built_in_->on_server_silent(std::move(told));
}

void PlaneChooser::unsubscribe(CallKey call, std::uint32_t subscription) {
    when_settled(call, [=](MediaPlane* plane) {
        if (plane != nullptr) plane->unsubscribe(call, subscription);
    });
}

// Before the choice the plane that is asked first has the call, if anyone does.
Result<base::Done, Reason> PlaneChooser::play(CallKey call, Leg to, SoundPtr sound) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end() || found->second.plane == nullptr) return unknown_call();
    return found->second.plane->play(call, to, std::move(sound));
}

Result<CallMedia, Reason> PlaneChooser::query(CallKey call) const {
    const auto found = calls_.find(call.value);
    const MediaPlane* plane = found == calls_.end() ? plane_of(call) : found->second.plane;
    if (plane == nullptr) return unknown_call();
    return plane->query(call);
}

}  // namespace earshot::relay
