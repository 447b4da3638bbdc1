#include "rtp/telephone_event.h"

#include <gtest/gtest.h>

#include "rtp/comfort_noise.h"
#include "rtp/limits.h"

namespace earshot::rtp {
namespace {

using base::Bytes;

std::string digits_of(DtmfDetector& detector) {
    std::string digits;
    while (const auto digit = detector.poll_digit()) digits += digit->digit;
    return digits;
}

void press(DtmfDetector& detector, std::uint8_t event, std::uint32_t timestamp) {
    for (std::uint16_t d = 160; d <= 800; d = static_cast<std::uint16_t>(d + 160)) {
        detector.on_packet(timestamp, 1000 + d, {.event = event, .duration = d});
    }
    for (int i = 0; i < 3; ++i) {
        detector.on_packet(timestamp, 2000, {.event = event, .end = true, .duration = 960});
    }
}

TEST(TelephoneEvent, ReadsAndWritesThePayload) {
    const auto event = parse_telephone_event(Bytes{11, 0x8a, 0x03, 0x20});
    ASSERT_TRUE(event);
    EXPECT_EQ(event->event, 11);
    EXPECT_TRUE(event->end);
    EXPECT_EQ(event->volume, 10);
    EXPECT_EQ(event->duration, 800);
    Bytes out;
    write_telephone_event(*event, out);
    EXPECT_EQ(out, (Bytes{11, 0x8a, 0x03, 0x20}));
    for (std::size_t size = 0; size < 4; ++size) EXPECT_FALSE(parse_telephone_event(Bytes(size)));
}

TEST(DtmfDetector, ReportsEachDigitOnce) {
    DtmfDetector detector;
    press(detector, 9, 1000);
    press(detector, 1, 3000);
    press(detector, 1, 5000);
    press(detector, 10, 7000);
    press(detector, 15, 9000);
    EXPECT_EQ(digits_of(detector), "911*D");
}

TEST(DtmfDetector, TellsStartAndDuration) {
    DtmfDetector detector;
    press(detector, 5, 1000);
    const auto digit = detector.poll_digit();
    ASSERT_TRUE(digit);
    EXPECT_EQ(digit->timestamp, 1000U);
    EXPECT_EQ(digit->duration_ticks, 960U);
    EXPECT_EQ(digit->arrival_ns, 1160);
}

TEST(DtmfDetector, CountsADigitWhoseEndWasLost) {
    DtmfDetector detector;
    detector.on_packet(1000, 1, {.event = 2, .duration = 160});
    press(detector, 3, 5000);
    detector.on_packet(9000, 2, {.event = 4, .duration = 160});
    EXPECT_EQ(digits_of(detector), "23");
    detector.finish();
    EXPECT_EQ(digits_of(detector), "4");
}

TEST(DtmfDetector, CountsADigitOfWhichOnlyAnEndArrived) {
    DtmfDetector detector;
    detector.on_packet(1000, 1, {.event = 2, .end = true, .duration = 800});
    EXPECT_EQ(digits_of(detector), "2");
}

TEST(DtmfDetector, JoinsTheSegmentsOfALongEvent) {
    DtmfDetector detector;
    detector.on_packet(1000, 1, {.event = 2, .duration = 0xffff});
    detector.on_packet(1000 + 0xffff, 2, {.event = 2, .duration = 800});
    detector.on_packet(1000 + 0xffff, 3, {.event = 2, .end = true, .duration = 1600});
    const auto digit = detector.poll_digit();
    ASSERT_TRUE(digit);
    EXPECT_EQ(digit->timestamp, 1000U);
    EXPECT_EQ(digit->duration_ticks, 0xffffU + 1600U);
    EXPECT_FALSE(detector.poll_digit());
}

TEST(DtmfDetector, WorksOverAWrapOfTheTimestampAndIgnoresLatePackets) {
    DtmfDetector detector;
    press(detector, 7, 0xffffff00U);
    press(detector, 8, 0x00000600U);
    detector.on_packet(0xffffff00U, 9, {.event = 7, .end = true, .duration = 960});
    EXPECT_EQ(digits_of(detector), "78");
}

TEST(DtmfDetector, IgnoresEventsThatAreNoDigits) {
    DtmfDetector detector;
    press(detector, 16, 1000);
    detector.finish();
    EXPECT_EQ(digits_of(detector), "");
}

TEST(ComfortNoise, ReadsLevelAndCoefficients) {
    const Bytes payload{0x40, 1, 2, 3};
    const auto noise = parse_comfort_noise(payload);
    ASSERT_TRUE(noise);
    EXPECT_EQ(noise->level, 64);
    EXPECT_EQ(noise->coefficients.size(), 3U);
    EXPECT_TRUE(parse_comfort_noise(Bytes{127})->coefficients.empty());
    EXPECT_FALSE(parse_comfort_noise(Bytes{}));
}

}  // namespace
}  // namespace earshot::rtp
