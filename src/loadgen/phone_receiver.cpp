#include "loadgen/phone_receiver.h"

#include <algorithm>

#include "audio/g711.h"
#include "loadgen/keyed_payload.h"
#include "loadgen/limits.h"
#include "loadgen/voice.h"

namespace earshot::loadgen {
namespace {

constexpr std::uint8_t kPcmu = 0;  // RFC 3551 table 4
constexpr std::uint8_t kPcma = 8;
constexpr std::int64_t kSampleNs = 1'000'000'000 / kSampleRate;

}  // namespace

PhoneReceiver::Source* PhoneReceiver::find_source(std::uint32_t ssrc, std::uint32_t timestamp,
                                                  std::int64_t arrival_ns) {
    const auto known = std::find_if(sources_.begin(), sources_.end(),
                                    [ssrc](const Source& it) { return it.ssrc == ssrc; });
    if (known != sources_.end()) return &*known;
    if (sources_.size() == kMaxHeardSources) return nullptr;
    if (!heard_.first_packet) heard_.first_packet = base::wall_from_ns(arrival_ns);
    const std::int64_t since_first = arrival_ns - base::to_ns(*heard_.first_packet);
    sources_.push_back({ssrc, timestamp, since_first / kSampleNs});
    return &sources_.back();
}

std::optional<PhoneReceiver::Packet> PhoneReceiver::on_rtp(base::ByteView packet,
                                                           std::int64_t arrival_ns) {
    const auto header = rtp::parse_rtp(packet);
    if (!header) {
        ++heard_.strays;
        return std::nullopt;
    }
    const base::ByteView payload = rtp::rtp_payload(packet, *header);
    const bool is_event = header->payload_type == event_payload_type_;
    const auto key = settings_.has_keyed_payload && !is_event ? load_key(payload) : std::nullopt;
    if (settings_.has_keyed_payload && !is_event &&
        (!key || key->call != settings_.call || key->stream != settings_.stream)) {
        ++heard_.strays;
        return std::nullopt;
    }
    Source* source = find_source(header->ssrc, header->timestamp, arrival_ns);
    if (source == nullptr) {
        ++heard_.strays;
        return std::nullopt;
    }
    if (source->tracker.on_packet(header->sequence) == rtp::SequenceVerdict::Duplicate)
        return std::nullopt;
    if (is_event) {
        if (const auto event = rtp::parse_telephone_event(payload))
            dtmf_.on_packet(header->timestamp, arrival_ns, *event);
    } else if (settings_.keeps_sound) {
        keep_sound(*source, header->payload_type, header->timestamp, payload);
    }
    Packet heard{*header, std::nullopt};
    if (const auto sent_ns = key ? load_sent_time(payload) : std::nullopt)
        heard.delay_ns = arrival_ns - *sent_ns;
    return heard;
}

void PhoneReceiver::keep_sound(const Source& source, std::uint8_t payload_type,
                               std::uint32_t timestamp, base::ByteView payload) {
    if (payload_type != kPcmu && payload_type != kPcma) return;
    const auto since_first = static_cast<std::int32_t>(timestamp - source.first_timestamp);
    const std::int64_t at = source.first_sample + since_first;
    const auto size = static_cast<std::int64_t>(payload.size());
    if (at < 0 || at + size > static_cast<std::int64_t>(kMaxHeardSamples)) return;
    const auto start = static_cast<std::size_t>(at);
    if (heard_.sound.size() < start + payload.size()) heard_.sound.resize(start + payload.size());
    const auto law = payload_type == kPcma ? audio::G711Law::A : audio::G711Law::Mu;
    audio::decode_g711(law, payload, std::span{heard_.sound}.subspan(start, payload.size()));
}

HeardMedia PhoneReceiver::finish() {
    for (const Source& source : sources_) {
        heard_.packets += source.tracker.received();
        heard_.lost += source.tracker.lost();
        heard_.duplicates += source.tracker.duplicates();
        heard_.reordered += source.tracker.reordered();
    }
    heard_.sources = sources_.size();
    dtmf_.finish();
    while (const auto seen = dtmf_.poll_digit()) heard_.digits += seen->digit;
    return std::move(heard_);
}

}  // namespace earshot::loadgen
