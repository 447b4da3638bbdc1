#include "archive/journal_source.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/text.h"
#include "journal/journal_test_rig.h"

namespace earshot::archive {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kMs = 1'000'000;

// A packet each 20 ms, drained and committed each 200 ms or when it comes, with a wall clock that
// can be set.
class SteppedClock : public testing::Test {
protected:
    void pass(milliseconds time) {
        for (const milliseconds end = elapsed_ + time; elapsed_ < end;) {
            elapsed_ += milliseconds{20};
            stamps_.push_back(base::to_ns(now().wall));
            const milliseconds in_turn = elapsed_ % milliseconds{200};
            if (in_turn == drain_at_ || !drains_late_) drain();
            if (in_turn == milliseconds{0}) commit();
        }
    }
    void step(milliseconds by) { wall_ += by; }
    // From now on packets wait in the socket until that part of each 200 ms.
    void drain_at(milliseconds part) {
        drains_late_ = true;
        drain_at_ = part;
    }
    void silence(milliseconds time) { elapsed_ += time; }
    void drain() {
        for (const std::int64_t stamp : std::exchange(stamps_, {})) {
            journal::RecordHeader header{.type = journal::RecordType::Rtp, .stream = 1};
            header.arrival_ns = stamp;
            ASSERT_TRUE(rig_.journal.writer().append(handle_, header, base::as_bytes("packet")));
        }
    }
    // Arrivals of the packets in ms after the first, and of the events.
    struct Read {
        std::vector<std::int64_t> packets;
        std::vector<std::int64_t> events;
        std::vector<std::string> texts;
    };
    Read read() {
        drain();
        rig_.journal.writer().close(handle_, base::to_ns(now().wall));
        commit();
        const journal::ClosedRecording& closed = rig_.listener.closed.at(0);
        journal::RecordReader reader(disk_, {journal::Rig::kDirectory}, closed.recording,
                                     closed.extents, &journal::test_keys());
        JournalSource source(reader, closed.clocks);
        Read all;
        std::optional<std::int64_t> first;
        while (const auto record = source.next()) {
            if (!first) first = record->header.arrival_ns;
            const std::int64_t at_ms = (record->header.arrival_ns - *first) / kMs;
            if (record->header.type == journal::RecordType::Rtp) all.packets.push_back(at_ms);
            if (record->header.type != journal::RecordType::Event) continue;
            all.events.push_back(at_ms);
            all.texts.emplace_back(base::as_text(record->payload));
        }
        return all;
    }
    static std::vector<std::int64_t> every_20_ms(std::size_t count) {
        std::vector<std::int64_t> all;
        for (std::size_t i = 0; i < count; ++i) all.push_back(static_cast<std::int64_t>(20 * i));
        return all;
    }

private:
    base::Now now() const {
        return {base::TimePoint(elapsed_), base::wall_from_ns(1'000'000'000) + elapsed_ + wall_};
    }
    void commit() {
        rig_.journal.writer().commit(now());
        rig_.journal.committer().step(now());
    }

    io::FaultyFileSystem disk_;
    journal::Rig rig_{disk_};
    journal::RecordingHandle handle_ = rig_.journal.writer().open(journal::test_uuid(1));
    milliseconds elapsed_{0};
    milliseconds wall_{0};
    std::vector<std::int64_t> stamps_;  // of packets that nobody has read yet
    bool drains_late_ = false;
    milliseconds drain_at_{0};
};

TEST_F(SteppedClock, ThatStandsStillChangesNothing) {
    pass(milliseconds{1000});
    const Read all = read();
    EXPECT_EQ(all.packets, every_20_ms(50));
    EXPECT_TRUE(all.events.empty());
}

TEST_F(SteppedClock, ForwardLeavesNoHole) {
    pass(milliseconds{500});
    step(milliseconds{3'600'000});
    pass(milliseconds{500});
    const Read all = read();
    EXPECT_EQ(all.packets, every_20_ms(50));
    EXPECT_EQ(all.texts, std::vector<std::string>{R"({"type":"clock_stepped","step_ms":3600000})"});
    EXPECT_EQ(all.events, std::vector<std::int64_t>{580});  // the commit that saw it
}

TEST_F(SteppedClock, BackwardLetsNothingOverlap) {
    pass(milliseconds{500});
    step(milliseconds{-5'000});
    pass(milliseconds{500});
    const Read all = read();
    EXPECT_EQ(all.packets, every_20_ms(50));
    EXPECT_EQ(all.texts, std::vector<std::string>{R"({"type":"clock_stepped","step_ms":-5000})"});
}

TEST_F(SteppedClock, AtTheCommitAndAgainIsUndoneEachTime) {
    pass(milliseconds{400});
    step(milliseconds{10'000});
    pass(milliseconds{300});
    step(milliseconds{-20'000});
    pass(milliseconds{300});
    const Read all = read();
    EXPECT_EQ(all.packets, every_20_ms(50));
    EXPECT_EQ(all.events.size(), 2U);
}

// The step falls between a stamp and its drain, and the commit that saw it between the two.
TEST_F(SteppedClock, ForwardIsUndoneForPacketsThatWereReadAfterIt) {
    drain_at(milliseconds{100});
    pass(milliseconds{580});
    step(milliseconds{3'600'000});
    pass(milliseconds{420});
    EXPECT_EQ(read().packets, every_20_ms(50));
}

TEST_F(SteppedClock, BackwardIsUndoneForPacketsThatWereReadAfterIt) {
    drain_at(milliseconds{100});
    pass(milliseconds{580});
    step(milliseconds{-3'600'000});
    pass(milliseconds{420});
    EXPECT_EQ(read().packets, every_20_ms(50));
}

// Half an hour of hold after the clock went back by an hour.
TEST_F(SteppedClock, BackwardDoesNotFoldASilence) {
    pass(milliseconds{400});
    step(milliseconds{-3'600'000});
    pass(milliseconds{200});
    silence(milliseconds{1'800'000});
    pass(milliseconds{20});
    const Read all = read();
    ASSERT_EQ(all.packets.size(), 31U);
    EXPECT_EQ(all.packets.back(), 1'800'600);
}

TEST_F(SteppedClock, ByLittleIsUndoneWithoutAWord) {
    pass(milliseconds{400});
    step(milliseconds{50});
    pass(milliseconds{600});
    const Read all = read();
    EXPECT_EQ(all.packets.back(), 980);
    EXPECT_TRUE(all.events.empty());
}

}  // namespace
}  // namespace earshot::archive
