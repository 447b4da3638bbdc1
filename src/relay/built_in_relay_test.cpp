// Negotiation, ports and subscriptions as signalling sees them.
#include "relay/built_in_relay.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "relay/limits.h"
#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

constexpr const char* kVideo =
    "m=video 41000 RTP/AVPF 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=rtcp-fb:96 nack pli\r\na=content:slides\r\n";

std::string with_version(const std::string& text) {
    const auto parsed = sdp::parse(text);
    return parsed && parsed->origin ? std::string(parsed->origin->session_version) : "";
}

class BuiltInRelayTest : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(rig_.is_open()); }
    std::string offer(Leg from, const std::string& text) {
        const auto result = rig_.offer(from, text);
        EXPECT_TRUE(result) << result.error().text;
        return result ? *result : "";
    }
    std::string answer(Leg from, const std::string& text) {
        const auto result = rig_.answer(from, text);
        EXPECT_TRUE(result) << result.error().text;
        return result ? *result : "";
    }
    Subscription subscribe(std::uint32_t id, const SubscribeOptions& options = {}) {
        const auto result = rig_.subscribe(id, options);
        EXPECT_TRUE(result) << result.error().text;
        return result ? *result : Subscription{};
    }
    sdp::SessionDescription parsed(const std::string& text) {
        const auto result = sdp::parse(text);
        EXPECT_TRUE(result);
        return result ? *result : sdp::SessionDescription{};
    }
    std::size_t lines() { return rig_.relay().query(kCall)->lines.size(); }

    RelayRig rig_;
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
};

TEST_F(BuiltInRelayTest, KeepsPortsAndVersionWhereAnOfferIsRepeated) {
    const std::string first = offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    EXPECT_EQ(offer(Leg::A, a_.sdp()), first);  // a session refresh
    answer(Leg::B, b_.sdp());
    const std::string held = offer(Leg::A, a_.sdp("a=sendonly\r\n"));
    EXPECT_EQ(rtp_of(held), rtp_of(first));
    EXPECT_EQ(with_version(first), "1");
    EXPECT_EQ(with_version(held), "2");
}

TEST_F(BuiltInRelayTest, TheOriginTowardsALegOutlivesForksOfTheOther) {
    offer(Leg::A, a_.sdp());
    const std::string early = answer(Leg::B, b_.sdp());
    Peer fork("127.0.0.8");
    const std::string last = answer(Leg::B, fork.sdp());
    EXPECT_EQ(rtp_of(early), rtp_of(last));
    EXPECT_EQ(parsed(early).origin->session_id, parsed(last).origin->session_id);
    const auto media = rig_.relay().query(kCall);
    ASSERT_TRUE(media);
    EXPECT_EQ(media->lines[0].legs[1].announced, fork.rtp());  // the last one holds
}

TEST_F(BuiltInRelayTest, ALateOfferComesFromTheOtherLeg) {
    const std::string to_a = offer(Leg::B, b_.sdp());
    const std::string to_b = answer(Leg::A, a_.sdp());
    EXPECT_NE(rtp_of(to_a), rtp_of(to_b));
    EXPECT_EQ(lines(), 1U);
}

TEST_F(BuiltInRelayTest, RefusesAnAnswerToNothing) {
    EXPECT_EQ(rig_.answer(Leg::B, b_.sdp()).error().code, "unknown_call");
    offer(Leg::A, a_.sdp());
    EXPECT_EQ(rig_.answer(Leg::A, a_.sdp()).error().code, "no_offer");
    EXPECT_EQ(rig_.offer(Leg::A, "no sdp").error().code, "sdp_malformed");
}

