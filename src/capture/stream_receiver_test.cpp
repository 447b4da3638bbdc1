#include "capture/stream_receiver.h"

#include <gtest/gtest.h>

#include "capture/events.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

using base::Bytes;
constexpr std::int64_t kMs = 1'000'000;

// Feeds a receiver and keeps what it would store, in order.
class StreamReceiverTest : public testing::Test {
protected:
    StreamReceiverTest() {
        setup.key.stream = 3;
        setup.signalling_peer = *base::parse_net_address("192.0.2.9:5060");
        setup.format.payload_types = {{0, "PCMU", 8000}, {101, "telephone-event", 8000}};
        setup.format.remote_rtp = peer;
        setup.format.remote_rtcp = *base::parse_net_address("192.0.2.1:4001");
        make();
    }
    void make() { receiver.emplace(setup, 0xabcdef01); }

    static Bytes packet(std::uint32_t ssrc, int sequence, std::uint8_t type = 0,
                        const Bytes& payload = Bytes(160)) {
        Bytes out;
        rtp::write_rtp({.payload_type = type,
                        .sequence = static_cast<std::uint16_t>(sequence),
                        .timestamp = static_cast<std::uint32_t>(sequence) * 160,
                        .ssrc = ssrc},
                       payload, out);
        return out;
    }
    Verdict feed(const Bytes& bytes, SocketKind socket = SocketKind::Rtp) {
        return feed_from(peer, bytes, socket);
    }
    Verdict feed_at(std::int64_t arrival_ns, const Bytes& bytes) {
        return receiver->on_datagram(SocketKind::Rtp, bytes, peer, arrival_ns);
    }
    Verdict feed_from(const base::NetAddress& from, const Bytes& bytes,
                      SocketKind socket = SocketKind::Rtp) {
        const Verdict verdict = receiver->on_datagram(socket, bytes, from, now_ns);
        collect();
        if (verdict == Verdict::StoreRtp || verdict == Verdict::StoreRtcp) stored.push_back(bytes);
        return verdict;
    }
    base::Now clocks() const {
        return {base::TimePoint{std::chrono::nanoseconds{now_ns - stepped_ns}},
                base::wall_from_ns(now_ns)};
    }
    void step(std::int64_t by_ns) {  // the wall clock
        now_ns += by_ns;
        stepped_ns += by_ns;
    }
    void collect() {
        while (auto held = receiver->poll_released()) stored.push_back(held->bytes);
        while (auto event = receiver->poll_event()) events.push_back(*event);
    }
    // One packet each 20 ms.
    void talk(std::uint32_t ssrc, int first, int count) {
        for (int i = 0; i < count; ++i, now_ns += 20 * kMs) feed(packet(ssrc, first + i));
    }
    template <class T>
    std::vector<T> events_of() const {
        std::vector<T> found;
        for (const ReceiverEvent& event : events) {
            if (const T* e = std::get_if<T>(&event)) found.push_back(*e);
        }
        return found;
    }
    std::uint64_t rejected(Rejection cause) const {
        return receiver->counters().rejected[static_cast<std::size_t>(cause)];
    }

    const base::NetAddress peer = *base::parse_net_address("192.0.2.1:4000");
    const base::NetAddress stranger = *base::parse_net_address("203.0.113.5:4000");
    StreamSetup setup;
    std::optional<StreamReceiver> receiver;
    std::int64_t now_ns = 1'770'000'000'000 * kMs;
    std::int64_t stepped_ns = 0;
    std::vector<Bytes> stored;
    std::vector<ReceiverEvent> events;
};

