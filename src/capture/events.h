// The Event records that capture writes to the journal itself (UTF-8 JSON; docs/journal-format.md).
// The fields are numbers, addresses and fixed words, so nothing needs escaping.
//
//   ssrc_changed      stream, from, to, source        another sender after a silence or a new SDP
//   source_changed    stream, ssrc, from, to          the same SSRC from another address
//   packets_rejected  stream, cause, total, source    not stored; causes: capture::Rejection
//   dtmf              stream, digit, duration_ms      telephone-event; sensitive
//   storage_gap       stream, packets, from_ns, to_ns accepted, but the journal had no room
//   stream_counters   stream, ...                     StreamCounters when the stream was closed
#pragma once

#include <string>

#include "capture/stream_receiver.h"

namespace earshot::capture {

struct StorageGap {
    std::uint64_t packets = 0;
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
};

std::string event_json(std::uint16_t stream, const SsrcChange& event);
std::string event_json(std::uint16_t stream, const SourceMoved& event);
std::string event_json(std::uint16_t stream, const RejectedSome& event);
std::string event_json(std::uint16_t stream, const DigitSeen& event);
std::string event_json(std::uint16_t stream, const StorageGap& gap);
std::string event_json(std::uint16_t stream, const StreamCounters& counters);

}  // namespace earshot::capture
