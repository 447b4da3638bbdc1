// prove_sockets RUNS SEED | once READER FAULT: the real server with sockets that fail
// (faulty_sockets.cpp). In each run calls over UDP and TCP are recorded while one socket call,
// drawn anew, and up to two after it fail, with each way of reading media in turn. Then: the server
// lives on, or its start says why not. What a socket delivered is stored: each packet that a client
// sent is in its recording. No recording is called complete that lacks one. Each INVITE that was
// answered has a row with its outcome, also after the next start. A stop is clean. Prints the
// figures, and each fault that broke a promise so that `once` repeats it; exit 0 only when none
// did.
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "archive/stored_recording.h"
#include "base/log.h"
#include "base/random.h"
#include "http/server.h"
#include "integration/harness.h"
#include "io/file_descriptor.h"
#include "io/linux_file.h"
#include "keys/key_store.h"
#include "loadgen/keyed_payload.h"
#include "prove/faulty_sockets.h"
#include "rtp/rtp_packet.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using nlohmann::json;
using std::chrono::seconds;

constexpr unsigned kServersAtOnce = 8;  // they wait most of the time

struct Fault {
    unsigned kind = 0;
    std::uint64_t first = 0;  // 0: nothing fails
    std::uint64_t times = 0;
    int error = 0;
};

std::string to_string(const Fault& fault) {
    return fmt::format("{}:{}:{}:{}", fault.kind, fault.first, fault.times, fault.error);
}

using Counts = std::array<std::uint64_t, prove::kKinds>;

// What the library in the server counts.
class ReportFile {
public:
    explicit ReportFile(const std::filesystem::path& path) : path_(path) {
        const io::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!file.is_open() || ::ftruncate(file.get(), sizeof(prove::Report)) != 0) std::abort();
        void* memory = ::mmap(nullptr, sizeof(prove::Report), PROT_READ, MAP_SHARED, file.get(), 0);
        if (memory == MAP_FAILED) std::abort();
        report_ = static_cast<const prove::Report*>(memory);
    }
    ReportFile(const ReportFile&) = delete;
    ReportFile& operator=(const ReportFile&) = delete;
    ~ReportFile() { ::munmap(const_cast<prove::Report*>(report_), sizeof(prove::Report)); }

    std::vector<std::string> environment(const Fault& fault) const {
        return {"LD_PRELOAD=" FAULTY_SOCKETS,
                fmt::format("{}={}", prove::kFaultVariable, to_string(fault)),
                fmt::format("{}={}", prove::kReportVariable, path_.string())};
    }
    Counts counts() const {
        Counts counts{};
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = report_->calls[i].load();
        return counts;
    }
    std::uint64_t failed() const { return report_->failed.load(); }

private:
    std::filesystem::path path_;
    const prove::Report* report_ = nullptr;
};

struct Figures {
    std::uint64_t runs = 0;
    std::uint64_t failed_calls = 0;    // socket calls
    std::uint64_t refused_starts = 0;  // of the server, that said why
    std::uint64_t calls = 0;
    std::uint64_t recorded = 0;  // answered 200
    std::uint64_t packets = 0;   // sent in these
    // Recorded; but the client still waits, on a connection that broke, and was ended: of these
    // only holes are looked for.
    std::uint64_t unreported = 0;
    // None of these may be:
    std::uint64_t dead_servers = 0;
    std::uint64_t lost_packets = 0;
    std::uint64_t doubled_packets = 0;
    std::uint64_t lost_recordings = 0;
    std::uint64_t falsely_complete = 0;
    std::uint64_t missing_rows = 0;
    std::uint64_t unfinished_rows = 0;

