#include "archive/video_count.h"

#include "archive/codec.h"
#include "payload/unit_reader.h"

namespace earshot::archive {

VideoCount::VideoCount()
    : reader_(std::make_unique<payload::UnitReader>(std::vector<payload::Format>{})) {}
VideoCount::~VideoCount() = default;

void VideoCount::on_rtp(base::ByteView packet, std::int64_t arrival_ns, const StreamFacts& facts) {
    for (; formats_seen_ < facts.formats.size(); ++formats_seen_) {
        std::vector<payload::Format> formats;
        for (const PayloadFormat& format : facts.formats[formats_seen_].list)
            formats.push_back({.payload_type = format.number,
                               .encoding = format.encoding,
                               .clock_rate = format.clock_rate,
                               .fmtp = format.fmtp});
        reader_->update(std::move(formats));
    }
    reader_->on_rtp(packet, arrival_ns);
    take_units();
}

void VideoCount::take_units() {
    while (const auto found = reader_->poll()) {
        const payload::AccessUnit& unit = found->unit;
        ++facts_.pictures;
        if (unit.key_frame) ++facts_.key_pictures;
        if (unit.damaged) ++facts_.damaged;
        const payload::Format* const format = reader_->find_format(found->payload_type);
        if (format == nullptr || facts_.changes.size() >= kMaxPictureChanges) continue;
        PictureChange now{.arrival_ns = unit.arrival_ns,
                          .codec = format->encoding + "/" + std::to_string(format->clock_rate)};
        const PictureChange* const before =
            facts_.changes.empty() ? nullptr : &facts_.changes.back();
        const bool is_same_codec = before != nullptr && before->codec == now.codec;
        if (unit.size) {
            now.width = unit.size->width;
            now.height = unit.size->height;
        } else if (is_same_codec) {
            continue;
        }
        if (is_same_codec && before->width == now.width && before->height == now.height) continue;
        // The first pictures may come before one that tells its size.
        if (is_same_codec && before->width == 0)
            facts_.changes.back() = now;
        else
            facts_.changes.push_back(std::move(now));
    }
}

VideoFacts VideoCount::finish() {
    reader_->finish();
    take_units();
    facts_.lost = reader_->counters().lost;
    facts_.restored = reader_->counters().restored;
    facts_.recovered = reader_->counters().recovered;
    return std::move(facts_);
}

}  // namespace earshot::archive
