// Protects the packets of one direction of a media line (RFC 3711). It refuses to protect two
// packets under one index, which would give both away (section 9.1). One thread at a time; nothing
// is allocated but for the first packet of a source.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "srtp/fault.h"
#include "srtp/limits.h"
#include "srtp/packet_cipher.h"
#include "srtp/packet_layout.h"
#include "srtp/replay_window.h"
#include "srtp/source_table.h"

namespace earshot::srtp {

class Sender {
public:
    // The lifetime of the key in packets of RTP, of all sources (RFC 4568 section 6.1).
    explicit Sender(const MasterKey& key, std::uint64_t max_packets = kMaxRtpIndex);

    Suite suite() const { return suite_; }
    std::size_t rtp_overhead() const { return rtp_appendix_.size; }
    std::size_t rtcp_overhead() const { return rtcp_appendix_.size; }

    // In place; the packet is the first `size` octets of `buffer`, which has room for the overhead.
    // Packets may come out of order (of a relay), each index once: Replay. Exhausted: a new key is
    // needed. After a fault the packet is as it was.
    Outcome protect_rtp(std::span<std::uint8_t> buffer, std::size_t size);
    Outcome protect_rtcp(std::span<std::uint8_t> buffer, std::size_t size);

private:
    Suite suite_;
    base::Bytes mki_;
    Appendix rtp_appendix_;
    Appendix rtcp_appendix_;
    std::uint64_t packets_left_;
    std::unique_ptr<PacketCipher> rtp_;
    std::unique_ptr<PacketCipher> rtcp_;
    SourceTable<ReplayWindow<kRtpReplayWindow>, kMaxSentSources> rtp_sources_;
    SourceTable<std::uint32_t, kMaxSentSources> rtcp_sources_;  // the next index
};

}  // namespace earshot::srtp
