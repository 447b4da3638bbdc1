// RTCP (RFC 3550 section 6): compound packets read and written. Reading is safe on any bytes and
// allocates only for what it returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace earshot::rtp {

struct ReportBlock {
    std::uint32_t ssrc = 0;            // of the source that is reported on
    std::uint8_t fraction_lost = 0;    // in 1/256
    std::int32_t cumulative_lost = 0;  // 24 bits, signed
    std::uint32_t extended_highest = 0;
    std::uint32_t jitter = 0;          // ticks
    std::uint32_t last_sr = 0;         // middle 32 bits of the NTP time of the last SR; 0: none
    std::uint32_t delay_since_sr = 0;  // in 1/65536 s
    friend bool operator==(const ReportBlock&, const ReportBlock&) = default;
};

struct SenderReport {
    std::uint32_t ssrc = 0;
    std::uint64_t ntp = 0;  // 32.32 fixed point, seconds since 1900
    std::uint32_t rtp_timestamp = 0;
    std::uint32_t packet_count = 0;
    std::uint32_t octet_count = 0;
    std::vector<ReportBlock> reports;
    friend bool operator==(const SenderReport&, const SenderReport&) = default;
};

struct ReceiverReport {
    std::uint32_t ssrc = 0;
    std::vector<ReportBlock> reports;
    friend bool operator==(const ReceiverReport&, const ReceiverReport&) = default;
};

struct SourceDescription {  // one chunk
    std::uint32_t ssrc = 0;
    std::string cname;  // empty when the chunk has none; other items are passed over
    std::string mid{};  // RFC 9143 section 15: the m-line that it is of; empty likewise
    friend bool operator==(const SourceDescription&, const SourceDescription&) = default;
};
struct SourceDescriptions {
    std::vector<SourceDescription> chunks;
    friend bool operator==(const SourceDescriptions&, const SourceDescriptions&) = default;
};

struct Goodbye {
    std::vector<std::uint32_t> ssrcs;
    std::string reason;
    friend bool operator==(const Goodbye&, const Goodbye&) = default;
};

struct OtherRtcp {  // APP, RTPFB, PSFB, XR and what is yet to come
    std::uint8_t type = 0;
    std::uint8_t count = 0;  // the 5 bits after version and padding: subtype, format
    base::ByteView body;     // after the 4 bytes of header; borrowed
};

using RtcpPacket =
    std::variant<SenderReport, ReceiverReport, SourceDescriptions, Goodbye, OtherRtcp>;

// The packets of a compound. Refused: another version, a length past the end, padding elsewhere
// than in the last packet, more than kMaxRtcpPackets, a packet too short for its own counts.
// The rule that SR or RR comes first (RFC 3550 section 6.1) is not asked for: reduced-size RTCP
// (RFC 5506) is met in the field and a recorder loses nothing by reading it.
base::Result<std::vector<RtcpPacket>> parse_rtcp(base::ByteView datagram);

// Each appends one packet to `out`; a compound is SR or RR, then SDES, then BYE. At most
// kMaxReportBlocks blocks are written, texts are cut at kMaxSdesTextBytes.
void append_sender_report(const SenderReport& report, base::Bytes& out);
void append_receiver_report(const ReceiverReport& report, base::Bytes& out);
void append_cname(std::uint32_t ssrc, std::string_view cname, base::Bytes& out);
void append_goodbye(std::uint32_t ssrc, std::string_view reason, base::Bytes& out);

// NTP time (RFC 3550 section 4), modulo 2^32 seconds: the era that begins in 2036 included.
std::uint64_t to_ntp(base::WallTime time);
// The time nearest to `near` that has this NTP value.
base::WallTime from_ntp(std::uint64_t ntp, base::WallTime near);
// What a report block repeats of an SR (LSR).
inline std::uint32_t ntp_middle(std::uint64_t ntp) { return static_cast<std::uint32_t>(ntp >> 16); }

}  // namespace earshot::rtp
