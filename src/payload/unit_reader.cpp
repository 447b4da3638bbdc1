#include "payload/unit_reader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "payload/limits.h"
#include "payload/retransmission.h"

namespace earshot::payload {

struct UnitReader::Source {
    explicit Source(std::uint32_t number) : ssrc(number) {}

    std::uint32_t ssrc;
    PacketOrder order;
    std::optional<std::uint64_t> newest;
    std::uint8_t payload_type = 0;               // of the depacketiser
    std::unique_ptr<Depacketiser> depacketiser;  // null: none yet
    bool begins_anew = true;
    std::uint64_t heard = 0;  // the larger the later
};

namespace {

// The packet that a sender would have sent without RED.
base::Bytes without_red(const rtp::RtpHeader& header, base::ByteView packet,
                        const RedBlock& primary) {
    base::Bytes out(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header.size));
    out[0] &= 0xdfU;  // RED's own padding is none of the packet inside
    out[1] = static_cast<std::uint8_t>((out[1] & 0x80U) | primary.payload_type);
    base::append(out, primary.data);
    return out;
}

}  // namespace

UnitReader::UnitReader(std::vector<Format> formats, Framing framing) : framing_(framing) {
    update(std::move(formats));
}
UnitReader::~UnitReader() = default;

void UnitReader::update(std::vector<Format> formats) {
    for (Format& format : formats) {
        if (const auto scheme = find_fec_scheme(format.encoding)) {
            auto& recovery = *scheme == FecScheme::Ulp ? ulp_ : flex_;
            if (!recovery) recovery.emplace();
        }
        const auto same = std::find_if(formats_.begin(), formats_.end(), [&](const Format& known) {
            return known.payload_type == format.payload_type;
        });
        if (same != formats_.end()) {
            *same = std::move(format);
        } else if (formats_.size() < kMaxFormats) {
            formats_.push_back(std::move(format));
        }
    }
}

const Format* UnitReader::find_format(std::uint8_t payload_type) const {
    for (const Format& format : formats_)
        if (format.payload_type == payload_type) return &format;
    return nullptr;
}

// A long call has many, one after the other (holds, transfers): who has been silent longest makes
// room.
UnitReader::Source& UnitReader::source_of(std::uint32_t ssrc) {
    auto found = sources_.find(ssrc);
    if (found == sources_.end()) {
        if (sources_.size() >= kMaxSources) {
            const auto silent = std::min_element(
                sources_.begin(), sources_.end(),
                [](const auto& a, const auto& b) { return a.second->heard < b.second->heard; });
            end(*silent->second);
            counters_.duplicates += silent->second->order.duplicates();
            sources_.erase(silent);
        }
        found = sources_.emplace(ssrc, std::make_unique<Source>(ssrc)).first;
    }
    found->second->heard = ++heard_;
    return *found->second;
}

void UnitReader::on_rtp(base::ByteView packet, std::int64_t arrival_ns) {
    const auto header = rtp::parse_rtp(packet);
    if (!header) {
        ++counters_.unreadable;
        return;
    }
    const base::ByteView payload = rtp::rtp_payload(packet, *header);
    const Format* const format = find_format(header->payload_type);
    if (format != nullptr && base::iequals(format->encoding, "rtx"))
        return on_retransmission(*header, payload, *format, arrival_ns);
    const auto scheme = format == nullptr ? std::nullopt : find_fec_scheme(format->encoding);
    if (scheme) {
        on_fec(*scheme, *header, packet, payload);
        // Under the SSRC of the media it has one of the media's numbers; else it is no source.
        if (!sources_.contains(header->ssrc)) return take_all_recovered(arrival_ns);
    }
    Source& source = source_of(header->ssrc);
    newest_ = &source;
    if (format != nullptr && base::iequals(format->encoding, "red")) {
        on_redundant(source, *header, packet, arrival_ns);
    } else {
        if (!scheme) note_media(packet, packet);
        source.order.on_packet(*header, payload, arrival_ns);
    }
    take_all_recovered(arrival_ns);
    read_ordered(source);
}

