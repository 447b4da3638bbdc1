// Overwrites secrets in raw SIP bytes by '*' of equal length before they reach journal, log or
// export, so that every offset and every length in the message stays true.
#pragma once

#include <cstdint>
#include <span>

namespace earshot::sip {

// Credentials of Authorization and Proxy-Authorization (all after the scheme's name, folded lines
// included), the key of each SDP line `a=crypto:... inline:KEY`, `a=ice-pwd` and `k=` lines. Works
// line by line on any bytes, well formed or not, in linear time. Returns how many bytes were
// overwritten.
std::size_t redact_secrets(std::span<std::uint8_t> message);

}  // namespace earshot::sip
