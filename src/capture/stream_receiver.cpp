#include "capture/stream_receiver.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "payload/red.h"
#include "payload/retransmission.h"
#include "rtp/demux.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
constexpr std::uint8_t kComfortNoiseType = 13;  // RFC 3551 table 4
constexpr std::uint8_t kPayloadTypes = 128;     // numbers have seven bits

constexpr std::int64_t in_ns(std::chrono::nanoseconds time) { return time.count(); }

// RFC 4588, RFC 5109 and 8627, and what browsers call the last one before it was that.
bool is_repair(std::string_view encoding) {
    constexpr std::array<std::string_view, 7> kNames{
        "rtx",      "ulpfec", "parityfec", "flexfec", "flexfec-03", "1d-interleaved-parityfec",
        "raptorfec"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](std::string_view name) { return base::iequals(encoding, name); });
}

// What a step of the wall clock changes.
std::int64_t wall_offset_ns(base::Now now) {
    return base::to_ns(now.wall) - std::chrono::nanoseconds{now.steady.time_since_epoch()}.count();
}

}  // namespace

const char* to_string(Rejection rejection) {
    switch (rejection) {
        case Rejection::NotRtp:
            return "not_rtp";
        case Rejection::Malformed:
            return "malformed";
        case Rejection::Source:
            return "source";
        case Rejection::PayloadType:
            return "payload_type";
        case Rejection::Ssrc:
            return "ssrc";
        case Rejection::TooLarge:
            return "too_large";
        case Rejection::Authentication:
            return "authentication";
        case Rejection::Replay:
            return "replay";
        case Rejection::Unassigned:
            return "unassigned";
    }
    return "unknown";
}

StreamReceiver::StreamReceiver(const StreamSetup& setup, std::uint32_t ssrc)
    : media_(setup.media),
      signalling_peer_(setup.signalling_peer),
      media_from_(setup.media_from),
      may_probe_(setup.probe),
      keeps_digits_(setup.keeps_digits),
      own_ssrc_(ssrc) {
    apply_format(setup.format);
    if (setup.probe) probes_left_ = kMaxProbes;
    if (setup.paused) {
        pause(kNever);
        discard_all();  // the clocks of this moment are not known
    }
}

StreamReceiver::PayloadKind StreamReceiver::kind_of(std::string_view encoding) {
    if (base::iequals(encoding, "telephone-event")) return PayloadKind::TelephoneEvent;
    if (base::iequals(encoding, "red")) return PayloadKind::Redundant;
    return is_repair(encoding) ? PayloadKind::Repair : PayloadKind::Media;
}

void StreamReceiver::apply_format(const StreamFormat& format) {
    any_payload_ = format.payload_types.empty();
    for (const PayloadType& type : format.payload_types) {
        if (type.number >= kPayloadTypes) continue;
        entry_of(type.number) = {.accepted_until_ns = kForever,
                                 .clock_rate = type.clock_rate,
                                 .number = type.number,
                                 .kind = kind_of(type.encoding),
                                 .codec = payload::video_codec(type.encoding),
                                 .is_retransmission = base::iequals(type.encoding, "rtx")};
    }
    // Senders switch to static comfort noise without having offered it; it is never anything else.
    const PayloadEntry* const noise = find_payload(kComfortNoiseType);
    const bool is_told = noise != nullptr && noise->accepted_until_ns == kForever;
    if (media_ == MediaClass::Paced && !is_told) {
        entry_of(kComfortNoiseType) = {.accepted_until_ns = kForever,
                                       .clock_rate = 8000,
                                       .number = kComfortNoiseType,
                                       .kind = PayloadKind::Media,
                                       .codec = payload::VideoCodec::Unknown,
                                       .is_retransmission = false};
    }
    payloads_.shrink_to_fit();
    set_hosts(format.remote_rtp);
    filter_.set_signalled(format.signalled_ssrcs);
    filter_.set_address(format.remote_rtp, format.remote_rtcp);
    remote_rtp_ = format.remote_rtp;
    remote_rtcp_ = format.remote_rtcp;
    rtcp_mux_ = format.rtcp_mux;
    const bool is_video = media_ == MediaClass::Bursty;
    if (!feedback_ && (is_video || format.feedback.nack))
        feedback_ = std::make_unique<Feedback>(own_ssrc_, is_video);
    if (feedback_) feedback_->set_terms(format.feedback);
}

