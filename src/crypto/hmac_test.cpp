#include "crypto/hmac.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace earshot::crypto {
namespace {

// RFC 4231, test cases 2 and 6.
TEST(Hmac, IsThatOfRfc4231) {
    EXPECT_EQ(base::to_hex(hmac_sha256(base::as_bytes("Jefe"),
                                       base::as_bytes("what do ya want for nothing?"))),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const base::Bytes long_key(131, 0xaa);
    EXPECT_EQ(base::to_hex(hmac_sha256(
                  long_key, base::as_bytes("Test Using Larger Than Block-Size Key - Hash Key "
                                           "First"))),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// RFC 2202 section 3, test case 2.
TEST(Hmac, IsThatOfRfc2202ForSha1) {
    EXPECT_EQ(base::to_hex(hmac_sha1(base::as_bytes("Jefe"),
                                     base::as_bytes("what do ya want for nothing?"))),
              "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

TEST(Hmac, CodesAreTheSameOnlyAsAWhole) {
    const base::Bytes code{1, 2, 3};
    EXPECT_TRUE(is_same_code(code, base::Bytes{1, 2, 3}));
    EXPECT_FALSE(is_same_code(code, base::Bytes{1, 2, 4}));
    EXPECT_FALSE(is_same_code(code, base::Bytes{1, 2}));
}

}  // namespace
}  // namespace earshot::crypto
