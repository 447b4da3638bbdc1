// What a focus may make us hold; each is tested at its edge and one past it. What is past a limit
// is left out and told, the rest is taken: half a roster is better than none. A whole document has
// xml/limits.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::conference {

inline constexpr std::size_t kMaxUsers = 2'000;        // of a conference or sidebar
inline constexpr std::size_t kMaxEndpoints = 16;       // of a user
inline constexpr std::size_t kMaxEndpointMedia = 16;   // of an endpoint
inline constexpr std::size_t kMaxRoles = 16;           // of a user
inline constexpr std::size_t kMaxUris = 32;            // of a list of them
inline constexpr std::size_t kMaxSidebars = 32;        // of a conference; none inside these
inline constexpr std::size_t kMaxAvailableMedia = 32;  // of a conference
inline constexpr std::size_t kMaxTextBytes = 512;      // of a text; a longer one is cut
inline constexpr std::size_t kMaxKeyBytes =
    512;                                       // of a key; an element with a longer one is left out
inline constexpr std::size_t kMaxIssues = 32;  // reported of one document
// All users and their endpoints together, of the merged state: an upper estimate.
inline constexpr std::size_t kMaxRosterBytes = 4ULL * 1024 * 1024;
// A focus whose clock is ahead of ours by no more than this is believed.
inline constexpr std::chrono::seconds kMaxClockLead{2};

}  // namespace earshot::conference