void StreamReceiver::set_hosts(const base::NetAddress& remote_rtp) {
    std::vector<base::NetAddress> hosts = {remote_rtp, signalling_peer_};
    hosts.insert(hosts.end(), media_from_.begin(), media_from_.end());
    hosts.insert(hosts.end(), shown_by_ice_.begin(), shown_by_ice_.end());
    filter_.set_hosts(hosts);
}

void StreamReceiver::allow_host(const base::NetAddress& source) {
    if (filter_.is_allowed_host(source)) return;
    if (shown_by_ice_.size() == kMaxIceHosts) shown_by_ice_.erase(shown_by_ice_.begin());
    shown_by_ice_.push_back(source);
    set_hosts(remote_rtp_);
}

const StreamReceiver::PayloadEntry* StreamReceiver::find_payload(std::uint8_t number) const {
    for (const PayloadEntry& entry : payloads_)
        if (entry.number == number) return &entry;
    return nullptr;
}

bool StreamReceiver::has_payload_type(std::uint8_t number) const {
    const PayloadEntry* const entry = find_payload(number);
    return entry != nullptr && entry->accepted_until_ns == kForever;
}

StreamReceiver::PayloadEntry& StreamReceiver::entry_of(std::uint8_t number) {
    for (PayloadEntry& entry : payloads_)
        if (entry.number == number) return entry;
    return payloads_.emplace_back();
}

void StreamReceiver::update(const StreamFormat& format, std::int64_t now_ns) {
    for (PayloadEntry& entry : payloads_) {
        // Packets under way may still have the old type.
        if (entry.accepted_until_ns == kForever) {
            entry.accepted_until_ns = now_ns + in_ns(kOldPayloadTypeGrace);
        }
    }
    if (format.remote_rtp != remote_rtp_) {
        filter_.expect_change();
        learned_rtp_.reset();
        learned_rtcp_.reset();
        shown_by_ice_.clear();
        if (may_probe_) probes_left_ = kMaxProbes;
    }
    apply_format(format);
}

bool StreamReceiver::is_discarded_at(std::int64_t arrival_ns) const {
    return arrival_ns >= discard_from_ns_ && arrival_ns < discard_until_ns_;
}

void StreamReceiver::pause(std::int64_t at_ns) {
    is_paused_ = true;
    discard_from_ns_ = at_ns;
    discard_until_ns_ = kForever;
}

void StreamReceiver::settle_pause(base::Now now) {
    wall_offset_ns_ = wall_offset_ns(now);
    discard_all();
}

void StreamReceiver::on_discarded_unread(std::uint64_t count, base::Now now) {
    wall_offset_ns_ = wall_offset_ns(now);
    counters_.paused_discarded += count;
}

void StreamReceiver::discard_all() {
    discard_from_ns_ = kNever;
    discard_until_ns_ = kForever;
    settle_held();
    digits_.finish();
    collect_digits(digit_clock_rate_);
    filter_.on_break();
}

void StreamReceiver::resume(std::int64_t at_ns, base::Now now) {
    constexpr std::int64_t kJitterNs = 1'000'000;  // the two clocks are read one after the other
    is_paused_ = false;
    resumed_at_ns_ = at_ns;
    const bool has_stepped_back = wall_offset_ns(now) < wall_offset_ns_ - kJitterNs;
    discard_until_ns_ = has_stepped_back ? kForever : at_ns;
}

void StreamReceiver::settle_resume() {
    if (feedback_) feedback_->on_resume();
    discard_from_ns_ = kForever;
    discard_until_ns_ = kForever;
}

Verdict StreamReceiver::on_datagram(SocketKind socket, base::ByteView bytes,
                                    const base::NetAddress& source, std::int64_t arrival_ns) {
    const rtp::PacketKind kind = rtp::classify(bytes);
    if (kind == rtp::PacketKind::Rtcp) return on_rtcp(bytes, source, arrival_ns);
    if (is_discarded_at(arrival_ns)) {
        ++counters_.paused_discarded;
        return Verdict::Discard;
    }
    if (kind != rtp::PacketKind::Rtp || socket == SocketKind::Rtcp) {
        return reject(Rejection::NotRtp, source, arrival_ns);
    }
    return on_rtp(bytes, source, arrival_ns);
}

