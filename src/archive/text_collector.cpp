#include "archive/text_collector.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "payload/t140.h"
#include "payload/text_conversation.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;

// Far off: the sender began anew; within, late or after a loss (RFC 3550 appendix A.1).
constexpr std::int64_t kMaxStep = 3000;
constexpr std::int64_t kNewRun = 1LL << 17;

}  // namespace

void TextCollector::add(std::uint16_t stream, std::int64_t arrival_ns, base::ByteView packet,
                        const rtp::RtpHeader& header) {
    constexpr std::size_t kFixedHeader = 12;
    Stream& own = streams_[stream];
    const base::ByteView payload = rtp::rtp_payload(packet, header);
    if (bytes_ + payload.size() + sizeof(TextPacket) > kMaxTextPacketBytes) {
        own.is_cut = true;
        return;
    }
    bytes_ += payload.size() + sizeof(TextPacket);
    Source& source = own.by_ssrc[header.ssrc];
    std::int64_t sequence = header.sequence;
    if (!source.packets.empty()) {
        const auto step =
            static_cast<std::int16_t>(header.sequence - static_cast<std::uint16_t>(source.newest));
        sequence = std::abs(step) <= kMaxStep ? source.newest + step
                                              : (source.newest & ~0xffffLL) + kNewRun + sequence;
    }
    source.newest = std::max(source.newest, sequence);
    TextPacket one{.sequence = sequence,
                   .arrival_ns = arrival_ns,
                   .timestamp = header.timestamp,
                   .payload_type = header.payload_type,
                   .csrc = {},
                   .payload = {payload.begin(), payload.end()}};
    if (header.csrc_count > 0) one.csrc = base::load_u32(packet, kFixedHeader);
    source.packets.push_back(std::move(one));
}

std::vector<std::uint16_t> TextCollector::streams() const {
    std::vector<std::uint16_t> numbers;
    for (const auto& [number, stream] : streams_) numbers.push_back(number);
    return numbers;
}

namespace {

// Whether the packets between two arrivals were not to be kept, or could not.
bool is_break(const StreamFacts& facts, std::int64_t from_ns, std::int64_t to_ns) {
    return any_overlaps(facts.paused, from_ns, to_ns) ||
           any_overlaps(facts.dropped, from_ns, to_ns) ||
           any_overlaps(facts.storage, from_ns, to_ns);
}

bool is_red(const PayloadFormat* format) {
    return format != nullptr && base::iequals(format->encoding, "red");
}
bool is_text(const PayloadFormat* format) {
    return is_red(format) || (format != nullptr && base::iequals(format->encoding, "t140"));
}

}  // namespace

// Duplicates have no place.
TextCollector::Places TextCollector::places_of(const std::vector<PacketEntry>& entries,
                                               const Timeline& timeline) {
    Places places;
    for (const PlacedPacket& packet : timeline.packets) {
        const PacketEntry& entry = entries[packet.entry];
        places[{entry.arrival_ns, entry.sequence}] = packet.position_ns;
    }
    return places;
}

void TextCollector::type(const Source& source, const StreamFacts& facts, const Places& places,
                         std::vector<Typed>& typed) {
    std::vector<const TextPacket*> packets;
    for (const TextPacket& packet : source.packets) packets.push_back(&packet);
    std::stable_sort(packets.begin(), packets.end(),
                     [](const auto* a, const auto* b) { return a->sequence < b->sequence; });
    payload::T140Receiver receiver;
    const TextPacket* before = nullptr;
    for (const TextPacket* packet : packets) {
        const PayloadFormat* format = facts.find_format(packet->payload_type, packet->arrival_ns);
        const auto place =
            places.find({packet->arrival_ns, static_cast<std::uint16_t>(packet->sequence)});
        if (place == places.end() || !is_text(format)) continue;
        const bool is_new_run = before != nullptr && packet->sequence - before->sequence > kMaxStep;
        const std::int64_t since_ns = before != nullptr ? before->arrival_ns : 0;
        if (is_new_run || is_break(facts, since_ns, packet->arrival_ns)) receiver.on_break();
        before = packet;
        receiver.on_packet({.sequence = packet->sequence,
                            .timestamp = packet->timestamp,
                            .csrc = packet->csrc,
                            .is_red = is_red(format),
                            .payload = packet->payload});
        take_blocks(receiver, place->second, format->clock_rate, typed);
    }
}

// The blocks of one packet, oldest first.
void TextCollector::take_blocks(payload::T140Receiver& receiver, std::int64_t place_ns,
                                std::uint32_t clock_rate, std::vector<Typed>& typed) {
    const std::size_t first = typed.size();
    while (auto block = receiver.poll_block()) {
        const std::int64_t age_ms =
            std::int64_t{block->age_ticks} * 1000 / std::max<std::uint32_t>(clock_rate, 1);
        const std::int64_t at_ms = place_ns / kMsNs - age_ms;
        // What was typed before the recording began is none of it.
        if (at_ms < 0 && age_ms > 0) continue;
        typed.push_back({.at_ms = std::max<std::int64_t>(at_ms, 0), .block = *std::move(block)});
    }
    // What is missing is older than all that was brought back.
    if (typed.size() > first + 1 && typed[first].block.is_missing)
        typed[first].at_ms = typed[first + 1].at_ms;
}

TextTrack TextCollector::finish(const StreamFacts& facts, const std::vector<PacketEntry>& entries,
                                const Timeline& timeline) const {
    const Stream& stream = streams_.at(facts.stream);
    const Places places = places_of(entries, timeline);
    std::vector<Typed> typed;
    for (const auto& [ssrc, source] : stream.by_ssrc) type(source, facts, places, typed);
    std::stable_sort(typed.begin(), typed.end(),
                     [](const Typed& a, const Typed& b) { return a.at_ms < b.at_ms; });

    TextTrack track;
    track.label = facts.label;
    track.is_cut = stream.is_cut;
    payload::TextConversation conversation;
    for (Typed& one : typed) {
        if (one.block.is_missing) {
            ++track.missing;
            one.block.text = payload::kMissingText;
        }
        conversation.type(one.at_ms, one.block.csrc, one.block.text);
        if (track.keys.size() == kMaxKeystrokes) {
            track.is_cut = true;
            continue;
        }
        track.keys.push_back(
            {.at_ms = one.at_ms, .csrc = one.block.csrc, .text = std::move(one.block.text)});
    }
    track.is_cut = track.is_cut || conversation.is_cut();
    for (payload::TextLine& line : conversation.lines())
        track.lines.push_back({.start_ms = line.start_ms,
                               .end_ms = line.end_ms,
                               .csrc = line.csrc,
                               .by = {},
                               .text = std::move(line.text)});
    return track;
}

}  // namespace earshot::archive
