#include "payload/fec.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace earshot::payload {
namespace {

using base::Errc;
using base::Error;

constexpr std::size_t kFixedHeader = 12;
constexpr std::uint16_t kWithoutVersion = 0x3fff;

void add_bits(std::uint64_t mask, std::size_t count, std::uint16_t first, std::uint32_t ssrc,
              std::vector<FecCovered>& out) {
    for (std::size_t i = 0; i < count; ++i)
        if ((mask >> (count - 1 - i) & 1U) != 0)
            out.push_back({.ssrc = ssrc, .sequence = static_cast<std::uint16_t>(first + i)});
}

// RFC 5109 section 7.3 and 7.4:
//  |E|L|P|X|  CC   |M| PT recovery |            SN base            |
//  |                          TS recovery                          |
//  |        length recovery        |
// and of each level
//  |       protection length       |             mask              |
//  |              mask, 32 bits more (when L is set)               |  parity
base::Result<FecPacket> parse_ulp(base::ByteView payload, std::uint32_t ssrc) {
    constexpr std::size_t kHeader = 10;
    if (payload.size() < kHeader) return Error{Errc::Malformed, "FEC: header cut"};
    if ((payload[0] & 0x80U) != 0) return Error{Errc::Unsupported, "FEC: reserved bit"};
    const bool is_long = (payload[0] & 0x40U) != 0;
    FecPacket fec{.flags = static_cast<std::uint16_t>(base::load_u16(payload, 0) & kWithoutVersion),
                  .timestamp = base::load_u32(payload, 4),
                  .length = base::load_u16(payload, 8),
                  .levels = {}};
    const std::uint16_t sn_base = base::load_u16(payload, 2);
    const std::size_t level_header = is_long ? 8 : 4;
    payload = payload.subspan(kHeader);
    while (fec.levels.empty() || (!payload.empty() && fec.levels.size() < kMaxFecLevels)) {
        if (payload.size() < level_header) return Error{Errc::Malformed, "FEC: level cut"};
        const std::size_t size = base::load_u16(payload, 0);
        if (payload.size() - level_header < size)
            return Error{Errc::Malformed, "FEC: parity past the end"};
        FecPacket::Level level{.covered = {}, .parity = payload.subspan(level_header, size)};
        add_bits(base::load_u16(payload, 2), 16, sn_base, ssrc, level.covered);
        if (is_long)
            add_bits(base::load_u32(payload, 4), 32, static_cast<std::uint16_t>(sn_base + 16), ssrc,
                     level.covered);
        fec.levels.push_back(std::move(level));
        payload = payload.subspan(level_header + size);
    }
    return fec;
}

// The part of FlexFEC's header that both versions begin with.
//  |R|F|P|X|  CC   |M| PT recovery |        length recovery        |
//  |                          TS recovery                          |
constexpr std::size_t kFlexHeader = 8;
FecPacket read_flex_header(base::ByteView payload) {
    return {.flags = static_cast<std::uint16_t>(base::load_u16(payload, 0) & kWithoutVersion),
            .timestamp = base::load_u32(payload, 4),
            .length = base::load_u16(payload, 2),
            .levels = {}};
}

// SN base and the mask behind it: 15, then 31 bits, each behind a K bit, then the rest. The K bit
// that ends the mask is 1 in the draft and 0 in the RFC, whose last part has none. How many octets.
std::optional<std::size_t> read_flex_mask(base::ByteView bytes, bool is_draft, std::uint32_t ssrc,
                                          std::vector<FecCovered>& out) {
    if (bytes.size() < 4) return std::nullopt;
    const std::uint16_t sn_base = base::load_u16(bytes, 0);
    const std::uint16_t first = base::load_u16(bytes, 2);
    add_bits(first & 0x7fffU, 15, sn_base, ssrc, out);
    if (((first & 0x8000U) != 0) == is_draft) return 4;
    if (bytes.size() < 8) return std::nullopt;
    const std::uint32_t second = base::load_u32(bytes, 4);
    add_bits(second & 0x7fffffffU, 31, static_cast<std::uint16_t>(sn_base + 15), ssrc, out);
    if (((second & 0x80000000U) != 0) == is_draft) return 8;
    if (bytes.size() < 16) return std::nullopt;
    const std::uint64_t third =
        std::uint64_t{base::load_u32(bytes, 8)} << 32U | base::load_u32(bytes, 12);
    if (is_draft && third >> 63U == 0) return std::nullopt;  // no mask goes on
    add_bits(third, is_draft ? 63 : 64, static_cast<std::uint16_t>(sn_base + 46), ssrc, out);
    return 16;
}

// Draft 03, section 4.2: SSRC count (8), reserved (24), then of each: SSRC, SN base, mask.
base::Result<FecPacket> parse_flex03(base::ByteView payload) {
    if (payload.size() < kFlexHeader + 4) return Error{Errc::Malformed, "FEC: header cut"};
    if ((payload[0] & 0xc0U) != 0) return Error{Errc::Unsupported, "FEC: no flexible mask"};
    FecPacket fec = read_flex_header(payload);
    const std::size_t count = payload[kFlexHeader];
    if (count == 0 || count > kMaxFecSources) return Error{Errc::Unsupported, "FEC: SSRC count"};
    payload = payload.subspan(kFlexHeader + 4);
    FecPacket::Level level;
    for (std::size_t i = 0; i < count; ++i) {
        if (payload.size() < 4) return Error{Errc::Malformed, "FEC: SSRC cut"};
        const std::uint32_t ssrc = base::load_u32(payload, 0);
        const auto size = read_flex_mask(payload.subspan(4), true, ssrc, level.covered);
        if (!size) return Error{Errc::Malformed, "FEC: mask cut"};
        payload = payload.subspan(4 + *size);
    }
    level.parity = payload;
    fec.levels.push_back(std::move(level));
    return fec;
}

// RFC 8627 section 4.2.2.2, F set: SN base, L and D: a row of L packets (D 0 or 1), or a column of
// D packets that lie L apart.
std::optional<std::size_t> read_flex_offsets(base::ByteView bytes, std::uint32_t ssrc,
                                             std::vector<FecCovered>& out) {
    if (bytes.size() < 4 || bytes[2] == 0) return std::nullopt;
    const std::uint16_t sn_base = base::load_u16(bytes, 0);
    const std::size_t columns = bytes[2];
    const std::size_t rows = bytes[3];
    const std::size_t count = rows > 1 ? rows : columns;
    const std::size_t step = rows > 1 ? columns : 1;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back({.ssrc = ssrc, .sequence = static_cast<std::uint16_t>(sn_base + i * step)});
    return 4;
}

base::Result<FecPacket> parse_flex(base::ByteView payload,
                                   std::span<const std::uint32_t> protects) {
    if (payload.size() < kFlexHeader) return Error{Errc::Malformed, "FEC: header cut"};
    if ((payload[0] & 0x80U) != 0) return Error{Errc::Unsupported, "FEC: a retransmission"};
    if (protects.empty() || protects.size() > kMaxFecSources)
        return Error{Errc::Unsupported, "FEC: of whose packets is not told"};
    FecPacket fec = read_flex_header(payload);
    const bool has_offsets = (payload[0] & 0x40U) != 0;
    payload = payload.subspan(kFlexHeader);
    FecPacket::Level level;
    for (const std::uint32_t ssrc : protects) {
        const auto size = has_offsets ? read_flex_offsets(payload, ssrc, level.covered)
                                      : read_flex_mask(payload, false, ssrc, level.covered);
        if (!size) return Error{Errc::Malformed, "FEC: mask cut"};
        payload = payload.subspan(*size);
    }
    level.parity = payload;
    fec.levels.push_back(std::move(level));
    return fec;
}

}  // namespace

