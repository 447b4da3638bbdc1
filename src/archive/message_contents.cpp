#include "archive/message_contents.h"

#include <algorithm>

namespace earshot::archive {

using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

Result<Done> MessageContents::scan(const std::set<std::uint64_t>& messages) {
    if (auto header = reader_.open(); !header) return header.error();
    while (true) {
        const std::uint64_t at = reader_.offset();
        auto block = reader_.next();
        if (!block) return block.error();
        if (!block->has_value()) break;
        if (auto scanned = scan_block(**block, at, messages); !scanned) return scanned;
    }
    for (const auto& [message, pieces] : pieces_) {
        std::uint64_t& end = ends_[message];
        for (const auto& [begin, piece] : pieces) {
            if (begin > end + kMaxHoleBytes) break;
            end = piece.end;
        }
    }
    return Done{};
}

Result<Done> MessageContents::scan_block(const Block& block, std::uint64_t at,
                                         const std::set<std::uint64_t>& messages) {
    BlockRecords records(block.raw);
    journal::Record record;
    std::size_t offset = 0;
    while (true) {
        const auto found = records.next(record);
        if (!found) return found.error();
        if (!*found) return Done{};
        const auto record_at = static_cast<std::uint32_t>(offset);
        offset += kRecordHeaderBytes + record.payload.size();
        if (record.header.type != journal::RecordType::MessageContent) continue;
        const auto content = journal::parse_message_content(record.payload);
        if (!content || content->octets.empty() || !messages.contains(content->message)) continue;
        if (++count_ > kMaxContentPieces)
            return Error{Errc::TooLarge, "messages are in too many pieces", count_};
        lay(pieces_[content->message], content->offset, content->offset + content->octets.size(),
            {.block = at, .record = record_at});
    }
}

void MessageContents::lay(Pieces& pieces, std::uint64_t begin, std::uint64_t end, Place place) {
    auto at = pieces.upper_bound(begin);
    if (at != pieces.begin() && std::prev(at)->second.end > begin) {
        // The one before reaches into the new one, and perhaps beyond it.
        const auto before = std::prev(at);
        const Piece old = before->second;
        if (old.end > end) {
            Place rest = old.place;
            rest.skip += static_cast<std::uint32_t>(end - before->first);
            pieces[end] = {.end = old.end, .place = rest};
        }
        if (before->first == begin)
            pieces.erase(before);
        else
            before->second.end = begin;
    }
    at = pieces.lower_bound(begin);
    while (at != pieces.end() && at->first < end) {
        const Piece old = at->second;
        const std::uint64_t old_begin = at->first;
        at = pieces.erase(at);
        if (old.end <= end) continue;
        Place rest = old.place;
        rest.skip += static_cast<std::uint32_t>(end - old_begin);
        pieces[end] = {.end = old.end, .place = rest};
        break;
    }
    pieces[begin] = {.end = end, .place = place};
}

std::uint64_t MessageContents::size(std::uint64_t message) const {
    const auto found = ends_.find(message);
    return found == ends_.end() ? 0 : found->second;
}

Result<ByteView> MessageContents::octets_of(const Place& place) {
    constexpr Error kGone{Errc::Malformed, "a message's octets are not where they were"};
    if (!block_ || block_->offset != place.block) {
        reader_.seek(place.block);
        auto block = reader_.next();
        if (!block) return block.error();
        if (!block->has_value()) return kGone;
        block_ = std::move(*block);
        block_->offset = place.block;
    }
    journal::Record record;
    const auto found = BlockRecords(block_->raw, place.record).next(record);
    if (!found) return found.error();
    if (!*found) return kGone;
    const auto content = journal::parse_message_content(record.payload);
    if (!content) return content.error();
    if (content->octets.size() <= place.skip) return kGone;
    return content->octets.subspan(place.skip);
}

Result<std::size_t> MessageContents::read(std::uint64_t message, std::uint64_t at,
                                          std::span<std::uint8_t> out) {
    const std::uint64_t end = size(message);
    if (at >= end) return std::size_t{0};
    out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), end - at)));
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    const Pieces& pieces = pieces_.at(message);
    auto piece = pieces.upper_bound(at);
    if (piece != pieces.begin()) --piece;
    for (; piece != pieces.end() && piece->first < at + out.size(); ++piece) {
        const std::uint64_t from = std::max(piece->first, at);
        const std::uint64_t to = std::min(piece->second.end, at + out.size());
        if (from >= to) continue;
        const auto octets = octets_of(piece->second.place);
        if (!octets) return octets.error();
        const std::uint64_t within = from - piece->first;
        if (octets->size() < within + (to - from))
            return Error{Errc::Malformed, "a message's octets are not where they were"};
        std::copy_n(octets->begin() + static_cast<std::ptrdiff_t>(within), to - from,
                    out.begin() + static_cast<std::ptrdiff_t>(from - at));
    }
    return out.size();
}

}  // namespace earshot::archive
