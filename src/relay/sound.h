// What a leg is made to hear beside its peer so that it knows of the recording (RFC 7866 section
// 6.1.2): a tone that comes again and again, or an announcement. Made once and shared by all calls;
// plain values, any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"
#include "sdp/payload_type.h"

namespace earshot::relay {

struct Sound {
    std::vector<std::int16_t> narrow;       // at 8 kHz
    std::vector<std::int16_t> wide;         // the same at 16 kHz: twice as many samples
    std::chrono::milliseconds interval{0};  // from one beginning to the next; 0: it is heard once
    bool is_alone = false;                  // what the peer says meanwhile is not heard
    std::chrono::milliseconds length() const {
        return std::chrono::milliseconds{narrow.size() / 8};
    }
};
// shared_ptr: the calls that hear it and the configuration let go of it in any order.
using SoundPtr = std::shared_ptr<const Sound>;

// 1400 Hz for 200 ms, the recording tone of ITU-T E.180 and of many countries' rules. `level_db`:
// of its peak below full scale, negative.
SoundPtr make_tone(double level_db, std::chrono::milliseconds interval);
// Reasons: bad_wav, too_long (kMaxAnnouncement), empty.
base::Result<SoundPtr, base::Reason> make_announcement(base::ByteView wav, bool is_alone);

// How samples are put into packets of a payload type.
enum class SoundCodec : std::uint8_t {
    Foreign,  // speech that we cannot decode
    Aside,    // no speech: DTMF events, comfort noise
    Mu,
    A,
    G722,
};

// What a leg may be sent on one line.
struct SoundFormats {
    std::array<SoundCodec, 128> codecs{};  // by payload type
    std::optional<std::uint8_t> own;       // of packets of ours; none: nothing that we know
    bool may_fill = false;                 // the leg wants to hear, so packets of ours may go there
    friend bool operator==(const SoundFormats&, const SoundFormats&) = default;
};
SoundFormats sound_formats(std::span<const sdp::PayloadType> sent, bool may_fill);

}  // namespace earshot::relay
