#include "capture/capture_loop.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "rtp/rtcp_interval.h"

namespace earshot::capture {

namespace {

constexpr std::chrono::seconds kStatsInterval{1};

std::uint64_t ticks(std::chrono::milliseconds period, std::chrono::milliseconds tick) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(period / tick, 1));
}

}  // namespace

CaptureLoop::CaptureLoop(const CaptureOptions& options, CaptureLinks& links, io::MediaPorts& ports,
                         journal::Writer& writer, JournalNotices& notices, const io::Clock& clock,
                         base::Random& random, base::Log& log)
    : options_(options),
      links_(links),
      ports_(ports),
      writer_(writer),
      notices_(notices),
      clock_(clock),
      random_(random),
      log_(log),
      paced_ticks_(ticks(options.paced_drain, options.bursty_drain)),
      rtcp_ticks_(ticks(options.rtcp_drain, options.bursty_drain)) {}

void CaptureLoop::run(io::MediaReader& reader, const std::function<void()>& wake) {
    reader_ = &reader;
    reader_->begin();
    now_ = clock_.now();
    base::TimePoint next_tick = now_.steady;
    while (true) {
        now_ = clock_.now();
        if (now_.steady >= next_tick) {
            obey_pauses();
            tick();
            // From now, not from the plan: no burst of ticks after a stall.
            next_tick = std::max(next_tick + options_.bursty_drain, now_.steady);
        }
        auto command = links_.commands.try_pop();
        if (!command) {
            // Nothing waits: what the commands asked for together is done once.
            if (std::exchange(commit_soon_, false)) commit();
            push_backlog();
            if (std::exchange(wake_soon_, false) && wake) wake();
            const base::TimePoint idle_from = clock_.now().steady;
            command = links_.commands.pop_for(next_tick - idle_from);
            if (!command && links_.commands.is_closed() && links_.commands.size() == 0) break;
            now_ = clock_.now();
            waited_ += now_.steady - idle_from;
        }
        if (command) on_command(*command);
    }
    shut_down();
    if (wake) wake();
}

// --- commands ------------------------------------------------------------------------------------

void CaptureLoop::on_command(Command& command) {
    std::visit([this](auto& c) { on(c); }, command);
}

void CaptureLoop::on(AddStream& command) {
    if (Stream* old = find(command.setup.key)) close(*old);  // the caller's fault; nothing leaks
    auto stream =
        std::make_unique<Stream>(command.setup, std::move(command.sockets), random_.u32());
    stream->recording = open_recording(command.setup.key.recording);
    stream->phase = next_phase_++;
    stream->opened_ns = command.opened_ns;
    plan_report(*stream, true);
    stream->next_keep_alive = now_.steady + options_.keep_alive;
    if (stream->has_bursts) give_room_for_bursts(*stream);
    const int granted = stream->sockets.rtp.receive_buffer_bytes();
    if (granted < options_.receive_buffer_bytes && !std::exchange(told_small_buffer_, true)) {
        log_.warning("The kernel gives smaller media buffers than configured (net.core.rmem_max)",
                     {{"wanted_bytes", std::to_string(options_.receive_buffer_bytes)},
                      {"granted_bytes", std::to_string(granted)}});
    }
    reader_->add(*stream);
    if (stream->receiver.is_paused() && !is_read_while_paused(*stream)) reader_->pause(*stream);
    by_key_[stream->key] = stream.get();
    const auto turn = [&](std::uint64_t period) {
        return static_cast<std::uint32_t>(stream->phase % period);
    };
    Seat seat{.stream = nullptr,
              .is_bursty = stream->is_bursty,
              .paced_tick = turn(paced_ticks_),
              .rtcp_tick = turn(rtcp_ticks_)};
    seat.stream = std::move(stream);
    seats_.push_back(std::move(seat));
    links_.open_streams.store(seats_.size());
}

