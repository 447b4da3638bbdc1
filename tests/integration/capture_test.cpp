// The whole capture worker: real sockets on loopback, its thread, a committer thread, the journal
// on a disk in memory. What was sent must be found in the journal, byte for byte.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "base/text.h"
#include "capture/capture_engine.h"
#include "capture/capture_worker.h"
#include "capture/media_readers.h"
#include "integration/own_network.h"
#include "io/faulty_file.h"
#include "io/media_ports.h"
#include "io/udp_socket.h"
#include "journal/committer.h"
#include "journal/reader.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

using base::Bytes;
using std::chrono::milliseconds;

constexpr std::uint16_t kFirstPort = 28000;

struct Stored {
    journal::RecordHeader header;
    Bytes payload;
};

// Does something between two parts of what is read at one tick, once it is time.
class AskingReader : public io::MediaReader {
public:
    AskingReader(std::unique_ptr<io::MediaReader> reader, std::function<bool()> ask)
        : reader_(std::move(reader)), ask_(std::move(ask)) {}

    void begin() override { reader_->begin(); }
    void add(io::MediaFlow& flow) override { reader_->add(flow); }
    void remove(io::MediaFlow& flow) override { reader_->remove(flow); }
    bool read(std::uint64_t tick, Sink& sink) override {
        const bool is_more = reader_->read(tick, sink);
        return ask_() || is_more;
    }
    void visit(io::MediaFlow& flow, io::SocketKind kind, Sink& sink) override {
        reader_->visit(flow, kind, sink);
    }
    void drain(io::MediaFlow& flow, io::SocketKind kind, Sink& sink) override {
        reader_->drain(flow, kind, sink);
    }
    void pause(io::MediaFlow& flow) override { reader_->pause(flow); }
    void resume(io::MediaFlow& flow) override { reader_->resume(flow); }
    io::ReaderCounters counters() const override { return reader_->counters(); }

private:
    std::unique_ptr<io::MediaReader> reader_;
    std::function<bool()> ask_;
};

class CaptureTest : public testing::TestWithParam<ReaderKind> {
protected:
    CaptureTest() {
        options.bind_host = *base::parse_net_address("127.0.0.1:0");
        options.first_port = kFirstPort;
        options.last_port = kFirstPort + 999;
        options.cname = "earshot@test";
        options.paced_drain = milliseconds(40);
        options.rtcp_drain = milliseconds(60);
        options.commit_interval = milliseconds(40);
        recording = base::make_uuid_v7(clock.now().wall, random);
    }
    ~CaptureTest() override { stop(); }
    void SetUp() override {
        options.reader = GetParam();
        options.ring_bytes = std::size_t{4} << 20;
        if (options.reader == ReaderKind::PacketRing && !test::has_own_network())
            GTEST_SKIP() << "A network namespace of its own takes root.";
    }

    void start() {
        journal.emplace(files, journal::Options{.directories = {"journal"}, .run_id = 7},
                        journal::recover(files, {"journal"}), notices);
        committer.emplace([this](const std::stop_token& token) {
            journal->committer().run(token, [this] { return clock.now(); });
        });
        media_ports.emplace(port_options(options), random);
        worker.emplace(options, *media_ports, journal->writer(), notices, clock, random, log);
        auto opened = open_readers(options, 1);
        ASSERT_TRUE(opened) << opened.error().text;
        ASSERT_EQ(opened->kind, options.reader) << opened->fallback;
        readers = *std::move(opened);
        auto reader = std::move(readers.of[0]);
        if (in_the_midst)
            reader = std::make_unique<AskingReader>(std::move(reader), std::move(in_the_midst));
        worker->start({}, "capture", std::move(reader));
    }
    void stop() {
        if (worker) worker->stop();
        if (committer) {
            committer->request_stop();
            committer->join();
        }
        committer.reset();
        poll();
    }