void UnitReader::note_media(base::ByteView on_wire, base::ByteView inside) {
    if (ulp_) ulp_->on_media(inside);
    if (flex_) flex_->on_media(on_wire);
}

void UnitReader::on_fec(FecScheme scheme, const rtp::RtpHeader& header, base::ByteView packet,
                        base::ByteView payload) {
    std::vector<std::uint32_t> protects;
    if (scheme == FecScheme::Flex)
        for (std::size_t i = 0; i < header.csrc_count; ++i)
            protects.push_back(base::load_u32(packet, 12 + 4 * i));
    // RFC 5109 section 7.2: the SSRC of the media. One that is not known protects what is there.
    const bool is_known = sources_.contains(header.ssrc) || newest_ == nullptr;
    if (scheme == FecScheme::Ulp) protects = {is_known ? header.ssrc : newest_->ssrc};
    if (!(scheme == FecScheme::Ulp ? ulp_ : flex_)->on_fec(scheme, payload, protects))
        ++counters_.unreadable;
}

void UnitReader::take_all_recovered(std::int64_t arrival_ns) {
    for (auto* const recovery : {&ulp_, &flex_}) {
        if (!*recovery) continue;
        while (const auto packet = (*recovery)->poll()) on_recovered(*packet, arrival_ns);
    }
}

// As if it had come, when it is still of use and can be one of this stream.
void UnitReader::on_recovered(base::ByteView packet, std::int64_t arrival_ns) {
    const auto header = rtp::parse_rtp(packet);
    const Format* const format = header ? find_format(header->payload_type) : nullptr;
    if (format == nullptr || find_fec_scheme(format->encoding)) {
        ++counters_.unreadable;
        return;
    }
    const auto found = sources_.find(header->ssrc);
    if (found == sources_.end() || !found->second->order.is_missing(header->sequence)) return;
    ++counters_.recovered;
    Source& source = *found->second;
    if (base::iequals(format->encoding, "red"))
        on_redundant(source, *header, packet, arrival_ns);
    else
        source.order.on_packet(*header, rtp::rtp_payload(packet, *header), arrival_ns);
    read_ordered(source);
}

// Section 5.3: the original has another SSRC, which a=ssrc-group:FID may name and which one media
// line with one sender does not need; or the same (session multiplexing, section 5.1).
void UnitReader::on_retransmission(const rtp::RtpHeader& header, base::ByteView payload,
                                   const Format& format, std::int64_t arrival_ns) {
    const auto again = parse_retransmission(payload);
    const auto type = retransmitted_type(format.fmtp);
    if (!again || !type) {
        ++counters_.unreadable;
        return;
    }
    const auto same = sources_.find(header.ssrc);
    Source* const source = same != sources_.end() ? same->second.get() : newest_;
    if (source == nullptr || again->payload.empty()) return;
    if (source->order.is_missing(again->sequence)) ++counters_.restored;
    rtp::RtpHeader original = header;
    original.payload_type = *type;
    original.sequence = again->sequence;
    source->order.on_packet(original, again->payload, arrival_ns);
    read_ordered(*source);
}

// Each block stands for the packet that carried it first: the last but one for the one before. FEC
// (RFC 5109 section 14.2) is no such block, whether it comes beside media or alone, as WebRTC sends
// it; it was made of the packets as they were before RED.
void UnitReader::on_redundant(Source& source, const rtp::RtpHeader& header, base::ByteView packet,
                              std::int64_t arrival_ns) {
    const auto red = parse_red(rtp::rtp_payload(packet, header));
    if (!red) {
        ++counters_.unreadable;
        return;
    }
    std::size_t back = 0;
    for (const RedBlock& block : red->redundant())
        if (!is_fec(block)) ++back;
    for (const RedBlock& block : red->blocks()) {
        rtp::RtpHeader original = header;
        original.payload_type = block.payload_type;
        const bool is_primary = &block == &red->primary();
        if (is_fec(block)) on_fec(FecScheme::Ulp, header, packet, block.data);
        if (!is_primary) {
            if (is_fec(block)) continue;
            original.sequence = static_cast<std::uint16_t>(header.sequence - back--);
            original.timestamp = header.timestamp - block.timestamp_offset;
            original.marker = false;
            if (block.data.empty() || !source.order.is_missing(original.sequence)) continue;
            ++counters_.restored;
        } else if (!is_fec(block)) {
            note_media(packet, ulp_ ? without_red(header, packet, block) : base::Bytes{});
        }
        source.order.on_packet(original, block.data, arrival_ns);
    }
}

