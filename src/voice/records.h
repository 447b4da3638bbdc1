// What a conference's mixer and its child `earshot-opus` say to each other, over a pair of
// SOCK_SEQPACKET sockets. A message holds records, one after another:
//
//   | kind (1) | 0 (1) | samples (2) | size (4) | stream (4) | 0 (4) |      little-endian
//   | ticket (8) | room (8) | member (8) | size octets |
//
// To the child:
//   Decode    a packet of Opus that lasts so many samples
//   Conceal   so many samples for one that is lost
//   Repair    the same, by what the packet that follows it (the octets) tells of it (in-band FEC)
//   Forget    the member is gone; member 0: the room, with all of them
// From it, for each of the first three, in their order:
//   Decoded   the samples, 16 bits each
//   Concealed the packet could not be decoded: what a decoder puts in its place
//
// Samples are of 16 kHz, one channel. A decoder belongs to a member of a room; another stream of
// the same member begins a new one. Neither side believes the other that a record is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace earshot::voice {

enum class RecordKind : std::uint8_t {
    Decode = 1,
    Conceal = 2,
    Repair = 3,
    Forget = 4,
    Decoded = 16,
    Concealed = 17
};

inline constexpr std::uint32_t kSampleRate = 16'000;
inline constexpr std::size_t kRecordHeaderBytes = 40;
inline constexpr std::size_t kMaxPacketBytes = 2'048;  // of RTP, as we read it
inline constexpr std::size_t kMaxSamples = 1'920;      // 120 ms (RFC 6716 section 2.1.4)
inline constexpr std::size_t kSamplesStep = 40;        // 2.5 ms: decoders conceal in such steps
inline constexpr std::size_t kMaxBodyBytes = 2 * kMaxSamples;
inline constexpr std::size_t kMaxMessageBytes = 32'768;  // a message, whole

struct Record {
    RecordKind kind = RecordKind::Decode;
    std::uint16_t samples = 0;
    std::uint32_t stream = 0;
    std::uint64_t ticket = 0;
    std::uint64_t room = 0;
    std::uint64_t member = 0;
    base::ByteView body{};
};

void append_record(const Record& record, base::Bytes& out);
// The first record of the rest of a message, taken off it, its body borrowed; nothing: it is none.
std::optional<Record> take_record(base::ByteView& rest);

void append_samples(std::span<const std::int16_t> samples, base::Bytes& out);
// Of a body; an odd octet at its end is none.
void read_samples(base::ByteView body, std::vector<std::int16_t>& samples);

}  // namespace earshot::voice
