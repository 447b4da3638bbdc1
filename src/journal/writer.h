// The capture thread's end of the journal: copies records into frames in memory. No system call, no
// lock and no allocation per record; a lock is taken once a frame. Owned by one capture thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "journal/record.h"

namespace earshot::journal {

class Channel;
struct Frame;

// An open recording. A handle that outlives close() is recognised and refused: it never writes into
// another recording.
struct RecordingHandle {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  // 0: no recording
    friend bool operator==(const RecordingHandle&, const RecordingHandle&) = default;
};

class Writer {
public:
    explicit Writer(Channel& channel);  // Journal makes it
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer();

    // Begins a recording, or a further piece of one that was closed. Allocates. The same recording
    // may be open only once: a second open() gives the first one's handle. Each recording, also one
    // that holds a single Attempt, keeps its segments on the disk until it was closed and released.
    RecordingHandle open(const base::Uuid& recording);

    // Copies the concatenated pieces as one record. Errors, after which nothing was taken:
    //   Full      memory is used up because the disk does not keep up: count it as a gap `storage`
    //   TooLarge  more than kMaxRecordPayloadBytes
    //   NotFound  the handle is closed
    base::Result<base::Done> append(RecordingHandle recording, const RecordHeader& header,
                                    std::span<const base::ByteView> pieces);
    base::Result<base::Done> append(RecordingHandle recording, const RecordHeader& header,
                                    base::ByteView payload) {
        return append(recording, header, std::span<const base::ByteView>(&payload, 1));
    }

    // Hands what was appended to the committer. Call it every commit interval (200 ms), and at once
    // when someone waits for a record. When the committer is behind, small frames are not sealed
    // but filled further, so that memory holds as many seconds as it can.
    void commit(const base::Now& now);

    // Listener::on_durable(token) follows once all that was appended so far is durable. Full as for
    // append(). The caller still has to commit().
    base::Result<base::Done> notify_when_durable(std::uint64_t token);

    // Writes the Close record; Listener::on_closed() follows once everything is durable. Never
    // fails: in want of memory it is done at a later commit(). The handle is invalid from now on.
    void close(RecordingHandle recording, std::int64_t now_ns);

    std::size_t open_recordings() const { return by_id_.size(); }

private:
    struct Slot {
        base::Uuid recording;
        std::uint64_t serial = 0;
        std::uint32_t generation = 0;
        std::uint64_t frame_number = 0;  // the frame that `index` is about
        std::uint16_t index = 0;         // of its run there
        bool is_open = false;
    };
    struct PendingClose {
        base::Uuid recording;
        std::uint64_t serial = 0;
        std::int64_t now_ns = 0;
        std::uint64_t frame_number = 0;
        std::uint16_t index = 0;
    };
    Slot* find(RecordingHandle recording);
    bool make_room(std::size_t record_bytes, std::uint64_t frame_number);
    bool take_frame();
    void seal();
    std::uint16_t run_of(Slot& slot);
    std::uint16_t add_run(const base::Uuid& recording, std::uint64_t serial);
    void write_record(std::uint16_t index, const RecordHeader& header,
                      std::span<const base::ByteView> pieces, std::size_t payload_bytes);
    bool write_close(const PendingClose& close);

    Channel& channel_;
    std::unique_ptr<Frame> frame_;  // null: not taken from the pool yet
    std::uint64_t next_frame_number_ = 1;
    std::uint64_t next_serial_;
    base::Now last_now_{};
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::unordered_map<base::Uuid, std::uint32_t, base::UuidHash> by_id_;
    std::vector<PendingClose> pending_closes_;
};

}  // namespace earshot::journal
