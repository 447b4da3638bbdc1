#include "sdp/fingerprint.h"

#include <gtest/gtest.h>

namespace earshot::sdp {
namespace {

// RFC 8122 section 3.4's.
constexpr std::string_view kExample =
    "SHA-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:"
    "7C:AB:4A:AD";

std::string offer(std::string_view session, std::string_view medium,
                  std::string_view proto = "UDP/TLS/RTP/SAVPF") {
    std::string text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    text += session;
    text += "m=audio 9 " + std::string(proto) + " 0\r\n";
    return text.append(medium);
}

TEST(Fingerprint, ReadsTheExampleOfRfc8122) {
    const auto fingerprint = parse_fingerprint(kExample);
    ASSERT_TRUE(fingerprint);
    EXPECT_EQ(fingerprint->function, base::HashFunction::Sha256);
    EXPECT_EQ(fingerprint->digest.size(), 32U);
    EXPECT_EQ(fingerprint->digest[1], 0xdf);
    EXPECT_EQ(to_string(*fingerprint), "sha-256" + std::string(kExample.substr(7)));
    EXPECT_EQ(parse_fingerprint(to_string(*fingerprint)), fingerprint);
}

TEST(Fingerprint, OfEachFunctionHasItsLength) {
    for (const auto function :
         {base::HashFunction::Sha1, base::HashFunction::Sha224, base::HashFunction::Sha256,
          base::HashFunction::Sha384, base::HashFunction::Sha512}) {
        base::CertificateFingerprint one{.function = function, .digest = {}};
        one.digest.assign(base::digest_bytes(function), 0xa5);
        EXPECT_EQ(parse_fingerprint(to_string(one)), one);
        one.digest.push_back(1);
        EXPECT_FALSE(parse_fingerprint(to_string(one)));
        one.digest.resize(one.digest.size() - 2);
        EXPECT_FALSE(parse_fingerprint(to_string(one)));
    }
}

TEST(Fingerprint, ReadsNoTruncationAndNoOtherForm) {
    for (std::size_t size = 0; size < kExample.size(); ++size)
        EXPECT_FALSE(parse_fingerprint(kExample.substr(0, size))) << size;
    EXPECT_FALSE(parse_fingerprint("md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B"));
    EXPECT_FALSE(
        parse_fingerprint("sha-1 4A-AD-B9-B1-3F-82-18-3B-54-02-12-DF-3E-5D-49-6B-19-E5-7C-"
                          "AB"));
    EXPECT_TRUE(
        parse_fingerprint(" sha-1  4a:ad:b9:b1:3f:82:18:3b:54:02:12:df:3e:5d:49:6b:19:e5:"
                          "7c:ab "));
}

TEST(Fingerprint, OfTheMediumStandsBeforeThatOfTheSession) {
    const std::string sha1 = "sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13";
    const std::string session = "a=fingerprint:" + std::string(kExample) + "\r\n";
    const std::string with_own =
        offer(session, "a=fingerprint:" + sha1 + "\r\na=fingerprint:md5 00\r\n");
    const auto description = parse(with_own);
    const auto own = fingerprints_of(*description, description->media[0]);
    ASSERT_EQ(own.size(), 1U);
    EXPECT_EQ(to_string(own[0]), sha1);

    const std::string without = offer(session, "");
    const auto other = parse(without);
    EXPECT_EQ(fingerprints_of(*other, other->media[0]).size(), 1U);
}

TEST(Fingerprint, OfOneLineAreTakenUpToTheLimit) {
    std::string lines;
    for (std::size_t i = 0; i < kMaxFingerprints; ++i)
        lines += "a=fingerprint:" + std::string(kExample) + "\r\n";
    for (const std::string& text : {offer("", lines), offer("", lines + lines)}) {
        const auto description = parse(text);
        EXPECT_EQ(fingerprints_of(*description, description->media[0]).size(), kMaxFingerprints);
    }
}

TEST(Setup, IsThatOfTheMediumThenOfTheSession) {
    const std::string both = offer("a=setup:actpass\r\n", "a=setup:ACTIVE\r\n");
    const auto description = parse(both);
    EXPECT_EQ(setup_of(*description, description->media[0]), Setup::Active);
    const std::string session = offer("a=setup:actpass\r\n", "");
    const auto other = parse(session);
    EXPECT_EQ(setup_of(*other, other->media[0]), Setup::ActPass);
    const std::string none = offer("", "a=setup:whoever\r\n");
    const auto unreadable = parse(none);
    EXPECT_FALSE(setup_of(*unreadable, unreadable->media[0]));
}

TEST(Setup, IsAnsweredAsRfc4145Says) {
    EXPECT_EQ(answer_setup(Setup::ActPass), Setup::Passive);
    EXPECT_EQ(answer_setup(Setup::Active), Setup::Passive);
    EXPECT_EQ(answer_setup(Setup::Passive), Setup::Active);
    EXPECT_EQ(answer_setup(std::nullopt), Setup::Passive);
    EXPECT_FALSE(answer_setup(Setup::HoldConn));
    for (const auto setup : {Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn})
        EXPECT_EQ(parse_setup(to_string(setup)), setup);
}

TEST(DtlsSrtp, IsKnownByTheProfileOrByAFingerprintAlone) {
    const std::string fingerprint = "a=fingerprint:" + std::string(kExample) + "\r\n";
    const auto is_dtls = [](const std::string& text) {
        const auto description = parse(text);
        return is_dtls_srtp(*description, description->media[0]);
    };
    EXPECT_TRUE(is_dtls(offer("", fingerprint)));
    EXPECT_TRUE(is_dtls(offer("", "", "UDP/TLS/RTP/SAVP")));
    EXPECT_TRUE(is_dtls(offer("", fingerprint, "RTP/SAVPF")));
    EXPECT_FALSE(is_dtls(offer("", "", "RTP/SAVPF")));
    EXPECT_FALSE(is_dtls(offer("", fingerprint + "a=crypto:1 x inline:y\r\n", "RTP/SAVP")));
    EXPECT_FALSE(is_dtls(offer("", fingerprint, "RTP/AVP")));
}

}  // namespace
}  // namespace earshot::sdp
