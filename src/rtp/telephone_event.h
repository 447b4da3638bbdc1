// DTMF as RTP payload: telephone-event (RFC 4733 section 2.3), and the digits in a stream of such
// packets. Digits are sensitive (card numbers): never log them.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/rare_queue.h"
#include "base/result.h"

namespace earshot::rtp {

//  |     event     |E|R| volume    |          duration             |
struct TelephoneEvent {
    std::uint8_t event = 0;  // 0-9 digits, 10 *, 11 #, 12-15 A-D; 16 was flash in RFC 2833
    bool end = false;
    std::uint8_t volume = 0;     // 0-63, level in -dBm0
    std::uint16_t duration = 0;  // ticks of the clock, from the timestamp on
};

base::Result<TelephoneEvent> parse_telephone_event(base::ByteView payload);
void write_telephone_event(const TelephoneEvent& event, base::Bytes& out);  // appends 4 bytes

// '0'-'9', '*', '#', 'A'-'D'; nothing for other events.
std::optional<char> dtmf_digit(std::uint8_t event);

struct DtmfDigitSeen {
    char digit = 0;
    std::uint32_t timestamp = 0;       // RTP timestamp of its start
    std::uint32_t duration_ticks = 0;  // all segments together
    std::int64_t arrival_ns = 0;       // of its first packet
};

// Finds each digit once though each is sent many times: all packets of an event carry the timestamp
// of its start (RFC 4733 section 2.5.1), the end is sent three times, long events continue in
// segments. A digit is reported at its end, at the start of the next one, or by finish() when its
// end was lost. One object a source.
class DtmfDetector {
public:
    void on_packet(std::uint32_t timestamp, std::int64_t arrival_ns, const TelephoneEvent& event);
    void finish();
    std::optional<DtmfDigitSeen> poll_digit();

private:
    struct Open {
        std::uint8_t event = 0;
        std::uint32_t first_timestamp = 0;
        std::uint32_t segment_timestamp = 0;
        std::uint32_t before_segment = 0;  // ticks of the earlier segments
        std::uint32_t segment_ticks = 0;
        std::size_t segments = 1;
        std::int64_t arrival_ns = 0;
        bool ended = false;
    };
    void report();
    bool continues(std::uint32_t timestamp, const TelephoneEvent& event) const;

    std::optional<Open> open_;
    base::RareQueue<DtmfDigitSeen> digits_;
};

}  // namespace earshot::rtp
