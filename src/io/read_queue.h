// Reads of a file at many places at once, by Linux' asynchronous I/O (io_submit): a disk's requests
// go out together, and the thread sleeps once for all of them. Only for files that bypass the page
// cache: of others the calls block. Not io_uring, which container runtimes forbid.
#pragma once

#include <linux/aio_abi.h>

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "io/file.h"

namespace earshot::io {

// One thread at a time.
class ReadQueue {
public:
    static std::unique_ptr<ReadQueue> open();  // null: the kernel gives none
    ReadQueue(const ReadQueue&) = delete;
    ReadQueue& operator=(const ReadQueue&) = delete;
    ~ReadQueue();

    // Fills in `count` of the reads that the kernel took and finished as they were asked for;
    // the others keep theirs.
    void read(int descriptor, std::span<FileRead> reads);

private:
    ReadQueue() = default;

    aio_context_t context_ = 0;
    std::vector<iocb> requests_;
    std::vector<iocb*> pointers_;
};

// The queues of a file system's files. To make one and to end it takes longer than what it saves a
// file, so they are kept. Any thread.
class ReadQueues {
public:
    // Null: there is none.
    std::unique_ptr<ReadQueue> take();
    void give_back(std::unique_ptr<ReadQueue> queue);

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<ReadQueue>> idle_;
    bool is_refused_ = false;
};

}  // namespace earshot::io
