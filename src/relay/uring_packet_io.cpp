#include "relay/uring_packet_io.h"

#include <fmt/format.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "io/limits.h"
#include "io/page_memory.h"

namespace earshot::relay {

namespace {

constexpr unsigned kSubmissions = 1024;
constexpr unsigned kCompletions = 8192;
// What a stall of 20 ms at 50,000 packets a second brings. Too few cost a receive that is armed
// once more; what waits stays in its socket.
constexpr unsigned kBuffers = 1024;
constexpr int kBufferGroup = 0;
// So many are not kept waiting for more.
constexpr unsigned kEnoughPackets = 256;

// Sockets that a ring knows by numbers of its own; there may be fewer descriptors.
constexpr rlim_t kMostRegistered = 32'768;

constexpr std::uint64_t kSend = std::uint64_t{1} << 63;

constexpr std::size_t kNameBytes = 32;  // sockaddr_in6, up to where a cmsghdr might begin
static_assert(kNameBytes >= sizeof(sockaddr_in6));
constexpr std::size_t kBufferBytes = sizeof(io_uring_recvmsg_out) + kNameBytes + io::kMaxMediaBytes;
// Whole cache lines; no multiple of a page, where all would share a few sets of the cache.
constexpr std::size_t kStride = (kBufferBytes + 63) / 64 * 64;
static_assert(kStride % 4096 != 0);

base::Reason unavailable(const char* step, int code) {
    return {.code = "io_uring_unavailable",
            .text = fmt::format("io_uring cannot be used ({}: {}).", step,
                                std::generic_category().message(code))};
}

}  // namespace

struct UringPacketIo::Ring {
    io_uring ring{};
    bool is_open = false;
    io::PageMemory buffer_ring;  // io_uring_buf_ring, shared with the kernel
    io::PageMemory storage;
    msghdr header{};  // of all receives: how much room the source gets

    Ring() { header.msg_namelen = kNameBytes; }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        if (is_open) io_uring_queue_exit(&ring);
    }

    std::uint8_t* buffer(unsigned number) const {
        return static_cast<std::uint8_t*>(storage.get()) + number * kStride;
    }
    void lend(std::span<const unsigned> numbers) const {
        auto* buffers = static_cast<io_uring_buf_ring*>(buffer_ring.get());
        int offset = 0;
        for (const unsigned number : numbers)
            io_uring_buf_ring_add(buffers, buffer(number), kBufferBytes,
                                  static_cast<unsigned short>(number),
                                  io_uring_buf_ring_mask(kBuffers), offset++);
        io_uring_buf_ring_advance(buffers, offset);
    }

    std::optional<base::Reason> open() {
        io_uring_params params{};
        // Enabled by begin(): the thread that does it is the only one that may use the ring. The
        // ring does its work only while that thread waits for it.
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
        params.cq_entries = kCompletions;
        if (const int failed = io_uring_queue_init_params(kSubmissions, &ring, &params); failed < 0)
            return unavailable("io_uring_setup", -failed);
        is_open = true;
        if (!buffer_ring.map(kBuffers * sizeof(io_uring_buf)) || !storage.map(kBuffers * kStride))
            return unavailable("memory for buffers", ENOMEM);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring.get());
        registration.ring_entries = kBuffers;
        registration.bgid = kBufferGroup;
        if (const int failed = io_uring_register_buf_ring(&ring, &registration, 0); failed < 0)
            return unavailable("provided buffers", -failed);
        io_uring_buf_ring_init(static_cast<io_uring_buf_ring*>(buffer_ring.get()));
        std::vector<unsigned> all(kBuffers);
        for (unsigned number = 0; number < kBuffers; ++number) all[number] = number;
        lend(all);
        return std::nullopt;
    }
};

UringPacketIo::UringPacketIo() : ring_(std::make_unique<Ring>()), places_(1) {
    used_buffers_.reserve(kBuffers);
}

UringPacketIo::~UringPacketIo() = default;

base::Result<std::unique_ptr<UringPacketIo>, base::Reason> UringPacketIo::create() {
    std::unique_ptr<UringPacketIo> made(new UringPacketIo);
    made->wake_ = io::FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!made->wake_.is_open()) return unavailable("eventfd", errno);
    if (auto failed = made->ring_->open()) return *std::move(failed);
    return made;
}

