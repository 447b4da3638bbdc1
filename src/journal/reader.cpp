#include "journal/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "journal/format.h"

namespace earshot::journal {

using base::Done;
using base::Error;
using base::Result;

std::string segment_name(std::uint32_t segment) { return fmt::format("{:08}.seg", segment); }

void Damage::note(std::string text) {
    constexpr std::size_t kMaxNotes = 20;
    if (notes.size() < kMaxNotes) notes.push_back(std::move(text));
}

RecordReader::RecordReader(io::FileSystem& files, std::vector<std::string> directories,
                           const base::Uuid& recording, const ExtentList& extents,
                           const crypto::KeyWrapper* keys)
    : files_(files),
      directories_(std::move(directories)),
      keys_(keys),
      recording_(recording),
      cursor_(extents) {}

std::optional<Record> RecordReader::next() {
    for (;;) {
        const auto found = find_record(bytes_, at_, recording_, check_budget_);
        const std::size_t begin = found ? found->begin : bytes_.size();
        if (begin != at_) {
            damage_.bad_records += 1;
            damage_.lost_bytes += begin - at_;
            damage_.note(fmt::format("{}, offset {}: {} bytes of records fail their checksum",
                                     segment_name(extent_.segment), extent_.offset + at_,
                                     begin - at_));
        }
        at_ = found ? found->end : bytes_.size();
        if (found) return found->record;
        // Runs that cannot be read are counted there and passed over.
        if (!next_run()) return std::nullopt;
    }
}

bool RecordReader::next_run() {
    if (next_loaded_ == loaded_.size() && !load_runs()) return false;
    begin_run(loaded_[next_loaded_++]);
    return true;
}

// The next runs of one segment, as many as are read at once. False: there are none.
bool RecordReader::load_runs() {
    next_loaded_ = 0;
    const std::size_t size = choose_runs();
    if (loaded_.empty()) return false;
    if (!open_segment(loaded_.front().extent.segment)) return true;
    if (!memory_ || memory_->size() < size) memory_.emplace(std::max(size, kReadAtOnceBytes));
    read_runs();
    return true;
}

// Returns how much memory they need.
std::size_t RecordReader::choose_runs() {
    loaded_.clear();
    stretches_.clear();
    bytes_ = {};
    std::size_t size = 0;
    Extent run;
    while (ahead_ || cursor_.next(run)) {
        if (ahead_) run = *std::exchange(ahead_, std::nullopt);
        const std::uint64_t begin = io::align_down(run.offset);
        const std::uint64_t end = io::align_up(std::uint64_t{run.offset} + run.length);
        const bool joins = !stretches_.empty() && begin >= stretches_.back().offset &&
                           begin <= stretches_.back().end() + kMaxSkippedBytes;
        const std::uint64_t from = joins ? stretches_.back().end() : begin;
        const auto growth = static_cast<std::size_t>(std::max(end, from) - from);
        const bool fits = loaded_.empty() || (size + growth <= kReadAtOnceBytes &&
                                              run.segment == loaded_.front().extent.segment);
        if (!fits) {
            ahead_ = run;
            break;
        }
        if (joins)
            stretches_.back().size += growth;
        else
            stretches_.push_back({.offset = begin, .size = growth, .place = size});
        size += growth;
        loaded_.push_back({.extent = run, .stretch = stretches_.size() - 1});
    }
    return size;
}

void RecordReader::read_runs() {
    std::vector<io::FileRead> reads;
    reads.reserve(stretches_.size());
    for (const Stretch& stretch : stretches_)
        reads.push_back({.offset = stretch.offset,
                         .out = memory_->span().subspan(stretch.place, stretch.size)});
    file_->read_many(reads);
    for (Loaded& run : loaded_) {
        const io::FileRead& read = reads[run.stretch];
        if (!read.count) {
            run.bytes = read_alone(run);
            continue;
        }
        const auto within = static_cast<std::size_t>(run.extent.offset - read.offset);
        const std::span<std::uint8_t> there = read.out.first(*read.count);
        run.bytes = there.subspan(std::min(within, there.size()));
        run.bytes = run.bytes.first(std::min<std::size_t>(run.bytes.size(), run.extent.length));
    }
}

// After a failure of the stretch that it lies in: a bad place must not take its neighbours along.
std::span<std::uint8_t> RecordReader::read_alone(const Loaded& run) {
    const Stretch& stretch = stretches_[run.stretch];
    const std::uint64_t begin = io::align_down(run.extent.offset);
    const auto within = static_cast<std::size_t>(run.extent.offset - begin);
    const std::span<std::uint8_t> out =
        memory_->span().subspan(stretch.place + static_cast<std::size_t>(begin - stretch.offset),
                                io::align_up(within + run.extent.length));
    const auto count = file_->read_at(begin, out);
    if (!count) damage_.last_errno = static_cast<int>(count.error().detail);
    if (!count || *count <= within) return {};
    return out.subspan(within, std::min<std::size_t>(*count - within, run.extent.length));
}

void RecordReader::begin_run(const Loaded& run) {
    run_ = runs_begun_++;
    extent_ = run.extent;
    at_ = 0;
    check_budget_ = kSearchBudgetBytes;
    bytes_ = run.bytes;
    const std::size_t count = bytes_.size();
    if (cipher_) decrypt();
    if (count == extent_.length) return;
    damage_.read_errors += 1;
    damage_.lost_bytes += extent_.length - count;
    damage_.note(fmt::format("{}, offset {}: {} bytes cannot be read",
                             segment_name(extent_.segment), extent_.offset + count,
                             extent_.length - count));
}

// What the checksums of its records say of an altered run counts: rot must not cost more than what
// it touched. But it is told.
void RecordReader::decrypt() {
    at_ = std::min(bytes_.size(), kRunSealSize);
    if (cipher_->open(recording_, bytes_) || bytes_.size() != extent_.length) return;
    damage_.bad_frames += 1;
    damage_.note(fmt::format("{}, offset {}: {} bytes were altered since they were encrypted",
                             segment_name(extent_.segment), extent_.offset, extent_.length));
}

Result<Done> RecordReader::read_key() {
    cipher_.reset();
    static_assert(kFirstFrameAt % io::kDirectAlignment == 0);
    io::AlignedBytes front(kFirstFrameAt);
    const auto count = file_->read_at(0, front.span());
    if (!count) return count.error();
    const auto header = parse_segment_headers(front.span().first(*count));
    if (!header) return Done{};  // without a header: read as what is not encrypted
    auto cipher = RunCipher::of(*header, keys_);
    if (!cipher) return Error{cipher.error().code, cipher.error().what, ENOKEY};
    cipher_ = *std::move(cipher);
    return Done{};
}

bool RecordReader::open_segment(std::uint32_t segment) {
    if (file_ && file_segment_ == segment) return true;
    file_.reset();
    cipher_.reset();
    for (const std::string& directory : directories_) {
        auto file = files_.open_direct_for_reading(io::join_path(directory, segment_name(segment)));
        if (!file) {
            damage_.last_errno = static_cast<int>(file.error().detail);
            continue;
        }
        file_ = *std::move(file);
        file_segment_ = segment;
        const auto key = read_key();
        if (key) return true;
        damage_.last_errno = static_cast<int>(key.error().detail);
        file_.reset();
    }
    return false;
}

}  // namespace earshot::journal
