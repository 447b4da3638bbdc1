#include "conference/roster.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "conference/limits.h"

namespace earshot::conference {
namespace {

// A clock that was never set says 1970.
constexpr base::WallTime kFirstPlausibleTime{std::chrono::seconds{946'684'800}};  // 2000-01-01

std::string text_or_empty(const Text& text) { return text.value_or(std::string{}); }

bool is_present(EndpointStatus status) {
    switch (status) {
        case EndpointStatus::Pending:
        case EndpointStatus::DialingOut:
        case EndpointStatus::DialingIn:
        case EndpointStatus::Alerting:
        case EndpointStatus::Disconnected:
            return false;
        case EndpointStatus::None:  // many a focus lists only who is there
        case EndpointStatus::OnHold:
        case EndpointStatus::Connected:
        case EndpointStatus::MutedViaFocus:
        case EndpointStatus::Disconnecting:
            return true;
    }
    return true;
}

MemberMedia describe(const Media& media, EndpointStatus status) {
    MemberMedia described;
    described.id = media.id;
    described.type = base::to_lower(text_or_empty(media.type));
    described.label = text_or_empty(media.label);
    described.ssrc = media.ssrc();
    const bool is_held = status == EndpointStatus::OnHold;
    const bool is_muted = status == EndpointStatus::MutedViaFocus && described.type == "audio";
    described.sends = !is_held && !is_muted && media.status != MediaStatus::RecvOnly &&
                      media.status != MediaStatus::Inactive;
    described.receives =
        !is_held && media.status != MediaStatus::SendOnly && media.status != MediaStatus::Inactive;
    return described;
}

// Its own: the times are filled in by the caller.
Member describe(const User& user, const Endpoint* endpoint) {
    Member member;
    member.key.user = user.entity;
    member.name = text_or_empty(user.display_text);
    member.nickname = text_or_empty(user.nickname);
    if (user.associated_aors)
        for (const UriEntry& entry : user.associated_aors->entries) {
            const bool is_new =
                entry.uri != user.entity &&
                std::find(member.aors.begin(), member.aors.end(), entry.uri) == member.aors.end();
            if (is_new) member.aors.push_back(entry.uri);
        }
    if (user.roles) member.roles = *user.roles;
    member.cascaded_focus = text_or_empty(user.cascaded_focus);
    member.is_present = true;
    if (endpoint == nullptr) return member;

    member.key.endpoint = endpoint->entity;
    if (member.name.empty()) member.name = text_or_empty(endpoint->display_text);
    member.is_present = is_present(endpoint->status);
    member.joining_method = endpoint->joining_method;
    bool has_audio = false;
    bool is_heard = false;
    bool is_idle = !endpoint->media.empty();
    for (const Media& media : endpoint->media) {
        MemberMedia described = describe(media, endpoint->status);
        is_idle = is_idle && !described.sends && !described.receives;
        has_audio = has_audio || described.type == "audio";
        is_heard = is_heard || (described.type == "audio" && described.sends);
        member.media.push_back(std::move(described));
    }
    member.is_held = endpoint->status == EndpointStatus::OnHold || is_idle;
    member.is_muted = endpoint->status == EndpointStatus::MutedViaFocus ||
                      (has_audio && !is_heard && !member.is_held);
    return member;
}

base::WallTime join_time(const Endpoint* endpoint, const Member* before, base::WallTime arrival) {
    if (endpoint == nullptr || !endpoint->joining_info || !endpoint->joining_info->when)
        return arrival;
    const base::WallTime when = *endpoint->joining_info->when;
    // Who comes back is often told with the time at which it came first.
    const bool is_old = before != nullptr && before->left && when <= *before->left;
    if (is_old || when < kFirstPlausibleTime || when > arrival + kMaxClockLead) return arrival;
    return std::min(when, arrival);
}

base::WallTime leave_time(const Endpoint* endpoint, const Member& before, base::WallTime arrival) {
    if (endpoint == nullptr || !endpoint->disconnection_info || !endpoint->disconnection_info->when)
        return arrival;
    const base::WallTime when = *endpoint->disconnection_info->when;
    if (when < before.joined || when > arrival + kMaxClockLead) return arrival;
    return std::min(when, arrival);
}

std::string leave_reason(const Endpoint* endpoint) {
    if (endpoint == nullptr) return "vanished";
    std::string reason{to_string(endpoint->disconnection_method)};
    if (reason.empty()) reason = "departed";
    if (endpoint->disconnection_info && endpoint->disconnection_info->reason &&
        !endpoint->disconnection_info->reason->empty())
        reason += ": " + *endpoint->disconnection_info->reason;
    return reason;
}

std::string join(const std::vector<std::string>& texts) {
    std::string joined;
    for (const std::string& text : texts) joined += (joined.empty() ? "" : ",") + text;
    return joined;
}

using Kind = Change::Kind;

// Both were there before and are now.
void compare_members(const Member& before, const Member& after, base::WallTime at,
                     std::vector<Change>& changes) {
    const auto add = [&](Kind kind, std::string value = {}) {
        changes.push_back({kind, after.key, at, std::move(value)});
    };
    if (before.name != after.name || before.aors != after.aors) add(Kind::Renamed, after.name);
    if (before.nickname != after.nickname) add(Kind::Nickname, after.nickname);
    if (before.roles != after.roles) add(Kind::Roles, join(after.roles));
    if (before.is_muted != after.is_muted) add(after.is_muted ? Kind::Muted : Kind::Unmuted);
    if (before.is_held != after.is_held) add(after.is_held ? Kind::Held : Kind::Resumed);
    if (before.media != after.media) add(Kind::Media);
}

Change left(const Member& member) {
    return {Kind::Left, member.key, *member.left, member.left_reason};
}

}  // namespace

std::string_view to_string(Change::Kind kind) {
    switch (kind) {
        case Kind::Joined:
            return "joined";
        case Kind::Left:
            return "left";
        case Kind::Renamed:
            return "renamed";
        case Kind::Nickname:
            return "nickname";
        case Kind::Roles:
            return "roles";
        case Kind::Muted:
            return "muted";
        case Kind::Unmuted:
            return "unmuted";
        case Kind::Held:
            return "held";
        case Kind::Resumed:
            return "resumed";
        case Kind::Media:
            return "media";
        case Kind::Subject:
            return "subject";
        case Kind::Locked:
            return "locked";
        case Kind::SidebarOpened:
            return "sidebar-opened";
        case Kind::SidebarClosed:
            return "sidebar-closed";
        case Kind::LeftOut:
            return "left-out";
        case Kind::Ended:
            return "ended";
    }
    return "unknown";
}

Roster::Applied Roster::apply(const ConferenceInfo& document, base::WallTime arrival) {
    Applied applied;
    // RFC 4575 section 4.3: the version counts up by one. One that is missing is the next one.
    if (document.version && version_ && *document.version <= *version_) {
        applied.outcome = Outcome::Stale;
        return applied;
    }
    if (document.state == State::Partial) {
        const bool is_next = version_ && (!document.version || *document.version - 1 == *version_);
        if (!is_next) {
            applied.outcome = Outcome::NeedsFull;
            return applied;
        }
    }
    const std::uint32_t version = document.version.value_or(version_.value_or(0) + 1);
    if (document.state == State::Deleted) {
        applied.outcome = Outcome::Ended;
        applied.changes = close(arrival, "the conference ended");
        version_ = version;
        applied.changes.push_back({Kind::Ended, {}, arrival, {}});
        return applied;
    }

    const ConferenceInfo before = info_;
    merge(info_, document);
    info_.state = State::Full;
    version_ = version;
    compare_conference(before, arrival, applied.changes);
    update_members(arrival, applied.changes);
    const std::size_t left_out = info_.users ? info_.users->left_out : 0;
    if (left_out > left_out_)
        applied.changes.push_back({Kind::LeftOut, {}, arrival, std::to_string(left_out)});
    left_out_ = left_out;
    return applied;
}

void Roster::compare_conference(const ConferenceInfo& before, base::WallTime arrival,
                                std::vector<Change>& changes) const {
    const auto subject = [](const ConferenceInfo& info) {
        return info.description ? text_or_empty(info.description->subject) : std::string{};
    };
    if (subject(before) != subject(info_))
        changes.push_back({Kind::Subject, {}, arrival, subject(info_)});
    const auto locked = [](const ConferenceInfo& info) {
        return info.conference_state && info.conference_state->locked.value_or(false);
    };
    if (locked(before) != locked(info_))
        changes.push_back({Kind::Locked, {}, arrival, locked(info_) ? "true" : "false"});

    const auto sidebars = [](const ConferenceInfo& info) {
        std::set<std::string> uris;
        if (info.sidebars_by_ref)
            for (const UriEntry& entry : info.sidebars_by_ref->entries) uris.insert(entry.uri);
        for (const ConferenceInfo& sidebar : info.sidebars) uris.insert(sidebar.entity);
        return uris;
    };
    const std::set<std::string> old = sidebars(before);
    const std::set<std::string> now = sidebars(info_);
    for (const std::string& uri : now)
        if (old.count(uri) == 0) changes.push_back({Kind::SidebarOpened, {}, arrival, uri});
    for (const std::string& uri : old)
        if (now.count(uri) == 0) changes.push_back({Kind::SidebarClosed, {}, arrival, uri});
}

void Roster::update_members(base::WallTime arrival, std::vector<Change>& changes) {
    std::set<MemberKey> seen;
    const auto put = [&](const User& user, const Endpoint* endpoint) {
        Member next = describe(user, endpoint);
        const auto found = members_.find(next.key);
        const Member* before = found == members_.end() ? nullptr : &found->second;
        seen.insert(next.key);
        if (before == nullptr && !next.is_present) return;  // never came: it is of no recording
        if (before != nullptr) {
            next.joined = before->joined;
            next.left = before->left;
            next.left_reason = before->left_reason;
        }
        const bool was_present = before != nullptr && before->is_present;
        if (next.is_present && !was_present) {
            next.joined = join_time(endpoint, before, arrival);
            next.left.reset();
            next.left_reason.clear();
            changes.push_back({Kind::Joined, next.key, next.joined, next.name});
            // It may have come before us, and presented then.
            if (!next.roles.empty())
                changes.push_back({Kind::Roles, next.key, next.joined, join(next.roles)});
        } else if (was_present && !next.is_present) {
            next.left = leave_time(endpoint, *before, arrival);
            next.left_reason = leave_reason(endpoint);
            changes.push_back(left(next));
        } else if (next.is_present) {
            compare_members(*before, next, arrival, changes);
        }
        members_.insert_or_assign(next.key, std::move(next));
    };
    if (info_.users) {
        for (const User& user : info_.users->users) {
            if (user.endpoints.empty()) put(user, nullptr);
            for (const Endpoint& endpoint : user.endpoints) put(user, &endpoint);
        }
    }
    for (auto& [key, member] : members_) {
        if (!member.is_present || seen.count(key) != 0) continue;
        member.is_present = false;
        member.left = arrival;
        member.left_reason = leave_reason(nullptr);
        changes.push_back(left(member));
    }
    forget_departed();
}

// Those that left first go first.
void Roster::forget_departed() {
    const std::size_t departed = members_.size() - present_count();
    if (departed <= kMaxUsers) return;
    std::vector<std::pair<base::WallTime, MemberKey>> gone;
    for (const auto& [key, member] : members_)
        if (!member.is_present) gone.emplace_back(member.left.value_or(base::WallTime{}), key);
    std::sort(gone.begin(), gone.end());
    for (std::size_t i = 0; i < departed - kMaxUsers; ++i) members_.erase(gone[i].second);
}

std::vector<Change> Roster::close(base::WallTime at, std::string_view reason) {
    std::vector<Change> changes;
    for (auto& [key, member] : members_) {
        if (!member.is_present) continue;
        member.is_present = false;
        member.left = at;
        member.left_reason = reason;
        changes.push_back(left(member));
    }
    version_.reset();
    info_ = {};
    left_out_ = 0;
    return changes;
}

std::size_t Roster::present_count() const {
    return static_cast<std::size_t>(std::count_if(
        members_.begin(), members_.end(), [](const auto& item) { return item.second.is_present; }));
}

}  // namespace earshot::conference
