// 128-bit keyed digests as keys of the transaction and dialog tables: no string is built or kept
// for a key, and a peer that does not know the secret cannot make two keys meet (SipHash-2-4 with
// 128 bits of output, Aumasson and Bernstein 2012).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace earshot::sip {

struct Key {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const Key&, const Key&) = default;
};
struct KeyHash {  // the key is already spread evenly
    std::size_t operator()(const Key& key) const { return key.low; }
};

// Fields are set apart from each other, so ("ab", "c") and ("a", "bc") differ.
class KeyHasher {
public:
    KeyHasher(std::uint64_t secret_low, std::uint64_t secret_high);
    KeyHasher& add(std::string_view field);
    KeyHasher& add_lower(std::string_view field);  // ASCII case does not count
    KeyHasher& add(std::uint64_t number);
    Key finish();

private:
    void byte(std::uint8_t value);
    void word(std::uint64_t value);
    void rounds(int count);

    std::uint64_t v0_, v1_, v2_, v3_;
    std::uint64_t pending_ = 0;
    std::uint64_t length_ = 0;
};

}  // namespace earshot::sip
