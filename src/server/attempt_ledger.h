// The way of attempts' rows to the catalogue. Every INVITE leaves a row, but a flood must not fill
// memory or disk with them, and a catalogue that cannot write for a while must not lose them: rows
// beyond a rate are merged by peer and reason into one that tells their number, and rows that were
// not committed wait for the next try. No I/O, no clock; the signalling thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "catalog/catalog.h"

namespace earshot::server {

// The outcome of an INVITE that was asked for a password, until the client comes back with one.
inline constexpr std::string_view kChallenged = "challenged";
inline constexpr std::string_view kRefused = "refused";

inline constexpr std::size_t kAttemptRowsPerSecond = 100;  // of refused INVITEs, each by itself
inline constexpr std::size_t kAttemptRowsBurst = 1000;
inline constexpr std::size_t kMaxAttemptGroups = 256;  // merged rows at once; then peers are mixed
inline constexpr std::size_t kMaxWaitingAttempts = 10'000;
inline constexpr std::size_t kMaxAttemptBatch = 500;  // rows in one transaction
inline constexpr std::chrono::seconds kAttemptGroupTime{10};
inline constexpr std::chrono::seconds kAttemptRetryTime{1};

class AttemptLedger {
public:
    struct Counters {
        std::uint64_t refused = 0;  // INVITEs that became no call; not those that were challenged
        std::uint64_t merged = 0;   // of those refused the ones that share a row
        std::uint64_t lost = 0;     // rows of calls for which there was no room to wait
        std::size_t waiting = 0;    // rows not committed yet, after a failure
    };

    enum class Row { New, Written };
    // An INVITE that was refused, or challenged, before it was a call. A row that is Written, as
    // that of a challenge it answers, is not merged in a flood: it would say `challenged` for ever.
    void add_refused(base::TimePoint now, catalog::Attempt row, Row kind = Row::New);
    // Whether it would share a row with others: there are too many for one each.
    bool is_merging(base::TimePoint now) const { return allowance_at(now) < 1; }
    // The final row of a call: never merged.
    void add_call(catalog::Attempt row);
    // The catalogue did not take them: once more, a little later.
    void put_back(base::TimePoint now, std::vector<catalog::Attempt> rows);

    // What is to be written now, oldest first; empty when there is nothing or a retry is not due.
    // Call again until it is empty, after each add and once a second.
    std::vector<catalog::Attempt> take(base::TimePoint now);

    Counters counters() const;

private:
    struct Group {
        base::TimePoint since;
        catalog::Attempt first;
        std::uint64_t count = 0;
    };
    double allowance_at(base::TimePoint now) const;
    void merge(base::TimePoint now, catalog::Attempt row);
    void take_due_groups(base::TimePoint now);

    std::deque<catalog::Attempt> ready_;
    std::map<std::pair<std::string, std::string>, Group> groups_;  // host, reason
    base::TimePoint refilled_{};
    double allowance_ = kAttemptRowsBurst;
    base::TimePoint retry_at_{};
    bool has_failed_ = false;  // what is ready waits for retry_at_
    Counters counters_;
};

}  // namespace earshot::server
