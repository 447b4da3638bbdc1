// prove_kill RUNS SEED: the server is killed (SIGKILL) at a random moment under 50 live calls,
// again and again. What lay in the journal at its death, read by us before the next start, must be
// in the recordings afterwards, packet by packet, and none of them may be called complete that was
// not closed. Prints a line a run and the figures at the end; exit 0 only when nothing was lost.
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "archive/stored_recording.h"
#include "base/random.h"
#include "integration/harness.h"
#include "io/linux_file.h"
#include "journal/reader.h"
#include "keys/key_store.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kCalls = 50;

// A packet by what it is made of; times may be corrected on the way.
using Packets = std::multiset<std::pair<std::uint16_t, std::string>>;

struct Journalled {
    bool was_closed = false;
    Packets packets;
};

struct Figures {
    std::uint64_t recordings = 0;
    std::uint64_t packets = 0;
    std::uint64_t lost_recordings = 0;
    std::uint64_t lost_packets = 0;
    std::uint64_t foreign_packets = 0;
    std::uint64_t falsely_complete = 0;
    std::uint64_t unfinished_rows = 0;
    std::uint64_t unreadable = 0;
    std::vector<double> ready_ms;   // of the next start
    std::vector<double> stored_ms;  // until all of it was stored

    bool is_clean() const {
        return lost_recordings + lost_packets + foreign_packets + falsely_complete +
                   unfinished_rows + unreadable ==
               0;
    }
};

std::string text_of(base::ByteView bytes) { return std::string{base::as_text(bytes)}; }

// All journals of a server that is dead.
std::map<std::string, Journalled> read_journals(io::FileSystem& files,
                                                const std::filesystem::path& data) {
    std::map<std::string, Journalled> found;
    const std::string root = (data / "journal").string();
    const auto entries = files.list(root);
    if (!entries) return found;
    const auto keys =
        keys::KeyStore::open_for_reading(files, (data / "keys" / "kek").string(), nullptr);
    if (!keys) return found;  // killed before its first start was over: nothing was written
    for (const io::DirectoryEntry& entry : *entries) {
        const std::vector<std::string> directories{io::join_path(root, entry.name)};
        for (const journal::RecoveredRecording& recording :
             journal::recover(files, directories, keys->get()).recordings) {
            Journalled& one = found[base::to_string(recording.recording)];
            one.was_closed = recording.was_closed;
            journal::RecordReader reader(files, directories, recording.recording, recording.extents,
                                         keys->get());
            while (const auto record = reader.next())
                if (record->header.type == journal::RecordType::Rtp)
                    one.packets.emplace(record->header.stream, text_of(record->payload));
        }
    }
    return found;
}

// The folder of each recording, by its id.
std::map<std::string, std::string> folders(const std::filesystem::path& data) {
    constexpr int kDepthOfIds = 3;  // recordings/YYYY/MM/DD/ID
    std::map<std::string, std::string> found;
    std::error_code none_yet;
    std::filesystem::recursive_directory_iterator entry(data / "recordings", none_yet);
    for (; entry != std::filesystem::recursive_directory_iterator(); ++entry) {
        if (entry.depth() != kDepthOfIds) continue;
        entry.disable_recursion_pending();
        found[entry->path().filename().string()] = entry->path().string();
    }
    return found;
}

void compare(io::FileSystem& files, const std::string& folder, const crypto::KeyWrapper* keys,
             Journalled expected, Figures& figures) {
    const archive::StoredRecording stored(files, folder, keys);
    const auto summary = stored.summary();
    if (!summary) {
        ++figures.unreadable;
        return;
    }
    if (summary->state == archive::State::Complete && !expected.was_closed)
        ++figures.falsely_complete;
    auto part = stored.open("packets");
    if (part) {
        archive::PartRecords records(std::move(*part), "packets");
        while (true) {
            const auto record = records.next();
            if (!record) {
                ++figures.unreadable;
                break;
            }
            if (!record->has_value()) break;
            if ((*record)->header.type != journal::RecordType::Rtp) continue;
            const auto at =
                expected.packets.find({(*record)->header.stream, text_of((*record)->payload)});
            if (at == expected.packets.end())
                ++figures.foreign_packets;
            else
                expected.packets.erase(at);
        }
    }
    figures.lost_packets += expected.packets.size();
}

