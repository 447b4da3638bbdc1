// INVITEs that were challenged and may come again with an answer (RFC 3261 section 22.2): to an
// operator both are one attempt, so both write the same row. Which INVITE goes on with which is
// told by its Call-ID and From tag, which a client keeps (section 8.1.3.5), and its host. No I/O,
// no clock; the signalling thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/net_address.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "sip/message.h"

namespace earshot::server {

class ChallengeBook {
public:
    // This INVITE got a challenge; `row` is the id of its attempt.
    void add(base::TimePoint now, const base::NetAddress& from, const sip::Message& invite,
             std::string row);
    // The row that this INVITE goes on with: it answers a challenge. nullopt: an attempt of its
    // own.
    std::optional<std::string> take(base::TimePoint now, const base::NetAddress& from,
                                    const sip::Message& invite);
    // Whether a row that says `challenged` is old news: a retry must not write it over the newer.
    bool is_outdated(const catalog::Attempt& row) const;

private:
    // A row that is challenged twice has two entries: the older must not take what is the newer's
    // when it is forgotten, so each has a number.
    struct Entry {
        std::uint64_t number = 0;
        base::TimePoint until;
        std::string key;
        std::string row;
    };
    struct Waiting {
        std::uint64_t entry = 0;
        std::string row;
    };
    void forget_old(base::TimePoint now);
    void forget_oldest();

    std::deque<Entry> entries_;                                // oldest first
    std::unordered_map<std::string, Waiting> waiting_;         // by key
    std::unordered_map<std::string, std::uint64_t> answered_;  // entries that came again, by row
    std::uint64_t last_number_ = 0;
};

}  // namespace earshot::server
