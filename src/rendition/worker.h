// Runs earshot-media for one job: feeds it the packets, takes what it makes, and tells why when it
// fails. The child is not trusted once a payload reached it: what it writes is bounded, its crash,
// its silence and its limits are reasons.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"
#include "rendition/job.h"
#include "rendition/limits.h"
#include "rendition/report.h"

namespace earshot::rendition {

class PacketSource {
public:
    PacketSource() = default;
    PacketSource(const PacketSource&) = delete;
    PacketSource& operator=(const PacketSource&) = delete;
    virtual ~PacketSource() = default;
    // Appends some records (packet_stream.h) to `out`; false: that was all, its End included.
    virtual base::Result<bool, base::Reason> next(base::Bytes& out) = 0;
};

class Sink {
public:
    Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    virtual ~Sink() = default;
    // Bytes go on at the end, or lie within the first kMaxHeadBytes.
    virtual base::Result<base::Done, base::Reason> write(std::uint64_t offset,
                                                         base::ByteView bytes) = 0;
    virtual void on_progress(std::int64_t at_ms) = 0;
};

struct WorkerOptions {
    std::string program;                           // the path of earshot-media
    std::chrono::milliseconds stall = kStallTime;  // without a byte either way: it hangs
};

// Waits for its end. Codes: "media_missing" (no such program), "media_crashed" (a signal, or an end
// without a word), "media_limit" (of memory or time), "media_stalled", "media_malformed" (what it
// wrote is none of the format), "cancelled", what it says itself ("no_media", "cannot_render",
// ...), and those of `source` and `sink`.
base::Result<Report, base::Reason> run_worker(const WorkerOptions& options, const Job& job,
                                              PacketSource& source, Sink& sink,
                                              const std::atomic<bool>& is_cancelled);

}  // namespace earshot::rendition
