// Limits of digest authentication.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::sip {

inline constexpr std::size_t kMaxDigestParameters = 32;    // of one header field; more: refused
inline constexpr std::size_t kMaxDigestValueBytes = 1024;  // of one parameter
inline constexpr std::size_t kMaxUsedNonces = 4096;
inline constexpr std::chrono::seconds kNonceLifetime{300};

}  // namespace earshot::sip
