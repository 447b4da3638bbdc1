#include "archive/sealed_part.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <random>

#include "base/text.h"
#include "io/faulty_file.h"

namespace earshot::archive {
namespace {

using base::Bytes;
using base::Errc;
using crypto::SecretKey;

constexpr std::size_t kChunk = kSealedChunkBytes;

base::Uuid id_of(std::uint8_t last) {
    base::Uuid id = *base::parse_uuid("0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a00");
    id.bytes.back() = last;
    return id;
}

SecretKey key_of(std::uint8_t fill) { return SecretKey::from(Bytes(crypto::kKeyBytes, fill)); }

PartId part_id(std::uint32_t number = 1, std::string name = "packets") {
    return {.recording = id_of(1), .number = number, .name = std::move(name)};
}

// Unlike each other at all places near and far.
Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8U) * 7 + (i >> 16U));
    return bytes;
}

class SealedPartTest : public testing::Test {
protected:
    std::unique_ptr<SealedWriter> create(const std::string& path, const PartId& id = part_id(),
                                         std::uint8_t key = 7) {
        auto file = files_.create(path);
        EXPECT_TRUE(file);
        return std::make_unique<SealedWriter>(std::move(*file), key_of(key), id);
    }
    void store(const std::string& path, base::ByteView plain, const PartId& id = part_id(),
               std::uint8_t key = 7) {
        const auto writer = create(path, id, key);
        EXPECT_TRUE(writer->write_at(0, plain));
        EXPECT_TRUE(writer->finish());
    }
    base::Result<std::unique_ptr<SealedReader>> open(const std::string& path,
                                                     const std::string& name = "packets",
                                                     std::uint8_t key = 7,
                                                     std::uint8_t recording = 1) {
        auto file = files_.open_for_reading(path);
        EXPECT_TRUE(file);
        return SealedReader::open(std::move(*file), key_of(key), id_of(recording), name);
    }
    base::Result<Bytes> read(const std::string& path, const std::string& name = "packets") {
        const auto reader = open(path, name);
        if (!reader) return reader.error();
        Bytes bytes(static_cast<std::size_t>(*(*reader)->size()));
        const auto count = (*reader)->read_at(0, bytes);
        if (!count) return count.error();
        EXPECT_EQ(*count, bytes.size());
        return bytes;
    }

    io::FaultyFileSystem files_;
};

TEST_F(SealedPartTest, ReadsBackWhatWasWrittenOfEachSize) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kChunk - 1, kChunk, kChunk + 1,
                                   2 * kChunk, 2 * kChunk + 1, 5 * kChunk - 1, 5 * kChunk}) {
        const std::string path = std::to_string(size);
        const Bytes plain = pattern(size);
        store(path, plain);
        const auto back = read(path);
        ASSERT_TRUE(back) << size << ": " << back.error().what;
        EXPECT_EQ(*back, plain) << size;
        const std::size_t chunks = (size + kChunk - 1) / kChunk;
        EXPECT_EQ(files_.content(path).size(), 32 + size + 16 * chunks + 24);
    }
}

TEST_F(SealedPartTest, ReadsAnyPlaceAsThePlainFileWould) {
    const Bytes plain = pattern(4 * kChunk + 777);
    store("p", plain);
    const auto reader = open("p");
    ASSERT_TRUE(reader);
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): it repeats
    for (int i = 0; i < 500; ++i) {
        const std::size_t offset = random() % (plain.size() + 100);
        Bytes out(random() % (i % 2 == 0 ? 300 : 3 * kChunk), 0xee);
        const auto count = (*reader)->read_at(offset, out);
        ASSERT_TRUE(count);
        const std::size_t expected =
            offset >= plain.size() ? 0 : std::min(out.size(), plain.size() - offset);
        ASSERT_EQ(*count, expected);
        ASSERT_TRUE(std::equal(
            out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected),
            plain.begin() + static_cast<std::ptrdiff_t>(std::min(offset, plain.size()))));
    }
}

TEST_F(SealedPartTest, IsWrittenInPiecesOfAnySize) {
    const Bytes plain = pattern(3 * kChunk + 5);
    for (const std::size_t piece : {std::size_t{1000}, kChunk - 1, kChunk, kChunk + 1}) {
        const std::string path = std::to_string(piece);
        const auto writer = create(path);
        for (std::size_t at = 0; at < plain.size(); at += piece)
            ASSERT_TRUE(writer->write_at(
                at, base::ByteView(plain).subspan(at, std::min(piece, plain.size() - at))));
        ASSERT_TRUE(writer->finish());
        EXPECT_EQ(*read(path), plain);
    }
}

