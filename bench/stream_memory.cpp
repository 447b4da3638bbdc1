// What an open media stream takes of memory (docs/performance.md; goal: <= 12 kB in the mean, the
// kernel's part included): 2,000 streams of 1,000 recordings in a CaptureEngine, each with a source
// that was accepted. What signalling keeps of a call is not in it. Prints JSON:
//   heap_bytes     of the process; glibc's malloc
//   kernel_bytes   of the slabs for two sockets: socket, file and what names them
//   packet_bytes   of the kernel's for one waiting packet of G.711
//   waiting_bytes  for those that wait in the mean between two looks at a socket
#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <malloc.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "capture/capture_engine.h"
#include "io/clock.h"
#include "io/descriptor_limit.h"
#include "io/linux_file.h"
#include "io/udp_socket.h"
#include "rtp/rtp_packet.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;

constexpr int kDefaultRecordings = 1'000;
constexpr int kWarmUp = 50;
constexpr int kPackets = 5;  // to each stream: enough to be accepted
constexpr std::size_t kSockets = 2;
constexpr std::size_t kPayloadBytes = 160;
constexpr std::size_t kPacketsPerSecond = 50;

std::size_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// What the kernel holds for all sockets, by its own count; their names in the dentry cache are lost
// among those of files, so each socket is taken to have one. Without /proc/slabinfo, which is
// root's, all kernel objects are counted: beside other work that says little.
struct Slabs {
    std::size_t bytes = 0;
    std::size_t name_bytes = 0;  // of one socket, where it is not in `bytes`
};

std::size_t all_slabs_bytes() {
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        std::string name;
        std::size_t kib = 0;
        if (fields >> name >> kib && name == "Slab:") return kib * 1024;
    }
    return 0;
}

Slabs read_slabs() {
    std::ifstream file("/proc/slabinfo");
    if (!file) return {.bytes = all_slabs_bytes(), .name_bytes = 0};
    Slabs slabs;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        std::string name;
        std::size_t in_use = 0;
        std::size_t objects = 0;
        std::size_t size = 0;
        if (!(fields >> name >> in_use >> objects >> size)) continue;
        if (name == "UDP" || name == "UDPv6" || name == "sock_inode_cache" || name == "filp")
            slabs.bytes += objects * size;
        if (name == "dentry") slabs.name_bytes = size;
    }
    return slabs;
}

base::Bytes make_packet(int number) {
    base::Bytes packet;
    rtp::write_rtp({.sequence = static_cast<std::uint16_t>(number),
                    .timestamp = static_cast<std::uint32_t>(number) * 160,
                    .ssrc = 7},
                   base::Bytes(kPayloadBytes, 0x55), packet);
    return packet;
}

io::UdpSocket bind_any() {
    auto socket = io::UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"));
    if (!socket) {
        std::cerr << "error: no socket\n";
        std::exit(1);
    }
    return *std::move(socket);
}

// What the kernel charges a socket for a packet that waits there.
std::size_t packet_bytes() {
    io::UdpSocket sender = bind_any();
    const io::UdpSocket receiver = bind_any();
    constexpr std::size_t kCount = 10;
    for (std::size_t i = 0; i < kCount; ++i)
        (void)sender.send(make_packet(static_cast<int>(i)), receiver.local_address());
    std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
    socklen_t size = sizeof info;
    (void)getsockopt(receiver.descriptor(), SOL_SOCKET, SO_MEMINFO, info.data(), &size);
    return info[SK_MEMINFO_RMEM_ALLOC] / kCount;
}

class Rig {
public:
    explicit Rig(const std::string& directory)
        : options_(make_options(directory)), engine_(options_, files_, clock_, log_) {
        (void)engine_.take_found();
        engine_.start({});
    }

    bool open(int recordings) {
        for (int i = 0; i < recordings; ++i) {
            const base::Uuid recording = base::make_uuid_v7(clock_.now().wall, random_);
            for (std::uint16_t stream = 0; stream < 2; ++stream) {
                capture::StreamSetup setup;
                setup.key = {recording, stream};
                setup.signalling_peer = options_.capture.bind_host;
                setup.format.payload_types = {
                    {0, "PCMU", 8000}, {8, "PCMA", 8000}, {101, "telephone-event", 8000}};
                setup.format.remote_rtp = sender_.local_address();
                const auto ports = engine_.open_stream(setup);
                if (!ports) return false;
                ports_.push_back(ports->rtp);
            }
        }
        return true;
    }
    // To all streams; then everything that came of it is over.
    void send() {
        for (int number = 0; number < kPackets; ++number) {
            for (const base::NetAddress& port : ports_)
                (void)sender_.send(make_packet(number), port);
            std::this_thread::sleep_for(options_.capture.paced_drain);
        }
        for (int i = 0; i < 30; ++i) {
            while (engine_.poll_notification()) continue;
            std::this_thread::sleep_for(50ms);
        }
    }
    std::size_t open_streams() const { return engine_.load(clock_.now().steady).open_streams; }

private:
    static capture::EngineOptions make_options(const std::string& directory) {
        capture::EngineOptions options;
        options.capture.bind_host = *base::parse_net_address("127.0.0.1:0");
        options.capture.first_port = 20'000;
        options.capture.last_port = 29'999;
        options.capture.cname = "earshot@bench";
        options.journals = directory;
        options.run_id = 1;
        return options;
    }

    io::LinuxFileSystem files_;
    io::SystemClock clock_;
    base::NullLog log_;
    base::SeededRandom random_{1};
    io::UdpSocket sender_ = bind_any();
    capture::EngineOptions options_;
    capture::CaptureEngine engine_;
    std::vector<base::NetAddress> ports_;
};

}  // namespace

int main(int argc, char** argv) {
    const auto given = argc > 1 ? base::parse_number<std::uint16_t>(argv[1]) : std::nullopt;
    const int recordings = given.value_or(kDefaultRecordings);
    const auto streams = 2 * static_cast<std::size_t>(recordings);
    std::string directory = std::filesystem::temp_directory_path() / "earshot-stream-memory-XXXXXX";
    base::NullLog log;
    (void)io::raise_descriptor_limit(log);
    if (streams == 0 || mkdtemp(directory.data()) == nullptr) return 2;
    bool is_good = false;
    {
        Rig rig(directory);
        is_good = rig.open(kWarmUp);
        rig.send();
        const std::size_t heap = heap_bytes();
        const Slabs slabs = read_slabs();
        is_good = is_good && rig.open(recordings);
        rig.send();
        is_good = is_good && rig.open_streams() == 2 * kWarmUp + streams;
        const std::size_t heap_share = (heap_bytes() - heap) / streams;
        const Slabs slabs_now = read_slabs();
        const std::size_t kernel_share =
            (slabs_now.bytes - slabs.bytes) / streams + kSockets * slabs_now.name_bytes;
        const capture::CaptureOptions usual;
        const std::size_t packet = packet_bytes();
        // None after a look, all of a drain period before the next.
        const std::size_t waiting = packet * kPacketsPerSecond *
                                    static_cast<std::size_t>(usual.paced_drain.count()) / 1000 / 2;
        std::cout << fmt::format(
            R"({{"streams":{},"bytes_per_stream":{},"heap_bytes":{},"kernel_bytes":{},)"
            R"("packet_bytes":{},"waiting_bytes":{}}})"
            "\n",
            streams, heap_share + kernel_share + waiting, heap_share, kernel_share, packet,
            waiting);
    }
    std::filesystem::remove_all(directory);
    if (!is_good) std::cerr << "error: not all streams could be opened\n";
    return is_good ? 0 : 1;
}
