// The media of a conference as its recordings see it: each participant is a call of the media plane
// (leg A is its phone, leg B the mixer), and a recording subscribes to all of them at once. What
// they offer one by one becomes one offer, and the server's answer is each one's share again
// (joint_state.h). The mix itself may be a member, too. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/joint_state.h"
#include "relay/media_plane.h"

namespace earshot::client {

class ConferencePlane : public relay::MediaPlane {
public:
    struct Member {
        std::uint32_t number = 0;            // of its streams' labels; 0: the mix
        relay::CallKey key;                  // at the plane below
        bool is_paused = false;              // nothing of it is recorded now: it is muted
        std::vector<std::string> media{};    // of it that are recorded; empty: all
        bool leaves_content = false;         // as of relay::SubscribeOptions
        relay::MediaPlane* plane = nullptr;  // that has it, where it is not the plane below
    };

    // `plane` must outlive it. `host`: as servers are told it, in o= alone.
    ConferencePlane(relay::MediaPlane& plane, std::string host)
        : plane_(plane), host_(std::move(host)) {}

    // Who is to be recorded from the next subscribe() on. A conference is there from its first
    // members until remove().
    void set_members(relay::CallKey conference, std::vector<Member> members);
    // The conference that has this member, where there is one.
    std::optional<relay::CallKey> conference_of(relay::CallKey member) const;

    // ---- MediaPlane. Reason not_ours: its members are negotiated at the plane below.
    void offer(relay::CallKey call, const relay::LegSdp& sdp, relay::SdpDone done) override;
    void answer(relay::CallKey call, const relay::LegSdp& sdp, relay::SdpDone done) override;
    void rollback(relay::CallKey /*call*/, relay::Leg /*offerer*/) override {}
    void remove(relay::CallKey call) override { conferences_.erase(call.value); }
    void subscribe(relay::CallKey call, std::uint32_t subscription,
                   const relay::SubscribeOptions& options, relay::SubscriptionDone done) override;
    void answer_subscription(relay::CallKey call, std::uint32_t subscription, std::string_view sdp,
                             relay::PlaneDone done) override;
    void stop_subscription(relay::CallKey call, std::uint32_t subscription,
                           relay::Stop why) override;
    void unsubscribe(relay::CallKey call, std::uint32_t subscription) override;
    base::Result<relay::CallMedia, base::Reason> query(relay::CallKey call) const override;

private:
    struct Part {
        Member member;
        siprec::CsState state{};  // its offer alone
        std::vector<relay::SubscribedStream> streams{};
        bool is_offered = false;
    };
    struct Subscription {
        explicit Subscription(JointLines its_lines) : lines(std::move(its_lines)) {}
        JointLines lines;
        std::vector<Part> parts{};
        base::Reason fault{};      // of a member that could not be subscribed to
        std::size_t asked = 0;     // members that have not answered yet
        std::uint64_t serial = 0;  // of the question; older answers count no more
    };
    struct Conference {
        std::vector<Member> members{};
        // Kept by what waits for the plane below, which may answer after remove().
        std::map<std::uint32_t, std::shared_ptr<Subscription>> subscriptions{};
    };

    relay::MediaPlane& plane_of(const Member& member) const {
        return member.plane != nullptr ? *member.plane : plane_;
    }
    Conference* find(relay::CallKey call);
    const Conference* find(relay::CallKey call) const;
    static void finish(Subscription& asked, const relay::SubscriptionDone& done);

    relay::MediaPlane& plane_;
    std::string host_;
    std::map<std::uint64_t, Conference> conferences_;  // by key
};

}  // namespace earshot::client
