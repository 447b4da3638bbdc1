// Tells subscribers who is in a conference (RFC 4575, RFC 6665): the whole state at once to who
// subscribes or refreshes, then what has changed, at most once in five seconds each (RFC 4575
// section 3.10). Without I/O or clock; who carries the documents is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "conference/conference_info.h"

namespace earshot::focus {

using SubscriberId = std::uint64_t;  // the caller's

class Notifier {
public:
    static constexpr std::chrono::seconds kBetween{5};

    // A document, with the value of Subscription-State that goes with it. After "terminated" the
    // subscriber is forgotten.
    struct Notice {
        SubscriberId to = 0;
        std::string document{};
        std::string state{};
    };

    explicit Notifier(conference::ConferenceInfo info) : info_(std::move(info)) {}

    // It subscribes, or does so again; with no time left it only asks (RFC 6665 section 4.4.3).
    void subscribe(base::TimePoint now, SubscriberId id, std::chrono::seconds expires);
    // It is not there any more, or does not want to be told.
    void forget(SubscriberId id) { subscribers_.erase(id); }
    // The state as of now, as a whole.
    void change(base::TimePoint now, conference::ConferenceInfo info);
    // The conference is over: its last document says so.
    void end();

    void on_time(base::TimePoint now);
    std::optional<base::TimePoint> deadline() const;
    // What is to be sent now, until there is none.
    std::optional<Notice> poll();
    std::size_t subscribers() const { return subscribers_.size(); }

private:
    struct Subscriber {
        conference::ConferenceInfo told{};
        std::uint32_t version = 0;
        base::TimePoint ends{};
        base::TimePoint next{};  // not before then
        bool is_behind = false;  // something has changed since
    };
    static std::string state_of(const Subscriber& subscriber, base::TimePoint now);
    static conference::ConferenceInfo with_leavers(const conference::ConferenceInfo& told,
                                                   conference::ConferenceInfo now);
    void tell_all(base::TimePoint now, SubscriberId id, Subscriber& subscriber);
    void tell_changes(base::TimePoint now, SubscriberId id, Subscriber& subscriber);

    conference::ConferenceInfo info_;
    std::map<SubscriberId, Subscriber> subscribers_;
    std::deque<Notice> notices_;
};

}  // namespace earshot::focus
