// RTPProxy as the media plane, against a stand-in that moves real packets.
#include "relay/rtpproxy_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "relay/relay_test_rig.h"
#include "relay/rtpproxy_double.h"

namespace earshot::relay::test {
namespace {

using base::Reason;
using base::Result;
using Fault = RtpproxyDouble::Fault;

// A socket for each instance, as the client has them.
class UdpLink : public ControlLink {
public:
    explicit UdpLink(std::vector<base::NetAddress> instances) : instances_(std::move(instances)) {
        for (std::size_t i = 0; i < instances_.size(); ++i)
            sockets_.push_back(*io::UdpSocket::bind(*base::parse_host("127.0.0.1", 0)));
    }
    void send(std::size_t instance, base::ByteView datagram) override {
        static_cast<void>(sockets_[instance].send(datagram, instances_[instance]));
    }
    // What has come, to the plane; waits a little for it.
    void pump(RtpproxyPlane& plane, base::TimePoint now) {
        std::vector<pollfd> waiting;
        for (const io::UdpSocket& socket : sockets_)
            waiting.push_back({socket.descriptor(), POLLIN, 0});
        ::poll(waiting.data(), waiting.size(), 5);
        io::DatagramBatch batch(32, 2048);
        for (std::size_t i = 0; i < sockets_.size(); ++i) {
            sockets_[i].receive(batch);
            std::vector<base::Bytes> came;
            for (const io::Datagram& datagram : batch.datagrams())
                came.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
            for (const base::Bytes& bytes : came) plane.on_datagram(now, i, bytes);
        }
    }

private:
    std::vector<base::NetAddress> instances_;
    std::vector<io::UdpSocket> sockets_;
};

class RtpproxyPlaneTest : public testing::Test {
protected:
    void start(std::size_t instances = 1) {
        std::vector<base::NetAddress> at;
        while (proxies_.size() < instances) at.push_back(proxies_.emplace_back().control());
        link_ = std::make_unique<UdpLink>(at);
        plane_ = std::make_unique<RtpproxyPlane>(at, *link_, clock_, random_);
        plane_->when_lost([this](CallKey call, const Reason& why) {
            lost_.push_back(std::to_string(call.value) + " " + why.code);
        });
        for (std::size_t i = 0; i < instances; ++i)
            ASSERT_TRUE(
                until([&] { return plane_->client().state(i) == RtpproxyClient::State::Fit; }));
    }
    template <class Condition>
    bool until(Condition condition) {
        const base::TimePoint end = clock_.now().steady + std::chrono::seconds{20};
        while (!condition()) {
            if (clock_.now().steady > end) return false;
            plane_->on_time(clock_.now().steady);
            link_->pump(*plane_, clock_.now().steady);
        }
        return true;
    }
    template <class T>
    T wait(std::optional<T>& result) {
        until([&] { return result.has_value(); });
        return result ? *std::move(result) : T{Reason{"not_called", ""}};
    }
    Result<std::string, Reason> offer(Leg from, const std::string& text, CallKey call = kCall) {
        std::optional<Result<std::string, Reason>> result;
        plane_->offer(call, {.from = from, .text = text, .signalled_by = {}},
                      [&](auto done) { result.emplace(std::move(done)); });
        return wait(result);
    }
    Result<std::string, Reason> answer(Leg from, const std::string& text, CallKey call = kCall) {
        std::optional<Result<std::string, Reason>> result;
        plane_->answer(call, {.from = from, .text = text, .signalled_by = {}},
                       [&](auto done) { result.emplace(std::move(done)); });
        return wait(result);
    }
    Result<Subscription, Reason> subscribe(std::uint32_t id, const SubscribeOptions& options = {}) {
        std::optional<Result<Subscription, Reason>> result;
        plane_->subscribe(kCall, id, options, [&](auto done) { result.emplace(std::move(done)); });
        return wait(result);
    }
    Result<base::Done, Reason> answer_subscription(std::uint32_t id, const std::string& text) {
        std::optional<Result<base::Done, Reason>> result;
        plane_->answer_subscription(kCall, id, text,
                                    [&](auto done) { result.emplace(std::move(done)); });
        return wait(result);
    }
    // A call of two phones; what each of them was told of the other.
    void connect() {
        const auto to_b = offer(Leg::A, a_.sdp());
        ASSERT_TRUE(to_b) << to_b.error().text;
        const auto to_a = answer(Leg::B, b_.sdp());
        ASSERT_TRUE(to_a) << to_a.error().text;
        to_b_ = *to_b;
        to_a_ = *to_a;
    }
    void record() {
        const auto subscription = subscribe(1);
        ASSERT_TRUE(subscription) << subscription.error().text;
        ASSERT_EQ(subscription->streams.size(), 2U);
        const auto started =
            answer_subscription(1, server_answer(subscription->offer, {&server_a_, &server_b_}));
        ASSERT_TRUE(started) << started.error().text;
    }
    void expect_flow(Peer& from, const std::string& told, Peer& to, std::uint16_t sequence) {
        from.send(io::SocketKind::Rtp, rtp_packet(sequence), rtp_of(told));
        const auto heard = to.receive(io::SocketKind::Rtp);
        ASSERT_TRUE(heard);
        EXPECT_EQ(heard->bytes, rtp_packet(sequence));
    }