bool StreamReceiver::may_accept(SocketKind socket, base::ByteView bytes,
                                const base::NetAddress& source, std::int64_t arrival_ns) const {
    const rtp::PacketKind kind = rtp::classify(bytes);
    const bool is_rtp = kind == rtp::PacketKind::Rtp && socket == SocketKind::Rtp;
    if (is_rtp ? is_discarded_at(arrival_ns) : kind != rtp::PacketKind::Rtcp) return false;
    return filter_.is_allowed_host(source);
}

Verdict StreamReceiver::on_rtp(base::ByteView bytes, const base::NetAddress& source,
                               std::int64_t arrival_ns) {
    const auto header = rtp::parse_rtp(bytes);
    if (!header) return reject(Rejection::Malformed, source, arrival_ns);
    // The host first: what strangers send must not say more about us than that it was refused.
    if (!filter_.is_allowed_host(source)) return reject(Rejection::Source, source, arrival_ns);
    const PayloadEntry* const payload = find_payload(header->payload_type);
    if (!any_payload_ && (payload == nullptr || payload->accepted_until_ns < arrival_ns)) {
        return reject(Rejection::PayloadType, source, arrival_ns);
    }
    // Under an SSRC of its own (RFC 4588 section 5.3) it is no other source of the stream.
    if (payload != nullptr && payload->kind == PayloadKind::Repair && filter_.has_source() &&
        filter_.current_ssrc() != header->ssrc) {
        return on_repair(bytes, *header, *payload, arrival_ns);
    }
    switch (filter_.on_packet(source, *header, arrival_ns)) {
        case rtp::SourceVerdict::RejectHost:
            return reject(Rejection::Source, source, arrival_ns);
        case rtp::SourceVerdict::RejectSsrc:
            return reject(Rejection::Ssrc, source, arrival_ns);
        case rtp::SourceVerdict::Hold:
            hold(bytes, *header, source, arrival_ns);
            return Verdict::Hold;
        case rtp::SourceVerdict::AcceptAndHeld:
            release_held(header->ssrc);
            break;
        case rtp::SourceVerdict::Accept:
            break;
    }
    while (!held_.empty() && held_.front().arrival_ns < filter_.held_since_ns()) drop_oldest_held();
    accept(bytes, *header, source, arrival_ns);
    return Verdict::StoreRtp;
}

Verdict StreamReceiver::on_repair(base::ByteView bytes, const rtp::RtpHeader& header,
                                  const PayloadEntry& payload, std::int64_t arrival_ns) {
    ++counters_.packets;
    counters_.octets += bytes.size();
    counters_.last_arrival_ns = std::max(counters_.last_arrival_ns, arrival_ns);
    if (!payload.is_retransmission || !feedback_) return Verdict::StoreRtp;
    const auto again = payload::parse_retransmission(rtp::rtp_payload(bytes, header));
    if (again && feedback_->on_restored(again->sequence)) ++restored_;
    return Verdict::StoreRtp;
}

// Counts one packet of the record; its sequence number was tracked by the filter.
void StreamReceiver::accept(base::ByteView bytes, const rtp::RtpHeader& header,
                            const base::NetAddress& source, std::int64_t arrival_ns) {
    if (counters_.packets == 0) {
        counters_.first_arrival_ns = arrival_ns;
        events_.push_back(
            FirstPacketSeen{.arrival_ns = arrival_ns, .ssrc = header.ssrc, .source = source});
    }
    ++counters_.packets;
    counters_.octets += bytes.size();
    counters_.last_arrival_ns = std::max(counters_.last_arrival_ns, arrival_ns);
    if (const auto change = filter_.take_change(); change && change->from) {
        ++counters_.ssrc_changes;
        events_.push_back(SsrcChange{
            .arrival_ns = arrival_ns, .from = *change->from, .to = change->to, .source = source});
    }
    note_source(header.ssrc, source, arrival_ns);
    note_contributors(bytes, header, arrival_ns);
    probes_left_ = 0;
    learned_rtp_ = source;

    const PayloadEntry* const known = find_payload(header.payload_type);
    const PayloadEntry payload = known != nullptr ? *known : PayloadEntry{};
    if (feedback_ && filter_.current_ssrc() == header.ssrc)
        feedback_->on_packet(header, rtp::rtp_payload(bytes, header), payload.codec);
    if (payload.kind == PayloadKind::TelephoneEvent) {
        // All packets of an event have one timestamp: they say nothing about jitter.
        note_digit(rtp::rtp_payload(bytes, header), header.timestamp, payload.clock_rate,
                   arrival_ns);
        return;
    }
    if (payload.kind == PayloadKind::Redundant) {  // RFC 4733 section 2.5.1.5
        const auto red = payload::parse_red(rtp::rtp_payload(bytes, header));
        if (red && is_digit(red->primary().payload_type))
            note_digit(red->primary().data, header.timestamp, payload.clock_rate, arrival_ns);
    }
    if (filter_.current_ssrc() == header.ssrc) {
        filter_.current_tracker().on_timing(header.timestamp, arrival_ns, payload.clock_rate);
    }
}

