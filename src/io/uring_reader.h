// The reader on io_uring: a multishot receive waits at each socket, the kernel puts what came into
// buffers that it is lent, and one system call serves some twenty sockets.
//
// The ring does its work only inside read() (IORING_SETUP_DEFER_TASKRUN, Linux 6.1): until then
// datagrams stay in their sockets, so drain() and a pause see all of them: what read() has left in
// the ring, then the socket itself.
// That is also why there are several rings: flows of one phase share one, which is read once in a
// drain period, as many datagrams of a socket together as came in it. Bursty RTP and all RTCP,
// which is rare, have a ring that is read at each tick.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "io/media_reader.h"

struct io_uring_sqe;

namespace earshot::io {

class UringReader : public MediaReader {
public:
    // `paced_ticks`: ticks in a drain period. Any thread; fails where io_uring is forbidden (sysctl
    // kernel.io_uring_disabled, seccomp) or too old: io_uring_unavailable.
    static base::Result<std::unique_ptr<UringReader>, base::Reason> create(
        std::uint32_t paced_ticks);
    UringReader(const UringReader&) = delete;
    UringReader& operator=(const UringReader&) = delete;
    ~UringReader() override;

    void begin() override;
    void add(MediaFlow& flow) override;
    void remove(MediaFlow& flow) override;
    bool read(std::uint64_t tick, Sink& sink) override;
    void visit(MediaFlow& flow, SocketKind kind, Sink& sink) override;
    void drain(MediaFlow& flow, SocketKind kind, Sink& sink) override;
    void pause(MediaFlow& flow) override;
    void resume(MediaFlow& flow) override;
    ReaderCounters counters() const override;

private:
    struct Ring;
    struct Completion;
    // The receive of one socket. It is used again only when its last completion has come: a closed
    // socket leaves the kernel after that.
    struct Place {
        MediaFlow* flow = nullptr;  // none: it has been removed
        SocketKind kind = SocketKind::Rtp;
        std::uint32_t ring = 0;
        bool is_armed = false;
        bool is_queued = false;  // in Ring::todo
        bool is_direct = false;  // io_uring failed for this socket: it is drained
    };

    UringReader() = default;
    std::uint32_t take_place(MediaFlow& flow, SocketKind kind, std::uint32_t ring);
    void queue(std::uint32_t place);
    static bool wants_ring(const Place& place);
    void settle(Ring& ring);
    void submit(Ring& ring);
    static void arm(Place& place, msghdr& header, io_uring_sqe& entry);
    bool look(Ring& ring, Sink& sink);
    void on_completion(Ring& ring, const Completion& completion, Sink& sink);
    static void deliver(const Place& place, std::span<std::uint8_t> buffer, std::size_t size,
                        Sink& sink);

    // The buffers, of all rings: one is read at a time. They outlive the rings, which write there.
    std::vector<std::uint8_t> storage_;
    std::vector<std::unique_ptr<Ring>> rings_;  // one for each phase, then the one of each tick
    std::vector<Place> places_;
    std::vector<std::uint32_t> free_places_;
    std::uint64_t tick_ = 0;
    int looks_ = 0;         // in this tick
    bool is_more_ = false;  // in the ring of each tick, at its last look
    // With any the kernel did not let this thread begin: sockets are drained.
    std::atomic<std::uint64_t> broken_rings_{0};
    std::atomic<std::uint64_t> direct_sockets_{0};
};

}  // namespace earshot::io
