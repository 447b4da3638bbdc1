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
      records_(writer, log),
      paced_ticks_(ticks(options.paced_drain, options.bursty_drain)),
      rtcp_ticks_(ticks(options.rtcp_drain, options.bursty_drain)),
      transports_(paced_ticks_, rtcp_ticks_) {}

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
    open_transport(add(command.setup), command.setup.format, std::move(command.sockets),
                   command.opened_ns);
}

void CaptureLoop::on(JoinStream& command) {
    const Stream* const beside = find(command.beside);
    if (beside == nullptr) return;  // the caller's fault; nothing leaks
    Transport& transport = *beside->transport;
    join(transport, add(command.setup));
}

void CaptureLoop::on(MoveStream& command) {
    Stream* const stream = find(command.key);
    if (stream == nullptr)
        return ports_.release(command.sockets.rtp.local_address().port, now_.steady);
    leave(*stream, command.format);
    open_transport(*stream, command.format, std::move(command.sockets), command.opened_ns);
}

void CaptureLoop::on(MoveStreamBeside& command) {
    Stream* const stream = find(command.key);
    const Stream* const beside = find(command.beside);
    if (stream == nullptr || beside == nullptr || beside->transport == stream->transport) {
        UpdateStream update{.key = command.key, .format = std::move(command.format)};
        return on(update);
    }
    Transport& transport = *beside->transport;
    leave(*stream, command.format);
    join(transport, *stream);
}

void CaptureLoop::on(UpdateStream& command) {
    if (Stream* stream = find(command.key)) {
        Transport& transport = *stream->transport;
        // A new key first: who sends under it may do so as soon as our 200 has left, and what comes
        // under the old one is read all the same.
        const bool is_rekeyed = transport.security && command.format.keys;
        if (is_rekeyed) rekey(transport, command.format);
        // What came before is judged by the SDP of before; but a pause that waits goes first. In a
        // BUNDLE group it would be judged without the lines that the next commands bring, which may
        // send already; what was agreed before holds for a while.
        if (links_.waiting_pauses.load() == 0 && !transport.is_paused && !command.format.bundle)
            drain(transport, SocketKind::Rtp);
        stream->receiver.update(command.format, base::to_ns(now_.wall));
        stream->keep_terms(command.format);
        transport.update_line(*stream);
        if (!is_rekeyed) rekey(transport, command.format);
        after_input(*stream);
    }
}

void CaptureLoop::rekey(Transport& transport, const StreamFormat& format) {
    const bool is_keyed_as_before =
        transport.security && (format.keys || format.dtls) &&
        transport.security->is_told_by_path() == format.dtls.has_value();
    if (is_keyed_as_before) {
        transport.security->update(format, base::to_ns(now_.wall));
    } else {
        give_up_early(transport);
        transport.security = MediaSecurity::make(format);
    }
    if (transport.is_paused && transport.is_read_while_paused()) reader_->resume(transport);
    if (transport.security) tend(transport);
    settle_hurry(transport);
}

void CaptureLoop::settle_hurry(Transport& transport) {
    const bool is_bursty = transport.is_in_a_hurry();
    if (transport.is_bursty != is_bursty) transports_.set_bursty(transport, is_bursty);
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
    drain_all(*stream, SocketKind::Rtp);
    // What is needed to stay connected goes on; its packets are discarded as they are.
    Transport& transport = *stream->transport;
    if (!transport.is_read_while_paused()) reader_->pause(transport);
    stream->receiver.settle_pause(now_);
    // Where others share it, what waits for its keys came before the pause, or is of the others.
    if (!transport.is_shared()) give_up_early(transport);
    after_input(*stream);
}

void CaptureLoop::on(ResumeStream& command) {
    Stream* stream = find(command.key);
    if (stream == nullptr || !stream->receiver.is_paused()) return;
    stream->receiver.resume(command.at_ns, now_);
    drain_all(*stream, SocketKind::Rtp);
    Transport& transport = *stream->transport;
    if (transport.is_paused) reader_->resume(transport);
    stream->receiver.settle_resume();
    if (transport.security) transport.security->on_break();
    after_input(*stream);
}

