#include "journal/format.h"

#include <gtest/gtest.h>

#include <limits>

#include "journal/extent.h"

namespace earshot::journal {
namespace {

using base::Bytes;
using base::Errc;

FrameHeader sample_header() {
    FrameHeader header{.run_id = 7, .number = 9, .segment = 3, .records = 3, .payload_length = 80};
    header.monotonic_ns = -5;
    header.realtime_ns = 1'700'000'000'000'000'000;
    header.boot_id.fill(0xab);
    header.payload_crc = 0x12345678;
    header.table.push_back({.offset = 160, .length = 48, .records = 2});
    header.table.push_back({.offset = 208, .length = 32, .records = 1});
    header.table[0].recording.bytes.fill(1);
    header.table[1].recording.bytes.fill(2);
    return header;
}

Bytes frame_bytes(const FrameHeader& header) {
    Bytes bytes(header.size());
    write_frame_header(header, bytes);
    return bytes;
}

TEST(SegmentHeader, ReadsBackWhatWasWritten) {
    SegmentHeader header{
        .worker = 2, .segment = 0xfffffffe, .created_ns = -1, .run_id = 0x1122334455667788};
    header.boot_id.fill(9);
    const auto parsed = parse_segment_header(write_segment_header(header));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->worker, 2);
    EXPECT_EQ(parsed->segment, 0xfffffffeU);
    EXPECT_EQ(parsed->created_ns, -1);
    EXPECT_EQ(parsed->run_id, 0x1122334455667788U);
    EXPECT_EQ(parsed->boot_id, header.boot_id);
}

TEST(SegmentHeader, NoticesEachFlippedByteAndEachTruncation) {
    auto bytes = write_segment_header({.segment = 1});
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] ^= 0x40;
        EXPECT_FALSE(parse_segment_header(bytes)) << i;
        bytes[i] ^= 0x40;
    }
    for (std::size_t i = 0; i < bytes.size(); i += 41) {
        EXPECT_EQ(parse_segment_header(base::ByteView(bytes).first(i)).error().code,
                  Errc::Malformed);
    }
}

TEST(FrameHeader, ReadsBackWhatWasWritten) {
    const FrameHeader header = sample_header();
    FrameHeader parsed;
    ASSERT_TRUE(parse_frame_header(frame_bytes(header), parsed));
    EXPECT_EQ(frame_bytes(parsed), frame_bytes(header));
    EXPECT_EQ(parsed.monotonic_ns, -5);
    EXPECT_EQ(parsed.table[1].recording.bytes[0], 2);
    EXPECT_EQ(parsed.table[1].records, 1U);
}

TEST(FrameHeader, NoticesEachFlippedByteAndEachTruncation) {
    const FrameHeader header = sample_header();
    Bytes bytes = frame_bytes(header);
    FrameHeader parsed;
    for (std::size_t i = 0; i < header.payload_offset(); ++i) {
        bytes[i] ^= 1;
        EXPECT_FALSE(parse_frame_header(bytes, parsed)) << i;
        bytes[i] ^= 1;
        EXPECT_FALSE(parse_frame_header(base::ByteView(bytes).first(i), parsed)) << i;
    }
    EXPECT_TRUE(parse_frame_header(base::ByteView(bytes).first(header.payload_offset()), parsed));
}

// The checksum is no secret: whoever can write the disk can make it right.
TEST(FrameHeader, RefusesATableThatDoesNotDescribeTheFrame) {
    FrameHeader parsed;
    const auto is_refused = [&](auto change) {
        FrameHeader header = sample_header();
        change(header);
        Bytes bytes(2 * kMaxFrameBytes);
        write_frame_header(header, bytes);
        return !parse_frame_header(bytes, parsed).has_value();
    };
    EXPECT_FALSE(is_refused([](FrameHeader&) {}));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table[0].offset = 168; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table[0].length = 40; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table[1].length = 0xfffffff8; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table[1].records = 0; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table[1].records = 2; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.records = 4; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.payload_length = 88; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.payload_length = kMaxFrameBytes; }));
    EXPECT_TRUE(is_refused([](FrameHeader& h) { h.table.resize(kMaxRecordingsPerFrame + 1); }));
}

TEST(FrameHeader, MayFillAFrameToTheLastByte) {
    FrameHeader header;
    constexpr auto kLength =
        static_cast<std::uint32_t>(kMaxFrameBytes - kFrameHeaderSize - kTableEntrySize);
    header.records = 1;
    header.payload_length = kLength;
    header.table.push_back(
        {.offset = kFrameHeaderSize + kTableEntrySize, .length = kLength, .records = 1});
    Bytes bytes(kMaxFrameBytes);
    write_frame_header(header, bytes);
    FrameHeader parsed;
    EXPECT_TRUE(parse_frame_header(bytes, parsed));
    EXPECT_EQ(parsed.size(), kMaxFrameBytes);
}