TEST_F(BuiltInRelayTest, ARefusedChangeLeavesAllAsItWas) {
    const std::string first = offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    const std::size_t in_use = rig_.relay().ports().in_use;
    Peer moved("127.0.0.7");
    offer(Leg::A, moved.sdp() + kVideo);
    rig_.relay().rollback(kCall, Leg::B);  // was not B's
    EXPECT_EQ(rig_.relay().query(kCall)->lines[0].legs[0].announced, a_.rtp());
    rig_.relay().rollback(kCall, Leg::A);
    const auto media = rig_.relay().query(kCall);
    ASSERT_EQ(media->lines.size(), 1U);
    EXPECT_EQ(media->lines[0].legs[0].announced, a_.rtp());
    EXPECT_EQ(media->lines[0].legs[1].announced, b_.rtp());
    EXPECT_EQ(rtp_of(offer(Leg::A, a_.sdp())), rtp_of(first));
    EXPECT_GE(rig_.relay().ports().in_use, in_use);
}

TEST_F(BuiltInRelayTest, ARefusedChangeThatWasAnsweredInBetweenIsTakenBackToo) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    Peer moved("127.0.0.7");
    offer(Leg::A, moved.sdp());
    answer(Leg::B, b_.sdp());  // in a 183
    EXPECT_EQ(rig_.relay().query(kCall)->lines[0].legs[0].announced, moved.rtp());
    rig_.relay().rollback(kCall, Leg::A);
    EXPECT_EQ(rig_.relay().query(kCall)->lines[0].legs[0].announced, a_.rtp());
}

TEST_F(BuiltInRelayTest, LinesComeAndGo) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    const std::string with_video = offer(Leg::A, a_.sdp() + kVideo);
    EXPECT_EQ(parsed(with_video).media[1].port, rtp_of(with_video, 1).port);
    answer(Leg::B, b_.sdp() + kVideo);
    EXPECT_EQ(lines(), 2U);
    const std::string without = a_.sdp() + "m=video 0 RTP/AVPF 96\r\n";
    EXPECT_EQ(parsed(offer(Leg::A, without)).media[1].port, 0);
    answer(Leg::B, b_.sdp() + "m=video 0 RTP/AVPF 96\r\n");
    EXPECT_EQ(lines(), 1U);
    const std::string again = offer(Leg::B, b_.sdp() + kVideo);
    EXPECT_NE(parsed(again).media[1].port, 0);
    answer(Leg::A, a_.sdp() + kVideo);
    EXPECT_EQ(lines(), 2U);
}

TEST_F(BuiltInRelayTest, AnotherForkMayTakeALineThatTheFirstRefused) {
    const std::string to_b = offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + "m=video 0 RTP/AVPF 96\r\n");
    EXPECT_EQ(lines(), 1U);
    const std::string to_a = answer(Leg::B, b_.sdp() + kVideo);
    EXPECT_EQ(lines(), 2U);
    EXPECT_NE(parsed(to_a).media[1].port, 0);
}

TEST_F(BuiltInRelayTest, AnAnswerCannotAddLines) {
    offer(Leg::A, a_.sdp());
    EXPECT_EQ(parsed(answer(Leg::B, b_.sdp() + kVideo)).media[1].port, 0);
}

TEST_F(BuiltInRelayTest, OtherMediaPassesUntouched) {
    const std::string chat =
        "m=message 2855 TCP/MSRP *\r\nc=IN IP4 127.0.0.2\r\na=path:msrp://127.0.0.2:2855/x;tcp\r\n";
    EXPECT_TRUE(offer(Leg::A, a_.sdp() + chat).ends_with(chat));
    answer(Leg::B, b_.sdp() + chat);
    EXPECT_EQ(lines(), 1U);
}

TEST_F(BuiltInRelayTest, SaysWhenThereAreNoPorts) {
    RelayRig small(Engine::Sockets, 20003);
    ASSERT_TRUE(small.offer(Leg::A, a_.sdp()));
    const auto second = small.offer(Leg::A, a_.sdp(), CallKey{43});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "no_media_ports");
    EXPECT_FALSE(small.relay().query(CallKey{43}));
    const auto more = small.offer(Leg::A, a_.sdp() + kVideo);
    EXPECT_FALSE(more);
    EXPECT_TRUE(small.answer(Leg::B, b_.sdp()));  // the first offer still stands
}

