// RTPEngine as the media plane, by its NG protocol (ng_client.h): packets never come to this
// process. Calls go to the first of several instances that is alive and takes them, and stay there.
// Without I/O; belongs to the signalling thread.
//
//   MediaPlane            NG
//   offer, answer         offer, answer
//   rollback              offer and answer of what holds, since it has no such verb
//   subscribe             subscribe request, for each leg (ng_subscription.h says why)
//   answer_subscription   subscribe answer
//   stop_subscription     subscribe answer with port 0; RTPEngine keeps nothing for a later one
//   unsubscribe           unsubscribe
//   remove                delete
//   query                 query, asked in the background: what query() gives is up to 30 s old
//
// What is said of a call is done in that order, one command after the answer to the one before.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/clock.h"
#include "relay/foreign_plane.h"
#include "relay/negotiation.h"
#include "relay/ng_client.h"
#include "relay/ng_message.h"
#include "relay/ng_subscription.h"
#include "relay/sdp_told.h"

namespace earshot::relay {

struct RtpengineOptions {
    std::vector<std::string> instances;  // their names, for texts
    NgDictionary flags;                  // of offer and answer (ng_flags.h)
    NgDictionary subscribe_flags;        // of subscribe request
};

class RtpenginePlane : public ForeignPlane {
public:
    // All must outlive it; the signalling thread's.
    RtpenginePlane(RtpengineOptions options, ControlLink& link, const io::Clock& clock,
                   base::Random& random);

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
    // Forks count nothing: RTPEngine 10.5 counts what comes, not what it sends.
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

    void when_lost(Lost lost) override { lost_ = std::move(lost); }
    std::vector<PlaneInstance> instances() const override;

    void on_datagram(base::TimePoint now, std::size_t instance, base::ByteView datagram) override;
    void on_refused(base::TimePoint now, std::size_t instance) override;
    void on_time(base::TimePoint now) override;
    std::optional<base::TimePoint> deadline() const override;

private:
    struct Call;
    // A call may be gone, and another have its key, when an answer comes.
    struct CallRef {
        CallKey key;
        std::uint64_t serial = 0;
    };
    struct Ending {  // removed while a command of it was under way
        std::string call_id;
        std::vector<std::size_t> instances;
    };
    enum class Found : std::uint8_t { Yes, Unreached, Gone };
    using Step = std::function<void(Call&)>;
    using Then = std::function<void(Call&, NgClient::Answer)>;
    using Subscribed = std::function<void(Call&, NgSubscription&)>;

    struct Call {
        Call(CallRef reference, std::string name, std::uint64_t a, std::uint64_t b)
            : ref(reference), call_id(std::move(name)), facing{SdpTold(a), SdpTold(b)} {}
        CallRef ref;
        std::string call_id;
        std::size_t instance = 0;
        std::vector<std::size_t> tried;  // instances that an offer was sent to
        bool is_placed = false;          // one of them has taken it
        Found found = Found::Yes;
        std::array<bool, 2> has_leg{};  // the instance knows what the leg says
        Negotiation negotiation;
        std::array<SdpTold, 2> facing;
        std::map<std::uint32_t, NgSubscription> subscriptions;
        std::deque<Step> steps;
        bool is_busy = false;  // a command of the step that runs is under way
        base::TimePoint next_query{};
        CallMedia media;
    };

    Call* find(CallKey key);
    Call* find(const CallRef& ref);
    void take_step(Call& call, Step step);
    void run_next(Call& call);
    void finish(CallRef ref, const std::function<void()>& tell);
    void ask(Call& call, const NgDictionary& command, Then then);
    void ask_in_turn(Call& call, std::deque<NgDictionary> commands, Then then);
    void send_delete(const Ending& ending);
    NgDictionary command(const Call& call, std::string_view verb) const;

    std::optional<std::size_t> pick(const Call& call) const;
    void try_offer(Call& call, Leg from, const LegDescriptionPtr& description, const SdpDone& done,
                   base::Reason last);
    void on_offered(Call& call, Leg from, const LegDescriptionPtr& description, const SdpDone& done,
                    NgClient::Answer answer);
    void send_answer(Call& call, Leg from, const LegDescriptionPtr& description,
                     const SdpDone& done);
    NgDictionary sdp_command(const Call& call, std::string_view verb, Leg offerer,
                             const LegDescription& description) const;
    static std::string tell(Call& call, Leg to, const std::string& text);
    void place(Call& call, std::size_t instance);

    void request(Call& call, std::uint32_t number, const SubscribeOptions& options,
                 const SubscriptionDone& done);
    void request_next(Call& call, std::uint32_t number, std::vector<Leg> legs,
                      const std::function<void(Call&, std::optional<base::Reason>)>& then);
    void tell_answers(Call& call, std::uint32_t number,
                      const std::function<void(std::optional<base::Reason>)>& then);

    void ask_about(base::TimePoint now, Call& call);
    void read_media(Call& call, const NgDictionary& answer) const;
    void lose(Call& call, Found found, const base::Reason& reason);
    void on_instance_changed(base::TimePoint now, std::size_t instance);

    const RtpengineOptions options_;
    const io::Clock& clock_;
    base::Random& random_;
    NgClient client_;
    const std::string call_id_prefix_;
    std::unordered_map<std::uint64_t, Call> calls_;
    std::unordered_map<std::uint64_t, Ending> ending_;         // by serial
    std::vector<std::size_t> calls_of_;                        // by instance
    std::set<std::pair<base::TimePoint, std::uint64_t>> due_;  // to be asked about
    std::uint64_t last_serial_ = 0;
    Lost lost_;
};

}  // namespace earshot::relay
