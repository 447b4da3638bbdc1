#include "capture/transport.h"

#include <algorithm>
#include <utility>

namespace earshot::capture {

// A handshake must not wait for the turn of a paced stream; and of those who share a transport one
// may be video.
Transport::Transport(const StreamFormat& format, Stream& first, io::UdpPair pair)
    : io::MediaFlow(std::move(pair)),
      security(MediaSecurity::make(format)),
      has_bursts(first.has_bursts || format.bundle),
      first_(&first) {
    is_bursty = is_in_a_hurry();
}

Stream& Transport::line_of(std::uint16_t stream) const {
    return **std::find_if(shared_->streams.begin(), shared_->streams.end(),
                          [&](const Stream* one) { return one->key.stream == stream; });
}

void Transport::put_line(const Stream& stream) {
    shared_->sorter.put(stream.key.stream, stream.receiver, stream.terms.get());
}

void Transport::add_line(Stream& stream) {
    if (!shared_) {
        shared_ = std::make_unique<SharedLines>();
        shared_->streams.push_back(first_);
        put_line(*first_);
    }
    shared_->streams.push_back(&stream);
    put_line(stream);
}

void Transport::update_line(const Stream& stream) {
    if (shared_) put_line(stream);
}

void Transport::remove_line(const Stream& stream) {
    shared_->sorter.remove(stream.key.stream);
    shared_->streams.erase(std::find(shared_->streams.begin(), shared_->streams.end(), &stream));
    first_ = shared_->streams.front();
    if (shared_->streams.size() == 1) shared_.reset();
}

bool Transport::is_read_while_paused() const {
    return shared_ != nullptr || first_->receiver.uses_rtcp_mux() ||
           (security && security->is_told_by_path());
}

std::uint64_t Transport::take_drops() {
    const std::uint64_t drops = sockets.rtp.kernel_drops() + sockets.rtcp.kernel_drops();
    return drops > told_drops_ ? drops - std::exchange(told_drops_, drops) : 0;
}

void TransportTable::add(std::unique_ptr<Transport> transport) {
    transport->phase = next_phase_++;
    transport->seat_ = seats_.size();
    const auto turn = [&](std::uint64_t period) {
        return static_cast<std::uint32_t>(transport->phase % period);
    };
    Seat seat{.transport = nullptr,
              .is_bursty = transport->is_bursty,
              .paced_tick = turn(paced_ticks_),
              .rtcp_tick = turn(rtcp_ticks_)};
    seat.transport = std::move(transport);
    seats_.push_back(std::move(seat));
}

void TransportTable::remove(Transport& transport) {
    const std::size_t seat = transport.seat_;
    std::swap(seats_[seat], seats_.back());
    seats_[seat].transport->seat_ = seat;
    seats_.pop_back();
}

// The readers keep the place that they gave it: io_uring goes on looking at it at each tick.
void TransportTable::set_bursty(Transport& transport, bool is_bursty) {
    transport.is_bursty = is_bursty;
    seats_[transport.seat_].is_bursty = is_bursty;
}

}  // namespace earshot::capture