    auto all() {
        return std::tie(runs, failed_calls, refused_starts, calls, recorded, packets, unreported,
                        dead_servers, lost_packets, doubled_packets, lost_recordings,
                        falsely_complete, missing_rows, unfinished_rows);
    }
    void add(Figures& other) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((std::get<I>(all()) += std::get<I>(other.all())), ...);
        }
        (std::make_index_sequence<std::tuple_size_v<decltype(all())>>{});
    }
    bool is_clean() const {
        return dead_servers + lost_packets + doubled_packets + lost_recordings + falsely_complete +
                   missing_rows + unfinished_rows ==
               0;
    }
    json to_json() const {
        return {{"runs", runs},
                {"failed_calls", failed_calls},
                {"refused_starts", refused_starts},
                {"calls", calls},
                {"recorded", recorded},
                {"packets", packets},
                {"unreported", unreported},
                {"dead_servers", dead_servers},
                {"lost_packets", lost_packets},
                {"doubled_packets", doubled_packets},
                {"lost_recordings", lost_recordings},
                {"falsely_complete", falsely_complete},
                {"missing_rows", missing_rows},
                {"unfinished_rows", unfinished_rows}};
    }
};

// Of one recording: what stands in it, by the numbers that the client put into each packet.
struct Stored {
    std::set<std::pair<std::uint32_t, std::uint64_t>> packets;  // stream, number
    std::uint64_t doubled = 0;
    bool is_complete = false;
};

void read_packets(const archive::StoredRecording& recording, Stored& stored) {
    auto part = recording.open("packets");
    if (!part) return;
    archive::PartRecords records(std::move(*part), "packets");
    while (true) {
        const auto record = records.next();
        if (!record || !record->has_value()) return;
        if ((*record)->header.type != journal::RecordType::Rtp) continue;
        const base::ByteView packet = (*record)->payload.subspan(journal::kSourceSize);
        const auto header = rtp::parse_rtp(packet);
        if (!header) continue;
        const auto key = loadgen::load_key(rtp::rtp_payload(packet, *header));
        if (key && !stored.packets.emplace(key->stream, key->packet).second) ++stored.doubled;
    }
}

// By Call-ID.
std::map<std::string, Stored> read_recordings(const std::filesystem::path& data) {
    constexpr int kDepthOfIds = 3;  // recordings/YYYY/MM/DD/ID
    io::LinuxFileSystem files;
    const auto keys =
        keys::KeyStore::open_for_reading(files, (data / "keys/kek").string(), nullptr);
    std::map<std::string, Stored> found;
    std::error_code none_yet;
    std::filesystem::recursive_directory_iterator entry(data / "recordings", none_yet);
    for (; entry != std::filesystem::recursive_directory_iterator(); ++entry) {
        if (entry.depth() != kDepthOfIds) continue;
        entry.disable_recursion_pending();
        const archive::StoredRecording recording(files, entry->path().string(),
                                                 keys ? keys->get() : nullptr);
        const auto summary = recording.summary();
        if (!summary || summary->call_ids.empty()) continue;
        Stored& stored = found[summary->call_ids.front()];
        stored.is_complete = summary->state == archive::State::Complete;
        read_packets(recording, stored);
    }
    return found;
}

// `earshot call`, three of them; what it says of them when it has ended.
class Calls {
public:
    Calls(const integration::TestServer& server, const std::string& transport)
        : out_(server.scratch() / ("calls." + transport)),
          process_(
              {integration::earshot_binary(), "call", "--to", server.sip_uri(transport), "--count",
               "3", "--rate", "10", "--duration", "0.6", "--keyed-payload", "--json"},
              out_, out_.string() + ".err") {}
    json wait() {
        const auto has_ended = [this] { return !process_.is_running(); };
        // Who waits for an answer that never comes is told to end; then, that it must.
        if (!integration::eventually(has_ended, seconds{6})) process_.signal(SIGTERM);
        if (!integration::eventually(has_ended, seconds{3})) process_.signal(SIGKILL);
        process_.wait();
        json calls = json::parse(integration::read_file(out_), nullptr, false);
        return calls.is_array() ? calls : json::array();
    }

private:
    std::filesystem::path out_;
    integration::Process process_;
};

bool has_ended(const json& rows, const char* what, const std::set<std::string>& not_final) {
    return rows.is_array() && std::none_of(rows.begin(), rows.end(), [&](const json& row) {
               return not_final.contains(row[what]);
           });
}

