#include "srtp/sender.h"

#include <algorithm>
#include <optional>

namespace earshot::srtp {
namespace {

constexpr std::uint32_t kEncryptedFlag = 0x80000000U;

std::array<std::uint8_t, 4> network_order(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
            static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

void put(std::span<std::uint8_t> out, std::size_t at, base::ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Sender::Sender(const MasterKey& key, std::uint64_t max_packets)
    : suite_(key.suite()),
      mki_(key.mki().begin(), key.mki().end()),
      rtp_appendix_(appendix_of(key.suite(), PacketKind::Rtp, key.mki().size())),
      rtcp_appendix_(appendix_of(key.suite(), PacketKind::Rtcp, key.mki().size())),
      packets_left_(max_packets),
      rtp_(PacketCipher::make(key, PacketKind::Rtp)),
      rtcp_(PacketCipher::make(key, PacketKind::Rtcp)) {}

Outcome Sender::protect_rtp(std::span<std::uint8_t> buffer, std::size_t size) {
    if (buffer.size() < size) return Fault::NoRoom;
    const std::optional<std::size_t> header_bytes = rtp_header_bytes(buffer.first(size));
    if (!header_bytes) return Fault::Malformed;
    if (buffer.size() - size < rtp_appendix_.size) return Fault::NoRoom;
    if (packets_left_ == 0) return Fault::Exhausted;

    const std::uint16_t sequence = base::load_u16(buffer, 2);
    const std::uint32_t ssrc = base::load_u32(buffer, 8);
    auto* window = rtp_sources_.find(ssrc);
    if (window == nullptr) {
        if (rtp_sources_.is_full()) return Fault::Exhausted;
        window = &rtp_sources_.add(ssrc);
    }
    const std::uint64_t index =
        window->is_empty() ? std::uint64_t{sequence} : guess_index(window->highest(), sequence);
    if (index > kMaxRtpIndex) return Fault::Exhausted;
    if (window->judge(index) != ReplayWindow<kRtpReplayWindow>::Verdict::New) return Fault::Replay;
    window->add(index);
    --packets_left_;

    const auto appended = buffer.subspan(size, rtp_appendix_.size);
    rtp_->seal({.packet = buffer.first(size),
                .header_bytes = *header_bytes,
                .ssrc = ssrc,
                .index = index,
                .trailer = network_order(static_cast<std::uint32_t>(index >> 16U))},
               appended.subspan(rtp_appendix_.tag_at, rtp_appendix_.tag_bytes));
    put(appended, rtp_appendix_.mki_at, mki_);
    return size + rtp_appendix_.size;
}

Outcome Sender::protect_rtcp(std::span<std::uint8_t> buffer, std::size_t size) {
    if (buffer.size() < size) return Fault::NoRoom;
    const std::optional<std::size_t> header_bytes = rtcp_header_bytes(buffer.first(size));
    if (!header_bytes) return Fault::Malformed;
    if (buffer.size() - size < rtcp_appendix_.size) return Fault::NoRoom;

    const std::uint32_t ssrc = base::load_u32(buffer, 4);
    std::uint32_t* next = rtcp_sources_.find(ssrc);
    if (next == nullptr) {
        if (rtcp_sources_.is_full()) return Fault::Exhausted;
        next = &rtcp_sources_.add(ssrc);
    }
    if (*next > kMaxRtcpIndex) return Fault::Exhausted;
    const std::uint32_t index = (*next)++;

    const auto appended = buffer.subspan(size, rtcp_appendix_.size);
    const Unit unit{.packet = buffer.first(size),
                    .header_bytes = *header_bytes,
                    .ssrc = ssrc,
                    .index = index,
                    .trailer = network_order(index | kEncryptedFlag)};
    rtcp_->seal(unit, appended.subspan(rtcp_appendix_.tag_at, rtcp_appendix_.tag_bytes));
    put(appended, rtcp_appendix_.trailer_at, unit.trailer);
    put(appended, rtcp_appendix_.mki_at, mki_);
    return size + rtcp_appendix_.size;
}

}  // namespace earshot::srtp
