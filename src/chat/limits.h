// What the chats that pass through the client may make us hold; each named with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::chat {

inline constexpr std::size_t kMaxSessions = 2000;  // chats at once
// Octets that wait for a connection: who brings more for it is not read until it has taken them.
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{256} << 10;
// A request that comes before its other end has connected waits so long; RFC 4975 section 7.1.2
// lets its sender wait 30 s.
inline constexpr std::chrono::seconds kPatience{25};
inline constexpr std::chrono::seconds kUnboundTime{30};  // of a connection without a session
inline constexpr std::size_t kMaxLineBytes = 2048;       // of a line that we say in a chat

// ---- copies for recording servers
// Content that is not receipted yet, or waits for a server: what has been sent is forgotten first,
// then messages are left out.
inline constexpr std::size_t kMaxCopyBytes = std::size_t{4} << 20;         // of one copy
inline constexpr std::size_t kMaxCopyBytesOfAll = std::size_t{128} << 20;  // of all together
inline constexpr std::size_t kMaxCopiedMessages = 4096;                    // of one copy
inline constexpr std::size_t kMaxOpenMessages = 64;                        // of one chat
inline constexpr std::size_t kMaxNotices = 100;                            // of a copy, a minute
inline constexpr std::chrono::minutes kNoticeTime{1};
inline constexpr std::chrono::milliseconds kReconnectAfter{500};  // a server's connection is lost
inline constexpr int kReconnects = 3;                             // then the server counts as lost
inline constexpr std::chrono::seconds kReconnectLater{5};
// What is left when a chat ends goes out for so long at most.
inline constexpr std::chrono::seconds kLastWords{3};

}  // namespace earshot::chat
