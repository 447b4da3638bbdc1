// What a crash left behind (docs/journal-format.md, "Reading"). Two passes: each segment is walked
// for frames, then the frames are put in order, doubles dropped, and sorted by recording.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/crc32c.h"
#include "base/text.h"
#include "journal/format.h"
#include "journal/reader.h"

namespace earshot::journal {

using base::ByteView;

namespace {

struct FoundRun {
    base::Uuid recording{};
    std::uint32_t offset = 0;  // in the segment
    std::uint32_t length = 0;
    std::uint64_t records = 0;
    std::int64_t first_arrival_ns = 0;
    std::int64_t last_arrival_ns = 0;
    bool ends_with_close = false;
    bool has_attempt = false;
};

struct FoundFrame {
    std::uint64_t run_id = 0;
    std::uint64_t number = 0;
    std::uint32_t segment = 0;
    ClockSample clock{};
    bool is_intact = false;
    std::uint64_t records = 0;  // good ones
    std::vector<FoundRun> runs{};
    Damage damage{};  // counted only if no better copy is found
};

// A segment file as bytes at any offset, read in large pieces. Blocks that the disk refuses are
// zeros and counted.
class SegmentBytes {
public:
    SegmentBytes(io::File& file, std::uint64_t size, std::string name, Damage& damage)
        : file_(file), size_(size), name_(std::move(name)), damage_(damage) {}

    // Up to `length` bytes, fewer at the end of the file; valid until the next call.
    ByteView at(std::uint64_t offset, std::size_t length) {
        length = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - offset));
        if (offset < begin_ || offset + length > begin_ + bytes_.size()) fill(offset);
        const ByteView all(bytes_);
        const auto from = std::min(static_cast<std::size_t>(offset - begin_), all.size());
        return all.subspan(from, std::min(length, all.size() - from));
    }

private:
    static constexpr std::size_t kWindowBytes = 4 * kMaxFrameBytes;

    void fill(std::uint64_t offset) {
        begin_ = offset;
        bytes_.resize(
            static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, size_ - offset)));
        if (const auto read = file_.read_at(offset, bytes_)) {
            bytes_.resize(*read);
            return;
        }
        std::fill(bytes_.begin(), bytes_.end(), std::uint8_t{0});
        const std::span<std::uint8_t> all(bytes_);
        for (std::size_t at = 0; at < all.size(); at += kBlockBytes) {
            const std::span<std::uint8_t> block =
                all.subspan(at, std::min(kBlockBytes, all.size() - at));
            const auto read = file_.read_at(offset + at, block);
            if (read) continue;
            damage_.read_errors += 1;
            damage_.lost_bytes += block.size();
            damage_.last_errno = static_cast<int>(read.error().detail);
            damage_.note(fmt::format("{}, offset {}: a block cannot be read", name_, offset + at));
        }
    }

    io::File& file_;
    const std::uint64_t size_;
    const std::string name_;
    Damage& damage_;
    std::uint64_t begin_ = 0;
    base::Bytes bytes_;
};

// `cipher` is null where the segment is not encrypted; `scratch` is reused.
FoundRun read_run(ByteView frame, const TableEntry& entry, std::uint64_t frame_offset,
                  const std::string& name, RunCipher* cipher, base::Bytes& scratch,
                  Damage& damage) {
    const std::size_t begin = std::min<std::size_t>(entry.offset, frame.size());
    const std::size_t length = std::min<std::size_t>(entry.length, frame.size() - begin);
    ByteView bytes = frame.subspan(begin, length);
    FoundRun run{.recording = entry.recording,
                 .offset = static_cast<std::uint32_t>(frame_offset + entry.offset),
                 .length = static_cast<std::uint32_t>(length)};
    std::size_t budget = kSearchBudgetBytes;
    std::size_t at = 0;
    if (cipher != nullptr) {
        scratch.assign(bytes.begin(), bytes.end());
        if (!cipher->open(entry.recording, scratch)) {
            damage.bad_frames += 1;
            damage.note(
                fmt::format("{}, offset {}: {} bytes were altered since they were encrypted", name,
                            run.offset, entry.length));
        }
        bytes = scratch;
        at = std::min(bytes.size(), kRunSealSize);
    }
    const auto lose = [&](std::size_t until) {
        if (until == at) return;
        damage.bad_records += 1;
        damage.lost_bytes += until - at;
        damage.note(fmt::format("{}, offset {}: {} bytes of records fail their checksum", name,
                                run.offset + at, until - at));
    };
    while (const auto found = find_record(bytes, at, entry.recording, budget)) {
        lose(found->begin);
        const std::int64_t arrival = found->record.header.arrival_ns;
        if (run.records == 0) run.first_arrival_ns = run.last_arrival_ns = arrival;
        run.first_arrival_ns = std::min(run.first_arrival_ns, arrival);
        run.last_arrival_ns = std::max(run.last_arrival_ns, arrival);
        run.records += 1;
        run.has_attempt |= found->record.header.type == RecordType::Attempt;
        run.ends_with_close = found->record.header.type == RecordType::Close;
        at = found->end;
    }
    lose(entry.length);
    return run;
}

