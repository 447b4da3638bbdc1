#include "sip/redact.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace earshot::sip {
namespace {

std::string redacted(std::string_view text) {
    const base::ByteView view = base::as_bytes(text);
    base::Bytes bytes(view.begin(), view.end());
    redact_secrets(bytes);
    EXPECT_EQ(bytes.size(), text.size());
    return std::string(base::as_text(bytes));
}

TEST(Redact, OverwritesCredentialsButNotTheScheme) {
    EXPECT_EQ(redacted("A: b\r\nAuthorization: Digest user=\"a\"\r\nC: d\r\n"),
              "A: b\r\nAuthorization: Digest ********\r\nC: d\r\n");
    EXPECT_EQ(redacted("proxy-authorization :Basic QWxh\n"), "proxy-authorization :Basic ****\n");
    EXPECT_EQ(redacted("Authorization: Basic"), "Authorization: Basic");
    EXPECT_EQ(redacted("X-Authorization: Basic QWxh\r\n"), "X-Authorization: Basic QWxh\r\n");
    EXPECT_EQ(redacted("Authorizations: Basic QWxh\r\n"), "Authorizations: Basic QWxh\r\n");
}

TEST(Redact, FollowsFoldedCredentials) {
    EXPECT_EQ(redacted("Authorization:\r\n Digest\r\n\tx=\"1\",\r\n y=2\r\n\r\n z\r\n"),
              "Authorization:\r\n Digest\r\n\t******\r\n ***\r\n\r\n z\r\n");
}

TEST(Redact, OverwritesThePasswordOfIce) {
    EXPECT_EQ(redacted("a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgp\r\na=ice-lite\r\n"),
              "a=ice-ufrag:8hhY\r\na=ice-pwd:********\r\na=ice-lite\r\n");
}

TEST(Redact, OverwritesEachInlineKey) {  // RFC 4568 §9.2
    EXPECT_EQ(redacted("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNf+/X2|2^20|1:4;inline:QUJD\r\n"
                       "a=label:1\r\n"),
              "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:********|2^20|1:4;inline:****\r\n"
              "a=label:1\r\n");
    EXPECT_EQ(redacted("A=Crypto:2 X INLINE:abc UNENCRYPTED_SRTP"),
              "A=Crypto:2 X INLINE:*** UNENCRYPTED_SRTP");
    EXPECT_EQ(redacted("a=fmtp:1 inline:abc"), "a=fmtp:1 inline:abc");
}

TEST(Redact, OverwritesKeyLinesWithAnyLineEnd) {
    EXPECT_EQ(redacted("v=0\rk=clear:secret\rs=-\n k=x\r\nak=y"),
              "v=0\rk=************\rs=-\n k=*\r\nak=y");
}

TEST(Redact, CountsAndStaysInsideOnEveryTruncation) {
    const std::string text =
        "Authorization: Digest a=\"b\"\r\n c\r\n\r\nk=clear:x\r\na=crypto:1 X inline:KEY|2^20\r\n";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const std::string out = redacted(text.substr(0, size));
        EXPECT_EQ(out.size(), size);
        EXPECT_EQ(out, redacted(out));  // nothing is left to find
    }
    base::Bytes bytes(text.begin(), text.end());
    EXPECT_EQ(redact_secrets(bytes), 5U + 1U + 7U + 3U);
}

}  // namespace
}  // namespace earshot::sip
