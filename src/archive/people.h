// Who took part in a recording, when each came and went, and who sends which stream: what the page
// names its lanes and its list of participants by. By the metadata (RFC 7865), as far as it tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/summary.h"
#include "base/json_writer.h"
#include "siprec/metadata.h"

namespace earshot::archive {

inline constexpr std::size_t kMaxPresences = 50;  // of one participant

struct Presence {
    std::optional<std::int64_t> joined_ms{};  // none: before the recording, or nobody told
    std::optional<std::int64_t> left_ms{};    // none: was there to its end, or nobody told
    friend bool operator==(const Presence&, const Presence&) = default;
};
struct Person {
    std::string aor;
    std::string name;                  // empty: not told
    bool is_seen_in_messages = false;  // the metadata does not name them
    std::vector<Presence> presence{};  // kMaxPresences at most; none: nobody told
    friend bool operator==(const Person&, const Person&) = default;
};
struct StreamSenders {
    std::string piece;  // its id; empty: the recording has one
    std::string label;
    std::vector<std::string> senders{};  // AORs, first known first; several in a mix
    friend bool operator==(const StreamSenders&, const StreamSenders&) = default;
};
struct People {
    std::vector<Person> people;
    std::vector<StreamSenders> streams;
    // Adds what one piece tells, which begins `offset_ms` after the recording.
    void add(const siprec::MetadataObjects& metadata, const Summary& summary,
             std::int64_t offset_ms, bool is_one_of_several);
    friend bool operator==(const People&, const People&) = default;
};

// Two members, "participants" and "streams", of the object that is open.
void write(base::JsonWriter& out, const People& people);

}  // namespace earshot::archive
