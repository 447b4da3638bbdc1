// The codec of each packet of a stream. Senders keep one payload type for long, so there is no
// search for each packet.
#pragma once

#include <optional>

#include "archive/codec.h"
#include "archive/timeline.h"

namespace earshot::archive {

class CodecLookup {
public:
    explicit CodecLookup(const StreamFacts& facts) : facts_(facts) {}

    const Codec& of(const PacketEntry& entry) {
        if (!last_ || last_type_ != entry.payload_type || facts_.formats.size() > 1) {
            last_ = find_codec(facts_.find_format(entry.payload_type, entry.arrival_ns),
                               facts_.is_audio());
            last_type_ = entry.payload_type;
        }
        return *last_;
    }

private:
    const StreamFacts& facts_;
    std::optional<Codec> last_;
    std::uint8_t last_type_ = 0;
};

}  // namespace earshot::archive
