#include "payload/nal_depacketiser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "payload/limits.h"

namespace earshot::payload {

base::Bytes raw_payload(base::ByteView nal) {
    base::Bytes out;
    out.reserve(nal.size());
    std::size_t zeros = 0;
    for (const std::uint8_t byte : nal) {
        if (zeros >= 2 && byte == 3) {
            zeros = 0;
            continue;
        }
        zeros = byte == 0 ? zeros + 1 : 0;
        out.push_back(byte);
    }
    return out;
}

void NalDepacketiser::append_framed(base::ByteView nal, base::Bytes& out) const {
    base::append_u32(out, framing_ == Framing::AnnexB ? 1 : static_cast<std::uint32_t>(nal.size()));
    base::append(out, nal);
}

base::Bytes NalDepacketiser::decoder_setup() const {
    base::Bytes out;
    for (const auto& [id, nal] : parameter_sets_) append_framed(nal, out);
    return out;
}

void NalDepacketiser::add_parameter_sets(std::string_view base64_list) {
    while (!base64_list.empty()) {
        const auto nal = base::parse_base64(base::trim(base::take_until(base64_list, ',')));
        if (!nal || nal->empty()) continue;
        const NalFacts facts = facts_of(*nal);
        if (facts.parameter_set) remember(*facts.parameter_set, *nal);
        if (facts.size) size_ = facts.size;
    }
}

void NalDepacketiser::remember(std::uint32_t id, base::ByteView nal) {
    if (nal.size() > kMaxParameterSetBytes) return;
    if (parameter_sets_.size() >= kMaxParameterSets && !parameter_sets_.contains(id)) return;
    parameter_sets_.insert_or_assign(id, base::Bytes(nal.begin(), nal.end()));
}

void NalDepacketiser::on_nal(std::int64_t timestamp, base::ByteView nal,
                             std::optional<std::uint16_t> don) {
    give_up_fragment();
    if (nal.empty()) return on_broken(timestamp);
    if (don) return hold(*don, timestamp, nal);
    deliver(timestamp, nal);
}

void NalDepacketiser::deliver(std::int64_t timestamp, base::ByteView nal) {
    const NalFacts facts = facts_of(nal);
    enter(timestamp, facts.begins_picture);
    AccessUnit& open = unit();
    if (facts.parameter_set) remember(*facts.parameter_set, nal);
    if (facts.size) {
        size_ = facts.size;
        open.size = size_;
        has_sequence_set_ = true;
    }
    has_picture_ = has_picture_ || facts.is_picture;
    if (facts.is_key) open.key_frame = true;
    base::Bytes framed;
    framed.reserve(nal.size() + 4);
    append_framed(nal, framed);
    append(framed);
}

bool NalDepacketiser::complete(AccessUnit& unit) {
    const bool has_picture = std::exchange(has_picture_, false);
    const bool has_sequence_set = std::exchange(has_sequence_set_, false);
    // Parameter sets that were sent ahead, under a timestamp of their own, belong to what follows.
    if (!has_picture && !unit.damaged) {
        if (leading_.size() + unit.bytes.size() <= kMaxParameterSetBytes)
            base::append(leading_, unit.bytes);
        return false;
    }
    const base::Bytes leading = std::exchange(leading_, {});
    base::Bytes front;
    if (unit.key_frame && !has_sequence_set && leading.empty()) front = decoder_setup();
    base::append(front, leading);
    unit.bytes.insert(unit.bytes.begin(), front.begin(), front.end());
    if (unit.key_frame) unit.size = size_;
    return true;
}

// --- fragments -----------------------------------------------------------------------------------

void NalDepacketiser::begin_fragment(std::int64_t timestamp, base::ByteView header,
                                     base::ByteView part, std::optional<std::uint16_t> don) {
    give_up_fragment();
    base::Bytes nal(header.begin(), header.end());
    base::append(nal, part);
    // The unit is open from now on, so that its loss is seen in it; what is missing before has
    // nothing to do with a unit that begins here.
    if (!don) enter(timestamp, facts_of(nal).begins_picture);
    fragment_ = Fragment{.timestamp = timestamp, .don = don, .nal = std::move(nal)};
}

void NalDepacketiser::continue_fragment(std::int64_t timestamp, base::ByteView part) {
    if (!fragment_ || fragment_->timestamp != timestamp) {
        give_up_fragment();
        return on_broken(timestamp);
    }
    if (fragment_->nal.size() + part.size() > kMaxUnitBytes) return give_up_fragment();
    base::append(fragment_->nal, part);
}

void NalDepacketiser::end_fragment() {
    if (!fragment_) return;
    const Fragment whole = *std::exchange(fragment_, std::nullopt);
    on_nal(whole.timestamp, whole.nal, whole.don);
}

// Half a NAL unit is of no use to a decoder, and what follows it would be read as its rest.
void NalDepacketiser::give_up_fragment() {
    if (!fragment_) return;
    const Fragment broken = *std::exchange(fragment_, std::nullopt);
    if (broken.don) {
        loss_before_held_ = true;
        return;
    }
    if (has_unit() && unit().timestamp == broken.timestamp) damage();
}

void NalDepacketiser::on_broken(std::int64_t timestamp) {
    enter(timestamp, false);
    damage();
}

void NalDepacketiser::on_loss() {
    give_up_fragment();
    loss_before_held_ = true;
}

// --- decoding order ------------------------------------------------------------------------------

void NalDepacketiser::hold(std::uint16_t don, std::int64_t timestamp, base::ByteView nal) {
    // RFC 6184 section 5.5: numbers go around; the nearest to the newest one is meant.
    const std::int64_t newest = newest_don_.value_or(don);
    const auto step = static_cast<std::int16_t>(don - static_cast<std::uint16_t>(newest));
    newest_don_ = std::max(newest, newest + step);
    held_bytes_ += nal.size();
    held_.emplace(newest + step, Held{.timestamp = timestamp,
                                      .is_damaged = std::exchange(loss_before_held_, false),
                                      .nal = base::Bytes(nal.begin(), nal.end())});
    release(depth_);
}

void NalDepacketiser::release(std::size_t keep) {
    while (held_.size() > keep || held_bytes_ > kMaxUnitBytes) {
        const auto first = held_.begin();
        const Held next = std::move(first->second);
        held_.erase(first);
        held_bytes_ -= next.nal.size();
        deliver(next.timestamp, next.nal);
        if (next.is_damaged) damage();
    }
}

void NalDepacketiser::drain() {
    give_up_fragment();
    release(0);
}

}  // namespace earshot::payload
