// RED: several payloads of one format in a packet, the older ones a second time (RFC 2198), for
// audio and for T.140 text (RFC 4103). Pure; borrows the packet's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "payload/limits.h"

namespace earshot::payload {

struct RedBlock {
    std::uint8_t payload_type = 0;
    std::uint16_t timestamp_offset = 0;  // ticks before the packet's timestamp; 0: the primary
    base::ByteView data;
};

class RedPayload {
public:
    // Oldest first; the last one is the primary and always there.
    std::span<const RedBlock> blocks() const { return {blocks_.data(), count_}; }
    std::span<const RedBlock> redundant() const { return blocks().first(count_ - 1); }
    const RedBlock& primary() const { return blocks_[count_ - 1]; }

private:
    friend base::Result<RedPayload> parse_red(base::ByteView payload);
    std::array<RedBlock, kMaxRedBlocks> blocks_{};
    std::size_t count_ = 0;
};

//  |1|  block PT   |  timestamp offset (14)    |  block length (10) |  each redundant block
//  |0|  block PT   |                                                   the primary
//  | data of the blocks, in the same order; the primary has the rest |
// Malformed: a header or a block that is cut. TooLarge: more than kMaxRedBlocks.
base::Result<RedPayload> parse_red(base::ByteView payload);

}  // namespace earshot::payload
