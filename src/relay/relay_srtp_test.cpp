// Calls whose phones speak SRTP from end to end (RFC 4568), and what recording servers get of them
// (RFC 7866 section 12.2): P-123, P-131, P-132.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "relay/relay_test_rig.h"
#include "sdp/crypto_attribute.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::relay::test {
namespace {

using io::SocketKind;

base::SrtpMasterKey key(std::uint64_t seed, base::SrtpSuite suite) {
    base::SeededRandom random(seed);
    return base::SrtpMasterKey::generate(suite, random);
}

base::Bytes protect(srtp::Sender& sender, const base::Bytes& packet) {
    base::Bytes wire = packet;
    wire.resize(packet.size() + sender.rtp_overhead());
    EXPECT_TRUE(sender.protect_rtp(wire, packet.size()));
    return wire;
}

class RelaySrtp : public testing::Test {
protected:
    static std::string secure(const Peer& phone, std::uint32_t tag,
                              const base::SrtpMasterKey& key) {
        std::string text =
            phone.sdp("a=sendrecv\r\na=crypto:" + sdp::write_crypto(tag, key) + "\r\n");
        return text.replace(text.find("RTP/AVP"), 7, "RTP/SAVP");
    }
    void connect(const base::SrtpMasterKey& of_a, const base::SrtpMasterKey& of_b) {
        const auto to_b = rig_.offer(Leg::A, secure(a_, 1, of_a));
        ASSERT_TRUE(to_b);
        const auto to_a = rig_.answer(Leg::B, secure(b_, 1, of_b));
        ASSERT_TRUE(to_a);
        EXPECT_NE(to_b->find(sdp::write_crypto(1, of_a)), std::string::npos);  // end to end
        EXPECT_NE(to_a->find(sdp::write_crypto(1, of_b)), std::string::npos);
        faces_a_ = *to_a;
        faces_b_ = *to_b;
    }
    // What the offer to the server says of the copies of one line.
    base::SrtpMasterKey told_key(const std::string& offer, std::size_t line) {
        const auto parsed = sdp::parse(offer);
        EXPECT_EQ(parsed->media[line].proto, "RTP/SAVP");
        const auto keys = sdp::choose_crypto(*parsed, parsed->media[line]);
        EXPECT_TRUE(keys);
        return keys->keys.front();
    }
    std::string record(std::uint32_t id, Peer& server) {
        const auto made = rig_.subscribe(id);
        EXPECT_TRUE(made);
        EXPECT_TRUE(rig_.answer_subscription(id, server_answer(made->offer, {&server, &server})));
        return made->offer;
    }
    base::Bytes opened(srtp::Receiver& receiver, Peer& server) {
        auto got = server.receive(SocketKind::Rtp);
        if (!got) return {};
        const auto size = receiver.unprotect_rtp(got->bytes);
        EXPECT_TRUE(size);
        got->bytes.resize(size ? *size : 0);
        return got->bytes;
    }
    void speak(srtp::Sender& sender, std::uint16_t sequence) {
        const base::Bytes wire = protect(sender, rtp_packet(sequence));
        a_.send(SocketKind::Rtp, wire, rtp_of(faces_a_));
        const auto at_b = b_.receive(SocketKind::Rtp);
        ASSERT_TRUE(at_b);
        EXPECT_EQ(at_b->bytes, wire);  // the call itself is not touched
    }

