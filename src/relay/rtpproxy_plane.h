// RTPProxy as the media plane: it gives ports and moves packets, all that is SDP is done here, with
// the same Negotiation and SubscriptionState as the built-in relay's. Without I/O; belongs to the
// signalling thread.
//
// Answers come later, so what is said of a call waits until what was said before has been done. A
// call stays where it began; it may begin at another instance only while nothing was told of it.
// RTPProxy copies each stream to one target: a call has one subscription at a time. It does not
// listen at the ports of the copies, which are invented (as OpenSIPS does), and sends no RTCP
// there.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "io/clock.h"
#include "relay/foreign_plane.h"
#include "relay/job_queue.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/rtpproxy_client.h"
#include "relay/rtpproxy_message.h"
#include "relay/sdp_rewrite.h"
#include "relay/sdp_told.h"
#include "relay/subscription_state.h"

namespace earshot::relay {

class RtpproxyPlane : public ForeignPlane {
public:
    // `instances`: where their control sockets are. All else must outlive it.
    RtpproxyPlane(std::vector<base::NetAddress> instances, ControlLink& link,
                  const io::Clock& clock, base::Random& random);
    ~RtpproxyPlane() override;

    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription, Stop why) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    // Figures are up to kFigureTime old; octets and what was sent to the server are not known.
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

    void on_datagram(base::TimePoint now, std::size_t instance, base::ByteView bytes) override {
        client_.on_datagram(now, instance, bytes);
    }
    void on_refused(base::TimePoint now, std::size_t instance) override {
        client_.on_refused(now, instance);
    }
    void on_time(base::TimePoint now) override;
    std::optional<base::TimePoint> deadline() const override;

    // As RTPProxy was restarted: the call's media is gone for good.
    void when_lost(Lost lost) override { lost_ = std::move(lost); }
    std::vector<PlaneInstance> instances() const override;

    const RtpproxyClient& client() const { return client_; }
    bool has(CallKey call) const { return calls_.contains(call.value); }
    std::size_t calls() const { return calls_.size(); }

private:
    struct Line {
        std::uint64_t id = 0;  // of this life of it
        std::string media;
        std::array<RtpproxyPort, 2> facing;  // what the leg is told; port 0: nothing yet
        std::array<PacketCount, 2> from;     // by leg
        std::array<base::NetAddress, 2> announced;
        base::TimePoint opened{};
    };
    struct Copy {
        Leg from = Leg::A;
        std::size_t line = 0;
        base::NetAddress wanted;   // unspecified: nothing is to be copied
        base::NetAddress running;  // as RTPProxy was told
        bool has_ended = false;
    };
    using Job = JobQueue::Job;
    struct Call {
        Call(CallKey its_key, std::uint64_t a, std::uint64_t b)
            : key(its_key), told{SdpTold(a), SdpTold(b)} {}
        CallKey key;
        std::string id;  // at RTPProxy
        std::size_t instance = 0;
        std::vector<std::size_t> tried;  // instances that could not take it
        Negotiation negotiation;
        std::array<SdpTold, 2> told;  // to each leg
        std::map<std::size_t, Line> lines;
        std::map<std::uint32_t, SubscriptionState> subscriptions;
        std::map<std::uint64_t, Copy> copies;  // by fork
        JobQueue jobs;                         // closed: it was removed
        bool was_made = false;                 // its first offer has been taken
        bool was_told_lost = false;
    };
    // Shared with what waits for RTPProxy's answers, which come after remove(), too.
    using CallPtr = std::shared_ptr<Call>;
    using Answer = base::Result<std::string, base::Reason>;
    struct Step {
        std::string command;
        std::function<void(const Answer&)> take;
    };
    // What came of the U or L of a description's lines.
    struct Ports {
        std::map<std::size_t, RtpproxyPort> of_line;
        std::optional<base::Reason> failure;
    };

    CallPtr find(CallKey call) const;
    void finish(const CallPtr& call);  // the end of each job
    // Does the steps side by side, then `then`, unless the call was removed.
    void run(const CallPtr& call, std::vector<Step> steps, Job then);
    void forget(const CallPtr& call);  // at RTPProxy

    void start_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                     const SdpDone& done);
    void take_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                    const Ports& ports, const SdpDone& done);
    void fail_offer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                    const base::Reason& failure, const SdpDone& done);
    void start_answer(const CallPtr& call, Leg from, const LegDescriptionPtr& description,
                      const SdpDone& done);
    void start_rollback(const CallPtr& call, Leg offerer);
    Step ask_port(const Call& call, std::size_t line, std::string command,
                  const std::shared_ptr<Ports>& ports) const;
    std::vector<Step> restore(Call& call, Leg leg) const;
    Step delete_line(const Call& call, std::size_t line) const;
    void set_facing(Call& call, Leg to, std::size_t line, const RtpproxyPort& port);
    std::string tell(Call& call, Leg to, const LegDescription& from) const;
    base::NetAddress media_address(const Call& call) const;

    void start_subscribe(const CallPtr& call, std::uint32_t id, const SubscribeOptions& options,
                         const SubscriptionDone& done);
    void start_answer_subscription(const CallPtr& call, std::uint32_t id, const std::string& sdp,
                                   const PlaneDone& done);
    static void end_forks(Call& call, const std::vector<std::uint64_t>& forks);
    static void want(Call& call, const std::vector<ForkTarget>& targets);
    static std::vector<LiveLine> live_lines(const Call& call);
    // Brings RTPProxy's copies to what is wanted; `then` gets what could not be done.
    using Synced = std::function<void(std::optional<base::Reason>)>;
    void sync_copies(const CallPtr& call, const Synced& then);
    void start_copies(const CallPtr& call,
                      const std::shared_ptr<std::optional<base::Reason>>& fault,
                      const Synced& then);

    void poll(base::TimePoint now, const CallPtr& call);
    void take_figures(base::TimePoint now, const CallPtr& call, std::size_t line, std::uint64_t id,
                      const Answer& answer);
    void tell_lost(const CallPtr& call);

    const std::vector<base::NetAddress> instances_;
    const io::Clock& clock_;
    base::Random& random_;
    RtpproxyClient client_;
    Lost lost_;
    std::map<std::uint64_t, CallPtr> calls_;  // by CallKey
    const std::string prefix_;                // of Call-IDs: no other process has the same
    std::uint64_t last_id_ = 0;               // of calls, lines and forks
    std::uint16_t last_port_;                 // invented
    std::uint64_t last_polled_ = 0;
    base::TimePoint next_poll_{};
};

}  // namespace earshot::relay