bool StreamReceiver::is_digit(std::uint8_t payload_type) const {
    const PayloadEntry* const entry = find_payload(payload_type);
    return entry != nullptr && entry->kind == PayloadKind::TelephoneEvent;
}

void StreamReceiver::note_digit(base::ByteView payload, std::uint32_t timestamp,
                                std::uint32_t clock_rate, std::int64_t arrival_ns) {
    if (!keeps_digits_) {
        if (counters_.digits_blanked++ == 0)
            events_.push_back(DigitsBlanked{.arrival_ns = arrival_ns});
        return;
    }
    const auto event = rtp::parse_telephone_event(payload);
    if (!event) return;
    digit_clock_rate_ = clock_rate;
    digits_.on_packet(timestamp, arrival_ns, *event);
    collect_digits(clock_rate);
}

bool StreamReceiver::may_repeat_secrets(std::int64_t arrival_ns) const {
    if (arrival_ns - in_ns(kLongestRepair) < resumed_at_ns_) return true;
    for (std::uint8_t type = 0; !keeps_digits_ && type < kPayloadTypes; ++type)
        if (is_digit(type)) return true;
    return false;
}

void StreamReceiver::blank(std::span<std::uint8_t> packet, std::int64_t arrival_ns) {
    constexpr std::uint8_t kBlank = 0xff;  // no digit's event, no octet of UTF-8
    const bool follows_pause = arrival_ns - in_ns(kLongestRedundancy) < resumed_at_ns_;
    if (keeps_digits_ && !follows_pause) return;
    const auto header = rtp::parse_rtp(packet);
    const PayloadEntry* const entry = header ? find_payload(header->payload_type) : nullptr;
    if (entry == nullptr) return;
    const auto payload = packet.subspan(header->size, header->payload_size);
    const auto overwrite = [&](base::ByteView part) {
        const auto at = static_cast<std::size_t>(part.data() - payload.data());
        std::fill_n(payload.begin() + static_cast<std::ptrdiff_t>(at), part.size(), kBlank);
    };
    if (entry->kind == PayloadKind::TelephoneEvent && !keeps_digits_) overwrite(payload);
    // What comes again in another form may hold what must not be kept.
    if (entry->kind == PayloadKind::Repair && may_repeat_secrets(arrival_ns)) overwrite(payload);
    if (entry->kind != PayloadKind::Redundant) return;
    const auto red = payload::parse_red(payload);
    if (!red) return overwrite(payload);
    bool was_paused = false;
    for (const payload::RedBlock& block : red->blocks()) {
        const std::int64_t age_ns = std::int64_t{block.timestamp_offset} * 1'000'000'000 /
                                    std::max<std::uint32_t>(entry->clock_rate, 1);
        const bool is_old = block.timestamp_offset != 0 &&
                            arrival_ns - age_ns - in_ns(kRedundancyMargin) < resumed_at_ns_;
        if (is_old || (!keeps_digits_ && is_digit(block.payload_type))) overwrite(block.data);
        was_paused = was_paused || (is_old && !block.data.empty());
    }
    if (was_paused) ++counters_.redundancy_blanked;
}

