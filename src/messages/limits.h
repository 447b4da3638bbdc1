// What the sessions of MSRP may make us hold; each named with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::messages {

// Of one message, without configuration: a=max-size.
inline constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{100} << 20;
// Of a file that is sent by itself (RFC 5547): the disk is its limit, and server.min_free_bytes.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 30;

// What CPIM and the wrapper may add to a file: the heads of the layers that are read off.
inline constexpr std::uint64_t kMaxWrappingBytes = std::uint64_t{48} << 10;

// A connection that belongs to no session is closed after so long.
inline constexpr std::chrono::seconds kUnboundTime{30};

// Octets of content in the journal's memory that are not known to be durable. A connection, or all
// together, that reach this are not read until the disk has caught up: a file never takes the
// memory that media needs (the journal's ring is 64 MiB).
inline constexpr std::size_t kMaxUndurableBytes = std::size_t{2} << 20;  // of a connection
inline constexpr std::size_t kMaxUndurableBytesOfAll = std::size_t{8} << 20;
inline constexpr std::size_t kAskAfterBytes = std::size_t{512} << 10;  // then the disk is asked

// Answers and receipts that a connection has not taken: then no more of it is read. The receipts of
// all that becomes durable at once come on top, of kMaxUndurableBytes at most.
inline constexpr std::size_t kMaxUnreadAnswerBytes = std::size_t{512} << 10;
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{4} << 20;  // else it is closed

// What a record counts beside its octets: many small ones fill the queue to capture's threads, of
// which these leave the half to who cannot wait.
inline constexpr std::size_t kRecordCostBytes = 256;
inline constexpr std::size_t kMaxContentBytes = std::size_t{128} << 10;  // of one record

}  // namespace earshot::messages