std::optional<FecScheme> find_fec_scheme(std::string_view encoding) {
    if (base::iequals(encoding, "ulpfec")) return FecScheme::Ulp;
    if (base::iequals(encoding, "flexfec-03")) return FecScheme::Flex03;
    if (base::iequals(encoding, "flexfec")) return FecScheme::Flex;
    return std::nullopt;
}

base::Result<FecPacket> parse_fec(FecScheme scheme, base::ByteView payload,
                                  std::span<const std::uint32_t> protects) {
    switch (scheme) {
        case FecScheme::Ulp:
            if (protects.empty()) return Error{Errc::Malformed, "FEC: of nobody's packets"};
            return parse_ulp(payload, protects.front());
        case FecScheme::Flex03:
            return parse_flex03(payload);
        case FecScheme::Flex:
            break;
    }
    return parse_flex(payload, protects);
}

const base::Bytes* FecRecovery::find(const FecCovered& wanted) const {
    const auto source = media_.find(wanted.ssrc);
    if (source == media_.end()) return nullptr;
    const Slot& slot = source->second.slots[wanted.sequence % kMaxFecMedia];
    return slot.is_used && slot.sequence == wanted.sequence ? &slot.bytes : nullptr;
}

void FecRecovery::keep(const FecCovered& which, base::ByteView packet) {
    if (!media_.contains(which.ssrc) && media_.size() >= kMaxFecSources)
        media_.erase(std::min_element(
            media_.begin(), media_.end(),
            [](const auto& a, const auto& b) { return a.second.heard < b.second.heard; }));
    Source& source = media_[which.ssrc];
    source.heard = ++heard_;
    source.slots.resize(kMaxFecMedia);
    Slot& slot = source.slots[which.sequence % kMaxFecMedia];
    slot.is_used = true;
    slot.sequence = which.sequence;
    slot.bytes.assign(packet.begin(), packet.end());
}

