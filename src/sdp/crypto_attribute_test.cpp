#include "sdp/crypto_attribute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace earshot::sdp {
namespace {

constexpr std::string_view kKey30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";  // of RFC 4568

base::Errc fault_of(std::string_view value) {
    const auto read = read_crypto(value);
    EXPECT_FALSE(read) << value;
    return read ? base::Errc::Io : read.error().code;
}

TEST(Crypto, ExampleFromRfc4568Section4) {
    const auto read = read_crypto(
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20"
        "|1:4 FEC_ORDER=FEC_SRTP");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->tag, 1U);
    EXPECT_EQ(read->suite(), base::SrtpSuite::AesCm128Sha1_80);
    EXPECT_EQ(read->lifetime, 1U << 20U);
    ASSERT_EQ(read->keys.size(), 1U);
    EXPECT_EQ(base::to_hex(read->keys[0].mki()), "00000001");
    EXPECT_EQ(base::to_base64(read->keys[0].material()), kKey30);
}

TEST(Crypto, ReadsWhatItWritesForEachSuite) {
    base::SeededRandom random(4);
    for (const base::SrtpSuiteFacts& facts : base::srtp_suites()) {
        const auto key = base::SrtpMasterKey::generate(facts.suite, random);
        const auto read = read_crypto(write_crypto(17, key));
        ASSERT_TRUE(read) << facts.name;
        EXPECT_EQ(read->tag, 17U);
        EXPECT_EQ(read->keys.front(), key);
        const auto with_mki =
            *base::SrtpMasterKey::from(facts.suite, key.material(), base::Bytes{0, 1, 2});
        const auto again = read_crypto(write_crypto(1, with_mki));
        ASSERT_TRUE(again) << facts.name;
        EXPECT_EQ(again->keys.front(), with_mki);
    }
}

TEST(Crypto, KeysOfAnotherLengthThanTheSuitesMakeTheLineInvalid) {
    for (const base::SrtpSuiteFacts& facts : base::srtp_suites()) {
        for (const std::size_t wrong :
             {facts.material_bytes() - 1, facts.material_bytes() + 1, std::size_t{0}}) {
            const std::string line = "1 " + std::string{facts.name} +
                                     " inline:" + base::to_base64(base::Bytes(wrong, 7));
            EXPECT_EQ(fault_of(line), base::Errc::Malformed) << line;
        }
    }
}

TEST(Crypto, TakesKeysWithoutTheirPadding) {
    std::string key = base::to_base64(base::Bytes(28, 7));
    while (key.back() == '=') key.pop_back();
    EXPECT_TRUE(read_crypto("1 AEAD_AES_128_GCM inline:" + key));
}

TEST(Crypto, LifetimeAndMkiAreOptionalAndHaveLimits) {
    const std::string line = "1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string{kKey30};
    for (const char* good : {"|2^48", "|1:1", "|255:1", "|1048576", "|1:128", "|2^31|4294967295:4",
                             "|281474976710656"})
        EXPECT_TRUE(read_crypto(line + good)) << good;
    for (const char* bad : {"|2^49", "|0", "|281474976710657", "|256:1", "|1:129", "|1:0", "|x",
                            "|:", "|1:4|2^20", "|1:1|1:1", "|2^20|1:4|1", "|2^20|2^20", "|2^"})
        EXPECT_EQ(fault_of(line + bad), base::Errc::Malformed) << bad;
}

TEST(Crypto, ParametersThatTakeProtectionAwayAreRefused) {
    const std::string line = "1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string{kKey30};
    for (const char* refused : {" UNENCRYPTED_SRTP", " UNENCRYPTED_SRTCP", " UNAUTHENTICATED_SRTP",
                                " unauthenticated_srtp", " WSH=64 UNENCRYPTED_SRTCP", " KDR=1",
                                " FEC_ORDER=SRTP_FEC", " FEC_KEY=inline:abc", " SOMETHING"})
        EXPECT_EQ(fault_of(line + refused), base::Errc::Unsupported) << refused;
    for (const char* taken : {" WSH=64", " KDR=0", " -SOMETHING", "  WSH=128  FEC_ORDER=FEC_SRTP"})
        EXPECT_TRUE(read_crypto(line + taken)) << taken;
}

TEST(Crypto, SeveralKeysAreToldApartByTheirMki) {
    const std::string key = "inline:" + std::string{kKey30};
    const auto line = [&](std::string_view keys) {
        return "1 AES_CM_128_HMAC_SHA1_80 " + std::string{keys};
    };
    const auto read = read_crypto(line(key + "|2^20|1:4;" + key + "|2^20|2:4"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->keys.size(), 2U);
    EXPECT_EQ(fault_of(line(key + ";" + key)), base::Errc::Malformed);
    EXPECT_EQ(fault_of(line(key + "|1:4;" + key + "|1:4")), base::Errc::Malformed);
    EXPECT_EQ(fault_of(line(key + "|1:4;" + key + "|2:3")), base::Errc::Malformed);
    std::string many = key + "|1:4";
    for (std::size_t i = 1; i < kMaxSrtpKeys; ++i)
        many += ';' + key + '|' + std::to_string(i + 1) + ":4";
    EXPECT_TRUE(read_crypto(line(many)));
    EXPECT_EQ(fault_of(line(many + ';' + key + "|200:4")), base::Errc::TooLarge);
}

TEST(Crypto, NoTruncationOfALineIsTakenForAnother) {
    const std::string line = "1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string{kKey30};
    for (std::size_t size = 0; size < line.size(); ++size)
        EXPECT_FALSE(read_crypto(line.substr(0, size))) << size;
}

TEST(Crypto, TheFirstUsableLineOfTheOfferIsChosen) {
    const std::string key = std::string{kKey30};
    const std::string text =
        "v=0\r\nm=audio 4000 RTP/SAVP 0\r\n"
        "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" +
        key +
        "\r\n"
        "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" +
        key +
        " UNENCRYPTED_SRTP\r\n"
        "a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:" +
        key +
        "\r\n"
        "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" +
        key +
        "\r\n"
        "m=audio 4002 RTP/SAVP 0\r\n"
        "m=audio 4004 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:" +
        key + "\r\n";
    const auto offer = parse(text);
    ASSERT_TRUE(offer);
    const auto chosen = choose_crypto(*offer, offer->media[0]);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->tag, 3U);
    EXPECT_EQ(chosen->suite(), base::SrtpSuite::AesCm128Sha1_32);
    const std::array<base::SrtpSuite, 1> only{base::SrtpSuite::AesCm128Sha1_80};
    EXPECT_EQ(choose_crypto(*offer, offer->media[0], only)->tag, 4U);
    EXPECT_EQ(choose_crypto(*offer, offer->media[1]).error().code, base::Errc::NotFound);
    EXPECT_EQ(choose_crypto(*offer, offer->media[2]).error().code, base::Errc::Unsupported);
}

}  // namespace
}  // namespace earshot::sdp
