// Turns the T.140 packets of a recording's text streams into timed text: each keystroke, and the
// lines that stood there in the end. Packets are taken while the records pass; the text is made
// once their places on the timeline are known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "archive/call_timeline.h"
#include "archive/recording_facts.h"
#include "archive/timeline.h"
#include "base/bytes.h"
#include "payload/t140.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {

class TextCollector {
public:
    // `packet` is what `header` was read from.
    void add(std::uint16_t stream, std::int64_t arrival_ns, base::ByteView packet,
             const rtp::RtpHeader& header);
    bool has(std::uint16_t stream) const { return streams_.contains(stream); }
    std::vector<std::uint16_t> streams() const;

    // Of one stream that has(): where its packets lie. The names are the caller's to fill in.
    TextTrack finish(const StreamFacts& facts, const std::vector<PacketEntry>& entries,
                     const Timeline& timeline) const;

private:
    struct TextPacket {
        std::int64_t sequence = 0;  // extended, over all that came
        std::int64_t arrival_ns = 0;
        std::uint32_t timestamp = 0;
        std::uint8_t payload_type = 0;
        std::optional<std::uint32_t> csrc;
        base::Bytes payload;
    };
    struct Source {
        std::int64_t newest = 0;
        std::vector<TextPacket> packets;
    };
    // A block with the place at which it was typed.
    struct Typed {
        std::int64_t at_ms = 0;
        payload::T140Block block;
    };
    // In ns, by arrival and number: the order of the entries is not that in which packets came.
    using Places = std::map<std::pair<std::int64_t, std::uint16_t>, std::int64_t>;
    static Places places_of(const std::vector<PacketEntry>& entries, const Timeline& timeline);
    static void type(const Source& source, const StreamFacts& facts, const Places& places,
                     std::vector<Typed>& typed);
    static void take_blocks(payload::T140Receiver& receiver, std::int64_t place_ns,
                            std::uint32_t clock_rate, std::vector<Typed>& typed);

    struct Stream {
        std::map<std::uint32_t, Source> by_ssrc;
        bool is_cut = false;
    };

    std::map<std::uint16_t, Stream> streams_;
    std::size_t bytes_ = 0;
};

}  // namespace earshot::archive