    io::SystemClock clock_;
    base::SystemRandom random_;
    std::list<RtpproxyDouble> proxies_;
    std::unique_ptr<UdpLink> link_;
    std::unique_ptr<RtpproxyPlane> plane_;
    std::vector<std::string> lost_;
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
    Peer server_a_{"127.0.0.4"};
    Peer server_b_{"127.0.0.4"};
    std::string to_b_;
    std::string to_a_;
};

TEST_F(RtpproxyPlaneTest, PassesPacketsBothWays) {
    start();
    connect();
    expect_flow(a_, to_a_, b_, 1);
    expect_flow(b_, to_b_, a_, 2);
    a_.send(io::SocketKind::Rtcp, rtcp_packet(201), rtcp_of(to_a_));
    EXPECT_TRUE(b_.receive(io::SocketKind::Rtcp));
    EXPECT_EQ(rtp_of(to_a_).ip, proxies_.front().control().ip);
}

TEST_F(RtpproxyPlaneTest, CopiesWhatEachLegSendsToTheServersPorts) {
    start();
    connect();
    record();
    expect_flow(a_, to_a_, b_, 10);
    expect_flow(b_, to_b_, a_, 20);
    EXPECT_EQ(server_a_.receive(io::SocketKind::Rtp)->bytes, rtp_packet(10));
    EXPECT_EQ(server_b_.receive(io::SocketKind::Rtp)->bytes, rtp_packet(20));
    const auto media = plane_->query(kCall);
    ASSERT_EQ(media->forks.size(), 2U);
    EXPECT_TRUE(media->forks[0].is_open);
    EXPECT_EQ(media->forks[0].to, server_a_.rtp());
}

TEST_F(RtpproxyPlaneTest, OffersSendonlyStreamsThatKeepTheirPlaces) {
    start();
    connect();
    const auto first = subscribe(1);
    const auto again = subscribe(1);
    EXPECT_EQ(first->offer, again->offer);
    EXPECT_THAT(first->offer, testing::HasSubstr("a=sendonly"));
    EXPECT_EQ(first->streams[0].from, Leg::A);
    const auto paused = subscribe(1, {.is_paused = true, .only = {}, .media = {}, .address = {}});
    EXPECT_THAT(paused->offer, testing::Not(testing::HasSubstr("a=sendonly")));
}

TEST_F(RtpproxyPlaneTest, StopsCopyingWhenItIsToldTo) {
    start();
    connect();
    record();
    plane_->stop_subscription(kCall, 1, Stop::Wanted);
    ASSERT_TRUE(until([&] { return proxies_.front().count('N') >= 2; }));
    expect_flow(a_, to_a_, b_, 30);
    EXPECT_TRUE(server_a_.has_nothing(io::SocketKind::Rtp));
    record();
    expect_flow(a_, to_a_, b_, 31);
    EXPECT_EQ(server_a_.receive(io::SocketKind::Rtp)->bytes, rtp_packet(31));
}

TEST_F(RtpproxyPlaneTest, MovesTheCopiesToAnotherServer) {
    start();
    connect();
    record();
    Peer other{"127.0.0.5"};
    const auto subscription = subscribe(1);
    ASSERT_TRUE(answer_subscription(1, server_answer(subscription->offer, {&other, &server_b_})));
    expect_flow(a_, to_a_, b_, 40);
    EXPECT_EQ(other.receive(io::SocketKind::Rtp)->bytes, rtp_packet(40));
    EXPECT_TRUE(server_a_.has_nothing(io::SocketKind::Rtp));
}

TEST_F(RtpproxyPlaneTest, HasOneSubscriptionOfACall) {
    start();
    connect();
    record();
    EXPECT_EQ(subscribe(2).error().code, "too_many_subscriptions");
    plane_->unsubscribe(kCall, 1);
    EXPECT_TRUE(subscribe(2));
}

TEST_F(RtpproxyPlaneTest, KeepsPortsWhereAnOfferIsRepeated) {
    start();
    connect();
    const auto again = offer(Leg::A, a_.sdp());
    EXPECT_EQ(*again, to_b_);
    EXPECT_EQ(*answer(Leg::B, b_.sdp()), to_a_);
    const auto from_b = offer(Leg::B, b_.sdp());
    EXPECT_EQ(rtp_of(*from_b), rtp_of(to_a_));
    EXPECT_EQ(rtp_of(*answer(Leg::A, a_.sdp())), rtp_of(to_b_));
}

TEST_F(RtpproxyPlaneTest, AddsAndEndsLines) {
    start();
    connect();
    const std::string video = "m=video 41000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    EXPECT_NE(rtp_of(*offer(Leg::A, a_.sdp() + video), 1).port, 0);
    EXPECT_TRUE(answer(Leg::B, b_.sdp() + video));
    EXPECT_TRUE(until([&] { return proxies_.front().streams() == 2; }));
    EXPECT_EQ(subscribe(1)->streams.size(), 4U);
    const std::string ended = "m=video 0 RTP/AVP 96\r\n";
    EXPECT_TRUE(offer(Leg::A, a_.sdp() + ended));
    EXPECT_TRUE(answer(Leg::B, b_.sdp() + ended));
    EXPECT_EQ(subscribe(1)->streams.size(), 2U);
    EXPECT_TRUE(offer(Leg::A, a_.sdp() + ended));  // until then another fork might have taken it
    EXPECT_TRUE(until([&] { return proxies_.front().streams() == 1; }));
}

TEST_F(RtpproxyPlaneTest, GoesBackToWhatWasBeforeARefusedOffer) {
    start();
    connect();
    Peer elsewhere{"127.0.0.6"};
    ASSERT_TRUE(offer(Leg::A, elsewhere.sdp()));
    plane_->rollback(kCall, Leg::A);
    ASSERT_TRUE(until([&] { return proxies_.front().count('U') >= 3; }));
    // The stand-in has done it once it answers what comes after it.
    ASSERT_TRUE(subscribe(1));
    b_.send(io::SocketKind::Rtp, rtp_packet(50), rtp_of(to_b_));
    EXPECT_TRUE(a_.receive(io::SocketKind::Rtp));
    EXPECT_TRUE(elsewhere.has_nothing(io::SocketKind::Rtp));
}

TEST_F(RtpproxyPlaneTest, DeletesACallThatHasEnded) {
    start();
    connect();
    plane_->remove(kCall);
    EXPECT_FALSE(plane_->query(kCall));
    EXPECT_TRUE(until([&] { return proxies_.front().streams() == 0; }));
}

TEST_F(RtpproxyPlaneTest, DeletesACallThatEndsWhileItIsMade) {
    start();
    bool was_called = false;
    plane_->offer(kCall, {.from = Leg::A, .text = a_.sdp(), .signalled_by = {}},
                  [&](const auto&) { was_called = true; });
    plane_->remove(kCall);
    EXPECT_TRUE(until([&] { return proxies_.front().count('D') >= 1; }));
    EXPECT_TRUE(until([&] { return proxies_.front().streams() == 0; }));
    EXPECT_FALSE(was_called);
}

TEST_F(RtpproxyPlaneTest, CountsWhatEachLegSends) {
    start();
    connect();
    expect_flow(a_, to_a_, b_, 1);
    expect_flow(a_, to_a_, b_, 2);
    expect_flow(b_, to_b_, a_, 3);
    EXPECT_TRUE(until([&] {
        const auto media = plane_->query(kCall);
        const auto& legs = media->lines.at(0).legs;
        return legs[0].rtp.packets == 2 && legs[1].rtp.packets == 1 && legs[0].rtp.last;
    }));
}

// ---- what goes wrong ----------------------------------------------------------------------------

TEST_F(RtpproxyPlaneTest, BeginsACallAtAnotherInstanceWhereOneIsSilent) {
    start(2);
    proxies_.front().set_fault(Fault::Silent);
    connect();
    expect_flow(a_, to_a_, b_, 1);
    EXPECT_EQ(proxies_.back().streams(), 1U);
    ASSERT_TRUE(offer(Leg::A, a_.sdp(), CallKey{43}));
    ASSERT_TRUE(offer(Leg::A, a_.sdp(), CallKey{44}));
    EXPECT_TRUE(until([&] { return proxies_.back().streams() == 3; }));
}

TEST_F(RtpproxyPlaneTest, RefusesACallThatNobodyTakes) {
    start();
    for (const auto& [fault, code] : {std::pair{Fault::Full, "media_server_overloaded"},
                                      std::pair{Fault::Nonsense, "media_server_nonsense"},
                                      std::pair{Fault::Silent, "media_server_silent"}}) {
        proxies_.front().set_fault(fault);
        EXPECT_EQ(offer(Leg::A, a_.sdp()).error().code, code);
        EXPECT_FALSE(plane_->has(kCall));
    }
    EXPECT_EQ(offer(Leg::A, a_.sdp()).error().code, "media_server_silent");  // at once: it is known
    proxies_.front().set_fault(Fault::None);
    EXPECT_TRUE(until([&] { return plane_->client().state(0) == RtpproxyClient::State::Fit; }));
    connect();
    expect_flow(a_, to_a_, b_, 1);
}

TEST_F(RtpproxyPlaneTest, IsNotFitWhereCopiesCannotBeStopped) {
    start();
    proxies_.front().set_fault(Fault::NoStopping);
    EXPECT_TRUE(until([&] { return plane_->client().state(0) == RtpproxyClient::State::Unfit; }));
    EXPECT_FALSE(offer(Leg::A, a_.sdp()));
}

TEST_F(RtpproxyPlaneTest, TellsThatACallIsLostWhenItsProxyWasRestarted) {
    start();
    connect();
    proxies_.front().forget();
    EXPECT_TRUE(until([&] { return !lost_.empty(); }));
    EXPECT_THAT(lost_, testing::ElementsAre("42 media_server_unknown_call"));
}

TEST_F(RtpproxyPlaneTest, RefusesAnAnswerThatARestartHasOvertaken) {
    start();
    ASSERT_TRUE(offer(Leg::A, a_.sdp()));
    proxies_.front().forget();
    ASSERT_TRUE(until([&] { return proxies_.front().streams() == 0; }));
    EXPECT_EQ(answer(Leg::B, b_.sdp()).error().code, "media_server_unknown_call");
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(RtpproxyPlaneTest, MendsAForgottenCallOnHoldWhenItGoesOn) {
    start();
    connect();
    record();
    EXPECT_TRUE(offer(Leg::A, a_.sdp("a=inactive\r\n")));
    EXPECT_TRUE(answer(Leg::B, b_.sdp("a=inactive\r\n")));
    proxies_.front().forget();
    ASSERT_TRUE(until([&] { return proxies_.front().streams() == 0; }));
    to_b_ = *offer(Leg::A, a_.sdp());
    to_a_ = *answer(Leg::B, b_.sdp());
    const auto subscription = subscribe(1);
    ASSERT_TRUE(
        answer_subscription(1, server_answer(subscription->offer, {&server_a_, &server_b_})));
    expect_flow(a_, to_a_, b_, 60);
    EXPECT_EQ(server_a_.receive(io::SocketKind::Rtp)->bytes, rtp_packet(60));
    EXPECT_TRUE(lost_.empty());
}

TEST_F(RtpproxyPlaneTest, TellsThatACopyCouldNotBeStarted) {
    start();
    connect();
    const auto subscription = subscribe(1);
    proxies_.front().set_fault(Fault::Nonsense);
    EXPECT_EQ(answer_subscription(1, server_answer(subscription->offer, {&server_a_, &server_b_}))
                  .error()
                  .code,
              "media_server_nonsense");
    EXPECT_FALSE(plane_->query(kCall)->forks[0].is_open);
}

TEST_F(RtpproxyPlaneTest, LetsAsMuchOfACallWaitAsTheLimitAndNoMore) {
    start();
    connect();
    std::vector<std::string> codes;
    const std::string text = a_.sdp();
    for (std::size_t i = 0; i < kMaxCallJobs + 2; ++i)  // the first one is under way
        plane_->offer(kCall, {.from = Leg::A, .text = text, .signalled_by = {}},
                      [&](const auto& done) { codes.push_back(done ? "" : done.error().code); });
    EXPECT_THAT(codes, testing::ElementsAre("media_server_overloaded"));
    EXPECT_TRUE(until([&] { return codes.size() == kMaxCallJobs + 2; }));
    EXPECT_EQ(std::count(codes.begin(), codes.end(), ""),
              static_cast<std::ptrdiff_t>(kMaxCallJobs + 1));
}

TEST_F(RtpproxyPlaneTest, RefusesWhatItCannotRead) {
    start();
    EXPECT_EQ(offer(Leg::A, "nonsense").error().code, "sdp_malformed");
    EXPECT_EQ(answer(Leg::B, b_.sdp()).error().code, "unknown_call");
    connect();
    EXPECT_EQ(answer(Leg::A, a_.sdp()).error().code, "no_offer");
    EXPECT_EQ(
        subscribe(1, {.is_paused = false, .only = {}, .media = {}, .address = "x"}).error().code,
        "bad_address");
    EXPECT_EQ(answer_subscription(9, b_.sdp()).error().code, "unknown_subscription");
}

}  // namespace
}  // namespace earshot::relay::test
