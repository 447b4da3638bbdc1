// A key of 256 bits that leaves no trace in memory when it goes. Nothing here is ever logged.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"

namespace earshot::crypto {

inline constexpr std::size_t kKeyBytes = 32;

class SecretKey {
public:
    static SecretKey generate(base::Random& random);
    // `bytes` has kKeyBytes; wiping it is its owner's affair.
    static SecretKey from(base::ByteView bytes);

    SecretKey(SecretKey&& other) noexcept;  // wipes the other
    SecretKey& operator=(SecretKey&& other) noexcept;
    SecretKey(const SecretKey&) = delete;
    SecretKey& operator=(const SecretKey&) = delete;
    ~SecretKey();

    SecretKey copy() const { return from(bytes_); }
    base::ByteView bytes() const { return bytes_; }

private:
    SecretKey() = default;
    std::array<std::uint8_t, kKeyBytes> bytes_{};
};

// Overwrites memory in a way that no compiler leaves out.
void wipe(std::span<std::uint8_t> bytes);

}  // namespace earshot::crypto