    StreamSetup setup(std::uint16_t stream) {
        StreamSetup s;
        s.key = {recording, stream};
        s.signalling_peer = options.bind_host;
        s.format.payload_types = {{0, "PCMU", 8000}};
        s.format.remote_rtp = sender->local_address();
        s.format.remote_rtcp = sender->local_address();
        return s;
    }
    static Bytes packet(std::uint32_t ssrc, int sequence) {
        Bytes payload(160);
        for (std::size_t i = 0; i < payload.size(); ++i) {
            payload[i] =
                static_cast<std::uint8_t>(ssrc * 31 + static_cast<unsigned>(sequence) * 7 + i);
        }
        Bytes out;
        rtp::write_rtp({.sequence = static_cast<std::uint16_t>(sequence),
                        .timestamp = static_cast<std::uint32_t>(sequence) * 160,
                        .ssrc = ssrc},
                       payload, out);
        return out;
    }
    void send(const Ports& to, std::uint32_t ssrc, int first, int count) {
        test::stay_on_one_cpu();
        for (int i = 0; i < count; ++i) ASSERT_TRUE(sender->send(packet(ssrc, first + i), to.rtp));
        test::wait_for_arrival();  // what a busy kernel delivers after a pause is of the pause
    }

    void poll() {
        if (!worker) return;
        while (auto notification = worker->poll_notification()) {
            if (auto* s = std::get_if<RecordingSealed>(&*notification)) sealed.push_back(*s);
            if (const auto* d = std::get_if<Durable>(&*notification)) durable.push_back(d->token);
            if (const auto* s = std::get_if<StatsSnapshot>(&*notification)) newest_stats = *s;
            if (std::holds_alternative<FirstPacket>(*notification)) ++first_packets;
            if (std::holds_alternative<PacketsRejected>(*notification)) ++rejections;
        }
    }
    template <class Condition>
    bool wait_for(Condition condition) {
        const auto give_up = clock.now().steady + std::chrono::seconds(10);
        while (clock.now().steady < give_up) {
            poll();
            if (condition()) return true;
            std::this_thread::sleep_for(milliseconds(2));
        }
        return false;
    }
    bool wait_for_sealed() {
        return wait_for([this] { return !sealed.empty(); });
    }

    std::vector<Stored> records(journal::RecordType type, std::uint16_t stream) {
        std::vector<Stored> found;
        for (const RecordingSealed& s : sealed) {
            journal::RecordReader reader(files, {"journal"}, s.closed.recording, s.closed.extents);
            while (const auto record = reader.next()) {
                if (record->header.type != type || record->header.stream != stream) continue;
                found.push_back(
                    {record->header, Bytes(record->payload.begin(), record->payload.end())});
            }
            EXPECT_FALSE(reader.damage().any());
        }
        return found;
    }
    void expect_stored(std::uint16_t stream, std::uint32_t ssrc, int first, int count) {
        const auto packets = records(journal::RecordType::Rtp, stream);
        ASSERT_EQ(packets.size(), static_cast<std::size_t>(count)) << "stream " << stream;
        for (int i = 0; i < count; ++i) {
            const Bytes& payload = packets[static_cast<std::size_t>(i)].payload;
            ASSERT_EQ(Bytes(payload.begin() + journal::kSourceSize, payload.end()),
                      packet(ssrc, first + i));
        }
    }
    std::string events(std::uint16_t stream) {
        std::string all;
        for (const Stored& e : records(journal::RecordType::Event, stream)) {
            all += std::string(base::as_text(e.payload)) + "\n";
        }
        return all;
    }

    io::SystemClock clock;
    base::SeededRandom random{42};
    base::NullLog log;
    io::FaultyFileSystem files;
    CaptureOptions options;
    JournalNotices notices;
    std::optional<journal::Journal> journal;
    std::optional<std::jthread> committer;
    MediaReaders readers;
    std::function<bool()> in_the_midst;  // of an AskingReader
    std::optional<io::MediaPorts> media_ports;
    std::optional<CaptureWorker> worker;
    base::Uuid recording;
    base::Result<io::UdpSocket> sender =
        io::UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"));

