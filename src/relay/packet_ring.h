// The last packets of one stream in memory, as they came, with their arrival: for a recording
// server that takes the place of a lost one, and for the first one what came before its answer.
// All forks of the stream share them. Bounded in time and in bytes; it allocates nothing once it
// is as full as it gets, since the block that has grown too old is the next one. Belongs to a
// worker's thread.
//
//   oldest block -> ... -> newest block     block: [arrival 8 | size 4 | 0 4 | packet, padded to 8]
//   ...
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "relay/limits.h"

namespace earshot::relay {

struct RingBlock {
    RingBlock* next = nullptr;   // the one after it in its ring
    std::uint64_t number = 0;    // in its ring
    std::int64_t newest_ns = 0;  // arrival of its last packet
    std::size_t used = 0;        // of `bytes`
    // Not cleared: what is beyond `used` is never read.
    std::array<std::uint8_t, kRingBlockBytes> bytes;
};

// What the rings of one worker share.
class RingBlocks {
public:
    explicit RingBlocks(std::size_t most) : most_(most) {}

    std::unique_ptr<RingBlock> take();  // null: as many are in use as may be
    void give_back(std::unique_ptr<RingBlock> block);
    std::size_t in_use() const { return in_use_; }

private:
    const std::size_t most_;
    std::size_t in_use_ = 0;
    std::vector<std::unique_ptr<RingBlock>> free_;
};

class PacketRing {
public:
    struct Packet {
        std::int64_t arrival_ns = 0;
        base::ByteView bytes{};  // until the next add()
    };
    // A place between two packets. What has been dropped since is passed over.
    struct Cursor {
        const RingBlock* block = nullptr;  // null: before everything
        std::uint64_t number = 0;          // of the block
        std::size_t offset = 0;
    };

    explicit PacketRing(RingBlocks& blocks) : blocks_(blocks) {}
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;
    ~PacketRing();

    // At least so much is kept, within kMaxRingBlocks.
    void keep(std::chrono::nanoseconds time) { keep_ns_ = std::max(keep_ns_, time.count()); }
    std::int64_t keep_ns() const { return keep_ns_; }

    void add(base::ByteView packet, std::int64_t arrival_ns);
    // The packet at the cursor, which goes on to the next; nullopt: there is none yet.
    std::optional<Packet> read(Cursor& cursor) const;

private:
    bool open_block(std::int64_t now_ns);
    std::unique_ptr<RingBlock> take_oldest();

    RingBlocks& blocks_;
    std::int64_t keep_ns_ = 0;
    RingBlock* oldest_ = nullptr;  // owned, with those after it
    RingBlock* newest_ = nullptr;
    std::size_t count_ = 0;
    std::uint64_t last_number_ = 0;
};

}  // namespace earshot::relay
