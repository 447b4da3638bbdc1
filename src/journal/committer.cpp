#include "journal/committer.h"

#include <algorithm>
#include <cerrno>

#include "base/crc32c.h"
#include "journal/channel.h"

namespace earshot::journal {

using base::Done;
using base::Error;
using base::Result;

namespace {

constexpr std::chrono::milliseconds kIdleWait{100};  // how late a release or a stop may be noticed
constexpr std::chrono::seconds kRetryAfter{1};
constexpr std::chrono::seconds kLookInterval{1};

std::int64_t to_ns(base::TimePoint t) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

// Groups the records by recording, in place of the order of arrival, and puts in their checksums;
// `seal_size` bytes are left before each run. The result is in `scratch`, which then changes places
// with the frame's buffer.
void lay_out(Frame& frame, std::size_t seal_size, std::unique_ptr<FrameBytes>& scratch) {
    FrameHeader& header = frame.header;
    header.number = frame.number;
    header.records = frame.records;
    header.payload_length =
        static_cast<std::uint32_t>(frame.record_bytes + seal_size * frame.runs.size());
    header.monotonic_ns = to_ns(frame.clock.steady);
    header.realtime_ns = base::to_ns(frame.clock.wall);
    header.table.clear();
    header.table.resize(frame.runs.size());
    auto offset = static_cast<std::uint32_t>(header.payload_offset());
    std::vector<std::uint32_t> write_at;
    write_at.reserve(frame.runs.size());
    for (std::size_t i = 0; i < frame.runs.size(); ++i) {
        const FrameRun& run = frame.runs[i];
        const auto length = static_cast<std::uint32_t>(run.bytes + seal_size);
        header.table[i] = {run.recording, offset, length, run.records};
        write_at.push_back(offset + static_cast<std::uint32_t>(seal_size));
        offset += length;
    }
    const std::span<const std::uint8_t> in = std::span(*frame.buffer).first(frame.record_bytes);
    const std::span<std::uint8_t> out = *scratch;
    for (std::size_t at = 0; at < in.size();) {
        const base::ByteView rest = in.subspan(at);
        const std::uint16_t index = record_index(rest);
        const std::size_t length = record_length(rest);
        const std::size_t size = record_size(length);
        const std::span<std::uint8_t> copy = out.subspan(write_at[index], size);
        std::copy_n(rest.begin(), size, copy.begin());
        seal_record(copy.first(kRecordHeaderSize + length), frame.runs[index].recording);
        write_at[index] += static_cast<std::uint32_t>(size);
        at += size;
    }
    frame.buffer.swap(scratch);
    frame.is_laid_out = true;
}

// Makes the laid-out runs in `bytes` a frame as the disk has it.
base::ByteView finish_frame(FrameHeader& header, std::span<std::uint8_t> bytes) {
    const std::size_t end = header.size();
    const std::size_t padded = padded_to_block(end);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(end),
              bytes.begin() + static_cast<std::ptrdiff_t>(padded), std::uint8_t{0});
    header.payload_crc =
        base::crc32c(bytes.subspan(header.payload_offset(), header.payload_length));
    write_frame_header(header, bytes);
    return bytes.first(padded);
}

}  // namespace

Committer::Committer(io::FileSystem& files, Options options, Channel& channel, Listener& listener,
                     const Recovery& recovery)
    : files_(files),
      options_(std::move(options)),
      channel_(channel),
      listener_(listener),
      scratch_(std::make_unique_for_overwrite<FrameBytes>()) {
    if (options_.writing_keys() != nullptr)
        encrypted_ = std::make_unique_for_overwrite<FrameBytes>();
    for (const RecoveredSegment& found : recovery.segments) {
        next_segment_ = std::max(next_segment_, found.segment + 1);
        segments_[found.segment] =
            Segment{.directory = found.directory, .deletable = found.readable};
    }
    for (const RecoveredRecording& recording : recovery.recordings) {
        std::vector<std::uint32_t>& held = held_[recording.serial];
        held = recording.extents.segments();
        for (const std::uint32_t segment : held) segments_[segment].references += 1;
    }
}