    std::vector<RecordingSealed> sealed;
    std::vector<std::uint64_t> durable;
    std::optional<StatsSnapshot> newest_stats;
    int first_packets = 0;
    int rejections = 0;
};

TEST_P(CaptureTest, StoresEveryPacketByteForByte) {
    start();
    const auto a = worker->open_stream(setup(0));
    const auto b = worker->open_stream(setup(1));
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->rtp.port % 2, 0);
    EXPECT_EQ(a->rtcp.port, a->rtp.port + 1);
    for (int i = 0; i < 20; ++i) {
        send(*a, 100, 65500 + i * 10, 10);
        send(*b, 200, i * 10, 10);
        std::this_thread::sleep_for(milliseconds(5));
    }
    ASSERT_TRUE(worker->close_recording(recording));
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(0, 100, 65500, 200);
    expect_stored(1, 200, 0, 200);
    ASSERT_EQ(sealed[0].streams.size(), 2U);
    EXPECT_EQ(sealed[0].streams[0].counters.packets, 200U);
    EXPECT_EQ(sealed[0].streams[0].counters.lost, 0U);
    EXPECT_EQ(first_packets, 2);
    EXPECT_NE(events(0).find(R"("type":"stream_counters","stream":0,"packets":200)"),
              std::string::npos);
}

TEST_P(CaptureTest, KeepsPacketsThatArriveBeforeTheFirstAndAfterTheLastDrain) {
    options.paced_drain = std::chrono::hours(1);
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    send(*ports, 1, 1, 50);  // the answer has not even been sent
    ASSERT_TRUE(worker->close_stream({recording, 0}));
    ASSERT_TRUE(worker->close_recording(recording));
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(0, 1, 1, 50);
}

TEST_P(CaptureTest, StampsPacketsWithTheKernelsTimeOfArrival) {
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    const std::int64_t before = base::to_ns(clock.now().wall);
    send(*ports, 1, 1, 2);
    const std::int64_t after = base::to_ns(clock.now().wall);
    std::this_thread::sleep_for(milliseconds(100));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    for (const Stored& packet : records(journal::RecordType::Rtp, 0)) {
        EXPECT_GE(packet.header.arrival_ns, before - 20'000'000);  // the kernel's coarse clock
        EXPECT_LE(packet.header.arrival_ns, after);
        EXPECT_EQ(packet.payload[17] | packet.payload[16] << 8, sender->local_address().port);
    }
}

TEST_P(CaptureTest, StoresNothingWhilePausedAndEverythingAround) {
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    send(*ports, 1, 1, 20);
    std::this_thread::sleep_for(milliseconds(5));
    worker->pause_stream({recording, 0}, clock.now().wall);
    std::this_thread::sleep_for(milliseconds(5));
    send(*ports, 1, 21, 20);
    std::this_thread::sleep_for(milliseconds(100));
    send(*ports, 1, 41, 10);
    std::this_thread::sleep_for(milliseconds(5));
    worker->resume_stream({recording, 0}, clock.now().wall);
    std::this_thread::sleep_for(milliseconds(5));
    send(*ports, 1, 51, 20);
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    const auto packets = records(journal::RecordType::Rtp, 0);
    ASSERT_EQ(packets.size(), 40U);
    EXPECT_EQ(sealed[0].streams[0].counters.paused_discarded, 30U);
    EXPECT_EQ(sealed[0].streams[0].counters.lost, 0U);
    // Nowhere on the disk, not even outside of the records.
    for (const std::string& path : files.paths()) {
        const Bytes content = files.content(path);
        const std::string_view disk = base::as_text(content);
        for (int i = 21; i <= 50; ++i) {
            const Bytes secret = packet(1, i);
            EXPECT_EQ(disk.find(base::as_text(secret).substr(12)), std::string_view::npos) << i;
        }
        const Bytes open = packet(1, 20);
        EXPECT_NE(disk.find(base::as_text(open).substr(12)), std::string_view::npos);
    }
}