void CaptureLoop::on(CloseStream& command) {
    if (Stream* stream = find(command.key)) close(*stream);
}

void CaptureLoop::put_record(RecordRequest request) {
    records_.put(std::move(request), base::to_ns(now_.wall));
    if (records_.take_wish_to_commit()) commit_soon_ = true;
}

void CaptureLoop::on(JournalEntry& command) { put_record(std::move(command)); }
void CaptureLoop::on(RequestDurable& command) { put_record(command); }

void CaptureLoop::on(CloseRecording& command) {
    close_streams_of(command.recording);
    put_record(command);
}

// --- media ---------------------------------------------------------------------------------------

void CaptureLoop::tick() {
    ++tick_;
    records_.retry(base::to_ns(now_.wall));
    if (records_.take_wish_to_commit()) commit_soon_ = true;
    read_media();
    const auto paced_tick = static_cast<std::uint32_t>(tick_ % paced_ticks_);
    const auto rtcp_tick = static_cast<std::uint32_t>(tick_ % rtcp_ticks_);
    for (const TransportTable::Seat& seat : transports_.seats()) {
        const bool is_paced_turn = seat.paced_tick == paced_tick;
        const bool is_rtcp_turn = seat.rtcp_tick == rtcp_tick;
        if (is_paced_turn || is_rtcp_turn || seat.is_bursty)
            take_turn(*seat.transport, is_paced_turn, is_rtcp_turn);
    }
    part_from_former();
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

void CaptureLoop::take_turn(Transport& transport, bool is_paced_turn, bool is_rtcp_turn) {
    const bool is_due = is_paced_turn || transport.is_bursty;
    if (is_due && links_.waiting_pauses.load() == 0)  // else next time
        reader_->visit(transport, SocketKind::Rtp, *this);
    if (is_rtcp_turn) reader_->visit(transport, SocketKind::Rtcp, *this);
    after_look(transport);
    if (transport.security) {
        transport.security->on_time(now_.steady);
        tend(transport);
        settle_hurry(transport);
    }
    transport.for_each_line([&](Stream& stream) {
        if (stream.transport == &transport) attend(stream, is_due, is_paced_turn, is_rtcp_turn);
    });
}

// What we send for a stream.
void CaptureLoop::attend(Stream& stream, bool is_due, bool is_paced_turn, bool is_rtcp_turn) {
    if (is_due && stream.receiver.has_feedback()) ask_sender(stream);
    if (now_.steady >= stream.next_report) send_report(stream);
    if (is_rtcp_turn) send_keep_alive(stream);
    if (is_paced_turn && stream.receiver.wants_probe()) send_probe(stream);
}

void CaptureLoop::drain(Transport& transport, SocketKind kind) {
    reader_->drain(transport, kind, *this);
    after_look(transport);
}

void CaptureLoop::drain_all(Stream& stream, SocketKind kind) {
    drain(*stream.transport, kind);
    if (stream.former != nullptr) drain(*stream.former, kind);
}

// What a shared socket had no room for may have been anybody's: it is told of the first stream.
void CaptureLoop::after_look(Transport& transport) {
    if (const std::uint64_t drops = transport.take_drops(); drops > 0)
        transport.first().receiver.add_kernel_drops(drops);
    transport.for_each_line([&](Stream& stream) {
        if (stream.gap.packets > 0) store_gap(stream);
    });
}

void CaptureLoop::on_discarded(io::MediaFlow& flow, std::uint64_t count) {
    static_cast<Transport&>(flow).first().receiver.on_discarded_unread(count, now_);
}

void CaptureLoop::on_datagram(io::MediaFlow& flow, SocketKind kind, const io::Datagram& datagram) {
    auto& transport = static_cast<Transport&>(flow);
    const Arrival arrival{
        .kind = kind,
        .source = datagram.source,
        .ns = datagram.arrival_ns != 0 ? datagram.arrival_ns : base::to_ns(now_.wall)};
    Verdict verdict = Verdict::Discard;
    if (datagram.truncated) {
        transport.first().receiver.on_oversize(arrival.source, arrival.ns);
        after_input(transport.first());
    } else {
        verdict = take(transport, arrival, datagram.bytes);
    }
    // It may have come after a pause and been read only to see its stamp.
    if (verdict == Verdict::Discard)
        std::fill(datagram.bytes.begin(), datagram.bytes.end(), std::uint8_t{0});
}

Verdict CaptureLoop::take(Transport& transport, const Arrival& arrival,
                          std::span<std::uint8_t> packet) {
    return transport.is_shared() ? sort(transport, arrival, packet)
                                 : judge(transport, transport.first(), arrival, packet);
}

Verdict CaptureLoop::judge(Transport& transport, Stream& stream, const Arrival& arrival,
                           std::span<std::uint8_t> packet) {
    if (!transport.security || open(transport, stream, arrival, packet))
        return deliver(stream, arrival, packet);
    after_input(stream);
    return Verdict::Discard;
}

// `packet` becomes the plain one. A packet that is not authentic ends nothing: it is counted, and
// the next may be good. False: nothing is left to do with it.
bool CaptureLoop::open(Transport& transport, Stream& stream, const Arrival& arrival,
                       std::span<std::uint8_t>& packet) {
    MediaSecurity& security = *transport.security;
    if (arrival.early == nullptr &&
        security.on_control(arrival.kind, packet, arrival.source,
                            stream.receiver.is_allowed_host(arrival.source), now_.steady)) {
        tend(transport);
        return false;
    }
    if (!stream.receiver.may_accept(arrival.kind, packet, arrival.source, arrival.ns)) return true;
    const MediaSecurity::Opened opened =
        arrival.early != nullptr ? *arrival.early
                                 : security.open(arrival.kind, packet, arrival.source, arrival.ns);
    if (opened.is_kept) {
        take_early(transport);  // what had to give way
        return false;
    }
    const MediaSecurity::Turn turn = security.count(opened);
    if (turn != MediaSecurity::Turn::None)
        store_event(stream, arrival.ns,
                    security_json(stream.key.stream, turn, security.suite(), arrival.source));
    if (opened.rejection) {
        stream.receiver.on_not_opened(*opened.rejection, arrival.source, arrival.ns);
        return false;
    }
    packet = packet.first(opened.size);
    return true;
}

Verdict CaptureLoop::deliver(Stream& stream, const Arrival& arrival,
                             std::span<std::uint8_t> packet) {
    const Verdict verdict =
        stream.receiver.on_datagram(arrival.kind, packet, arrival.source, arrival.ns);
    after_input(stream);
    if (verdict == Verdict::StoreRtp) {
        stream.receiver.blank(packet, arrival.ns);
        store_packet(stream, journal::RecordType::Rtp, arrival.source, arrival.ns, packet);
    } else if (verdict == Verdict::StoreRtcp) {
        store_packet(stream, journal::RecordType::Rtcp, arrival.source, arrival.ns, packet);
    }
    return verdict;
}

// Of a transport with several lines. Whose an RTP packet is can be read in its header, which SRTP
// leaves readable; what is learnt from it is kept when the packet was authentic. Whom RTCP is about
// is seen once it is open.
Verdict CaptureLoop::sort(Transport& transport, const Arrival& arrival,
                          std::span<std::uint8_t> packet) {
    const rtp::PacketKind kind = rtp::classify(packet);
    Stream* stream = &transport.first();
    Bundle::Sorted sorted;
    if (kind == rtp::PacketKind::Rtp) {
        sorted = transport.sorter().sort(packet);
        stream = &transport.line_of(sorted.stream);
    }
    const bool is_from_peer = stream->receiver.is_allowed_host(arrival.source);
    if (sorted.by == Bundle::By::Foreign && is_from_peer) {
        stream->receiver.on_not_opened(Rejection::Unassigned, arrival.source, arrival.ns);
        after_input(*stream);
        return Verdict::Discard;
    }
    const bool is_expected =
        stream->receiver.may_accept(arrival.kind, packet, arrival.source, arrival.ns);
    if (transport.security && !open(transport, *stream, arrival, packet)) {
        after_input(*stream);
        return Verdict::Discard;
    }
    if (is_expected && kind == rtp::PacketKind::Rtcp)
        return deliver_rtcp(transport, arrival, packet);
    if (is_expected && sorted.is_news) {
        transport.sorter().learn(sorted);
        tell_assigned(transport);
    }
    return deliver(*stream, arrival, packet);
}

// A compound may tell about several lines: each of them has it.
Verdict CaptureLoop::deliver_rtcp(Transport& transport, const Arrival& arrival,
                                  std::span<std::uint8_t> packet) {
    told_by_rtcp_.clear();
    transport.sorter().sort_rtcp(packet, told_by_rtcp_);
    tell_assigned(transport);
    Verdict verdict = Verdict::Discard;
    for (const std::uint16_t line : told_by_rtcp_)
        verdict = deliver(transport.line_of(line), arrival, packet);
    return verdict;
}

void CaptureLoop::tell_assigned(Transport& transport) {
    while (const auto assigned = transport.sorter().poll_assigned())
        store_event(transport.line_of(assigned->stream), base::to_ns(now_.wall),
                    event_json(*assigned));
}

// What befalls a transport befalls each of its lines.
void CaptureLoop::tend(Transport& transport) {
    MediaSecurity& security = *transport.security;
    while (const auto out = security.poll_outgoing())
        static_cast<void>(transport.sockets[out->socket].send(out->bytes, out->to));
    while (const auto event = security.poll_event())
        transport.for_each_line([&](Stream& stream) { tell_keying(stream, *event); });
    take_early(transport);
}

// What came before its keys, as if it came now, but for its time.
void CaptureLoop::take_early(Transport& transport) {
    while (auto early = transport.security->poll_early()) {
        EarlyPacket& kept = early->packet;
        take(transport,
             {.kind = kept.socket,
              .source = kept.source,
              .ns = kept.arrival_ns,
              .early = &early->opened},
             kept.bytes);
    }
}

void CaptureLoop::give_up_early(Transport& transport) {
    if (!transport.security) return;
    transport.security->give_up_early();
    take_early(transport);
}

void CaptureLoop::tell_keying(Stream& stream, const MediaSecurity::KeyingEvent& event) {
    if (event.kind != MediaSecurity::KeyingEvent::Kind::Failed)
        stream.receiver.allow_host(event.source);
    if (event.kind == MediaSecurity::KeyingEvent::Kind::Connected)
        tell(StreamKeyed{.key = stream.key, .suite = event.suite}, false);
    const bool is_told = event.kind != MediaSecurity::KeyingEvent::Kind::ShakesHands;
    if (!is_told || event.is_one_too_many) return;
    store_event(stream, base::to_ns(now_.wall), event_json(stream.key.stream, event));
}

std::optional<base::NetAddress> CaptureLoop::route(const Stream& stream, rtp::PacketKind kind,
                                                   std::optional<base::NetAddress> by_sdp) const {
    const MediaSecurity* const security = stream.transport->security.get();
    const auto by_path = security != nullptr ? security->route(kind, now_.steady) : std::nullopt;
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
    } else if (const auto* left = std::get_if<SourceLeft>(&event)) {
        store_event(stream, left->arrival_ns, event_json(key.stream, *left));
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
    Transport& transport = *stream.transport;
    if (transport.security && !transport.security->protect(rtp::PacketKind::Rtcp, report_)) return;
    io::UdpSocket& socket =
        stream.receiver.uses_rtcp_mux() ? transport.sockets.rtp : transport.sockets.rtcp;
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
void CaptureLoop::give_room_for_bursts(Transport& transport) {
    const int granted = transport.sockets.rtp.grow_receive_buffer(kBurstyBufferBytes);
    if (granted >= kBurstyBufferBytes || std::exchange(told_small_video_buffer_, true)) return;
    log_.warning("The kernel gives video smaller buffers than bursts may need (net.core.rmem_max)",
                 {{"wanted_bytes", std::to_string(kBurstyBufferBytes)},
                  {"granted_bytes", std::to_string(granted)}});
}

// What is in report_: RTP that keeps a path open.
void CaptureLoop::send_rtp(Stream& stream, const base::NetAddress& destination) {
    const auto to = route(stream, rtp::PacketKind::Rtp, destination);
    if (!to) return;
    Transport& transport = *stream.transport;
    if (transport.security && !transport.security->protect(rtp::PacketKind::Rtp, report_)) return;
    static_cast<void>(transport.sockets.rtp.send(report_, *to));
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

Stream* CaptureLoop::find(const StreamKey& key) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second.get();
}

// It has no transport yet.
Stream& CaptureLoop::add(const StreamSetup& setup) {
    if (Stream* old = find(setup.key)) close(*old);  // the caller's fault; nothing leaks
    auto stream = std::make_unique<Stream>(setup, random_.u32());
    stream->recording = records_.open(setup.key.recording);
    plan_report(*stream, true);
    stream->next_keep_alive = now_.steady + options_.keep_alive;
    Stream& added = *stream;
    by_key_[setup.key] = std::move(stream);
    links_.open_streams.store(by_key_.size());
    return added;
}

void CaptureLoop::open_transport(Stream& stream, const StreamFormat& format, io::UdpPair sockets,
                                 std::int64_t opened_ns) {
    auto transport = std::make_unique<Transport>(format, stream, std::move(sockets));
    stream.transport = transport.get();
    transport->opened_ns = opened_ns;
    if (transport->has_bursts) give_room_for_bursts(*transport);
    const int granted = transport->sockets.rtp.receive_buffer_bytes();
    if (granted < options_.receive_buffer_bytes && !std::exchange(told_small_buffer_, true)) {
        log_.warning("The kernel gives smaller media buffers than configured (net.core.rmem_max)",
                     {{"wanted_bytes", std::to_string(options_.receive_buffer_bytes)},
                      {"granted_bytes", std::to_string(granted)}});
    }
    Transport& opened = *transport;
    transports_.add(std::move(transport));
    reader_->add(opened);
    if (stream.receiver.is_paused() && !opened.is_read_while_paused()) reader_->pause(opened);
}

void CaptureLoop::join(Transport& transport, Stream& stream) {
    transport.add_line(stream);
    stream.transport = &transport;
    if (transport.is_paused) reader_->resume(transport);
    if (!transport.has_bursts) {  // it was not meant to be shared
        transport.has_bursts = true;
        give_room_for_bursts(transport);
        transports_.set_bursty(transport, true);
    }
    if (!transport.security) return;
    if (const auto connection = transport.security->connection()) tell_keying(stream, *connection);
}

// What is under way to its transport is taken a little longer; its packets go out by the new one.
void CaptureLoop::leave(Stream& stream, const StreamFormat& format) {
    // Of the one before that, which is given up now, what waits unread would go with its socket.
    for (Transport* const transport : {stream.former, stream.transport})
        if (transport != nullptr && !transport->is_paused && links_.waiting_pauses.load() == 0)
            drain(*transport, SocketKind::Rtp);
    if (stream.former != nullptr) part(*stream.former, stream);
    stream.former = stream.transport;
    stream.former_until = now_.steady + kOldTransportGrace;
    leaving_.emplace_back(stream.former_until, stream.key);
    stream.receiver.update(format, base::to_ns(now_.wall));
    stream.keep_terms(format);
    after_input(stream);
}

void CaptureLoop::part_from_former() {
    for (; !leaving_.empty() && leaving_.front().first <= now_.steady; leaving_.pop_front()) {
        Stream* const stream = find(leaving_.front().second);
        if (stream == nullptr || stream->former == nullptr || stream->former_until > now_.steady)
            continue;
        part(*std::exchange(stream->former, nullptr), *stream);
    }
}

// The last one closes the door.
void CaptureLoop::part(Transport& transport, const Stream& stream) {
    if (!transport.is_shared()) return close(transport);
    transport.remove_line(stream);
}

void CaptureLoop::close(Transport& transport) {
    reader_->remove(transport);
    const std::uint16_t port = transport.sockets.rtp.local_address().port;
    transports_.remove(transport);
    ports_.release(port, now_.steady);
}

void CaptureLoop::close(Stream& stream) {
    for (Transport* const transport : {stream.former, stream.transport}) {
        if (transport == nullptr) continue;
        if (transport->is_paused) {
            reader_->visit(*transport, SocketKind::Rtp, *this);
        } else {
            drain(*transport, SocketKind::Rtp);
        }
        drain(*transport, SocketKind::Rtcp);
        if (!transport->is_shared()) give_up_early(*transport);
    }
    stream.receiver.finish(base::to_ns(now_.wall));
    after_input(stream);
    if (stream.gap.packets > 0) store_gap(stream);
    const StreamStats stats{.key = stream.key, .counters = stream.receiver.counters()};
    store_event(stream, base::to_ns(now_.wall), event_json(stream.key.stream, stats.counters));
    tell(StreamClosed{.stats = stats}, true);

    closed_kernel_drops_ += stats.counters.kernel_drops;
    for (Transport* const transport : {stream.former, stream.transport})
        if (transport != nullptr) part(*transport, stream);
    by_key_.erase(stats.key);
    links_.open_streams.store(by_key_.size());
}

void CaptureLoop::close_streams_of(const base::Uuid& recording) {
    std::vector<Stream*> found;
    for (const auto& [key, stream] : by_key_)
        if (key.recording == recording) found.push_back(stream.get());
    std::sort(found.begin(), found.end(),
              [](const Stream* a, const Stream* b) { return a->key.stream < b->key.stream; });
    for (Stream* stream : found) close(*stream);
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
    for (const auto& [key, owned] : by_key_) {
        Stream& stream = *owned;
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
    for (const auto& [key, stream] : by_key_) drops += stream->receiver.counters().kernel_drops;
    links_.kernel_drops.store(drops);
    links_.dropping_streams.store(count_dropping());
    if (drops > told_kernel_drops_) {
        log_.warning("The kernel dropped media because its buffers were full",
                     {{"packets", std::to_string(drops - told_kernel_drops_)},
                      {"total", std::to_string(drops)}});
        told_kernel_drops_ = drops;
    }
    if (by_key_.empty() || links_.snapshot_waiting.exchange(true)) return;
    StatsSnapshot snapshot;
    snapshot.streams.reserve(by_key_.size());
    for (const auto& [key, stream] : by_key_)
        snapshot.streams.push_back({.key = key, .counters = stream->receiver.counters()});
    tell(std::move(snapshot), false);
}

void CaptureLoop::commit() {
    next_commit_ = now_.steady + options_.commit_interval;
    writer_.commit(now_);
}

void CaptureLoop::shut_down() {
    now_ = clock_.now();
    for (std::uint64_t turn = 0; turn < paced_ticks_; ++turn, ++tick_) read_media();
    while (!by_key_.empty()) close(*by_key_.begin()->second);
    const base::TimePoint give_up = now_.steady + options_.stop_patience;
    bool asked = false;
    // A full or failing disk may take the last records only after a while.
    while (true) {
        now_ = clock_.now();
        records_.retry(base::to_ns(now_.wall));
        if (!records_.is_waiting() || now_.steady >= give_up) {
            records_.close_all(base::to_ns(now_.wall));
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
