// Packets through real sockets: each engine, from phone to phone and to recording servers.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

using io::SocketKind;

class RelayPackets : public testing::TestWithParam<Engine> {
protected:
    void SetUp() override {
        if (!rig_.is_open()) GTEST_SKIP() << "io_uring is not permitted here";
    }
    void connect(std::string_view attributes = "a=sendrecv\r\n") {
        const auto to_b = rig_.offer(Leg::A, a_.sdp(attributes));
        ASSERT_TRUE(to_b) << to_b.error().text;
        const auto to_a = rig_.answer(Leg::B, b_.sdp(attributes));
        ASSERT_TRUE(to_a) << to_a.error().text;
        faces_b_ = *to_b;
        faces_a_ = *to_a;
    }
    // Commands are obeyed before the packets that come after them.
    void speak(Peer& from, Peer& to, const std::string& ours, std::uint16_t sequence) {
        from.send(SocketKind::Rtp, rtp_packet(sequence), rtp_of(ours));
        const auto got = to.receive(SocketKind::Rtp);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->bytes, rtp_packet(sequence));
    }
    void record(std::uint32_t id, Peer& for_a, Peer& for_b) {
        const auto made = rig_.subscribe(id);
        ASSERT_TRUE(made) << made.error().text;
        offer_ = made->offer;
        const auto done = rig_.answer_subscription(id, server_answer(offer_, {&for_a, &for_b}));
        ASSERT_TRUE(done) << done.error().text;
    }

    RelayRig rig_{GetParam()};
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
    std::string faces_a_;  // what leg A was told
    std::string faces_b_;
    std::string offer_;  // of the newest subscription
};

TEST_P(RelayPackets, PassBothWaysFromTheVeryPortsThatWereTold) {
    connect();
    a_.send(SocketKind::Rtp, rtp_packet(1), rtp_of(faces_a_));
    const auto at_b = b_.receive(SocketKind::Rtp);
    ASSERT_TRUE(at_b);
    EXPECT_EQ(at_b->bytes, rtp_packet(1));
    EXPECT_EQ(at_b->from, rtp_of(faces_b_));
    b_.send(SocketKind::Rtp, rtp_packet(9), rtp_of(faces_b_));
    const auto at_a = a_.receive(SocketKind::Rtp);
    ASSERT_TRUE(at_a);
    EXPECT_EQ(at_a->from, rtp_of(faces_a_));
}

TEST_P(RelayPackets, RtcpPassesByItsOwnPorts) {
    connect();
    a_.send(SocketKind::Rtcp, rtcp_packet(201), rtcp_of(faces_a_));
    const auto at_b = b_.receive(SocketKind::Rtcp);
    ASSERT_TRUE(at_b);
    EXPECT_EQ(at_b->bytes, rtcp_packet(201));
    EXPECT_EQ(at_b->from, rtcp_of(faces_b_));
}

TEST_P(RelayPackets, RtcpPassesByTheMediaPortWhereBothEndsMultiplex) {
    connect("a=rtcp-mux\r\n");
    a_.send(SocketKind::Rtp, rtcp_packet(200), rtp_of(faces_a_));
    const auto at_b = b_.receive(SocketKind::Rtp);
    ASSERT_TRUE(at_b);
    EXPECT_EQ(at_b->bytes, rtcp_packet(200));
    EXPECT_EQ(at_b->from, rtp_of(faces_b_));
}

TEST_P(RelayPackets, MediaThatOvertakesTheAnswerWaitsForIt) {
    const auto to_b = rig_.offer(Leg::A, a_.sdp());
    ASSERT_TRUE(to_b);
    b_.send(SocketKind::Rtp, rtp_packet(1), rtp_of(*to_b));
    ASSERT_TRUE(rig_.answer(Leg::B, b_.sdp()));
    const auto at_a = a_.receive(SocketKind::Rtp);
    ASSERT_TRUE(at_a);
    EXPECT_EQ(at_a->bytes, rtp_packet(1));
}

TEST_P(RelayPackets, FollowAPeerWhoSendsFromAnotherPortThanItAnnounced) {
    connect();
    Peer nat("127.0.0.2");  // another port of A's host
    speak(nat, b_, faces_a_, 1);
    speak(nat, b_, faces_a_, 2);
    b_.send(SocketKind::Rtp, rtp_packet(9), rtp_of(faces_b_));
    EXPECT_TRUE(nat.receive(SocketKind::Rtp));
    EXPECT_TRUE(a_.has_nothing(SocketKind::Rtp));
}

TEST_P(RelayPackets, OfAStrangerAreCountedAndPassedToNobody) {
    connect();
    Peer stranger("127.0.0.9");
    stranger.send(SocketKind::Rtp, rtp_packet(666), rtp_of(faces_a_));
    speak(a_, b_, faces_a_, 1);  // the first that arrives is A's own
    const auto media = rig_.relay().query(kCall);
    ASSERT_TRUE(media);
    EXPECT_EQ(media->lines[0].legs[0].rtp.dropped, 1U);
    EXPECT_EQ(media->lines[0].legs[0].rtp.packets, 1U);
    EXPECT_EQ(media->lines[0].legs[0].rtp.octets, rtp_packet(1).size());
}

