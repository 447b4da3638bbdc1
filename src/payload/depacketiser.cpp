#include "payload/depacketiser.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "payload/av1.h"
#include "payload/h264.h"
#include "payload/h265.h"
#include "payload/limits.h"
#include "payload/vp8.h"
#include "payload/vp9.h"
#include "payload/whole_payload.h"

namespace earshot::payload {

bool Depacketiser::advance(std::uint64_t sequence) {
    if (newest_ && sequence <= *newest_) return false;
    const std::uint64_t lost = newest_ ? sequence - *newest_ - 1 : 0;
    newest_ = sequence;
    if (lost == 0) return true;
    pending_loss_ += lost;
    on_loss();
    return true;
}

void Depacketiser::pass_over(std::uint64_t sequence) { static_cast<void>(advance(sequence)); }

void Depacketiser::on_packet(const Packet& packet) {
    if (!advance(packet.sequence)) return;
    arrival_ns_ = packet.arrival_ns;
    // An empty payload keeps a binding open (RFC 6263 section 4.1); it is no part of a picture.
    if (packet.payload.empty()) return;
    read(packet);
    if (!open_) return;
    open_->last_sequence = packet.sequence;
    has_marker_ = has_marker_ || packet.marker;
}

void Depacketiser::enter(std::int64_t timestamp, bool begins) {
    if (open_ && open_->timestamp != timestamp) {
        // Where the last packet was not seen, what is missing may have been the unit's end.
        if (pending_loss_ > 0 && !has_marker_) open_->damaged = true;
        close();
    }
    if (!open_) {
        open_ = AccessUnit{};
        open_->timestamp = timestamp;
        open_->arrival_ns = arrival_ns_;
        open_->first_sequence = newest_.value_or(0);
        open_->last_sequence = open_->first_sequence;
        open_->lost_before = pending_loss_;
        open_->damaged = !begins;
        has_marker_ = false;
    } else if (pending_loss_ > 0) {
        open_->damaged = true;
    }
    pending_loss_ = 0;
}

void Depacketiser::append(base::ByteView bytes) {
    if (open_->bytes.size() + bytes.size() > kMaxUnitBytes) {
        open_->damaged = true;
        return;
    }
    base::append(open_->bytes, bytes);
}

bool Depacketiser::complete(AccessUnit& unit) { return !unit.bytes.empty() || unit.damaged; }

void Depacketiser::close() {
    AccessUnit unit = *std::exchange(open_, std::nullopt);
    if (complete(unit)) ready_.push_back(std::move(unit));
}

void Depacketiser::finish() {
    drain();
    if (!open_) return;
    if (pending_loss_ > 0 && !has_marker_) open_->damaged = true;
    close();
}

std::optional<AccessUnit> Depacketiser::poll() {
    if (ready_.empty()) return std::nullopt;
    AccessUnit unit = std::move(ready_.front());
    ready_.pop_front();
    return unit;
}

std::unique_ptr<Depacketiser> make_depacketiser(std::string_view encoding, std::string_view fmtp,
                                                Framing framing) {
    const auto is = [&](std::string_view name) { return base::iequals(encoding, name); };
    if (is("H264")) return std::make_unique<H264Depacketiser>(fmtp, framing);
    if (is("H265")) return std::make_unique<H265Depacketiser>(fmtp, framing);
    if (is("VP8")) return std::make_unique<Vp8Depacketiser>();
    if (is("VP9")) return std::make_unique<Vp9Depacketiser>();
    if (is("AV1")) return std::make_unique<Av1Depacketiser>();
    // AudioFramer takes them apart.
    constexpr std::array kAudio{"PCMU", "PCMA",  "G722",    "L16",     "L24",     "opus",
                                "G729", "G723",  "GSM",     "iLBC",    "AMR",     "AMR-WB",
                                "EVS",  "speex", "G726-16", "G726-24", "G726-32", "G726-40"};
    for (const std::string_view name : kAudio)
        if (is(name)) return std::make_unique<WholePayload>();
    return nullptr;
}

}  // namespace earshot::payload