Committer::~Committer() = default;

void Committer::run(const std::stop_token& stop, const std::function<base::Now()>& clock) {
    clock_ = clock;
    while (!stop.stop_requested()) {
        if (auto frame = channel_.sealed.pop_for(kIdleWait)) {
            unconfirmed_.push_back(std::move(*frame));
        }
        step(clock());
    }
    retry_at_ = {};
    step(clock());
    finish_segment();
    free_unused_segments();
}

void Committer::step(const base::Now& now) {
    take_releases();
    while (auto frame = channel_.sealed.try_pop()) unconfirmed_.push_back(std::move(*frame));
    if (!unconfirmed_.empty() && now.steady >= retry_at_) {
        // Once more than there are directories: the first failure may only be the segment's.
        bool written = false;
        for (std::size_t tries = 0; !written && tries <= options_.directories.size(); ++tries) {
            written = write_waiting(now);
        }
        if (!written) retry_at_ = now.steady + kRetryAfter;
    }
    free_unused_segments();
    look_at_disk(now);
}

void Committer::take_releases() {
    while (const auto serial = channel_.releases.try_pop()) {
        const auto held = held_.find(*serial);
        if (held == held_.end()) continue;  // released twice
        for (const std::uint32_t segment : held->second) segments_[segment].references -= 1;
        held_.erase(held);
    }
}

// Writes and syncs all that waits. False after a failure: the segment is given up by then, and all
// unconfirmed frames are to be written again.
bool Committer::write_waiting(const base::Now& now) {
    while (written_ < unconfirmed_.size()) {
        Frame& frame = *unconfirmed_[written_];
        if (frame.records != 0 && !write_frame(frame, now)) return false;
        ++written_;
    }
    return sync_and_confirm(now);
}

bool Committer::write_frame(Frame& frame, const base::Now& now) {
    if (!frame.is_laid_out) lay_out(frame, encrypted_ ? kRunSealSize : 0, scratch_);
    const std::size_t size = padded_to_block(frame.header.size());
    const bool has_frames = end_ > kFirstFrameAt;
    if (file_ && has_frames && end_ + size > options_.segment_bytes) {
        if (!sync_and_confirm(now)) return false;
        finish_segment();
    }
    if (!file_ && !open_segment(frame.number, now)) return false;
    frame.header.run_id = options_.run_id;
    frame.header.boot_id = options_.boot_id;
    frame.header.segment = current_;
    const auto written =
        file_->write_at(end_, cipher_ ? encrypt(frame) : finish_frame(frame.header, *frame.buffer));
    if (!written) {
        give_up_segment(written.error(), now);
        return false;
    }
    frame.segment = current_;
    frame.offset = end_;
    end_ += size;
    return true;
}

// Valid until the next call. The frame stays as it is, for another segment with another key.
base::ByteView Committer::encrypt(Frame& frame) {
    const std::span<const std::uint8_t> in = *frame.buffer;
    const std::span<std::uint8_t> out = *encrypted_;
    std::uint32_t index = 0;
    for (const TableEntry& entry : frame.header.table) {
        cipher_->seal(entry.recording, frame.number, index++,
                      in.subspan(entry.offset + kRunSealSize, entry.length - kRunSealSize),
                      out.subspan(entry.offset, entry.length));
    }
    return finish_frame(frame.header, out);
}

