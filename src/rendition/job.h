// What earshot-media is told before the packets: one line of JSON (docs/packet-format.md). Written
// by the server, read by the child before it locks itself in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rendition/limits.h"
#include "rendition/product.h"

namespace earshot::rendition {

// A payload format that was negotiated for the stream. Packets name it by its index, as a number
// may mean another one later.
struct Format {
    std::uint8_t payload_type = 0;
    bool is_used = true;     // there are packets of it
    std::string encoding{};  // as in rtpmap; case does not matter
    std::uint32_t clock_rate = 8000;
    std::uint16_t channels = 1;
    std::string fmtp{};
    friend bool operator==(const Format&, const Format&) = default;
};

struct Gap {
    std::int64_t start_ms = 0;
    std::int64_t duration_ms = 0;
    std::string reason{};  // "paused", "held", ...
    friend bool operator==(const Gap&, const Gap&) = default;
};

struct Stream {
    std::uint16_t number = 0;
    std::string label{};
    std::string media = "audio";
    std::string name{};       // of who sent it
    bool is_content = false;  // a shared screen, not a camera
    bool is_first = false;    // of the first sender: left in stereo
    std::vector<Format> formats{};
    std::vector<Gap> gaps{};
    friend bool operator==(const Stream&, const Stream&) = default;

    bool is_audio() const { return media == "audio"; }
    bool is_video() const { return media == "video"; }
};

// What the child allows itself.
struct Allowance {
    std::uint64_t memory_bytes = kDefaultMemoryBytes;
    std::uint32_t cpu_seconds = kDefaultCpuSeconds;
    friend bool operator==(const Allowance&, const Allowance&) = default;
};

struct Job {
    Product product = Product::Tracks;
    std::string title{};
    std::string started{};  // RFC 3339
    std::int64_t duration_ms = 0;
    std::vector<Stream> streams{};
    Allowance allowance{};
    friend bool operator==(const Job&, const Job&) = default;
};

std::string to_json(const Job& job);  // one line, without its newline
base::Result<Job> parse_job(std::string_view line);

}  // namespace earshot::rendition
