// The packets of a recording on their way to earshot-media, and what it makes on its way back: the
// bytes that docs/packet-format.md states. Numbers are little-endian.
//
//   a record to the child, 24 bytes and the payload     a frame of the output, 16 bytes and bytes
//   | type: 1 packet, 2 preview, 3 end    1 |           | "EFRM"                             4 |
//   | flags: 1 begins a segment, 2 a piece 1|           | size of what follows               4 |
//   | stream                              2 |           | offset in the output               8 |
//   | index of the format in the stream   2 |
//   | zero                                2 |
//   | size of the payload                 4 |
//   | zero                                4 |
//   | position, ns from the start         8 |
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "rendition/limits.h"

namespace earshot::rendition {

inline constexpr std::size_t kRecordHeaderBytes = 24;
inline constexpr std::size_t kOutputHeaderBytes = 16;

// On the wire: do not renumber.
enum class RecordType : std::uint8_t {
    Packet = 1,   // an RTP packet at its place
    Preview = 2,  // one of the first packets of a video stream, ahead of all: what a container must
                  // tell of it before its first frame. It comes again as a Packet.
    End = 3,      // nothing is missing
};
static_assert(static_cast<int>(RecordType::Packet) == 1);
static_assert(static_cast<int>(RecordType::Preview) == 2);
static_assert(static_cast<int>(RecordType::End) == 3);

struct RecordHeader {
    RecordType type = RecordType::Packet;
    bool begins_segment = false;  // what a decoder knew of the stream is of no use any more
    bool begins_piece = false;    // nor the numbers of its packets: another session sends it
    std::uint16_t stream = 0;
    std::uint16_t format = 0;
    std::uint32_t size = 0;
    std::int64_t position_ns = 0;
    friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};
void append_record(base::Bytes& out, const RecordHeader& header, base::ByteView payload);
base::Result<RecordHeader> parse_record_header(base::ByteView bytes);  // kRecordHeaderBytes

struct OutputHeader {
    std::uint32_t size = 0;
    std::uint64_t offset = 0;
};
std::array<std::uint8_t, kOutputHeaderBytes> make_output_header(const OutputHeader& header);
base::Result<OutputHeader> parse_output_header(base::ByteView bytes);  // kOutputHeaderBytes

}  // namespace earshot::rendition
