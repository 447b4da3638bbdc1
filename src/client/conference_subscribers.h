// Who wants to know who is in a conference (RFC 4575): subscriptions (RFC 6665) to one of ours, and
// the NOTIFYs that they are sent. The Agent has no dialogs of them, so what names one is kept here.
// Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "focus/notifier.h"
#include "sip/agent.h"

namespace earshot::client {

class ConferenceSubscribers {
public:
    static constexpr std::size_t kMaxSubscribers = 100;       // of one conference; more get 503
    static constexpr std::chrono::seconds kUsualTime{3'600};  // RFC 4575 section 3.4
    static constexpr std::chrono::seconds kShortestTime{60};
    static constexpr std::chrono::seconds kLongestTime{7'200};

    using Contact = std::function<std::string(const sip::Flow& flow)>;
    // Borrows the agent. `contact`: of our side of the subscriptions.
    ConferenceSubscribers(sip::Agent& agent, conference::ConferenceInfo info, Contact contact)
        : agent_(agent), notifier_(std::move(info)), contact_(std::move(contact)) {}

    // A SUBSCRIBE to the conference, a first or a later one; it is answered.
    void on_subscribe(base::TimePoint now, const sip::RequestArrived& request);
    // What became of a NOTIFY; false: it was none of ours.
    bool on_action(const sip::Action& action);
    void change(base::TimePoint now, conference::ConferenceInfo info);
    void end(base::TimePoint now);
    void on_time(base::TimePoint now);
    std::optional<base::TimePoint> deadline() const { return notifier_.deadline(); }

private:
    struct Dialog {
        std::string call_id;
        std::string local_tag;
        std::string local;   // From of ours, without tag
        std::string remote;  // To of ours, with its tag
        std::string target;
        std::string event;  // value of Event, with its id
        std::vector<std::string> routes;
        sip::Flow flow;
        std::uint32_t cseq = 0;
    };
    void send(base::TimePoint now);

    sip::Agent& agent_;
    focus::Notifier notifier_;
    Contact contact_;
    std::map<focus::SubscriberId, Dialog> dialogs_;
    std::unordered_map<std::uint64_t, focus::SubscriberId> by_transaction_;
    focus::SubscriberId last_id_ = 0;
};

}  // namespace earshot::client
