#include "media/units.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "rtp/rtp_packet.h"

namespace earshot::media {
namespace {

constexpr std::int64_t kMaxApartSeconds = 10;  // of two packets that one is placed by
constexpr std::size_t kMaxPositions = 8192;    // as many moments as the reader may hold back

payload::Format to_payload(const rendition::Format& format) {
    return {.payload_type = format.payload_type,
            .encoding = format.encoding,
            .clock_rate = format.clock_rate,
            .fmtp = format.fmtp};
}

std::vector<payload::Format> first_formats(const rendition::Stream& stream) {
    std::vector<payload::Format> list;
    for (const rendition::Format& format : stream.formats)
        if (std::none_of(list.begin(), list.end(), [&](const payload::Format& known) {
                return known.payload_type == format.payload_type;
            }))
            list.push_back(to_payload(format));
    return list;
}

}  // namespace

Units::Units(const rendition::Stream& stream) : stream_(stream) { begin(); }

void Units::begin() {
    reader_ = std::make_unique<payload::UnitReader>(first_formats(stream_));
    formats_.clear();
    for (std::size_t i = 0; i < stream_.formats.size(); ++i)
        formats_.try_emplace(stream_.formats[i].payload_type, i);
    positions_.clear();
    order_.clear();
}

void Units::add(const InputRecord& record) {
    const auto header = rtp::parse_rtp(record.payload);
    if (!header || record.header.format >= stream_.formats.size()) return;
    if (record.header.begins_piece) {
        finish();
        begin();
    }
    const rendition::Format& format = stream_.formats[record.header.format];
    auto& current = formats_[format.payload_type];
    if (current != record.header.format) {
        current = record.header.format;
        reader_->update({to_payload(format)});
    }
    newest_ns_ = record.header.position_ns;
    // Repairs under an SSRC of their own have timestamps of their own.
    if (payload::find_fec_scheme(format.encoding))
        return reader_->on_rtp(record.payload, newest_ns_);
    if (positions_.insert_or_assign(header->timestamp, newest_ns_).second) {
        order_.push_back(header->timestamp);
        if (order_.size() > kMaxPositions) {
            positions_.erase(order_.front());
            order_.pop_front();
        }
    }
    reader_->on_rtp(record.payload, newest_ns_);
}

// A packet that only came back (redundancy, FEC) has no place of its own: it stands as far from its
// nearest neighbour as their timestamps do.
std::int64_t Units::position_of(std::int64_t timestamp, std::uint32_t clock_rate) const {
    if (positions_.empty()) return newest_ns_;
    const auto wanted = static_cast<std::uint32_t>(timestamp);
    auto above = positions_.lower_bound(wanted);
    auto below = above == positions_.begin() ? std::prev(positions_.end()) : std::prev(above);
    if (above == positions_.end()) above = positions_.begin();
    if (above->first == wanted) return above->second;
    const auto ticks_from = [&](std::uint32_t other) {
        return std::int64_t{static_cast<std::int32_t>(wanted - other)};
    };
    const auto& near =
        std::abs(ticks_from(above->first)) < std::abs(ticks_from(below->first)) ? *above : *below;
    const std::int64_t ticks = ticks_from(near.first);
    if (std::abs(ticks) > kMaxApartSeconds * clock_rate) return newest_ns_;
    return near.second + ticks * 1'000'000'000 / clock_rate;
}

void Units::finish() {
    reader_->finish();
    while (auto unit = place_next()) ended_.push_back(std::move(*unit));
}

std::optional<PlacedUnit> Units::poll() {
    if (ended_.empty()) return place_next();
    PlacedUnit unit = std::move(ended_.front());
    ended_.pop_front();
    return unit;
}

std::optional<PlacedUnit> Units::place_next() {
    auto unit = reader_->poll();
    if (!unit) return std::nullopt;
    const auto format = formats_.find(unit->payload_type);
    const std::size_t index = format == formats_.end() ? 0 : format->second;
    const std::uint32_t clock_rate = std::max(stream_.formats[index].clock_rate, 1U);
    return PlacedUnit{.stream = &stream_,
                      .format = index,
                      .position_ns = position_of(unit->unit.timestamp, clock_rate),
                      .begins_anew = unit->begins_anew,
                      .unit = std::move(unit->unit)};
}

base::Bytes Units::decoder_setup(std::size_t format) const {
    return reader_->decoder_setup(stream_.formats[format].payload_type);
}

}  // namespace earshot::media