TEST_F(StreamReceiverTest, StoresEveryPacketOfACallInOrderAndCountsIt) {
    talk(1, 65530, 100);
    ASSERT_EQ(stored.size(), 100U);
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(stored[static_cast<std::size_t>(i)], packet(1, 65530 + i));
    const StreamCounters counters = receiver->counters();
    EXPECT_EQ(counters.packets, 100U);
    EXPECT_EQ(counters.octets, 17'200U);
    EXPECT_EQ(counters.lost, 0U);
    EXPECT_EQ(counters.last_arrival_ns - counters.first_arrival_ns, 99 * 20 * kMs);
    EXPECT_EQ(events_of<FirstPacketSeen>().size(), 1U);
    EXPECT_EQ(events.size(), 1U);
}

TEST_F(StreamReceiverTest, AcceptsTheSipPeersHostFromAnyPort) {
    const auto relay = *base::parse_net_address("192.0.2.9:33333");
    EXPECT_EQ(feed_from(relay, packet(1, 1)), Verdict::Hold);
    EXPECT_EQ(feed_from(relay, packet(1, 2)), Verdict::StoreRtp);
    EXPECT_EQ(stored.size(), 2U);
}

TEST_F(StreamReceiverTest, CountsWhatStrangersSendAndStoresNothingOfIt) {
    talk(1, 1, 2);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(feed_from(stranger, packet(1, 3 + i)), Verdict::Discard);
    EXPECT_EQ(stored.size(), 2U);
    EXPECT_EQ(rejected(Rejection::Source), 50U);
    const auto told = events_of<RejectedSome>();
    ASSERT_EQ(told.size(), 1U);  // once, not fifty times
    EXPECT_EQ(told[0].source, stranger);
    receiver->finish(now_ns);
    collect();
    EXPECT_EQ(events_of<RejectedSome>().back().total, 50U);
}

TEST_F(StreamReceiverTest, TellsOfRejectedPacketsAtMostEachTenSeconds) {
    for (int i = 0; i < 25; ++i, now_ns += 1000 * kMs) feed_from(stranger, packet(1, i));
    EXPECT_EQ(events_of<RejectedSome>().size(), 3U);
}

TEST_F(StreamReceiverTest, LosesNothingWhenTheSsrcChanges) {
    talk(1, 1, 50);
    talk(2, 9000, 50);
    receiver->finish(now_ns);
    collect();
    EXPECT_EQ(stored.size(), 100U);
    const auto changes = events_of<SsrcChange>();
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].from, 1U);
    EXPECT_EQ(changes[0].to, 2U);
    EXPECT_EQ(receiver->counters().lost, 0U);
    EXPECT_EQ(receiver->counters().ssrc_changes, 1U);
}

TEST_F(StreamReceiverTest, KeepsAChangedSourceThatHadNoTimeToProveItsSilence) {
    talk(1, 1, 50);
    talk(2, 9000, 5);  // 100 ms, then the BYE
    EXPECT_EQ(stored.size(), 50U);
    receiver->finish(now_ns);
    collect();
    EXPECT_EQ(stored.size(), 55U);
}

TEST_F(StreamReceiverTest, RejectsAnInjectedSourceWhileTheRealOneTalks) {
    talk(1, 1, 2);
    for (int i = 0; i < 500; ++i, now_ns += 20 * kMs) {
        feed(packet(1, 3 + i));
        feed(packet(666, i, 0, Bytes(160, 0x66)));
    }
    receiver->finish(now_ns);
    collect();
    EXPECT_EQ(stored.size(), 502U);
    EXPECT_EQ(rejected(Rejection::Ssrc), 500U);
    EXPECT_TRUE(events_of<SsrcChange>().empty());
}

TEST_F(StreamReceiverTest, LimitsWhatItHolds) {
    talk(1, 1, 2);
    for (std::size_t i = 0; i < kMaxHeldPackets; ++i) feed(packet(2, static_cast<int>(i)));
    EXPECT_EQ(rejected(Rejection::Ssrc), 0U);
    feed(packet(2, 5000));
    EXPECT_EQ(rejected(Rejection::Ssrc), 1U);
}

TEST_F(StreamReceiverTest, RejectsPayloadTypesThatWereNotNegotiated) {
    talk(1, 1, 2);
    EXPECT_EQ(feed(packet(1, 3, 8)), Verdict::Discard);
    EXPECT_EQ(rejected(Rejection::PayloadType), 1U);
    EXPECT_EQ(feed(packet(1, 4, 13)), Verdict::StoreRtp);  // comfort noise needs no offer
}

TEST_F(StreamReceiverTest, AcceptsAnOldPayloadTypeForFiveSeconds) {
    talk(1, 1, 2);
    StreamFormat format = setup.format;
    format.payload_types = {{8, "PCMA", 8000}};
    receiver->update(format, now_ns);
    EXPECT_EQ(feed(packet(1, 3, 8)), Verdict::StoreRtp);
    now_ns += 5000 * kMs;
    EXPECT_EQ(feed(packet(1, 4, 0)), Verdict::StoreRtp);
    now_ns += 1;
    EXPECT_EQ(feed(packet(1, 5, 0)), Verdict::Discard);
}