void CaptureLoop::on(UpdateStream& command) {
    if (Stream* stream = find(command.key)) {
        // A new key first: who sends under it may do so as soon as our 200 has left, and what comes
        // under the old one is read all the same.
        const bool is_rekeyed = stream->security && command.format.keys;
        if (is_rekeyed) rekey(*stream, command.format);
        // What came before is judged by the SDP of before; but a pause that waits goes first.
        if (links_.waiting_pauses.load() == 0 && !stream->is_paused)
            drain(*stream, SocketKind::Rtp);
        stream->receiver.update(command.format, base::to_ns(now_.wall));
        if (!is_rekeyed) rekey(*stream, command.format);
        after_input(*stream);
    }
}

void CaptureLoop::rekey(Stream& stream, const StreamFormat& format) {
    const bool is_keyed_as_before = stream.security && (format.keys || format.dtls) &&
                                    stream.security->is_told_by_path() == format.dtls.has_value();
    if (is_keyed_as_before) {
        stream.security->update(format, base::to_ns(now_.wall));
    } else {
        give_up_early(stream);
        stream.security = MediaSecurity::make(format);
    }
    if (stream.is_paused && is_read_while_paused(stream)) reader_->resume(stream);
    if (stream.security) tend(stream);
    settle_hurry(stream);
}

// The readers keep the place that they gave it: io_uring goes on looking at it at each tick.
void CaptureLoop::settle_hurry(Stream& stream) {
    const bool is_bursty =
        stream.has_bursts || (stream.security && stream.security->is_in_a_hurry());
    if (std::exchange(stream.is_bursty, is_bursty) == is_bursty) return;
    for (Seat& seat : seats_)
        if (seat.stream.get() == &stream) seat.is_bursty = is_bursty;
}

// What arrived after a pause was asked for must not be read as if it were none.
void CaptureLoop::obey_pauses() {
    while (links_.waiting_pauses.load() > 0) {
        auto command = links_.commands.try_pop();
        if (!command) return;  // it is just being queued
        on_command(*command);
    }
}

// What was queued until now. More is not waited for: media must not starve behind commands.
void CaptureLoop::obey_queued() {
    for (std::size_t left = links_.commands.size(); left > 0; --left) {
        auto command = links_.commands.try_pop();
        if (!command) return;
        on_command(*command);
    }
}

void CaptureLoop::on(PauseStream& command) {
    links_.waiting_pauses.fetch_sub(1);
    Stream* stream = find(command.key);
    if (stream == nullptr || stream->receiver.is_paused()) return;
    stream->receiver.pause(command.at_ns);
    drain(*stream, SocketKind::Rtp);
    // What is needed to stay connected goes on; its packets are discarded as they are.
    if (!is_read_while_paused(*stream)) reader_->pause(*stream);
    stream->receiver.settle_pause(now_);
    give_up_early(*stream);
    after_input(*stream);
}

void CaptureLoop::on(ResumeStream& command) {
    Stream* stream = find(command.key);
    if (stream == nullptr || !stream->receiver.is_paused()) return;
    stream->receiver.resume(command.at_ns, now_);
    drain(*stream, SocketKind::Rtp);
    if (stream->is_paused) reader_->resume(*stream);
    stream->receiver.settle_resume();
    if (stream->security) stream->security->on_break();
    after_input(*stream);
}

void CaptureLoop::on(CloseStream& command) {
    if (Stream* stream = find(command.key)) close(*stream);
}

void CaptureLoop::on(JournalEntry& command) { postpone(std::move(command)); }
void CaptureLoop::on(RequestDurable& command) { postpone(command); }

void CaptureLoop::on(CloseRecording& command) {
    close_streams_of(command.recording);
    postpone(command);
}

