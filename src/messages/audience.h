// Whether people are shown a message, or programs alone read it: for the count of a running chat.
// What a stored recording counts is decided by archive/chat.h, of all that came.
#pragma once

#include <cstddef>
#include <string_view>

namespace earshot::messages {

// The layers of a message that are looked into, and how much of its front they may take.
inline constexpr std::size_t kCountedHeadBytes = 4 * 1024;
inline constexpr std::size_t kMaxCountedLayers = 3;

// `begin`: the first octets of its content. Not: reports and requests that a wrapper tells of
// (docs/msrp-recording.md), "is typing" (RFC 3994), notifications (RFC 5438).
bool is_for_people(std::string_view content_type, std::string_view begin);

}  // namespace earshot::messages