TEST_F(StreamReceiverTest, NeedsNoSilenceAfterTheSdpMoved) {
    talk(1, 1, 10);
    StreamFormat format = setup.format;
    format.remote_rtp = *base::parse_net_address("192.0.2.44:6000");
    receiver->update(format, now_ns);
    EXPECT_EQ(feed_from(format.remote_rtp, packet(2, 1)), Verdict::Hold);
    EXPECT_EQ(feed_from(format.remote_rtp, packet(2, 2)), Verdict::StoreRtp);
    EXPECT_EQ(feed(packet(1, 11)), Verdict::Discard);  // the old host
}

TEST_F(StreamReceiverTest, StoresNothingThatArrivedWhilePaused) {
    talk(1, 1, 10);
    const std::int64_t at = now_ns;
    receiver->pause(at);
    now_ns = at - 1;
    EXPECT_EQ(feed(packet(1, 11)), Verdict::StoreRtp);  // arrived before, read after
    now_ns = at;
    EXPECT_EQ(feed(packet(1, 12)), Verdict::Discard);
    receiver->settle_pause(clocks());
    now_ns = at - 5000 * kMs;  // the wall clock steps back: still paused
    EXPECT_EQ(feed(packet(1, 13)), Verdict::Discard);
    receiver->on_discarded_unread(100, clocks());

    const std::int64_t resumed = at + 60'000 * kMs;
    receiver->resume(resumed, clocks());
    now_ns = resumed - 1;
    EXPECT_EQ(feed(packet(1, 113)), Verdict::Discard);
    now_ns = resumed;
    EXPECT_EQ(feed(packet(1, 114)), Verdict::StoreRtp);
    receiver->settle_resume();
    now_ns += 20 * kMs;
    EXPECT_EQ(feed(packet(1, 115)), Verdict::StoreRtp);
    const StreamCounters counters = receiver->counters();
    EXPECT_EQ(counters.packets, 13U);
    EXPECT_EQ(counters.paused_discarded, 103U);
    EXPECT_EQ(counters.lost, 0U);  // a pause is no loss
}

// Their stamps are those of the time before the step, later than the resume.
TEST_F(StreamReceiverTest, StoresNothingOfAPauseWhenTheWallClockStepsBackBeforeTheResume) {
    talk(1, 1, 10);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    now_ns += 40 * kMs;
    const std::int64_t unread = now_ns;
    step(-100 * kMs);
    receiver->resume(now_ns, clocks());
    EXPECT_EQ(feed_at(unread, packet(1, 12)), Verdict::Discard);
    receiver->settle_resume();
    now_ns += 20 * kMs;
    EXPECT_EQ(feed(packet(1, 14)), Verdict::StoreRtp);
}

TEST_F(StreamReceiverTest, HoldsNothingOverAPause) {
    talk(1, 1, 10);
    feed(packet(2, 1));
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    receiver->finish(now_ns + 1);
    collect();
    EXPECT_EQ(stored.size(), 10U);
    EXPECT_EQ(rejected(Rejection::Ssrc), 1U);
}

TEST_F(StreamReceiverTest, BeginsPausedWhenOfferedInactive) {
    setup.paused = true;
    make();
    talk(1, 1, 10);
    EXPECT_TRUE(stored.empty());
    EXPECT_TRUE(events.empty());
    EXPECT_EQ(receiver->counters().paused_discarded, 10U);
}

TEST_F(StreamReceiverTest, CountsNoiseAndBrokenPackets) {
    talk(1, 1, 2);
    feed(Bytes{0, 1, 0, 0});                         // STUN
    feed(Bytes{0x80, 0, 1});                         // cut
    feed(packet(1, 3), SocketKind::Rtcp);            // RTP at the RTCP port
    feed(Bytes{0x80, 200, 0, 9}, SocketKind::Rtcp);  // cut RTCP
    receiver->on_oversize(peer, now_ns);
    EXPECT_EQ(rejected(Rejection::NotRtp), 2U);
    EXPECT_EQ(rejected(Rejection::Malformed), 2U);
    EXPECT_EQ(rejected(Rejection::TooLarge), 1U);
    EXPECT_EQ(stored.size(), 2U);
}

