// Takes the protection off the packets of one direction of a media line (RFC 3711): authenticates,
// refuses what came before, decrypts. One thread at a time; nothing is allocated but for the first
// authentic packet of a source.
//
//     const srtp::Outcome outcome = receiver.unprotect_rtp(packet);   // a span that may be written
//     if (outcome) use(packet.first(*outcome));
//     else count(outcome.error());                                    // the packet is as it was
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "srtp/fault.h"
#include "srtp/limits.h"
#include "srtp/packet_cipher.h"
#include "srtp/packet_layout.h"
#include "srtp/replay_window.h"
#include "srtp/source_table.h"

namespace earshot::srtp {

class Receiver {
public:
    explicit Receiver(const MasterKey& key);
    // One more that packets may name by its MKI (RFC 3711 section 3.1). False: of another suite or
    // with an MKI of another length than the first, or past kMaxMasterKeys.
    bool add(const MasterKey& key);

    Suite suite() const { return suite_; }

    // In place. What follows the plain packet in the span is of no use.
    //
    // The rollover counter is guessed (RFC 3711 section 3.3.1), and where that guess does not prove
    // authentic, once more one rollover ahead: so a stream is not lost for good whose first packets
    // before a wrap did not arrive, or that was away for more than 2^15 packets. Of a source of
    // which nothing was authentic yet, or not since expect_gap(), it is searched for up to
    // kMaxSearchedRollovers ahead: SDES does not tell it to who joins a stream that runs (RFC 4568
    // section 6.4.1), and each source has its own.
    Outcome unprotect_rtp(std::span<std::uint8_t> packet);
    // Takes SRTCP that is authentic and not encrypted (E flag 0), too.
    Outcome unprotect_rtcp(std::span<std::uint8_t> packet);
    // Packets came that were not given here.
    void expect_gap() {
        ++gaps_;
        is_proven_ = false;
    }

private:
    using RtpWindow = ReplayWindow<kRtpReplayWindow>;
    using RtcpWindow = ReplayWindow<kRtcpReplayWindow>;
    struct Keyed {
        base::Bytes mki;
        std::unique_ptr<PacketCipher> rtp;
        std::unique_ptr<PacketCipher> rtcp;
    };
    struct RtpSource {
        RtpWindow window;
        std::uint32_t gaps = 0;  // as many as were expected when its newest authentic packet came
    };
    static Keyed keyed(const MasterKey& key);
    Keyed* find_key(base::ByteView mki);
    bool may_search(const RtpSource* source) const;

    Suite suite_;
    Appendix rtp_appendix_;
    Appendix rtcp_appendix_;
    std::size_t mki_bytes_;
    std::vector<Keyed> keys_;
    std::uint32_t gaps_ = 0;  // expected so far
    bool is_proven_ = false;  // something was authentic since the beginning or the last gap
    std::uint32_t searches_left_ = kMaxVainSearches;
    // Of all keys: a new key goes on with the packet index (RFC 3711 section 8.1).
    SourceTable<RtpSource, kMaxReceivedSources> rtp_sources_;
    SourceTable<RtcpWindow, kMaxReceivedSources> rtcp_sources_;
};

}  // namespace earshot::srtp
