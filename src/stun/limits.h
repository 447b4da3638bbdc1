// What a STUN message may make us look at; each with its unit.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::stun {

inline constexpr std::size_t kMaxMessageBytes = 1280;  // RFC 8489 section 6.1: the MTU to assume
inline constexpr std::size_t kMaxAttributes = 24;      // ICE uses ten
inline constexpr std::size_t kMaxUsernameBytes = 508;  // RFC 8489 section 14.3: under 509
// RFC 8445 section 5.3: of a ufrag and a pwd, in characters.
inline constexpr std::size_t kMinUfragChars = 4;
inline constexpr std::size_t kMinPasswordChars = 22;
inline constexpr std::size_t kMaxCredentialChars = 256;
// RFC 7675 section 5.1: consent that was not given anew for so long has expired.
inline constexpr std::chrono::seconds kConsentLifetime{30};

}  // namespace earshot::stun