// Done at once when nothing waits before it, so the order of records is that of the commands.
void CaptureLoop::postpone(Command command) {
    if (postponed_.empty() && try_now(command)) return;
    if (const auto* entry = std::get_if<JournalEntry>(&command)) {
        if (postponed_bytes_ + entry->payload.size() > kMaxPostponedBytes) {
            if (!std::exchange(told_postponed_full_, true)) {
                log_.error("The journal has had no room for too long; signalling records are lost",
                           {{"recording", base::to_string(entry->recording)}});
            }
            return;
        }
        postponed_bytes_ += entry->payload.size();
    }
    postponed_.push_back(std::move(command));
}

bool CaptureLoop::try_now(Command& command) {
    if (const auto* entry = std::get_if<JournalEntry>(&command)) {
        const auto stored = writer_.append(
            open_recording(entry->recording),
            {.type = entry->type, .stream = entry->stream, .arrival_ns = entry->arrival_ns},
            entry->payload);
        if (!stored && stored.error().code == base::Errc::Full) return false;
        if (!stored) {
            log_.error("The journal refused a record: " + std::string(stored.error().what),
                       {{"recording", base::to_string(entry->recording)},
                        {"bytes", std::to_string(entry->payload.size())}});
        }
    } else if (const auto* request = std::get_if<RequestDurable>(&command)) {
        if (!writer_.notify_when_durable(request->token)) return false;
        commit_soon_ = true;
    } else if (const auto* closing = std::get_if<CloseRecording>(&command)) {
        close_recording(closing->recording);
    }
    return true;
}

void CaptureLoop::retry_postponed() {
    while (!postponed_.empty() && try_now(postponed_.front())) {
        if (const auto* entry = std::get_if<JournalEntry>(&postponed_.front())) {
            postponed_bytes_ -= entry->payload.size();
        }
        postponed_.pop_front();
        told_postponed_full_ = false;
    }
}

// --- media ---------------------------------------------------------------------------------------

void CaptureLoop::tick() {
    ++tick_;
    retry_postponed();
    read_media();
    const auto paced_tick = static_cast<std::uint32_t>(tick_ % paced_ticks_);
    const auto rtcp_tick = static_cast<std::uint32_t>(tick_ % rtcp_ticks_);
    for (const Seat& seat : seats_) {
        const bool is_paced_turn = seat.paced_tick == paced_tick;
        const bool is_rtcp_turn = seat.rtcp_tick == rtcp_tick;
        if (is_paced_turn || is_rtcp_turn || seat.is_bursty)
            take_turn(*seat.stream, is_paced_turn, is_rtcp_turn);
    }
    ports_.refill(now_.steady);
    if (now_.steady >= next_commit_) commit();
    if (now_.steady >= next_stats_) tell_stats();
}

// Between two parts of what waits the commands go first, as they do between two sockets. A pause
// that is just being queued is waited for: what is left comes at the next tick.
void CaptureLoop::read_media() {
    do {
        obey_queued();
        obey_pauses();
    } while (links_.waiting_pauses.load() == 0 && reader_->read(tick_, *this));
}

void CaptureLoop::take_turn(Stream& stream, bool is_paced_turn, bool is_rtcp_turn) {
    const bool is_due = is_paced_turn || stream.is_bursty;
    if (is_due && links_.waiting_pauses.load() == 0)  // else next time
        reader_->visit(stream, SocketKind::Rtp, *this);
    if (is_rtcp_turn) reader_->visit(stream, SocketKind::Rtcp, *this);
    after_look(stream);
    if (is_due && stream.receiver.has_feedback()) ask_sender(stream);
    if (stream.security) {
        stream.security->on_time(now_.steady);
        tend(stream);
        settle_hurry(stream);
    }
    if (now_.steady >= stream.next_report) send_report(stream);
    if (is_rtcp_turn) send_keep_alive(stream);
    if (is_paced_turn && stream.receiver.wants_probe()) send_probe(stream);
}

void CaptureLoop::drain(Stream& stream, SocketKind kind) {
    reader_->drain(stream, kind, *this);
    after_look(stream);
}

