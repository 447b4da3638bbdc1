#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/bounded_queue.h"
#include "base/crc32c.h"
#include "base/json_writer.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/rare_queue.h"
#include "base/result.h"
#include "base/text.h"
#include "base/time.h"
#include "base/uuid.h"

namespace earshot::base {
namespace {

TEST(Crc32c, ExampleFromRfc3720AppendixB4) {
    EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8a9136aaU);
    EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43U);
}

TEST(Crc32c, ContinuesOverPieces) {
    const ByteView whole = as_bytes("123456789");
    EXPECT_EQ(crc32c(whole), 0xe3069283U);
    EXPECT_EQ(crc32c(whole.subspan(4), crc32c(whole.first(4))), 0xe3069283U);
}

// Long ones are worked off in several rows at once.
TEST(Crc32c, IsTheSameForWholesAndPiecesOfAnySize) {
    Bytes bytes(10'000);
    SeededRandom(1).fill(bytes);
    for (std::size_t size = 0; size <= bytes.size(); size += size < 20 ? 1 : 499) {
        const ByteView whole = ByteView(bytes).first(size);
        std::uint32_t crc = 0;
        for (std::size_t at = 0; at < size; at += 7)
            crc = crc32c(whole.subspan(at, std::min<std::size_t>(7, size - at)), crc);
        EXPECT_EQ(crc32c(whole), crc) << size;
    }
}

TEST(RareQueue, GivesOutInOrderWhateverCameBetween) {
    RareQueue<int> queue;
    int pushed = 0;
    int taken = 0;
    for (int round = 0; round < 200; ++round) {  // grows, shrinks, is empty now and then
        for (int i = 0; i < round % 13; ++i) queue.push_back(pushed++);
        for (int i = 0; i < round % 7 && !queue.empty(); ++i)
            EXPECT_EQ(queue.take_front(), taken++);
        EXPECT_EQ(queue.size(), static_cast<std::size_t>(pushed - taken));
        int expected = taken;
        for (const int item : queue) EXPECT_EQ(item, expected++);
        while (round % 50 == 49 && !queue.empty()) EXPECT_EQ(queue.take_front(), taken++);
    }
    EXPECT_TRUE(queue.empty());
}

TEST(Base64, ExamplesFromRfc4648Section10) {
    EXPECT_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");
    EXPECT_EQ(as_text(*parse_base64("Zm9vYmE=")), "fooba");
    EXPECT_EQ(as_text(*parse_base64("Zm9vYmE")), "fooba");
    EXPECT_FALSE(parse_base64("Zm9vY"));
    EXPECT_FALSE(parse_base64("Zm9v Zm9v"));
}

TEST(Hex, RoundTripsAndRefusesOddOrForeignDigits) {
    EXPECT_EQ(to_hex(*parse_hex("00fFa5")), "00ffa5");
    EXPECT_FALSE(parse_hex("0"));
    EXPECT_FALSE(parse_hex("0g"));
}

TEST(Number, RefusesSignsBlanksAndOverflow) {
    EXPECT_EQ(parse_number<std::uint8_t>("255"), 255);
    for (const char* bad : {"", "256", "-1", "+1", " 1", "1 ", "0x1"}) {
        EXPECT_FALSE(parse_number<std::uint8_t>(bad)) << bad;
    }
}

TEST(Number, ReadsEachTypeToItsLimit) {
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), 18446744073709551615U);
    EXPECT_EQ(parse_number<std::uint64_t>("0000000000000000000000007"), 7U);
    EXPECT_EQ(parse_number<int>("2147483647"), 2147483647);
    for (const char* bad :
         {"18446744073709551616", "18446744073709551619", "99999999999999999999"}) {
        EXPECT_FALSE(parse_number<std::uint64_t>(bad)) << bad;
    }
    EXPECT_FALSE(parse_number<int>("2147483648"));
}

TEST(Number, IsTakenUpToTheFirstOtherCharacter) {
    std::string_view rest = "8000/2";
    EXPECT_EQ(take_number<std::uint32_t>(rest), 8000U);
    EXPECT_EQ(rest, "/2");
    EXPECT_FALSE(take_number<std::uint32_t>(rest));
}

TEST(Utf8, ReplacesOnlyWhatIsInvalid) {
    EXPECT_EQ(to_valid_utf8("Bo \xc3\x85kesson"), "Bo \xc3\x85kesson");
    EXPECT_EQ(to_valid_utf8("a\xff"
                            "b\xc3"),
              "a\xef\xbf\xbd"
              "b\xef\xbf\xbd");
    EXPECT_EQ(to_valid_utf8("\xed\xa0\x80"),
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
}

TEST(Time, WritesAndReadsRfc3339) {
    const auto parsed = parse_time("2026-03-02T09:15:00.120Z");
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->exact);
    EXPECT_EQ(to_rfc3339(parsed->time), "2026-03-02T09:15:00.120Z");
}

