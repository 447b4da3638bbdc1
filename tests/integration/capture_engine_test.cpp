// N capture workers with their journals, over real sockets and a file system in memory.
#include "capture/capture_engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "base/text.h"
#include "io/faulty_file.h"
#include "io/udp_socket.h"
#include "journal/reader.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

using std::chrono::milliseconds;

class CaptureEngineTest : public testing::Test {
protected:
    void make(std::size_t workers) {
        engine.reset();
        options.workers = workers;
        options.journals = "journal";
        options.run_id = random.u64();
        options.capture.bind_host = *base::parse_net_address("127.0.0.1:0");
        options.capture.first_port = 39000;
        options.capture.last_port = 39999;
        options.capture.cname = "earshot@test";
        options.capture.paced_drain = milliseconds(40);
        options.capture.commit_interval = milliseconds(20);
        engine = std::make_unique<CaptureEngine>(options, files, clock, log);
    }
    base::Uuid record(int packets) {
        const base::Uuid recording = base::make_uuid_v7(clock.now().wall, random);
        StreamSetup setup;
        setup.key = {recording, 0};
        setup.signalling_peer = options.capture.bind_host;
        setup.format.payload_types = {{0, "PCMU", 8000}};
        const auto ports = engine->open_stream(setup);
        EXPECT_TRUE(ports);
        for (int i = 0; i < packets; ++i) {
            base::Bytes packet;
            rtp::write_rtp({.sequence = static_cast<std::uint16_t>(i), .ssrc = 7},
                           base::Bytes(160, 1), packet);
            EXPECT_TRUE(sender->send(packet, ports->rtp));
        }
        return recording;
    }
    template <class Condition>
    bool wait_for(Condition condition) {
        for (int tries = 0; tries < 5000; ++tries) {
            poll();
            if (condition()) return true;
            std::this_thread::sleep_for(milliseconds(2));
        }
        return false;
    }
    void poll() {
        while (auto notification = engine->poll_notification()) {
            if (auto* one = std::get_if<RecordingSealed>(&*notification))
                sealed.emplace(one->closed.recording, std::move(*one));
            if (const auto* one = std::get_if<Durable>(&*notification)) durable.insert(one->token);
        }
    }
    std::size_t stored_packets(journal::Journal& journal, const base::Uuid& recording,
                               const journal::ExtentList& extents) {
        std::size_t count = 0;
        journal::RecordReader reader(files, journal.directories(), recording, extents);
        while (const auto record = reader.next())
            if (record->header.type == journal::RecordType::Rtp) ++count;
        EXPECT_FALSE(reader.damage().any());
        return count;
    }
    std::set<std::string> journals_used() const {
        std::set<std::string> directories;
        for (const std::string& path : files.paths()) directories.insert(io::parent_path(path));
        return directories;
    }

    io::SystemClock clock;
    base::SeededRandom random{42};
    base::NullLog log;
    io::FaultyFileSystem files;
    EngineOptions options;
    std::unique_ptr<CaptureEngine> engine;
    base::Result<io::UdpSocket> sender =
        io::UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"));
    std::map<base::Uuid, RecordingSealed> sealed;
    std::set<std::uint64_t> durable;
};

TEST_F(CaptureEngineTest, EachRecordingIsStoredInTheJournalOfItsWorker) {
    make(3);
    engine->start({});
    std::vector<base::Uuid> recordings;
    for (int i = 0; i < 24; ++i) recordings.push_back(record(10 + i));
    EXPECT_TRUE(wait_for([&] { return engine->load(clock.now().steady).open_streams == 24; }));
    for (std::size_t i = 0; i < recordings.size(); ++i)
        EXPECT_TRUE(engine->request_durable(recordings[i], i));
    EXPECT_TRUE(wait_for([&] { return durable.size() == 24; }));
    for (const base::Uuid& recording : recordings) EXPECT_TRUE(engine->close_recording(recording));
    ASSERT_TRUE(wait_for([&] { return sealed.size() == 24; }));
    std::set<journal::Journal*> used;
    for (std::size_t i = 0; i < recordings.size(); ++i) {
        const RecordingSealed& one = sealed.at(recordings[i]);
        used.insert(one.journal);
        EXPECT_EQ(stored_packets(*one.journal, recordings[i], one.closed.extents), 10 + i);
    }
    EXPECT_EQ(used.size(), 3U);
    EXPECT_EQ(journals_used(), (std::set<std::string>{"journal/0", "journal/1", "journal/2"}));
    EXPECT_EQ(engine->load(clock.now().steady).port_pairs_in_use, 0U);
}

TEST_F(CaptureEngineTest, AStopSealsWhatRuns) {
    make(2);
    engine->start({});
    std::vector<base::Uuid> recordings;
    for (int i = 0; i < 8; ++i) recordings.push_back(record(5));
    engine->stop();
    poll();
    ASSERT_EQ(sealed.size(), 8U);
    for (const base::Uuid& recording : recordings) {
        const RecordingSealed& one = sealed.at(recording);
        EXPECT_EQ(stored_packets(*one.journal, recording, one.closed.extents), 5U);
    }
}

TEST_F(CaptureEngineTest, JournalsOfMoreWorkersThanNowAreFoundAndFreed) {
    make(4);
    engine->start({});
    std::set<base::Uuid> recordings;
    for (int i = 0; i < 16; ++i) recordings.insert(record(3));
    engine->stop();  // nobody archives them: as after a crash

    make(1);
    EXPECT_EQ(engine->workers(), 1U);
    auto found = engine->take_found();
    ASSERT_EQ(found.size(), 4U);
    engine->start({});
    for (const CaptureEngine::Found& one : found)
        for (const journal::RecoveredRecording& recording : one.recovery.recordings) {
            EXPECT_EQ(recordings.erase(recording.recording), 1U);
            EXPECT_EQ(stored_packets(*one.journal, recording.recording, recording.extents), 3U);
            EXPECT_TRUE(one.journal->release(recording.serial));
        }
    EXPECT_TRUE(recordings.empty());
    EXPECT_TRUE(wait_for([&] { return files.paths().empty(); }));
    make(1);  // and of the emptied ones nothing is left
    EXPECT_EQ(engine->take_found().size(), 1U);
    EXPECT_EQ(files.list("journal")->size(), 1U);
}

TEST_F(CaptureEngineTest, AFailingJournalIsToldWhereverItIs) {
    make(2);
    files.fail_below("journal/1", EIO);
    engine->start({});
    for (int i = 0; i < 8; ++i) record(3);
    EXPECT_TRUE(wait_for([&] { return !engine->health().ok; }));
    EXPECT_EQ(engine->health().reason.code, "storage_error");
    files.fail_below("", 0);
    EXPECT_TRUE(wait_for([&] { return engine->health().ok; }));
}

}  // namespace
}  // namespace earshot::capture