void CaptureLoop::after_look(Stream& stream) {
    stream.receiver.set_kernel_drops(stream.sockets.rtp.kernel_drops() +
                                     stream.sockets.rtcp.kernel_drops());
    if (stream.gap.packets > 0) store_gap(stream);
}

void CaptureLoop::on_discarded(io::MediaFlow& flow, std::uint64_t count) {
    static_cast<Stream&>(flow).receiver.on_discarded_unread(count, now_);
}

void CaptureLoop::on_datagram(io::MediaFlow& flow, SocketKind kind, const io::Datagram& datagram) {
    auto& stream = static_cast<Stream&>(flow);
    const std::int64_t arrival_ns =
        datagram.arrival_ns != 0 ? datagram.arrival_ns : base::to_ns(now_.wall);
    std::span<std::uint8_t> packet = datagram.bytes;
    const Verdict verdict = judge(stream, kind, datagram, arrival_ns, packet);
    after_input(stream);
    store_judged(stream, verdict, datagram.source, arrival_ns, packet);
    // It may have come after a pause and been read only to see its stamp.
    if (verdict == Verdict::Discard)
        std::fill(datagram.bytes.begin(), datagram.bytes.end(), std::uint8_t{0});
}

void CaptureLoop::store_judged(Stream& stream, Verdict verdict, const base::NetAddress& source,
                               std::int64_t arrival_ns, std::span<std::uint8_t> packet) {
    if (verdict == Verdict::StoreRtp) {
        stream.receiver.blank(packet, arrival_ns);
        store_packet(stream, journal::RecordType::Rtp, source, arrival_ns, packet);
    } else if (verdict == Verdict::StoreRtcp) {
        store_packet(stream, journal::RecordType::Rtcp, source, arrival_ns, packet);
    }
}

Verdict CaptureLoop::judge(Stream& stream, SocketKind kind, const io::Datagram& datagram,
                           std::int64_t arrival_ns, std::span<std::uint8_t>& packet) {
    if (datagram.truncated) {
        stream.receiver.on_oversize(datagram.source, arrival_ns);
        return Verdict::Discard;
    }
    if (stream.security) return judge_protected(stream, kind, datagram, arrival_ns, packet);
    return stream.receiver.on_datagram(kind, packet, datagram.source, arrival_ns);
}

// `packet` becomes the plain one. A packet that is not authentic ends nothing: it is counted, and
// the next may be good.
Verdict CaptureLoop::judge_protected(Stream& stream, SocketKind kind, const io::Datagram& datagram,
                                     std::int64_t arrival_ns, std::span<std::uint8_t>& packet) {
    const base::NetAddress& source = datagram.source;
    if (stream.security->on_control(kind, packet, source, stream.receiver.is_allowed_host(source),
                                    now_.steady)) {
        tend(stream);
        return Verdict::Discard;
    }
    if (!stream.receiver.may_accept(kind, packet, source, arrival_ns))
        return stream.receiver.on_datagram(kind, packet, source, arrival_ns);
    const MediaSecurity::Opened opened = stream.security->open(kind, packet, source, arrival_ns);
    if (opened.is_kept) {
        take_early(stream);  // what had to give way
        return Verdict::Discard;
    }
    return judge_opened(stream, kind, source, arrival_ns, opened, packet);
}

Verdict CaptureLoop::judge_opened(Stream& stream, SocketKind kind, const base::NetAddress& source,
                                  std::int64_t arrival_ns, const MediaSecurity::Opened& opened,
                                  std::span<std::uint8_t>& packet) {
    const MediaSecurity::Turn turn = stream.security->count(opened);
    if (turn != MediaSecurity::Turn::None)
        store_event(stream, arrival_ns,
                    security_json(stream.key.stream, turn, stream.security->suite(), source));
    if (opened.rejection)
        return stream.receiver.on_not_opened(*opened.rejection, source, arrival_ns);
    packet = packet.first(opened.size);
    return stream.receiver.on_datagram(kind, packet, source, arrival_ns);
}

