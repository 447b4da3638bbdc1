// Limits of the archive. What a peer controls ends up here: each is named with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::archive {

inline constexpr std::size_t kBlockTargetBytes = 256ULL * 1024;   // a block is closed beyond this
inline constexpr std::size_t kMaxBlockRawBytes = 1024ULL * 1024;  // what a reader unpacks
inline constexpr std::size_t kKeptBlocksBytes = 16ULL * 1024 * 1024;  // for the tracks, in memory
inline constexpr std::size_t kMaxIndexedPackets = 32'000'000;         // a stream; 50 bytes each
inline constexpr std::size_t kMaxStreams = 1024;                      // a recording
inline constexpr std::size_t kMaxSources = 64;                        // SSRCs a stream
inline constexpr std::size_t kMaxIntervals = 10'000;                  // pauses, holds: a stream
inline constexpr std::size_t kMaxFormats = 1000;                      // renegotiations: a stream
inline constexpr std::size_t kMaxPictureChanges = 256;                // of size or codec: a stream
inline constexpr std::size_t kMaxTexts = 256;                     // call ids, headers, extensions
inline constexpr std::size_t kMaxNicknames = 512;                 // people, and changes of each
inline constexpr std::size_t kMaxTextBytes = 64ULL * 1024;        // one header or extension
inline constexpr std::size_t kMaxDocumentBytes = 1024ULL * 1024;  // of metadata
inline constexpr std::size_t kMaxManifestBytes = 16ULL * 1024 * 1024;
inline constexpr std::size_t kMaxPackIndexBytes = 16ULL * 1024 * 1024;
inline constexpr std::size_t kMaxSummaryBytes = 64ULL * 1024 * 1024;
inline constexpr std::size_t kMaxEventsBytes = 256ULL * 1024 * 1024;  // read for an export
inline constexpr std::size_t kMaxPeaksBytes = 256ULL * 1024 * 1024;
inline constexpr std::size_t kMaxTimelineBytes = 256ULL * 1024 * 1024;
inline constexpr std::size_t kMaxTextPacketBytes = 32ULL * 1024 * 1024;  // T.140 of a recording
inline constexpr std::size_t kMaxKeystrokes = 200'000;                   // a text stream
inline constexpr std::size_t kMaxSpeakers = 256;                         // a recording
inline constexpr std::size_t kMaxSpeakerSpans = 5000;                    // of one of them
inline constexpr std::size_t kMaxSharings = 1000;                        // a recording
inline constexpr std::size_t kNewestLookedAt = 1000;  // recordings, for their key
inline constexpr std::size_t kRotationBatch = 256;    // recordings synced together
inline constexpr std::size_t kMaxRotationLooks = 3;   // at a key that others change
// Of a video stream, ahead of its other packets: a key frame should be among them.
inline constexpr std::size_t kMaxPreviews = 2000;
inline constexpr std::size_t kMaxPreviewBytes = 2UL * 1024 * 1024;
inline constexpr std::size_t kMaxRenditionJobs = 100;        // that wait
inline constexpr std::size_t kMaxRenditionStates = 1000;     // of jobs that are over, remembered
inline constexpr std::size_t kMaxDocuments = 9999;           // metadata/NNNN.xml
inline constexpr std::chrono::seconds kMaxTimelineError{2};  // beyond: the sender re-based
// Media from before the first INVITE, which a recording client had kept.
inline constexpr std::chrono::seconds kMaxEarlyMedia{10};
inline constexpr std::chrono::milliseconds kMaxOverlap{100};  // jitter between two segments
// Of chats: a recording's messages, what of each is kept in memory, and of all together.
inline constexpr std::size_t kMaxMessages = 200'000;
inline constexpr std::size_t kKeptMessageBytes = 64ULL * 1024;
inline constexpr std::size_t kMaxKeptMessageBytes = 128ULL * 1024 * 1024;
inline constexpr std::size_t kMaxChatBytes = 256ULL * 1024 * 1024;
// Of 16-bit samples: -50 dBFS. G.711's quantised silence and idle noise lie below, speech does not.
inline constexpr int kSilenceLevel = 100;
inline constexpr std::chrono::seconds kLateMedia{1};  // packets past the call's end count

}  // namespace earshot::archive
