#include "focus/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace earshot::focus {

using conference::ConferenceInfo;

std::string Notifier::state_of(const Subscriber& subscriber, base::TimePoint now) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(subscriber.ends - now);
    if (left.count() <= 0) return "terminated;reason=timeout";
    return fmt::format("active;expires={}", left.count());
}

void Notifier::tell_all(base::TimePoint now, SubscriberId id, Subscriber& subscriber) {
    ConferenceInfo document = info_;
    document.state = conference::State::Full;
    document.version = subscriber.version++;
    notices_.push_back({.to = id,
                        .document = conference::write_conference_info(document),
                        .state = state_of(subscriber, now)});
    subscriber.told = info_;
    subscriber.next = now + kBetween;
    subscriber.is_behind = false;
}

// Who has left is told as disconnected first, and taken out with what changes next: of a user who
// is only deleted nobody knows whether it left or was lost.
ConferenceInfo Notifier::with_leavers(const ConferenceInfo& told, ConferenceInfo now) {
    using conference::EndpointStatus;
    if (!told.users || !now.users) return now;
    for (const conference::User& user : told.users->users) {
        const bool is_told = std::all_of(
            user.endpoints.begin(), user.endpoints.end(),
            [](const auto& endpoint) { return endpoint.status == EndpointStatus::Disconnected; });
        if (is_told || now.find_user(user.entity) != nullptr) continue;
        conference::User& leaver = now.users->users.emplace_back(user);
        for (conference::Endpoint& endpoint : leaver.endpoints) {
            endpoint.status = EndpointStatus::Disconnected;
            endpoint.media.clear();
        }
    }
    return now;
}

void Notifier::tell_changes(base::TimePoint now, SubscriberId id, Subscriber& subscriber) {
    subscriber.is_behind = false;
    ConferenceInfo info = with_leavers(subscriber.told, info_);
    auto document = conference::make_partial(subscriber.told, info);
    if (!document) return;  // it has changed back meanwhile
    document->version = subscriber.version++;
    notices_.push_back({.to = id,
                        .document = conference::write_conference_info(*document),
                        .state = state_of(subscriber, now)});
    subscriber.told = std::move(info);
    subscriber.next = now + kBetween;
}

void Notifier::subscribe(base::TimePoint now, SubscriberId id, std::chrono::seconds expires) {
    Subscriber& subscriber = subscribers_[id];
    subscriber.ends = now + expires;
    tell_all(now, id, subscriber);
    if (expires.count() <= 0) subscribers_.erase(id);
}

void Notifier::change(base::TimePoint now, ConferenceInfo info) {
    info_ = std::move(info);
    for (auto& [id, subscriber] : subscribers_) {
        subscriber.is_behind = true;
        if (now >= subscriber.next) tell_changes(now, id, subscriber);
    }
}

void Notifier::end() {
    for (auto& [id, subscriber] : subscribers_) {
        ConferenceInfo document;
        document.entity = info_.entity;
        document.state = conference::State::Deleted;
        document.version = subscriber.version++;
        notices_.push_back({.to = id,
                            .document = conference::write_conference_info(document),
                            .state = "terminated;reason=noresource"});
    }
    subscribers_.clear();
}

void Notifier::on_time(base::TimePoint now) {
    for (auto at = subscribers_.begin(); at != subscribers_.end();) {
        Subscriber& subscriber = at->second;
        if (subscriber.ends <= now) {
            // RFC 6665 section 4.4.1: also who let it run out is told that it has.
            tell_all(now, at->first, subscriber);
            at = subscribers_.erase(at);
            continue;
        }
        if (subscriber.is_behind && now >= subscriber.next)
            tell_changes(now, at->first, subscriber);
        ++at;
    }
}

std::optional<base::TimePoint> Notifier::deadline() const {
    std::optional<base::TimePoint> next;
    for (const auto& [id, subscriber] : subscribers_) {
        const base::TimePoint when =
            subscriber.is_behind ? std::min(subscriber.next, subscriber.ends) : subscriber.ends;
        if (!next || when < *next) next = when;
    }
    return next;
}

std::optional<Notifier::Notice> Notifier::poll() {
    if (notices_.empty()) return std::nullopt;
    Notice notice = std::move(notices_.front());
    notices_.pop_front();
    return notice;
}

}  // namespace earshot::focus
