// Limits of the I/O room; each with its unit.
#pragma once

#include <cstddef>

namespace earshot::io {

// One datagram of media; jumbo frames fit, longer ones are counted as rejected.
inline constexpr std::size_t kMaxMediaBytes = 9216;
// Datagrams read by one system call.
inline constexpr std::size_t kBatchDatagrams = 64;
// How many full batches one drain takes from a socket before the others get their turn.
inline constexpr int kMaxBatchesPerDrain = 64;

}  // namespace earshot::io