TEST_P(CaptureTest, KeepsTheOrderOfRecordsAndTellsWhenTheyAreDurable) {
    start();
    for (std::uint8_t i = 0; i < 100; ++i) {
        ASSERT_TRUE(worker->append({.type = journal::RecordType::SipMessage,
                                    .recording = recording,
                                    .arrival_ns = i,
                                    .payload = Bytes(2000, i)}));
    }
    ASSERT_TRUE(worker->request_durable(77));
    ASSERT_TRUE(wait_for([this] { return !durable.empty(); }));
    EXPECT_EQ(durable, std::vector<std::uint64_t>{77});
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    const auto messages = records(journal::RecordType::SipMessage, journal::kNoStream);
    ASSERT_EQ(messages.size(), 100U);
    for (std::uint8_t i = 0; i < 100; ++i) EXPECT_EQ(messages[i].payload, Bytes(2000, i));
}

TEST_P(CaptureTest, SealsWhatIsStillOpenWhenItStops) {
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    send(*ports, 1, 1, 30);
    stop();
    ASSERT_EQ(sealed.size(), 1U);
    expect_stored(0, 1, 1, 30);
}

TEST_P(CaptureTest, LeavesTheStreamsOfOtherRecordingsOpen) {
    start();
    StreamSetup other = setup(0);
    other.key.recording = base::make_uuid_v7(clock.now().wall, random);
    const auto ports = worker->open_stream(other);
    ASSERT_TRUE(ports && worker->open_stream(setup(0)));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    EXPECT_EQ(worker->load().open_streams, 1U);
    send(*ports, 5, 1, 10);
    sealed.clear();
    worker->close_recording(other.key.recording);
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(0, 5, 1, 10);
}

TEST_P(CaptureTest, DropsStrangersAndSaysSo) {
    start();
    StreamSetup guarded = setup(0);
    guarded.signalling_peer = *base::parse_net_address("127.0.0.2:5060");
    guarded.format.remote_rtp = *base::parse_net_address("127.0.0.2:4000");
    const auto ports = worker->open_stream(guarded);
    ASSERT_TRUE(ports);
    send(*ports, 1, 1, 30);
    ASSERT_TRUE(wait_for([this] { return rejections > 0; }));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    EXPECT_TRUE(records(journal::RecordType::Rtp, 0).empty());
    EXPECT_NE(events(0).find(R"("type":"packets_rejected","stream":0,"cause":"source")"),
              std::string::npos);
}

TEST_P(CaptureTest, SendsReceiverReportsFromTheRtcpPort) {
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    send(*ports, 9, 1, 10);
    io::DatagramBatch batch(4, 1500);
    ASSERT_TRUE(wait_for([&] { return sender->receive(batch) > 0; }));
    const io::Datagram& datagram = batch.datagrams()[0];
    EXPECT_EQ(datagram.source, ports->rtcp);
    const auto packets = rtp::parse_rtcp(datagram.bytes);
    ASSERT_TRUE(packets);
    const auto& report = std::get<rtp::ReceiverReport>((*packets)[0]);
    ASSERT_EQ(report.reports.size(), 1U);
    EXPECT_EQ(report.reports[0].ssrc, 9U);
    EXPECT_EQ(std::get<rtp::SourceDescriptions>((*packets)[1]).chunks[0].cname, "earshot@test");
    ASSERT_TRUE(newest_stats);
    EXPECT_EQ(newest_stats->streams[0].counters.packets, 10U);
}

TEST_P(CaptureTest, Q35_ProbesAPeerThatWaitsForMediaAndStopsWhenItSends) {
    start();
    StreamSetup waiting = setup(0);
    waiting.probe = true;
    waiting.format.remote_rtcp = *base::parse_net_address("127.0.0.1:9");
    const auto ports = worker->open_stream(waiting);
    ASSERT_TRUE(ports);
    io::DatagramBatch batch(4, 1500);
    ASSERT_TRUE(wait_for([&] { return sender->receive(batch) > 0; }));
    EXPECT_EQ(batch.datagrams()[0].source, ports->rtp);  // from the port where it receives (P-73)
    const auto header = rtp::parse_rtp(batch.datagrams()[0].bytes);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->payload_size, 0U);
    send(*ports, 9, 1, 10);
    ASSERT_TRUE(wait_for([this] { return first_packets > 0; }));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(0, 9, 1, 10);
    EXPECT_NE(events(0).find(R"("type":"media_probed")"), std::string::npos) << events(0);
}