TEST_P(RelayPackets, GoToARecordingServerAsTheyAre) {
    connect();
    Peer for_a("127.0.0.4");
    Peer for_b("127.0.0.4");
    record(1, for_a, for_b);
    speak(a_, b_, faces_a_, 1);
    const auto copy = for_a.receive(SocketKind::Rtp);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->bytes, rtp_packet(1));
    EXPECT_EQ(copy->from, rtp_of(offer_, 0));
    speak(b_, a_, faces_b_, 5);
    const auto other_copy = for_b.receive(SocketKind::Rtp);
    ASSERT_TRUE(other_copy);
    EXPECT_EQ(other_copy->from, rtp_of(offer_, 1));
    a_.send(SocketKind::Rtcp, rtcp_packet(200), rtcp_of(faces_a_));
    const auto report = for_a.receive(SocketKind::Rtcp);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->from, rtcp_of(offer_, 0));
    EXPECT_TRUE(for_a.has_nothing(SocketKind::Rtp));
}

TEST_P(RelayPackets, GoToEverySubscriber) {
    connect();
    Peer first("127.0.0.4");
    Peer second("127.0.0.5");
    Peer spare("127.0.0.6");
    record(1, first, spare);
    record(2, second, spare);
    speak(a_, b_, faces_a_, 1);
    EXPECT_TRUE(first.receive(SocketKind::Rtp));
    EXPECT_TRUE(second.receive(SocketKind::Rtp));
    rig_.relay().unsubscribe(kCall, 1);
    speak(a_, b_, faces_a_, 2);
    EXPECT_TRUE(second.receive(SocketKind::Rtp));
    EXPECT_TRUE(first.has_nothing(SocketKind::Rtp));
}

TEST_P(RelayPackets, DoNotLeaveWhileASubscriptionIsPausedOrStopped) {
    connect();
    Peer for_a("127.0.0.4");
    Peer for_b("127.0.0.4");
    record(1, for_a, for_b);
    ASSERT_TRUE(rig_.subscribe(1, {.is_paused = true, .only = {}, .media = {}, .address = {}}));
    speak(a_, b_, faces_a_, 1);
    EXPECT_TRUE(for_a.has_nothing(SocketKind::Rtp));
    record(1, for_a, for_b);  // resumed
    speak(a_, b_, faces_a_, 2);
    EXPECT_TRUE(for_a.receive(SocketKind::Rtp));
    rig_.relay().stop_subscription(kCall, 1, Stop::Wanted);
    speak(a_, b_, faces_a_, 3);
    EXPECT_TRUE(for_a.has_nothing(SocketKind::Rtp));
    ASSERT_TRUE(rig_.answer_subscription(1, server_answer(offer_, {&for_a, &for_b}, "inactive")));
    speak(a_, b_, faces_a_, 4);
    EXPECT_TRUE(for_a.has_nothing(SocketKind::Rtp));
}

TEST_P(RelayPackets, ReportsOfTheServerReachWhoSendsTheStream) {
    connect();
    Peer for_a("127.0.0.4");
    Peer for_b("127.0.0.4");
    record(1, for_a, for_b);
    for_a.send(SocketKind::Rtcp, rtcp_packet(203), rtcp_of(offer_, 0));  // BYE: ours to bear
    for_a.send(SocketKind::Rtcp, rtcp_packet(206), rtcp_of(offer_, 0));
    const auto at_a = a_.receive(SocketKind::Rtcp);
    ASSERT_TRUE(at_a);
    EXPECT_EQ(at_a->bytes, rtcp_packet(206));
    EXPECT_EQ(at_a->from, rtcp_of(faces_a_));
    const auto media = rig_.relay().query(kCall);
    ASSERT_TRUE(media);
    EXPECT_EQ(media->forks[0].from_server.packets, 2U);
}

TEST_P(RelayPackets, FollowAChangeOfAddressInTheMiddleOfACall) {
    connect();
    speak(a_, b_, faces_a_, 1);
    speak(a_, b_, faces_a_, 2);
    Peer moved("127.0.0.7");
    const auto again = rig_.offer(Leg::A, moved.sdp());
    ASSERT_TRUE(again);
    EXPECT_EQ(rtp_of(*again), rtp_of(faces_b_));  // our ports stay
    ASSERT_TRUE(rig_.answer(Leg::B, b_.sdp()));
    speak(b_, moved, faces_b_, 1);
    speak(moved, b_, faces_a_, 1);
    a_.send(SocketKind::Rtp, rtp_packet(3), rtp_of(faces_a_));
    speak(moved, b_, faces_a_, 2);  // and not what A said
}

