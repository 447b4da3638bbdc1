// Recording servers whose hosts refuse media, counted over all recordings. A host tells of a closed
// port by ICMP only so often (Linux: six times, then once a second), so of a server that has died
// with hundreds of streams most never hear of it: what several of its recordings have met holds for
// all. Pure; belongs to the signalling thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/net_address.h"
#include "base/time.h"

namespace earshot::client {

// A server of the settings, and a host to which it takes media: several processes may share the
// host, several hosts the server.
struct MediaPlace {
    std::string server;
    base::NetAddress host;  // port 0
    friend bool operator==(const MediaPlace&, const MediaPlace&) = default;
};

class Refusals {
public:
    using RecordingKey = std::pair<std::uint64_t, std::uint32_t>;  // its call, its subscription

    // A recording has met a closed port there.
    void add(base::TimePoint now, const MediaPlace& place, RecordingKey recording);
    // How many different ones have, within kRefusalTime, and whether that one is among them.
    std::size_t count(base::TimePoint now, const MediaPlace& place);
    bool has(const MediaPlace& place, RecordingKey recording) const;
    // When the first of these was; only where count() is not 0.
    base::TimePoint first(const MediaPlace& place) const;
    void forget(const MediaPlace& place);

private:
    struct Entry {
        base::TimePoint at;
        MediaPlace place;
        RecordingKey recording;
    };
    void tidy(base::TimePoint now);

    std::vector<Entry> entries_;  // in the order of time
};

}  // namespace earshot::client
