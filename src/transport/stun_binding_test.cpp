#include "transport/stun_binding.h"

#include <gtest/gtest.h>

#include "stun/message.h"

namespace earshot::transport {
namespace {

base::Bytes request(const base::Bytes& attributes = {}) {
    base::Bytes bytes{0,    1,    0,    static_cast<std::uint8_t>(attributes.size()),
                      0x21, 0x12, 0xa4, 0x42};
    for (std::uint8_t i = 1; i <= 12; ++i) bytes.push_back(i);
    bytes.insert(bytes.end(), attributes.begin(), attributes.end());
    return bytes;
}

TEST(StunBinding, TellsTheSourceByItsXorredAddress) {
    const auto answer = answer_stun_binding(request(), *base::parse_net_address("192.0.2.1:32853"));
    // Port and address as in RFC 5769 section 2.2.
    const base::Bytes expected{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 1,    2,   3,
                               4, 5, 6, 7,  8,    9,    10,   11,   12,   0,   0x20,
                               0, 8, 0, 1,  0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43};
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, expected);
}

TEST(StunBinding, AnswersIpv6Too) {
    const auto source = *base::parse_net_address("[2001:db8::1]:5060");
    const auto answer = answer_stun_binding(request(), source);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->size(), 44U);
    for (std::size_t i = 0; i < 16; ++i)
        EXPECT_EQ((*answer)[28 + i] ^ (*answer)[4 + i], source.ip[i]);
}

TEST(StunBinding, PassesOverOptionalAttributesAndAnswersNoOthers) {
    const auto source = *base::parse_net_address("192.0.2.1:5060");
    const base::Bytes software{0x80, 0x22, 0, 3, 'a', 'b', 'c', 0};
    EXPECT_TRUE(answer_stun_binding(request(software), source));
    const base::Bytes username{0x00, 0x06, 0, 3, 'a', 'b', 'c', 0};
    EXPECT_FALSE(answer_stun_binding(request(username), source));
    base::Bytes response = request();
    response[0] = 1;
    EXPECT_FALSE(answer_stun_binding(response, source));
    EXPECT_TRUE(stun::is_stun(response));
}

TEST(StunBinding, AnswersNoTruncationAndNoLie) {
    const auto source = *base::parse_net_address("192.0.2.1:5060");
    const base::Bytes whole = request({0x80, 0x22, 0, 3, 'a', 'b', 'c', 0});
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(answer_stun_binding(base::ByteView(whole).first(size), source)) << size;
    base::Bytes longer = whole;
    longer[23] = 200;  // the attribute's length
    EXPECT_FALSE(answer_stun_binding(longer, source));
    const std::string_view sip = "INVITE sip:a@b SIP/2.0\r\n\r\n";
    EXPECT_FALSE(stun::is_stun(base::as_bytes(sip)));
}

}  // namespace
}  // namespace earshot::transport
