// Any bytes as the documents of one subscription, cut at NUL. What is read must be written and read
// again as the same; a partial document that we make must bring a subscriber to our state; limits
// hold whatever comes.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "base/text.h"
#include "conference/limits.h"
#include "conference/roster.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
using conference::ConferenceInfo;

void require(bool condition) {
    if (!condition) std::abort();
}

ConferenceInfo read_again(const ConferenceInfo& info) {
    const auto again = conference::parse_conference_info(write_conference_info(info));
    // What grew by escaping may pass the limit of a document.
    if (!again) return info;
    return again->info;
}

void check_partial(const ConferenceInfo& before, const ConferenceInfo& after) {
    if (before.entity != after.entity) return;
    const auto partial = make_partial(before, after);
    if (!partial) return;
    ConferenceInfo local = before;
    merge(local, *partial);
    for (const auto& user : after.users ? after.users->users : std::vector<conference::User>{}) {
        const conference::User* known = local.find_user(user.entity);
        require(known != nullptr && *known == user);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    std::string_view rest = base::as_text({bytes, size});
    conference::Roster roster;
    base::WallTime now{std::chrono::hours{24 * 20'000}};
    while (!rest.empty()) {
        const std::string_view text = base::take_until(rest, '\0');
        const auto document = conference::parse_conference_info(text);
        if (!document) continue;
        require(document->issues.size() <= conference::kMaxIssues + 1);
        const ConferenceInfo before = roster.info();
        now += std::chrono::seconds{5};
        const auto applied = roster.apply(document->info, now);
        if (applied.outcome == conference::Roster::Outcome::NeedsFull) roster.await_full();
        const ConferenceInfo& info = roster.info();
        if (info.users) require(info.users->users.size() <= conference::kMaxUsers);
        require(info.sidebars.size() <= conference::kMaxSidebars);
        const ConferenceInfo once = read_again(info);
        require(read_again(once) == once);
        check_partial(before, info);
    }
    roster.close(now, "over");
    require(roster.present_count() == 0);
    return 0;
}