TEST(Time, ReadsTheFormsOfDeployedClientsAndSaysSo) {
    for (const char* text :
         {"2026-03-02T11:15:00+0200", "2026-03-02T09:15:00", "2026-03-02t09:15:00z"}) {
        const auto parsed = parse_time(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_FALSE(parsed->exact) << text;
        EXPECT_EQ(to_rfc3339(parsed->time), "2026-03-02T09:15:00.000Z") << text;
    }
    EXPECT_TRUE(parse_time("2026-03-02T11:15:00+02:00")->exact);
}

TEST(Time, RefusesWhatIsNoTime) {
    for (const char* text : {"", "now", "2026-13-02T09:15:00Z", "2026-02-30T09:15:00Z",
                             "2026-03-02", "2026-03-02T24:15:00Z", "2026-03-02T09:15:00.Z",
                             "2026-03-02T09:15:00Zx", "9999-03-02T09:15:00Z"}) {
        EXPECT_FALSE(parse_time(text)) << text;
    }
}

TEST(Uuid, VersionSevenSortsByTime) {
    SeededRandom random(1);
    const Uuid first = make_uuid_v7(wall_from_ns(1'700'000'000'000'000'000), random);
    const Uuid later = make_uuid_v7(wall_from_ns(1'700'000'000'001'000'000), random);
    EXPECT_EQ(first.version(), 7);
    EXPECT_LT(to_string(first), to_string(later));
    EXPECT_EQ(parse_uuid(to_string(first)), first);
    EXPECT_EQ(parse_uuid_base64(to_base64(first)), first);
    EXPECT_EQ(parse_uuid("urn:uuid:" + to_string(first)), first);
}

TEST(NetAddress, ReadsAndWritesBothFamilies) {
    EXPECT_EQ(to_string(*parse_net_address("127.0.0.1:5060")), "127.0.0.1:5060");
    EXPECT_EQ(to_string(*parse_net_address("[2001:db8::1]:5061")), "[2001:db8::1]:5061");
    EXPECT_TRUE(parse_net_address("127.0.0.2:1")->is_loopback());
    EXPECT_TRUE(parse_host("::", 0)->is_unspecified());
    EXPECT_TRUE(parse_host("0.0.0.0", 0)->is_unspecified());
    for (const char* bad : {"127.0.0.1", "::1:5060", "localhost:5060", "127.0.0.1:65536", ":5060"})
        EXPECT_FALSE(parse_net_address(bad)) << bad;
}

TEST(BoundedQueue, GivesTheNewestToWhoAsksForIt) {
    BoundedQueue<int> queue(3);
    EXPECT_FALSE(queue.try_pop_newest());
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(queue.try_push(int{i}));
    EXPECT_EQ(queue.try_pop_newest(), 3);
    EXPECT_EQ(queue.try_pop(), 1);
    EXPECT_EQ(queue.try_pop_newest(), 2);
    EXPECT_FALSE(queue.try_pop());
}

TEST(BoundedQueue, RefusesWhenFullAndDrainsAfterClose) {
    BoundedQueue<int> queue(2);
    EXPECT_TRUE(queue.try_push(1));
    EXPECT_TRUE(queue.try_push(2));
    EXPECT_FALSE(queue.try_push(3));
    queue.close();
    EXPECT_EQ(queue.pop(), 1);
    EXPECT_EQ(queue.pop(), 2);
    EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, WakesTheThreadThatWaits) {
    BoundedQueue<int> queue(1);
    std::thread producer([&] { EXPECT_TRUE(queue.try_push(7)); });
    EXPECT_EQ(queue.pop(), 7);
    producer.join();
}

TEST(BoundedQueue, WhatIsPushedQuietlyWakesOnlyWhenTheQueueFillsUp) {
    BoundedQueue<int> queue(4);
    EXPECT_TRUE(queue.try_push_quietly(1));
    EXPECT_EQ(queue.pop_for(std::chrono::nanoseconds{0}), 1);
    std::thread producer([&] {
        EXPECT_TRUE(queue.try_push_quietly(2));
        EXPECT_TRUE(queue.try_push_quietly(3));  // half full
    });
    EXPECT_EQ(queue.pop(), 2);
    producer.join();
    EXPECT_EQ(queue.pop(), 3);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.try_push_quietly(int{i}));
    EXPECT_FALSE(queue.try_push_quietly(4));
    queue.close();
    EXPECT_EQ(queue.pop(), 0);
    EXPECT_FALSE(queue.try_push_quietly(5));
}

TEST(SystemRandom, GivesNothingTwiceAcrossItsBlocks) {
    SystemRandom random;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random.u64());
    EXPECT_EQ(seen.size(), 1000U);
    Bytes large(5000);  // more than a block, from the middle of one
    random.fill(large);
    const auto zeros = std::count(large.begin(), large.end(), std::uint8_t{0});
    EXPECT_LT(zeros, 100);
}

TEST(JsonWriter, WritesNestedValuesWithCommasWhereTheyBelong) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("a", "b")
        .field("n", -3)
        .key("list")
        .begin_array()
        .text("x")
        .null()
        .begin_object()
        .end_object()
        .end_array()
        .key("empty")
        .begin_array()
        .end_array()
        .end_object();
    EXPECT_EQ(out, R"({"a":"b","n":-3,"list":["x",null,{}],"empty":[]})");
}

TEST(JsonWriter, EscapesAndMendsTexts) {
    std::string out;
    append_json_text(out, "a\"b\\c\n\x01\x7f\xc3\x85\xff");
    EXPECT_EQ(out, "\"a\\\"b\\\\c\\n\\u0001\\u007f\xc3\x85\xef\xbf\xbd\"");
}

TEST(LeReader, StaysFailedOnceReadPastTheEnd) {
    const Bytes bytes{1, 2, 3};
    LeReader reader(bytes);
    EXPECT_EQ(reader.read<std::uint16_t>(), 0x0201);
    EXPECT_EQ(reader.read<std::uint32_t>(), 0U);
    EXPECT_EQ(reader.read<std::uint8_t>(), 0);
    EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace earshot::base
