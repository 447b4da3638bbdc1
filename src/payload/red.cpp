#include "payload/red.h"

namespace earshot::payload {

base::Result<RedPayload> parse_red(base::ByteView payload) {
    constexpr std::size_t kHeaderBytes = 4;
    RedPayload red;
    std::array<std::size_t, kMaxRedBlocks> sizes{};
    std::size_t at = 0;
    while (true) {
        if (at >= payload.size()) return base::Error{base::Errc::Malformed, "RED: cut", at};
        if (red.count_ == kMaxRedBlocks)
            return base::Error{base::Errc::TooLarge, "RED: too many blocks", at};
        RedBlock& block = red.blocks_[red.count_];
        block.payload_type = payload[at] & 0x7fU;
        const bool is_primary = (payload[at] & 0x80U) == 0;
        if (is_primary) {
            ++red.count_;
            ++at;
            break;
        }
        if (payload.size() - at < kHeaderBytes)
            return base::Error{base::Errc::Malformed, "RED: header cut", at};
        const std::uint32_t word = base::load_u32(payload, at);
        block.timestamp_offset = static_cast<std::uint16_t>(word >> 10U & 0x3fffU);
        sizes[red.count_++] = word & 0x3ffU;
        at += kHeaderBytes;
    }
    for (std::size_t i = 0; i + 1 < red.count_; ++i) {
        if (payload.size() - at < sizes[i])
            return base::Error{base::Errc::Malformed, "RED: block past the end", at};
        red.blocks_[i].data = payload.subspan(at, sizes[i]);
        at += sizes[i];
    }
    red.blocks_[red.count_ - 1].data = payload.subspan(at);
    return red;
}

}  // namespace earshot::payload
