// Which calls are to the same conference at the same time: their communication sessions are one
// CS-Group (RFC 7865 section 6.2). A conference's URI alone does not tell that, since rooms are
// used again. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "base/uuid.h"

namespace earshot::client {

class Meetings {
public:
    struct Meeting {
        base::Uuid group{};
        base::WallTime since{};  // when its first call came
    };

    // `installation`: name space of the groups' ids.
    explicit Meetings(const base::Uuid& installation) : installation_(installation) {}

    // That call is in the conference of that URI from now on. `told`: the group that it is in
    // already, which becomes that of the meeting, if the call is its first.
    Meeting enter(base::Now now, std::uint64_t call, const std::string& uri,
                  const std::optional<base::Uuid>& told);
    // It is in none any more. A meeting of which all calls have ended goes on for kMeetingGap.
    void leave(base::Now now, std::uint64_t call);

private:
    struct Known {
        Meeting meeting{};
        std::size_t calls = 0;
        std::optional<base::TimePoint> left{};  // when the last one did
    };
    base::Uuid installation_;
    std::map<std::string, Known> by_uri_;
    std::map<std::uint64_t, std::string> of_call_;
};

}  // namespace earshot::client
