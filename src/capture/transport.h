// A stream as the capture worker holds it, and the sockets that it comes by: its own, or those that
// the lines of a BUNDLE group (RFC 9143) have together. Belongs to the capture worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/time.h"
#include "capture/bundle.h"
#include "capture/events.h"
#include "capture/media_security.h"
#include "capture/stream.h"
#include "capture/stream_receiver.h"
#include "io/media_reader.h"
#include "journal/writer.h"

namespace earshot::capture {

class Transport;

struct Stream {
    Stream(const StreamSetup& setup, std::uint32_t ssrc)
        : key(setup.key), receiver(setup, ssrc), has_bursts(setup.media == MediaClass::Bursty) {
        keep_terms(setup.format);
    }
    void keep_terms(const StreamFormat& format) {
        terms = format.bundle ? std::make_unique<BundleTerms>(*format.bundle) : nullptr;
    }

    StreamKey key;
    StreamReceiver receiver;
    Transport* transport = nullptr;
    Transport* former = nullptr;  // it has left that, and is heard there a little longer
    base::TimePoint former_until;
    std::unique_ptr<BundleTerms> terms;  // null: it shares with nobody
    bool has_bursts;
    journal::RecordingHandle recording;
    base::TimePoint next_report;
    base::TimePoint next_keep_alive;
    StorageGap gap;                // packets == 0: none
    std::uint64_t seen_drops = 0;  // at the last look, as `seen_lost`
    std::uint64_t seen_lost = 0;
    bool told_probe = false;
    std::uint32_t key_frame_events = 0;
};

class Transport : public io::MediaFlow {
public:
    // `first` is borrowed until remove_line() or the end.
    Transport(const StreamFormat& format, Stream& first, io::UdpPair pair);

    // Whose all of it is, or who stands for all.
    Stream& first() const { return *first_; }
    bool is_shared() const { return shared_ != nullptr; }
    Bundle& sorter() { return shared_->sorter; }  // when it is shared, as line_of()
    Stream& line_of(std::uint16_t stream) const;
    template <class Function>
    void for_each_line(Function&& function) const {
        if (!shared_) return function(*first_);
        for (Stream* const stream : shared_->streams) function(*stream);
    }
    void add_line(Stream& stream);
    // What is agreed for it has changed.
    void update_line(const Stream& stream);
    // It is shared; one line is left at least.
    void remove_line(const Stream& stream);

    // What is needed to stay connected, and what belongs to others, is read during a pause.
    bool is_read_while_paused() const;
    bool is_in_a_hurry() const { return has_bursts || (security && security->is_in_a_hurry()); }
    // Of the kernel, since the last call.
    std::uint64_t take_drops();

    std::unique_ptr<MediaSecurity> security;  // null: media in the clear
    bool has_bursts;                          // its media; `is_bursty`: how it is read now

private:
    friend class TransportTable;
    // Its lines are those of the sorter, in the same order.
    struct SharedLines {
        std::vector<Stream*> streams;
        Bundle sorter;
    };
    void put_line(const Stream& stream);

    Stream* first_;
    std::unique_ptr<SharedLines> shared_;  // null: it is of one stream
    std::uint64_t told_drops_ = 0;
    std::size_t seat_ = 0;  // in the table
};

// All of them, and in which ticks each has its turns: looked at for all at each tick, so that lies
// apart from the rest.
class TransportTable {
public:
    struct Seat {
        std::unique_ptr<Transport> transport;
        bool is_bursty = false;        // at each tick
        std::uint32_t paced_tick = 0;  // of `paced_ticks`
        std::uint32_t rtcp_tick = 0;   // of `rtcp_ticks`
    };

    // After how many ticks the turns come round.
    TransportTable(std::uint64_t paced_ticks, std::uint64_t rtcp_ticks)
        : paced_ticks_(paced_ticks), rtcp_ticks_(rtcp_ticks) {}

    std::span<const Seat> seats() const { return seats_; }
    void add(std::unique_ptr<Transport> transport);
    void remove(Transport& transport);  // closes the sockets
    void set_bursty(Transport& transport, bool is_bursty);

private:
    const std::uint64_t paced_ticks_;
    const std::uint64_t rtcp_ticks_;
    std::uint32_t next_phase_ = 0;
    std::vector<Seat> seats_;
};

}  // namespace earshot::capture
