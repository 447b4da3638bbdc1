// One direction of a call as an endpoint that records itself sends it to the recording server: with
// SSRC, sequence numbers, timestamps and CNAME of its own (RFC 7866 section 8.2.3, P-81). Only the
// payloads and the distances of the timestamps are those of the call. No I/O, no clock; belongs to
// the thread of the phones' media.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "rtp/rtp_packet.h"

namespace earshot::loadgen {

class RecordedStream {
public:
    struct Start {
        std::uint32_t ssrc = 0;  // random, as the two below (RFC 3550 section 5.1)
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
        std::string cname;
    };

    explicit RecordedStream(Start start) : start_(std::move(start)) {}

    // The packet for the server; valid until the next call. `at` is when the phone sent or heard
    // the original: where another source takes over, it tells how much time has passed.
    base::ByteView next_packet(const rtp::RtpHeader& original, std::uint8_t payload_type,
                               base::ByteView payload, base::WallTime at);

    // SR + SDES, and BYE at the end; only once there was a packet.
    base::ByteView sender_report(base::WallTime now);
    base::ByteView goodbye(base::WallTime now);

    std::uint64_t packets() const { return packets_; }

private:
    std::uint32_t timestamp_at(base::WallTime time) const;

    Start start_;
    std::optional<std::uint32_t> source_;  // SSRC of the original
    std::uint32_t shift_ = 0;              // from its timestamps to ours
    std::uint32_t last_timestamp_ = 0;
    base::WallTime last_at_{};
    std::uint64_t packets_ = 0;
    std::uint64_t octets_ = 0;
    base::Bytes packet_;
    base::Bytes report_;
};

}  // namespace earshot::loadgen