bool UnitReader::is_fec(const RedBlock& block) const {
    const Format* const format = find_format(block.payload_type);
    return format != nullptr && ulp_ && find_fec_scheme(format->encoding) == FecScheme::Ulp;
}

void UnitReader::read_ordered(Source& source) {
    while (const auto packet = source.order.poll()) on_ordered(source, *packet);
}

void UnitReader::on_ordered(Source& source, const OrderedPacket& packet) {
    if (packet.restarts) {
        retire(source);
        source.begins_anew = true;
    } else if (source.newest) {
        counters_.lost += packet.sequence - *source.newest - 1;
    }
    source.newest = packet.sequence;
    if (!source.depacketiser || source.payload_type != packet.payload_type)
        change_type(source, packet.payload_type);
    if (!source.depacketiser || source.payload_type != packet.payload_type) {
        ++counters_.other_types;
        if (source.depacketiser) source.depacketiser->pass_over(packet.sequence);
        return;
    }
    source.depacketiser->on_packet({.sequence = packet.sequence,
                                    .timestamp = packet.timestamp,
                                    .marker = packet.marker,
                                    .arrival_ns = packet.arrival_ns,
                                    .payload = packet.payload});
    take_units(source);
}

// A type without a depacketiser (FEC, comfort noise, keys) does not end the unit of the one before.
void UnitReader::change_type(Source& source, std::uint8_t payload_type) {
    const Format* const format = find_format(payload_type);
    if (format == nullptr) return;
    auto next = make_depacketiser(format->encoding, format->fmtp, framing_);
    if (!next) return;
    retire(source);
    source.depacketiser = std::move(next);
    source.payload_type = payload_type;
}

void UnitReader::retire(Source& source) {
    if (!source.depacketiser) return;
    source.depacketiser->finish();
    take_units(source);
    source.depacketiser.reset();
}

void UnitReader::take_units(Source& source) {
    if (!source.depacketiser) return;
    while (auto unit = source.depacketiser->poll()) {
        const bool is_other = std::exchange(last_ssrc_, source.ssrc) != source.ssrc;
        const bool begins_anew = std::exchange(source.begins_anew, false) || is_other;
        ready_.push_back({.unit = std::move(*unit),
                          .ssrc = source.ssrc,
                          .payload_type = source.payload_type,
                          .begins_anew = begins_anew});
    }
}

void UnitReader::end(Source& source) {
    source.order.finish();
    read_ordered(source);
    retire(source);
}

void UnitReader::finish() {
    for (const auto& [ssrc, source] : sources_) end(*source);
}

std::optional<StreamUnit> UnitReader::poll() {
    if (ready_.empty()) return std::nullopt;
    StreamUnit unit = std::move(ready_.front());
    ready_.pop_front();
    return unit;
}

base::Bytes UnitReader::decoder_setup(std::uint8_t payload_type) const {
    if (newest_ == nullptr) return {};
    if (!newest_->depacketiser || newest_->payload_type != payload_type) return {};
    return newest_->depacketiser->decoder_setup();
}

UnitReaderCounters UnitReader::counters() const {
    UnitReaderCounters all = counters_;
    for (const auto& [ssrc, source] : sources_) all.duplicates += source->order.duplicates();
    return all;
}

}  // namespace earshot::payload