void StreamReceiver::collect_digits(std::uint32_t clock_rate) {
    while (const auto digit = digits_.poll_digit()) {
        const std::uint64_t ms =
            clock_rate == 0 ? 0 : std::uint64_t{digit->duration_ticks} * 1000 / clock_rate;
        events_.push_back(DigitSeen{.arrival_ns = digit->arrival_ns,
                                    .digit = digit->digit,
                                    .duration_ms = static_cast<std::uint32_t>(ms)});
    }
}

void StreamReceiver::note_contributors(base::ByteView bytes, const rtp::RtpHeader& header,
                                       std::int64_t arrival_ns) {
    constexpr std::size_t kFixedHeader = 12;
    if (header.csrc_count == 0 && !contributors_) return;
    ContributorsChanged now{.arrival_ns = arrival_ns, .count = header.csrc_count, .ssrcs = {}};
    for (std::size_t i = 0; i < header.csrc_count; ++i)
        now.ssrcs[i] = base::load_u32(bytes, kFixedHeader + 4 * i);
    if (!contributors_) contributors_ = std::make_unique<ContributorsChanged>();
    if (now.count == contributors_->count && now.ssrcs == contributors_->ssrcs) return;
    *contributors_ = now;
    if (contributors_told_ == kMaxContributorEvents) return;
    ++contributors_told_;
    events_.push_back(now);
}

void StreamReceiver::note_description(const rtp::SourceDescription& chunk,
                                      std::int64_t arrival_ns) {
    if (chunk.cname.empty()) return;
    const std::string cname = chunk.cname.substr(0, kMaxCnameBytes);
    std::optional<std::uint32_t> same_as;
    auto own = described_.end();
    for (auto it = described_.begin(); it != described_.end(); ++it) {
        if (it->first == chunk.ssrc) {
            own = it;
        } else if (it->second == cname) {
            same_as = it->first;
        }
    }
    if (own != described_.end()) {
        if (own->second == cname) return;
        own->second = cname;
    } else if (described_.size() < kMaxDescribedSources) {
        described_.emplace_back(chunk.ssrc, cname);
    } else {
        return;
    }
    if (descriptions_told_ == kMaxDescribedEvents) return;
    ++descriptions_told_;
    events_.push_back(SourceDescribed{
        .arrival_ns = arrival_ns, .ssrc = chunk.ssrc, .cname = cname, .same_as = same_as});
}

// It may be said again and again, so that it is heard.
void StreamReceiver::note_goodbye(const rtp::Goodbye& goodbye, std::int64_t arrival_ns) {
    if (goodbye.reason.empty() || goodbye.ssrcs.empty()) return;
    const std::uint32_t ssrc = goodbye.ssrcs.front();
    const std::size_t said = std::hash<std::string>{}(goodbye.reason) ^ ssrc;
    if (std::exchange(left_, said) == said || descriptions_told_ == kMaxDescribedEvents) return;
    ++descriptions_told_;
    events_.push_back(SourceLeft{.arrival_ns = arrival_ns, .ssrc = ssrc, .reason = goodbye.reason});
}

bool StreamReceiver::wants_keep_alive(std::int64_t now_ns, std::chrono::milliseconds idle) const {
    return !rtcp_mux_ && now_ns - counters_.last_arrival_ns >= in_ns(idle) &&
           keep_alive_destination().has_value();
}

std::optional<base::NetAddress> StreamReceiver::keep_alive_destination() const {
    return learned_rtp_ ? learned_rtp_ : probe_destination();
}

std::optional<KeyFrameRequest> StreamReceiver::on_turn(base::TimePoint now, std::string_view cname,
                                                       base::Bytes& out) {
    if (!feedback_ || is_paused_) return std::nullopt;
    return feedback_->on_turn(now, cname, out);
}

bool StreamReceiver::wants_probe() const {
    return probes_left_ > 0 && !is_paused_ && probe_destination().has_value();
}

std::optional<base::NetAddress> StreamReceiver::probe_destination() const {
    const base::NetAddress& remote = remote_rtp_;
    if (remote.is_unspecified() || remote.port == 0) return std::nullopt;
    return remote;
}

void StreamReceiver::compose_probe(base::Bytes& out) {
    --probes_left_;
    compose_keep_alive(out);
}

