// Room for packets that are made or changed in a turn of a worker: what is sent refers to its bytes
// until the turn ends (packet_io.h). No allocation once as many have been needed in one turn.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>

#include "io/limits.h"

namespace earshot::relay {

class TurnBytes {
public:
    // io::kMaxMediaBytes, the most that a packet has.
    std::span<std::uint8_t> take() {
        if (taken_ == rooms_.size()) rooms_.emplace_back();
        return rooms_[taken_++];
    }
    // The last one is not needed after all.
    void give_back() { --taken_; }
    void reset() { taken_ = 0; }
    std::size_t rooms() const { return rooms_.size(); }  // that have ever been needed in a turn

private:
    std::deque<std::array<std::uint8_t, io::kMaxMediaBytes>> rooms_;  // which do not move
    std::size_t taken_ = 0;
};

}  // namespace earshot::relay
