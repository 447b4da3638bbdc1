#include "relay/packet_ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace earshot::relay {

namespace {

struct EntryHead {
    std::int64_t arrival_ns = 0;
    std::uint32_t size = 0;
    std::uint32_t zero = 0;
};
static_assert(sizeof(EntryHead) == 16);

constexpr std::size_t entry_bytes(std::size_t packet_bytes) {
    return sizeof(EntryHead) + (packet_bytes + 7) / 8 * 8;
}

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------

std::unique_ptr<RingBlock> RingBlocks::take() {
    if (in_use_ == most_) return nullptr;
    ++in_use_;
    if (free_.empty()) return std::unique_ptr<RingBlock>(new RingBlock);  // not cleared
    std::unique_ptr<RingBlock> block = std::move(free_.back());
    free_.pop_back();
    return block;
}

// Some are kept for the calls to come; the rest of a peak goes back to the system.
void RingBlocks::give_back(std::unique_ptr<RingBlock> block) {
    --in_use_;
    if (free_.size() < kFreeRingBlocks) free_.push_back(std::move(block));
}

// ---- the ring -----------------------------------------------------------------------------------

PacketRing::~PacketRing() {
    while (oldest_ != nullptr) blocks_.give_back(take_oldest());
}

std::unique_ptr<RingBlock> PacketRing::take_oldest() {
    std::unique_ptr<RingBlock> block(oldest_);
    oldest_ = block->next;
    if (oldest_ == nullptr) newest_ = nullptr;
    --count_;
    return block;
}

// The block that is used again is one whose packets are all too old; only where there may not be
// more, a younger one.
bool PacketRing::open_block(std::int64_t now_ns) {
    const auto is_old = [&] { return count_ > 1 && now_ns - oldest_->newest_ns > keep_ns_; };
    std::unique_ptr<RingBlock> block;
    if (is_old()) block = take_oldest();
    while (is_old()) blocks_.give_back(take_oldest());
    if (block == nullptr && count_ < kMaxRingBlocks) block = blocks_.take();
    if (block == nullptr && count_ > 0) block = take_oldest();
    if (block == nullptr) return false;
    block->next = nullptr;
    block->number = ++last_number_;
    block->used = 0;
    RingBlock* added = block.release();
    if (newest_ == nullptr)
        oldest_ = added;
    else
        newest_->next = added;
    newest_ = added;
    ++count_;
    return true;
}

void PacketRing::add(base::ByteView packet, std::int64_t arrival_ns) {
    const std::size_t bytes = entry_bytes(packet.size());
    const bool has_room = newest_ != nullptr && newest_->bytes.size() - newest_->used >= bytes;
    if (!has_room && (bytes > kRingBlockBytes || !open_block(arrival_ns))) return;
    const EntryHead head{
        .arrival_ns = arrival_ns, .size = static_cast<std::uint32_t>(packet.size()), .zero = 0};
    std::uint8_t* at = newest_->bytes.data() + newest_->used;
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + sizeof head, packet.data(), packet.size());
    newest_->used += bytes;
    newest_->newest_ns = arrival_ns;
}

std::optional<PacketRing::Packet> PacketRing::read(Cursor& cursor) const {
    if (oldest_ == nullptr) return std::nullopt;
    if (cursor.block == nullptr || cursor.number < oldest_->number)
        cursor = {.block = oldest_, .number = oldest_->number, .offset = 0};
    if (cursor.offset == cursor.block->used) {
        const RingBlock* next = cursor.block->next;
        if (next == nullptr) return std::nullopt;
        cursor = {.block = next, .number = next->number, .offset = 0};
    }
    EntryHead head;
    const std::uint8_t* at = cursor.block->bytes.data() + cursor.offset;
    std::memcpy(&head, at, sizeof head);
    cursor.offset += entry_bytes(head.size);
    return Packet{.arrival_ns = head.arrival_ns,
                  .bytes = base::ByteView(at + sizeof head, head.size)};
}

}  // namespace earshot::relay