TEST_F(SealedPartTest, CanBeReadWhileItIsWritten) {
    const Bytes plain = pattern(2 * kChunk + 500);
    const auto writer = create("p");
    std::size_t size = 0;
    for (const std::size_t piece : {std::size_t{100}, kChunk, std::size_t{7}, kChunk - 7}) {
        ASSERT_TRUE(writer->write_at(size, base::ByteView(plain).subspan(size, piece)));
        size += piece;
        for (std::size_t at = 0; at < size; at += 9973) {
            Bytes out(kChunk + 3);
            const auto count = writer->read_at(at, out);
            ASSERT_TRUE(count);
            ASSERT_EQ(*count, std::min(out.size(), size - at));
            ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*count),
                                   plain.begin() + static_cast<std::ptrdiff_t>(at)));
        }
    }
    Bytes rest(1);
    EXPECT_EQ(*writer->read_at(size, rest), 0U);
    ASSERT_TRUE(writer->finish());
    EXPECT_EQ(*read("p"), Bytes(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(size)));
}

// As a track is written: its header, the samples with gaps, the length.
TEST_F(SealedPartTest, GapsAreZerosAndWhatWasWrittenStays) {
    Bytes plain(7 * kChunk + 100, 0);
    const auto writer = create("tracks");
    const auto put = [&](std::size_t at, std::size_t size, std::uint8_t fill) {
        const Bytes bytes(size, fill);
        if (!writer->write_at(at, bytes)) return false;
        std::copy(bytes.begin(), bytes.end(), plain.begin() + static_cast<std::ptrdiff_t>(at));
        return true;
    };
    EXPECT_TRUE(put(0, 44, 6));
    EXPECT_TRUE(writer->write_at(400, {}));  // nothing, and so no gap
    EXPECT_EQ(*writer->size(), 44U);
    EXPECT_TRUE(put(500, 10, 1));
    EXPECT_TRUE(put(kChunk - 5, 10, 2));
    EXPECT_TRUE(put(4 * kChunk + 7, 2 * kChunk, 3));
    EXPECT_FALSE(put(6 * kChunk + 6, 5, 4));
    EXPECT_TRUE(put(6 * kChunk + 7, 5, 4));
    EXPECT_TRUE(writer->truncate(plain.size()));
    EXPECT_EQ(*writer->size(), plain.size());
    EXPECT_FALSE(put(0, 1, 7));
    EXPECT_FALSE(writer->truncate(plain.size() - 1));
    EXPECT_TRUE(writer->finish());
    EXPECT_EQ(*read("tracks"), plain);
}

TEST_F(SealedPartTest, HoldsNothingThatCanBeRead) {
    store("p", Bytes(2 * kChunk, 'x'));
    const Bytes stored = files_.content("p");
    const Bytes needle(4, 'x');
    EXPECT_EQ(std::search(stored.begin(), stored.end(), needle.begin(), needle.end()),
              stored.end());
}

// Two chunks of the same bytes, two parts of the same bytes: a nonce that came twice would show.
TEST_F(SealedPartTest, NoTwoChunksAreSealedAlike) {
    store("a", Bytes(3 * kChunk, 0), part_id(1));
    store("b", Bytes(3 * kChunk, 0), part_id(2));
    std::vector<Bytes> chunks;
    for (const char* path : {"a", "b"}) {
        const Bytes stored = files_.content(path);
        for (std::size_t at = 32; at + 64 < stored.size(); at += kSealedStride)
            chunks.emplace_back(stored.begin() + static_cast<std::ptrdiff_t>(at),
                                stored.begin() + static_cast<std::ptrdiff_t>(at + 64));
    }
    std::sort(chunks.begin(), chunks.end());
    EXPECT_EQ(std::unique(chunks.begin(), chunks.end()), chunks.end());
    EXPECT_EQ(chunks.size(), 6U);
}

TEST_F(SealedPartTest, FindsEachFlippedBit) {
    const Bytes plain = pattern(100);
    store("p", plain);
    const std::size_t size = files_.content("p").size();
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
        files_.corrupt("p", bit / 8, static_cast<std::uint8_t>(1U << bit % 8));
        const auto back = read("p");
        ASSERT_FALSE(back) << "bit " << bit;
        EXPECT_TRUE(back.error().code == Errc::Malformed || back.error().code == Errc::Unsupported);
        files_.corrupt("p", bit / 8, static_cast<std::uint8_t>(1U << bit % 8));
    }
    EXPECT_EQ(*read("p"), plain);
}