TEST_F(StreamReceiverTest, ReportsDigitsOnceAndNoneOfAPause) {
    talk(1, 1, 2);
    const auto press = [&](int sequence) {
        for (int i = 0; i < 3; ++i) {
            Bytes p = packet(1, sequence + i, 101, Bytes{5, 0x80, 0x03, 0x20});
            p[4] = p[5] = p[6] = 0;  // all packets of the event have one timestamp
            p[7] = static_cast<std::uint8_t>(sequence);
            feed(p);
        }
    };
    press(3);
    ASSERT_EQ(events_of<DigitSeen>().size(), 1U);
    EXPECT_EQ(events_of<DigitSeen>()[0].digit, '5');
    EXPECT_EQ(events_of<DigitSeen>()[0].duration_ms, 100U);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    press(33);
    EXPECT_EQ(events_of<DigitSeen>().size(), 1U);
    EXPECT_EQ(stored.size(), 5U);
}

TEST_F(StreamReceiverTest, TellsWhenTheSameSourceMoves) {
    talk(1, 1, 2);
    const auto moved = *base::parse_net_address("192.0.2.1:5555");
    feed_from(moved, packet(1, 3));
    feed_from(moved, packet(1, 4));
    const auto told = events_of<SourceMoved>();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].from, peer);
    EXPECT_EQ(told[0].to, moved);
    for (int i = 0; i < 100; ++i) feed_from(i % 2 == 0 ? peer : moved, packet(1, 5 + i));
    EXPECT_EQ(events_of<SourceMoved>().size(), kMaxSourceChangedEvents);
}

TEST_F(StreamReceiverTest, StoresRtcpFromBothPortsAndReportsOnTheSource) {
    talk(1, 65535, 4);
    feed(packet(1, 65535 + 7));  // three lost
    Bytes sr;
    rtp::append_sender_report({.ssrc = 1, .ntp = 0x1111222233334444, .reports = {}}, sr);
    EXPECT_EQ(feed(sr, SocketKind::Rtcp), Verdict::StoreRtcp);
    EXPECT_EQ(feed(sr, SocketKind::Rtp), Verdict::StoreRtcp);
    EXPECT_EQ(feed_from(stranger, sr, SocketKind::Rtcp), Verdict::Discard);
    EXPECT_EQ(receiver->counters().rtcp_packets, 2U);

    Bytes out;
    receiver->compose_report(base::wall_from_ns(now_ns + 1500 * kMs), "earshot@host", out);
    const auto packets = rtp::parse_rtcp(out);
    ASSERT_TRUE(packets);
    const auto& report = std::get<rtp::ReceiverReport>((*packets)[0]);
    EXPECT_EQ(report.ssrc, 0xabcdef01U);
    ASSERT_EQ(report.reports.size(), 1U);
    EXPECT_EQ(report.reports[0].ssrc, 1U);
    EXPECT_EQ(report.reports[0].cumulative_lost, 3);
    EXPECT_EQ(report.reports[0].fraction_lost, 3 * 256 / 8);
    EXPECT_EQ(report.reports[0].extended_highest, 6U);  // cycles begin at the proof
    EXPECT_EQ(report.reports[0].last_sr, 0x22223333U);
    EXPECT_EQ(report.reports[0].delay_since_sr, 98'304U);
    EXPECT_EQ(std::get<rtp::SourceDescriptions>((*packets)[1]).chunks[0].cname, "earshot@host");
}

TEST_F(StreamReceiverTest, ReportsWithoutABlockBeforeTheFirstPacket) {
    Bytes out;
    receiver->compose_report(base::wall_from_ns(now_ns), "c", out);
    const auto packets = rtp::parse_rtcp(out);
    EXPECT_TRUE(std::get<rtp::ReceiverReport>((*packets)[0]).reports.empty());
}

TEST_F(StreamReceiverTest, SendsReportsToTheSignalledHostOnly) {
    Bytes rr;
    rtp::append_receiver_report({.ssrc = 1, .reports = {}}, rr);
    EXPECT_EQ(receiver->rtcp_destination(), setup.format.remote_rtcp);
    feed_from(*base::parse_net_address("192.0.2.9:7777"), rr, SocketKind::Rtcp);
    EXPECT_EQ(receiver->rtcp_destination(), setup.format.remote_rtcp);
    const auto symmetric = *base::parse_net_address("192.0.2.1:7777");
    feed_from(symmetric, rr, SocketKind::Rtcp);
    EXPECT_EQ(receiver->rtcp_destination(), symmetric);
}

TEST_F(StreamReceiverTest, ExpectsTheNextSourceAfterAGoodbye) {
    talk(1, 1, 10);
    Bytes bye;
    rtp::append_receiver_report({.ssrc = 1, .reports = {}}, bye);
    rtp::append_goodbye(1, "", bye);
    feed_from(*base::parse_net_address("192.0.2.9:4001"), bye, SocketKind::Rtcp);  // not its own
    EXPECT_EQ(feed(packet(3, 1)), Verdict::Hold);
    EXPECT_EQ(feed(packet(3, 2)), Verdict::Hold);
    feed_from(setup.format.remote_rtcp, bye, SocketKind::Rtcp);
    EXPECT_EQ(feed(packet(2, 1)), Verdict::Hold);
    EXPECT_EQ(feed(packet(2, 2)), Verdict::StoreRtp);
}

TEST_F(StreamReceiverTest, TellsOnceWhyASourceHasLeft) {
    talk(1, 1, 10);
    const auto bye = [](std::string_view reason) {
        Bytes bytes;
        rtp::append_receiver_report({.ssrc = 1, .reports = {}}, bytes);
        rtp::append_goodbye(1, reason, bytes);
        return bytes;
    };
    for (const char* reason : {"", "screen_crashed: \"it\"", "screen_crashed: \"it\"", "bored"})
        feed_from(setup.format.remote_rtcp, bye(reason), SocketKind::Rtcp);
    const auto told = events_of<SourceLeft>();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(event_json(3, told[0]),
              R"({"type":"source_left","stream":3,"ssrc":1,"reason":"screen_crashed: \"it\""})");
    EXPECT_EQ(told[1].reason, "bored");
}

