// Everything a peer controls in a recording session has a limit; each is tested at its edge and one
// past it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "xml/limits.h"

namespace earshot::siprec {

inline constexpr std::size_t kMaxMetadataBytes = xml::kMaxXmlBytes;  // one document
inline constexpr std::size_t kMaxMergedBytes = 1024ULL * 1024;       // the model of one session
inline constexpr std::size_t kMaxMetadataObjects = 10'000;   // in a document, and in the model
inline constexpr std::size_t kMaxMetadataIssues = 64;        // reported; the rest is one line
inline constexpr std::size_t kMaxMediaLines = 64;            // further m-lines get port 0
inline constexpr std::size_t kMaxStreams = 1024;             // of one recording, ended ones too
inline constexpr std::size_t kMaxSharingTextBytes = 512;     // kind or title of a sharing element
inline constexpr std::size_t kMaxConferenceTextBytes = 512;  // nickname, role, why somebody left
inline constexpr std::size_t kMaxConferenceRoles = 16;       // of a participant
inline constexpr std::size_t kMaxConferenceSources = 16;     // the same
inline constexpr std::size_t kMaxDtmfBodyBytes = 1024;       // of an INFO that carries digits
inline constexpr std::size_t kMaxJoinKeys = 32;       // found in one look; more are passed over
inline constexpr std::size_t kMaxJoinKeyBytes = 256;  // of a value; a longer one is no key
inline constexpr std::size_t kMaxJoinElements = 64;   // foreign elements looked into for keys

// A recording session without metadata asks for a snapshot once, this long after its 200 (E-5).
inline constexpr std::chrono::seconds kSnapshotDelay{5};
// A reference to an id that nobody has defined yet is held open so long (E-11).
inline constexpr std::chrono::seconds kReferenceDelay{2};

// ---- of the client's side
inline constexpr std::size_t kMaxServers = 16;                   // of one recording session
inline constexpr std::size_t kMaxClientHeaders = 64;             // of the first request
inline constexpr std::size_t kMaxExtensionBytes = 64ULL * 1024;  // of one block of a rule
inline constexpr std::size_t kMaxUserRequests = 16;              // of the user's own, unanswered
inline constexpr std::uint32_t kMaxFaultEvents = 32;             // of one session; then silence
inline constexpr int kMaxChallenges = 3;                         // of one server, to one INVITE
// Who left so long ago has been told of, and is left out of all that is told later.
inline constexpr std::chrono::seconds kGoneTime{60};
// Changes of metadata alone that come within this time go together (P-92).
inline constexpr std::chrono::milliseconds kMetadataDelay{100};
// A server that asks for snapshots all the time gets one in this time.
inline constexpr std::chrono::seconds kSnapshotInterval{1};
// The closing metadata waits no longer for what is under way, and the BYE no longer for it.
inline constexpr std::chrono::seconds kClosingTime{4};
// A server that is lost so soon after it accepted is not asked again for that call: it would go on
// so.
inline constexpr std::chrono::seconds kShortRecording{10};
inline constexpr std::size_t kMaxFailovers = 32;  // of one session
// Between rounds through all servers, of which none would go on with a recording: from, up to.
inline constexpr std::chrono::milliseconds kFirstRoundDelay{1'000};
inline constexpr std::chrono::milliseconds kMaxRoundDelay{16'000};
inline constexpr std::chrono::seconds kMaxRetryAfter{3600};  // that a server may ask for
// Our offer in a 2xx waits so long for the ACK with its answer: 64*T1.
inline constexpr std::chrono::seconds kAckTime{32};

// So often is a request of ours tried again that met one of the client (glare).
inline constexpr std::uint32_t kMaxGlareRetries = 5;
// The same for one that could not be sent, so long after.
inline constexpr std::chrono::milliseconds kControlRetryDelay{500};
inline constexpr std::chrono::seconds kMaxRingingTime{180};  // of our INVITE; as Timer C
inline constexpr std::size_t kMaxControlTextBytes = 256;     // who and why, of an operator

}  // namespace earshot::siprec
