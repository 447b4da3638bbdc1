#include "rtp/rtcp_feedback.h"

#include "rtp/limits.h"

namespace earshot::rtp {

namespace {

constexpr std::uint8_t kTransportFeedback = 205;
constexpr std::uint8_t kPayloadFeedback = 206;
constexpr std::uint8_t kNack = 1;  // FMT
constexpr std::uint8_t kPli = 1;
constexpr std::uint8_t kFir = 4;

// |V=2|P| FMT | PT | length | SSRC of the reporter | SSRC of the media | what is fed back |
void append_head(std::uint8_t type, std::uint8_t format, std::size_t words, std::uint32_t ours,
                 std::uint32_t media, base::Bytes& out) {
    out.push_back(static_cast<std::uint8_t>(0x80 | format));
    out.push_back(type);
    base::append_u16(out, static_cast<std::uint16_t>(2 + words));
    base::append_u32(out, ours);
    base::append_u32(out, media);
}

void read_nack(base::ByteView blocks, RtcpFeedback& found) {
    for (; blocks.size() >= 4 && found.lost.size() < kMaxNackedPackets;
         blocks = blocks.subspan(4)) {
        const std::uint16_t first = base::load_u16(blocks, 0);
        const std::uint16_t following = base::load_u16(blocks, 2);
        found.lost.push_back(first);
        for (unsigned bit = 0; bit < 16; ++bit)
            if ((following >> bit & 1U) != 0)
                found.lost.push_back(static_cast<std::uint16_t>(first + bit + 1));
    }
}

}  // namespace

std::size_t append_nack(std::uint32_t ours, std::uint32_t media,
                        std::span<const std::uint16_t> lost, base::Bytes& out) {
    struct Block {
        std::uint16_t first = 0;
        std::uint16_t following = 0;  // bit i: first + i + 1 is lost, too
    };
    std::vector<Block> blocks;
    std::size_t taken = 0;
    for (const std::uint16_t number : lost) {
        const auto behind = blocks.empty()
                                ? std::uint16_t{0xffff}
                                : static_cast<std::uint16_t>(number - blocks.back().first);
        if (behind >= 1 && behind <= 16) {
            blocks.back().following =
                static_cast<std::uint16_t>(blocks.back().following | 1U << (behind - 1U));
        } else if (blocks.size() == kMaxNackBlocks) {
            break;
        } else if (behind != 0) {
            blocks.push_back({.first = number, .following = 0});
        }
        ++taken;
    }
    if (blocks.empty()) return 0;
    append_head(kTransportFeedback, kNack, blocks.size(), ours, media, out);
    for (const Block& block : blocks) {
        base::append_u16(out, block.first);
        base::append_u16(out, block.following);
    }
    return taken;
}

void append_pli(std::uint32_t ours, std::uint32_t media, base::Bytes& out) {
    append_head(kPayloadFeedback, kPli, 0, ours, media, out);
}

void append_fir(std::uint32_t ours, std::uint32_t media, std::uint8_t number, base::Bytes& out) {
    append_head(kPayloadFeedback, kFir, 2, ours, 0, out);  // section 4.3.1.2: not used, 0
    base::append_u32(out, media);
    base::append_u32(out, std::uint32_t{number} << 24);
}

RtcpFeedback parse_feedback(const OtherRtcp& packet) {
    RtcpFeedback found;
    if (packet.body.size() < 8) return found;
    found.media = base::load_u32(packet.body, 4);
    base::ByteView rest = packet.body.subspan(8);
    if (packet.type == kTransportFeedback && packet.count == kNack) read_nack(rest, found);
    if (packet.type != kPayloadFeedback) return found;
    found.is_pli = packet.count == kPli;
    if (packet.count != kFir) return found;
    for (; rest.size() >= 8 && found.full_intra.size() < kMaxReportBlocks; rest = rest.subspan(8))
        found.full_intra.push_back({.ssrc = base::load_u32(rest, 0), .number = rest[4]});
    return found;
}

}  // namespace earshot::rtp
