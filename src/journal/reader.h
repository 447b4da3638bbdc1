// Reads the journal back: the records of one recording by its extents, and after a crash everything
// that an earlier process left in a directory. Files are hostile input: any bytes are survived.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "io/aligned_bytes.h"
#include "io/file.h"
#include "journal/extent.h"
#include "journal/record.h"
#include "journal/run_cipher.h"

namespace earshot::journal {

std::string segment_name(std::uint32_t segment);  // NNNNNNNN.seg, decimal

struct Damage {
    std::uint64_t bad_records = 0;   // places where one or more records failed their checksum
    std::uint64_t bad_frames = 0;    // headers that failed theirs, or frames cut by the file's end
    std::uint64_t lost_bytes = 0;    // bytes skipped for these reasons
    std::uint64_t read_errors = 0;   // reads that the disk refused, segments that are missing
    int last_errno = 0;              // of the last of these
    std::vector<std::string> notes;  // a sentence each, naming file and offset; the first 20
    bool any() const { return bad_records + bad_frames + read_errors != 0; }
    void note(std::string text);
};

// Iterates over the records of one recording, in order. A recording has five runs a second, so runs
// are read many at once, past the page cache, which the writer passed by, too. Bad records are
// skipped and counted; all valid ones after them still come. Borrows `files`, `keys` and `extents`,
// which come from on_closed() or recover(). One thread.
class RecordReader {
public:
    RecordReader(io::FileSystem& files, std::vector<std::string> directories,
                 const base::Uuid& recording, const ExtentList& extents,
                 const crypto::KeyWrapper* keys = nullptr);

    // The payload is valid until the next call. nullopt at the end.
    std::optional<Record> next();
    std::size_t run() const { return run_; }  // index in the list of the run that it came from
    const Damage& damage() const { return damage_; }

private:
    struct Stretch {  // of a segment, read in one go
        std::uint64_t offset = 0;
        std::size_t size = 0;
        std::size_t place = 0;  // in memory_
        std::uint64_t end() const { return offset + size; }
    };
    struct Loaded {
        Extent extent;
        std::size_t stretch = 0;          // index of the one that it lies in
        std::span<std::uint8_t> bytes{};  // what of it could be read
    };
    bool next_run();
    bool load_runs();
    std::size_t choose_runs();
    void read_runs();
    std::span<std::uint8_t> read_alone(const Loaded& run);
    void begin_run(const Loaded& run);
    void decrypt();
    bool open_segment(std::uint32_t segment);
    base::Result<base::Done> read_key();

    io::FileSystem& files_;
    std::vector<std::string> directories_;
    const crypto::KeyWrapper* keys_;
    base::Uuid recording_;
    ExtentList::Cursor cursor_;
    std::unique_ptr<io::File> file_;
    std::uint32_t file_segment_ = 0;
    std::optional<RunCipher> cipher_;  // of file_
    std::optional<io::AlignedBytes> memory_;
    std::vector<Stretch> stretches_;
    std::vector<Loaded> loaded_;     // of one segment
    std::size_t next_loaded_ = 0;    // in loaded_
    std::optional<Extent> ahead_;    // taken off the list, not loaded
    std::span<std::uint8_t> bytes_;  // the current run
    std::size_t at_ = 0;
    std::size_t check_budget_ = 0;  // bounds the search behind a bad record
    Extent extent_;
    std::size_t run_ = 0;
    std::size_t runs_begun_ = 0;
    Damage damage_;
};

struct RecoveredRecording {
    std::uint64_t serial = 0;  // for Journal::release()
    base::Uuid recording{};
    ExtentList extents{};
    std::vector<ClockSample> clocks{};
    std::int64_t first_arrival_ns = 0;
    std::int64_t last_arrival_ns = 0;
    std::uint64_t record_count = 0;
    bool was_closed = false;     // its last record is a Close: nothing is missing at the end
    bool has_beginning = false;  // an Attempt: nothing is missing before
    bool lacks_frames =
        false;  // some that were written while it ran are lost, maybe with its records
    // A segment that may hold more of it cannot be read now, but may be one day.
    bool may_be_unread = false;
};

struct RecoveredSegment {
    std::uint32_t segment = 0;
    std::string directory{};
    bool readable =
        true;  // false: unknown version, no key or disk error; such a file is never deleted
};

struct Recovery {
    std::vector<RecoveredRecording> recordings;  // by first appearance
    std::vector<RecoveredSegment> segments;      // ascending
    Damage damage;
};

// Reads all segments of the directories (those of Options::directories; missing ones are empty).
// Segments whose key `keys` does not unwrap are left alone, and counted as damage.
// A recording may have been archived before the crash and yet be found: ask the catalogue first.
Recovery recover(io::FileSystem& files, const std::vector<std::string>& directories,
                 const crypto::KeyWrapper* keys = nullptr);

}  // namespace earshot::journal