void check_rows(const integration::TestServer& server, const json& calls, Figures& figures) {
    json attempts;
    const auto is_final = [&] {
        attempts = json::parse(server.run({"ls", "--attempts", "--json"}).out, nullptr, false);
        return has_ended(server.list(), "state", {"recording"}) &&
               has_ended(attempts, "outcome", {"asked", "recording"});
    };
    if (!integration::eventually(is_final, seconds{10})) ++figures.unfinished_rows;
    for (const json& call : calls) {
        const bool has_row = std::any_of(attempts.begin(), attempts.end(), [&](const json& row) {
            return row["call_id"] == call["call_id"];
        });
        if (call["sip_status"] == 200 && !has_row) ++figures.missing_rows;
    }
}

void count(const Stored& stored, std::uint64_t sent, Figures& figures) {
    const std::uint64_t lost = sent - std::min<std::uint64_t>(sent, stored.packets.size());
    figures.packets += sent;
    figures.lost_packets += lost;
    figures.doubled_packets += stored.doubled;
    if (lost > 0 && stored.is_complete) ++figures.falsely_complete;
}

void check_packets(const std::filesystem::path& data, const json& calls, Figures& figures) {
    std::map<std::string, Stored> recordings = read_recordings(data);
    for (const json& call : calls) {
        ++figures.calls;
        if (call["sip_status"] != 200) continue;
        ++figures.recorded;
        std::uint64_t sent = 0;
        for (const json& stream : call["sent"]) sent += stream["packets"].get<std::uint64_t>();
        const auto found = recordings.find(call["call_id"]);
        if (found == recordings.end()) {
            ++figures.lost_recordings;
            continue;
        }
        count(found->second, sent, figures);
        recordings.erase(found);
    }
    for (const auto& [call_id, stored] : recordings) {
        ++figures.unreported;
        std::map<std::uint32_t, std::uint64_t> sent;  // of each stream, by its last number
        for (const auto& [stream, number] : stored.packets) sent[stream] = number + 1;
        std::uint64_t all = 0;
        for (const auto& [stream, of_stream] : sent) all += of_stream;
        count(stored, all, figures);
    }
}

// With 0, and within the time that a stop may take.
bool stops(integration::TestServer& server) {
    server.process().signal(SIGTERM);
    const auto has_ended = [&] { return !server.process().is_running(); };
    if (!integration::eventually(has_ended, seconds{30})) server.process().signal(SIGKILL);
    return server.process().wait() == 0;
}

struct Run {
    Figures figures;
    Counts counts{};
    std::string log;
    json calls;
};

Run run_once(const std::string& reader, const Fault& fault) {
    Run run;
    run.figures.runs = 1;
    integration::TestServer server;
    const ReportFile report(server.scratch() / "report");
    // It is asked about each call, so that the server's own requests fail as well: then it records.
    base::NullLog log;
    const auto hook = http::start_server(
        {.port = 0, .workers = 1},
        [](const http::Request&) {
            return http::make_response(200, "application/json", R"({"action":"record"})");
        },
        log);
    if (!hook) std::abort();
    std::vector<std::string> environment = report.environment(fault);
    environment.push_back("EARSHOT_MEDIA_READER=" + reader);
    environment.push_back(
        fmt::format("EARSHOT_DECISION_URL=http://127.0.0.1:{}/", (*hook)->port()));
    const bool has_started = server.start({}, environment);
    json calls = json::array();
    if (has_started) {
        Calls udp(server, "udp");
        Calls tcp(server, "tcp");
        for (Calls* some : {&udp, &tcp})
            for (json& call : some->wait()) calls.push_back(std::move(call));
        integration::eventually([&] { return has_ended(server.list(), "state", {"recording"}); },
                                seconds{3});
        const bool is_alive = server.process().is_running();
        if (!stops(server) || !is_alive) ++run.figures.dead_servers;
    } else if (report.failed() > 0 && server.process().wait() != 0 &&
               server.log().find("error") != std::string::npos) {
        ++run.figures.refused_starts;
    } else {
        ++run.figures.dead_servers;
    }
    run.counts = report.counts();
    run.figures.failed_calls = report.failed();
    run.log = server.log();
    if (!server.start()) {
        ++run.figures.dead_servers;
    } else {
        check_rows(server, calls, run.figures);
        server.stop();
    }
    check_packets(server.data(), calls, run.figures);
    run.calls = std::move(calls);
    return run;
}

