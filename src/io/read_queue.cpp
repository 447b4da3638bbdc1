#include "io/read_queue.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "io/limits.h"

namespace earshot::io {

std::unique_ptr<ReadQueue> ReadQueue::open() {
    std::unique_ptr<ReadQueue> queue(new ReadQueue);
    if (::syscall(SYS_io_setup, kMaxQueuedReads, &queue->context_) != 0) {
        queue->context_ = 0;
        return nullptr;
    }
    queue->requests_.resize(kMaxQueuedReads);
    return queue;
}

ReadQueue::~ReadQueue() {
    if (context_ != 0) (void)::syscall(SYS_io_destroy, context_);
}

void ReadQueue::read(int descriptor, std::span<FileRead> reads) {
    while (!reads.empty()) {
        const std::span<FileRead> now = reads.first(std::min(reads.size(), kMaxQueuedReads));
        reads = reads.subspan(now.size());
        pointers_.clear();
        for (std::size_t i = 0; i < now.size(); ++i) {
            iocb& request = requests_[i];
            request = {};
            request.aio_data = i;
            request.aio_lio_opcode = IOCB_CMD_PREAD;
            request.aio_fildes = static_cast<std::uint32_t>(descriptor);
            request.aio_buf = reinterpret_cast<std::uintptr_t>(now[i].out.data());
            request.aio_nbytes = now[i].out.size();
            request.aio_offset = static_cast<std::int64_t>(now[i].offset);
            pointers_.push_back(&request);
        }
        long waiting = ::syscall(SYS_io_submit, context_, pointers_.size(), pointers_.data());
        while (waiting > 0) {
            std::array<io_event, kMaxQueuedReads> events{};
            const long done = ::syscall(SYS_io_getevents, context_, waiting, events.size(),
                                        events.data(), nullptr);
            // The kernel still writes to where our caller would take its memory away.
            if (done < 0 && errno != EINTR) std::abort();
            for (long i = 0; i < done; ++i) {
                const io_event& event = events.at(static_cast<std::size_t>(i));
                FileRead& finished = now[event.data];
                if (event.res == static_cast<std::int64_t>(finished.out.size()))
                    finished.count = finished.out.size();
            }
            waiting -= std::max(done, 0L);
        }
    }
}

std::unique_ptr<ReadQueue> ReadQueues::take() {
    const std::lock_guard lock(mutex_);
    if (is_refused_) return nullptr;
    if (idle_.empty()) {
        auto queue = ReadQueue::open();
        is_refused_ = queue == nullptr;
        return queue;
    }
    auto queue = std::move(idle_.back());
    idle_.pop_back();
    return queue;
}

void ReadQueues::give_back(std::unique_ptr<ReadQueue> queue) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(queue));
}

}  // namespace earshot::io
