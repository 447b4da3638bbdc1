// When a request that changes a session may be tried again after the peer has refused it because of
// another one (glare): RFC 3261 §14.1 for INVITE, RFC 3311 §5.1, §5.3 for UPDATE.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/random.h"
#include "sip/headers.h"
#include "sip/message.h"

namespace earshot::sip {

inline constexpr std::chrono::seconds kMaxGlareDelay{60};  // of a Retry-After; more: not glare

// `owns_call_id`: our INVITE made the dialog. nullopt: this response asks for no other try.
inline std::optional<std::chrono::milliseconds> glare_delay(const Message& response,
                                                            bool owns_call_id,
                                                            base::Random& random) {
    using std::chrono::milliseconds;
    const Method method = response.cseq_method();
    if (method != Method::Invite && method != Method::Update) return std::nullopt;
    if (response.status() == 491) {
        // 2.1 to 4 s for the owner, 0 to 2 s for the other side, in units of 10 ms: the two differ.
        const std::uint32_t units = owns_call_id ? 210 + random.u32() % 191 : random.u32() % 201;
        return milliseconds{10 * units};
    }
    if (response.status() != 500) return std::nullopt;
    const auto value = response.find(HeaderId::RetryAfter);
    const auto delay = value ? parse_delta_seconds(*value)
                             : base::Result<DeltaSeconds>{base::Error{base::Errc::NotFound, ""}};
    if (!delay || delay->seconds > kMaxGlareDelay) return std::nullopt;
    return milliseconds{delay->seconds};
}

}  // namespace earshot::sip
