// What it costs to store ended recordings (docs/performance.md): archive_cost DATA OUT [ROUNDS],
// where DATA is the directory of a server that was killed while calls ran. Its journal is read and
// each recording in it built, committed and read back as the archive thread does it. The journal
// stays, so that two programs can be compared on the same calls. OUT, not there before, gets a
// folder for each round and stays, too: for five minutes after inodes were freed ext4 searches long
// for others, which would be measured. Prints JSON: CPU time of this thread in ns a stored packet,
// the best of all rounds.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/journal_source.h"
#include "base/text.h"
#include "io/linux_file.h"
#include "journal/reader.h"
#include "keys/key_store.h"
#include "objects/directory_store.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kBatch = 64;  // as the server commits them

std::int64_t thread_cpu_ns() {
    timespec time{};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

struct Cost {
    std::int64_t build_ns = 0;
    std::int64_t commit_ns = 0;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::size_t failures = 0;
};

class Bench {
public:
    Bench(const std::string& data, const crypto::KeyWrapper* keys) : keys_(keys) {
        const std::string journals = data + "/journal";
        const auto entries = files_.list(journals);
        for (const io::DirectoryEntry& entry : entries ? *entries : none_)
            if (entry.is_directory) add_journal({io::join_path(journals, entry.name)});
    }
    std::size_t recordings() const { return recordings_.size(); }

    Cost run(const std::string& out) {
        forget_journals();
        objects::DirectoryStore store(files_, out);
        Cost cost;
        std::vector<objects::WrittenObject> batch;
        for (const Found& recording : recordings_) {
            build(recording, store, batch, cost);
            if (batch.size() == kBatch) commit(store, batch, cost);
        }
        commit(store, batch, cost);
        return cost;
    }

private:
    struct Found {  // a recording, and the directories of its journal
        std::vector<std::string> journal;
        journal::RecoveredRecording recording;
    };
    void add_journal(const std::vector<std::string>& directories) {
        journal::Recovery recovery = journal::recover(files_, directories, keys_);
        for (journal::RecoveredRecording& recording : recovery.recordings)
            recordings_.push_back({directories, std::move(recording)});
    }

    // The server's journal was written past the page cache, too.
    void forget_journals() {
        for (const Found& found : recordings_) {
            for (const std::uint32_t segment : found.recording.extents.segments()) {
                const std::string name = journal::segment_name(segment);
                const auto file =
                    files_.open_for_reading(io::join_path(found.journal.front(), name));
                if (file) (*file)->drop_cache();
            }
        }
    }

    void build(const Found& found, objects::DirectoryStore& store,
               std::vector<objects::WrittenObject>& batch, Cost& cost) {
        const journal::RecoveredRecording& recording = found.recording;
        const std::int64_t begin = thread_cpu_ns();
        journal::RecordReader reader(files_, found.journal, recording.recording, recording.extents,
                                     keys_);
        archive::JournalSource records(reader, recording.clocks);
        auto built = archive::build_recording({.recording = recording.recording,
                                               .records = records,
                                               .objects = store,
                                               .key = key_,
                                               .now = base::wall_from_ns(recording.last_arrival_ns),
                                               .failure = std::nullopt,
                                               .encryption = archive::Encryption{*keys_, random_}});
        cost.build_ns += thread_cpu_ns() - begin;
        if (!built) {
            ++cost.failures;
            std::cerr << "error: " << built.error().text << '\n';
            return;
        }
        for (const archive::StreamSummary& stream : built->summary.streams)
            cost.packets += stream.packets;
        cost.bytes += built->bytes;
        batch.push_back(std::move(built->object));
    }

    static void commit(objects::DirectoryStore& store, std::vector<objects::WrittenObject>& batch,
                       Cost& cost) {
        if (batch.empty()) return;
        const std::int64_t begin = thread_cpu_ns();
        for (const auto& result : store.commit(batch)) cost.failures += result ? 0 : 1;
        cost.commit_ns += thread_cpu_ns() - begin;
        batch.clear();
    }

    const std::vector<io::DirectoryEntry> none_;
    io::LinuxFileSystem files_;
    const crypto::KeyWrapper* keys_;
    std::vector<Found> recordings_;
    base::SystemRandom random_;
    archive::SigningKey key_{archive::Ed25519Bytes{1}};
};

}  // namespace

int main(int argc, char** argv) {
    const auto rounds =
        argc > 3 ? base::parse_number<std::uint16_t>(argv[3]) : std::optional<std::uint16_t>(3);
    if (argc < 3 || !rounds || *rounds == 0) {
        std::cerr << "usage: archive_cost DATA OUT [ROUNDS]\n";
        return 2;
    }
    const std::string data = argv[1];
    io::LinuxFileSystem files;
    const auto keys = keys::KeyStore::open_for_reading(files, data + "/keys/kek", nullptr);
    if (!keys) {
        std::cerr << "error: " << keys.error().text << '\n';
        return 1;
    }
    Bench bench(data, keys->get());
    std::vector<Cost> costs;
    for (int round = 0; round < *rounds; ++round)
        costs.push_back(bench.run(fmt::format("{}/{}", argv[2], round)));
    const Cost& best =
        *std::min_element(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) {
            return a.build_ns + a.commit_ns < b.build_ns + b.commit_ns;
        });
    if (best.packets == 0 || best.failures > 0) {
        std::cerr << fmt::format("error: {} packets, {} failures\n", best.packets, best.failures);
        return 1;
    }
    const auto packets = static_cast<std::int64_t>(best.packets);
    std::cout << fmt::format(
        R"({{"recordings":{},"packets":{},"ns_per_packet":{},"build_ns":{},"commit_ns":{},)"
        R"("us_per_recording":{},"bytes_per_packet":{}}})"
        "\n",
        bench.recordings(), best.packets, (best.build_ns + best.commit_ns) / packets,
        best.build_ns / packets, best.commit_ns / packets,
        (best.build_ns + best.commit_ns) / 1000 / static_cast<std::int64_t>(bench.recordings()),
        best.bytes / best.packets);
    return 0;
}
