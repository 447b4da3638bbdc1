#include "payload/t140.h"

#include <span>

#include "base/text.h"

namespace earshot::payload {

void T140Receiver::on_packet(const T140Packet& packet) {
    if (last_sequence_ && packet.sequence <= *last_sequence_) return;
    std::optional<RedPayload> red;
    if (packet.is_red) {
        const auto parsed = parse_red(packet.payload);
        if (!parsed) return;  // as if it were lost: the next packet's redundancy may have it
        red = *parsed;
    }
    const auto redundant = red ? red->redundant() : std::span<const RedBlock>{};
    const std::optional<std::int64_t> lost =
        last_sequence_ ? std::optional(packet.sequence - *last_sequence_ - 1) : std::nullopt;
    last_sequence_ = packet.sequence;
    // Of a mixer's packets nobody knows whose text is missing (RFC 9071 section 3.17.3).
    if (lost && *lost > static_cast<std::int64_t>(redundant.size()))
        blocks_.push_back({.csrc = {}, .age_ticks = 0, .text = {}, .is_missing = true});
    for (std::size_t i = 0; i < redundant.size(); ++i) {
        const auto packets_back = static_cast<std::int64_t>(redundant.size() - i);
        if (is_lost(packet, redundant[i], packets_back, lost))
            emit(packet, redundant[i].data, redundant[i].timestamp_offset);
    }
    emit(packet, red ? red->primary().data : packet.payload, 0);
}

// Whether the packet that had this block first never came. At the very beginning nobody knows: such
// redundancy is taken, after a break it is not.
bool T140Receiver::is_lost(const T140Packet& packet, const RedBlock& block,
                           std::int64_t packets_back, std::optional<std::int64_t> lost) {
    // RFC 4103 section 5.4: block i from the end is that of the i-th packet before.
    if (!packet.csrc) return lost ? packets_back <= *lost : !is_after_break_;
    // Packets of others lie between (RFC 9071 section 3.17.2): by the time of the source's newest.
    const std::uint32_t* newest = find_newest(*packet.csrc);
    const std::uint32_t typed = packet.timestamp - block.timestamp_offset;
    return newest != nullptr ? static_cast<std::int32_t>(typed - *newest) > 0 : !is_after_break_;
}

void T140Receiver::on_break() {
    last_sequence_.reset();
    newest_.clear();
    is_after_break_ = true;
}

void T140Receiver::emit(const T140Packet& packet, base::ByteView data, std::uint16_t age_ticks) {
    if (data.empty()) return;
    if (packet.csrc) note_newest(*packet.csrc, packet.timestamp - age_ticks);
    blocks_.push_back({.csrc = packet.csrc,
                       .age_ticks = age_ticks,
                       .text = base::to_valid_utf8(base::as_text(data)),
                       .is_missing = false});
}

std::uint32_t* T140Receiver::find_newest(std::uint32_t csrc) {
    for (auto& [source, timestamp] : newest_)
        if (source == csrc) return &timestamp;
    return nullptr;
}

void T140Receiver::note_newest(std::uint32_t csrc, std::uint32_t timestamp) {
    if (std::uint32_t* newest = find_newest(csrc)) {
        *newest = timestamp;
    } else if (newest_.size() < kMaxTextSources) {
        newest_.emplace_back(csrc, timestamp);
    }
}

std::optional<T140Block> T140Receiver::poll_block() {
    if (blocks_.empty()) return std::nullopt;
    return blocks_.take_front();
}

}  // namespace earshot::payload