TEST_P(RelayPackets, OfARemovedCallGoNowhereAndItsPortsComeBack) {
    connect();
    speak(a_, b_, faces_a_, 1);
    rig_.relay().remove(kCall);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (rig_.relay().ports().in_use > 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    EXPECT_EQ(rig_.relay().ports().in_use, 0U);
    EXPECT_FALSE(rig_.relay().query(kCall));
}

TEST_P(RelayPackets, OfBeforeTheEndArePassedOnAndRecorded) {
    Peer for_a("127.0.0.4");
    Peer for_b("127.0.0.4");
    connect();
    record(1, for_a, for_b);
    constexpr std::uint16_t kCount = 10;
    for (std::uint16_t i = 1; i <= kCount; ++i)
        a_.send(SocketKind::Rtp, rtp_packet(i), rtp_of(faces_a_));
    rig_.relay().remove(kCall);
    for (std::uint16_t i = 1; i <= kCount; ++i) {
        EXPECT_TRUE(b_.receive(SocketKind::Rtp)) << i;
        EXPECT_TRUE(for_a.receive(SocketKind::Rtp)) << i;
    }
}

// RFC 4733: a key that is released, by the payload type that its receiver has named.
base::Bytes key_packet(std::uint8_t payload_type, std::uint8_t event, std::uint16_t sequence) {
    base::Bytes packet = rtp_packet(sequence);
    packet[1] = payload_type;
    packet[7] = static_cast<std::uint8_t>(sequence);  // the timestamp
    packet.resize(12);
    packet.insert(packet.end(), {event, 0x80 | 10, 1, 0x40});
    return packet;
}

TEST_P(RelayPackets, KeysAreToldAndPassedOn) {
    const std::string a_takes = "a=rtpmap:101 telephone-event/8000\r\n";
    const std::string b_takes = "a=rtpmap:96 telephone-event/8000\r\n";
    const auto to_b = rig_.offer(Leg::A, a_.sdp(a_takes, "0 101"));
    ASSERT_TRUE(to_b);
    const auto to_a = rig_.answer(Leg::B, b_.sdp(b_takes, "0 96"));
    ASSERT_TRUE(to_a);
    a_.send(SocketKind::Rtp, key_packet(96, 10, 1), rtp_of(*to_a));
    const auto at_b = b_.receive(SocketKind::Rtp);
    ASSERT_TRUE(at_b);
    EXPECT_EQ(at_b->bytes, key_packet(96, 10, 1));
    EXPECT_EQ(rig_.take_keys(), "A*");
    a_.send(SocketKind::Rtp, key_packet(101, 1, 2), rtp_of(*to_a));  // of the other direction
    b_.send(SocketKind::Rtp, key_packet(101, 2, 1), rtp_of(*to_b));
    EXPECT_EQ(rig_.take_keys(), "B2");
}

TEST_P(RelayPackets, KeysUnderSrtpOrOfStrangersAreNotRead) {
    const std::string keys = "a=rtpmap:101 telephone-event/8000\r\n";
    ASSERT_TRUE(rig_.offer(Leg::A, a_.sdp(keys, "0 101")));
    const auto to_a = rig_.answer(Leg::B, b_.sdp(keys, "0 101"));
    ASSERT_TRUE(to_a);
    Peer stranger("127.0.0.9");
    stranger.send(SocketKind::Rtp, key_packet(101, 1, 1), rtp_of(*to_a));
    a_.send(SocketKind::Rtp, key_packet(101, 2, 1), rtp_of(*to_a));
    EXPECT_EQ(rig_.take_keys(), "A2");
    ASSERT_TRUE(b_.receive(SocketKind::Rtp));
    const auto as_secure = [](std::string text) {
        return text.replace(text.find("RTP/AVP"), 7, "RTP/SAVP");
    };
    ASSERT_TRUE(rig_.offer(Leg::A, as_secure(a_.sdp(keys, "0 101"))));
    ASSERT_TRUE(rig_.answer(Leg::B, as_secure(b_.sdp(keys, "0 101"))));
    a_.send(SocketKind::Rtp, key_packet(101, 3, 3), rtp_of(*to_a));
    ASSERT_TRUE(b_.receive(SocketKind::Rtp));
    ASSERT_TRUE(rig_.offer(Leg::A, a_.sdp(keys, "0 101")));
    ASSERT_TRUE(rig_.answer(Leg::B, b_.sdp(keys, "0 101")));
    a_.send(SocketKind::Rtp, key_packet(101, 4, 5), rtp_of(*to_a));
    EXPECT_EQ(rig_.take_keys(), "A4");
}

TEST_P(RelayPackets, ManyAtOnceAreNotLost) {
    connect();
    constexpr std::uint16_t kBurst = 100;  // of video; a socket's buffer holds more
    for (std::uint16_t i = 1; i <= kBurst; ++i)
        a_.send(SocketKind::Rtp, rtp_packet(i), rtp_of(faces_a_));
    for (std::uint16_t i = 1; i <= kBurst; ++i) {
        const auto got = b_.receive(SocketKind::Rtp);
        ASSERT_TRUE(got) << i;
        EXPECT_EQ(got->bytes, rtp_packet(i));
    }
}

INSTANTIATE_TEST_SUITE_P(Engines, RelayPackets, testing::Values(Engine::Sockets, Engine::IoUring),
                         [](const auto& of) {
                             return of.param == Engine::Sockets ? "Sockets" : "IoUring";
                         });

}  // namespace
}  // namespace earshot::relay::test
