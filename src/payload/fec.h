// Forward error correction by parity, as SDP names it: "ulpfec" (RFC 5109, mostly inside RED as
// WebRTC sends it), "flexfec-03" (draft-ietf-payload-flexible-fec-scheme-03) and "flexfec"
// (RFC 8627). A FEC packet is the XOR of some media packets; of those that it covers one that is
// lost comes back, header and all. Pure; what strangers say is bounded.
//
//     recovery.on_media(packet);                      // each as it was sent
//     recovery.on_fec(FecScheme::Ulp, payload, ...);
//     while (auto packet = recovery.poll()) ...       // RTP packets that did not come
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "payload/limits.h"

namespace earshot::payload {

enum class FecScheme { Ulp, Flex03, Flex };
std::optional<FecScheme> find_fec_scheme(std::string_view encoding);  // case does not matter

// A media packet by what is told of it.
struct FecCovered {
    std::uint32_t ssrc = 0;
    std::uint16_t sequence = 0;
    friend bool operator==(const FecCovered&, const FecCovered&) = default;
};

// Of which packets a FEC packet is the parity.
struct FecPacket {
    // ULP protects the beginning of packets better than their end: each level has octets of its
    // own, behind those of the level before, and says which packets they cover. FlexFEC: one level.
    struct Level {
        std::vector<FecCovered> covered{};
        base::ByteView parity{};  // borrowed
    };
    std::uint16_t flags = 0;      // P, X, CC, M, PT: the first 16 bits of a header, without V
    std::uint32_t timestamp = 0;  // these three: parity, too
    std::uint16_t length = 0;     // of what follows the 12 octets of the fixed header
    std::vector<Level> levels{};  // one at least; the first covers all packets that may come back
};

// `payload`: of the FEC packet, or the block in RED. `protects`: the SSRCs whose packets it covers:
// of Ulp the one; of Flex the CSRCs of the FEC packet's header (RFC 8627 section 4.2.1); of Flex03
// it stands in the payload. Unsupported: retransmission by FlexFEC (R), reserved bits.
base::Result<FecPacket> parse_fec(FecScheme scheme, base::ByteView payload,
                                  std::span<const std::uint32_t> protects);

class FecRecovery {
public:
    // An RTP packet (12 octets at least) as the sender made its parity of it. Kept: the newest
    // kMaxFecMedia of each of the kMaxFecSources SSRCs that were heard last.
    void on_media(base::ByteView packet);
    // False: it cannot be read, or covers more than kMaxFecCovered packets.
    bool on_fec(FecScheme scheme, base::ByteView payload, std::span<const std::uint32_t> protects);
    // A packet that did not come before its parity did, once.
    std::optional<base::Bytes> poll();

private:
    // FEC packets of which more than one media packet is missing.
    struct Waiting {
        base::Bytes payload;  // what `packet` borrows from
        FecPacket packet;
        std::vector<FecCovered> missing;
    };
    struct Slot {
        bool is_used = false;
        std::uint16_t sequence = 0;
        base::Bytes bytes;
    };
    struct Source {
        std::vector<Slot> slots;  // by sequence
        std::uint64_t heard = 0;  // the larger the later
    };
    const base::Bytes* find(const FecCovered& wanted) const;
    void keep(const FecCovered& which, base::ByteView packet);
    std::optional<FecCovered> take_back(Waiting& waiting);
    void settle(const FecCovered& newest);
    std::optional<base::Bytes> recover(const FecPacket& fec, const FecCovered& lost) const;

    std::map<std::uint32_t, Source> media_;  // by SSRC
    std::uint64_t heard_ = 0;
    std::deque<Waiting> waiting_;  // oldest first
    std::deque<base::Bytes> ready_;
};

}  // namespace earshot::payload