bool UringPacketIo::begin() {
    ::prctl(PR_SET_TIMERSLACK, 1'000);  // ns; by default a pause takes 50 us more
    // liburing 2.3 declares io_uring_enable_rings() but does not export it.
    if (::syscall(SYS_io_uring_register, ring_->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr,
                  0) != 0)
        return false;
    rlimit files{};
    static_cast<void>(::getrlimit(RLIMIT_NOFILE, &files));
    const auto count = static_cast<unsigned>(std::min<rlim_t>(files.rlim_cur, kMostRegistered));
    if (io_uring_register_files_sparse(&ring_->ring, count) == 0) registrable_ = count;
    arm_wake();
    return io_uring_submit(&ring_->ring) > 0;
}

// --- ports ---------------------------------------------------------------------------------------

std::uint64_t UringPacketIo::tag(std::uint32_t place, bool is_send) const {
    constexpr std::uint64_t kGenerations = 0x7fffffff;
    const std::uint64_t generation = places_[place].generation & kGenerations;
    return (is_send ? kSend : 0) | generation << 32 | place;
}

void UringPacketIo::take_place(Port& port) {
    if (free_places_.empty()) {
        free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
        places_.emplace_back();
    }
    port.place = free_places_.back();
    free_places_.pop_back();
    Place& place = places_[port.place];
    place.port = &port;
    const int descriptor = port.socket.descriptor();
    place.is_registered =
        port.place < registrable_ &&
        io_uring_register_files_update(&ring_->ring, port.place, &descriptor, 1) == 1;
}

// By its number in the ring's own table: that spares the kernel the search in the process's, whose
// counters all threads share.
void UringPacketIo::set_socket(io_uring_sqe& request, std::uint32_t place) const {
    if (!places_[place].is_registered) return;
    request.fd = static_cast<int>(place);
    request.flags |= IOSQE_FIXED_FILE;
}

// Room for one more request; those before it are handed over when there is none.
io_uring_sqe& UringPacketIo::entry() {
    io_uring_sqe* free = io_uring_get_sqe(&ring_->ring);
    while (free == nullptr) {
        io_uring_submit(&ring_->ring);
        free = io_uring_get_sqe(&ring_->ring);
    }
    return *free;
}

void UringPacketIo::arm(std::uint32_t place) {
    io_uring_sqe& request = entry();
    io_uring_prep_recvmsg_multishot(&request, places_[place].port->socket.descriptor(),
                                    &ring_->header, 0);
    set_socket(request, place);
    request.flags |= IOSQE_BUFFER_SELECT;
    request.buf_group = kBufferGroup;
    request.user_data = tag(place, false);
}

void UringPacketIo::arm_wake() {
    io_uring_sqe& request = entry();
    io_uring_prep_poll_multishot(&request, wake_.get(), POLLIN);
    request.user_data = tag(0, false);
}

bool UringPacketIo::add(Port& port) {
    if (port.place == 0) take_place(port);
    port.is_read = true;
    arm(port.place);
    // At once: a request is bound to its socket only then, and the number may soon be another's.
    io_uring_submit(&ring_->ring);
    return true;
}

void UringPacketIo::remove(Port& port) {
    if (port.place == 0) return;
    if (port.is_read) {
        io_uring_sqe& request = entry();
        io_uring_prep_cancel64(&request, tag(port.place, false), 0);
        request.flags |= IOSQE_CQE_SKIP_SUCCESS;
        request.user_data = tag(port.place, true);
    }
    Place& place = places_[port.place];
    place.port = nullptr;
    ++place.generation;
    if (std::exchange(place.is_registered, false)) {
        const int none = -1;
        static_cast<void>(io_uring_register_files_update(&ring_->ring, port.place, &none, 1));
    }
    free_places_.push_back(std::exchange(port.place, 0));
    port.is_read = false;
}

// The kernel copies the bytes while the request is handed over, at the end of the turn: there is
// room in the buffer of the socket, or the packet is lost (MSG_DONTWAIT).
void UringPacketIo::send(Port& port, base::ByteView bytes, const io::SocketAddress* to) {
    if (port.place == 0) take_place(port);
    io_uring_sqe& request = entry();
    io_uring_prep_send(&request, port.socket.descriptor(), bytes.data(), bytes.size(),
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    if (to != nullptr)
        io_uring_prep_send_set_addr(&request, to->get(), static_cast<__u16>(to->size));
    set_socket(request, port.place);
    request.flags |= IOSQE_CQE_SKIP_SUCCESS;
    request.user_data = tag(port.place, true);
}

void UringPacketIo::flush() {
    if (io_uring_sq_ready(&ring_->ring) > 0) io_uring_submit(&ring_->ring);
}

// --- turns ---------------------------------------------------------------------------------------

void UringPacketIo::turn(Sink& sink, base::TimePoint now, std::chrono::milliseconds limit) {
    // Woken since the last turn, whose reading of the eventfd may have taken the news with it.
    const bool is_woken = is_woken_.load(std::memory_order_acquire);
    if (is_woken) limit = std::chrono::milliseconds{0};
    const std::chrono::nanoseconds pause = pace_.pause(now);
    const bool is_gathering = pause.count() > 0 && !is_woken;
    const std::chrono::nanoseconds wait = is_gathering ? pause : limit;
    constexpr std::int64_t kSecond = 1'000'000'000;
    __kernel_timespec patience{.tv_sec = wait.count() / kSecond, .tv_nsec = wait.count() % kSecond};
    io_uring_cqe* completion = nullptr;
    static_cast<void>(io_uring_submit_and_wait_timeout(
        &ring_->ring, &completion, is_gathering ? kEnoughPackets : 1, &patience, nullptr));
    const base::TimePoint began =
        sink.on_turn(is_woken_.exchange(false, std::memory_order_acquire));
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_for_each_cqe(&ring_->ring, head, completion) {
        ++seen;
        on_completion(completion->user_data, completion->res, completion->flags, sink);
    }
    io_uring_cq_advance(&ring_->ring, seen);
    sink.on_end();
    // What goes out is copied here; then its buffers are the kernel's again.
    flush();
    ring_->lend(used_buffers_);
    pace_.on_turn(began, used_buffers_.size());
    used_buffers_.clear();
}

void UringPacketIo::on_completion(std::uint64_t data, int result, std::uint32_t flags, Sink& sink) {
    const auto place = static_cast<std::uint32_t>(data);
    const bool is_send = (data & kSend) != 0;
    const bool is_current = data == tag(place, is_send);
    Port* port = is_current ? places_[place].port : nullptr;
    if (is_send) {
        if (port != nullptr && result < 0) sink.on_unsent(*port, -result);
        return;
    }
    const bool is_over = (flags & IORING_CQE_F_MORE) == 0;
    if (place == 0) {
        eventfd_t count = 0;
        static_cast<void>(::eventfd_read(wake_.get(), &count));
        if (is_over) arm_wake();
        return;
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) on_received(port, result, flags, sink);
    // ENOBUFS: all buffers were lent out; what waits is still in the socket.
    if (is_over && port != nullptr) arm(place);
}

void UringPacketIo::on_received(Port* port, int result, std::uint32_t flags, Sink& sink) {
    const unsigned number = flags >> IORING_CQE_BUFFER_SHIFT;
    used_buffers_.push_back(number);
    if (port == nullptr || result < 0) return;
    auto* out = io_uring_recvmsg_validate(ring_->buffer(number), result, &ring_->header);
    if (out == nullptr || (out->flags & MSG_TRUNC) != 0) return;
    sockaddr_storage source;  // NOLINT(cppcoreguidelines-pro-type-member-init): 100 bytes unused
    std::memcpy(&source, io_uring_recvmsg_name(out), kNameBytes);
    auto* payload = static_cast<std::uint8_t*>(io_uring_recvmsg_payload(out, &ring_->header));
    sink.on_packet(*port, {payload, out->payloadlen}, io::from_socket_address(source));
}

void UringPacketIo::wake() {
    if (is_woken_.exchange(true, std::memory_order_acq_rel)) return;
    static_cast<void>(::eventfd_write(wake_.get(), 1));
}

}  // namespace earshot::relay