void FecRecovery::on_media(base::ByteView packet) {
    if (packet.size() < kFixedHeader) return;
    const FecCovered which{.ssrc = base::load_u32(packet, 8),
                           .sequence = base::load_u16(packet, 2)};
    keep(which, packet);
    settle(which);
}

bool FecRecovery::on_fec(FecScheme scheme, base::ByteView payload,
                         std::span<const std::uint32_t> protects) {
    Waiting waiting{.payload = {payload.begin(), payload.end()}, .packet = {}, .missing = {}};
    auto packet = parse_fec(scheme, waiting.payload, protects);
    if (!packet || packet->levels.front().covered.size() > kMaxFecCovered) return false;
    waiting.packet = *std::move(packet);
    for (const FecCovered& covered : waiting.packet.levels.front().covered)
        if (find(covered) == nullptr) waiting.missing.push_back(covered);
    if (const auto found = take_back(waiting)) settle(*found);
    if (waiting.missing.empty()) return true;
    if (waiting_.size() >= kMaxFecWaiting) waiting_.pop_front();
    waiting_.push_back(std::move(waiting));
    return true;
}

// The one packet that is missing; with more missing ones nothing changes. One that cannot come back
// is waited for no longer.
std::optional<FecCovered> FecRecovery::take_back(Waiting& waiting) {
    if (waiting.missing.size() != 1) return std::nullopt;
    const FecCovered lost = waiting.missing.front();
    waiting.missing.clear();
    if (find(lost) != nullptr) return std::nullopt;
    auto found = recover(waiting.packet, lost);
    if (!found) return std::nullopt;
    keep(lost, *found);
    ready_.push_back(std::move(*found));
    return lost;
}

// What is there now may be the last but one that another FEC packet waits for, and so on: each
// round takes something off the list or is the last one.
void FecRecovery::settle(const FecCovered& newest) {
    std::vector<FecCovered> known{newest};
    while (!known.empty()) {
        const FecCovered which = known.back();
        known.pop_back();
        for (Waiting& waiting : waiting_)
            if (std::erase(waiting.missing, which) > 0)
                if (const auto found = take_back(waiting)) known.push_back(*found);
        std::erase_if(waiting_, [](const Waiting& waiting) { return waiting.missing.empty(); });
    }
}

// RFC 5109 section 9.2, RFC 8627 section 6.3.3.
std::optional<base::Bytes> FecRecovery::recover(const FecPacket& fec,
                                                const FecCovered& lost) const {
    std::uint16_t flags = fec.flags;
    std::uint16_t length = fec.length;
    std::uint32_t timestamp = fec.timestamp;
    std::optional<std::uint32_t> near;
    for (const FecCovered& covered : fec.levels.front().covered) {
        if (covered == lost) continue;
        const base::Bytes* packet = find(covered);
        if (packet == nullptr) return std::nullopt;
        flags ^= base::load_u16(*packet, 0);
        timestamp ^= base::load_u32(*packet, 4);
        length ^= static_cast<std::uint16_t>(packet->size() - kFixedHeader);
        if (covered.ssrc == lost.ssrc) near = base::load_u32(*packet, 4);
    }
    // Packets that were changed on their way make another packet of their parity: nothing like its
    // neighbours.
    if (near && std::abs(static_cast<std::int64_t>(static_cast<std::int32_t>(timestamp - *near))) >
                    kMaxFecTicks)
        return std::nullopt;
    base::Bytes out;
    base::append_u16(out, static_cast<std::uint16_t>((flags & kWithoutVersion) | 0x8000U));
    base::append_u16(out, lost.sequence);
    base::append_u32(out, timestamp);
    base::append_u32(out, lost.ssrc);
    for (const FecPacket::Level& level : fec.levels) {
        const std::size_t done = out.size() - kFixedHeader;
        if (done >= length) break;
        if (std::find(level.covered.begin(), level.covered.end(), lost) == level.covered.end())
            return std::nullopt;
        const std::size_t size = std::min<std::size_t>(level.parity.size(), length - done);
        const std::size_t at = out.size();
        base::append(out, level.parity.first(size));
        for (const FecCovered& covered : level.covered) {
            if (covered == lost) continue;
            const base::Bytes* packet = find(covered);
            if (packet == nullptr) return std::nullopt;
            for (std::size_t i = 0; i < size && at + i < packet->size(); ++i)
                out[at + i] ^= (*packet)[at + i];
        }
    }
    if (out.size() - kFixedHeader < length) return std::nullopt;  // its end is not protected
    return out;
}

std::optional<base::Bytes> FecRecovery::poll() {
    if (ready_.empty()) return std::nullopt;
    base::Bytes packet = std::move(ready_.front());
    ready_.pop_front();
    return packet;
}

}  // namespace earshot::payload