// --- subscriptions -------------------------------------------------------------------------------

TEST_F(BuiltInRelayTest, ASubscriptionOffersWhatEachLegSends) {
    offer(Leg::A, a_.sdp("a=rtpmap:97 opus/48000/2\r\na=fmtp:97 useinbandfec=1\r\n", "97 0 8"));
    answer(Leg::B, b_.sdp("a=rtpmap:97 opus/48000/2\r\na=fmtp:97 stereo=1\r\n", "97 0"));
    const Subscription made = subscribe(1);
    const auto told = parsed(made.offer);
    ASSERT_EQ(told.media.size(), 2U);
    ASSERT_EQ(made.streams.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(told.media[i].formats, "97 0") << i;
        EXPECT_EQ(told.media[i].direction, sdp::Direction::SendOnly);
        EXPECT_EQ(told.media[i].label, made.streams[i].label);
        EXPECT_EQ(made.streams[i].from, i == 0 ? Leg::A : Leg::B);
        EXPECT_TRUE(made.streams[i].is_active);
    }
    EXPECT_EQ(told.media[0].find_payload_type(97)->fmtp, "stereo=1");  // as B takes it
    EXPECT_EQ(told.media[1].find_payload_type(97)->fmtp, "useinbandfec=1");
    EXPECT_EQ(with_version(made.offer), "1");
    EXPECT_EQ(subscribe(1).offer, made.offer);  // nothing changed
}

// Cameras, a shared screen with its sound, and real-time text: a stream each, with its content, and
// the channel that says who may present (RFC 8855) as the phones made it.
TEST_F(BuiltInRelayTest, ASubscriptionHasVideoContentAndText) {
    const auto lines_of = [](const Peer& peer, std::string_view direction) {
        const std::string port = std::to_string(peer.rtp().port);
        return "m=video " + port +
               " RTP/AVPF 99\r\na=rtpmap:99 VP8/90000\r\na=content:main\r\n"
               "a=rtcp-fb:99 nack pli\r\n"
               "m=video " +
               port + " RTP/AVPF 99\r\ni=Plan B\r\na=rtpmap:99 VP8/90000\r\na=content:slides\r\n" +
               std::string(direction) + "m=text " + port +
               " RTP/AVP 100 98\r\na=rtpmap:98 t140/1000\r\na=rtpmap:100 red/1000\r\n"
               "a=fmtp:100 98/98/98\r\n";
    };
    const std::string floor =
        "m=application 50000 UDP/BFCP *\r\nc=IN IP4 127.0.0.9\r\na=floorctrl:c-s\r\n"
        "a=floorid:1 mstrm:3\r\n";
    const std::string seen = offer(Leg::A, a_.sdp() + lines_of(a_, "a=sendonly\r\n") + floor);
    EXPECT_TRUE(seen.ends_with(floor));
    EXPECT_NE(seen.find("a=content:slides\r\n"), std::string::npos);
    EXPECT_EQ(rtp_of(seen, 1).ip, rtp_of(seen, 0).ip);  // they come to us
    answer(Leg::B, b_.sdp() + lines_of(b_, "a=recvonly\r\n") + floor);
    const Subscription made = subscribe(1);
    const auto told = parsed(made.offer);
    ASSERT_EQ(made.streams.size(), 8U);
    std::vector<std::string> kinds;
    for (std::size_t i = 0; i < told.media.size(); ++i) {
        EXPECT_EQ(told.media[i].label, made.streams[i].label);
        EXPECT_EQ(told.media[i].content, made.streams[i].content);
        kinds.push_back(made.streams[i].media + " " + made.streams[i].content +
                        (made.streams[i].from == Leg::A ? " A" : " B") +
                        (made.streams[i].is_active ? "" : " held"));
    }
    EXPECT_EQ(kinds, (std::vector<std::string>{"audio  A", "audio  B", "video main A",
                                               "video main B", "video slides A",
                                               "video slides B held", "text  A", "text  B"}));
    EXPECT_EQ(made.streams[4].title, "Plan B");
    EXPECT_NE(told.find_attribute(told.media[2], "rtcp-fb"), nullptr);
    EXPECT_EQ(told.media[6].find_payload_type(100)->fmtp, "98/98/98");
}

