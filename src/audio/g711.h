// G.711 (ITU-T, 1988): one octet a sample at 8 kHz, PCMU (mu-law) and PCMA (A-law) of RFC 3551
// sections 4.5.14. Samples are 16-bit linear, so that the 14-bit (mu) and 13-bit (A) values of the
// Recommendation fill the range; decode -> encode gives the same octet back (mu-law's second zero,
// 0x7f, alone becomes 0xff). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace earshot::audio {

enum class G711Law { Mu, A };

std::int16_t decode_mu_law(std::uint8_t octet);
std::int16_t decode_a_law(std::uint8_t octet);
std::uint8_t encode_mu_law(std::int16_t sample);
std::uint8_t encode_a_law(std::int16_t sample);

// Convert min(in, out) samples; both spans have the same length in right use.
void decode_g711(G711Law law, base::ByteView in, std::span<std::int16_t> out);
void encode_g711(G711Law law, std::span<const std::int16_t> in, std::span<std::uint8_t> out);

}  // namespace earshot::audio
