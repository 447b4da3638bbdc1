#include "loadgen/video_stream.h"

#include <algorithm>

#include "loadgen/h264_picture.h"
#include "loadgen/limits.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"

namespace earshot::loadgen {

namespace {

constexpr std::uint32_t kClockRate = 90'000;
constexpr std::size_t kPayloadBytes = 1200;

void add_fragments(const base::Bytes& nal, std::vector<base::Bytes>& out) {
    const auto indicator = static_cast<std::uint8_t>((nal[0] & 0xe0) | 28);  // FU-A
    for (std::size_t at = 1; at < nal.size(); at += kPayloadBytes) {
        const std::size_t size = std::min(kPayloadBytes, nal.size() - at);
        const bool starts = at == 1;
        const bool ends = at + size == nal.size();
        base::Bytes part{indicator, static_cast<std::uint8_t>((starts ? 0x80 : 0) |
                                                              (ends ? 0x40 : 0) | (nal[0] & 0x1f))};
        base::append(part, base::ByteView(nal).subspan(at, size));
        out.push_back(std::move(part));
    }
}

std::vector<base::Bytes> key_payloads(const base::Bytes& sequence_set, const base::Bytes& key) {
    base::Bytes sets{0x78};  // STAP-A
    for (const base::Bytes& nal : {sequence_set, h264_picture_set()}) {
        base::append_u16(sets, static_cast<std::uint16_t>(nal.size()));
        base::append(sets, nal);
    }
    std::vector<base::Bytes> payloads{std::move(sets)};
    add_fragments(key, payloads);
    return payloads;
}

}  // namespace

VideoPictures::VideoPictures(std::uint32_t bits_per_second, unsigned party)
    : keys_{key_payloads(h264_sequence_set(), h264_key_picture(0, party))} {
    const auto bytes =
        static_cast<std::size_t>(std::uint64_t{bits_per_second} / 8 *
                                 static_cast<std::uint64_t>(kPictureTime.count()) / 1000);
    for (std::uint32_t i = 1; i <= kCycle; ++i) {
        std::vector<base::Bytes> packets;
        add_fragments(h264_next_picture(i, i, party, bytes), packets);
        next_.push_back(std::move(packets));
    }
}

VideoPictures::VideoPictures(Sharing sharing) : pace_(kSlideTurns) {
    for (std::uint32_t page = 0; page < kSlidePages; ++page)
        keys_.push_back(key_payloads(slide_sequence_set(), slide_key_picture(sharing, page)));
    for (std::uint32_t i = 1; i <= kCycle; ++i) next_.push_back({slide_next_picture(i)});
}

std::uint32_t VideoStream::timestamp() const {
    constexpr std::uint64_t kTicks = kClockRate / 1000 * kPictureTime.count();
    return static_cast<std::uint32_t>(start_.timestamp + position_ * kTicks);
}

const std::vector<base::Bytes>& VideoStream::next_picture() {
    sending_.clear();
    if (!wants_key_ && !pictures_->has_picture(position_)) {
        ++position_;
        return sending_;
    }
    const bool is_key = std::exchange(wants_key_, false) || pictures_->has_new_page(position_);
    since_key_ = is_key ? 0 : since_key_ + 1;
    const auto& payloads = is_key ? pictures_->key(position_) : pictures_->next(since_key_);
    for (const base::Bytes& payload : payloads) add_packet(payload, &payload == &payloads.back());
    ++position_;
    ++figures_.pictures;
    if (is_key) ++figures_.key_pictures;
    return sending_;
}

void VideoStream::skip_picture() {
    ++position_;
    wants_key_ = true;
}

void VideoStream::add_packet(base::ByteView payload, bool is_last) {
    base::Bytes packet;
    rtp::write_rtp({.payload_type = payload_type_,
                    .marker = is_last,
                    .sequence = sequence_++,
                    .timestamp = timestamp(),
                    .ssrc = start_.ssrc},
                   payload, packet);
    const base::ByteView wire = protection_.rtp(packet);
    packet.assign(wire.begin(), wire.end());
    ++figures_.packets;
    octets_ += payload.size();
    if (kept_.size() == kMaxKeptVideoPackets) kept_.pop_front();
    kept_.push_back(packet);
    if (start_.lose_every > 0 && figures_.packets % start_.lose_every == 0) {
        ++figures_.withheld;
        return;
    }
    sending_.push_back(std::move(packet));
}

const std::vector<base::Bytes>& VideoStream::on_rtcp(std::span<std::uint8_t> datagram) {
    again_.clear();
    const auto packets = rtp::parse_rtcp(protection_.open_rtcp(datagram));
    if (!packets) return again_;
    for (const rtp::RtcpPacket& packet : *packets) {
        const auto* other = std::get_if<rtp::OtherRtcp>(&packet);
        if (other == nullptr) continue;
        const rtp::RtcpFeedback feedback = rtp::parse_feedback(*other);
        if (feedback.wants_key_frame()) want_key_picture();
        if (!feedback.lost.empty()) ++figures_.nacks;
        for (const std::uint16_t number : feedback.lost) {
            const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) {
                return base::load_u16(kept, 2) == number;
            });
            if (found == kept_.end()) continue;
            ++figures_.retransmitted;
            again_.push_back(*found);
        }
    }
    return again_;
}

void VideoStream::want_key_picture() {
    ++figures_.key_requests;
    wants_key_ = true;
}

base::ByteView VideoStream::sender_report(base::WallTime now, bool is_last) {
    report_.clear();
    rtp::append_sender_report({.ssrc = start_.ssrc,
                               .ntp = rtp::to_ntp(now),
                               .rtp_timestamp = timestamp(),
                               .packet_count = static_cast<std::uint32_t>(figures_.packets),
                               .octet_count = static_cast<std::uint32_t>(octets_),
                               .reports = {}},
                              report_);
    rtp::append_cname(start_.ssrc, start_.cname, report_);
    if (is_last) rtp::append_goodbye(start_.ssrc, {}, report_);
    return protection_.rtcp(report_);
}

}  // namespace earshot::loadgen
