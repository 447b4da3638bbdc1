// What of an accepted packet must not be stored: digits that are not kept, and redundancy of what
// came during a pause.
#include <gtest/gtest.h>

#include "capture/events.h"
#include "capture/stream_receiver.h"
#include "rtp/rtp_packet.h"
#include "rtp/telephone_event.h"

namespace earshot::capture {
namespace {

using base::Bytes;
constexpr std::int64_t kMs = 1'000'000;

class BlankingTest : public testing::Test {
protected:
    BlankingTest() {
        setup_.format.remote_rtp = peer_;
        setup_.format.signalled_ssrcs = {7};
        setup_.format.payload_types = {{0, "PCMU", 8000},
                                       {101, "telephone-event", 8000},
                                       {102, "red", 8000},
                                       {98, "t140", 1000},
                                       {100, "red", 1000}};
        setup_.keeps_digits = false;
    }
    void make() { receiver_.emplace(setup_, 0xabcdef01); }

    // What is stored of a packet with that payload.
    Bytes store(std::uint8_t type, const Bytes& payload) {
        Bytes packet;
        rtp::write_rtp({.payload_type = type, .sequence = sequence_++, .timestamp = 160, .ssrc = 7},
                       payload, packet);
        EXPECT_EQ(receiver_->on_datagram(SocketKind::Rtp, packet, peer_, now_ns_),
                  Verdict::StoreRtp);
        while (auto event = receiver_->poll_event())
            if (std::holds_alternative<DigitsBlanked>(*event))
                ++told_;
            else if (std::holds_alternative<DigitSeen>(*event))
                ++digits_;
        receiver_->blank(packet, now_ns_);
        return {packet.begin() + 12, packet.end()};
    }
    static Bytes digit(std::uint8_t event, bool end = true) {
        Bytes payload;
        rtp::write_telephone_event({.event = event, .end = end, .volume = 10, .duration = 800},
                                   payload);
        return payload;
    }
    static Bytes red(std::uint8_t type, std::uint32_t offset, const Bytes& redundant,
                     const Bytes& primary, std::uint8_t primary_type) {
        Bytes payload;
        base::append_u32(payload, 0x80000000U | std::uint32_t{type} << 24U | offset << 10U |
                                      static_cast<std::uint32_t>(redundant.size()));
        payload.push_back(primary_type);
        base::append(payload, redundant);
        base::append(payload, primary);
        return payload;
    }
    base::Now clocks() const {
        return {base::TimePoint{std::chrono::nanoseconds{now_ns_}}, base::wall_from_ns(now_ns_)};
    }
    void pause_for(std::int64_t ms) {
        receiver_->pause(now_ns_);
        receiver_->settle_pause(clocks());
        now_ns_ += ms * kMs;
        receiver_->resume(now_ns_, clocks());
        receiver_->settle_resume();
    }

    const base::NetAddress peer_ = *base::parse_net_address("192.0.2.1:4000");
    StreamSetup setup_;
    std::optional<StreamReceiver> receiver_;
    std::uint16_t sequence_ = 1;
    std::int64_t now_ns_ = 1'770'000'000'000 * kMs;
    int told_ = 0;
    int digits_ = 0;
};

TEST_F(BlankingTest, StoresNoDigitTellsItOnceAndCountsThePackets) {
    make();
    const Bytes sound(160, 0x55);
    EXPECT_EQ(store(0, sound), sound);
    EXPECT_EQ(store(101, digit(4)), Bytes(4, 0xff));
    EXPECT_EQ(store(101, digit(2)), Bytes(4, 0xff));
    receiver_->finish(now_ns_);
    EXPECT_EQ(told_, 1);
    EXPECT_EQ(digits_, 0);
    const StreamCounters counters = receiver_->counters();
    EXPECT_EQ(counters.digits_blanked, 2U);
    EXPECT_EQ(counters.packets, 3U);
    EXPECT_EQ(counters.lost, 0U);
    EXPECT_NE(event_json(1, counters).find(R"("digits_blanked":2,"rejected")"), std::string::npos);
    EXPECT_EQ(event_json(1, DigitsBlanked{}), R"({"type":"digits_not_stored","stream":1})");
}

TEST_F(BlankingTest, StoresNoDigitInsideRedAndKeepsTheSoundBesideIt) {
    make();
    const Bytes sound(20, 0x55);
    EXPECT_EQ(store(102, red(0, 160, sound, digit(4), 101)),
              red(0, 160, sound, Bytes(4, 0xff), 101));
    EXPECT_EQ(store(102, red(101, 160, digit(4), sound, 0)),
              red(101, 160, Bytes(4, 0xff), sound, 0));
}

TEST_F(BlankingTest, KeepsDigitsWhereTheyAreWanted) {
    setup_.keeps_digits = true;
    make();
    EXPECT_EQ(store(101, digit(4)), digit(4));
    EXPECT_EQ(digits_, 1);
    EXPECT_EQ(told_, 0);
    EXPECT_EQ(event_json(1, receiver_->counters()).find("blanked"), std::string::npos);
}

TEST_F(BlankingTest, KnowsADigitInsideRed) {
    setup_.keeps_digits = true;
    make();
    store(102, red(101, 160, digit(4, false), digit(4), 101));
    EXPECT_EQ(digits_, 1);
}

// RFC 4103: what was typed during the pause comes once more behind it.
TEST_F(BlankingTest, StoresNoRedundancyOfWhatCameDuringAPause) {
    setup_.keeps_digits = true;
    make();
    const Bytes secret{'4', '2'};
    const Bytes open{'o', 'k'};
    EXPECT_EQ(store(100, red(98, 300, secret, open, 98)), red(98, 300, secret, open, 98));
    pause_for(5000);
    now_ns_ += 100 * kMs;
    EXPECT_EQ(store(100, red(98, 300, secret, open, 98)), red(98, 300, {0xff, 0xff}, open, 98));
    now_ns_ += 1000 * kMs;  // typed 800 ms after the end of the pause
    EXPECT_EQ(store(100, red(98, 300, secret, open, 98)), red(98, 300, secret, open, 98));
    // The longest that RED can reach back, from the pause.
    now_ns_ += 15'000 * kMs;
    EXPECT_EQ(store(100, red(98, 0x3fff, secret, open, 98)),
              red(98, 0x3fff, {0xff, 0xff}, open, 98));
    EXPECT_EQ(receiver_->counters().redundancy_blanked, 2U);
}

TEST_F(BlankingTest, BlanksAlsoWhatWaitsForItsSourceToProveItself) {
    setup_.format.signalled_ssrcs = {};
    make();
    std::vector<Bytes> packets;
    for (int i = 0; i < 2; ++i) {
        Bytes packet;
        rtp::write_rtp({.payload_type = 101, .sequence = sequence_++, .timestamp = 160, .ssrc = 7},
                       digit(4), packet);
        receiver_->on_datagram(SocketKind::Rtp, packet, peer_, now_ns_);
        while (auto held = receiver_->poll_released()) packets.push_back(held->bytes);
    }
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(Bytes(packets[0].begin() + 12, packets[0].end()), Bytes(4, 0xff));
}

TEST_F(BlankingTest, KeepsNothingOfRedundancyThatItCannotRead) {
    make();
    Bytes cut{0x80, 101};
    receiver_->blank(cut, now_ns_);
    EXPECT_EQ(cut, (Bytes{0x80, 101}));
    const Bytes broken{0x80 | 98, 0, 0, 9};
    EXPECT_EQ(store(102, broken), (Bytes{0xff, 0xff, 0xff, 0xff}));
}

}  // namespace
}  // namespace earshot::capture