    RelayRig rig_;
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
    Peer server_{"127.0.0.4"};
    std::string faces_a_;
    std::string faces_b_;
};

TEST_F(RelaySrtp, P131_P132_CopiesAreUnderAKeyOfOurOwnAndOfTheSameSuite) {
    for (const auto suite : {base::SrtpSuite::AesCm256Sha1_80, base::SrtpSuite::AeadAes128Gcm}) {
        const auto of_a = key(1, suite);
        connect(of_a, key(2, suite));
        const auto ours = told_key(record(1, server_), 0);
        EXPECT_EQ(ours.suite(), suite);
        EXPECT_FALSE(ours == of_a);
        srtp::Sender sender(of_a);
        srtp::Receiver receiver(ours);
        for (std::uint16_t i = 1; i <= 3; ++i) {
            speak(sender, i);
            EXPECT_EQ(opened(receiver, server_), rtp_packet(i));
        }
        rig_.relay().remove(kCall);
    }
}

TEST_F(RelaySrtp, ForgedPacketsReachNoServer) {
    const auto suite = base::SrtpSuite::AesCm128Sha1_80;
    connect(key(1, suite), key(2, suite));
    srtp::Receiver receiver(told_key(record(1, server_), 0));
    srtp::Sender forger(key(9, suite));
    srtp::Sender sender(key(1, suite));
    speak(forger, 1);
    speak(sender, 2);
    EXPECT_EQ(opened(receiver, server_), rtp_packet(2));
    EXPECT_TRUE(server_.has_nothing(SocketKind::Rtp));
    EXPECT_EQ(rig_.relay().query(kCall)->forks[0].rtp.dropped, 1U);
}

TEST_F(RelaySrtp, ARecordingThatBeginsAfterARolloverBeginsWithCounterZero) {
    const auto suite = base::SrtpSuite::AesCm128Sha1_80;
    connect(key(1, suite), key(2, suite));
    srtp::Sender sender(key(1, suite));
    for (std::uint32_t i = 0; i < 3 * 0x10000; i += 0x4000)
        (void)protect(sender, rtp_packet(static_cast<std::uint16_t>(i)));
    srtp::Receiver receiver(told_key(record(1, server_), 0));
    speak(sender, 50'000);
    base::Bytes got = server_.receive(SocketKind::Rtp)->bytes;
    // A receiver that takes the counter to be 0, as RFC 4568 has it: authentic at its first guess.
    srtp::Sender same(told_key(rig_.subscribe(1)->offer, 0));
    EXPECT_EQ(got, protect(same, rtp_packet(50'000)));
    EXPECT_TRUE(receiver.unprotect_rtp(got));
}

TEST_F(RelaySrtp, AnotherRecordingAfterTheLastOneHasAnotherKey) {
    const auto suite = base::SrtpSuite::AesCm128Sha1_80;
    connect(key(1, suite), key(2, suite));
    const auto first = told_key(record(1, server_), 0);
    EXPECT_EQ(told_key(record(2, server_), 0), first);  // beside it: the same packets
    rig_.relay().unsubscribe(kCall, 1);
    rig_.relay().unsubscribe(kCall, 2);
    EXPECT_FALSE(told_key(record(3, server_), 0) == first);
}

TEST_F(RelaySrtp, NewKeysOfThePhonesChangeNothingForTheServer) {
    const auto suite = base::SrtpSuite::AesCm128Sha1_80;
    connect(key(1, suite), key(2, suite));
    const auto ours = told_key(record(1, server_), 0);
    srtp::Receiver receiver(ours);
    srtp::Sender before(key(1, suite));
    speak(before, 1);
    EXPECT_EQ(opened(receiver, server_), rtp_packet(1));
    connect(key(5, suite), key(6, suite));
    EXPECT_EQ(told_key(rig_.subscribe(1)->offer, 0), ours);
    srtp::Sender after(key(5, suite));
    speak(before, 2);  // under way
    EXPECT_EQ(opened(receiver, server_), rtp_packet(2));
    speak(after, 3);
    EXPECT_EQ(opened(receiver, server_), rtp_packet(3));
}

// DTLS-SRTP passes from end to end; nobody but the parties has its keys.
class RelayDtls : public RelaySrtp {
protected:
    static std::string keyed_on_its_path(std::string text, const char* setup) {
        text.replace(text.find("RTP/AVP"), 7, "UDP/TLS/RTP/SAVPF");
        return text + "a=setup:" + setup + "\r\na=fingerprint:sha-256 " + kFingerprint + "\r\n";
    }
    static constexpr const char* kFingerprint =
        "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:"
        "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF";
};

TEST_F(RelayDtls, IsNotOfferedToServersWhoCouldNotReadIt) {
    const auto to_b = rig_.offer(Leg::A, keyed_on_its_path(a_.sdp("a=sendrecv\r\n"), "actpass"));
    ASSERT_TRUE(to_b);
    EXPECT_NE(to_b->find(kFingerprint), std::string::npos);
    ASSERT_TRUE(rig_.answer(Leg::B, keyed_on_its_path(b_.sdp("a=sendrecv\r\n"), "active")));
    const auto made = rig_.subscribe(1);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "media_not_decryptable");
}

TEST_F(RelayDtls, LeavesOutTheLinesThatNobodyCanReadAndSaysSo) {
    const auto both = [](const Peer& phone, const char* setup) {
        const std::string text = phone.sdp("a=sendrecv\r\n");
        const std::string medium = text.substr(text.find("m="));
        return text + keyed_on_its_path(medium, setup);
    };
    ASSERT_TRUE(rig_.offer(Leg::A, both(a_, "actpass")));
    ASSERT_TRUE(rig_.answer(Leg::B, both(b_, "active")));
    const auto made = rig_.subscribe(1);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->left_out.code, "media_not_decryptable");
    EXPECT_EQ(made->streams.size(), 2U);  // of the line in the clear
    for (const SubscribedStream& stream : made->streams) EXPECT_EQ(stream.line, 0U);
}

}  // namespace
}  // namespace earshot::relay::test
