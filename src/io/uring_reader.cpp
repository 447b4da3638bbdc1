#include "io/uring_reader.h"

#include <fmt/format.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "io/page_memory.h"
#include "io/socket_address.h"

namespace earshot::io {

namespace {

constexpr unsigned kSubmissions = 256;
constexpr unsigned kCompletions = 4096;
// Of the kernel at a time, for what came in one drain period to the flows of one phase. Too few
// only cost a receive that is armed once more.
constexpr unsigned kBuffers = 2048;
// Rings for paced media; each is some memory and a descriptor.
constexpr std::uint32_t kMaxPhases = 16;
constexpr int kBufferGroup = 0;
constexpr std::uint64_t kNoPlace = ~std::uint64_t{0};
// Datagrams at a time; then what was asked for meanwhile is obeyed.
constexpr unsigned kAtOnce = 64;
// A flood must not hold the thread for ever; the next tick goes on.
constexpr int kMaxLooksPerTick = 1024;

constexpr std::size_t kNameBytes = 32;  // sockaddr_in6, up to where a cmsghdr may begin
static_assert(kNameBytes >= sizeof(sockaddr_in6) && kNameBytes % alignof(cmsghdr) == 0);
constexpr std::size_t kBufferBytes =
    sizeof(io_uring_recvmsg_out) + kNameBytes + kMediaControlBytes + kMaxMediaBytes;
// Whole cache lines; no multiple of a page, where all would share a few sets of the cache.
constexpr std::size_t kStride = (kBufferBytes + 63) / 64 * 64;
static_assert(kStride % 4096 != 0);

base::Reason unavailable(const char* step, int code) {
    const std::string why = std::generic_category().message(code);
    const char* hint = code == EPERM || code == EACCES
                           ? "; it is forbidden (sysctl kernel.io_uring_disabled, or seccomp, as "
                             "container runtimes have it)"
                       : code == EINVAL || code == ENOSYS ? "; it needs Linux 6.1"
                                                          : "";
    return {"io_uring_unavailable",
            fmt::format("io_uring cannot be used ({}: {}){}", step, why, hint)};
}

// What each receive is given: room for the source and for the stamps.
msghdr receive_header() {
    msghdr header{};
    header.msg_namelen = kNameBytes;
    header.msg_controllen = kMediaControlBytes;
    return header;
}

}  // namespace

struct UringReader::Ring {
    io_uring ring{};
    bool is_open = false;
    PageMemory buffer_ring;               // io_uring_buf_ring, shared with the kernel
    std::vector<std::uint32_t> todo;      // places to arm, cancel or free
    msghdr header = receive_header();     // of all receives: the kernel reads it as it takes one
    std::span<std::uint8_t> all_buffers;  // of the reader

    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        if (is_open) io_uring_queue_exit(&ring);
    }

