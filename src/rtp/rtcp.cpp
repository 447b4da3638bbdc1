#include "rtp/rtcp.h"

#include <algorithm>

#include "rtp/limits.h"

namespace earshot::rtp {

using base::ByteView;
using base::Errc;
using base::Error;
using base::load_u32;

namespace {

constexpr std::uint8_t kSenderReport = 200;
constexpr std::uint8_t kReceiverReport = 201;
constexpr std::uint8_t kSourceDescription = 202;
constexpr std::uint8_t kGoodbye = 203;
constexpr std::uint8_t kItemEnd = 0;
constexpr std::uint8_t kItemCname = 1;
constexpr std::uint8_t kItemMid = 15;
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kBlockBytes = 24;
constexpr std::size_t kSenderInfoBytes = 24;  // SSRC, NTP, RTP timestamp, two counts

ReportBlock read_block(ByteView b) {
    // 24 bits, signed: shift the sign up and back.
    const auto lost = static_cast<std::int32_t>(load_u32(b, 4) << 8) / 256;
    return {.ssrc = load_u32(b, 0),
            .fraction_lost = b[4],
            .cumulative_lost = lost,
            .extended_highest = load_u32(b, 8),
            .jitter = load_u32(b, 12),
            .last_sr = load_u32(b, 16),
            .delay_since_sr = load_u32(b, 20)};
}

// Profile-specific extensions may follow the blocks (RFC 3550 §6.4.3); they are passed over.
bool read_blocks(ByteView body, std::size_t count, std::vector<ReportBlock>& out) {
    if (body.size() < count * kBlockBytes) return false;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(read_block(body.subspan(i * kBlockBytes)));
    return true;
}

std::optional<RtcpPacket> read_sender_report(ByteView body, std::size_t count) {
    if (body.size() < kSenderInfoBytes) return std::nullopt;
    SenderReport report{.ssrc = load_u32(body, 0),
                        .ntp = base::load_u64(body, 4),
                        .rtp_timestamp = load_u32(body, 12),
                        .packet_count = load_u32(body, 16),
                        .octet_count = load_u32(body, 20),
                        .reports = {}};
    if (!read_blocks(body.subspan(kSenderInfoBytes), count, report.reports)) return std::nullopt;
    return report;
}

std::optional<RtcpPacket> read_receiver_report(ByteView body, std::size_t count) {
    if (body.size() < 4) return std::nullopt;
    ReceiverReport report{.ssrc = load_u32(body, 0), .reports = {}};
    if (!read_blocks(body.subspan(4), count, report.reports)) return std::nullopt;
    return report;
}

// Takes one chunk off the front of `body`; chunks end on a 32-bit boundary (RFC 3550 §6.5).
std::optional<SourceDescription> take_chunk(ByteView& body) {
    if (body.size() < 4) return std::nullopt;
    SourceDescription chunk{.ssrc = load_u32(body, 0), .cname = {}};
    std::size_t at = 4;
    while (at < body.size() && body[at] != kItemEnd) {
        if (body.size() - at < 2 || body.size() - at - 2 < body[at + 1]) return std::nullopt;
        const ByteView text = body.subspan(at + 2, body[at + 1]);
        if (body[at] == kItemCname) chunk.cname = std::string(base::as_text(text));
        if (body[at] == kItemMid) chunk.mid = std::string(base::as_text(text));
        at += 2 + std::size_t{body[at + 1]};
    }
    if (at == body.size()) return std::nullopt;  // the end of the list is missing
    body = body.subspan(std::min((at + 4) / 4 * 4, body.size()));
    return chunk;
}

std::optional<RtcpPacket> read_descriptions(ByteView body, std::size_t count) {
    SourceDescriptions descriptions;
    for (std::size_t i = 0; i < count; ++i) {
        auto chunk = take_chunk(body);
        if (!chunk) return std::nullopt;
        descriptions.chunks.push_back(std::move(*chunk));
    }
    return descriptions;
}

std::optional<RtcpPacket> read_goodbye(ByteView body, std::size_t count) {
    if (body.size() < 4 * count) return std::nullopt;
    Goodbye goodbye;
    for (std::size_t i = 0; i < count; ++i) goodbye.ssrcs.push_back(load_u32(body, 4 * i));
    const ByteView rest = body.subspan(4 * count);
    if (!rest.empty()) {
        if (rest.size() - 1 < rest[0]) return std::nullopt;
        goodbye.reason = std::string(base::as_text(rest.subspan(1, rest[0])));
    }
    return goodbye;
}

std::optional<RtcpPacket> read_packet(std::uint8_t type, std::uint8_t count, ByteView body) {
    switch (type) {
        case kSenderReport:
            return read_sender_report(body, count);
        case kReceiverReport:
            return read_receiver_report(body, count);
        case kSourceDescription:
            return read_descriptions(body, count);
        case kGoodbye:
            return read_goodbye(body, count);
        default:
            return OtherRtcp{.type = type, .count = count, .body = body};
    }
}

// The last octet of a padded packet counts the padding, a multiple of four (RFC 3550 §6.4.1).
std::optional<ByteView> without_padding(ByteView body) {
    const std::size_t padding = body.empty() ? 0 : body.back();
    if (padding == 0 || padding % 4 != 0 || padding > body.size()) return std::nullopt;
    return body.first(body.size() - padding);
}

void append_header(std::uint8_t type, std::size_t count, std::size_t body_bytes, base::Bytes& out) {
    out.push_back(static_cast<std::uint8_t>(0x80 | count));
    out.push_back(type);
    base::append_u16(out, static_cast<std::uint16_t>(body_bytes / 4));
}

void append_blocks(const std::vector<ReportBlock>& blocks, std::size_t count, base::Bytes& out) {
    for (std::size_t i = 0; i < count; ++i) {
        const ReportBlock& block = blocks[i];
        constexpr std::int32_t kMost = 0x7fffff;  // RFC 3550 A.3: clamped to 24 bits
        const std::int32_t lost = std::clamp(block.cumulative_lost, -kMost - 1, kMost);
        base::append_u32(out, block.ssrc);
        base::append_u32(out, std::uint32_t{block.fraction_lost} << 24 |
                                  (static_cast<std::uint32_t>(lost) & 0xffffff));
        base::append_u32(out, block.extended_highest);
        base::append_u32(out, block.jitter);
        base::append_u32(out, block.last_sr);
        base::append_u32(out, block.delay_since_sr);
    }
}

}  // namespace

base::Result<std::vector<RtcpPacket>> parse_rtcp(ByteView datagram) {
    std::vector<RtcpPacket> packets;
    std::size_t at = 0;
    if (datagram.empty()) return Error{Errc::Malformed, "RTCP: empty"};
    while (at < datagram.size()) {
        if (packets.size() == kMaxRtcpPackets) return Error{Errc::TooLarge, "RTCP: packets", at};
        if (datagram.size() - at < kHeaderBytes) return Error{Errc::Malformed, "RTCP: short", at};
        if (datagram[at] >> 6 != 2) return Error{Errc::Unsupported, "RTCP: version is not 2", at};
        const std::size_t size = kHeaderBytes + 4 * std::size_t{base::load_u16(datagram, at + 2)};
        if (datagram.size() - at < size) return Error{Errc::Malformed, "RTCP: past the end", at};

        auto body = std::optional(datagram.subspan(at + kHeaderBytes, size - kHeaderBytes));
        if ((datagram[at] & 0x20) != 0) {
            // RFC 3550 §6.4.1: only the last packet may be padded.
            body = at + size == datagram.size() ? without_padding(*body) : std::nullopt;
        }
        if (!body) return Error{Errc::Malformed, "RTCP: padding", at};
        auto packet = read_packet(datagram[at + 1], datagram[at] & 0x1f, *body);
        if (!packet) return Error{Errc::Malformed, "RTCP: too short for its counts", at};
        packets.push_back(std::move(*packet));
        at += size;
    }
    return packets;
}

void append_sender_report(const SenderReport& report, base::Bytes& out) {
    const std::size_t count = std::min(report.reports.size(), kMaxReportBlocks);
    append_header(kSenderReport, count, kSenderInfoBytes + count * kBlockBytes, out);
    base::append_u32(out, report.ssrc);
    base::append_u32(out, static_cast<std::uint32_t>(report.ntp >> 32));
    base::append_u32(out, static_cast<std::uint32_t>(report.ntp));
    base::append_u32(out, report.rtp_timestamp);
    base::append_u32(out, report.packet_count);
    base::append_u32(out, report.octet_count);
    append_blocks(report.reports, count, out);
}

void append_receiver_report(const ReceiverReport& report, base::Bytes& out) {
    const std::size_t count = std::min(report.reports.size(), kMaxReportBlocks);
    append_header(kReceiverReport, count, 4 + count * kBlockBytes, out);
    base::append_u32(out, report.ssrc);
    append_blocks(report.reports, count, out);
}

void append_cname(std::uint32_t ssrc, std::string_view cname, base::Bytes& out) {
    const std::string_view text = cname.substr(0, kMaxSdesTextBytes);
    const std::size_t chunk = (4 + 2 + text.size() + 1 + 3) / 4 * 4;  // at least one end octet
    append_header(kSourceDescription, 1, chunk, out);
    base::append_u32(out, ssrc);
    out.push_back(kItemCname);
    out.push_back(static_cast<std::uint8_t>(text.size()));
    base::append(out, base::as_bytes(text));
    out.resize(out.size() + chunk - 6 - text.size(), kItemEnd);
}

void append_goodbye(std::uint32_t ssrc, std::string_view reason, base::Bytes& out) {
    const std::string_view text = reason.substr(0, kMaxSdesTextBytes);
    const std::size_t tail = text.empty() ? 0 : (1 + text.size() + 3) / 4 * 4;
    append_header(kGoodbye, 1, 4 + tail, out);
    base::append_u32(out, ssrc);
    if (tail == 0) return;
    out.push_back(static_cast<std::uint8_t>(text.size()));
    base::append(out, base::as_bytes(text));
    out.resize(out.size() + tail - 1 - text.size(), 0);
}

namespace {
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kNtpToUnixSeconds = 2'208'988'800;  // 1900 to 1970
}  // namespace

std::uint64_t to_ntp(base::WallTime time) {
    const std::int64_t ns = base::to_ns(time);
    const std::int64_t floor_seconds = ns / kSecondNs - (ns % kSecondNs < 0 ? 1 : 0);
    const auto seconds = static_cast<std::uint64_t>(floor_seconds + kNtpToUnixSeconds);
    const auto part = static_cast<std::uint64_t>(ns - floor_seconds * kSecondNs);
    return seconds << 32 | (part << 32) / static_cast<std::uint64_t>(kSecondNs);
}

base::WallTime from_ntp(std::uint64_t ntp, base::WallTime near) {
    const auto in_era = static_cast<std::int64_t>(ntp >> 32) - kNtpToUnixSeconds;
    const std::int64_t near_seconds = base::to_ns(near) / kSecondNs;
    // The era nearest to `near`: the difference modulo 2^32, read as signed.
    const auto step = static_cast<std::int32_t>(static_cast<std::uint32_t>(in_era - near_seconds));
    const std::uint64_t part =
        ((ntp & 0xffffffff) * static_cast<std::uint64_t>(kSecondNs) + (std::uint64_t{1} << 31)) >>
        32;
    return base::wall_from_ns((near_seconds + step) * kSecondNs + static_cast<std::int64_t>(part));
}

}  // namespace earshot::rtp
