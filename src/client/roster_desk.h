// Follows the conferences that calls of this client are in: subscribes at each focus (RFC 4575),
// and says when the roster of a call has changed. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "client/cs_conference.h"
#include "client/meetings.h"
#include "client/recording_event.h"
#include "client/roster_subscription.h"
#include "sip/agent.h"

namespace earshot::client {

struct RosterView {
    std::uint64_t call = 0;
    std::string uri{};
    std::string state{};  // "asking", "following", "waiting", "refused", "ended"
    std::size_t present = 0;
    std::size_t left_out = 0;
    base::Reason reason{};  // why it is not followed
};

class RosterDesk {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        base::Random& random;
        EventOutlet& events;
        base::Uuid installation{};
    };
    // The conference of that call has changed; not more often than kRosterInterval.
    using Changed = std::function<void(base::Now, std::uint64_t call, const CsConference&)>;

    RosterDesk(Dependencies dependencies, Changed changed);
    RosterDesk(const RosterDesk&) = delete;
    RosterDesk& operator=(const RosterDesk&) = delete;
    ~RosterDesk();

    struct Wish {
        std::uint64_t call = 0;
        std::string call_id{};  // for events
        relay::Leg focus = relay::Leg::B;
        RosterSubscription::Settings where{};
        std::optional<base::Uuid> group{};  // that the call is in already (meetings.h)
    };
    // Follows it from now on; nothing happens where it is followed already. Another URI (the call
    // was moved to another conference) begins anew.
    void follow(base::Now now, Wish wish);
    // The call has ended, or no conference is at its end any more.
    void leave(base::Now now, std::uint64_t call);
    void leave_all(base::Now now);

    // An action of the agent that is a subscription's; false: it is somebody else's.
    bool take(base::Now now, sip::Action& action);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    bool is_idle() const { return followed_.empty(); }
    std::vector<RosterView> views() const;

private:
    struct Followed;
    void drain(base::Now now, Followed& followed);
    void tell(base::Now now, Followed& followed, const RosterSubscription::Told& told);
    void tell_changes(base::Now now, Followed& followed,
                      const std::vector<conference::Change>& changes);
    RecordingEvent event(base::Now now, const Followed& followed, std::string kind,
                         base::Reason reason) const;
    std::string root_of(const std::string& uri) const;

    Dependencies d_;
    Changed changed_;
    Meetings meetings_;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, std::unique_ptr<Followed>> followed_;  // by an id of ours
    std::map<std::uint64_t, std::uint64_t> of_call_;  // ids; of those that are not left
    std::unordered_map<std::uint64_t, std::uint64_t> of_transaction_;
};

}  // namespace earshot::client
