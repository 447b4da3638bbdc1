#include "srtp/receiver.h"

#include <algorithm>
#include <array>
#include <optional>

namespace earshot::srtp {
namespace {

constexpr std::uint64_t kRollover = 0x10000;
constexpr std::uint32_t kEncryptedFlag = 0x80000000U;

std::array<std::uint8_t, 4> rollovers_of(std::uint64_t index) {
    const auto count = static_cast<std::uint32_t>(index >> 16U);
    return {static_cast<std::uint8_t>(count >> 24U), static_cast<std::uint8_t>(count >> 16U),
            static_cast<std::uint8_t>(count >> 8U), static_cast<std::uint8_t>(count)};
}

}  // namespace

Receiver::Receiver(const MasterKey& key)
    : suite_(key.suite()),
      rtp_appendix_(appendix_of(key.suite(), PacketKind::Rtp, key.mki().size())),
      rtcp_appendix_(appendix_of(key.suite(), PacketKind::Rtcp, key.mki().size())),
      mki_bytes_(key.mki().size()) {
    keys_.push_back(keyed(key));
}

bool Receiver::add(const MasterKey& key) {
    if (key.suite() != suite_ || key.mki().size() != mki_bytes_) return false;
    if (mki_bytes_ == 0 || keys_.size() >= kMaxMasterKeys) return false;
    if (find_key(key.mki()) != nullptr) return false;
    keys_.push_back(keyed(key));
    return true;
}

Receiver::Keyed Receiver::keyed(const MasterKey& key) {
    return {base::Bytes(key.mki().begin(), key.mki().end()),
            PacketCipher::make(key, PacketKind::Rtp), PacketCipher::make(key, PacketKind::Rtcp)};
}

Receiver::Keyed* Receiver::find_key(base::ByteView mki) {
    const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const Keyed& key) {
        return std::equal(key.mki.begin(), key.mki.end(), mki.begin(), mki.end());
    });
    return found == keys_.end() ? nullptr : &*found;
}

// Who forges packets makes us search in vain. Before anything was authentic there is no other way
// to find the stream; afterwards vain searches are bounded by what is authentic.
bool Receiver::may_search(const RtpSource* source) const {
    if (source != nullptr && source->gaps == gaps_) return false;
    return !is_proven_ || searches_left_ > 0;
}

Outcome Receiver::unprotect_rtp(std::span<std::uint8_t> packet) {
    const std::optional<std::size_t> header_bytes = rtp_header_bytes(packet);
    if (!header_bytes || packet.size() < *header_bytes + rtp_appendix_.size)
        return Fault::Malformed;
    const std::size_t plain_bytes = packet.size() - rtp_appendix_.size;
    const base::ByteView appended = packet.subspan(plain_bytes);
    Keyed* const key = find_key(appended.subspan(rtp_appendix_.mki_at, mki_bytes_));
    if (key == nullptr) return Fault::UnknownKey;

    const std::uint16_t sequence = base::load_u16(packet, 2);
    Unit unit{.packet = packet.first(plain_bytes),
              .header_bytes = *header_bytes,
              .ssrc = base::load_u32(packet, 8),
              .index = 0,
              .trailer = {}};
    RtpSource* const source = rtp_sources_.find(unit.ssrc);
    const RtpWindow* const window = source != nullptr ? &source->window : nullptr;
    const std::uint64_t guess =
        window != nullptr ? guess_index(window->highest(), sequence) : std::uint64_t{sequence};

    std::optional<Fault> fault;
    const bool is_searching = may_search(source);
    const std::uint64_t last = guess + kRollover * (is_searching ? kMaxSearchedRollovers : 1);
    for (std::uint64_t index = guess; index <= last; index += kRollover) {
        const auto verdict = window != nullptr ? window->judge(index) : RtpWindow::Verdict::New;
        if (verdict == RtpWindow::Verdict::Seen) return fault.value_or(Fault::Replay);
        if (verdict == RtpWindow::Verdict::TooOld || index > kMaxRtpIndex) {
            fault = fault.value_or(Fault::Replay);
            continue;
        }
        unit.index = index;
        unit.trailer = rollovers_of(index);
        if (key->rtp->open(unit, appended.subspan(rtp_appendix_.tag_at, rtp_appendix_.tag_bytes))) {
            RtpSource& proven = source != nullptr ? *source : rtp_sources_.add(unit.ssrc);
            proven.window.add(index);
            proven.gaps = gaps_;
            is_proven_ = true;
            searches_left_ = std::min(searches_left_ + 1, kMaxVainSearches);
            return plain_bytes;
        }
        fault = fault.value_or(Fault::Authentication);
    }
    if (is_searching && is_proven_) --searches_left_;
    return *fault;
}

Outcome Receiver::unprotect_rtcp(std::span<std::uint8_t> packet) {
    const std::optional<std::size_t> header_bytes = rtcp_header_bytes(packet);
    if (!header_bytes || packet.size() < *header_bytes + rtcp_appendix_.size)
        return Fault::Malformed;
    const std::size_t plain_bytes = packet.size() - rtcp_appendix_.size;
    const base::ByteView appended = packet.subspan(plain_bytes);
    Keyed* const key = find_key(appended.subspan(rtcp_appendix_.mki_at, mki_bytes_));
    if (key == nullptr) return Fault::UnknownKey;

    const std::uint32_t trailer = base::load_u32(appended, rtcp_appendix_.trailer_at);
    Unit unit{.packet = packet.first(plain_bytes),
              .header_bytes = (trailer & kEncryptedFlag) != 0 ? *header_bytes : plain_bytes,
              .ssrc = base::load_u32(packet, 4),
              .index = trailer & kMaxRtcpIndex,
              .trailer = {}};
    std::copy_n(appended.begin() + static_cast<std::ptrdiff_t>(rtcp_appendix_.trailer_at), 4,
                unit.trailer.begin());
    RtcpWindow* const window = rtcp_sources_.find(unit.ssrc);
    if (window != nullptr && window->judge(unit.index) != RtcpWindow::Verdict::New)
        return Fault::Replay;
    if (!key->rtcp->open(unit, appended.subspan(rtcp_appendix_.tag_at, rtcp_appendix_.tag_bytes)))
        return Fault::Authentication;
    (window != nullptr ? *window : rtcp_sources_.add(unit.ssrc)).add(unit.index);
    return plain_bytes;
}

}  // namespace earshot::srtp