// The server awaits media before there is any: not one packet is lost to a round trip.
TEST_F(BuiltInRelayTest, BeforeTheAnswerASubscriptionOffersWhatMayCome) {
    offer(Leg::A, a_.sdp());
    const Subscription early = subscribe(1);
    for (const sdp::MediaDescription& medium : parsed(early.offer).media)
        EXPECT_EQ(medium.direction, sdp::Direction::SendOnly);
    answer(Leg::B, b_.sdp());
    const Subscription answered = subscribe(1);
    EXPECT_EQ(answered.offer, early.offer);
}

TEST_F(BuiltInRelayTest, BeforeTheAnswerWhoOffersNotToListenIsSentNothing) {
    offer(Leg::A, a_.sdp("a=sendonly\r\n"));
    const Subscription early = subscribe(1);
    EXPECT_EQ(parsed(early.offer).media[0].direction, sdp::Direction::SendOnly);
    EXPECT_EQ(parsed(early.offer).media[1].direction, sdp::Direction::Inactive);
}

TEST_F(BuiltInRelayTest, WhoIsHeldSendsNothing) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    offer(Leg::A, a_.sdp("a=sendonly\r\n"));
    answer(Leg::B, b_.sdp("a=recvonly\r\n"));
    const Subscription held = subscribe(1);
    EXPECT_TRUE(held.streams[0].is_active);  // music on hold
    EXPECT_FALSE(held.streams[1].is_active);
    std::string old_hold = a_.sdp();
    old_hold.replace(old_hold.find("c=IN IP4 127.0.0.2"), 18, "c=IN IP4 0.0.0.0");
    EXPECT_NE(offer(Leg::A, old_hold).find("c=IN IP4 0.0.0.0"), std::string::npos);
    answer(Leg::B, b_.sdp());
    EXPECT_FALSE(subscribe(1).streams[1].is_active);
}

TEST_F(BuiltInRelayTest, PlacesOfASubscriptionAreStableAndUsedAgainOnlyOnceTheirEndWasTold) {
    offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + kVideo);
    const Subscription all = subscribe(1);
    ASSERT_EQ(all.streams.size(), 4U);
    EXPECT_EQ(parsed(all.offer).media[2].content, "slides");
    EXPECT_NE(parsed(all.offer).find_attribute(parsed(all.offer).media[2], "rtcp-fb"), nullptr);

    const std::string no_video = "m=video 0 RTP/AVPF 96\r\n";
    offer(Leg::A, a_.sdp() + no_video);
    answer(Leg::B, b_.sdp() + no_video);
    const Subscription less = subscribe(1);
    EXPECT_EQ(less.streams.size(), 2U);
    ASSERT_EQ(parsed(less.offer).media.size(), 4U);
    EXPECT_EQ(parsed(less.offer).media[2].port, 0);

    offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + kVideo);
    const Subscription again = subscribe(1);
    ASSERT_EQ(parsed(again.offer).media.size(), 4U);
    std::set<std::string> labels;
    for (const SubscribedStream& stream : all.streams) labels.insert(stream.label);
    for (const SubscribedStream& stream : again.streams) labels.insert(stream.label);
    EXPECT_EQ(labels.size(), 6U);  // a new stream has a new label
}

