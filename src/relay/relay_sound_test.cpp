// Sounds through real sockets, by each engine: in what passes, where nothing passes, and not in the
// copies.
#include <gtest/gtest.h>

#include <string>

#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

using io::SocketKind;

class RelaySound : public testing::TestWithParam<Engine> {
protected:
    void SetUp() override {
        if (!rig_.is_open()) GTEST_SKIP() << "io_uring is not permitted here";
    }
    void connect(std::string_view attributes = "a=sendrecv\r\n", std::string_view formats = "0 8") {
        const auto to_b = rig_.offer(Leg::A, a_.sdp(attributes, formats));
        ASSERT_TRUE(to_b) << to_b.error().text;
        const auto to_a = rig_.answer(Leg::B, b_.sdp(attributes, formats));
        ASSERT_TRUE(to_a) << to_a.error().text;
        faces_b_ = *to_b;
        faces_a_ = *to_a;
    }
    std::string play(Leg to, SoundPtr sound = make_tone(-10, std::chrono::seconds{60})) {
        const auto played = rig_.relay().play(kCall, to, std::move(sound));
        return played ? "fine" : played.error().code;
    }
    // PCMU with silence in it.
    static base::Bytes silence(std::uint16_t sequence) {
        base::Bytes packet = rtp_packet(sequence);
        packet.resize(12);
        packet.resize(12 + 160, 0xff);
        return packet;
    }
    static bool is_silence(const base::Bytes& packet) {
        return std::all_of(packet.begin() + 12, packet.end(),
                           [](std::uint8_t octet) { return octet == 0xff; });
    }

    RelayRig rig_{GetParam()};
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
    std::string faces_a_;
    std::string faces_b_;
};

TEST_P(RelaySound, IsInWhatPassesToThatLegAndNotInTheCopy) {
    connect();
    Peer for_a("127.0.0.4");
    Peer for_b("127.0.0.4");
    const auto made = rig_.subscribe(1);
    ASSERT_TRUE(made);
    ASSERT_TRUE(rig_.answer_subscription(1, server_answer(made->offer, {&for_a, &for_b})));
    ASSERT_EQ(play(Leg::B), "fine");
    a_.send(SocketKind::Rtp, silence(1), rtp_of(faces_a_));
    const auto heard = b_.receive(SocketKind::Rtp);
    ASSERT_TRUE(heard);
    const base::Bytes sent = silence(1);
    ASSERT_EQ(heard->bytes.size(), sent.size());
    EXPECT_TRUE(std::equal(sent.begin(), sent.begin() + 12, heard->bytes.begin()));
    EXPECT_FALSE(is_silence(heard->bytes));
    const auto copy = for_a.receive(SocketKind::Rtp);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->bytes, sent);
    b_.send(SocketKind::Rtp, silence(2), rtp_of(faces_b_));
    const auto other_way = a_.receive(SocketKind::Rtp);
    ASSERT_TRUE(other_way);
    EXPECT_EQ(other_way->bytes, silence(2)) << "the other leg hears none";
}

TEST_P(RelaySound, ComesByItselfWhereNobodySpeaks) {
    connect();
    ASSERT_EQ(play(Leg::A), "fine");
    const auto heard = a_.receive(SocketKind::Rtp);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->bytes.size(), 172U);
    EXPECT_EQ(heard->from, rtp_of(faces_a_)) << "from where its peer's media comes";
    for (int i = 1; i < 10; ++i) EXPECT_TRUE(a_.receive(SocketKind::Rtp)) << i;
    EXPECT_TRUE(b_.has_nothing(SocketKind::Rtp));
}

TEST_P(RelaySound, EndsWhenItIsTaken) {
    connect();
    ASSERT_EQ(play(Leg::B), "fine");
    ASSERT_EQ(play(Leg::B, nullptr), "fine");
    for (std::uint16_t i = 1; i < 4; ++i) {
        a_.send(SocketKind::Rtp, silence(i), rtp_of(faces_a_));
        const auto heard = b_.receive(SocketKind::Rtp);
        ASSERT_TRUE(heard);
        EXPECT_TRUE(is_silence(heard->bytes));
    }
}

TEST_P(RelaySound, IsNotSentToWhoWantsToHearNothing) {
    connect("a=inactive\r\n");
    EXPECT_EQ(play(Leg::A), "fine");
    EXPECT_FALSE(a_.receive(SocketKind::Rtp, 200));
}

TEST_P(RelaySound, SaysWhyItCannotBeHeard) {
    EXPECT_EQ(play(Leg::A), "unknown_call");
    connect("a=rtpmap:96 opus/48000/2\r\na=sendrecv\r\n", "96");
    EXPECT_EQ(play(Leg::A), "no_codec");
    EXPECT_EQ(play(Leg::A, nullptr), "fine");
}

TEST_P(RelaySound, SaysThatSecureMediaCannotBeHeardInto) {
    std::string offer = a_.sdp();
    std::string answer = b_.sdp();
    for (std::string* text : {&offer, &answer}) text->replace(text->find("RTP/AVP"), 7, "RTP/SAVP");
    ASSERT_TRUE(rig_.offer(Leg::A, offer));
    ASSERT_TRUE(rig_.answer(Leg::B, answer));
    EXPECT_EQ(play(Leg::A), "secure_media");
}

INSTANTIATE_TEST_SUITE_P(Engines, RelaySound, testing::Values(Engine::Sockets, Engine::IoUring),
                         [](const auto& engine) {
                             return engine.param == Engine::Sockets ? "Sockets" : "IoUring";
                         });

}  // namespace
}  // namespace earshot::relay::test
