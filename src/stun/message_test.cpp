#include "stun/message.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "stun/rfc5769.h"

namespace earshot::stun {
namespace {

base::ByteView password() { return base::as_bytes(kRfc5769Password); }

TEST(StunMessage, ReadsTheRequestOfRfc5769Section2_1) {
    const base::Bytes bytes = rfc5769_request();
    const auto message = parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->message_class, MessageClass::Request);
    EXPECT_EQ(message->method, kBinding);
    EXPECT_EQ(base::to_hex(message->transaction), "b7e7a701bc34d686fa87dfae");
    const Attribute* const username = message->find(AttributeType::Username);
    ASSERT_NE(username, nullptr);
    EXPECT_EQ(base::as_text(username->value), "evtj:h6vY");
    EXPECT_TRUE(has_valid_fingerprint(*message));
    EXPECT_TRUE(has_valid_integrity(*message, password()));
    EXPECT_FALSE(has_valid_integrity(*message, base::as_bytes("VOkJxbRl1RmTxUk/WvJxBu")));
    EXPECT_TRUE(unknown_required(*message).empty());
}

TEST(StunMessage, ReadsTheIpv4ResponseOfRfc5769Section2_2) {
    const base::Bytes bytes = rfc5769_ipv4_response();
    const auto message = parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->message_class, MessageClass::Success);
    EXPECT_TRUE(has_valid_fingerprint(*message));
    EXPECT_TRUE(has_valid_integrity(*message, password()));
    EXPECT_EQ(mapped_address(*message), base::parse_net_address("192.0.2.1:32853"));
}

TEST(StunMessage, ReadsTheIpv6ResponseOfRfc5769Section2_3) {
    const base::Bytes bytes = rfc5769_ipv6_response();
    const auto message = parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_TRUE(has_valid_fingerprint(*message));
    EXPECT_TRUE(has_valid_integrity(*message, password()));
    EXPECT_EQ(mapped_address(*message),
              base::parse_net_address("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
}

TEST(StunMessage, IsWrittenAsItWasRead) {
    const base::Bytes request = rfc5769_request();
    const TransactionId transaction = parse(request)->transaction;
    const auto source = *base::parse_net_address("[2001:db8::7]:4444");
    for (const base::NetAddress& address : {source, *base::parse_net_address("192.0.2.9:1")}) {
        const base::Bytes bytes = Writer(MessageClass::Success, kBinding, transaction)
                                      .add_mapped_address(address)
                                      .add(AttributeType::Software, base::as_bytes("tests"))
                                      .add_integrity(password())
                                      .add_fingerprint()
                                      .take();
        const auto message = parse(bytes);
        ASSERT_TRUE(message);
        EXPECT_EQ(message->transaction, transaction);
        EXPECT_EQ(mapped_address(*message), address);
        EXPECT_EQ(base::as_text(message->find(AttributeType::Software)->value), "tests");
        EXPECT_TRUE(has_valid_integrity(*message, password()));
        EXPECT_TRUE(has_valid_fingerprint(*message));
    }
}

TEST(StunMessage, TellsErrorsByTheirCode) {
    const base::Bytes bytes =
        Writer(MessageClass::Error, kBinding, {}).add_error(487, "Role Conflict").take();
    const auto message = parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->message_class, MessageClass::Error);
    EXPECT_EQ(error_code(*message), 487);
    base::Bytes broken = bytes;
    broken[kHeaderBytes + 6] = 7;  // hundreds
    EXPECT_FALSE(error_code(*parse(broken)));
    broken[kHeaderBytes + 6] = 4;
    broken[kHeaderBytes + 7] = 100;
    EXPECT_FALSE(error_code(*parse(broken)));
}

TEST(StunMessage, KeepsClassAndMethodApart) {
    for (const auto message_class : {MessageClass::Request, MessageClass::Indication,
                                     MessageClass::Success, MessageClass::Error}) {
        for (const int number : {1, 3, 9, 255}) {
            const auto method = static_cast<std::uint16_t>(number);
            const base::Bytes bytes = Writer(message_class, method, {}).take();
            const auto message = parse(bytes);
            ASSERT_TRUE(message) << number;
            EXPECT_EQ(message->message_class, message_class);
            EXPECT_EQ(message->method, method);
        }
    }
}

TEST(StunMessage, ReadsNoTruncation) {
    const base::Bytes whole = rfc5769_request();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(parse(cut)) << size;
        if (size < kHeaderBytes) continue;
        // Nor with a length that was put right, where an attribute is cut or the signature gone.
        cut[2] = static_cast<std::uint8_t>((size - kHeaderBytes) >> 8U);
        cut[3] = static_cast<std::uint8_t>(size - kHeaderBytes);
        const auto message = parse(cut);
        EXPECT_TRUE(!message || !has_valid_fingerprint(*message)) << size;
    }
}

