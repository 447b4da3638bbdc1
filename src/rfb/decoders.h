// The encodings of a rectangle (RFC 6143 section 7.7, 7.8, and the ones that TightVNC, TigerVNC and
// LibVNCServer added: github.com/rfbproto/rfbproto). Each takes its octets as they come: run() may
// be called again with more when it said Need, and has then used up what it could read.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "rfb/byte_queue.h"
#include "rfb/inflater.h"
#include "rfb/screen.h"

namespace earshot::rfb {

enum class Progress : std::uint8_t { Done, Need, Broken, TooLarge };

// Fills `pixels` (width * height of them, by rows) from a JPEG file; false: it is none of that
// size. The room has no codec of its own; without one Tight's JPEG rectangles stay as they were.
using JpegDecoder = std::function<bool(base::ByteView jpeg, std::size_t width, std::size_t height,
                                       std::vector<Colour>& pixels)>;

// What goes on over rectangles.
struct StreamState {
    Inflater zlib;
    Inflater zrle;
    std::array<Inflater, 4> tight;
};

struct DecodeTarget {
    const PixelReader& pixels;
    Screen& screen;
    StreamState& streams;
    const JpegDecoder& jpeg;
};

class RectDecoder {
public:
    RectDecoder() = default;
    RectDecoder(const RectDecoder&) = delete;
    RectDecoder& operator=(const RectDecoder&) = delete;
    virtual ~RectDecoder() = default;
    virtual Progress run(ByteQueue& in, DecodeTarget& target) = 0;
};

namespace encoding {
inline constexpr std::int32_t kRaw = 0;
inline constexpr std::int32_t kCopyRect = 1;
inline constexpr std::int32_t kRre = 2;
inline constexpr std::int32_t kCoRre = 4;
inline constexpr std::int32_t kHextile = 5;
inline constexpr std::int32_t kZlib = 6;
inline constexpr std::int32_t kTight = 7;
inline constexpr std::int32_t kTrle = 15;
inline constexpr std::int32_t kZrle = 16;
inline constexpr std::int32_t kDesktopSize = -223;
inline constexpr std::int32_t kLastRect = -224;
inline constexpr std::int32_t kPointerPosition = -232;
inline constexpr std::int32_t kCursor = -239;
inline constexpr std::int32_t kXCursor = -240;
inline constexpr std::int32_t kQemuPointerMotion = -257;
inline constexpr std::int32_t kQemuKeyEvent = -258;
inline constexpr std::int32_t kQemuLedState = -261;
inline constexpr std::int32_t kDesktopName = -307;
inline constexpr std::int32_t kExtendedDesktopSize = -308;
inline constexpr std::int32_t kCursorWithAlpha = -314;
// LibVNCServer's: what it is and can do, in as many octets as the rectangle is wide.
inline constexpr std::int32_t kLedState = -131'072;  // 0xfffe0000
inline constexpr std::int32_t kSupportedMessages = -131'071;
inline constexpr std::int32_t kSupportedEncodings = -131'070;
inline constexpr std::int32_t kServerIdentity = -131'069;
inline constexpr std::int32_t kVmwareCursor = 0x574d5664;
inline constexpr std::int32_t kVmwareLedState = 0x574d5668;
}  // namespace encoding

// Null: the encoding is not known. LastRect is the caller's.
std::unique_ptr<RectDecoder> make_decoder(std::int32_t encoding, const Rect& rect);

// In files of their own.
// What `inner` reads, packed: its size (4 octets), then so much of `stream`.
std::unique_ptr<RectDecoder> make_zlib_block(std::unique_ptr<RectDecoder> inner,
                                             Inflater StreamState::*stream);
std::unique_ptr<RectDecoder> make_hextile(const Rect& rect);
std::unique_ptr<RectDecoder> make_trle(const Rect& rect);
std::unique_ptr<RectDecoder> make_zrle(const Rect& rect);
std::unique_ptr<RectDecoder> make_tight(const Rect& rect);
// A pseudo-encoding of the cursor or the desktop; null: it is none.
std::unique_ptr<RectDecoder> make_pseudo(std::int32_t encoding, const Rect& rect);

}  // namespace earshot::rfb