TEST_F(StreamReceiverTest, PrefersTheAddressOfTheSdpToWhoCameFirst) {
    const auto forger = *base::parse_net_address("192.0.2.1:5555");
    feed_from(forger, packet(66, 1));
    EXPECT_EQ(feed_from(forger, packet(66, 2)), Verdict::StoreRtp);
    EXPECT_EQ(feed(packet(1, 1)), Verdict::Hold);
    EXPECT_EQ(feed(packet(1, 2)), Verdict::StoreRtp);
    EXPECT_EQ(feed_from(forger, packet(66, 3)), Verdict::Hold);
    talk(1, 3, 50);
    receiver->finish(now_ns);
    collect();
    ASSERT_EQ(stored.size(), 54U);
    EXPECT_EQ(stored[2], packet(1, 1));
    EXPECT_EQ(rejected(Rejection::Ssrc), 1U);
    EXPECT_EQ(events_of<SsrcChange>().size(), 1U);
}

TEST(CaptureEvents, AreJson) {
    const auto source = *base::parse_net_address("[2001:db8::1]:4000");
    EXPECT_EQ(
        event_json(2, SsrcChange{.from = 1, .to = 2, .source = source}),
        R"({"type":"ssrc_changed","stream":2,"from":1,"to":2,"source":"[2001:db8::1]:4000"})");
    EXPECT_EQ(event_json(2, DigitSeen{.digit = '#', .duration_ms = 80}),
              R"({"type":"dtmf","stream":2,"digit":"#","duration_ms":80})");
    EXPECT_EQ(event_json(0, RejectedSome{.cause = Rejection::Source, .total = 7, .source = source}),
              R"({"type":"packets_rejected","stream":0,"cause":"source","total":7,)"
              R"("source":"[2001:db8::1]:4000"})");
    EXPECT_EQ(event_json(0, StorageGap{.packets = 2, .from_ns = 5, .to_ns = 6}),
              R"({"type":"storage_gap","stream":0,"packets":2,"from_ns":5,"to_ns":6})");
    const std::string counters = event_json(1, StreamCounters{.packets = 9});
    EXPECT_EQ(counters.find(R"({"type":"stream_counters","stream":1,"packets":9,)"), 0U);
    EXPECT_NE(
        counters.find(R"("rejected":{"not_rtp":0,"malformed":0,"source":0,"payload_type":0,)"
                      R"("ssrc":0,"too_large":0,"authentication":0,"replay":0,"unassigned":0}})"),
        std::string::npos);
}

// ---- what the conformance list and the field want beside the media ------------------------------

Bytes with_contributors(Bytes packet, const std::vector<std::uint32_t>& ssrcs) {
    packet[0] = static_cast<std::uint8_t>(packet[0] | ssrcs.size());
    Bytes list;
    for (const std::uint32_t ssrc : ssrcs) base::append_u32(list, ssrc);
    packet.insert(packet.begin() + 12, list.begin(), list.end());
    return packet;
}

Bytes description(std::uint32_t ssrc, std::string_view cname) {
    Bytes out;
    rtp::append_receiver_report({.ssrc = ssrc, .reports = {}}, out);
    rtp::append_cname(ssrc, cname, out);
    return out;
}

TEST_F(StreamReceiverTest, P65_TellsWhoSpeaksInAMixByItsContributors) {
    talk(1, 1, 2);
    EXPECT_TRUE(events_of<ContributorsChanged>().empty());
    feed(with_contributors(packet(1, 3), {7}));
    feed(with_contributors(packet(1, 4), {7}));
    feed(with_contributors(packet(1, 5), {7, 8}));
    feed(packet(1, 6));
    const auto told = events_of<ContributorsChanged>();
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(event_json(3, told[1]), R"({"type":"contributors","stream":3,"csrcs":[7,8]})");
    EXPECT_EQ(event_json(3, told[2]), R"({"type":"contributors","stream":3,"csrcs":[]})");
    EXPECT_EQ(stored.size(), 6U);
}

TEST_F(StreamReceiverTest, P65_StopsTellingOfContributorsAtItsLimitAndRecordsOn) {
    talk(1, 1, 2);
    for (std::uint32_t i = 0; i < kMaxContributorEvents + 10; ++i)
        feed(with_contributors(packet(1, static_cast<int>(i % 60000) + 3), {i + 1}));
    EXPECT_EQ(events_of<ContributorsChanged>().size(), kMaxContributorEvents);
    EXPECT_EQ(stored.size(), kMaxContributorEvents + 12);
}

TEST_F(StreamReceiverTest, P66_RemembersTheNamesOfFortySources) {
    for (std::uint32_t ssrc = 1; ssrc <= 40; ++ssrc)
        feed(description(ssrc, "source" + std::to_string(ssrc) + "@mixer"), SocketKind::Rtcp);
    const auto told = events_of<SourceDescribed>();
    ASSERT_EQ(told.size(), 40U);
    EXPECT_EQ(event_json(3, told[39]),
              R"({"type":"source_described","stream":3,"ssrc":40,"cname":"source40@mixer"})");
    feed(description(40, "source40@mixer"), SocketKind::Rtcp);
    EXPECT_EQ(events_of<SourceDescribed>().size(), 40U);  // nothing new
}

TEST_F(StreamReceiverTest, P66_EscapesAndBoundsTheNamesOfSources) {
    feed(description(1, "a\"b\n"), SocketKind::Rtcp);
    EXPECT_EQ(event_json(3, events_of<SourceDescribed>().at(0)),
              R"({"type":"source_described","stream":3,"ssrc":1,"cname":"a\"b\n"})");
    for (std::uint32_t ssrc = 2; ssrc < 2 * kMaxDescribedSources; ++ssrc)
        feed(description(ssrc, "x"), SocketKind::Rtcp);
    EXPECT_EQ(events_of<SourceDescribed>().size(), kMaxDescribedSources);
}

