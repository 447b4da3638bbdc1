// Where identifiers, tags, SSRCs and jitter come from: injected, so that tests and simulations
// repeat.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>

#include "base/bytes.h"

namespace earshot::base {

class Random {
public:
    Random() = default;
    Random(const Random&) = delete;
    Random& operator=(const Random&) = delete;
    virtual ~Random() = default;

    virtual void fill(std::span<std::uint8_t> bytes) = 0;

    std::uint64_t u64() {
        std::array<std::uint8_t, 8> bytes{};
        fill(bytes);
        return load_le<std::uint64_t>(bytes, 0);
    }
    std::uint32_t u32() { return static_cast<std::uint32_t>(u64()); }
    std::string token(std::size_t bytes);  // lower-case hex of so many random bytes
};

// OpenSSL's generator, seeded by the kernel; ends the process when it fails. Any thread, one object
// each. Asked in blocks, because a question costs as much as a hundred octets of the answer; what
// was given out is forgotten.
class SystemRandom : public Random {
public:
    void fill(std::span<std::uint8_t> bytes) override;

private:
    std::array<std::uint8_t, 1024> block_{};
    std::size_t used_ = sizeof(block_);
};

// Repeats from its seed. For tests and simulations only.
class SeededRandom : public Random {
public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
    void fill(std::span<std::uint8_t> bytes) override;

private:
    std::mt19937_64 engine_;
};

}  // namespace earshot::base
