// The promise of the journal: what was acknowledged is read back byte for byte, whichever write or
// sync fails, and at whichever point the power is lost.
#include <algorithm>
#include <cerrno>

#include "journal/journal_test_rig.h"

namespace earshot::journal {
namespace {

using base::Bytes;

constexpr std::uint8_t kRecordings = 3;
constexpr std::uint32_t kRounds = 25;

struct Acknowledged {
    std::vector<Bytes> appended[kRecordings + 1];
    std::size_t durable[kRecordings + 1] = {};  // so many of them
};

// Three recordings over several segments; a token for each round.
Acknowledged run_calls(Rig& rig) {
    Acknowledged result;
    std::vector<RecordingHandle> handles(kRecordings + 1);
    for (std::uint8_t r = 1; r <= kRecordings; ++r) {
        handles[r] = rig.journal.writer().open(test_uuid(r));
    }
    std::vector<std::array<std::size_t, kRecordings + 1>> at_token(kRounds);
    for (std::uint32_t round = 0; round < kRounds; ++round) {
        for (std::uint32_t i = 0; i < 4; ++i) {
            for (std::uint8_t r = 1; r <= kRecordings; ++r) {
                const Bytes payload = test_payload(r, round * 4 + i);
                if (rig.append(handles[r], payload)) result.appended[r].push_back(payload);
            }
        }
        if (rig.journal.writer().notify_when_durable(round)) {
            for (std::uint8_t r = 1; r <= kRecordings; ++r) {
                at_token[round][r] = result.appended[r].size();
            }
        }
        rig.elapsed += std::chrono::seconds(2);  // whatever failed is tried again
        rig.commit();
    }
    for (int i = 0; i < 5; ++i) rig.commit_late();
    for (const std::uint64_t token : rig.listener.durable) {
        for (std::uint8_t r = 1; r <= kRecordings; ++r) {
            result.durable[r] = std::max(result.durable[r], at_token[token][r]);
        }
    }
    return result;
}

bool is_subsequence(const std::vector<Bytes>& part, const std::vector<Bytes>& whole) {
    auto at = whole.begin();
    for (const Bytes& item : part) {
        at = std::find(at, whole.end(), item);
        if (at == whole.end()) return false;
        ++at;
    }
    return true;
}

// All that was acknowledged is there, and what else is there was appended, in that order.
void expect_kept(io::FaultyFileSystem& files, const Acknowledged& run,
                 const std::vector<std::string>& directories) {
    const Recovery recovery = recover(files, directories, &test_keys());
    for (std::uint8_t r = 1; r <= kRecordings; ++r) {
        const RecoveredRecording* const found = find_recovered(recovery, test_uuid(r));
        if (found == nullptr) {
            EXPECT_EQ(run.durable[r], 0U);
            continue;
        }
        const auto payloads =
            read_payloads(files, test_uuid(r), found->extents, nullptr, directories);
        ASSERT_GE(payloads.size(), run.durable[r]);
        const auto end = payloads.begin() + static_cast<std::ptrdiff_t>(run.durable[r]);
        EXPECT_TRUE(std::equal(payloads.begin(), end, run.appended[r].begin()));
        EXPECT_TRUE(is_subsequence(payloads, run.appended[r]));
    }
}

std::uint64_t calls_of_a_clean_run() {
    io::FaultyFileSystem files;
    Rig rig(files);
    const Acknowledged run = run_calls(rig);
    EXPECT_EQ(run.durable[1], run.appended[1].size());
    return files.calls();
}

class EachFailingCall : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, EachFailingCall, testing::Values(EIO, ENOSPC));

TEST_P(EachFailingCall, LosesNothingThatWasAcknowledged) {
    const std::uint64_t calls = calls_of_a_clean_run();
    ASSERT_GT(calls, 60U);
    for (std::uint64_t n = 1; n <= calls; ++n) {
        for (const std::uint64_t times : {1U, 2U, 5U}) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", times " << times);
            io::FaultyFileSystem files(n);
            Rig rig(files);
            files.fail_call(n, GetParam(), times);
            const Acknowledged run = run_calls(rig);
            EXPECT_EQ(run.durable[1], run.appended[1].size());  // the fault was passing
            files.power_loss();
            expect_kept(files, run, {Rig::kDirectory});
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST(PowerLoss, AtAnyPointLosesNothingThatWasAcknowledged) {
    const std::uint64_t calls = calls_of_a_clean_run();
    for (std::uint64_t n = 1; n <= calls; ++n) {
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", seed " << seed);
            io::FaultyFileSystem files(seed * 1000 + n);
            Rig rig(files);
            files.fail_call(n, EIO, ~std::uint64_t{0});  // nothing happens any more
            const Acknowledged run = run_calls(rig);
            files.power_loss();
            expect_kept(files, run, {Rig::kDirectory});
            if (testing::Test::HasFailure()) return;
        }
    }
}

TEST(PowerLoss, InTheSecondDirectoryLosesNothingEither) {
    for (std::uint64_t n = 1; n <= 60; ++n) {
        SCOPED_TRACE(testing::Message() << "call " << n);
        io::FaultyFileSystem files(n);
        Options options = Rig::small_options();
        options.directories.emplace_back("spare");
        Rig rig(files, options);
        files.fail_call(n, EIO, 2);
        const Acknowledged run = run_calls(rig);
        EXPECT_EQ(run.durable[1], run.appended[1].size());
        files.power_loss();
        expect_kept(files, run, options.directories);
        if (testing::Test::HasFailure()) return;
    }
}

TEST(PowerLoss, IsFollowedByANewRunThatDisturbsNothing) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        io::FaultyFileSystem files(seed);
        Acknowledged first;
        {
            Rig rig(files);
            first = run_calls(rig);
        }
        files.power_loss();
        Options options = Rig::small_options();
        options.run_id = 78;
        Rig rig(files, options);
        ASSERT_EQ(rig.recovery.recordings.size(), kRecordings);
        const auto handle = rig.journal.writer().open(test_uuid(9));
        rig.append(handle, test_payload(9, 1));
        rig.journal.writer().close(handle, 0);
        rig.commit();
        expect_kept(files, first, options.directories);
        // The old recordings hold their segments until they are released.
        EXPECT_GT(rig.journal.committer().segment_count(), 2U);
        for (const RecoveredRecording& found : rig.recovery.recordings) {
            EXPECT_NE(found.serial, rig.listener.closed.at(0).serial);
            ASSERT_TRUE(rig.journal.release(found.serial));
        }
        rig.commit();
        EXPECT_EQ(files.paths().size(), 1U);
        EXPECT_EQ(read_payloads(files, test_uuid(9), rig.listener.closed.at(0).extents).size(), 1U);
    }
}

}  // namespace
}  // namespace earshot::journal