double ms_since(steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

// False: this run broke a promise, or could not be made.
bool run_once(base::Random& random, std::uint64_t number, Figures& sum) {
    integration::TestServer server(kCalls * 8);
    if (!server.start()) {
        std::cerr << "the server did not start: " << server.log() << '\n';
        return false;
    }
    // Some calls end, and are stored, before the kill; others are being set up at that moment.
    integration::Process client({integration::earshot_binary(), "call", "--to", server.sip_uri(),
                                 "--count", std::to_string(kCalls), "--rate", "40", "--duration",
                                 std::to_string(1 + random.u64() % 4)},
                                server.scratch() / "call.out", server.scratch() / "call.err");
    std::this_thread::sleep_for(milliseconds{random.u64() % 4000});
    server.kill();
    client.signal(SIGKILL);
    client.wait();

    io::LinuxFileSystem files;
    auto journalled = read_journals(files, server.data());
    Figures figures;
    const auto begin = steady_clock::now();
    if (!server.start()) {
        std::cerr << "the server did not start again: " << server.log() << '\n';
        return false;
    }
    figures.ready_ms.push_back(ms_since(begin));
    const auto is_final = [&] {
        const nlohmann::json rows = server.list();
        return rows.is_array() && std::none_of(rows.begin(), rows.end(), [](const auto& row) {
                   return row["state"] == "recording";
               });
    };
    if (!integration::eventually(is_final)) ++figures.unfinished_rows;
    figures.stored_ms.push_back(ms_since(begin));
    server.stop();

    const auto keys = keys::KeyStore::open_for_reading(
        files, (std::filesystem::path(server.data()) / "keys/kek").string(), nullptr);
    const auto stored = folders(server.data());
    for (auto& [id, expected] : journalled) {
        ++figures.recordings;
        figures.packets += expected.packets.size();
        const auto folder = stored.find(id);
        if (folder == stored.end())
            ++figures.lost_recordings;
        else
            compare(files, folder->second, keys ? keys->get() : nullptr, std::move(expected),
                    figures);
    }
    std::printf("run %llu: %llu recordings, %llu packets in the journal, ready in %.0f ms%s\n",
                static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(figures.recordings),
                static_cast<unsigned long long>(figures.packets), figures.ready_ms.back(),
                figures.is_clean() ? "" : "  BROKEN");
    if (!figures.is_clean()) std::cerr << server.log();
    sum.recordings += figures.recordings;
    sum.packets += figures.packets;
    sum.lost_recordings += figures.lost_recordings;
    sum.lost_packets += figures.lost_packets;
    sum.foreign_packets += figures.foreign_packets;
    sum.falsely_complete += figures.falsely_complete;
    sum.unfinished_rows += figures.unfinished_rows;
    sum.unreadable += figures.unreadable;
    sum.ready_ms.push_back(figures.ready_ms.back());
    sum.stored_ms.push_back(figures.stored_ms.back());
    return figures.is_clean();
}

double percentile(std::vector<double> values, std::size_t percent) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: prove_kill RUNS SEED\n";
        return 2;
    }
    const std::uint64_t runs = std::stoull(argv[1]);
    const std::uint64_t seed = std::stoull(argv[2]);
    base::SeededRandom random(seed);
    Figures sum;
    bool is_good = true;
    for (std::uint64_t number = 1; number <= runs && is_good; ++number) {
        is_good = run_once(random, number, sum);
        std::fflush(stdout);
    }
    const nlohmann::json figures = {{"kills", sum.ready_ms.size()},
                                    {"seed", seed},
                                    {"recordings", sum.recordings},
                                    {"packets", sum.packets},
                                    {"lost_recordings", sum.lost_recordings},
                                    {"lost_packets", sum.lost_packets},
                                    {"foreign_packets", sum.foreign_packets},
                                    {"falsely_complete", sum.falsely_complete},
                                    {"unfinished_rows", sum.unfinished_rows},
                                    {"unreadable", sum.unreadable},
                                    {"ready_ms_p99", percentile(sum.ready_ms, 99)},
                                    {"stored_ms_p99", percentile(sum.stored_ms, 99)}};
    std::cout << figures.dump() << '\n';
    // A proof that saw nothing proves nothing.
    return is_good && sum.is_clean() && sum.recordings > 0 && sum.packets > 0 ? 0 : 1;
}
