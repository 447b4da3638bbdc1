#include "media/units.h"

#include <algorithm>

#include "rtp/rtp_packet.h"

namespace earshot::media {
namespace {

constexpr std::size_t kMaxPositions = 8192;  // as many moments as the reader may hold back

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

Units::Units(const rendition::Stream& stream) : stream_(stream), reader_(first_formats(stream)) {
    for (std::size_t i = 0; i < stream.formats.size(); ++i)
        formats_.try_emplace(stream.formats[i].payload_type, i);
}

void Units::add(const InputRecord& record) {
    const auto header = rtp::parse_rtp(record.payload);
    if (!header || record.header.format >= stream_.formats.size()) return;
    const rendition::Format& format = stream_.formats[record.header.format];
    auto& current = formats_[format.payload_type];
    if (current != record.header.format) {
        current = record.header.format;
        reader_.update({to_payload(format)});
    }
    newest_ns_ = record.header.position_ns;
    if (positions_.insert_or_assign(header->timestamp, newest_ns_).second) {
        order_.push_back(header->timestamp);
        if (order_.size() > kMaxPositions) {
            positions_.erase(order_.front());
            order_.pop_front();
        }
    }
    reader_.on_rtp(record.payload, newest_ns_);
}

std::int64_t Units::position_of(std::int64_t timestamp) const {
    const auto found = positions_.find(static_cast<std::uint32_t>(timestamp));
    return found == positions_.end() ? newest_ns_ : found->second;
}

std::optional<PlacedUnit> Units::poll() {
    auto unit = reader_.poll();
    if (!unit) return std::nullopt;
    const auto format = formats_.find(unit->payload_type);
    return PlacedUnit{.stream = &stream_,
                      .format = format == formats_.end() ? 0 : format->second,
                      .position_ns = position_of(unit->unit.timestamp),
                      .begins_anew = unit->begins_anew,
                      .unit = std::move(unit->unit)};
}

base::Bytes Units::decoder_setup(std::size_t format) const {
    return reader_.decoder_setup(stream_.formats[format].payload_type);
}

}  // namespace earshot::media