TEST(StunMessage, EachChangedOctetIsNoticed) {
    const base::Bytes whole = rfc5769_request();
    for (std::size_t at = 0; at < whole.size(); ++at) {
        base::Bytes changed = whole;
        changed[at] ^= 0x10;
        const auto message = parse(changed);
        EXPECT_TRUE(!message || !has_valid_fingerprint(*message)) << at;
    }
}

TEST(StunMessage, AttributesBehindTheIntegrityAreNoPartOfIt) {
    const base::Bytes bytes = Writer(MessageClass::Request, kBinding, {})
                                  .add_integrity(password())
                                  .add(AttributeType::UseCandidate)
                                  .add_fingerprint()
                                  .take();
    const auto message = parse(bytes);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->find(AttributeType::UseCandidate), nullptr);
    EXPECT_TRUE(has_valid_fingerprint(*message));
}

TEST(StunMessage, FingerprintMustBeTheLast) {
    Writer writer(MessageClass::Request, kBinding, {});
    const base::Bytes bytes = writer.add_fingerprint().add(AttributeType::Software).take();
    EXPECT_FALSE(has_valid_fingerprint(*parse(bytes)));
}

TEST(StunMessage, TakesAsManyAttributesAsTheLimitAndNoMore) {
    Writer writer(MessageClass::Request, kBinding, {});
    for (std::size_t i = 0; i < kMaxAttributes; ++i) writer.add(AttributeType::Software);
    Writer more = writer;
    more.add(AttributeType::Software);
    EXPECT_TRUE(parse(writer.take()));
    const base::Bytes bytes = more.take();
    const auto message = parse(bytes);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, base::Errc::TooLarge);
}

TEST(StunMessage, TakesAsManyOctetsAsTheLimitAndNoMore) {
    const base::Bytes fill(kMaxMessageBytes - kHeaderBytes - 4);
    Writer writer(MessageClass::Request, kBinding, {});
    const base::Bytes at_limit = writer.add(AttributeType::Software, fill).take();
    ASSERT_EQ(at_limit.size(), kMaxMessageBytes);
    EXPECT_TRUE(parse(at_limit));
    Writer longer(MessageClass::Request, kBinding, {});
    const base::Bytes past =
        longer.add(AttributeType::Software, base::Bytes(fill.size() + 4)).take();
    const auto message = parse(past);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, base::Errc::TooLarge);
}

TEST(StunMessage, NamesWhatWouldHaveToBeUnderstood) {
    Writer writer(MessageClass::Request, kBinding, {});
    const base::Bytes bytes = writer.add(static_cast<AttributeType>(0x7fff))
                                  .add(static_cast<AttributeType>(0x8fff))
                                  .add(AttributeType::UseCandidate)
                                  .take();
    EXPECT_EQ(unknown_required(*parse(bytes)), std::vector<std::uint16_t>{0x7fff});
}

}  // namespace
}  // namespace earshot::stun
