// What earshot-media says of its work: lines of JSON on descriptor 3. What it says is not trusted:
// payloads of strangers went through it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::rendition {

// What became of a stream, or of one of its formats.
struct TrackNote {
    std::uint16_t stream = 0;
    std::string codec{};
    std::string state{};  // "copied", "rendered", "left_out"
    std::string text{};   // why it was left out
    friend bool operator==(const TrackNote&, const TrackNote&) = default;
};

// Media that is there and could not be rendered, at its place.
struct Fault {
    std::uint16_t stream = 0;
    std::int64_t at_ms = 0;
    std::int64_t duration_ms = 0;  // to the last of them, where several follow each other
    std::uint32_t count = 1;
    std::string text{};
    friend bool operator==(const Fault&, const Fault&) = default;
};

// Where the shared content of a stream becomes another picture.
struct Mark {
    std::uint16_t stream = 0;
    std::int64_t at_ms = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
};

struct Report {
    std::vector<TrackNote> tracks{};
    std::vector<Fault> faults{};
    std::vector<Mark> marks{};  // by time; of what was decoded
    friend bool operator==(const Report&, const Report&) = default;
};

// One line: where it is, or how it ended.
struct Message {
    std::optional<std::int64_t> at_ms{};
    std::optional<Report> done{};
    std::optional<base::Reason> error{};
};

std::string to_json(const Report& report);
base::Result<Report> parse_report(std::string_view text);

std::string progress_line(std::int64_t at_ms);
std::string done_line(const Report& report);
std::string error_line(const base::Reason& reason);
base::Result<Message> parse_message(std::string_view line);

}  // namespace earshot::rendition
