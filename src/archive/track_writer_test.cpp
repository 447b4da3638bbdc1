#include "archive/track_writer.h"

#include <gtest/gtest.h>

#include "io/faulty_file.h"

namespace earshot::archive {
namespace {

// The payload of record n; some can be packed, others cannot.
base::Bytes payload_of(std::uint32_t n) {
    base::Bytes bytes(4000, 7);
    if (n / 500 % 2 == 0) base::SeededRandom(n).fill(bytes);
    base::store_le<std::uint32_t>(bytes, 0, n);
    return bytes;
}

TEST(StoredRecords, AreTheSameFromMemoryAndFromTheFile) {
    io::FaultyFileSystem files;
    auto file = files.create("packets");
    ASSERT_TRUE(file);
    BlockWriter writer(**file, BlockFileKind::Packets, {});
    std::vector<RecordPlace> places;
    for (std::uint32_t n = 0; n < 6000; ++n) {
        const auto place = writer.append(
            {.type = journal::RecordType::Rtp, .stream = 1, .arrival_ns = n}, payload_of(n));
        ASSERT_TRUE(place);
        places.push_back(*place);
    }
    ASSERT_TRUE(writer.finish());
    ASSERT_FALSE(writer.kept_block(0).empty());
    ASSERT_TRUE(writer.kept_block(static_cast<std::uint32_t>(writer.blocks() - 1)).empty());
    StoredRecords records(**file, writer);
    for (std::uint32_t n = 0; n < 6000; n += 7) {
        const auto record = records.find(places[n]);
        ASSERT_TRUE(record) << n;
        EXPECT_EQ(record->header.arrival_ns, n);
        const base::Bytes expected = payload_of(n);
        ASSERT_TRUE(std::equal(record->payload.begin(), record->payload.end(), expected.begin(),
                               expected.end()))
            << n;
    }
    // Some blocks were packed: what is in memory is what was given, not what was written.
    EXPECT_LT(writer.size(), std::uint64_t{6000} * 4000 * 3 / 4);
}

}  // namespace
}  // namespace earshot::archive