bool Committer::sync_and_confirm(const base::Now& now) {
    const auto first = unconfirmed_.begin();
    const auto last = first + static_cast<std::ptrdiff_t>(written_);
    const bool on_disk = std::any_of(first, last, [](const auto& f) { return f->records != 0; });
    if (on_disk) {
        if (const auto synced = file_->sync_data(); !synced) {
            give_up_segment(synced.error(), now);
            return false;
        }
        channel_.failing_since_ns.store(0, std::memory_order_relaxed);
    }
    for (; written_ != 0; --written_) {
        std::unique_ptr<Frame> frame = std::move(unconfirmed_.front());
        unconfirmed_.pop_front();
        confirm(*frame);
        channel_.waiting.fetch_sub(1, std::memory_order_relaxed);
        (void)channel_.free.try_push(std::move(frame));  // has room for all frames there are
    }
    return true;
}

void Committer::count_delay(const Frame& frame) {
    if (frame.oldest_packet_ns == 0 || !clock_) return;
    channel_.delays.add(
        std::chrono::nanoseconds(base::to_ns(clock_().wall) - frame.oldest_packet_ns));
}

void Committer::confirm(const Frame& frame) {
    count_delay(frame);
    ClockSample clock{.monotonic_ns = frame.header.monotonic_ns,
                      .realtime_ns = frame.header.realtime_ns};
    for (std::size_t i = 0; i < frame.runs.size(); ++i) {
        const FrameRun& run = frame.runs[i];
        const TableEntry& place = frame.header.table[i];
        const auto offset = static_cast<std::uint32_t>(frame.offset + place.offset);
        OpenRecording& recording = open_[run.serial];
        recording.recording = run.recording;
        clock.run = static_cast<std::uint32_t>(recording.extents.size());
        recording.extents.append({frame.segment, offset, place.length});
        append_if_stepped(recording.clocks, clock);
        auto& segments = recording.segments;
        if (std::find(segments.rbegin(), segments.rend(), frame.segment) == segments.rend()) {
            segments.push_back(frame.segment);
            segments_[frame.segment].references += 1;
        }
    }
    for (const std::uint64_t serial : frame.closed) {
        auto node = open_.extract(serial);
        OpenRecording& recording = node.mapped();
        held_[serial] = std::move(recording.segments);
        listener_.on_closed({.serial = serial,
                             .recording = recording.recording,
                             .extents = std::move(recording.extents),
                             .clocks = std::move(recording.clocks)});
    }
    for (const std::uint64_t token : frame.tokens) listener_.on_durable(token);
}

bool Committer::open_segment(std::uint64_t first_frame, const base::Now& now) {
    const std::string& directory = options_.directories[directory_index_];
    const std::uint32_t segment = next_segment_++;
    const std::string path = io::join_path(directory, segment_name(segment));
    const auto opened = create_segment(directory, path, segment, first_frame, now);
    if (!opened) {
        (void)files_.remove(path);  // as far as possible: nothing of it was promised to anybody
        file_.reset();
        next_directory_after_failure(opened.error(), now);
        return false;
    }
    current_ = segment;
    end_ = kFirstFrameAt;
    segments_[segment] = Segment{.directory = directory};
    return true;
}

Result<Done> Committer::create_segment(const std::string& directory, const std::string& path,
                                       std::uint32_t segment, std::uint64_t first_frame,
                                       const base::Now& now) {
    if (auto made = make_directory(directory); !made) return made;
    auto file = files_.create_direct(path);
    if (!file) return file.error();
    file_ = *std::move(file);
    channel_.is_direct.store(file_->is_direct(), std::memory_order_relaxed);
    // On a nearly full disk the calls that run may use up what is left, unreserved.
    auto reserved = file_->reserve(options_.segment_bytes);
    if (!reserved && reserved.error().detail != ENOSPC) return reserved;
    SegmentHeader header{.worker = options_.worker,
                         .segment = segment,
                         .created_ns = base::to_ns(now.wall),
                         .run_id = options_.run_id,
                         .boot_id = options_.boot_id,
                         .first_frame = first_frame};
    if (const auto* const keys = options_.writing_keys()) {
        const auto key = crypto::SecretKey::generate(random_);
        header.key = keys->wrap(key);
        cipher_.emplace(key);
    }
    const auto bytes = write_segment_header(header);
    for (std::size_t copy = 0; copy < kSegmentHeaderCopies; ++copy)
        std::copy(bytes.begin(), bytes.end(), scratch_->begin() + copy * bytes.size());
    const auto front = std::span(*scratch_).first(kFirstFrameAt);
    if (auto written = file_->write_at(0, front); !written) return written;
    if (auto synced = file_->sync_data(); !synced) return synced;
    return files_.sync_directory(directory);
}