TEST_F(BuiltInRelayTest, AStreamThatTakesThePlaceOfAnotherInOneStepGetsANewLine) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    subscribe(1, {.is_paused = false, .only = Leg::A, .media = {}, .address = {}});
    const Subscription changed =
        subscribe(1, {.is_paused = false, .only = Leg::B, .media = {}, .address = {}});
    ASSERT_EQ(parsed(changed.offer).media.size(), 2U);
    EXPECT_EQ(parsed(changed.offer).media[0].port, 0);
    EXPECT_EQ(changed.streams.front().place, 1U);
}

TEST_F(BuiltInRelayTest, ASubscriptionTakesWhatIsAskedFor) {
    offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + kVideo);
    const Subscription some = subscribe(
        1, {.is_paused = true, .only = Leg::B, .media = {"VIDEO"}, .address = "203.0.113.5"});
    ASSERT_EQ(some.streams.size(), 1U);
    EXPECT_EQ(some.streams[0].line, 1U);
    EXPECT_EQ(rtp_of(some.offer).ip, base::parse_host("203.0.113.5", 0)->ip);
    EXPECT_EQ(parsed(some.offer).media[0].direction, sdp::Direction::Inactive);  // paused
    EXPECT_EQ(rig_.subscribe(2, {.is_paused = false, .only = {}, .media = {}, .address = "x"})
                  .error()
                  .code,
              "bad_address");
    EXPECT_EQ(rig_.subscribe(2, {.is_paused = false, .only = {}, .media = {"text"}, .address = {}})
                  .error()
                  .code,
              "no_media");
}

TEST_F(BuiltInRelayTest, ASubscriptionPassesTheKeysOfWhatIsSent) {
    const std::string secure =
        "v=0\r\nc=IN IP4 127.0.0.2\r\nm=audio 41000 RTP/SAVP 0\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:offered1\r\n"
        "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:offered2\r\n";
    EXPECT_NE(offer(Leg::A, secure).find("inline:offered1"), std::string::npos);
    answer(Leg::B,
           "v=0\r\nc=IN IP4 127.0.0.3\r\nm=audio 41000 RTP/SAVP 0\r\n"
           "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:answered\r\n");
    const Subscription made = subscribe(1);
    const auto told = parsed(made.offer);
    EXPECT_EQ(told.media[0].proto, "RTP/SAVP");
    EXPECT_EQ(told.find_attribute(told.media[0], "crypto")->value,
              "2 AES_CM_128_HMAC_SHA1_80 inline:offered2");
    EXPECT_EQ(told.find_attribute(told.media[1], "crypto")->value,
              "2 AES_CM_128_HMAC_SHA1_80 inline:answered");
}

TEST_F(BuiltInRelayTest, AbsurdAnswersOfAServerChangeNothing) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    Peer server("127.0.0.4");
    EXPECT_EQ(rig_.answer_subscription(1, a_.sdp()).error().code, "unknown_subscription");
    const Subscription made = subscribe(1);
    const std::string good = server_answer(made.offer, {&server, &server});
    ASSERT_TRUE(rig_.answer_subscription(1, good));
    EXPECT_TRUE(rig_.relay().query(kCall)->forks[0].is_open);
    EXPECT_EQ(rig_.answer_subscription(1, "").error().code, "sdp_malformed");
    EXPECT_EQ(rig_.answer_subscription(1, a_.sdp()).error().code, "bad_answer");  // a line too few
    EXPECT_EQ(rig_.relay().query(kCall)->forks[0].to, server.rtp());
}

TEST_F(BuiltInRelayTest, AnAnswerToAnOlderOfferCountsForItsOwnLines) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    const Subscription first = subscribe(1);
    offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + kVideo);
    ASSERT_EQ(subscribe(1).streams.size(), 4U);  // while the first one is under way
    Peer server("127.0.0.4");
    ASSERT_TRUE(rig_.answer_subscription(1, server_answer(first.offer, {&server, &server})));
    const auto media = rig_.relay().query(kCall);
    ASSERT_EQ(media->forks.size(), 4U);
    EXPECT_TRUE(media->forks[0].is_open);
    EXPECT_FALSE(media->forks[2].is_open);
}

