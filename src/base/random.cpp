#include "base/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace earshot::base {

std::string Random::token(std::size_t bytes) {
    Bytes raw(bytes);
    fill(raw);
    return to_hex(raw);
}

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        if (used_ == block_.size()) {
            // Without randomness no identifier is safe to give out.
            if (RAND_bytes(block_.data(), static_cast<int>(block_.size())) != 1) std::abort();
            used_ = 0;
        }
        const auto given =
            std::span(block_).subspan(used_).first(std::min(bytes.size(), block_.size() - used_));
        std::copy(given.begin(), given.end(), bytes.begin());
        std::fill(given.begin(), given.end(), std::uint8_t{0});
        used_ += given.size();
        bytes = bytes.subspan(given.size());
    }
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
}

}  // namespace earshot::base
