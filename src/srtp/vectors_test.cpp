// The worked examples of RFC 3711 appendix B, RFC 6188 section 7 and RFC 7714 sections 16 and 17.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "srtp/hmac_sha1.h"
#include "srtp/packet_cipher.h"
#include "srtp/session_keys.h"
#include "srtp/srtp_test_packets.h"

namespace earshot::srtp {
namespace {

struct Derived {
    base::Bytes cipher;
    base::Bytes salt;
    base::Bytes authentication;
};
Derived derive_from(Suite suite, std::string_view key, std::string_view salt) {
    base::Bytes material = hex(key);
    base::append(material, hex(salt));
    SessionKeys keys;
    derive_session_keys(*MasterKey::from(suite, material), PacketKind::Rtp, keys);
    return {base::Bytes(keys.cipher_key().begin(), keys.cipher_key().end()),
            base::Bytes(keys.salt.begin(), keys.salt.end()),
            base::Bytes(keys.authentication.begin(), keys.authentication.end())};
}

TEST(KeyDerivation, ExampleFromRfc3711AppendixB3) {
    const Derived keys = derive_from(Suite::AesCm128Sha1_80, "E1F97A0D3E018BE0D64FA32C06DE4139",
                                     "0EC675AD498AFEEBB6960B3AABE6");
    EXPECT_EQ(keys.cipher, hex("C61E7A93744F39EE10734AFE3FF7A087"));
    EXPECT_EQ(keys.salt, hex("30CBBC08863D8C85D49DB34A9AE1"));
    EXPECT_EQ(keys.authentication, hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

TEST(KeyDerivation, ExampleFromRfc6188Section7_2) {
    const Derived keys = derive_from(
        Suite::AesCm256Sha1_80, "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
        "3b04803de51ee7c96423ab5b78d2");
    EXPECT_EQ(keys.cipher, hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
    EXPECT_EQ(keys.salt, hex("fa31791685ca444a9e07c6c64e93"));
    EXPECT_EQ(keys.authentication, hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

TEST(KeyDerivation, ExampleFromRfc6188Section7_4) {
    const Derived keys =
        derive_from(Suite::AesCm192Sha1_80, "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
                    "c8522f3acd4ce86d5add78edbb11");
    EXPECT_EQ(keys.cipher, hex("31874736a8f1143870c26e4857d8a5b2c4a354407faadabb"));
    EXPECT_EQ(keys.salt, hex("2372b82d639b6d8503a47adc0a6c"));
    EXPECT_EQ(keys.authentication, hex("355b10973cd95b9eacf4061c7e1a7151e7cfbfcb"));
}

TEST(HmacSha1, ExamplesFromRfc2202) {
    const HmacSha1Code code =
        HmacSha1(base::as_bytes("Jefe"))
            .code(base::as_bytes("what do ya want "), base::as_bytes("for nothing?"));
    EXPECT_EQ(base::Bytes(code.begin(), code.end()),
              hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
    const HmacSha1Code hi =
        HmacSha1(base::Bytes(20, 0x0b)).code(base::as_bytes("Hi There"), base::ByteView{});
    EXPECT_EQ(base::Bytes(hi.begin(), hi.end()), hex("b617318655057264e28bc0b6fb378c8ef146be00"));
}

// The packet of libsrtp's driver, under the master key of RFC 3711 appendix B.3.
TEST(PacketCipher, ProtectsAWholePacketUnderTheKeyOfRfc3711AppendixB3) {
    const MasterKey key =
        *MasterKey::from(Suite::AesCm128Sha1_80,
                         hex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6"));
    Sender sender(key);
    EXPECT_EQ(protect_rtp(sender, hex("800f1234decafbadcafebabeabababababababababababababababab")),
              hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"));
}

// The session key and salt are given as they are.
struct GcmExample {
    std::string_view key;
    std::string_view rtp;
    std::string_view rtcp;
};
class Rfc7714 : public ::testing::TestWithParam<GcmExample> {
protected:
    Rfc7714() {
        const base::Bytes key = hex(GetParam().key);
        keys_.cipher_bytes = key.size();
        std::copy(key.begin(), key.end(), keys_.cipher.begin());
        const base::Bytes salt = hex("517569642070726f2071756f");
        std::copy(salt.begin(), salt.end(), keys_.salt.begin());
    }
    SessionKeys keys_;
};

TEST_P(Rfc7714, ExamplesFromSections16_1_1And16_2_1) {
    base::Bytes packet = hex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 "
        "61727465 73207472 6573");
    base::Bytes tag(16);
    const auto cipher = PacketCipher::make(keys_, true, PacketKind::Rtp);
    const Unit unit{
        .packet = packet, .header_bytes = 12, .ssrc = 0x5501a0b2, .index = 0xf17b, .trailer = {}};
    const base::Bytes plain = packet;
    cipher->seal(unit, tag);
    base::Bytes whole = packet;
    base::append(whole, tag);
    EXPECT_EQ(whole, hex(GetParam().rtp));
    EXPECT_TRUE(cipher->open(unit, tag));
    EXPECT_EQ(packet, plain);
}

TEST_P(Rfc7714, ExamplesFromSections17_1And17_3) {
    base::Bytes packet = hex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef "
        "deadbeef deadbeef deadbeef");
    base::Bytes tag(16);
    const auto cipher = PacketCipher::make(keys_, true, PacketKind::Rtcp);
    cipher->seal({.packet = packet,
                  .header_bytes = 8,
                  .ssrc = 0x4d617273,
                  .index = 0x5d4,
                  .trailer = {0x80, 0, 0x05, 0xd4}},
                 tag);
    base::append(packet, tag);
    if (!GetParam().rtcp.empty()) {
        EXPECT_EQ(packet, hex(GetParam().rtcp));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Keys, Rfc7714,
    ::testing::Values(
        GcmExample{"000102030405060708090a0b0c0d0e0f",
                   "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 "
                   "0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
                   "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d "
                   "c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 "
                   "45d9eade"},
        GcmExample{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                   "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 "
                   "9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
                   ""}));

}  // namespace
}  // namespace earshot::srtp