void StreamReceiver::compose_keep_alive(base::Bytes& out) {
    std::uint8_t unused = 127;  // dynamic payload types: RFC 3551 section 3
    while (unused > 96 && has_payload_type(unused)) --unused;
    rtp::RtpHeader header;
    header.payload_type = unused;
    header.sequence = probe_sequence_++;
    header.ssrc = own_ssrc_;
    rtp::write_rtp(header, {}, out);
}

void StreamReceiver::note_source(std::uint32_t ssrc, const base::NetAddress& source,
                                 std::int64_t arrival_ns) {
    if (ssrc == last_ssrc_ && source == last_source_) return;
    if (ssrc == last_ssrc_ && counters_.packets > 1 &&
        source_changes_told_ < kMaxSourceChangedEvents) {
        ++source_changes_told_;
        events_.push_back(SourceMoved{
            .arrival_ns = arrival_ns, .ssrc = ssrc, .from = last_source_, .to = source});
    }
    last_ssrc_ = ssrc;
    last_source_ = source;
}

void StreamReceiver::hold(base::ByteView bytes, const rtp::RtpHeader& header,
                          const base::NetAddress& source, std::int64_t arrival_ns) {
    base::Bytes copy(bytes.begin(), bytes.end());
    blank(copy, arrival_ns);
    held_.push_back(
        {.arrival_ns = arrival_ns, .source = source, .bytes = std::move(copy), .header = header});
    held_bytes_ += bytes.size();
    while (held_.size() > kMaxHeldPackets || held_bytes_ > kMaxHeldBytes) drop_oldest_held();
}

void StreamReceiver::drop_oldest_held() {
    const HeldPacket& oldest = held_.front();
    held_bytes_ -= oldest.bytes.size();
    reject(Rejection::Ssrc, oldest.source, oldest.arrival_ns);
    held_.pop_front();
}

void StreamReceiver::release_held(std::uint32_t ssrc) {
    base::RareQueue<HeldPacket> others;
    held_bytes_ = 0;
    for (HeldPacket& packet : held_) {
        if (packet.header.ssrc == ssrc) {
            accept(packet.bytes, packet.header, packet.source, packet.arrival_ns);
            released_.push_back(std::move(packet));
        } else {
            held_bytes_ += packet.bytes.size();
            others.push_back(std::move(packet));
        }
    }
    held_ = std::move(others);
}

void StreamReceiver::settle_held() {
    if (const auto ssrc = filter_.settle()) release_held(*ssrc);
    while (!held_.empty()) drop_oldest_held();
}

Verdict StreamReceiver::on_rtcp(base::ByteView bytes, const base::NetAddress& source,
                                std::int64_t arrival_ns) {
    if (!filter_.is_allowed_host(source)) return reject(Rejection::Source, source, arrival_ns);
    const auto packets = rtp::parse_rtcp(bytes);
    if (!packets) return reject(Rejection::Malformed, source, arrival_ns);
    learned_rtcp_ = source;
    ++counters_.rtcp_packets;
    for (const rtp::RtcpPacket& packet : *packets) on_rtcp_packet(packet, source, arrival_ns);
    return Verdict::StoreRtcp;
}

void StreamReceiver::on_rtcp_packet(const rtp::RtcpPacket& packet, const base::NetAddress& source,
                                    std::int64_t arrival_ns) {
    if (const auto* report = std::get_if<rtp::SenderReport>(&packet)) {
        last_sr_ = LastSenderReport{.ssrc = report->ssrc,
                                    .ntp_middle = rtp::ntp_middle(report->ntp),
                                    .arrival_ns = arrival_ns};
    } else if (const auto* described = std::get_if<rtp::SourceDescriptions>(&packet)) {
        for (const auto& chunk : described->chunks) note_description(chunk, arrival_ns);
    } else if (const auto* goodbye = std::get_if<rtp::Goodbye>(&packet)) {
        for (const std::uint32_t ssrc : goodbye->ssrcs) filter_.on_bye(source, ssrc);
        note_goodbye(*goodbye, arrival_ns);
    }
}

void StreamReceiver::on_oversize(const base::NetAddress& source, std::int64_t arrival_ns) {
    if (is_discarded_at(arrival_ns)) {
        ++counters_.paused_discarded;
        return;
    }
    reject(Rejection::TooLarge, source, arrival_ns);
}