// What came before its keys, as if it came now, but for its time.
void CaptureLoop::take_early(Stream& stream) {
    while (auto early = stream.security->poll_early()) {
        EarlyPacket& kept = early->packet;
        std::span<std::uint8_t> packet = kept.bytes;
        // A pause has begun since.
        const bool is_wanted =
            stream.receiver.may_accept(kept.socket, packet, kept.source, kept.arrival_ns);
        const Verdict verdict = is_wanted ? judge_opened(stream, kept.socket, kept.source,
                                                         kept.arrival_ns, early->opened, packet)
                                          : stream.receiver.on_datagram(
                                                kept.socket, packet, kept.source, kept.arrival_ns);
        after_input(stream);
        store_judged(stream, verdict, kept.source, kept.arrival_ns, packet);
    }
}

void CaptureLoop::give_up_early(Stream& stream) {
    if (!stream.security) return;
    stream.security->give_up_early();
    take_early(stream);
}

void CaptureLoop::tend(Stream& stream) {
    MediaSecurity& security = *stream.security;
    while (const auto out = security.poll_outgoing())
        static_cast<void>(stream.sockets[out->socket].send(out->bytes, out->to));
    while (const auto event = security.poll_event()) {
        if (event->kind != MediaSecurity::KeyingEvent::Kind::Failed)
            stream.receiver.allow_host(event->source);
        if (event->is_one_too_many) continue;
        store_event(stream, base::to_ns(now_.wall), event_json(stream.key.stream, *event));
    }
}

std::optional<base::NetAddress> CaptureLoop::route(const Stream& stream, rtp::PacketKind kind,
    take_early(stream);
                                                   std::optional<base::NetAddress> by_sdp) const {
    const auto by_path = stream.security ? stream.security->route(kind, now_.steady) : std::nullopt;
    return by_path ? by_path->to : by_sdp;
}

void CaptureLoop::after_input(Stream& stream) {
    while (const auto packet = stream.receiver.poll_released()) {
        store_packet(stream, journal::RecordType::Rtp, packet->source, packet->arrival_ns,
                     packet->bytes);
    }
    while (const auto event = stream.receiver.poll_event()) on_event(stream, *event);
}

void CaptureLoop::on_event(Stream& stream, const ReceiverEvent& event) {
    const StreamKey& key = stream.key;
    if (const auto* first = std::get_if<FirstPacketSeen>(&event)) {
        tell(FirstPacket{.key = key,
                         .arrival_ns = first->arrival_ns,
                         .ssrc = first->ssrc,
                         .source = first->source},
             false);
    } else if (const auto* change = std::get_if<SsrcChange>(&event)) {
        store_event(stream, change->arrival_ns, event_json(key.stream, *change));
        tell(SsrcChanged{.key = key,
                         .arrival_ns = change->arrival_ns,
                         .from = change->from,
                         .to = change->to,
                         .source = change->source},
             false);
    } else if (const auto* moved = std::get_if<SourceMoved>(&event)) {
        store_event(stream, moved->arrival_ns, event_json(key.stream, *moved));
    } else if (const auto* rejected = std::get_if<RejectedSome>(&event)) {
        store_event(stream, rejected->arrival_ns, event_json(key.stream, *rejected));
        tell(PacketsRejected{.key = key,
                             .cause = rejected->cause,
                             .total = rejected->total,
                             .source = rejected->source},
             false);
    } else if (const auto* mix = std::get_if<ContributorsChanged>(&event)) {
        store_event(stream, mix->arrival_ns, event_json(key.stream, *mix));
    } else if (const auto* described = std::get_if<SourceDescribed>(&event)) {
        store_event(stream, described->arrival_ns, event_json(key.stream, *described));
    } else if (const auto* blanked = std::get_if<DigitsBlanked>(&event)) {
        store_event(stream, blanked->arrival_ns, event_json(key.stream, *blanked));
    } else if (const auto* digit = std::get_if<DigitSeen>(&event)) {
        store_event(stream, digit->arrival_ns, event_json(key.stream, *digit));
        tell(DtmfDigit{.key = key,
                       .arrival_ns = digit->arrival_ns,
                       .digit = digit->digit,
                       .duration_ms = digit->duration_ms},
             false);
    }
}

