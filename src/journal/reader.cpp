#include "journal/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

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
        const auto found = find_record(buffer_, at_, recording_, check_budget_);
        const std::size_t begin = found ? found->begin : buffer_.size();
        if (begin != at_) {
            damage_.bad_records += 1;
            damage_.lost_bytes += begin - at_;
            damage_.note(fmt::format("{}, offset {}: {} bytes of records fail their checksum",
                                     segment_name(extent_.segment), extent_.offset + at_,
                                     begin - at_));
        }
        at_ = found ? found->end : buffer_.size();
        if (found) return found->record;
        // Extents that cannot be read are counted there and passed over.
        if (!cursor_.next(extent_)) return std::nullopt;
        load_extent();
    }
}

// Fills the buffer with what of the extent can be read, maybe nothing.
void RecordReader::load_extent() {
    run_ = runs_loaded_++;
    at_ = 0;
    check_budget_ = kSearchBudgetBytes;
    buffer_.resize(extent_.length);
    std::size_t count = 0;
    if (open_segment()) {
        const auto read = file_->read_at(extent_.offset, buffer_);
        if (read) {
            count = *read;
        } else {
            damage_.last_errno = static_cast<int>(read.error().detail);
        }
    }
    buffer_.resize(count);
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
    at_ = std::min(buffer_.size(), kRunSealSize);
    if (cipher_->open(recording_, buffer_) || buffer_.size() != extent_.length) return;
    damage_.bad_frames += 1;
    damage_.note(fmt::format("{}, offset {}: {} bytes were altered since they were encrypted",
                             segment_name(extent_.segment), extent_.offset, extent_.length));
}

Result<Done> RecordReader::read_key() {
    cipher_.reset();
    base::Bytes front(kFirstFrameAt);
    const auto count = file_->read_at(0, front);
    if (!count) return count.error();
    front.resize(*count);
    const auto header = parse_segment_headers(front);
    if (!header) return Done{};  // without a header: read as what is not encrypted
    auto cipher = RunCipher::of(*header, keys_);
    if (!cipher) return Error{cipher.error().code, cipher.error().what, ENOKEY};
    cipher_ = *std::move(cipher);
    return Done{};
}

bool RecordReader::open_segment() {
    if (file_ && file_segment_ == extent_.segment) return true;
    file_.reset();
    for (const std::string& directory : directories_) {
        auto file =
            files_.open_for_reading(io::join_path(directory, segment_name(extent_.segment)));
        if (!file) {
            damage_.last_errno = static_cast<int>(file.error().detail);
            continue;
        }
        file_ = *std::move(file);
        file_segment_ = extent_.segment;
        const auto key = read_key();
        if (key) return true;
        damage_.last_errno = static_cast<int>(key.error().detail);
        file_.reset();
    }
    return false;
}

}  // namespace earshot::journal
