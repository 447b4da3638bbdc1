// What a test phone hears: counts RTP, finds loss, strays and DTMF, and keeps the sound when asked.
// No I/O, no clock; belongs to the thread of the phones' media.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "rtp/rtp_packet.h"
#include "rtp/sequence_tracker.h"
#include "rtp/telephone_event.h"

namespace earshot::loadgen {

struct HeardMedia {
    std::uint64_t packets = 0;  // RTP, each one once
    std::uint64_t lost = 0;     // missing between the first and the last, by their numbers
    std::uint64_t duplicates = 0;
    std::uint64_t reordered = 0;
    std::uint64_t strays = 0;   // not of this call and direction (keyed payloads), or no RTP
    std::uint64_t reports = 0;  // RTCP datagrams
    std::size_t sources = 0;    // SSRCs
    std::optional<base::WallTime> first_packet;
    std::string digits;               // RFC 4733
    std::vector<std::int16_t> sound;  // 8 kHz, silence where nothing was heard
};

class PhoneReceiver {
public:
    struct Settings {
        std::uint32_t call = 0;    // whose keyed payloads are right
        std::uint32_t stream = 0;  // of the other phone: 0 the caller, 1 the callee
        bool has_keyed_payload = false;
        bool keeps_sound = false;
    };

    explicit PhoneReceiver(const Settings& settings) : settings_(settings) {}

    void set_event_payload_type(std::optional<std::uint8_t> type) { event_payload_type_ = type; }

    struct Packet {
        rtp::RtpHeader header;
        std::optional<std::int64_t> delay_ns;  // when it tells when it was sent
    };
    // Nothing for what does not belong to the call or came before.
    std::optional<Packet> on_rtp(base::ByteView packet, std::int64_t arrival_ns);
    void on_rtcp() { ++heard_.reports; }

    HeardMedia finish();

private:
    struct Source {
        std::uint32_t ssrc = 0;
        std::uint32_t first_timestamp = 0;
        std::int64_t first_sample = 0;  // of its first packet, in the sound
        rtp::SequenceTracker tracker{true};
    };

    Source* find_source(std::uint32_t ssrc, std::uint32_t timestamp, std::int64_t arrival_ns);
    void keep_sound(const Source& source, std::uint8_t payload_type, std::uint32_t timestamp,
                    base::ByteView payload);

    Settings settings_;
    HeardMedia heard_;
    std::vector<Source> sources_;
    std::optional<std::uint8_t> event_payload_type_;
    rtp::DtmfDetector dtmf_;
};

}  // namespace earshot::loadgen