Result<Done> Committer::make_directory(const std::string& directory) {
    if (files_.list(directory)) return Done{};
    if (auto made = files_.make_directories(directory); !made) return made;
    // DATA/journal/W and DATA/journal may be new; DATA itself is whoever made it's to sync.
    const std::string parent = io::parent_path(directory);
    if (auto synced = files_.sync_directory(parent); !synced) return synced;
    return files_.sync_directory(io::parent_path(parent));
}

// What was confirmed in the current segment stays; nothing more is written, and no sync is asked of
// it again. All unconfirmed frames count as not written.
void Committer::poison_segment() {
    file_.reset();
    current_ = 0;
    written_ = 0;
    channel_.poisoned.fetch_add(1, std::memory_order_relaxed);
}

void Committer::give_up_segment(const Error& error, const base::Now& now) {
    poison_segment();
    next_directory_after_failure(error, now);
}

void Committer::next_directory_after_failure(const Error& error, const base::Now& now) {
    written_ = 0;
    channel_.failure_errno.store(static_cast<int>(error.detail), std::memory_order_relaxed);
    channel_.failure_directory.store(directory_index_, std::memory_order_relaxed);
    std::int64_t never = 0;
    channel_.failing_since_ns.compare_exchange_strong(never, base::to_ns(now.wall));
    directory_index_ = (directory_index_ + 1) % options_.directories.size();
}

// The segment is full, and all in it is confirmed. The next one is in the first directory again.
void Committer::finish_segment() {
    if (!file_) return;
    (void)file_->truncate(end_);  // gives reserved space back; zeros at the end do no harm
    file_.reset();
    current_ = 0;
    directory_index_ = 0;
}

void Committer::free_unused_segments() {
    for (auto it = segments_.begin(); it != segments_.end();) {
        const Segment& segment = it->second;
        if (it->first == current_ || segment.references != 0 || !segment.deletable) {
            ++it;
            continue;
        }
        const auto removed =
            files_.remove(io::join_path(segment.directory, segment_name(it->first)));
        // The name may come back after a power loss; the recovery then finds it and frees it again.
        if (removed || removed.error().code == base::Errc::NotFound) {
            it = segments_.erase(it);
        } else {
            ++it;
        }
    }
}

void Committer::look_at_disk(const base::Now& now) {
    if (now.steady < next_look_) return;
    next_look_ = now.steady + kLookInterval;
    look_at_segment();
    look_at_free_space();
}

// A file that somebody removed takes what is written to it along without an error: what it had is
// lost, what comes must not be.
void Committer::look_at_segment() {
    if (!file_) return;
    const std::string& directory = segments_[current_].directory;
    const auto there = files_.open_for_reading(io::join_path(directory, segment_name(current_)));
    if (!there && there.error().code == base::Errc::NotFound) poison_segment();
}

void Committer::look_at_free_space() {
    // Before the first segment the directory may not be there; those above it are on its disk.
    std::string directory = options_.directories[directory_index_];
    auto free = files_.free_bytes(directory);
    while (!free) {
        const std::string above = io::parent_path(directory);
        if (above == directory || above.empty()) return;
        directory = above;
        free = files_.free_bytes(directory);
    }
    channel_.free_bytes.store(static_cast<std::int64_t>(*free), std::memory_order_relaxed);
}

}  // namespace earshot::journal
