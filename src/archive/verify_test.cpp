#include "archive/verify.h"

#include <nlohmann/json.hpp>

#include "archive/archive_test_rig.h"
#include "archive/block_file.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

class VerifyTest : public ArchiveTest {
protected:
    void SetUp() override {
        records_.started();
        records_.sip(1, true, "INVITE sip:r@y SIP/2.0\r\nCall-ID: c1@a\r\n\r\n");
        records_.stream_added(5, 0, "1");
        records_.metadata(6, "<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>");
        Sender a{.records = records_};
        a.packets(4);
        records_.ended(190);
        build();
    }
    Verification verify() { return verify_recording(files_, directory_); }
    bool has_fault(std::string_view code, std::string_view part) {
        const Verification result = verify();
        return std::any_of(result.faults.begin(), result.faults.end(), [&](const Fault& fault) {
            return fault.code == code && fault.part == part;
        });
    }
};

TEST_F(VerifyTest, FindsNothingWrongWithWhatWasStored) {
    const Verification result = verify();
    EXPECT_TRUE(result.is_ok()) << to_json(result).dump(1);
    EXPECT_EQ(result.id, base::to_string(test_id()));
    EXPECT_EQ(result.parts, 1U);  // the file of all parts
    const base::Bytes key(key_.public_key().begin(), key_.public_key().end());
    EXPECT_TRUE(verify_recording(files_, directory_, key).is_ok());
}

TEST_F(VerifyTest, FindsEachFlippedByteOfEachFile) {
    std::size_t bytes = 0;
    for (const std::string& path : files_.paths()) {
        const std::size_t size = files_.content(path).size();
        for (std::size_t at = 0; at < size; ++at, ++bytes) {
            const auto flip = static_cast<std::uint8_t>(1U << (at % 8));
            files_.corrupt(path, at, flip);
            ASSERT_FALSE(verify().is_ok()) << path << " at " << at;
            files_.corrupt(path, at, flip);
        }
    }
    EXPECT_GT(bytes, 2000U);
    EXPECT_TRUE(verify().is_ok());
}

TEST_F(VerifyTest, NamesTheBlockAndItsPlace) {
    corrupt_part("packets", kFileHeaderBytes + kBlockHeaderBytes + 20, 1);
    const Verification result = verify();
    ASSERT_GE(result.faults.size(), 2U);
    EXPECT_EQ(result.faults[0].code, "hash");
    const Fault& fault = result.faults[1];
    EXPECT_EQ(fault.code, "block_crc");
    EXPECT_EQ(fault.part, "packets");
    EXPECT_EQ(fault.block, 0U);
    EXPECT_EQ(fault.offset, kFileHeaderBytes);
}

TEST_F(VerifyTest, FindsMissingExtraAndCutFiles) {
    files_.put(directory_ + "/more.wav", base::Bytes{1});
    EXPECT_TRUE(has_fault("extra", "more.wav"));
    ASSERT_TRUE(files_.remove(directory_ + "/more.wav"));
    const base::Bytes content = files_.content(content_path());
    files_.put(content_path(), base::ByteView(content).first(content.size() - 1));
    EXPECT_TRUE(has_fault("size", "content"));
    EXPECT_TRUE(has_fault("contents", "content"));
    ASSERT_TRUE(files_.remove(content_path()));
    EXPECT_TRUE(has_fault("missing", "content"));
    ASSERT_TRUE(files_.remove(directory_ + "/manifest.json"));
    EXPECT_TRUE(has_fault("missing", "manifest.json"));
}

TEST_F(VerifyTest, RefusesTheKeyOfAStranger) {
    const SigningKey other(Ed25519Bytes{9});
    const base::Bytes key(other.public_key().begin(), other.public_key().end());
    const Verification result = verify_recording(files_, directory_, key);
    ASSERT_EQ(result.faults.size(), 1U);
    EXPECT_EQ(result.faults[0].code, "wrong_key");
}

TEST(SigningKeyFile, IsMadeOnceAndKept) {
    io::FaultyFileSystem files;
    base::SeededRandom random(1);
    const auto first = load_or_create_signing_key(files, "data/keys", random);
    ASSERT_TRUE(first);
    const auto second = load_or_create_signing_key(files, "data/keys", random);
    ASSERT_TRUE(second);
    EXPECT_EQ(first->public_key(), second->public_key());
    const auto known = load_public_key(files, "data/keys");
    ASSERT_TRUE(known);
    EXPECT_EQ(*known, base::Bytes(first->public_key().begin(), first->public_key().end()));
}

TEST(SigningKeyFile, IsNeverReplacedWhenItCannotBeRead) {
    io::FaultyFileSystem files;
    ASSERT_TRUE(files.make_directories("keys"));
    files.put("keys/signing.key", base::as_bytes("earshot-ed25519-1 AAAA\n"));
    base::SeededRandom random(1);
    const auto key = load_or_create_signing_key(files, "keys", random);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, "bad_key");
}

