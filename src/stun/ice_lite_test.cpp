#include "stun/ice_lite.h"

#include <gtest/gtest.h>

#include "stun/rfc5769.h"

namespace earshot::stun {
namespace {

using std::chrono::seconds;

const base::NetAddress kPeer = *base::parse_net_address("198.51.100.7:40000");
const base::NetAddress kOther = *base::parse_net_address("203.0.113.9:40000");

struct Check {
    std::string username = "ours:theirs";
    std::string password = "our-password-of-22-chr";
    bool nominates = false;
    bool is_controlled = false;
    bool has_fingerprint = true;
    bool has_integrity = true;
    std::uint16_t extra = 0;

    base::Bytes bytes() const {
        Writer writer(MessageClass::Request, kBinding, {1, 2, 3});
        writer.add_u32(AttributeType::Priority, 1).add(AttributeType::Username, text(username));
        writer.add_u64(is_controlled ? AttributeType::IceControlled : AttributeType::IceControlling,
                       7);
        if (nominates) writer.add(AttributeType::UseCandidate);
        if (extra != 0) writer.add(static_cast<AttributeType>(extra));
        if (has_integrity) writer.add_integrity(text(password));
        if (has_fingerprint) writer.add_fingerprint();
        return writer.take();
    }
    static base::ByteView text(const std::string& value) { return base::as_bytes(value); }
};

class IceLiteTest : public testing::Test {
protected:
    IceLite agent_{{.ufrag = "ours", .password = "our-password-of-22-chr"}, "theirs"};
    base::TimePoint now_{};
    base::Bytes reply_;

