#include "base/random.h"

#include <openssl/rand.h>

#include <cstdlib>

#include "base/text.h"

namespace earshot::base {

std::string Random::token(std::size_t bytes) {
    Bytes raw(bytes);
    fill(raw);
    return to_hex(raw);
}

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
    // Without randomness no identifier is safe to give out.
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
}

}  // namespace earshot::base
