#include "journal/writer.h"

#include <algorithm>

#include "journal/channel.h"

namespace earshot::journal {

using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr Error kFull{Errc::Full, "journal: memory is full of frames the disk has not taken"};

}  // namespace

Writer::Writer(Channel& channel) : channel_(channel), next_serial_(channel.first_serial) {}
Writer::~Writer() = default;

RecordingHandle Writer::open(const base::Uuid& recording) {
    if (const auto found = by_id_.find(recording); found != by_id_.end()) {
        return {found->second, slots_[found->second].generation};
    }
    if (free_slots_.empty()) {
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    Slot& slot = slots_[index];
    slot.recording = recording;
    slot.serial = next_serial_++;
    slot.generation += 1;
    slot.frame_number = 0;
    slot.is_open = true;
    by_id_.emplace(recording, index);
    return {index, slot.generation};
}

Writer::Slot* Writer::find(RecordingHandle recording) {
    if (recording.slot >= slots_.size()) return nullptr;
    Slot& slot = slots_[recording.slot];
    return slot.is_open && slot.generation == recording.generation ? &slot : nullptr;
}

Result<Done> Writer::append(RecordingHandle recording, const RecordHeader& header,
                            std::span<const ByteView> pieces) {
    Slot* const slot = find(recording);
    if (slot == nullptr) return Error{Errc::NotFound, "journal: the recording is not open"};
    std::size_t payload_bytes = 0;
    for (const ByteView piece : pieces) payload_bytes += piece.size();
    if (payload_bytes > kMaxRecordPayloadBytes) {
        return Error{Errc::TooLarge, "journal: record payload", payload_bytes};
    }
    if (!make_room(record_size(payload_bytes), slot->frame_number)) return kFull;
    write_record(run_of(*slot), header, pieces, payload_bytes);
    return Done{};
}

// After it, frame_ has room for the record and for a run of its recording, whose last frame was
// `frame_number`.
bool Writer::make_room(std::size_t record_bytes, std::uint64_t frame_number) {
    if (frame_) {
        const std::size_t new_runs = frame_->number == frame_number ? 0 : 1;
        if (frame_->size_with(record_bytes, new_runs) <= kMaxFrameBytes &&
            frame_->runs.size() + new_runs <= kMaxRecordingsPerFrame) {
            return true;
        }
        seal();
    }
    return take_frame();
}

bool Writer::take_frame() {
    if (frame_) return true;
    // In turn, they would all grow to the size of the largest commit.
    auto frame = channel_.free.try_pop_newest();
    if (!frame) return false;
    frame_ = std::move(*frame);
    frame_->clear();
    frame_->number = next_frame_number_;
    return true;
}

void Writer::seal() {
    frame_->clock = last_now_;
    // Frames without records carry only tokens and are not written; numbers on disk have no holes.
    if (frame_->records != 0) ++next_frame_number_;
    channel_.waiting.fetch_add(1, std::memory_order_relaxed);
    // There is room: the queue holds as many frames as there are.
    (void)channel_.sealed.try_push(std::move(frame_));
    frame_.reset();
}

std::uint16_t Writer::run_of(Slot& slot) {
    if (slot.frame_number != frame_->number) {
        slot.frame_number = frame_->number;
        slot.index = add_run(slot.recording, slot.serial);
    }
    return slot.index;
}

std::uint16_t Writer::add_run(const base::Uuid& recording, std::uint64_t serial) {
    frame_->runs.push_back({.recording = recording, .serial = serial});
    return static_cast<std::uint16_t>(frame_->runs.size() - 1);
}

void Writer::write_record(std::uint16_t index, const RecordHeader& header,
                          std::span<const ByteView> pieces, std::size_t payload_bytes) {
    const std::size_t size = record_size(payload_bytes);
    std::uint8_t* out = frame_->buffer->data() + frame_->record_bytes;
    write_record_header(header, index, static_cast<std::uint32_t>(payload_bytes),
                        {out, kRecordHeaderSize});
    std::uint8_t* const end = out + size;
    out += kRecordHeaderSize;
    for (const ByteView piece : pieces) out = std::copy(piece.begin(), piece.end(), out);
    std::fill(out, end, std::uint8_t{0});
    const bool is_packet = header.type == RecordType::Rtp;
    if (is_packet &&
        (frame_->oldest_packet_ns == 0 || header.arrival_ns < frame_->oldest_packet_ns))
        frame_->oldest_packet_ns = header.arrival_ns;
    frame_->record_bytes += size;
    frame_->records += 1;
    FrameRun& run = frame_->runs[index];
    run.bytes += static_cast<std::uint32_t>(size);
    run.records += 1;
}

void Writer::commit(const base::Now& now) {
    last_now_ = now;
    std::erase_if(pending_closes_, [&](const PendingClose& close) { return write_close(close); });
    if (!frame_ || frame_->empty()) return;
    // A frame costs its whole buffer while it waits, full or not.
    const std::size_t enough = std::max<std::size_t>(1, channel_.frame_count / 8);
    if (channel_.waiting.load(std::memory_order_relaxed) >= enough) return;
    seal();
}

Result<Done> Writer::notify_when_durable(std::uint64_t token) {
    if (!take_frame()) return kFull;
    frame_->tokens.push_back(token);
    return Done{};
}

void Writer::close(RecordingHandle recording, std::int64_t now_ns) {
    Slot* const slot = find(recording);
    if (slot == nullptr) return;
    const PendingClose close{.recording = slot->recording,
                             .serial = slot->serial,
                             .now_ns = now_ns,
                             .frame_number = slot->frame_number,
                             .index = slot->index};
    by_id_.erase(slot->recording);
    slot->is_open = false;
    free_slots_.push_back(recording.slot);
    if (!write_close(close)) pending_closes_.push_back(close);
}

bool Writer::write_close(const PendingClose& close) {
    if (!make_room(record_size(0), close.frame_number)) return false;
    const std::uint16_t index =
        close.frame_number == frame_->number ? close.index : add_run(close.recording, close.serial);
    write_record(index, {.type = RecordType::Close, .arrival_ns = close.now_ns}, {}, 0);
    frame_->closed.push_back(close.serial);
    return true;
}

}  // namespace earshot::journal
