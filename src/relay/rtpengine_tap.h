// Subscriptions to calls that others have made in RTPEngine: the calls of a proxy beside us, which
// we record and do not relay. A media plane of which only the subscriptions work, driven by the NG
// protocol. Without I/O; belongs to the signalling thread.
//
// Each leg is subscribed to by itself: RTPEngine 10.5 mixes up the lines of a subscription to a
// whole call when a line is added, and its labels are not unique in a call; those of one leg only
// grow. The legs' descriptions then make the same Negotiation and SubscriptionState as in any other
// plane. What the call does is not told to us; it is asked for every kTapPollTime.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "io/clock.h"
#include "relay/control_link.h"
#include "relay/job_queue.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/ng_client.h"
#include "relay/subscription_state.h"

namespace earshot::relay {

// A call as RTPEngine knows it. The first tag is the caller's.
struct TappedCall {
    std::string call_id{};
    std::array<std::string, 2> tags{};  // of leg A and leg B
    std::string instance{};             // HOST:PORT of the RTPEngine; empty: all are asked
};

class RtpengineTap : public MediaPlane, public ControlUser {
public:
    // `instances`: their NG sockets. All else must outlive it.
    RtpengineTap(const std::vector<base::NetAddress>& instances, ControlLink& link,
                 const io::Clock& clock, base::Random& random);
    ~RtpengineTap() override;

    // Looks which instance has the call; before anything else of it. Reasons: unknown_call (none
    // has it, or it lacks a tag), not_ready (none answers), bad_request (no such instance).
    void adopt(CallKey call, TappedCall what, PlaneDone done);
    std::string instance_of(CallKey call) const;  // empty: it is not known yet

    // The call has ended at its RTPEngine, or that does not answer any more. Told once.
    void when_gone(std::function<void(CallKey, const base::Reason&)> gone) {
        gone_ = std::move(gone);
    }
    // Lines were added, ended, put on hold: it must be subscribed to anew.
    void when_changed(std::function<void(CallKey)> changed) { changed_ = std::move(changed); }

    // Reason not_ours: who made the call negotiates it.
    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;  // ends our subscriptions, not the call
    // One subscription of a call.
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription, Stop why) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    // As of the last time it was asked for; what was sent to the server is not known.
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

    void on_datagram(base::TimePoint now, std::size_t instance, base::ByteView bytes) override {
        client_.on_datagram(now, instance, bytes);
    }
    void on_refused(base::TimePoint now, std::size_t instance) override {
        client_.on_refused(now, instance);
    }
    void on_time(base::TimePoint now) override;
    std::optional<base::TimePoint> deadline() const override;

    const NgClient& client() const { return client_; }

private:
    struct LegTap {
        std::string handle;    // RTPEngine's name of the subscription, its "to-tag"; empty: none
        std::string offer;     // its SDP
        bool is_open = false;  // else it was ended, as it could not be stopped otherwise
    };
    struct Target {
        Leg from = Leg::A;
        std::size_t line = 0;
        base::NetAddress rtp;  // unspecified: nothing is to be sent
        base::NetAddress rtcp;
    };
    struct Call {
        Call(CallKey its_key, TappedCall its_what) : key(its_key), what(std::move(its_what)) {}
        CallKey key;
        TappedCall what;
        std::optional<std::size_t> instance;
        std::uint32_t subscription = 0;
        std::optional<SubscriptionState> state;  // none: not subscribed
        std::array<LegTap, 2> legs;
        Negotiation negotiation;
        std::map<std::uint64_t, Target> targets;  // by fork
        std::string shape;                        // of its lines, when it was last looked at
        CallMedia media;
        int silences = 0;
        base::TimePoint next_poll{};
        bool is_polled = false;
        bool was_told_gone = false;
        JobQueue jobs;
    };
    // Shared with what waits for answers, which come after remove(), too.
    using CallPtr = std::shared_ptr<Call>;
    using Job = JobQueue::Job;
    struct Ask {
        NgDictionary command;
        std::function<void(const NgClient::Answer&)> take;
    };
    struct Search;  // of the instance that has a call

    CallPtr find(CallKey call) const;
    void finish(const CallPtr& call);
    // Asks all side by side, then `then`, unless the call was removed.
    void ask(const CallPtr& call, std::vector<Ask> questions, Job then);
    void forget(const CallPtr& call);

    void search(const CallPtr& call, const PlaneDone& done);
    void end_search(const CallPtr& call, const Search& found, const PlaneDone& done);
    static NgDictionary about(const Call& call, std::string command);
    void start_subscribe(const CallPtr& call, std::uint32_t id, const SubscribeOptions& options,
                         const SubscriptionDone& done);
    static Ask request(const CallPtr& call, Leg leg,
                       const std::shared_ptr<std::optional<base::Reason>>& failure);
    base::Result<Subscription, base::Reason> make_offer(Call& call,
                                                        const SubscribeOptions& options);
    static std::vector<LiveLine> live_lines(const Call& call);
    void start_answer(const CallPtr& call, std::uint32_t id, const std::string& sdp,
                      const PlaneDone& done);
    static void take_targets(Call& call, const std::vector<ForkTarget>& targets);
    // Tells RTPEngine where each leg's copies go.
    void tell_targets(const CallPtr& call, const PlaneDone& done);
    void tell_open_targets(const CallPtr& call, const PlaneDone& done);
    void stop(const CallPtr& call);
    static Target target_of(const Call& call, Leg leg, std::size_t line);
    static std::string leg_answer(const Call& call, Leg leg);
    void end_subscription(const CallPtr& call, Job then);

    void poll(base::TimePoint now, const CallPtr& call);
    void take_figures(base::TimePoint now, const CallPtr& call, const NgClient::Answer& answer);
    void tell_gone(const CallPtr& call, const base::Reason& why);

    const io::Clock& clock_;
    base::Random& random_;
    NgClient client_;
    std::function<void(CallKey, const base::Reason&)> gone_;
    std::function<void(CallKey)> changed_;
    std::map<std::uint64_t, CallPtr> calls_;               // by CallKey
    std::multimap<base::TimePoint, std::uint64_t> polls_;  // when which is asked about
    std::uint64_t last_fork_ = 0;
};

}  // namespace earshot::relay