void CaptureLoop::store_packet(Stream& stream, journal::RecordType type,
                               const base::NetAddress& source, std::int64_t arrival_ns,
                               base::ByteView bytes) {
    std::array<std::uint8_t, journal::kSourceSize> prefix{};
    std::copy(source.ip.begin(), source.ip.end(), prefix.begin());
    prefix[16] = static_cast<std::uint8_t>(source.port >> 8);
    prefix[17] = static_cast<std::uint8_t>(source.port);
    const std::array<base::ByteView, 2> pieces{base::ByteView(prefix), bytes};
    const auto stored = writer_.append(
        stream.recording, {.type = type, .stream = stream.key.stream, .arrival_ns = arrival_ns},
        std::span<const base::ByteView>(pieces));
    if (stored) return;
    stream.receiver.on_storage_lost();
    if (stream.gap.packets++ == 0) stream.gap.from_ns = arrival_ns;
    stream.gap.to_ns = arrival_ns;
}

// An event that finds no room is lost with the media around it; the gap is told instead.
bool CaptureLoop::store_event(const Stream& stream, std::int64_t arrival_ns,
                              const std::string& json) {
    return writer_
        .append(stream.recording,
                {.type = journal::RecordType::Event,
                 .stream = stream.key.stream,
                 .arrival_ns = arrival_ns},
                base::as_bytes(json))
        .has_value();
}

void CaptureLoop::store_gap(Stream& stream) {
    if (store_event(stream, stream.gap.from_ns, event_json(stream.key.stream, stream.gap))) {
        stream.gap = {};
    }
}

void CaptureLoop::plan_report(Stream& stream, bool initial) {
    stream.next_report = now_.steady + std::chrono::duration_cast<base::TimePoint::duration>(
                                           rtp::rtcp_interval({.initial = initial}, random_));
}

void CaptureLoop::send_report(Stream& stream) {
    plan_report(stream, false);
    if (!route(stream, rtp::PacketKind::Rtcp, stream.receiver.rtcp_destination())) return;
    report_.clear();
    stream.receiver.compose_report(now_.wall, options_.cname, report_);
    send_rtcp(stream);
}

void CaptureLoop::send_rtcp(Stream& stream) {
    const auto destination =
        route(stream, rtp::PacketKind::Rtcp, stream.receiver.rtcp_destination());
    if (!destination) return;
    if (stream.security && !stream.security->protect(rtp::PacketKind::Rtcp, report_)) return;
    io::UdpSocket& socket =
        stream.receiver.uses_rtcp_mux() ? stream.sockets.rtp : stream.sockets.rtcp;
    // A report that cannot be sent is as good as one lost on the way; the next follows.
    static_cast<void>(socket.send(report_, *destination));
}

void CaptureLoop::ask_sender(Stream& stream) {
    report_.clear();
    const auto request = stream.receiver.on_turn(now_.steady, options_.cname, report_);
    if (!report_.empty()) send_rtcp(stream);
    if (!request) return;
    if (request->method == KeyFrameMethod::Info) {
        tell(KeyFrameWanted{.key = stream.key, .reason = request->reason}, false);
    } else if (stream.key_frame_events < kMaxKeyFrameEvents) {
        ++stream.key_frame_events;
        store_event(stream, base::to_ns(now_.wall), event_json(stream.key.stream, *request));
    }
}

// A picture comes in one burst, and the next look may be late.
void CaptureLoop::give_room_for_bursts(Stream& stream) {
    const int granted = stream.sockets.rtp.grow_receive_buffer(kBurstyBufferBytes);
    if (granted >= kBurstyBufferBytes || std::exchange(told_small_video_buffer_, true)) return;
    log_.warning("The kernel gives video smaller buffers than bursts may need (net.core.rmem_max)",
                 {{"wanted_bytes", std::to_string(kBurstyBufferBytes)},
                  {"granted_bytes", std::to_string(granted)}});
}