TEST_F(StreamReceiverTest, P63_P67_OneNameForTwoSourcesTellsThatTheSenderIsTheSame) {
    talk(1, 1, 50);
    feed(description(1, "4f2a9c@192.0.2.1"), SocketKind::Rtcp);
    now_ns += 600 * kMs;
    talk(2, 9000, 50);  // restarted, as after a collision
    feed(description(2, "4f2a9c@192.0.2.1"), SocketKind::Rtcp);
    EXPECT_EQ(receiver->counters().ssrc_changes, 1U);
    const auto told = events_of<SourceDescribed>();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].same_as, 1U);
    EXPECT_EQ(receiver->counters().packets, 100U);  // one track
}

TEST_F(StreamReceiverTest, P78_SeesLossReportsItAndRecordsWhatCame) {
    for (int i = 0; i < 200; ++i, now_ns += 20 * kMs)
        if (i % 20 != 10) feed(packet(1, i));  // 5 percent
    EXPECT_EQ(receiver->counters().lost, 10U);
    Bytes report;
    receiver->compose_report(base::wall_from_ns(now_ns), "us", report);
    const auto packets = rtp::parse_rtcp(report);
    ASSERT_TRUE(packets);
    const auto& block = std::get<rtp::ReceiverReport>((*packets)[0]).reports.at(0);
    EXPECT_EQ(block.cumulative_lost, 10);
    EXPECT_NEAR(block.fraction_lost, 256 / 20, 1);
    EXPECT_EQ(stored.size(), 190U);
}