Bytes record_bytes(const base::Uuid& recording, std::size_t length, std::int64_t arrival_ns) {
    Bytes bytes(record_size(length));
    write_record_header({.type = RecordType::Rtcp, .stream = 4, .arrival_ns = arrival_ns}, 6,
                        static_cast<std::uint32_t>(length), bytes);
    for (std::size_t i = 0; i < length; ++i) {
        bytes[kRecordHeaderSize + i] = static_cast<std::uint8_t>(i);
    }
    seal_record(std::span(bytes).first(kRecordHeaderSize + length), recording);
    return bytes;
}

TEST(Record, ReadsBackWhatWasWritten) {
    const base::Uuid recording{.bytes = {1, 2, 3}};
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8},
                                     std::size_t{200}, kMaxRecordPayloadBytes}) {
        const Bytes bytes = record_bytes(recording, length, -9);
        std::size_t budget = 0;
        const auto found = find_record(bytes, 0, recording, budget);
        ASSERT_TRUE(found) << length;
        EXPECT_EQ(found->end, bytes.size());
        EXPECT_EQ(found->record.payload.size(), length);
        EXPECT_EQ(found->record.header.type, RecordType::Rtcp);
        EXPECT_EQ(found->record.header.stream, 4);
        EXPECT_EQ(found->record.header.arrival_ns, -9);
        EXPECT_EQ(record_index(bytes), 6);
    }
}

TEST(Record, IsRefusedOnePastItsLimit) {
    const base::Uuid recording{};
    const Bytes bytes = record_bytes(recording, kMaxRecordPayloadBytes + 1, 0);
    std::size_t budget = kSearchBudgetBytes;
    EXPECT_FALSE(find_record(bytes, 0, recording, budget));
}

TEST(Record, BelongsToItsRecordingAlone) {
    const base::Uuid recording{.bytes = {1}};
    const Bytes bytes = record_bytes(recording, 30, 0);
    std::size_t budget = kSearchBudgetBytes;
    EXPECT_FALSE(find_record(bytes, 0, base::Uuid{.bytes = {2}}, budget));
}

TEST(Record, AfterAFlippedByteTheNextOneIsFound) {
    const base::Uuid recording{.bytes = {1}};
    Bytes bytes = record_bytes(recording, 30, 1);
    const std::size_t size = bytes.size();
    base::append(bytes, record_bytes(recording, 50, 2));
    for (std::size_t i = 0; i < kRecordHeaderSize + 30; ++i) {
        bytes[i] ^= 0x80;
        std::size_t budget = kSearchBudgetBytes;
        const auto found = find_record(bytes, 0, recording, budget);
        ASSERT_TRUE(found) << i;
        EXPECT_EQ(found->begin, size);
        EXPECT_EQ(found->record.header.arrival_ns, 2);
        bytes[i] ^= 0x80;
    }
}

TEST(Record, TheSearchEndsWithItsBudget) {
    const base::Uuid recording{.bytes = {1}};
    Bytes bytes(kRecordAlignment);
    base::append(bytes, record_bytes(recording, 50, 2));
    std::size_t budget = kRecordHeaderSize + 50 - 1;
    EXPECT_FALSE(find_record(bytes, 0, recording, budget));
    budget += 1;
    EXPECT_TRUE(find_record(bytes, 0, recording, budget));
    EXPECT_EQ(budget, 0U);
}

TEST(ExtentList, GivesBackWhatWasAppended) {
    constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
    const std::vector<Extent> extents{{1, 4096, 200},     {1, 8192, 300}, {1, 8000, 8},
                                      {2, 4096, 7},       {9, 0, kMax},   {9, kMax, 1},
                                      {kMax, kMax, kMax}, {1, 0, 0}};
    ExtentList list;
    for (const Extent& extent : extents) list.append(extent);
    EXPECT_EQ(list.to_vector(), extents);
    EXPECT_EQ(list.size(), extents.size());
    EXPECT_EQ(list.segments(), (std::vector<std::uint32_t>{1, 2, 9, kMax}));
    EXPECT_EQ(list.total_bytes(), 200U + 300 + 8 + 7 + 2 * std::uint64_t{kMax} + 1);
}

TEST(ClockSamples, AreKeptWhenTheWallClockSteps) {
    std::vector<ClockSample> clocks;
    append_if_stepped(clocks, {0, 1'000});
    append_if_stepped(clocks, {200'000'000, 200'001'000});
    append_if_stepped(clocks, {400'000'000, 401'001'000});  // a millisecond: not yet a step
    EXPECT_EQ(clocks.size(), 1U);
    append_if_stepped(clocks, {600'000'000, 601'001'001});
    EXPECT_EQ(clocks.size(), 2U);
}

}  // namespace
}  // namespace earshot::journal
