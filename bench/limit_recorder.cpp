// What recording costs at the least: limit_recorder HOST FIRST_PORT STREAMS JOURNAL takes what
// arrives at the even ports from FIRST_PORT on, stamped by the kernel, and makes it durable every
// 200 ms, until SIGTERM. No protocol, no checks, no finished files: the floor under all recorders
// that script/bench compares. `limit_recorder --count JOURNAL` says how many packets one holds.
//
// One thread empties the sockets and fills chunks, another writes and syncs them. A chunk begins
// with the number of octets used in it; then records: { length u32, stream u32, arrival u64, source
// address u32, source port u32 } and the datagram, padded to 8 octets. In the host's byte order.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "base/net_address.h"
#include "base/text.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::size_t kChunks = 64;        // two thirds of a second of 500,000 packets a second
constexpr std::size_t kBlockBytes = 4096;  // O_DIRECT writes whole ones
constexpr off_t kExtentBytes = off_t{256} << 20;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxDatagramBytes = 2048;
constexpr std::chrono::milliseconds kDrainPeriod{200};
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

struct RecordHeader {
    std::uint32_t length = 0;
    std::uint32_t stream = 0;
    std::uint64_t arrival_ns = 0;
    std::uint32_t source_address = 0;
    std::uint32_t source_port = 0;
};

constexpr std::size_t record_size(std::size_t datagram) {
    return (sizeof(RecordHeader) + datagram + 7) / 8 * 8;
}

struct Chunk {
    std::uint8_t* bytes = nullptr;
    std::uint64_t used = sizeof(std::uint64_t);

    bool has_room(std::size_t datagram) const {
        return used + record_size(datagram) <= kChunkBytes;
    }
    void append(RecordHeader header, const std::uint8_t* datagram) {
        std::memcpy(bytes + used, &header, sizeof header);
        std::memcpy(bytes + used + sizeof header, datagram, header.length);
        used += record_size(header.length);
    }
};

// The file and the thread that writes it.
class Journal {
public:
    explicit Journal(const char* path) : file_(open_direct(path)) {
        if (!file_.is_open()) fail("open the journal");
        void* memory = ::mmap(nullptr, kChunks * kChunkBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) fail("mmap");
        for (std::size_t i = 0; i < kChunks; ++i)
            free_.push_back({.bytes = static_cast<std::uint8_t*>(memory) + i * kChunkBytes});
        reserve(kExtentBytes);
        thread_ = std::thread{[this] { run(); }};
    }
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    ~Journal() {
        commit();
        {
            const std::lock_guard lock(mutex_);
            is_closed_ = true;
        }
        has_work_.notify_one();
        thread_.join();
    }

    bool is_direct() const { return is_direct_; }
    Chunk take() {
        std::unique_lock lock(mutex_);
        has_room_.wait(lock, [this] { return !free_.empty(); });
        Chunk chunk = free_.back();
        free_.pop_back();
        return chunk;
    }
    void write(Chunk chunk) {
        std::memcpy(chunk.bytes, &chunk.used, sizeof chunk.used);
        {
            const std::lock_guard lock(mutex_);
            full_.push_back(chunk);
        }
        has_work_.notify_one();
    }
    // What was written so far is to be made durable.
    void commit() {
        {
            const std::lock_guard lock(mutex_);
            full_.push_back({});
        }
        has_work_.notify_one();
    }

private:
    int open_direct(const char* path) {
        constexpr int kFlags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
        const int direct = ::open(path, kFlags | O_DIRECT, 0600);
        is_direct_ = direct >= 0;
        return is_direct_ ? direct : ::open(path, kFlags, 0600);
    }
    void reserve(off_t size) {
        if (::fallocate(file_.get(), 0, reserved_, size) != 0) fail("fallocate");
        reserved_ += size;
    }
    void run() {
        while (true) {
            std::unique_lock lock(mutex_);
            has_work_.wait(lock, [this] { return !full_.empty() || is_closed_; });
            if (full_.empty()) return;
            const Chunk chunk = full_.front();
            full_.pop_front();
            lock.unlock();
            if (chunk.bytes == nullptr) {
                if (::fdatasync(file_.get()) != 0) fail("fdatasync");
                continue;
            }
            store(chunk);
            lock.lock();
            free_.push_back({.bytes = chunk.bytes});
            has_room_.notify_one();
        }
    }
    void store(const Chunk& chunk) {
        const std::size_t size = (chunk.used + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
        if (end_ + static_cast<off_t>(size) > reserved_) reserve(kExtentBytes);
        if (::pwrite(file_.get(), chunk.bytes, size, end_) != static_cast<ssize_t>(size))
            fail("pwrite");
        end_ += static_cast<off_t>(size);
    }

    bool is_direct_ = false;
    io::FileDescriptor file_;
    off_t reserved_ = 0;
    off_t end_ = 0;
    std::mutex mutex_;
    std::condition_variable has_work_;
    std::condition_variable has_room_;
    std::deque<Chunk> full_;  // one without bytes is a commit
    std::vector<Chunk> free_;
    bool is_closed_ = false;
    std::thread thread_;  // last: it uses all others
};

class Recorder {
public:
    Recorder(const base::NetAddress& first, std::size_t streams, Journal& journal)
        : journal_(journal) {
        base::NetAddress address = first;
        for (std::size_t i = 0; i < streams; ++i) {
            sockets_.push_back(bind(address));
            address.port = static_cast<std::uint16_t>(address.port + 2);
        }
        for (std::size_t i = 0; i < kBatch; ++i) {
            buffers_[i] = {.iov_base = datagrams_[i].data(), .iov_len = kMaxDatagramBytes};
            messages_[i].msg_hdr.msg_name = &sources_[i];
            messages_[i].msg_hdr.msg_iov = &buffers_[i];
            messages_[i].msg_hdr.msg_iovlen = 1;
            messages_[i].msg_hdr.msg_control = controls_[i].data();
        }
    }