// What its header tells of a segment.
struct SegmentFacts {
    std::uint32_t segment = 0;
    std::optional<std::uint64_t> run_id{};
    std::uint64_t first_frame = 0;  // 0: not known
    std::uint64_t last_found = 0;   // the highest number of its frames; 0: none was found
    bool is_readable = true;
};

class SegmentScan {
public:
    SegmentScan(std::uint32_t segment, std::string name, const crypto::KeyWrapper* keys,
                Damage& damage, std::vector<FoundFrame>& frames)
        : segment_(segment),
          name_(std::move(name)),
          keys_(keys),
          damage_(damage),
          frames_(frames) {}

    // Not readable: the file must be kept for someone who can read it.
    SegmentFacts run(io::File& file) {
        SegmentFacts facts{.segment = segment_};
        const std::size_t frames_before = frames_.size();
        facts.is_readable = scan(file, facts);
        std::uint64_t records = 0;
        for (std::size_t i = frames_before; i < frames_.size(); ++i) {
            facts.last_found = std::max(facts.last_found, frames_[i].number);
            records += frames_[i].records;
        }
        // Frames, and not one good record: they are encrypted, and the key is in the lost header.
        if (facts.is_readable && !facts.run_id && frames_.size() > frames_before && records == 0) {
            frames_.resize(frames_before);
            facts.is_readable = leave(EBADMSG, "its header, with its key, is damaged");
        }
        return facts;
    }

private:
    bool scan(io::File& file, SegmentFacts& facts) {
        const auto size = file.size();
        if (!size || *size > kMaxSegmentBytes) {
            damage_.read_errors += 1;
            damage_.note(fmt::format("{}: its size cannot be read or is too large", name_));
            return false;
        }
        const std::uint64_t errors_before = damage_.read_errors;
        SegmentBytes bytes(file, *size, name_, damage_);
        const auto header = parse_segment_headers(bytes.at(0, kFirstFrameAt));
        if (!header && header.error().code == base::Errc::Unsupported) {
            return leave(ENOTSUP, fmt::format("{} is not known here", header.error().what));
        }
        std::uint64_t begin = kSegmentHeaderSize;
        if (header) {
            run_id_ = facts.run_id = header->run_id;
            facts.first_frame = header->first_frame;
            if (header->version != 1) begin = kFirstFrameAt;
            auto cipher = RunCipher::of(*header, keys_);
            if (!cipher) return leave(ENOKEY, std::string(cipher.error().what));
            cipher_ = *std::move(cipher);
        }
        for (std::uint64_t at = begin; at < *size;) at += read_frame(bytes, at);
        return damage_.read_errors == errors_before;
    }

    // What is in it is not lost, only not to be had now.
    bool leave(int error, const std::string& why) {
        damage_.read_errors += 1;
        damage_.last_errno = error;
        damage_.note(fmt::format("{}: {}; left alone", name_, why));
        return false;
    }

    // Returns how far to go on: a frame, or one block where there is none.
    std::uint64_t read_frame(SegmentBytes& bytes, std::uint64_t at) {
        const ByteView block = bytes.at(at, kBlockBytes);
        if (!has_frame_magic(block)) {
            const bool is_blank =
                std::all_of(block.begin(), block.end(), [](std::uint8_t b) { return b == 0; });
            if (is_blank) {
                in_damage_ = false;
            } else {
                skip_block(at, block.size());
            }
            return kBlockBytes;
        }
        const ByteView whole = bytes.at(at, kMaxFrameBytes);
        FrameHeader& header = header_;
        const auto parsed = parse_frame_header(whole, header);
        // A wrong run id: a frame from an earlier life of these blocks, or made by a stranger.
        if (!parsed || (run_id_ && *run_id_ != header.run_id)) {
            skip_block(at, block.size());
            return kBlockBytes;
        }
        in_damage_ = false;
        run_id_ = header.run_id;
        add_frame(whole.first(std::min(whole.size(), header.size())), at);
        return padded_to_block(header.size());
    }

    void skip_block(std::uint64_t at, std::size_t size) {
        damage_.lost_bytes += size;
        if (std::exchange(in_damage_, true)) return;
        damage_.bad_frames += 1;
        damage_.note(fmt::format("{}, offset {}: no good frame begins here", name_, at));
    }

