// What a peer may make the multipart parser do (design: section 6). Excess is kept, not parsed.
#pragma once

#include <cstddef>

namespace earshot::mime {

inline constexpr std::size_t kMaxBoundaryBytes = 70;  // RFC 2046 section 5.1.1
inline constexpr std::size_t kMaxParts = 16;          // of all levels together
inline constexpr unsigned kMaxDepth = 3;              // multiparts inside one another

}  // namespace earshot::mime