    CheckOutcome give(const Check& check, const base::NetAddress& source = kPeer) {
        return agent_.on_datagram(now_, check.bytes(), source, reply_);
    }
    std::optional<int> refused_with(const Check& check) {
        if (give(check) != CheckOutcome::Refused) return std::nullopt;
        const auto message = parse(reply_);
        EXPECT_TRUE(has_valid_fingerprint(*message));
        return error_code(*message);
    }
};

TEST_F(IceLiteTest, AnswersACheckWithTheAddressThatItCameFrom) {
    ASSERT_EQ(give({}), CheckOutcome::Answered);
    const auto answer = parse(reply_);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->message_class, MessageClass::Success);
    EXPECT_EQ(answer->transaction, (TransactionId{1, 2, 3}));
    EXPECT_EQ(mapped_address(*answer), kPeer);
    EXPECT_TRUE(has_valid_integrity(*answer, base::as_bytes("our-password-of-22-chr")));
    EXPECT_TRUE(has_valid_fingerprint(*answer));
    EXPECT_TRUE(agent_.is_validated(kPeer));
    EXPECT_FALSE(agent_.is_validated(kOther));
}

TEST_F(IceLiteTest, AnswersTheRequestOfRfc5769) {
    IceLite agent({.ufrag = "evtj", .password = std::string(kRfc5769Password)}, "h6vY");
    base::Bytes request = rfc5769_request();
    // It has ICE-CONTROLLED, which is for our side: to be told so is right.
    EXPECT_EQ(agent.on_datagram(now_, request, kPeer, reply_), CheckOutcome::Refused);
    EXPECT_EQ(error_code(*parse(reply_)), 487);
}

TEST_F(IceLiteTest, SendsOnTheNominatedPair) {
    EXPECT_FALSE(agent_.selected(now_));
    give({});
    EXPECT_EQ(agent_.selected(now_), kPeer);
    give({}, kOther);
    EXPECT_EQ(agent_.selected(now_), kOther);
    EXPECT_FALSE(agent_.is_nominated());
    give({.nominates = true});
    EXPECT_TRUE(agent_.is_nominated());
    give({}, kOther);
    EXPECT_EQ(agent_.selected(now_), kPeer);
    give({.nominates = true}, kOther);  // aggressive nomination, RFC 5245: the last one counts
    EXPECT_EQ(agent_.selected(now_), kOther);
}

TEST_F(IceLiteTest, ConsentRunsOutUnlessItIsGivenAnew) {
    give({.nominates = true});
    now_ += kConsentLifetime - seconds{1};
    EXPECT_TRUE(agent_.selected(now_));
    give({});
    now_ += kConsentLifetime - seconds{1};
    EXPECT_TRUE(agent_.selected(now_));
    give({}, kOther);  // consent to another pair
    now_ += seconds{1};
    EXPECT_FALSE(agent_.selected(now_));
    EXPECT_TRUE(agent_.is_validated(kPeer));  // what it sends is still recorded
}

TEST_F(IceLiteTest, RefusesWhoDoesNotKnowThePassword) {
    EXPECT_EQ(refused_with({.password = "another-password-of-22"}), 401);
    EXPECT_EQ(refused_with({.username = "else:theirs"}), 401);
    EXPECT_EQ(refused_with({.username = "ours:else"}), 401);
    EXPECT_EQ(refused_with({.username = "ours"}), 401);
    EXPECT_EQ(refused_with({.has_integrity = false}), 400);
    EXPECT_FALSE(agent_.is_validated(kPeer));
    EXPECT_FALSE(agent_.selected(now_));
}

TEST_F(IceLiteTest, TakesAnyPeerWhileItsFragmentIsNotKnown) {
    IceLite agent({.ufrag = "ours", .password = "our-password-of-22-chr"}, "");
    EXPECT_EQ(agent.on_datagram(now_, Check{}.bytes(), kPeer, reply_), CheckOutcome::Answered);
}

TEST_F(IceLiteTest, RefusesWhatItDoesNotUnderstand) {
    EXPECT_EQ(refused_with({.extra = 0x7001}), 420);
    const auto reply = parse(reply_);
    const auto unknown = reply->find(AttributeType::UnknownAttributes);
    ASSERT_NE(unknown, nullptr);
    EXPECT_EQ(base::load_u16(unknown->value, 0), 0x7001);
    EXPECT_EQ(give({.extra = 0x9001}), CheckOutcome::Answered);
}

TEST_F(IceLiteTest, StaysControlled) {
    EXPECT_EQ(refused_with({.is_controlled = true}), 487);
    EXPECT_TRUE(has_valid_integrity(*parse(reply_), base::as_bytes("our-password-of-22-chr")));
}

TEST_F(IceLiteTest, SaysNothingToWhatIsNoCheck) {
    EXPECT_EQ(give({.has_fingerprint = false}), CheckOutcome::Ignored);
    EXPECT_TRUE(reply_.empty());
    const base::Bytes response =
        Writer(MessageClass::Success, kBinding, {}).add_fingerprint().take();
    EXPECT_EQ(agent_.on_datagram(now_, response, kPeer, reply_), CheckOutcome::Ignored);
    const base::Bytes whole = Check{}.bytes();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(agent_.on_datagram(now_, base::ByteView(whole).first(size), kPeer, reply_),
                  CheckOutcome::Ignored);
}

TEST_F(IceLiteTest, RemembersTheNewestPairs) {
    base::NetAddress source = kPeer;
    for (int i = 0; i < 9; ++i, ++source.port) give({}, source);
    EXPECT_FALSE(agent_.is_validated(kPeer));
    --source.port;
    EXPECT_TRUE(agent_.is_validated(source));
}

TEST(IceCredentials, AreLongEnoughAndOfItsAlphabet) {
    base::SeededRandom random(1);
    const IceCredentials made = make_ice_credentials(random);
    EXPECT_TRUE(is_usable(made));
    EXPECT_NE(made, make_ice_credentials(random));
    EXPECT_TRUE(is_usable({std::string(4, 'a'), std::string(22, '/')}));
    EXPECT_FALSE(is_usable({std::string(3, 'a'), std::string(22, '/')}));
    EXPECT_FALSE(is_usable({std::string(4, 'a'), std::string(21, '/')}));
    EXPECT_TRUE(is_usable({std::string(256, 'a'), std::string(256, '/')}));
    EXPECT_FALSE(is_usable({std::string(257, 'a'), std::string(22, '/')}));
    EXPECT_FALSE(is_usable({std::string(4, 'a'), std::string(257, '/')}));
    EXPECT_FALSE(is_usable({"a:bc", std::string(22, '/')}));
}

}  // namespace
}  // namespace earshot::stun
