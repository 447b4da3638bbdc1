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
// Connections of others whose first request has not bound them yet (RFC 4975 section 5.4).
inline constexpr std::size_t kMaxUnbound = 512;
inline constexpr std::size_t kMaxUnboundOfHost = 64;  // all parties may stand behind one
inline constexpr std::chrono::seconds kBindTime{10};
inline constexpr std::size_t kMaxAwaitedAnswers = 256;  // of a side: whose SENDs are known by name
inline constexpr std::size_t kMaxMimeHeaderBytes = 2048;  // of a message, that its copies keep
inline constexpr std::chrono::seconds kStallTime{10};     // of a chunk for whose end others wait
inline constexpr std::size_t kMaxLineBytes = 2048;        // of a line that we say in a chat

// ---- rooms
inline constexpr std::size_t kMaxRoomMessageBytes = std::size_t{1} << 20;     // told as a=max-size
inline constexpr std::size_t kMaxRoomOpenMessages = 8;                        // of one member
inline constexpr std::size_t kMaxRoomOpenBytes = std::size_t{64} << 20;       // of all that come in
inline constexpr std::size_t kMaxRoomOpenBytesOfOne = std::size_t{16} << 20;  // of one room
// Where all of them, or those of a room, bring more: of a member. So nobody silences others.
inline constexpr std::size_t kMaxMemberOpenBytesThen = std::size_t{64} << 10;
inline constexpr std::size_t kMaxRoomHoleBytes = std::size_t{64} << 10;  // of a message
inline constexpr std::chrono::seconds kMaxRoomSilence{30};  // of a message that is coming in
inline constexpr std::size_t kMaxEndedInRoom = 64;  // Message-IDs of a member that are known again
// What waits for a member. Who has more is passed over, and told so later; others wait for nothing.
inline constexpr std::size_t kMaxMemberBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxMemberMessages = 2048;
inline constexpr std::size_t kDeliveryBytes = 256;  // counted for each besides its content
// So many of them go out side by side; the others wait as what they are: a name and shared octets.
inline constexpr std::size_t kMaxMemberSending = 16;
// a=path of a member: its URIs stand in each chunk for it.
inline constexpr std::size_t kMaxMemberPathBytes = 2048;
// Where all rooms together keep more than this, a member is passed over much sooner.
inline constexpr std::size_t kMaxRoomBytesOfAll = std::size_t{64} << 20;
inline constexpr std::size_t kMaxMemberBytesThen = std::size_t{256} << 10;
// A file that is handed over to a room (RFC 5547): it goes on as a message. One is as much as a
// copy holds before it is full (kMaxUnsentBytes), and what the others may miss. Of all that come
// in, or wait to be said.
inline constexpr std::size_t kMaxRoomFileBytes = std::size_t{2} << 20;
inline constexpr std::size_t kMaxRoomFilesBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxFilesOfMember = 8;     // lines of its description
inline constexpr std::size_t kMaxFilesOfRoom = 16;      // that are coming in
inline constexpr std::chrono::minutes kMaxFileTime{5};  // for one, from its first octet
inline constexpr int kMaxFileTries = 16;                // that break off, of one file
inline constexpr std::size_t kMaxFileNameBytes = 255;   // of a name, as it is told on
inline constexpr std::size_t kMaxNicknameBytes = 1023;  // RFC 7701 section 7.1
// NICKNAMEs of a member in that time: each is an event, metadata for all and a copy.
inline constexpr std::size_t kMaxNicknames = 10;
inline constexpr std::chrono::seconds kNicknameTime{10};
// Answers that a member does not read: no more of it is read then.
inline constexpr std::size_t kMaxUnreadAnswerBytes = std::size_t{512} << 10;

// ---- chats of others in which we take part
// A connection that is lost is made again after the first time, each further one twice as long, the
// longest at most; until all of it has gone by.
inline constexpr std::chrono::milliseconds kFirstRejoin{500};
inline constexpr std::chrono::seconds kLongestRejoin{10};
inline constexpr std::chrono::seconds kRejoinTime{30};
// Of one message, of one session and of all together as much is kept as of rooms.
inline constexpr std::size_t kMaxEndedInGuest = 64;  // Message-IDs that are known again
// What is held back is read late: what we wait for counts as missing so long after that.
inline constexpr std::chrono::seconds kDeafTime{10};

// ---- sessions of ours at a relay (RFC 4976)
inline constexpr std::chrono::seconds kRelayPatience{10};  // for a connection, and for each answer
inline constexpr std::chrono::seconds kRelayAhead{30};     // a login is renewed before its end
inline constexpr std::chrono::seconds kRelayLeast{5};      // but not more often than that

// ---- copies for recording servers
// Content that is not receipted yet, or waits for a server: what has been sent is forgotten first,
// then messages are left out.
inline constexpr std::size_t kMaxCopyBytes = std::size_t{4} << 20;         // of one copy
inline constexpr std::size_t kMaxCopyBytesOfAll = std::size_t{128} << 20;  // of all together
inline constexpr std::size_t kMaxCopiedMessages = 4096;                    // of one copy
// Of what has not been sent yet: then who can be made to wait does. Half, so that what is on its
// way has room.
inline constexpr std::size_t kMaxUnsentMessages = kMaxCopiedMessages / 2;
inline constexpr std::size_t kMaxUnsentBytes = kMaxCopyBytes / 2;
inline constexpr std::size_t kMaxOpenMessages = 64;  // of one side
inline constexpr std::size_t kMaxNotices = 100;      // of a copy, a minute
inline constexpr std::chrono::minutes kNoticeTime{1};
inline constexpr std::chrono::milliseconds kReconnectAfter{500};  // a server's connection is lost
inline constexpr int kReconnects = 3;                             // then the server counts as lost
inline constexpr std::chrono::seconds kReconnectLater{5};
// A message waits so long for the server to be told who wrote it, or which chat it is of.
inline constexpr std::chrono::seconds kMaxHold{2};
inline constexpr std::size_t kMaxSenders = 150;         // of one chat, beside its parties
inline constexpr std::size_t kMaxSenderUriBytes = 512;  // of who is told of
inline constexpr std::size_t kMaxSenderNameBytes = 128;
inline constexpr std::chrono::seconds kIdleTrunk{60};  // a common line's connection without chats
// What is left when a chat ends goes out for so long at most.
inline constexpr std::chrono::seconds kLastWords{3};
// A server that was asked for a line of it has so long to answer, as SIP gives it (timer B).
inline constexpr std::chrono::seconds kMaxAnswerTime{32};

}  // namespace earshot::chat