TEST_F(StreamReceiverTest, Q31_TakesMediaOfTheHostsThatTheProfileNames) {
    EXPECT_EQ(feed_from(stranger, packet(1, 1)), Verdict::Discard);
    setup.media_from = {*base::parse_host("203.0.113.5", 0)};
    make();
    EXPECT_EQ(feed_from(stranger, packet(1, 1)), Verdict::Hold);
    EXPECT_EQ(feed_from(stranger, packet(1, 2)), Verdict::StoreRtp);
    receiver->update(setup.format, now_ns);  // a re-INVITE does not forget them
    EXPECT_EQ(feed_from(stranger, packet(1, 3)), Verdict::StoreRtp);
    EXPECT_EQ(feed_from(*base::parse_net_address("203.0.113.6:4000"), packet(1, 4)),
              Verdict::Discard);
}

TEST_F(StreamReceiverTest, Q8_TakesMediaOfTheSipPeerWhenTheSdpNamesNoUsableHost) {
    setup.format.remote_rtp = *base::parse_net_address("127.0.0.1:35000");
    make();
    const auto relay = *base::parse_net_address("192.0.2.9:40000");
    feed_from(relay, packet(1, 1));
    EXPECT_EQ(feed_from(relay, packet(1, 2)), Verdict::StoreRtp);
}

TEST_F(StreamReceiverTest, Q23_ANewAddressOfTheOfferIsTakenWithoutWaitingForSilence) {
    talk(1, 1, 50);
    StreamFormat moved = setup.format;
    moved.remote_rtp = *base::parse_net_address("192.0.2.1:4444");
    receiver->update(moved, now_ns);
    for (int i = 0; i < 5; ++i, now_ns += 20 * kMs) feed_from(moved.remote_rtp, packet(2, 700 + i));
    EXPECT_EQ(stored.size(), 55U);
    EXPECT_EQ(receiver->counters().ssrc_changes, 1U);
}

TEST_F(StreamReceiverTest, Q34_AnUnsignalledSourceAfterAHoldIsTakenAndLateOnesAreNot) {
    talk(1, 1, 50);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    now_ns += 5000 * kMs;
    receiver->resume(now_ns, clocks());
    receiver->settle_resume();
    talk(2, 100, 50);
    EXPECT_EQ(stored.size(), 100U);
    now_ns += 10 * kMs;
    // Late packets of the call before on the same port: another source while this one speaks.
    for (int i = 0; i < 3; ++i, now_ns += 5 * kMs) feed(packet(9, 40 + i));
    talk(2, 150, 50);
    receiver->finish(now_ns);
    EXPECT_EQ(stored.size(), 150U);
    EXPECT_EQ(rejected(Rejection::Ssrc), 3U);
}

TEST_F(StreamReceiverTest, Q35_ProbesUntilTheFirstPacketComes) {
    EXPECT_FALSE(receiver->wants_probe());  // only by profile
    setup.probe = true;
    setup.format.payload_types.push_back({127, "opus", 48000});
    make();
    ASSERT_TRUE(receiver->wants_probe());
    EXPECT_EQ(receiver->probe_destination(), peer);
    Bytes probe;
    receiver->compose_probe(probe);
    const auto header = rtp::parse_rtp(probe);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->payload_type, 126);  // not negotiated
    EXPECT_EQ(header->payload_size, 0U);
    EXPECT_EQ(header->ssrc, 0xabcdef01U);
    receiver->compose_probe(probe);
    EXPECT_EQ(rtp::parse_rtp(probe)->sequence, header->sequence + 1);
    talk(1, 1, 2);
    EXPECT_FALSE(receiver->wants_probe());
}

TEST_F(StreamReceiverTest, Q35_GivesUpAfterItsLimitAndStartsAnewWithANewAddress) {
    setup.probe = true;
    make();
    Bytes probe;
    int sent = 0;
    while (receiver->wants_probe()) {
        receiver->compose_probe(probe);
        ASSERT_LE(++sent, kMaxProbes);
    }
    EXPECT_EQ(sent, kMaxProbes);
    StreamFormat moved = setup.format;
    moved.remote_rtp.port = 4444;
    receiver->update(moved, now_ns);
    EXPECT_TRUE(receiver->wants_probe());
    receiver->pause(now_ns);
    EXPECT_FALSE(receiver->wants_probe());
}

