// Where each packet of a stream lies on the recording's timeline (spec of media, section 1).
//
// The packets of a source are cut into segments. Within one, positions follow the RTP timestamps
// exactly; the segment as a whole is placed by the packet that was delayed least. A packet whose
// timestamp disagrees with its arrival by more than kMaxTimelineError, or whose clock rate changed,
// begins another segment; not so one that is late because its sender stood still and catches up.
// Sender reports are not used for positions: their wall clock is the peer's, wrong by anything,
// while arrivals are ours; they stay in the packets for later use. Loss is judged by sequence
// numbers alone, whatever the segments, so a sender that is silent (DTX) loses nothing. Nothing a
// sender writes into a packet can move it past the recording's end.
#pragma once

#include <cstdint>
#include <vector>

#include "archive/block_file.h"
#include "archive/codec.h"
#include "archive/recording_facts.h"
#include "archive/summary.h"

namespace earshot::archive {

// What is kept of each stored RTP packet until the recording is built.
struct PacketEntry {
    std::int64_t arrival_ns = 0;
    std::uint32_t timestamp = 0;
    RecordPlace place;
    std::uint16_t sequence = 0;
    std::uint16_t payload_size = 0;
    std::uint8_t payload_type = 0;
    std::uint8_t source = 0;        // index of the SSRC in its stream
    std::uint16_t header_size = 0;  // before the payload
};

struct PlacedPacket {
    std::int64_t position_ns = 0;  // of its first sample, from the recording's start
    std::uint32_t entry = 0;       // index of its PacketEntry
    std::uint32_t segment = 0;
    std::int64_t ticks = 0;  // from the segment's first timestamp
};

struct Segment {
    std::uint8_t source = 0;
    std::uint32_t clock_rate = 8000;
    std::int64_t anchor_ns = 0;  // position of tick 0
};

struct Timeline {
    std::vector<Segment> segments;
    std::vector<PlacedPacket> packets;  // distinct ones, by position, then by sequence
    std::uint64_t lost = 0;
    std::uint64_t duplicates = 0;
    std::vector<Gap> gaps;  // only reason lost; not merged
};

// `entries` are sorted by arrival. Gaps in the sequence during which the stream was paused or its
// packets could not be stored are not loss.
Timeline make_timeline(std::vector<PacketEntry>& entries, const StreamFacts& facts,
                       std::int64_t start_ns);

// All gaps of a stream: lost ones, and those of its pauses, holds, storage and negotiation, cut to
// [0, end]; in order, overlapping or touching ones of one reason merged, kMaxGaps at most. A hold
// is a gap only where nothing came (music on hold is recorded) and where the recording was not
// paused as well: what the recorder did beats what the call did. A stream that was dropped is
// neither held nor merely not negotiated.
std::vector<Gap> collect_gaps(const Timeline& timeline, const StreamFacts& facts,
                              std::int64_t start_ns, std::int64_t end_ns);

}  // namespace earshot::archive
