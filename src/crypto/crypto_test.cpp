#include <gtest/gtest.h>

#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/key_wrap.h"

namespace earshot::crypto {
namespace {

base::Bytes from_hex(std::string_view hex) {
    base::Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(
            static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return bytes;
}

Nonce nonce_of(std::string_view hex) {
    Nonce nonce{};
    const base::Bytes bytes = from_hex(hex);
    std::copy(bytes.begin(), bytes.end(), nonce.begin());
    return nonce;
}

// Test case 16 of the GCM specification by McGrew and Viega (AES-256 with associated data).
constexpr std::string_view kKey =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr std::string_view kNonce = "cafebabefacedbaddecaf888";
constexpr std::string_view kPlain =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b5"
    "25b16aedf5aa0de657ba637b39";
constexpr std::string_view kContext = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
constexpr std::string_view kSealed =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10568288"
    "38"
    "c5f61e6393ba7a0abcc9f662";
constexpr std::string_view kTag = "76fc6ece0f4e1768cddf8853bb2d551b";

TEST(Aead, SealsAndOpensTheTestVector) {
    Aead aead(SecretKey::from(from_hex(kKey)));
    base::Bytes bytes = from_hex(kPlain);
    const Tag tag = aead.seal(nonce_of(kNonce), from_hex(kContext), bytes, bytes);
    EXPECT_EQ(bytes, from_hex(kSealed));
    EXPECT_EQ(base::Bytes(tag.begin(), tag.end()), from_hex(kTag));
    EXPECT_TRUE(aead.open(nonce_of(kNonce), from_hex(kContext), bytes, bytes, tag));
    EXPECT_EQ(bytes, from_hex(kPlain));
}

TEST(Aead, RefusesAndWipesWhatWasAltered) {
    Aead aead(SecretKey::from(from_hex(kKey)));
    const base::Bytes context = from_hex(kContext);
    base::Bytes sealed = from_hex(kPlain);
    const Tag tag = aead.seal(nonce_of(kNonce), context, sealed, sealed);
    for (std::size_t bit = 0; bit < sealed.size() * 8; bit += 7) {
        base::Bytes altered = sealed;
        altered[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        EXPECT_FALSE(aead.open(nonce_of(kNonce), context, altered, altered, tag));
        EXPECT_EQ(altered, base::Bytes(altered.size(), 0));
    }
    base::Bytes copy = sealed;
    copy[0] ^= 1;
    EXPECT_FALSE(aead.decrypt(nonce_of(kNonce), context, copy, copy, tag));
    EXPECT_TRUE(std::equal(copy.begin() + 1, copy.end(), from_hex(kPlain).begin() + 1));
    copy = sealed;
    EXPECT_FALSE(aead.open(nonce_of("cafebabefacedbaddecaf889"), context, copy, copy, tag));
    copy = sealed;
    EXPECT_FALSE(aead.open(nonce_of(kNonce), {}, copy, copy, tag));
    copy = sealed;
    Tag other = tag;
    other[15] ^= 1;
    EXPECT_FALSE(aead.open(nonce_of(kNonce), context, copy, copy, other));
    Aead stranger(SecretKey::from(base::Bytes(kKeyBytes, 7)));
    copy = sealed;
    EXPECT_FALSE(stranger.open(nonce_of(kNonce), context, copy, copy, tag));
}

TEST(Aead, IsUsableAgainAfterAFailure) {
    Aead aead(SecretKey::from(from_hex(kKey)));
    base::Bytes nothing;
    const Tag tag = aead.seal(nonce_of(kNonce), {}, nothing, nothing);
    EXPECT_FALSE(aead.open(nonce_of(kNonce), {}, nothing, nothing, Tag{}));
    EXPECT_TRUE(aead.open(nonce_of(kNonce), {}, nothing, nothing, tag));
}

base::Uuid id_of(std::uint8_t n) {
    base::Uuid id{};
    id.bytes.back() = n;
    return id;
}

// RFC 3394 section 4.6.
TEST(KeyRing, WrapsTheTestVector) {
    const KeyRing ring(id_of(1),
                       SecretKey::from(from_hex(
                           "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")));
    const base::Bytes key =
        from_hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
    const WrappedKey wrapped = ring.wrap(SecretKey::from(key));
    EXPECT_EQ(wrapped.wrapped_by, id_of(1));
    EXPECT_EQ(
        base::Bytes(wrapped.bytes.begin(), wrapped.bytes.end()),
        from_hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02"
                 "DD21"));
    const auto back = ring.unwrap(wrapped);
    ASSERT_TRUE(back);
    EXPECT_TRUE(std::equal(key.begin(), key.end(), back->bytes().begin()));
}

TEST(KeyRing, UnwrapsWithOlderKeysAndWrapsWithTheNewest) {
    base::SeededRandom random(1);
    KeyRing ring(id_of(1), SecretKey::generate(random));
    const SecretKey data = SecretKey::generate(random);
    const WrappedKey old = ring.wrap(data);
    ring.add(id_of(2), SecretKey::generate(random));
    const WrappedKey fresh = ring.wrap(data);
    EXPECT_EQ(fresh.wrapped_by, id_of(2));
    EXPECT_NE(fresh.bytes, old.bytes);
    for (const WrappedKey& wrapped : {old, fresh}) {
        const auto key = ring.unwrap(wrapped);
        ASSERT_TRUE(key);
        EXPECT_TRUE(std::equal(data.bytes().begin(), data.bytes().end(), key->bytes().begin()));
    }
}

TEST(KeyRing, IsChangedAsACopy) {
    base::SeededRandom random(1);
    const KeyRing ring(id_of(1), SecretKey::generate(random));
    const WrappedKey old = ring.wrap(SecretKey::generate(random));
    const auto next = ring.copy();
    next->add(id_of(2), SecretKey::generate(random));
    EXPECT_EQ(ring.current(), id_of(1));
    EXPECT_EQ(next->current(), id_of(2));
    EXPECT_TRUE(next->unwrap(old));
    next->remove(id_of(1));
    EXPECT_FALSE(next->unwrap(old));
    EXPECT_TRUE(ring.unwrap(old));
}

TEST(KeyRing, TellsAnAbsentKeyFromAnAlteredOne) {
    base::SeededRandom random(1);
    const KeyRing ring(id_of(1), SecretKey::generate(random));
    WrappedKey wrapped = ring.wrap(SecretKey::generate(random));
    for (std::uint8_t& byte : wrapped.bytes) {
        byte ^= 0x10;
        const auto key = ring.unwrap(wrapped);
        ASSERT_FALSE(key);
        EXPECT_EQ(key.error().code, base::Errc::Malformed);
        byte ^= 0x10;
    }
    EXPECT_TRUE(ring.unwrap(wrapped));
    wrapped.wrapped_by = id_of(2);
    const auto key = ring.unwrap(wrapped);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, base::Errc::NotFound);
}

TEST(SecretKey, IsWipedWhenItMoves) {
    base::SeededRandom random(1);
    SecretKey key = SecretKey::generate(random);
    const base::Bytes bytes(key.bytes().begin(), key.bytes().end());
    const SecretKey moved = std::move(key);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), moved.bytes().begin()));
    // The moved-from object is looked at on purpose. NOLINTNEXTLINE(bugprone-use-after-move)
    EXPECT_EQ(base::Bytes(key.bytes().begin(), key.bytes().end()), base::Bytes(kKeyBytes, 0));
}

}  // namespace
}  // namespace earshot::crypto
