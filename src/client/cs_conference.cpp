#include "client/cs_conference.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "client/limits.h"
#include "mime/same_user.h"
#include "siprec/limits.h"
#include "siprec/participant_watch.h"
#include "xml/xml_document.h"

namespace earshot::client {
namespace {

using conference::Member;
using conference::MemberKey;

// Who left first makes room, once all servers know that they left; whether one did.
bool forget_one(CsConference& conference, base::WallTime now) {
    const auto first = std::min_element(
        conference.members.begin(), conference.members.end(),
        [](const CsMember& a, const CsMember& b) {
            return a.member.left && (!b.member.left || *a.member.left < *b.member.left);
        });
    if (first == conference.members.end() || !first->member.left ||
        *first->member.left + siprec::kGoneTime >= now)
        return false;
    conference.members.erase(first);
    return true;
}

// Who has left and is there again has a period more.
void bring_up_to_date(CsMember& known, const Member& member) {
    if (member.is_present && known.member.left)
        known.earlier.push_back({known.member.joined, *known.member.left});
    known.member = member;
}

// A user of whom nobody is there comes back as the one who left last, though as another endpoint:
// each call has a Contact of its own.
CsMember* find_returned(CsConference& conference, const Member& member) {
    if (mime::is_anonymous(member.key.user)) return nullptr;
    CsMember* last = nullptr;
    for (CsMember& one : conference.members) {
        if (one.member.key.user != member.key.user) continue;
        if (!one.member.left) return nullptr;
        if (last == nullptr || *last->member.left < *one.member.left) last = &one;
    }
    const bool is_after = last != nullptr && *last->member.left <= member.joined;
    return is_after ? last : nullptr;
}

// What was told first is forgotten first.
void forget_earlier(CsConference& conference) {
    std::size_t count = 0;
    for (const CsMember& one : conference.members) count += one.earlier.size();
    for (; count > kMaxEarlierPeriods; --count) {
        const auto first =
            std::min_element(conference.members.begin(), conference.members.end(),
                             [](const CsMember& a, const CsMember& b) {
                                 return !a.earlier.empty() &&
                                        (b.earlier.empty() || *a.earlier.front().disassociate <
                                                                  *b.earlier.front().disassociate);
                             });
        first->earlier.erase(first->earlier.begin());
    }
}

void update_members(CsConference& conference, const conference::Roster& roster,
                    base::WallTime now) {
    std::size_t left_out = roster.left_out();
    std::vector<const Member*> others;  // those who left first, before somebody comes back
    for (const auto& [key, member] : roster.members()) {
        const auto known =
            std::find_if(conference.members.begin(), conference.members.end(),
                         [&like = key](const CsMember& one) { return one.member.key == like; });
        if (known != conference.members.end())
            bring_up_to_date(*known, member);
        else if (member.is_present)
            others.push_back(&member);
    }
    for (const Member* const member : others) {
        if (CsMember* const returned = find_returned(conference, *member)) {
            bring_up_to_date(*returned, *member);
            continue;
        }
        if (conference.members.size() >= kMaxConferenceMembers && !forget_one(conference, now)) {
            ++left_out;
            continue;
        }
        std::size_t number = 0;
        for (const CsMember& one : conference.members)
            if (one.member.key.user == member->key.user) number = std::max(number, one.number + 1);
        conference.members.push_back({.member = *member, .number = number});
    }
    forget_earlier(conference);
    conference.left_out = left_out;
}

void update_sidebars(CsConference& conference, const conference::ConferenceInfo& info,
                     base::WallTime now) {
    for (CsSidebar& sidebar : conference.sidebars) {
        const bool is_open =
            std::any_of(info.sidebars.begin(), info.sidebars.end(),
                        [&](const auto& one) { return one.entity == sidebar.uri; });
        if (!is_open && !sidebar.closed) sidebar.closed = now;
    }
    for (const conference::ConferenceInfo& told : info.sidebars) {
        auto known = std::find_if(
            conference.sidebars.begin(), conference.sidebars.end(),
            [&](const CsSidebar& one) { return one.uri == told.entity && !one.closed; });
        if (known == conference.sidebars.end()) {
            if (conference.sidebars.size() >= kMaxSidebarSessions) continue;
            known = conference.sidebars.insert(known, CsSidebar{.uri = told.entity, .opened = now});
        }
        known->subject = told.description ? told.description->subject.value_or("") : "";
        known->users.clear();
        if (told.users)
            for (const conference::User& user : told.users->users)
                if (known->users.size() < kMaxConferenceMembers)
                    known->users.push_back(user.entity);
    }
}

}  // namespace

const CsMember* CsConference::find(const MemberKey& key) const {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const CsMember& one) { return one.member.key == key; });
    return found == members.end() ? nullptr : &*found;
}

void update(CsConference& conference, const conference::Roster& roster, base::WallTime now) {
    const conference::ConferenceInfo& info = roster.info();
    if (info.description) conference.subject = info.description->subject.value_or("");
    update_members(conference, roster, now);
    conference.tells_presenters =
        conference.tells_presenters ||
        std::any_of(conference.members.begin(), conference.members.end(),
                    [](const CsMember& one) { return is_presenter(one.member); });
    update_sidebars(conference, info, now);
}

std::string member_xml(const Member& member) {
    siprec::ConferenceRole role{.nickname = member.nickname,
                                .roles = member.roles,
                                .left = member.is_present ? std::string{} : member.left_reason,
                                .sources = {}};
    for (const conference::MemberMedia& media : member.media)
        if (media.ssrc &&
            std::find(role.sources.begin(), role.sources.end(), *media.ssrc) == role.sources.end())
            role.sources.push_back(*media.ssrc);
    std::string xml = siprec::write_conference_role(role);
    // What a partial document does not name keeps its value (spec/metadata-model section 4 rule 2):
    // that there is none any more has to be said.
    const auto none = [&xml](std::string_view name) {
        xml += fmt::format(R"(<{} xmlns="{}"/>)", name, siprec::kExtensionNamespace);
    };
    if (role.nickname.empty()) none("nickname");
    if (role.roles.empty()) none("role");
    if (role.left.empty()) none("left");
    return xml;
}

std::string conference_xml(const CsConference& conference) {
    std::string xml = fmt::format(R"(<conference xmlns="{}"><uri>{}</uri>)",
                                  siprec::kExtensionNamespace, xml::xml_escape(conference.uri));
    if (!conference.subject.empty())
        xml += fmt::format("<subject>{}</subject>", xml::xml_escape(conference.subject));
    if (conference.left_out > 0) xml += fmt::format("<left-out>{}</left-out>", conference.left_out);
    return xml + "</conference>";
}

namespace {

template <class Does>
bool any_media(const Member& member, std::string_view media, Does does) {
    if (!member.is_present || member.is_held) return false;
    bool is_told = false;
    for (const conference::MemberMedia& one : member.media) {
        if (!one.type.empty() && one.type != media) continue;
        is_told = true;
        if (does(one)) return true;
    }
    // Of a member without any media nothing is known; one that has others has not this one.
    return !is_told && member.media.empty();
}

}  // namespace

bool sends(const Member& member, std::string_view media) {
    if (member.is_muted && media == "audio") return false;
    return any_media(member, media, [](const auto& one) { return one.sends; });
}

bool receives(const Member& member, std::string_view media) {
    return any_media(member, media, [](const auto& one) { return one.receives; });
}

bool is_presenter(const Member& member) {
    return member.is_present &&
           std::any_of(member.roles.begin(), member.roles.end(),
                       [](const auto& role) { return base::iequals(role, "presenter"); });
}

}  // namespace earshot::client
