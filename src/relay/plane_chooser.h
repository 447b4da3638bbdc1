// Which media plane a call gets: one in other processes while it takes new calls; while it does
// not, the relay of our own, or none, as the operator has decided. That is settled by the call's
// first offer, before either leg has been told an address. From then on the call stays where it is,
// so no call ever has one leg here and the other there.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/media_plane.h"

namespace earshot::relay {

struct PlaneChoices {
    std::uint64_t foreign = 0;   // calls that it took
    std::uint64_t built_in = 0;  // that it did not, and our own relay did
    std::uint64_t refused = 0;   // that neither did
};

class PlaneChooser : public MediaPlane {
public:
    // Both must outlive it. `built_in` null: a call that `foreign` does not take is refused.
    PlaneChooser(MediaPlane& foreign, MediaPlane* built_in);

    // Called with the reason when `foreign` did not take a call.
    void when_passed_over(std::function<void(CallKey, const base::Reason&)> told) {
        passed_over_ = std::move(told);
    }
    PlaneChoices choices() const { return choices_; }

    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription,
                           Stop why = Stop::Wanted) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    void on_server_silent(ServerSilent told) override;
    base::Result<base::Done, base::Reason> play(CallKey call, Leg to, SoundPtr sound) override;
    void on_metadata_told(CallKey call, std::uint32_t subscription, std::uint64_t serial) override;
    bool takes_chat(CallKey call, std::size_t line) const override;
    void say(CallKey call, Leg to, std::string_view text) override;
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

private:
    // Something that is said of a call; to nobody when no plane has it.
    using Verb = std::function<void(MediaPlane*)>;
    struct Choice {
        MediaPlane* plane = nullptr;  // once it is settled, null while that is told: none
        bool is_settled = false;
        std::uint64_t serial = 0;
        std::vector<Verb> waiting;  // of meanwhile, in order
    };
    struct FirstOffer {
        Leg from = Leg::A;
        std::string text;
        base::NetAddress signalled_by;
        bool is_told_inside = false;
        SdpDone done;

        LegSdp sdp() const {
            return {.from = from,
                    .text = text,
                    .signalled_by = signalled_by,
                    .is_told_inside = is_told_inside};
        }
    };
    void on_offered(CallKey call, std::uint64_t serial, const FirstOffer& offer,
                    const base::Result<std::string, base::Reason>& mapped);
    // The choice is made, for `plane` or, null, for none.
    void settle(CallKey call, MediaPlane* plane, const std::function<void()>& tell);
    // At once where there is no such call.
    void when_settled(CallKey call, Verb verb);
    MediaPlane* plane_of(CallKey call) const;  // null: not settled, or none

    MediaPlane& foreign_;
    MediaPlane* const built_in_;
    std::function<void(CallKey, const base::Reason&)> passed_over_;
    std::unordered_map<std::uint64_t, Choice> calls_;
    std::set<std::uint64_t> left_;  // the last calls of the plane built in that are over
    std::uint64_t last_serial_ = 0;
    PlaneChoices choices_;
};

}  // namespace earshot::relay
