// The content of messages, put together from the octets that came: the part `messages` holds them
// in the order of their arrival, here they lie where they belong, the last ones on top (RFC 4975
// section 5.1). Nothing of a message is in memory but where its pieces are. Hostile input.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "archive/block_file.h"
#include "base/result.h"
#include "io/file.h"
#include "journal/message_record.h"

namespace earshot::archive {

inline constexpr std::size_t kMaxContentPieces = 4'000'000;  // of all messages; 64 bytes each
inline constexpr std::uint64_t kMaxHoleBytes = std::uint64_t{64} << 20;  // read as zeros

class MessageContents {
public:
    // Borrows the part.
    explicit MessageContents(io::File& part) : reader_(part) {}

    // Looks for the pieces of these messages; once. TooLarge past kMaxContentPieces.
    base::Result<base::Done> scan(const std::set<std::uint64_t>& messages);

    // Behind its last octet; not past a hole of more than kMaxHoleBytes, which one octet and a
    // Byte-Range of terabytes are enough for.
    std::uint64_t size(std::uint64_t message) const;
    // Octets from `at` on; fewer than asked for at the end. Where none came there are zeros.
    base::Result<std::size_t> read(std::uint64_t message, std::uint64_t at,
                                   std::span<std::uint8_t> out);

private:
    struct Place {
        std::uint64_t block = 0;   // offset in the part
        std::uint32_t record = 0;  // in the block
        std::uint32_t skip = 0;    // octets of the piece that others lie on top of
    };
    struct Piece {
        std::uint64_t end = 0;
        Place place{};
    };
    using Pieces = std::map<std::uint64_t, Piece>;  // by where they begin; none overlaps another

    base::Result<base::Done> scan_block(const Block& block, std::uint64_t at,
                                        const std::set<std::uint64_t>& messages);
    static void lay(Pieces& pieces, std::uint64_t begin, std::uint64_t end, Place place);
    base::Result<base::ByteView> octets_of(const Place& place);

    BlockReader reader_;
    std::map<std::uint64_t, Pieces> pieces_;
    std::map<std::uint64_t, std::uint64_t> ends_;
    std::size_t count_ = 0;
    std::optional<Block> block_;  // the one that was read last
};

}  // namespace earshot::archive