TEST_P(CaptureTest, P68_P111_KeepsTheBindingOfAnIdleFlowOpen) {
    options.keep_alive = milliseconds(100);
    start();
    StreamSetup idle = setup(0);
    idle.format.remote_rtcp = *base::parse_net_address("127.0.0.1:9");
    idle.paused = true;
    const auto ports = worker->open_stream(idle);
    ASSERT_TRUE(ports);
    io::DatagramBatch batch(4, 1500);
    for (int i = 0; i < 2; ++i) {  // again and again
        ASSERT_TRUE(wait_for([&] { return sender->receive(batch) > 0; }));
        EXPECT_EQ(batch.datagrams()[0].source, ports->rtp);
        const auto header = rtp::parse_rtp(batch.datagrams()[0].bytes);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->payload_size, 0U);
    }
}

TEST_P(CaptureTest, Q34_LatePacketsOfACallNeverReachTheNextOne) {
    options.last_port = kFirstPort + 3;  // two pairs: the freed one would be taken at once
    start();
    const auto first = worker->open_stream(setup(0));
    ASSERT_TRUE(first);
    send(*first, 9, 1, 5);
    worker->close_stream({recording, 0});
    const auto next = worker->open_stream(setup(1));
    ASSERT_TRUE(next);
    EXPECT_NE(next->rtp.port, first->rtp.port);  // it rests
    send(*first, 9, 6, 5);                       // nobody listens there
    send(*next, 10, 1, 5);
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(1, 10, 1, 5);
}

TEST_P(CaptureTest, RestsFreedPortsAndSaysWhenThereAreNone) {
    options.last_port = kFirstPort + 1;
    start();
    ASSERT_TRUE(worker->open_stream(setup(0)));
    const auto none = worker->open_stream(setup(1));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "no_media_ports");
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    EXPECT_FALSE(worker->open_stream(setup(1)));  // it rests
    EXPECT_EQ(media_ports->counters(clock.now().steady).in_use, 0U);
}

TEST_P(CaptureTest, PassesOverPortsThatOthersHold) {
    options.last_port = kFirstPort + 3;
    auto held = options.bind_host;
    held.port = kFirstPort + 1;  // the RTCP port of the first pair
    // A packet ring does not start where one is already.
    const bool is_ring = options.reader == ReaderKind::PacketRing;
    if (is_ring) start();
    const auto stranger = io::UdpSocket::bind(held);
    ASSERT_TRUE(stranger);
    if (!is_ring) start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    EXPECT_EQ(ports->rtp.port, kFirstPort + 2);
    EXPECT_FALSE(worker->open_stream(setup(1)));
}