// What is in report_: RTP that keeps a path open.
void CaptureLoop::send_rtp(Stream& stream, const base::NetAddress& destination) {
    const auto to = route(stream, rtp::PacketKind::Rtp, destination);
    if (!to) return;
    if (stream.security && !stream.security->protect(rtp::PacketKind::Rtp, report_)) return;
    static_cast<void>(stream.sockets.rtp.send(report_, *to));
}

void CaptureLoop::send_probe(Stream& stream) {
    const base::NetAddress destination = *stream.receiver.probe_destination();
    if (!std::exchange(stream.told_probe, true))
        store_event(stream, base::to_ns(now_.wall), probe_json(stream.key.stream, destination));
    stream.receiver.compose_probe(report_);
    send_rtp(stream, destination);
}

void CaptureLoop::send_keep_alive(Stream& stream) {
    if (options_.keep_alive.count() == 0 || now_.steady < stream.next_keep_alive) return;
    if (!stream.receiver.wants_keep_alive(base::to_ns(now_.wall), options_.keep_alive)) return;
    stream.next_keep_alive = now_.steady + options_.keep_alive;
    stream.receiver.compose_keep_alive(report_);
    send_rtp(stream, *stream.receiver.keep_alive_destination());
}

// --- streams and recordings ----------------------------------------------------------------------

CaptureLoop::Stream* CaptureLoop::find(const StreamKey& key) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second;
}

void CaptureLoop::close(Stream& stream) {
    if (stream.is_paused) {
        reader_->visit(stream, SocketKind::Rtp, *this);
    } else {
        drain(stream, SocketKind::Rtp);
    }
    drain(stream, SocketKind::Rtcp);
    reader_->remove(stream);
    stream.receiver.finish(base::to_ns(now_.wall));
    after_input(stream);
    if (stream.gap.packets > 0) store_gap(stream);
    give_up_early(stream);
    const StreamStats stats{.key = stream.key, .counters = stream.receiver.counters()};
    store_event(stream, base::to_ns(now_.wall), event_json(stream.key.stream, stats.counters));
    tell(StreamClosed{.stats = stats}, true);

    closed_kernel_drops_ += stats.counters.kernel_drops;
    const std::uint16_t port = stream.sockets.rtp.local_address().port;
    by_key_.erase(stream.key);
    const auto seat = std::find_if(seats_.begin(), seats_.end(), [&](const Seat& taken) {
        return taken.stream.get() == &stream;
    });
    std::swap(*seat, seats_.back());
    seats_.pop_back();  // closes the sockets
    links_.open_streams.store(seats_.size());
    ports_.release(port, now_.steady);
}

void CaptureLoop::close_streams_of(const base::Uuid& recording) {
    std::vector<Stream*> found;
    for (const Seat& seat : seats_) {
        if (seat.stream->key.recording == recording) found.push_back(seat.stream.get());
    }
    for (Stream* stream : found) close(*stream);
}

journal::RecordingHandle CaptureLoop::open_recording(const base::Uuid& recording) {
    const auto found = recordings_.find(recording);
    if (found != recordings_.end()) return found->second;
    return recordings_.emplace(recording, writer_.open(recording)).first->second;
}

void CaptureLoop::close_recording(const base::Uuid& recording) {
    const auto found = recordings_.find(recording);
    if (found == recordings_.end()) return;
    writer_.close(found->second, base::to_ns(now_.wall));
    recordings_.erase(found);
}

// --- upward --------------------------------------------------------------------------------------