    // Until the signal, which is blocked, and once more for what has come by then.
    void run(const sigset_t& signals) {
        auto due = std::chrono::steady_clock::now();
        do {
            drain();
            due += kDrainPeriod;
        } while (!is_signalled_by(due, signals));
        drain();
    }

    std::uint64_t packets() const { return packets_; }

private:
    static io::FileDescriptor bind(const base::NetAddress& address) {
        const io::SocketAddress native = io::to_socket_address(address);
        io::FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        constexpr int kOn = 1;
        if (!socket.is_open()) fail("socket");
        if (::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &kOn, sizeof kOn) != 0)
            fail("SO_TIMESTAMPNS");
        if (::bind(socket.get(), native.get(), native.size) != 0) fail("bind");
        return socket;
    }

    static bool is_signalled_by(std::chrono::steady_clock::time_point due,
                                const sigset_t& signals) {
        const std::chrono::nanoseconds left = due - std::chrono::steady_clock::now();
        const timespec wait{.tv_sec = 0, .tv_nsec = std::max<long>(left.count(), 0)};
        return ::sigtimedwait(&signals, nullptr, &wait) == SIGTERM;
    }

    void drain() {
        chunk_ = journal_.take();
        for (std::uint32_t stream = 0; stream < sockets_.size(); ++stream)
            while (receive(stream) == kBatch) continue;
        journal_.write(chunk_);
        journal_.commit();
    }

    std::size_t receive(std::uint32_t stream) {
        for (mmsghdr& message : messages_) {
            message.msg_hdr.msg_namelen = sizeof(sockaddr_in);
            message.msg_hdr.msg_controllen = kControlBytes;
        }
        const int count = ::recvmmsg(sockets_[stream].get(), messages_.data(), kBatch, 0, nullptr);
        if (count <= 0) return 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            const std::uint32_t length = messages_[i].msg_len;
            if (!chunk_.has_room(length)) {
                journal_.write(chunk_);
                chunk_ = journal_.take();
            }
            chunk_.append({.length = length,
                           .stream = stream,
                           .arrival_ns = arrival_of(messages_[i].msg_hdr),
                           .source_address = sources_[i].sin_addr.s_addr,
                           .source_port = sources_[i].sin_port},
                          datagrams_[i].data());
        }
        packets_ += static_cast<std::size_t>(count);
        return static_cast<std::size_t>(count);
    }

    static std::uint64_t arrival_of(const msghdr& header) {
        const cmsghdr* control = CMSG_FIRSTHDR(&header);
        if (control == nullptr || control->cmsg_type != SCM_TIMESTAMPNS) return 0;
        timespec time{};
        std::memcpy(&time, CMSG_DATA(control), sizeof time);
        return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
               static_cast<std::uint64_t>(time.tv_nsec);
    }

    static constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(timespec));

    Journal& journal_;
    Chunk chunk_;
    std::uint64_t packets_ = 0;
    std::vector<io::FileDescriptor> sockets_;
    std::array<mmsghdr, kBatch> messages_{};
    std::array<iovec, kBatch> buffers_{};
    std::array<sockaddr_in, kBatch> sources_{};
    std::array<std::array<std::uint8_t, kMaxDatagramBytes>, kBatch> datagrams_{};
    struct alignas(cmsghdr) Control : std::array<std::uint8_t, kControlBytes> {};
    std::array<Control, kBatch> controls_{};
};

int record(const base::NetAddress& first, std::size_t streams, const char* path) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before there are threads
    std::uint64_t packets = 0;
    bool is_direct = false;
    {
        Journal journal(path);
        is_direct = journal.is_direct();
        const auto recorder = std::make_unique<Recorder>(first, streams, journal);
        std::cout << "ready" << std::endl;  // flushed: the script waits for it
        recorder->run(signals);
        packets = recorder->packets();
    }
    std::cout << nlohmann::json{{"packets", packets}, {"direct", is_direct}}.dump() << '\n';
    return 0;
}

// Reads the journal as a recovery would: chunk by chunk to the first that was never written.
int count(const char* path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> chunk(kChunkBytes);
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    while (file.read(chunk.data(), kBlockBytes)) {
        std::uint64_t used = 0;
        std::memcpy(&used, chunk.data(), sizeof used);
        if (used < sizeof used || used > kChunkBytes) break;
        const std::size_t size = (used + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
        file.read(chunk.data() + kBlockBytes, static_cast<std::streamsize>(size - kBlockBytes));
        for (std::size_t at = sizeof used; at + sizeof(RecordHeader) <= used; ++packets) {
            RecordHeader header;
            std::memcpy(&header, chunk.data() + at, sizeof header);
            at += record_size(header.length);
        }
        bytes += size;
    }
    std::cout << nlohmann::json{{"packets", packets}, {"bytes", bytes}}.dump() << '\n';
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
    if (argc == 3 && std::string_view{arguments[1]} == "--count") return count(arguments[2]);
    const auto port = argc == 5 ? base::parse_number<std::uint16_t>(arguments[2]) : std::nullopt;
    const auto first = port ? base::parse_host(arguments[1], *port) : std::nullopt;
    const auto streams = argc == 5 ? base::parse_number<std::uint16_t>(arguments[3]) : std::nullopt;
    if (!first || !streams) {
        std::cerr << "usage: limit_recorder HOST FIRST_PORT STREAMS JOURNAL | --count JOURNAL\n";
        return 2;
    }
    return record(*first, *streams, arguments[4]);
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