TEST(SigningKeyFile, IsNotMadeAnewBesideItsPublicHalf) {
    io::FaultyFileSystem files;
    base::SeededRandom random(1);
    ASSERT_TRUE(load_or_create_signing_key(files, "keys", random));
    const base::Bytes known = files.content("keys/signing.pub");
    ASSERT_TRUE(files.remove("keys/signing.key"));
    for (const base::Bytes& there : {known, base::Bytes{'x'}}) {
        files.put("keys/signing.pub", there);
        const auto key = load_or_create_signing_key(files, "keys", random);
        ASSERT_FALSE(key);
        EXPECT_EQ(key.error().code, "bad_key");
        EXPECT_NE(key.error().text.find("from a backup"), std::string::npos);
        EXPECT_EQ(files.content("keys/signing.pub"), there);
    }
    ASSERT_TRUE(files.remove("keys/signing.pub"));
    EXPECT_TRUE(load_or_create_signing_key(files, "keys", random));
}

// RFC 8032 section 7.1, test 2.
TEST(SigningKey, SignsLikeTheExampleOfRfc8032) {
    const auto secret =
        base::parse_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    Ed25519Bytes bytes{};
    std::copy(secret->begin(), secret->end(), bytes.begin());
    const SigningKey key(bytes);
    EXPECT_EQ(base::to_hex(key.public_key()),
              "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    const base::Bytes message{0x72};
    const base::Bytes signature = key.sign(message);
    EXPECT_EQ(base::to_hex(signature),
              "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
              "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    EXPECT_TRUE(verify_signature(key.public_key(), message, signature));
    EXPECT_FALSE(verify_signature(key.public_key(), base::Bytes{0x73}, signature));
}

// ---- the blocks themselves

class BlockFileTest : public testing::Test {
protected:
    std::unique_ptr<io::File> make_file(std::size_t records, std::size_t size) {
        auto file = *files_.create("packets");
        BlockWriter writer(*file, BlockFileKind::Packets, test_id());
        for (std::size_t i = 0; i < records; ++i) {
            journal::RecordHeader header;
            header.type = journal::RecordType::Rtp;
            header.stream = static_cast<std::uint16_t>(i % 3);
            header.arrival_ns = static_cast<std::int64_t>(i);
            EXPECT_TRUE(writer.append(header, base::Bytes(size, static_cast<std::uint8_t>(i))));
        }
        EXPECT_TRUE(writer.finish());
        blocks_ = writer.blocks();
        return file;
    }
    io::FaultyFileSystem files_;
    std::uint64_t blocks_ = 0;
};

TEST_F(BlockFileTest, GivesBackWhatWasWritten) {
    const auto file = make_file(5000, 200);
    EXPECT_GT(blocks_, 3U);
    BlockReader reader(*file);
    ASSERT_TRUE(reader.open());
    std::size_t count = 0;
    while (true) {
        const auto block = reader.next();
        ASSERT_TRUE(block);
        if (!block->has_value()) break;
        BlockRecords records((*block)->raw);
        journal::Record record;
        while (*records.next(record)) {
            EXPECT_EQ(record.header.arrival_ns, static_cast<std::int64_t>(count));
            EXPECT_EQ(record.header.stream, count % 3);
            EXPECT_EQ(record.payload.size(), 200U);
            ++count;
        }
    }
    EXPECT_EQ(count, 5000U);
}

TEST_F(BlockFileTest, RefusesEachTruncation) {
    const auto file = make_file(3, 20);
    const base::Bytes whole = files_.content("packets");
    for (std::size_t size = kFileHeaderBytes + 1; size < whole.size(); ++size) {
        files_.put("cut", base::ByteView(whole).first(size));
        const auto cut = *files_.open_for_reading("cut");
        BlockReader reader(*cut);
        ASSERT_TRUE(reader.open());
        EXPECT_FALSE(reader.next()) << size;
    }
}

TEST_F(BlockFileTest, RefusesARecordThatNoBlockHolds) {
    auto file = *files_.create("packets");
    BlockWriter writer(*file, BlockFileKind::Packets, test_id());
    const std::size_t limit = kMaxBlockRawBytes - kBlockTargetBytes - kRecordHeaderBytes;
    EXPECT_TRUE(writer.append({}, base::Bytes(limit)));
    EXPECT_FALSE(writer.append({}, base::Bytes(limit + 1)));
}

TEST_F(BlockFileTest, IsAHeaderAloneWithoutRecords) {
    const auto file = make_file(0, 0);
    EXPECT_EQ(files_.content("packets").size(), kFileHeaderBytes);
    BlockReader reader(*file);
    ASSERT_TRUE(reader.open());
    const auto block = reader.next();
    ASSERT_TRUE(block);
    EXPECT_FALSE(block->has_value());
}

}  // namespace
}  // namespace earshot::archive
