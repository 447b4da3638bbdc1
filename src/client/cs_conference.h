// What a focus tells of its conference, as the metadata of a recording has it (RFC 7865): the users
// of the roster as participants, beside those of our own signalling. Plain state, pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"
#include "conference/roster.h"
#include "relay/media_plane.h"
#include "siprec/cs_description.h"

namespace earshot::client {

struct CsMember {
    conference::Member member{};
    std::size_t number = 0;  // of the endpoints of this user, in the order in which they came
    std::vector<siprec::Period> earlier{};  // when it was there before it came back
};

// A sidebar or breakout that the document itself describes.
struct CsSidebar {
    std::string uri{};
    std::string subject{};
    std::vector<std::string> users{};  // entities
    base::WallTime opened{};
    std::optional<base::WallTime> closed{};
};

struct CsConference {
    relay::Leg focus = relay::Leg::B;  // at whose end of the call it is
    std::string uri{};
    std::string subject{};
    std::vector<CsMember> members{};  // those that left, too
    std::vector<CsSidebar> sidebars{};
    bool tells_presenters = false;  // the focus has named one: where it names none there is none
    std::size_t left_out = 0;       // of those that are there, for want of room in the metadata
    base::Uuid group{};             // of all calls with this conference, and of its sidebars
    siprec::OptionalTime
        grouped{};       // since when there is that group: with the first of those calls
    base::Uuid space{};  // name space of its sidebars' ids

    const CsMember* find(const conference::MemberKey& key) const;
};

// Brings it up to date.
void update(CsConference& conference, const conference::Roster& roster, base::WallTime now);

// What the metadata says of a member beside its names.
std::string member_xml(const conference::Member& member);
std::string conference_xml(const CsConference& conference);
// Whether it sends, or receives, a medium of that type ("audio"); what is not told it does.
bool sends(const conference::Member& member, std::string_view media);
bool receives(const conference::Member& member, std::string_view media);
bool is_presenter(const conference::Member& member);

}  // namespace earshot::client
