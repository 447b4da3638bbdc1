#include "sip/key_hash.h"

#include <bit>
#include <cstring>

#include "base/text.h"

namespace earshot::sip {

KeyHasher::KeyHasher(std::uint64_t secret_low, std::uint64_t secret_high)
    : v0_(0x736f6d6570736575 ^ secret_low),
      v1_(0x646f72616e646f6d ^ secret_high ^ 0xee),
      v2_(0x6c7967656e657261 ^ secret_low),
      v3_(0x7465646279746573 ^ secret_high) {}

void KeyHasher::rounds(int count) {
    for (int i = 0; i < count; ++i) {
        v0_ += v1_;
        v2_ += v3_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ = std::rotl(v0_, 32) + v3_;
        v2_ += v1_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v2_ = std::rotl(v2_, 32);
    }
}

void KeyHasher::word(std::uint64_t value) {
    v3_ ^= value;
    rounds(2);
    v0_ ^= value;
}

void KeyHasher::byte(std::uint8_t value) {
    pending_ |= std::uint64_t{value} << 8 * (length_ & 7);
    if ((++length_ & 7) != 0) return;
    word(pending_);
    pending_ = 0;
}

KeyHasher& KeyHasher::add(std::uint64_t number) {
    const auto shift = 8 * (length_ & 7);
    length_ += 8;
    word(pending_ | number << shift);
    pending_ = shift == 0 ? 0 : number >> (64 - shift);
    return *this;
}

KeyHasher& KeyHasher::add(std::string_view field) {
    const std::uint64_t size = field.size();
    for (; field.size() >= 8; field.remove_prefix(8)) {
        std::uint64_t number = 0;
        std::memcpy(&number, field.data(), 8);  // the digest never leaves this machine
        add(number);
    }
    for (const char c : field) byte(static_cast<std::uint8_t>(c));
    return add(size);
}

KeyHasher& KeyHasher::add_lower(std::string_view field) {
    for (const char c : field) byte(static_cast<std::uint8_t>(base::to_lower(c)));
    return add(std::uint64_t{field.size()});
}

Key KeyHasher::finish() {
    word(pending_ | length_ << 56);
    Key key;
    v2_ ^= 0xee;
    rounds(4);
    key.low = v0_ ^ v1_ ^ v2_ ^ v3_;
    v1_ ^= 0xdd;
    rounds(4);
    key.high = v0_ ^ v1_ ^ v2_ ^ v3_;
    return key;
}

}  // namespace earshot::sip