    io_uring_buf_ring* buffers() const {
        return static_cast<io_uring_buf_ring*>(buffer_ring.get());
    }
    std::span<std::uint8_t> buffer(unsigned number) const {
        return all_buffers.subspan(number * kStride, kBufferBytes);
    }
    void lend(unsigned number, int offset) const {
        io_uring_buf_ring_add(buffers(), buffer(number).data(), kBufferBytes,
                              static_cast<unsigned short>(number), io_uring_buf_ring_mask(kBuffers),
                              offset);
    }
    bool has_work() const {
        return (io_uring_smp_load_acquire(ring.sq.kflags) &
                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    std::optional<base::Reason> open(std::span<std::uint8_t> storage) {
        io_uring_params params{};
        // Enabled by begin(): the thread that does it is the only one that may use the ring.
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
        params.cq_entries = kCompletions;
        if (const int failed = io_uring_queue_init_params(kSubmissions, &ring, &params); failed < 0)
            return unavailable("io_uring_setup", -failed);
        is_open = true;
        if (!buffer_ring.map(kBuffers * sizeof(io_uring_buf)))
            return unavailable("memory for buffers", ENOMEM);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring.get());
        registration.ring_entries = kBuffers;
        registration.bgid = kBufferGroup;
        if (const int failed = io_uring_register_buf_ring(&ring, &registration, 0); failed < 0)
            return unavailable("provided buffers", -failed);
        all_buffers = storage;
        io_uring_buf_ring_init(buffers());
        for (unsigned number = 0; number < kBuffers; ++number)
            lend(number, static_cast<int>(number));
        io_uring_buf_ring_advance(buffers(), static_cast<int>(kBuffers));
        return std::nullopt;
    }
};

struct UringReader::Completion {
    std::uint64_t place;
    std::int32_t result;
    std::uint32_t flags;
};

base::Result<std::unique_ptr<UringReader>, base::Reason> UringReader::create(
    std::uint32_t paced_ticks) {
    std::unique_ptr<UringReader> reader(new UringReader);
    reader->storage_.resize(kBuffers * kStride);  // zeroed: pages are touched
    for (std::uint32_t i = 0; i < std::min(paced_ticks, kMaxPhases) + 1; ++i) {
        auto ring = std::make_unique<Ring>();
        if (auto failed = ring->open(reader->storage_)) return *failed;
        reader->rings_.push_back(std::move(ring));
    }
    return reader;
}

UringReader::~UringReader() = default;

void UringReader::begin() {
    // liburing 2.3 declares io_uring_enable_rings() but does not export it.
    for (const auto& ring : rings_)
        if (::syscall(SYS_io_uring_register, ring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
                      nullptr, 0) != 0)
            broken_rings_.fetch_add(1, std::memory_order_relaxed);
}

ReaderCounters UringReader::counters() const {
    ReaderCounters counters;
    counters.broken_rings = broken_rings_.load(std::memory_order_relaxed);
    counters.direct_sockets = direct_sockets_.load(std::memory_order_relaxed);
    return counters;
}

void UringReader::add(MediaFlow& flow) {
    const auto phases = static_cast<std::uint32_t>(rings_.size() - 1);
    const std::uint32_t own = flow.is_bursty ? phases : flow.phase % phases;
    flow.places = {take_place(flow, SocketKind::Rtp, own),
                   take_place(flow, SocketKind::Rtcp, phases)};
}

std::uint32_t UringReader::take_place(MediaFlow& flow, SocketKind kind, std::uint32_t ring) {
    if (free_places_.empty()) {
        free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
        places_.emplace_back();
    }
    const std::uint32_t place = free_places_.back();
    free_places_.pop_back();
    const bool is_broken = broken_rings_.load(std::memory_order_relaxed) > 0;
    if (is_broken) direct_sockets_.fetch_add(1, std::memory_order_relaxed);
    places_[place] = {.flow = &flow,
                      .kind = kind,
                      .ring = ring,
                      .is_armed = false,
                      .is_queued = false,
                      .is_direct = is_broken};
    queue(place);
    return place;
}

void UringReader::remove(MediaFlow& flow) {
    for (const std::uint32_t place : flow.places) {
        places_[place].flow = nullptr;
        queue(place);
    }
}

void UringReader::pause(MediaFlow& flow) {
    flow.is_paused = true;
    queue(flow.places[0]);
}

void UringReader::resume(MediaFlow& flow) {
    flow.is_paused = false;
    queue(flow.places[0]);
}

void UringReader::visit(MediaFlow& flow, SocketKind kind, Sink& sink) {
    if (flow.is_paused && kind == SocketKind::Rtp) {
        discard(flow, sink);
    } else if (places_[flow.places[static_cast<std::size_t>(kind)]].is_direct) {
        receive(flow, kind, sink);
    }
}

void UringReader::queue(std::uint32_t place) {
    if (std::exchange(places_[place].is_queued, true)) return;
    rings_[places_[place].ring]->todo.push_back(place);
}

bool UringReader::wants_ring(const Place& place) {
    return place.flow != nullptr && !place.is_direct &&
           !(place.flow->is_paused && place.kind == SocketKind::Rtp);
}

// Makes the places what they should be. A receive that cannot be cancelled now, because the kernel
// is just at it, completes once more and comes here again.
void UringReader::settle(Ring& ring) {
    std::size_t done = 0;
    for (; done < ring.todo.size(); ++done) {
        const std::uint32_t number = ring.todo[done];
        Place& place = places_[number];
        if (wants_ring(place) != place.is_armed) {
            io_uring_sqe* entry = io_uring_get_sqe(&ring.ring);
            if (entry == nullptr) {
                submit(ring);
                entry = io_uring_get_sqe(&ring.ring);
            }
            if (entry == nullptr) break;
            if (place.is_armed) {
                io_uring_prep_cancel64(entry, number, 0);
                entry->user_data = kNoPlace;
            } else {
                arm(place, ring.header, *entry);
                entry->user_data = number;
            }
        } else if (place.flow == nullptr) {
            free_places_.push_back(number);
        }
        place.is_queued = false;
    }
    ring.todo.erase(ring.todo.begin(), ring.todo.begin() + static_cast<std::ptrdiff_t>(done));
    if (io_uring_sq_ready(&ring.ring) > 0) submit(ring);
}

// What the kernel does not take now (no memory, a full queue) is taken back and made anew at the
// next look: until then its socket may be closed, and its descriptor be another's.
void UringReader::submit(Ring& ring) {
    io_uring_submit(&ring.ring);
    const io_uring_sq& queued = ring.ring.sq;
    for (unsigned i = queued.sqe_tail - io_uring_sq_ready(&ring.ring); i != queued.sqe_tail; ++i) {
        io_uring_sqe& entry = queued.sqes[i & *queued.kring_mask];
        if (entry.opcode == IORING_OP_NOP) continue;
        const bool is_cancel = entry.opcode == IORING_OP_ASYNC_CANCEL;
        const auto number = static_cast<std::uint32_t>(is_cancel ? entry.addr : entry.user_data);
        if (!is_cancel) places_[number].is_armed = false;
        io_uring_prep_nop(&entry);
        entry.user_data = kNoPlace;
        queue(number);
    }
}

void UringReader::arm(Place& place, msghdr& header, io_uring_sqe& entry) {
    const int socket = place.flow->sockets[place.kind].descriptor();
    io_uring_prep_recvmsg_multishot(&entry, socket, &header, 0);
    entry.ioprio |= IORING_RECVSEND_POLL_FIRST;  // nothing is read while it is armed
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = kBufferGroup;
    place.is_armed = true;
}

// By turns the ring of each tick and that of this one.
bool UringReader::read(std::uint64_t tick, Sink& sink) {
    if (tick != std::exchange(tick_, tick)) looks_ = 0;
    if (++looks_ > kMaxLooksPerTick) return false;
    const std::size_t phases = rings_.size() - 1;
    if (looks_ % 2 == 1) {
        is_more_ = look(*rings_[phases], sink);
        return true;
    }
    return look(*rings_[tick % phases], sink) || is_more_;
}

// The kernel is asked for more only when all that it gave is seen to.
bool UringReader::look(Ring& ring, Sink& sink) {
    settle(ring);
    if (io_uring_cq_ready(&ring.ring) == 0 && ring.has_work()) io_uring_get_events(&ring.ring);
    unsigned head = 0;
    unsigned seen = 0;
    int lent = 0;
    const io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring.ring, head, entry) {
        if (seen == kAtOnce) break;
        ++seen;
        on_completion(ring, {entry->user_data, entry->res, entry->flags}, sink);
        if ((entry->flags & IORING_CQE_F_BUFFER) != 0)
            ring.lend(entry->flags >> IORING_CQE_BUFFER_SHIFT, lent++);
    }
    io_uring_buf_ring_advance(ring.buffers(), lent);
    io_uring_cq_advance(&ring.ring, seen);
    return io_uring_cq_ready(&ring.ring) > 0 || ring.has_work() || !ring.todo.empty();
}