TEST_P(CaptureTest, TellsAGapWhenTheJournalHadNoRoom) {
    files.fail_below("journal", ENOSPC);
    start();
    const auto ports = worker->open_stream(setup(0));
    ASSERT_TRUE(ports);
    // The ring in memory holds 64 MB; records of the signalling side fill it.
    for (int i = 0; i < 400; ++i) {
        ASSERT_TRUE(worker->append({.recording = recording, .payload = Bytes(250'000)}));
    }
    ASSERT_TRUE(wait_for([this] { return worker->load().queued_commands == 0; }));
    send(*ports, 1, 1, 50);
    ASSERT_TRUE(wait_for(
        [this] { return newest_stats && newest_stats->streams[0].counters.storage_lost == 50; }));
    files.fail_below("", 0);
    ASSERT_TRUE(wait_for([this] { return journal->health().ok; }));
    std::this_thread::sleep_for(milliseconds(200));
    send(*ports, 1, 51, 50);
    std::this_thread::sleep_for(milliseconds(100));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    EXPECT_EQ(records(journal::RecordType::Rtp, 0).size(), 50U);
    EXPECT_NE(events(0).find(R"("type":"storage_gap","stream":0,"packets":50)"), std::string::npos);
}

TEST_P(CaptureTest, KeepsPortsReadyAndForgetsWhatCameBeforeTheyWereTaken) {
    io::MediaPorts ports(port_options(options), random);
    const auto now = clock.now().steady;
    ports.refill(now);
    EXPECT_EQ(ports.counters(now).ready, 62U);  // an eighth of 500 pairs
    EXPECT_EQ(ports.counters(now).in_use, 0U);
    for (std::uint16_t port = kFirstPort; port < kFirstPort + 1000; ++port) {
        base::NetAddress address = options.bind_host;
        address.port = port;
        static_cast<void>(sender->send(Bytes{1}, address));
    }
    test::wait_for_arrival();
    io::DatagramBatch batch(2, 100);
    for (int i = 0; i < 62; ++i) {
        auto pair = ports.take(now);
        ASSERT_TRUE(pair);
        EXPECT_EQ(pair->rtp.receive(batch) + pair->rtcp.receive(batch), 0U);
        ASSERT_TRUE(sender->send(Bytes{2}, pair->rtp.local_address()));
        test::wait_for_arrival();
        EXPECT_EQ(pair->rtp.receive(batch), 1U);
        const std::uint16_t port = pair->rtp.local_address().port;
        pair = base::Reason{};
        ports.release(port, now);
    }
    EXPECT_EQ(ports.counters(now).in_use, 0U);
}

TEST_P(CaptureTest, OpensPortsOnTheSpotWhenABurstHasUsedUpThoseThatWereReady) {
    io::MediaPorts ports(port_options(options), random);
    const auto now = clock.now().steady;
    ports.refill(now);
    std::vector<io::UdpPair> taken;
    for (int i = 0; i < 100; ++i) {
        auto pair = ports.take(now);
        ASSERT_TRUE(pair);
        EXPECT_EQ(pair->rtp.local_address().port + 1, pair->rtcp.local_address().port);
        taken.push_back(std::move(*pair));
    }
    EXPECT_EQ(ports.counters(now).ready, 0U);
    EXPECT_EQ(ports.counters(now).in_use, 100U);
    ports.refill(now);
    EXPECT_EQ(ports.counters(now).ready, 62U);
}

TEST_P(CaptureTest, APauseBetweenTwoPartsOfAReadComesBeforeTheSecond) {
    const auto is_time = std::make_shared<std::atomic<bool>>(false);
    const auto to = std::make_shared<Ports>();
    in_the_midst = [this, is_time, to] {
        if (!is_time->exchange(false)) return false;
        worker->pause_stream({recording, 0}, clock.now().wall);
        std::this_thread::sleep_for(milliseconds(5));
        send(*to, 1, 21, 10);
        return true;
    };
    start();
    StreamSetup bursty = setup(0);
    bursty.media = MediaClass::Bursty;
    const auto ports = worker->open_stream(bursty);
    ASSERT_TRUE(ports);
    *to = *ports;
    send(*to, 1, 1, 20);
    std::this_thread::sleep_for(milliseconds(5));
    *is_time = true;
    ASSERT_TRUE(wait_for([&] { return !*is_time; }));
    std::this_thread::sleep_for(milliseconds(50));
    worker->close_recording(recording);
    ASSERT_TRUE(wait_for_sealed());
    expect_stored(0, 1, 1, 20);
    EXPECT_EQ(sealed[0].streams[0].counters.paused_discarded, 10U);
}

TEST_P(CaptureTest, DoesNotStartWherePacketRingsTakeItsMedia) {
    const io::MediaRange theirs{.hosts = {options.bind_host},
                                .first_port = options.last_port,
                                .last_port = static_cast<std::uint16_t>(options.last_port + 100)};
    {
        const auto claim = io::MediaClaim::make(theirs);
        ASSERT_TRUE(claim);
        const auto refused = open_readers(options, 1);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "media_ports_in_use");
    }
    EXPECT_TRUE(open_readers(options, 1));
}

TEST_P(CaptureTest, APacketRingAloneMindsForeignSocketsAmongItsPorts) {
    base::NetAddress address = options.bind_host;
    address.port = static_cast<std::uint16_t>(options.last_port - 1);
    {
        const auto foreign = io::UdpSocket::bind(address);
        ASSERT_TRUE(foreign);
        const auto opened = open_readers(options, 1);
        const bool is_ring = options.reader == ReaderKind::PacketRing;
        ASSERT_EQ(opened.has_value(), !is_ring);
        if (is_ring) {
            EXPECT_NE(opened.error().text.find(std::to_string(address.port)), std::string::npos);
        }
    }
    EXPECT_TRUE(open_readers(options, 1));
}

INSTANTIATE_TEST_SUITE_P(Readers, CaptureTest,
                         testing::Values(ReaderKind::Sockets, ReaderKind::IoUring,
                                         ReaderKind::PacketRing),
                         [](const auto& each) { return std::string(to_string(each.param)); });

// A stranger's flood before a call takes the port is not that call's loss.
TEST(UdpSocket, WhatOverflowedBeforeADiscardIsNoDrop) {
    const auto any = *base::parse_net_address("127.0.0.1:0");
    auto a = io::UdpSocket::bind(any);
    auto b = io::UdpSocket::bind(any, {.receive_buffer_bytes = 65536});
    ASSERT_TRUE(a && b);
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(a->send(Bytes(1000), b->local_address()));
    EXPECT_LT(b->discard(), 2000U);
    io::DatagramBatch batch(2, 2000);
    ASSERT_TRUE(a->send(Bytes(10), b->local_address()));
    ASSERT_EQ(b->receive(batch), 1U);
    EXPECT_EQ(b->kernel_drops(), 0U);
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(a->send(Bytes(1000), b->local_address()));
    while (b->receive(batch) > 0) {
    }
    ASSERT_TRUE(a->send(Bytes(10), b->local_address()));
    ASSERT_EQ(b->receive(batch), 1U);
    EXPECT_GT(b->kernel_drops(), 0U);
}

TEST(UdpSocket, DiscardsWithoutReadingAndMarksTruncation) {
    const auto any = *base::parse_net_address("127.0.0.1:0");
    auto a = io::UdpSocket::bind(any);
    auto b = io::UdpSocket::bind(any, {.receive_buffer_bytes = 65536});
    ASSERT_TRUE(a && b);
    EXPECT_GE(b->receive_buffer_bytes(), 65536);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(a->send(Bytes(100), b->local_address()));
    EXPECT_EQ(b->discard(), 100U);
    EXPECT_EQ(b->discard(), 0U);
    io::DatagramBatch batch(2, 50);
    ASSERT_TRUE(a->send(Bytes(51), b->local_address()));
    ASSERT_TRUE(a->send(Bytes(50), b->local_address()));
    ASSERT_EQ(b->receive(batch), 2U);
    EXPECT_TRUE(batch.datagrams()[0].truncated);
    EXPECT_FALSE(batch.datagrams()[1].truncated);
    EXPECT_EQ(batch.datagrams()[1].source, a->local_address());
    EXPECT_NE(batch.datagrams()[1].arrival_ns, 0);
}

TEST(UdpSocket, CountsWhatTheKernelDropped) {
    const auto any = *base::parse_net_address("127.0.0.1:0");
    auto a = io::UdpSocket::bind(any);
    auto b = io::UdpSocket::bind(any, {.receive_buffer_bytes = 4096});
    ASSERT_TRUE(a && b);
    std::size_t received = 0;
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(a->send(Bytes(1000), b->local_address()));
    io::DatagramBatch batch(64, 1500);
    received += b->receive(batch);
    ASSERT_TRUE(a->send(Bytes(1), b->local_address()));  // carries the counter
    received += b->receive(batch);
    EXPECT_EQ(b->kernel_drops() + received, 201U);
    EXPECT_GT(b->kernel_drops(), 0U);
}

}  // namespace
}  // namespace earshot::capture
