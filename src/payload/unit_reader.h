// A recorded RTP stream, read as access units: the packets of one media line in the order of their
// arrival go in, whatever their sources and payload types; units come out. Undoes retransmission
// (RFC 4588), redundancy (RFC 2198) and forward error correction (fec.h), brings packets into
// order, changes the depacketiser with the payload type. Pure; what it cannot read it counts.
//
//     reader.on_rtp(packet, arrival_ns);
//     while (auto unit = reader.poll()) ...
//     reader.finish();                          // then poll again
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "payload/depacketiser.h"
#include "payload/fec.h"
#include "payload/packet_order.h"
#include "payload/red.h"

namespace earshot::payload {

struct Format {
    std::uint8_t payload_type = 0;
    std::string encoding;  // rtpmap's name
    std::uint32_t clock_rate = 90'000;
    std::string fmtp;  // the parameters alone
};

struct StreamUnit {
    AccessUnit unit;
    std::uint32_t ssrc = 0;
    std::uint8_t payload_type = 0;
    // Timestamps have no relation to those of the unit before: another source, or one that began
    // anew.
    bool begins_anew = false;
};

struct UnitReaderCounters {
    std::uint64_t lost = 0;         // never came, nor again
    std::uint64_t restored = 0;     // by retransmission or redundancy
    std::uint64_t recovered = 0;    // by forward error correction
    std::uint64_t duplicates = 0;   // and what came too late
    std::uint64_t unreadable = 0;   // no RTP, or broken RED, RTX or FEC
    std::uint64_t other_types = 0;  // of a payload type that has no depacketiser
};

class UnitReader {
public:
    explicit UnitReader(std::vector<Format> formats, Framing framing = Framing::AnnexB);
    UnitReader(const UnitReader&) = delete;
    UnitReader& operator=(const UnitReader&) = delete;
    ~UnitReader();

    // A new SDP: its formats are added, or take the place of those with the same number.
    void update(std::vector<Format> formats);

    void on_rtp(base::ByteView packet, std::int64_t arrival_ns);
    void finish();
    std::optional<StreamUnit> poll();

    const Format* find_format(std::uint8_t payload_type) const;
    // Depacketiser::decoder_setup() of the source that spoke last, if it does so in this type;
    // before finish().
    base::Bytes decoder_setup(std::uint8_t payload_type) const;
    UnitReaderCounters counters() const;

private:
    struct Source;
    Source& source_of(std::uint32_t ssrc);
    void on_retransmission(const rtp::RtpHeader& header, base::ByteView payload,
                           const Format& format, std::int64_t arrival_ns);
    void on_redundant(Source& source, const rtp::RtpHeader& header, base::ByteView packet,
                      std::int64_t arrival_ns);
    bool is_fec(const RedBlock& block) const;
    void on_fec(FecScheme scheme, const rtp::RtpHeader& header, base::ByteView packet,
                base::ByteView payload);
    void note_media(base::ByteView on_wire, base::ByteView inside);
    void take_all_recovered(std::int64_t arrival_ns);
    void on_recovered(base::ByteView packet, std::int64_t arrival_ns);
    void read_ordered(Source& source);
    void on_ordered(Source& source, const OrderedPacket& packet);
    void change_type(Source& source, std::uint8_t payload_type);
    void retire(Source& source);
    void take_units(Source& source);
    void end(Source& source);

    const Framing framing_;
    std::vector<Format> formats_;
    // Of what lies inside RED, and of packets as they are on the wire; made when negotiated.
    std::optional<FecRecovery> ulp_;
    std::optional<FecRecovery> flex_;
    std::map<std::uint32_t, std::unique_ptr<Source>> sources_;
    Source* newest_ = nullptr;  // of those that carry media
    std::uint64_t heard_ = 0;
    std::optional<std::uint32_t> last_ssrc_;
    std::deque<StreamUnit> ready_;
    UnitReaderCounters counters_;
};

}  // namespace earshot::payload