TEST_F(SealedPartTest, FindsEachTruncation) {
    for (const std::size_t size : {std::size_t{100}, kChunk + 3}) {
        const std::string path = std::to_string(size);
        store(path, pattern(size));
        const Bytes stored = files_.content(path);
        const std::size_t step = stored.size() > 1000 ? 977 : 1;
        for (std::size_t cut = 0; cut < stored.size(); cut += step) {
            files_.put("cut", base::ByteView(stored).first(cut));
            ASSERT_FALSE(read("cut")) << cut;
        }
        files_.put("cut", base::ByteView(stored).first(stored.size() - 1));
        EXPECT_FALSE(read("cut"));
        Bytes longer = stored;
        longer.insert(longer.end() - kSealedTrailerBytes, kSealedStride, 0);
        files_.put("cut", longer);
        EXPECT_FALSE(read("cut"));
    }
}

TEST_F(SealedPartTest, GivesWhatIsWholeOfADamagedPart) {
    const Bytes plain = pattern(3 * kChunk);
    store("p", plain);
    files_.corrupt("p", 32 + kSealedStride + 1000, 1);
    const auto reader = open("p");
    ASSERT_TRUE(reader);
    Bytes out(kChunk);
    EXPECT_TRUE((*reader)->read_at(0, out));
    const auto bad = (*reader)->read_at(kChunk + 10, std::span(out).first(10));
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, Errc::Malformed);
    EXPECT_EQ(bad.error().detail, kChunk);
    EXPECT_TRUE((*reader)->read_at(2 * kChunk, out));
    EXPECT_TRUE(std::equal(out.begin(), out.end(), plain.end() - kChunk));
}

TEST_F(SealedPartTest, FindsSwappedChunksPartsRecordingsAndKeys) {
    store("p", pattern(3 * kChunk));
    Bytes stored = files_.content("p");
    std::swap_ranges(stored.begin() + 32, stored.begin() + 32 + kSealedStride,
                     stored.begin() + 32 + kSealedStride);
    files_.put("swapped", stored);
    EXPECT_FALSE(read("swapped"));

    EXPECT_FALSE(open("p", "signalling"));
    EXPECT_FALSE(open("p", "packets", 8));
    EXPECT_FALSE(open("p", "packets", 7, 2));

    // A chunk of another part of the same recording, in its place.
    store("q", pattern(3 * kChunk), part_id(2));
    const Bytes other = files_.content("q");
    stored = files_.content("p");
    std::copy_n(other.begin() + 32, kSealedStride, stored.begin() + 32);
    files_.put("mixed", stored);
    EXPECT_FALSE(read("mixed"));
}

TEST_F(SealedPartTest, AfterAFailedWriteNothingMoreIsSealed) {
    const auto writer = create("p");
    files_.fail_call(1, ENOSPC);
    EXPECT_EQ(writer->write_at(kChunk, pattern(2 * kChunk)).error().detail, std::size_t{ENOSPC});
    EXPECT_FALSE(writer->write_at(kChunk, Bytes(2 * kChunk, 1)));
    EXPECT_FALSE(writer->finish());
}

TEST_F(SealedPartTest, ReportsWhatTheDiskSays) {
    store("p", pattern(10));
    const auto reader = open("p");
    files_.fail_reads(EIO);
    Bytes out(10);
    EXPECT_EQ((*reader)->read_at(0, out).error().code, Errc::Io);
}

// Version 1 as it was released: key of 32 bytes 7, recording ...4a01, part 3, "golden". It was made
// by another program than this one (Python's `cryptography`).
TEST_F(SealedPartTest, ReadsTheFirstVersion) {
    files_.put("golden",
               *base::parse_hex("4541525348454e4301000000030000000195a1b2c3d47e5f8a9b0c1d2e3f"
                                "4a01fbd54ddb6d4487bb1c89e49d8a661673ca2b8469d759f80a6969e899"
                                "9ba80021a455b847a9bdba72afba9c0056911e0000000000000034666984"
                                "59981cbce57d9b137220ffd9"));
    const auto back = read("golden", "golden");
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(base::as_text(*back), "what one said on the telephone");
    store("again", *back, part_id(3, "golden"));
    EXPECT_EQ(files_.content("again"), files_.content("golden"));
}

TEST_F(SealedPartTest, LaterVersionsAreNotGuessedAt) {
    store("p", pattern(10));
    files_.corrupt("p", 8, 3);
    EXPECT_EQ(open("p").error().code, Errc::Unsupported);
}

}  // namespace
}  // namespace earshot::archive