void CaptureLoop::tell(Notification notification, bool vital) {
    wake_soon_ = true;
    if (backlog_.empty() && links_.notifications.try_push(std::move(notification))) return;
    if (vital) {
        // A full queue leaves what it was given as it was.
        // NOLINTNEXTLINE(bugprone-use-after-move)
        backlog_.push_back(std::move(notification));
    } else {
        links_.dropped_notifications.fetch_add(1);
    }
}

void CaptureLoop::push_backlog() {
    while (!backlog_.empty() && links_.notifications.try_push(std::move(backlog_.front()))) {
        backlog_.pop_front();
    }
}

// How much of its time the thread had work, smoothed over some four seconds: a burst is no
// overload.
void CaptureLoop::measure_load() {
    const std::chrono::nanoseconds elapsed = now_.steady - std::exchange(measured_at_, now_.steady);
    const std::chrono::nanoseconds idle = std::min(std::exchange(waited_, {}), elapsed);
    if (elapsed > kStatsInterval * 100 || elapsed.count() <= 0) return;  // the first time
    const auto busy = static_cast<std::uint32_t>(100 * (elapsed - idle) / elapsed);
    links_.busy_percent.store((3 * links_.busy_percent.load() + busy + 2) / 4);
}

// Streams of which packets are missing and of whose sockets the kernel dropped some, since the last
// look. What it drops need not be the stream's: strangers' and broken datagrams count there, too.
std::size_t CaptureLoop::count_dropping() {
    std::size_t count = 0;
    for (const Seat& seat : seats_) {
        Stream& stream = *seat.stream;
        const StreamCounters& now = stream.receiver.counters();
        const bool has_dropped =
            std::exchange(stream.seen_drops, now.kernel_drops) < now.kernel_drops;
        const bool has_lost = std::exchange(stream.seen_lost, now.lost) < now.lost;
        if (has_dropped && has_lost) ++count;
    }
    return count;
}

void CaptureLoop::tell_stats() {
    next_stats_ = now_.steady + kStatsInterval;
    measure_load();
    std::uint64_t drops = closed_kernel_drops_ + reader_->counters().ring_drops;
    for (const Seat& seat : seats_) drops += seat.stream->receiver.counters().kernel_drops;
    links_.kernel_drops.store(drops);
    links_.dropping_streams.store(count_dropping());
    if (drops > told_kernel_drops_) {
        log_.warning("The kernel dropped media because its buffers were full",
                     {{"packets", std::to_string(drops - told_kernel_drops_)},
                      {"total", std::to_string(drops)}});
        told_kernel_drops_ = drops;
    }
    if (seats_.empty() || links_.snapshot_waiting.exchange(true)) return;
    StatsSnapshot snapshot;
    snapshot.streams.reserve(seats_.size());
    for (const Seat& seat : seats_) {
        const Stream& stream = *seat.stream;
        snapshot.streams.push_back({.key = stream.key, .counters = stream.receiver.counters()});
    }
    tell(std::move(snapshot), false);
}

void CaptureLoop::commit() {
    next_commit_ = now_.steady + options_.commit_interval;
    writer_.commit(now_);
}

void CaptureLoop::shut_down() {
    now_ = clock_.now();
    for (std::uint64_t turn = 0; turn < paced_ticks_; ++turn, ++tick_) read_media();
    while (!seats_.empty()) close(*seats_.back().stream);
    const base::TimePoint give_up = now_.steady + options_.stop_patience;
    bool asked = false;
    // A full or failing disk may take the last records only after a while.
    while (true) {
        now_ = clock_.now();
        retry_postponed();
        if (postponed_.empty() || now_.steady >= give_up) {
            while (!recordings_.empty()) close_recording(recordings_.begin()->first);
            if (!asked) {
                asked = writer_.notify_when_durable(JournalNotices::kOwnTokens).has_value();
            }
        }
        writer_.commit(now_);
        push_backlog();
        if (asked && notices_.own_durable() == JournalNotices::kOwnTokens) return;
        if (now_.steady >= give_up) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    log_.warning("The journal did not become durable in time at the stop");
}

}  // namespace earshot::capture