// What look() has left in the ring is older than what waits at the socket.
void UringReader::drain(MediaFlow& flow, SocketKind kind, Sink& sink) {
    const std::uint64_t place = flow.places[static_cast<std::size_t>(kind)];
    Ring& ring = *rings_[places_[place].ring];
    unsigned head = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring.ring, head, entry) {
        if (entry->user_data != place) continue;
        on_completion(ring, {entry->user_data, entry->res, entry->flags}, sink);
        entry->user_data = kNoPlace;  // look() lends its buffer again
    }
    receive_all(flow, kind, sink);
}

void UringReader::on_completion(Ring& ring, const Completion& completion, Sink& sink) {
    if (completion.place == kNoPlace) return;  // of a cancel; the receive tells how it ended
    const auto number = static_cast<std::uint32_t>(completion.place);
    Place& place = places_[number];
    if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
        const auto buffer = ring.buffer(completion.flags >> IORING_CQE_BUFFER_SHIFT);
        const auto size = static_cast<std::size_t>(std::max(completion.result, 0));
        if (place.flow != nullptr) {
            deliver(place, buffer, size, sink);
        } else {
            std::fill_n(buffer.begin(), std::min(size, buffer.size()), std::uint8_t{0});
        }
    }
    const bool is_over = (completion.flags & IORING_CQE_F_MORE) == 0;
    if (is_over) {
        place.is_armed = false;
        // ENOBUFS: armed once more it goes on; what waits is still in the socket.
        place.is_direct = completion.result < 0 && completion.result != -ENOBUFS &&
                          completion.result != -ECANCELED;
        if (place.is_direct) direct_sockets_.fetch_add(1, std::memory_order_relaxed);
    }
    if (is_over || !wants_ring(place)) queue(number);
}

void UringReader::deliver(const Place& place, std::span<std::uint8_t> buffer, std::size_t size,
                          Sink& sink) {
    msghdr header = receive_header();
    auto* out = io_uring_recvmsg_validate(buffer.data(), static_cast<int>(size), &header);
    if (out == nullptr) return;
    sockaddr_storage source;  // NOLINT(cppcoreguidelines-pro-type-member-init): 100 bytes unused
    std::memcpy(&source, io_uring_recvmsg_name(out), kNameBytes);
    auto* payload = static_cast<std::uint8_t*>(io_uring_recvmsg_payload(out, &header));
    msghdr control{};
    control.msg_control = io_uring_recvmsg_cmsg_firsthdr(out, &header);
    control.msg_controllen = control.msg_control == nullptr ? 0 : out->controllen;
    const Datagram datagram{
        .bytes = {payload, buffer.data() + size},
        .source = from_socket_address(source),
        .arrival_ns = place.flow->sockets[place.kind].take_control(control),
        .truncated = (out->flags & MSG_TRUNC) != 0,
    };
    sink.on_datagram(*place.flow, place.kind, datagram);
}

}  // namespace earshot::io
