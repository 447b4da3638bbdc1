// From RTP payloads back to what the encoder made: RFC 6184 (H.264), RFC 7798 (H.265), RFC 7741
// (VP8), RFC 9628 (VP9), the AOM's RTP payload format (AV1). Packets of one source and one payload
// type go in, in order of their sequence numbers; access units come out. Any bytes are safe; what
// is broken or missing makes a unit `damaged`, never an error. Pure; one object a source and type.
//
//     depacketiser->on_packet(packet);
//     while (auto unit = depacketiser->poll()) write(*unit);
//     depacketiser->finish();                  // the last unit; then poll again
//
// How units are framed:
//   H.264, H.265   NAL units, each behind a start code (Annex B) or a length of 4 bytes. Key frames
//                  that carry no parameter sets get those in force put in front.
//   VP8            one frame, as in IVF or WebM
//   VP9            one superframe: its layers' frames, with an index when there are several
//   AV1            one temporal unit: OBUs in low-overhead format, each with its size, without
//                  temporal delimiters, as in Matroska and MP4
//   audio          the payload as it is
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "payload/access_unit.h"

namespace earshot::payload {

enum class Framing : std::uint8_t {
    AnnexB,          // 00 00 00 01 before each NAL unit
    LengthPrefixed,  // its length in 4 bytes, big-endian
};

class Depacketiser {
public:
    Depacketiser() = default;
    Depacketiser(const Depacketiser&) = delete;
    Depacketiser& operator=(const Depacketiser&) = delete;
    virtual ~Depacketiser() = default;

    // A packet that is not newer than the one before is passed over.
    void on_packet(const Packet& packet);
    // A packet of the source that is of another payload type: not lost, not ours.
    void pass_over(std::uint64_t sequence);
    void finish();  // nothing follows: hands out the unit at hand
    std::optional<AccessUnit> poll();

    // What a decoder needs before the first key frame, from SDP and from the stream so far, in the
    // unit's framing: parameter sets (H.26x), the sequence header (AV1). Empty for the others.
    virtual base::Bytes decoder_setup() const { return {}; }

protected:
    virtual void read(const Packet& packet) = 0;
    virtual void on_loss() {}  // packets are missing before the next read()
    virtual void drain() {}    // what is held back belongs out, before finish()
    // The unit is about to be handed out. False: it is no unit of its own, keep it away.
    virtual bool complete(AccessUnit& unit);

    // What follows belongs to the unit of this timestamp. `begins`: it can be the first of a unit.
    void enter(std::int64_t timestamp, bool begins);
    // Everything from here to enter() is of the open unit; there is one after the first enter().
    AccessUnit& unit() { return *open_; }
    bool has_unit() const { return open_.has_value(); }
    void damage() { open_->damaged = true; }
    void append(base::ByteView bytes);  // damages the unit when it grows past kMaxUnitBytes

private:
    bool advance(std::uint64_t sequence);
    void close();

    std::optional<AccessUnit> open_;
    bool has_marker_ = false;
    std::uint64_t pending_loss_ = 0;
    std::optional<std::uint64_t> newest_;
    std::int64_t arrival_ns_ = 0;
    std::deque<AccessUnit> ready_;
};

// Null when nobody here knows the encoding (rtpmap's name; case does not matter): its packets are
// kept, its units are not known. `fmtp`: the parameters of a=fmtp, without the payload type.
std::unique_ptr<Depacketiser> make_depacketiser(std::string_view encoding, std::string_view fmtp,
                                                Framing framing = Framing::AnnexB);

}  // namespace earshot::payload
