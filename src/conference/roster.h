// Who is in a conference, from the documents of one subscription after the other (RFC 4575 section
// 4.6), and what each document changed. A person at two devices is two members: RFC 7865's
// participant is a device. No I/O, no clock; any thread, but one object at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "conference/conference_info.h"

namespace earshot::conference {

struct MemberMedia {
    std::string id;
    std::string type;   // empty: not told
    std::string label;  // empty: not told
    std::optional<std::uint32_t> ssrc;
    bool sends = true;  // where the focus does not tell: both
    bool receives = true;
    friend bool operator==(const MemberMedia&, const MemberMedia&) = default;
};

struct MemberKey {
    std::string user;      // entity
    std::string endpoint;  // entity; empty: the focus tells users without endpoints
    friend auto operator<=>(const MemberKey&, const MemberKey&) = default;
};

// One endpoint of a user, as of the last document that named it.
struct Member {
    MemberKey key;
    std::string name;               // of the user, else of the endpoint; may be empty
    std::string nickname;           // RFC 6501; may be empty
    std::vector<std::string> aors;  // associated ones; not the entity
    std::vector<std::string> roles;
    std::string cascaded_focus;  // its URI, where this user is a focus itself
    bool is_present = false;     // connected, on hold or muted; not yet or no longer: false
    bool is_held = false;
    bool is_muted = false;  // by the focus, or by its own audio that only receives
    std::vector<MemberMedia> media;
    base::WallTime joined;  // of the last time; where it never was there: not meant
    JoiningMethod joining_method = JoiningMethod::None;
    std::optional<base::WallTime> left;
    std::string
        left_reason;  // departed, booted, failed, busy, vanished; may be followed by ": text"

    friend bool operator==(const Member&, const Member&) = default;
};

struct Change {
    enum class Kind {
        Joined,
        Left,
        Renamed,   // name or addresses
        Nickname,  // value: the new one; empty: none
        Roles,     // value: the new ones, separated by commas
        Muted,
        Unmuted,
        Held,
        Resumed,
        Media,          // what it sends or receives, or whence
        Subject,        // value
        Locked,         // value: true, false
        SidebarOpened,  // value: its URI
        SidebarClosed,
        LeftOut,  // value: how many users did not fit
        Ended     // the focus deleted the conference
    };
    Kind kind = Kind::Joined;
    MemberKey member;   // empty for those of the conference
    base::WallTime at;  // when it happened as the focus says, else the arrival
    std::string value;
    friend bool operator==(const Change&, const Change&) = default;
};
std::string_view to_string(Change::Kind kind);  // lower case, hyphens

class Roster {
public:
    enum class Outcome {
        Applied,
        Stale,      // its version is not higher: discarded
        NeedsFull,  // a version is missing, or nothing to merge it into: refresh the subscription
        Ended       // deleted: the conference is over
    };
    struct Applied {
        Outcome outcome = Outcome::Applied;
        std::vector<Change> changes;
    };

    // The first document must be full; so must the first one after await_full().
    Applied apply(const ConferenceInfo& document, base::WallTime arrival);
    // Versions count within one subscription: the next one begins again. Members stay, so that its
    // full document tells what changed meanwhile.
    void await_full() { version_.reset(); }
    // The subscription is over for good, or the conference: who is still there leaves.
    std::vector<Change> close(base::WallTime at, std::string_view reason);

    bool has_state() const { return version_.has_value(); }
    std::optional<std::uint32_t> version() const { return version_; }
    const ConferenceInfo& info() const { return info_; }
    // All that were ever named in this conference, those that left too; bounded by kMaxUsers.
    const std::map<MemberKey, Member>& members() const { return members_; }
    std::size_t present_count() const;
    std::size_t left_out() const { return left_out_; }

private:
    void update_members(base::WallTime arrival, std::vector<Change>& changes);
    void compare_conference(const ConferenceInfo& before, base::WallTime arrival,
                            std::vector<Change>& changes) const;
    void forget_departed();

    ConferenceInfo info_;
    std::optional<std::uint32_t> version_;
    std::map<MemberKey, Member> members_;
    std::size_t left_out_ = 0;
};

}  // namespace earshot::conference