Verdict StreamReceiver::on_not_opened(Rejection cause, const base::NetAddress& source,
                                      std::int64_t arrival_ns) {
    return reject(cause, source, arrival_ns);
}

Verdict StreamReceiver::reject(Rejection cause, const base::NetAddress& source,
                               std::int64_t arrival_ns) {
    const auto index = static_cast<std::size_t>(cause);
    ++counters_.rejected[index];
    if (!rejected_) rejected_ = std::make_unique<std::array<RejectedState, kRejections>>();
    RejectedState& state = (*rejected_)[index];
    state.newest_source = source;
    if (state.told_total == 0 || arrival_ns - state.told_at_ns >= in_ns(kRejectedEventInterval)) {
        tell_rejected(index, arrival_ns);
    }
    return Verdict::Discard;
}

void StreamReceiver::tell_rejected(std::size_t cause, std::int64_t arrival_ns) {
    RejectedState& state = (*rejected_)[cause];
    if (state.told_total == counters_.rejected[cause]) return;
    state.told_at_ns = arrival_ns;
    state.told_total = counters_.rejected[cause];
    events_.push_back(RejectedSome{.arrival_ns = arrival_ns,
                                   .cause = static_cast<Rejection>(cause),
                                   .total = state.told_total,
                                   .source = state.newest_source});
}

void StreamReceiver::finish(std::int64_t now_ns) {
    settle_held();
    digits_.finish();
    collect_digits(digit_clock_rate_);
    if (!rejected_) return;
    for (std::size_t cause = 0; cause < kRejections; ++cause) tell_rejected(cause, now_ns);
}

std::optional<HeldPacket> StreamReceiver::poll_released() {
    if (released_.empty()) return std::nullopt;
    return released_.take_front();
}

std::optional<ReceiverEvent> StreamReceiver::poll_event() {
    if (events_.empty()) return std::nullopt;
    return events_.take_front();
}

void StreamReceiver::compose_report(base::WallTime now, std::string_view cname, base::Bytes& out) {
    rtp::ReceiverReport report{.ssrc = own_ssrc_, .reports = {}};
    if (filter_.has_source()) {
        rtp::SequenceTracker& tracker = filter_.current_tracker();
        rtp::ReportBlock block{.ssrc = filter_.current_ssrc(),
                               .fraction_lost = tracker.take_fraction_lost(),
                               .cumulative_lost = static_cast<std::int32_t>(std::min<std::uint64_t>(
                                   tracker.lost(), 0x7fffff)),  // RFC 3550 A.3
                               .extended_highest = tracker.extended_highest(),
                               .jitter = static_cast<std::uint32_t>(tracker.jitter_ticks())};
        if (last_sr_ && last_sr_->ssrc == block.ssrc) {
            const std::int64_t delay =
                std::max<std::int64_t>(base::to_ns(now) - last_sr_->arrival_ns, 0);
            constexpr std::int64_t kSecond = 1'000'000'000;
            block.last_sr = last_sr_->ntp_middle;
            block.delay_since_sr = static_cast<std::uint32_t>(delay / kSecond * 65536 +
                                                              delay % kSecond * 65536 / kSecond);
        }
        report.reports.push_back(block);
    }
    rtp::append_receiver_report(report, out);
    rtp::append_cname(own_ssrc_, cname, out);
}

std::optional<base::NetAddress> StreamReceiver::rtcp_destination() const {
    if (remote_rtcp_.is_unspecified() || remote_rtcp_.port == 0) return learned_rtcp_;
    if (learned_rtcp_ && learned_rtcp_->same_host(remote_rtcp_)) return learned_rtcp_;
    return remote_rtcp_;
}

StreamCounters StreamReceiver::counters() const {
    StreamCounters counters = counters_;
    counters.lost = filter_.lost() - std::min(filter_.lost(), restored_);
    if (feedback_) {
        counters.asked_again = feedback_->asked_again();
        counters.restored = feedback_->restored();
        counters.key_frames_asked = feedback_->key_frames_asked();
    }
    counters.duplicates = filter_.duplicates();
    counters.reordered = filter_.reordered();
    if (filter_.has_source()) counters.jitter_ms = filter_.current_tracker().jitter_ms();
    return counters;
}

}  // namespace earshot::capture
