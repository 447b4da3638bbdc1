// Which octets of a message have come. Chunks come out of order, overlap and repeat (RFC 4975
// section 5.1); a message is whole when every octet up to its total is here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace earshot::msrp {

class ReceivedRanges {
public:
    // Octets [begin, end), counted from 0. False when that would make more than kMaxOpenRanges
    // pieces: then nothing is added.
    bool add(std::uint64_t begin, std::uint64_t end);

    bool is_whole(std::uint64_t total) const;  // [0, total) is here
    std::uint64_t count() const;               // octets that are here
    std::uint64_t end() const;                 // behind the last one
    struct Range {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        friend bool operator==(const Range&, const Range&) = default;
    };
    const std::vector<Range>& ranges() const { return ranges_; }  // ascending, with holes between

private:
    std::vector<Range> ranges_;
};

}  // namespace earshot::msrp
