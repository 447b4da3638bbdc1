#include "journal/run_cipher.h"

#include <cerrno>

#include "journal/journal_test_rig.h"

namespace earshot::journal {
namespace {

using base::Bytes;

const std::string kFirst = io::join_path(Rig::kDirectory, segment_name(1));
const std::string kSecret = "what was said in this call is nobody's business";

std::size_t count_of(const io::FaultyFileSystem& files, std::string_view text) {
    std::size_t count = 0;
    for (const std::string& path : files.paths()) {
        const Bytes content = files.content(path);
        for (std::size_t at = 0; (at = base::as_text(content).find(text, at)) != std::string::npos;)
            at += text.size(), ++count;
    }
    return count;
}

// Two recordings, two frames.
void record_secrets(io::FaultyFileSystem& files, Options options = Rig::small_options()) {
    Rig rig(files, std::move(options));
    const auto one = rig.journal.writer().open(test_uuid(1));
    const auto two = rig.journal.writer().open(test_uuid(2));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(rig.append(one, base::as_bytes(kSecret)));
        ASSERT_TRUE(rig.append(two, base::as_bytes(kSecret)));
        ASSERT_TRUE(rig.append(one, base::as_bytes(kSecret)));
        rig.commit();
    }
}

TEST(EncryptedJournal, HoldsNothingThatWasSaid) {
    io::FaultyFileSystem files;
    record_secrets(files);
    EXPECT_EQ(count_of(files, kSecret), 0U);
    Options open = Rig::small_options();
    open.keys = nullptr;
    record_secrets(files, open);
    EXPECT_EQ(count_of(files, kSecret), 6U);  // the search finds what is there
}

TEST(EncryptedJournal, HasAKeyOfItsOwnForEachSegment) {
    io::FaultyFileSystem files;
    record_secrets(files);
    record_secrets(files);
    const auto first = parse_segment_header(files.content(kFirst));
    const auto second =
        parse_segment_header(files.content(io::join_path(Rig::kDirectory, segment_name(2))));
    ASSERT_TRUE(first && second && first->key && second->key);
    EXPECT_EQ(first->key->wrapped_by, test_keys().current());
    EXPECT_NE(first->key->bytes, second->key->bytes);
    EXPECT_NE(first->key->bytes, crypto::WrappedKey{}.bytes);
}

TEST(EncryptedJournal, WithoutItsKeyIsLeftAloneAndReadLater) {
    io::FaultyFileSystem files;
    record_secrets(files);
    base::SeededRandom random(2);
    const crypto::KeyRing strange(test_uuid(0xef), crypto::SecretKey::generate(random));
    for (const crypto::KeyWrapper* keys : {static_cast<const crypto::KeyWrapper*>(nullptr),
                                           static_cast<const crypto::KeyWrapper*>(&strange)}) {
        Options options = Rig::small_options();
        options.keys = keys;
        RecordedListener listener;
        const Recovery recovery = recover(files, options.directories, keys);
        EXPECT_TRUE(recovery.recordings.empty());
        EXPECT_EQ(recovery.damage.read_errors, 1U);  // not lost, so no row is given up for it
        EXPECT_EQ(recovery.damage.last_errno, ENOKEY);
        EXPECT_FALSE(recovery.segments.at(0).readable);
        Journal journal(files, options, recovery, listener);
        journal.committer().step({});
        EXPECT_EQ(files.paths().size(), 1U);
    }
    EXPECT_EQ(recover(files, {Rig::kDirectory}, &test_keys()).recordings.size(), 2U);
}

TEST(EncryptedJournal, TellsAReaderThatItsKeyIsMissing) {
    io::FaultyFileSystem files;
    record_secrets(files);
    const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
    RecordReader reader(files, {Rig::kDirectory}, test_uuid(1), recovery.recordings.at(0).extents);
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.damage().read_errors, 2U);
    EXPECT_EQ(reader.damage().last_errno, ENOKEY);
}

// Whoever can write to the disk changes a bit of sound: the record's checksum is linear, the tag
// is not.
TEST(EncryptedJournal, NoticesEachAlteredByteOfARun) {
    base::SeededRandom random(3);
    RunCipher cipher(crypto::SecretKey::generate(random));
    const Bytes records(100, 9);
    Bytes run(kRunSealSize + records.size());
    cipher.seal(test_uuid(1), 5, 6, records, run);
    for (std::size_t at = 0; at < run.size(); ++at) {
        if (at >= kRunSealSize - 4 && at < kRunSealSize) continue;  // zeros without a meaning
        Bytes altered = run;
        altered[at] ^= 1;
        EXPECT_FALSE(cipher.open(test_uuid(1), altered)) << at;
    }
    Bytes copy = run;
    EXPECT_FALSE(cipher.open(test_uuid(2), copy));
    for (std::size_t size = 0; size < run.size(); ++size) {
        Bytes cut(run.begin(), run.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(cipher.open(test_uuid(1), cut)) << size;
    }
    ASSERT_TRUE(cipher.open(test_uuid(1), run));
    EXPECT_TRUE(std::equal(records.begin(), records.end(), run.begin() + kRunSealSize));
}

TEST(EncryptedJournal, KeepsTheOtherRecordsOfAnAlteredRunAndTellsOfIt) {
    io::FaultyFileSystem files;
    record_secrets(files);
    const Recovery before = recover(files, {Rig::kDirectory}, &test_keys());
    const Extent run = before.recordings.at(0).extents.to_vector().at(0);
    files.corrupt(kFirst, run.offset + kRunSealSize + kRecordHeaderSize + 3, 1);
    Damage damage;
    EXPECT_EQ(read_payloads(files, test_uuid(1), before.recordings.at(0).extents, &damage).size(),
              3U);
    EXPECT_EQ(damage.bad_frames, 1U);
    EXPECT_EQ(damage.bad_records, 1U);
    const Recovery after = recover(files, {Rig::kDirectory}, &test_keys());
    EXPECT_EQ(after.recordings.at(0).record_count, 3U);
    EXPECT_EQ(after.damage.bad_frames, 1U);
}

}  // namespace
}  // namespace earshot::journal
