#include "relay/key_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "rtp/rtp_packet.h"

namespace earshot::relay {
namespace {

constexpr std::uint8_t kEvents = 101;
constexpr std::uint8_t kDigitOne = 1;
constexpr std::int64_t kMs = 1'000'000;

class KeyReaderTest : public testing::Test {
protected:
    KeyReaderTest() {
        KeyFormats formats;
        formats.set(kEvents);
        reader_.set_formats(formats);
    }
    void give(const base::Bytes& packet) {
        reader_.on_packet(packet, now_ns_, [this](char digit) { told_ += digit; });
        now_ns_ += 20 * kMs;
    }
    base::Bytes packet(std::uint8_t payload_type, const base::Bytes& payload,
                       std::uint32_t timestamp) {
        base::Bytes bytes;
        rtp::write_rtp({.payload_type = payload_type,
                        .sequence = ++sequence_,
                        .timestamp = timestamp,
                        .ssrc = ssrc_},
                       payload, bytes);
        return bytes;
    }
    void event(std::uint8_t digit, std::uint32_t timestamp, std::uint16_t duration, bool end,
               std::uint8_t payload_type = kEvents) {
        base::Bytes payload;
        rtp::write_telephone_event({.event = digit, .end = end, .volume = 10, .duration = duration},
                                   payload);
        give(packet(payload_type, payload, timestamp));
    }
    void press(std::uint8_t digit, std::uint32_t timestamp) {
        event(digit, timestamp, 160, false);
        event(digit, timestamp, 320, false);
        for (int i = 0; i < 3; ++i) event(digit, timestamp, 480, true);
    }
    void audio() { give(packet(0, base::Bytes(160), 1)); }

    KeyReader reader_;
    std::string told_;
    std::int64_t now_ns_ = 1;
    std::uint16_t sequence_ = 0;
    std::uint32_t ssrc_ = 7;
};

TEST_F(KeyReaderTest, TellsAKeyOnceThoughItsEndIsSentThreeTimes) {
    press(10, 1000);
    press(kDigitOne, 3000);
    EXPECT_EQ(told_, "*1");
}

TEST_F(KeyReaderTest, TheSamePayloadOfAnotherTypeIsNoKey) {
    event(kDigitOne, 1000, 480, true, 0);
    EXPECT_EQ(told_, "");
}

TEST_F(KeyReaderTest, AKeyWhoseReleaseWasLostIsTakenAsReleasedWhenMediaGoesOn) {
    event(kDigitOne, 1000, 160, false);
    for (int i = 0; i < 5; ++i) audio();
    EXPECT_EQ(told_, "") << "100 ms only";
    for (int i = 0; i < 10; ++i) audio();
    EXPECT_EQ(told_, "1");
    for (int i = 0; i < 20; ++i) audio();
    EXPECT_EQ(told_, "1");
}

TEST_F(KeyReaderTest, TheNextKeyReleasesTheOneBefore) {
    event(kDigitOne, 1000, 160, false);
    event(2, 2000, 160, true);
    EXPECT_EQ(told_, "12");
}

TEST_F(KeyReaderTest, AnotherSourceBeginsAnew) {
    press(kDigitOne, 0xffff0000);
    ssrc_ = 8;
    press(kDigitOne, 5);  // older by its timestamp, which is another clock's
    EXPECT_EQ(told_, "11");
}

TEST_F(KeyReaderTest, EventsThatAreNoKeysAreNotTold) {
    event(16, 1000, 160, true);  // flash
    event(36, 2000, 160, true);  // a fax tone
    EXPECT_EQ(told_, "");
}

TEST_F(KeyReaderTest, NoTruncationOfAPacketIsMoreThanNoKey) {
    base::Bytes payload;
    rtp::write_telephone_event({.event = 1, .end = true, .volume = 10, .duration = 160}, payload);
    const base::Bytes whole = packet(kEvents, payload, 1000);
    for (std::size_t size = 12; size < whole.size(); ++size)
        give(base::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_EQ(told_, "");
}

TEST_F(KeyReaderTest, OfAFloodOnlySoManyASecondAreTold) {
    for (std::uint32_t i = 0; i < kMaxKeysPerSecond + 5; ++i) {
        event(kDigitOne, 1000 + i * 160, 160, true);
        now_ns_ -= 20 * kMs;
    }
    EXPECT_EQ(told_.size(), kMaxKeysPerSecond);
    now_ns_ += 1000 * kMs;
    event(2, 90'000, 160, true);
    EXPECT_EQ(told_.size(), kMaxKeysPerSecond + 1);
}

TEST(KeyQueueTest, WakesOnceUntilAllIsTaken) {
    int wakes = 0;
    KeyQueue queue([&] { ++wakes; });
    queue.put({.call = {1}, .from = Leg::A, .digit = '1'});
    queue.put({.call = {1}, .from = Leg::B, .digit = '2'});
    EXPECT_EQ(wakes, 1);
    EXPECT_EQ(queue.take()->digit, '1');
    EXPECT_EQ(queue.take()->from, Leg::B);
    EXPECT_FALSE(queue.take());
    queue.put({.call = {1}, .from = Leg::A, .digit = '3'});
    EXPECT_EQ(wakes, 2);
}

TEST(KeyQueueTest, AKeyThatFindsNoRoomIsCounted) {
    KeyQueue queue({});
    for (std::size_t i = 0; i < kMaxQueuedKeys; ++i) queue.put({.call = {1}, .digit = '1'});
    EXPECT_EQ(queue.lost(), 0U);
    queue.put({.call = {1}, .digit = '2'});
    EXPECT_EQ(queue.lost(), 1U);
}

}  // namespace
}  // namespace earshot::relay
