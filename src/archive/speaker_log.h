// Who speaks when in a stream, by what its packets tell: the audio level of who sends it (RFC
// 6464), the contributing sources of a mix (RFC 3550 section 5.1) and their levels (RFC 6465). What
// tells nothing of this has no speakers; nothing is decoded here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/call_timeline.h"
#include "archive/recording_facts.h"
#include "base/bytes.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {

class SpeakerLog {
public:
    // `packet` is what `header` was read from; packets by arrival.
    void add(const StreamFacts& facts, std::int64_t arrival_ns, base::ByteView packet,
             const rtp::RtpHeader& header);
    // Those who spoke at all, by stream, then by source. Names are the caller's to fill in.
    std::vector<std::pair<std::uint16_t, Speaker>> finish(std::int64_t start_ns,
                                                          std::int64_t end_ns) const;

private:
    using Key = std::pair<std::uint16_t, std::optional<std::uint32_t>>;  // stream, CSRC
    struct Spoken {
        std::int64_t from_ns = 0;
        std::int64_t to_ns = 0;
    };
    struct History {
        std::vector<Spoken> spans;
        std::int64_t tolerance_ns = 0;  // pauses up to it are none; 0: the usual
    };
    void speak(const Key& key, std::int64_t arrival_ns);

    std::map<Key, History> speakers_;
};

}  // namespace earshot::archive
