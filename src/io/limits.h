// Limits of the I/O room; each with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::io {

// One datagram of media; jumbo frames fit, longer ones are counted as rejected.
inline constexpr std::size_t kMaxMediaBytes = 9216;
// Datagrams read by one system call.
inline constexpr std::size_t kBatchDatagrams = 64;
// How many full batches one drain takes from a socket before the others get their turn.
inline constexpr int kMaxBatchesPerDrain = 64;
// A call that fails is made again so often; what has no memory then has none in the next turn.
inline constexpr int kMaxReceiveTries = 8;
// Of a slot of the packet ring: an IP packet of an Ethernet. What is longer goes by the sockets.
inline constexpr std::uint16_t kMaxRingPacketBytes = 1520;
// What a packet ring looks for; jumps of its filter reach 255 instructions, and an IPv6 address
// takes eight.
inline constexpr std::size_t kMaxRingAddresses = 16;
inline constexpr std::size_t kMaxRingInterfaces = 16;

// Pairs of media ports that are kept open for the calls to come: what 500 calls a second with two
// streams each take in three ticks of the capture thread.
inline constexpr std::size_t kReadyPortPairs = 64;
// Ports that strangers hold are passed over; so many tries for one stream.
inline constexpr int kMaxBindTries = 32;

// Of a file, at once: they are waited for together.
inline constexpr std::size_t kMaxQueuedReads = 64;

}  // namespace earshot::io