    void add_frame(ByteView bytes, std::uint64_t at) {
        const FrameHeader& header = header_;
        FoundFrame frame{.run_id = header.run_id,
                         .number = header.number,
                         .segment = segment_,
                         .clock = {header.monotonic_ns, header.realtime_ns}};
        for (const TableEntry& entry : header.table) {
            frame.runs.push_back(read_run(bytes, entry, at, name_, cipher_ ? &*cipher_ : nullptr,
                                          scratch_, frame.damage));
            frame.records += frame.runs.back().records;
        }
        frame.is_intact =
            !frame.damage.any() && frame.records == header.records &&
            base::crc32c(bytes.subspan(header.payload_offset())) == header.payload_crc;
        frames_.push_back(std::move(frame));
    }

    const std::uint32_t segment_;
    const std::string name_;
    const crypto::KeyWrapper* const keys_;
    Damage& damage_;
    std::vector<FoundFrame>& frames_;
    std::optional<RunCipher> cipher_;
    base::Bytes scratch_;
    FrameHeader header_;
    std::optional<std::uint64_t> run_id_;  // of the segment header, else of the first good frame
    bool in_damage_ = false;
};

void add_damage(Damage& total, const Damage& more) {
    total.bad_records += more.bad_records;
    total.bad_frames += more.bad_frames;
    total.lost_bytes += more.lost_bytes;
    for (const std::string& text : more.notes) total.note(text);
}

// One frame for each run and number, the better copy, ordered by run and number.
std::vector<FoundFrame> choose_frames(std::vector<FoundFrame> found) {
    std::unordered_map<std::uint64_t, std::uint32_t> first_segment;  // by run id
    std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>, std::size_t> chosen;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const FoundFrame& frame = found[i];
        const std::uint32_t rank =
            first_segment.try_emplace(frame.run_id, frame.segment).first->second;
        const auto [place, is_new] = chosen.try_emplace({rank, frame.run_id, frame.number}, i);
        const FoundFrame& other = found[place->second];
        const bool is_better =
            std::pair(frame.is_intact, frame.records) > std::pair(other.is_intact, other.records);
        if (!is_new && is_better) place->second = i;
    }
    std::vector<FoundFrame> ordered;
    ordered.reserve(chosen.size());
    for (const auto& [key, index] : chosen) ordered.push_back(std::move(found[index]));
    return ordered;
}

// Numbers of frames that were written and are not to be found, by run, ascending. A segment tells
// the number of its first frame; the next segment of the run, how far it went. What lies in
// segments that were freed is not missed.
std::map<std::uint64_t, std::vector<std::uint64_t>> find_lost_frames(
    const std::vector<FoundFrame>& frames, const std::vector<SegmentFacts>& segments) {
    std::map<std::uint64_t, std::set<std::uint64_t>> found;
    for (const FoundFrame& frame : frames) found[frame.run_id].insert(frame.number);
    std::map<std::uint64_t, std::vector<std::uint64_t>> lost;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const SegmentFacts& segment = segments[i];
        if (!segment.is_readable || !segment.run_id || segment.first_frame == 0) continue;
        std::uint64_t end = segment.last_found;  // what was lost behind it nobody knows
        if (i + 1 < segments.size() && segments[i + 1].segment == segment.segment + 1 &&
            segments[i + 1].run_id == segment.run_id && segments[i + 1].first_frame != 0)
            end = segments[i + 1].first_frame;
        const std::set<std::uint64_t>& there = found[*segment.run_id];
        const std::uint64_t limit = segment.first_frame + kMaxSegmentBytes / kBlockBytes;
        for (std::uint64_t n = segment.first_frame; n < std::min(end, limit); ++n)
            if (!there.contains(n)) lost[*segment.run_id].push_back(n);
    }
    for (auto& [run, numbers] : lost) std::sort(numbers.begin(), numbers.end());
    return lost;
}