TEST_F(BuiltInRelayTest, ACallHasSoManySubscriptionsAndNoMore) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    for (std::uint32_t id = 0; id < kMaxSubscriptions; ++id) subscribe(id);
    EXPECT_EQ(rig_.subscribe(99).error().code, "too_many_subscriptions");
    rig_.relay().unsubscribe(kCall, 3);
    EXPECT_TRUE(rig_.subscribe(99));
    EXPECT_EQ(rig_.relay().query(kCall)->forks.size(), 2 * kMaxSubscriptions);
}

TEST_F(BuiltInRelayTest, AnAnswerToAnOfferOfLongAgoIsRefused) {
    offer(Leg::A, a_.sdp());
    answer(Leg::B, b_.sdp());
    const Subscription first = subscribe(1);
    Peer server("127.0.0.4");
    const std::string late = server_answer(first.offer, {&server, &server});
    offer(Leg::A, a_.sdp() + kVideo);
    answer(Leg::B, b_.sdp() + kVideo);
    for (std::size_t i = 0; i + 1 < kMaxUnansweredOffers; ++i)
        subscribe(1, {.is_paused = i % 2 == 1, .only = {}, .media = {}, .address = {}});
    EXPECT_TRUE(rig_.answer_subscription(1, late));
    for (std::size_t i = 0; i < kMaxUnansweredOffers; ++i)
        subscribe(1, {.is_paused = i % 2 == 0, .only = {}, .media = {}, .address = {}});
    EXPECT_EQ(rig_.answer_subscription(1, late).error().code, "bad_answer");
}

TEST_F(BuiltInRelayTest, SoManyCallsAreRelayedAndNoMore) {
    const std::string chat = "v=0\r\nm=message 2855 TCP/MSRP *\r\n";
    for (std::size_t i = 0; i < kMaxCalls; ++i) ASSERT_TRUE(rig_.offer(Leg::A, chat, CallKey{i}));
    EXPECT_EQ(rig_.offer(Leg::A, chat, CallKey{kMaxCalls}).error().code, "too_many_calls");
    rig_.relay().remove(CallKey{7});
    EXPECT_TRUE(rig_.offer(Leg::A, chat, CallKey{kMaxCalls}));
}

TEST_F(BuiltInRelayTest, WithoutMediaThereIsNothingToSubscribeTo) {
    EXPECT_EQ(rig_.subscribe(1).error().code, "unknown_call");
    offer(Leg::A, "v=0\r\nm=message 2855 TCP/MSRP *\r\n");
    EXPECT_EQ(rig_.subscribe(1).error().code, "no_media");
}

TEST(IsForSender, TakesReportsAndRequestsForKeyFramesAlone) {
    const auto of = [](std::initializer_list<std::uint8_t> types) {
        base::Bytes compound;
        for (const std::uint8_t type : types) {
            const base::Bytes one = rtcp_packet(type);
            compound.insert(compound.end(), one.begin(), one.end());
        }
        return compound;
    };
    EXPECT_TRUE(is_for_sender(of({201})));
    EXPECT_TRUE(is_for_sender(of({201, 202, 206})));
    EXPECT_TRUE(is_for_sender(of({205})));
    EXPECT_FALSE(is_for_sender(of({202})));
    EXPECT_FALSE(is_for_sender(of({201, 203})));
    EXPECT_FALSE(is_for_sender(of({200})));
    const base::Bytes whole = of({201, 206});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        if (size == rtcp_packet(201).size()) continue;
        EXPECT_FALSE(is_for_sender(base::ByteView(whole).first(size))) << size;
    }
}

}  // namespace
}  // namespace earshot::relay::test
