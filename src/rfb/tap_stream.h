// What the recording client and its child `earshot-screen` say to each other, over one stream each
// way: records of
//
//   | kind (1) | 0 (3) | size (4) | time (8) | size octets |      little-endian
//
// To the child:
//   Server, Viewer   octets of an RFB session as they passed, in their order
//   Tick             may there be a picture? Answered by one Frame or one Nothing
//   KeyFrame         the next picture is one that a decoder can begin with
// From it:
//   Frame            width (2), height (2), is a key frame (1), then RTP payloads of VP8, each
//                    behind its size (2); `time`: of the octets that made it, as they had it
//   Nothing          nothing has changed since the last picture
//   Failed           "code text": the session cannot be followed; from now on Ticks get Nothing
//
// `time` is the client's own clock in ns; the child has none.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace earshot::rfb {

enum class TapKind : std::uint8_t {
    Server = 1,
    Viewer = 2,
    Tick = 3,
    KeyFrame = 4,
    Frame = 16,
    Nothing = 17,
    Failed = 18
};

inline constexpr std::size_t kTapHeaderBytes = 16;
// Of a record: a picture of noise of the largest size is smaller.
inline constexpr std::size_t kMaxTapBytes = std::size_t{64} << 20;

struct TapHeader {
    TapKind kind = TapKind::Nothing;
    std::size_t size = 0;
    std::int64_t time_ns = 0;
};

inline void append_tap_record(TapKind kind, std::int64_t time_ns, base::ByteView bytes,
                              base::Bytes& out) {
    out.push_back(static_cast<std::uint8_t>(kind));
    out.insert(out.end(), 3, 0);
    base::append_le(out, static_cast<std::uint32_t>(bytes.size()));
    base::append_le(out, static_cast<std::uint64_t>(time_ns));
    base::append(out, bytes);
}

// Of kTapHeaderBytes octets; nothing when the record is larger than any may be.
inline std::optional<TapHeader> parse_tap_header(base::ByteView bytes) {
    const TapHeader header{
        .kind = static_cast<TapKind>(bytes[0]),
        .size = base::load_le<std::uint32_t>(bytes, 4),
        .time_ns = static_cast<std::int64_t>(base::load_le<std::uint64_t>(bytes, 8))};
    if (header.size > kMaxTapBytes) return std::nullopt;
    return header;
}

}  // namespace earshot::rfb
