// What a peer may make us keep and do (conference-and-msrp facts, RFC 4975). Named with their
// units; each is tested at its edge and one past it.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::msrp {

inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;       // start line and headers of one chunk
inline constexpr std::size_t kMaxHeaders = 64;                // fields of one head
inline constexpr std::size_t kMaxPathUris = 16;               // relays in one path, and the ends
inline constexpr std::size_t kMaxUriBytes = 1024;             // one MSRP URI
inline constexpr std::size_t kMinIdentBytes = 4;              // RFC 4975 section 9, ident
inline constexpr std::size_t kMaxIdentBytes = 32;             // transaction and Message-ID
inline constexpr std::size_t kMaxOtherBodyBytes = 10 * 1024;  // of a request that is no SEND
inline constexpr std::size_t kMaxOpenMessages = 64;           // of one session, that have not ended
inline constexpr std::size_t kMaxEndedMessages = 256;    // remembered, to know repeated Message-IDs
inline constexpr std::size_t kMaxWaitingReports = 4096;  // of one connection, not durable yet
inline constexpr std::size_t kMaxOpenRanges = 1024;      // pieces of one message with holes between

// ---- of the sender
inline constexpr std::size_t kChunkBytes = 64 * 1024;       // of content in one chunk
inline constexpr std::size_t kUninterruptibleBytes = 2048;  // RFC 4975 section 7.1.1
inline constexpr std::chrono::seconds kResponseTime{30};    // RFC 4975 section 7.1.2

}  // namespace earshot::msrp