// Of the calling thread and of what it starts. False: it takes root.
bool enter_own_network() {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    const io::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

// Runs are given out to threads, each with a network of its own.
class Sweep {
public:
    Sweep(std::uint64_t runs, std::uint64_t seed) : end_(seed + runs), next_(seed) {}

    bool run() {
        bool is_own = false;
        std::thread([&] { is_own = enter_own_network(); }).join();
        readers_.emplace_back("sockets");
        readers_.emplace_back("io_uring");
        if (is_own)
            readers_.emplace_back("packet_ring");
        else
            std::cerr << "without root: one server at a time, and no packet ring\n";
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < (is_own ? kServersAtOnce : 1); ++i)
            threads.emplace_back([this, is_own] {
                if (is_own) enter_own_network();
                work();
            });
        for (std::thread& thread : threads) thread.join();
        json figures = sum_.to_json();
        figures["kind"] = "sockets";
        figures["first_seed"] = end_ - sum_.runs;
        std::cout << figures.dump() << '\n';
        // A proof that saw nothing proves nothing.
        return sum_.is_clean() && sum_.failed_calls > 0 && sum_.packets > 0;
    }

private:
    struct Reader {
        explicit Reader(std::string of) : name(std::move(of)) {}
        const std::string name;
        std::once_flag counted;
        Counts counts{};  // without a fault
    };

    void work() {
        while (true) {
            std::uint64_t seed = 0;
            {
                const std::lock_guard lock(mutex_);
                if (next_ == end_) return;
                seed = next_++;
            }
            base::SeededRandom random(seed);
            Reader& reader = readers_[seed % readers_.size()];
            const Fault fault = draw(reader, random);
            Run run = run_once(reader.name, fault);
            const std::lock_guard lock(mutex_);
            sum_.add(run.figures);
            if (!run.figures.is_clean()) tell(reader.name, fault, run);
        }
    }

    // Of the calls that a run without a fault makes.
    static Fault draw(Reader& reader, base::Random& random) {
        std::call_once(reader.counted, [&] { reader.counts = run_once(reader.name, {}).counts; });
        unsigned kind = 0;
        do {
            kind = static_cast<unsigned>(random.u64() % reader.counts.size());
        } while (reader.counts[kind] == 0);
        const auto& errors = prove::kinds()[kind].faults;
        return {.kind = kind,
                .first = 1 + random.u64() % reader.counts[kind],
                .times = 1 + random.u64() % 3,
                .error = errors[random.u64() % errors.size()]};
    }

    static void tell(const std::string& reader, const Fault& fault, const Run& run) {
        std::cerr << "BROKEN: " << prove::kinds()[fault.kind].name << " failed with "
                  << (fault.error == prove::kShort ? "less" : std::strerror(fault.error))
                  << "; prove_sockets once " << reader << ' ' << to_string(fault) << '\n'
                  << run.figures.to_json().dump() << '\n';
    }

    const std::uint64_t end_;
    std::deque<Reader> readers_;
    std::mutex mutex_;
    std::uint64_t next_;
    Figures sum_;
};

int repeat(const std::string& reader, const std::string& text) {
    Fault fault;
    unsigned long long first = 0;
    unsigned long long times = 0;
    if (std::sscanf(text.c_str(), "%u:%llu:%llu:%d", &fault.kind, &first, &times, &fault.error) !=
            4 ||
        fault.kind >= prove::kKinds)
        return 2;
    fault.first = first;
    fault.times = times;
    enter_own_network();
    const Run run = run_once(reader, fault);
    std::cout << run.log << run.calls.dump(1) << '\n' << run.figures.to_json().dump() << '\n';
    for (std::size_t i = 0; i < run.counts.size(); ++i)
        std::cout << prove::kinds()[i].name << ' ' << run.counts[i] << '\n';
    return run.figures.is_clean() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "once") return repeat(argv[2], argv[3]);
    if (argc != 3) {
        std::cerr << "usage: prove_sockets RUNS SEED | once READER FAULT\n";
        return 2;
    }
    return Sweep(std::stoull(argv[1]), std::stoull(argv[2])).run() ? 0 : 1;
}
