#include "payload/unit_reader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "payload/limits.h"
#include "payload/red.h"
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
};

UnitReader::UnitReader(std::vector<Format> formats, Framing framing) : framing_(framing) {
    update(std::move(formats));
}
UnitReader::~UnitReader() = default;

void UnitReader::update(std::vector<Format> formats) {
    for (Format& format : formats) {
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

UnitReader::Source* UnitReader::source_of(std::uint32_t ssrc) {
    const auto found = sources_.find(ssrc);
    if (found != sources_.end()) return found->second.get();
    if (sources_.size() >= kMaxSources) return nullptr;
    return sources_.emplace(ssrc, std::make_unique<Source>(ssrc)).first->second.get();
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
    Source* const source = source_of(header->ssrc);
    if (source == nullptr) {
        ++counters_.other_types;
        return;
    }
    newest_ = source;
    if (format != nullptr && base::iequals(format->encoding, "red")) {
        on_redundant(*source, *header, payload, arrival_ns);
    } else {
        source->order.on_packet(*header, payload, arrival_ns);
    }
    read_ordered(*source);
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

// Each block stands for the packet that carried it first: the last but one for the one before.
void UnitReader::on_redundant(Source& source, const rtp::RtpHeader& header, base::ByteView payload,
                              std::int64_t arrival_ns) {
    const auto red = parse_red(payload);
    if (!red) {
        ++counters_.unreadable;
        return;
    }
    std::size_t back = red->blocks().size();
    for (const RedBlock& block : red->blocks()) {
        --back;
        rtp::RtpHeader original = header;
        original.payload_type = block.payload_type;
        original.sequence = static_cast<std::uint16_t>(header.sequence - back);
        original.timestamp = header.timestamp - block.timestamp_offset;
        if (back > 0) {
            original.marker = false;
            if (block.data.empty() || !source.order.is_missing(original.sequence)) continue;
            ++counters_.restored;
        }
        source.order.on_packet(original, block.data, arrival_ns);
    }
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

void UnitReader::finish() {
    for (const auto& [ssrc, source] : sources_) {
        source->order.finish();
        read_ordered(*source);
        retire(*source);
    }
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
