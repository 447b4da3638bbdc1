#include "client/shared_sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/limits.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

// Sessions of one name have the same servers, or they are two.
std::string key_of(const policy::RecordingPlan& plan) {
    return fmt::format("{}\n{}\n{}\n{}", policy::shared_name(plan), plan.instance, plan.copy,
                       fmt::join(plan.settings.servers, "\n"));
}

}  // namespace

SharedSession* SharedSessions::find(const std::string& key) const {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(), [&](const Entry& entry) {
        return entry.key == key && !entry.session->is_ending() && entry.session->has_room();
    });
    return found == sessions_.end() ? nullptr : found->session.get();
}

Result<SharedSession*, Reason> SharedSessions::make(base::Now now, const std::string& key,
                                                    const policy::RecordingPlan& plan,
                                                    const SessionCommon& common, bool begins) {
    if (is_ending_) return Reason{"not_ready", "No new recordings are taken now."};
    if (sessions_.size() >= kMaxSharedSessions)
        return Reason{"too_many_sessions",
                      "There are as many shared recording sessions as may be."};
    SharedSession::Surroundings surroundings{.link = d_.link,
                                             .random = d_.random,
                                             .events = d_.events,
                                             .desk = d_.desk,
                                             .host = d_.host};
    // Copies are of one plan and want different servers.
    surroundings.is_taken = [this, plan](const std::string& server) {
        return std::any_of(sessions_.begin(), sessions_.end(), [&](const Entry& entry) {
            const policy::RecordingPlan& other = entry.session->plan();
            return other.copy != plan.copy && other.instance == plan.instance &&
                   policy::shared_name(other) == policy::shared_name(plan) &&
                   entry.session->server() == server;
        });
    };
    auto made = std::make_unique<SharedSession>(std::move(surroundings), plan, common,
                                                policy::shared_name(plan));
    if (auto fault = made->open(now, begins)) return *std::move(fault);
    sessions_.push_back({.key = key, .session = std::move(made)});
    return sessions_.back().session.get();
}

void SharedSessions::stand(base::Now now, const std::vector<Standing>& wanted,
                           const std::vector<std::string>& open_rules) {
    const auto is_wanted = [&](const Entry& entry) {
        const std::string& rule = entry.session->plan().rule;
        return std::find(open_rules.begin(), open_rules.end(), rule) != open_rules.end() ||
               std::any_of(wanted.begin(), wanted.end(),
                           [&](const Standing& one) { return key_of(one.plan) == entry.key; });
    };
    for (const Entry& entry : sessions_)
        if (!entry.session->is_transient() && !is_wanted(entry)) entry.session->set_transient(now);
    for (const Standing& one : wanted) {
        const std::string key = key_of(one.plan);
        if (SharedSession* known = find(key)) {
            known->set_standing(now);
            continue;
        }
        if (auto made = make(now, key, one.plan, one.common, true); !made)
            d_.events.tell({.kind = "session_failed",
                            .at = now.wall,
                            .instance = one.plan.instance,
                            .reason = made.error()});
    }
}

Result<SharedSessions::Joined, Reason> SharedSessions::join(
    base::Now now, const policy::RecordingPlan& plan, const SessionCommon& common,
    siprec::ClientSessionHost& host, std::function<void()> deliver, std::function<bool()> owes) {
    const std::string key = key_of(plan);
    SharedSession* session = find(key);
    if (session == nullptr) {
        auto made = make(now, key, plan, common, false);
        if (!made) return made.error();
        session = *made;
    }
    return Joined{.part = session->add(host, std::move(deliver), std::move(owes)),
                  .token = session->token()};
}

void SharedSessions::end_all(base::Now now, const Reason& reason) {
    is_ending_ = true;
    for (const Entry& entry : sessions_) entry.session->end(now, reason);
}

void SharedSessions::on_time(base::Now now) {
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
        const auto when = sessions_[i].session->deadline();
        if (when && *when <= now.steady) sessions_[i].session->on_time(now);
    }
}

std::optional<base::TimePoint> SharedSessions::deadline() const {
    std::optional<base::TimePoint> next;
    for (const Entry& entry : sessions_) {
        const auto when = entry.session->deadline();
        if (when && (!next || *when < *next)) next = when;
    }
    return next;
}

void SharedSessions::probe(base::Now now, const std::string& server) {
    for (const Entry& entry : sessions_) entry.session->probe(now, server);
}

void SharedSessions::tidy() {
    std::erase_if(sessions_, [](const Entry& entry) { return entry.session->is_over(); });
}

std::vector<SharedView> SharedSessions::views() const {
    std::vector<SharedView> views;
    views.reserve(sessions_.size());
    for (const Entry& entry : sessions_) views.push_back(entry.session->view());
    return views;
}

}  // namespace earshot::client