// The frames of one run of the process in which a recording has records.
struct FrameSpan {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

void add_run(const FoundFrame& frame, const FoundRun& run, RecoveredRecording& recording) {
    ClockSample clock = frame.clock;
    clock.run = static_cast<std::uint32_t>(recording.extents.size());
    recording.extents.append({frame.segment, run.offset, run.length});
    append_if_stepped(recording.clocks, clock);
    if (run.records == 0) return;
    if (recording.record_count == 0) recording.first_arrival_ns = run.first_arrival_ns;
    recording.first_arrival_ns = std::min(recording.first_arrival_ns, run.first_arrival_ns);
    recording.last_arrival_ns = std::max(recording.last_arrival_ns, run.last_arrival_ns);
    recording.record_count += run.records;
    recording.has_beginning |= run.has_attempt;
    recording.was_closed = run.ends_with_close;
}

void judge(RecoveredRecording& recording, const std::vector<SegmentFacts>& segments) {
    const std::vector<std::uint32_t> own = recording.extents.segments();
    recording.may_be_unread =
        std::any_of(segments.begin(), segments.end(), [&](const SegmentFacts& segment) {
            if (segment.is_readable) return false;
            if (segment.segment < own.front()) return !recording.has_beginning;
            return segment.segment < own.back() || !recording.was_closed;
        });
}

void collect_recordings(const std::vector<FoundFrame>& frames,
                        const std::vector<SegmentFacts>& segments, Recovery& recovery) {
    std::unordered_map<base::Uuid, std::size_t, base::UuidHash> by_id;
    for (const FoundFrame& frame : frames) {
        add_damage(recovery.damage, frame.damage);
        for (const FoundRun& run : frame.runs) {
            if (run.records == 0 || by_id.contains(run.recording)) continue;
            by_id.emplace(run.recording, recovery.recordings.size());
            recovery.recordings.push_back(
                {.serial = recovery.recordings.size() + 1, .recording = run.recording});
        }
    }
    // Runs without one good record belong to what is read, too: so the damage is seen there.
    const auto lost = find_lost_frames(frames, segments);
    std::map<std::pair<std::size_t, std::uint64_t>, FrameSpan> spans;  // by recording and run
    for (const FoundFrame& frame : frames) {
        for (const FoundRun& run : frame.runs) {
            const auto place = by_id.find(run.recording);
            if (place == by_id.end()) continue;
            add_run(frame, run, recovery.recordings[place->second]);
            FrameSpan& span = spans[{place->second, frame.run_id}];
            if (span.first == 0) span.first = frame.number;
            span.last = frame.number;
        }
    }
    for (const auto& [key, span] : spans) {
        const auto numbers = lost.find(key.second);
        if (numbers == lost.end()) continue;
        const auto next =
            std::upper_bound(numbers->second.begin(), numbers->second.end(), span.first);
        if (next != numbers->second.end() && *next < span.last)
            recovery.recordings[key.first].lacks_frames = true;
    }
    for (RecoveredRecording& recording : recovery.recordings) judge(recording, segments);
    for (const auto& [run, numbers] : lost) {
        recovery.damage.bad_frames += numbers.size();
        recovery.damage.note(fmt::format("{} frames are missing, the first has number {}",
                                         numbers.size(), numbers.front()));
    }
}

std::optional<std::uint32_t> segment_number(std::string_view name) {
    constexpr std::string_view kSuffix = ".seg";
    if (!name.ends_with(kSuffix)) return std::nullopt;
    name.remove_suffix(kSuffix.size());
    const auto number = base::parse_number<std::uint32_t>(name);
    if (!number || *number == 0 || *number == ~std::uint32_t{0}) return std::nullopt;
    if (name.size() != segment_name(*number).size() - kSuffix.size()) return std::nullopt;
    return number;
}

void list_segments(io::FileSystem& files, const std::string& directory, Recovery& recovery) {
    const auto entries = files.list(directory);
    if (!entries) {
        if (entries.error().code == base::Errc::NotFound) return;
        recovery.damage.read_errors += 1;
        recovery.damage.last_errno = static_cast<int>(entries.error().detail);
        recovery.damage.note(fmt::format("{}: cannot be listed", directory));
        return;
    }
    for (const io::DirectoryEntry& entry : *entries) {
        const auto number = segment_number(entry.name);
        if (!number || entry.is_directory) continue;
        recovery.segments.push_back({.segment = *number, .directory = directory});
    }
}

}  // namespace

Recovery recover(io::FileSystem& files, const std::vector<std::string>& directories,
                 const crypto::KeyWrapper* keys) {
    Recovery recovery;
    for (const std::string& directory : directories) list_segments(files, directory, recovery);
    std::stable_sort(recovery.segments.begin(), recovery.segments.end(),
                     [](const auto& a, const auto& b) { return a.segment < b.segment; });
    std::vector<FoundFrame> found;
    std::vector<SegmentFacts> facts;
    for (RecoveredSegment& segment : recovery.segments) {
        const std::string path = io::join_path(segment.directory, segment_name(segment.segment));
        auto file = files.open_for_reading(path);
        if (!file) {
            segment.readable = false;
            facts.push_back({.segment = segment.segment, .is_readable = false});
            recovery.damage.read_errors += 1;
            recovery.damage.last_errno = static_cast<int>(file.error().detail);
            recovery.damage.note(fmt::format("{}: cannot be opened", path));
            continue;
        }
        SegmentScan scan(segment.segment, path, keys, recovery.damage, found);
        facts.push_back(scan.run(**file));
        segment.readable = facts.back().is_readable;
    }
    collect_recordings(choose_frames(std::move(found)), facts, recovery);
    return recovery;
}

}  // namespace earshot::journal
