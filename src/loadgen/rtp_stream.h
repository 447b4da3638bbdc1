// The sending half of one RTP stream (RFC 3550): numbers, stamps and counts packets of 20 ms G.711
// and writes its sender reports. No I/O, no clock; belongs to the media sender's thread.
#pragma once

#include <cstdint>
#include <string>

#include "audio/g711.h"
#include "base/bytes.h"
#include "base/time.h"
#include "loadgen/voice.h"
#include "rtp/telephone_event.h"

namespace earshot::loadgen {

class RtpStream {
public:
    struct Start {
        std::uint32_t ssrc = 0;  // random, as the two below (RFC 3550 section 5.1)
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
        std::string cname;
        std::uint32_t call = 0;  // for the payload's key
        std::uint32_t stream = 0;
        bool has_keyed_payload = false;
    };

    // Borrows the voice.
    RtpStream(Start start, const Voice& voice);

    // By the last answer; a change of it in mid-call is legal.
    void set_format(std::uint8_t payload_type, audio::G711Law law);

    // The packet of this 20 ms; valid until the next call. The marker bit stands on the first one
    // after silence (RFC 3551 section 4.1).
    base::ByteView next_packet();
    // 20 ms in which nothing is sent: time runs on, the sequence does not.
    void skip_packet();
    // A packet of a DTMF event (RFC 4733 section 2.5.1): all of one carry the timestamp of its
    // start, and the first the marker. Time does not run on: that is skip_packet()'s.
    base::ByteView next_event_packet(std::uint8_t payload_type, const rtp::TelephoneEvent& event,
                                     bool is_first);

    // SR + SDES, and BYE at the end. `now` is the moment of the next packet.
    base::ByteView sender_report(base::WallTime now);
    base::ByteView goodbye(base::WallTime now);

    std::uint64_t packets() const { return packets_; }

private:
    std::uint32_t timestamp() const {
        return static_cast<std::uint32_t>(start_.timestamp + position_ * kSamplesPerPacket);
    }
    void write_packet(std::uint8_t payload_type, std::uint32_t at, bool marker);
    void write_report(base::WallTime now);

    Start start_;
    const Voice& voice_;
    std::uint8_t payload_type_ = 0;
    audio::G711Law law_ = audio::G711Law::Mu;
    std::uint64_t position_ = 0;  // in packets of 20 ms since the start, sent or not
    std::uint64_t packets_ = 0;
    std::uint32_t event_timestamp_ = 0;
    bool is_after_silence_ = true;
    base::Bytes payload_;
    base::Bytes packet_;
    base::Bytes report_;
};

}  // namespace earshot::loadgen