TEST_F(StreamReceiverTest, P68_P111_AnIdleFlowWantsAPacketThatEveryReceiverDiscards) {
    using std::chrono::seconds;
    EXPECT_EQ(receiver->keep_alive_destination(), peer);  // nothing came: where the SDP says
    EXPECT_TRUE(receiver->wants_keep_alive(now_ns, seconds{15}));
    talk(1, 1, 10);
    EXPECT_FALSE(receiver->wants_keep_alive(now_ns, seconds{15}));
    now_ns += 16'000 * kMs;
    EXPECT_TRUE(receiver->wants_keep_alive(now_ns, seconds{15}));
    Bytes packet;
    receiver->compose_keep_alive(packet);
    const auto header = rtp::parse_rtp(packet);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->payload_type, 127);
    EXPECT_EQ(header->payload_size, 0U);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    EXPECT_TRUE(receiver->wants_keep_alive(now_ns, seconds{15}));  // held: it will go on
}

TEST_F(StreamReceiverTest, P68_AFlowThatRtcpSharesNeedsNoPacketMore) {
    setup.format.rtcp_mux = true;
    make();
    EXPECT_FALSE(receiver->wants_keep_alive(now_ns, std::chrono::seconds{15}));
}

TEST_F(StreamReceiverTest, Q37_ReportsGoOnThroughSilenceAndPause) {
    talk(1, 1, 50);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    now_ns += 600'000 * kMs;  // ten minutes
    EXPECT_EQ(receiver->rtcp_destination(), setup.format.remote_rtcp);
    Bytes report;
    receiver->compose_report(base::wall_from_ns(now_ns), "us", report);
    EXPECT_TRUE(rtp::parse_rtcp(report));
}

class VideoReceiverTest : public StreamReceiverTest {
protected:
    VideoReceiverTest() {
        setup.media = MediaClass::Bursty;
        setup.format.payload_types = {{96, "VP8", 90'000}, {97, "rtx", 90'000}};
        setup.format.feedback = {.nack = true, .pli = true};
        make();
    }
    Verdict video(int sequence, bool is_key = false, std::uint32_t ssrc = 1) {
        return feed(packet(ssrc, sequence, 96, is_key ? kKey : kDelta));
    }
    std::optional<KeyFrameRequest> look(Bytes& out) {
        now_ns += 20 * kMs;
        return receiver->on_turn(clocks().steady, "earshot@test", out);
    }

    const Bytes kKey{0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x60, 0x01, 0x20, 0x01};
    const Bytes kDelta{0x10, 0x01, 0x00, 0x00};
};

TEST_F(VideoReceiverTest, StoresRetransmissionsOfAnotherSsrcAndCountsTheLossAsFilled) {
    video(1, true);
    video(2);
    video(4);
    Bytes asked;
    EXPECT_FALSE(look(asked));
    EXPECT_FALSE(look(asked));
    EXPECT_FALSE(asked.empty());
    EXPECT_EQ(receiver->counters().lost, 1U);
    Bytes again{0, 3};
    base::append(again, kDelta);
    EXPECT_EQ(feed(packet(99, 5000, 97, again)), Verdict::StoreRtp);
    video(5);
    const StreamCounters counters = receiver->counters();
    EXPECT_EQ(counters.lost, 0U);
    EXPECT_EQ(counters.asked_again, 1U);
    EXPECT_EQ(counters.restored, 1U);
    EXPECT_EQ(counters.ssrc_changes, 0U);
    EXPECT_EQ(counters.packets, 5U);
    EXPECT_EQ(stored.size(), 5U);
}

TEST_F(VideoReceiverTest, AsksForAKeyFrameAfterAPauseAndNotDuringIt) {
    video(1, true);
    video(2);
    receiver->pause(now_ns);
    receiver->settle_pause(clocks());
    Bytes asked;
    EXPECT_FALSE(look(asked));
    receiver->resume(now_ns, clocks());
    receiver->settle_resume();
    video(300);
    const auto request = look(asked);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->reason, KeyFrameReason::Resume);
    EXPECT_EQ(request->method, KeyFrameMethod::Pli);
    EXPECT_FALSE(asked.empty());
}

TEST_F(StreamReceiverTest, AudioWithoutNackAsksForNothing) {
    EXPECT_FALSE(receiver->has_feedback());
    setup.format.feedback.nack = true;
    receiver->update(setup.format, now_ns);
    EXPECT_TRUE(receiver->has_feedback());
}

}  // namespace
}  // namespace earshot::capture
