#include "payload/h265.h"

#include <algorithm>
#include <array>

#include "payload/bit_reader.h"
#include "payload/format_parameters.h"
#include "payload/limits.h"

namespace earshot::payload {

namespace {

constexpr std::size_t kHeaderBytes = 2;  // |F|type 6|layer 6|tid 3|
constexpr std::uint8_t kFirstNonPicture = 32;
constexpr std::uint8_t kFirstKey = 16;  // IRAP pictures: 16 to 23 (H.265 table 7-1)
constexpr std::uint8_t kLastKey = 23;
constexpr std::uint8_t kVideoSet = 32;
constexpr std::uint8_t kSequenceSet = 33;
constexpr std::uint8_t kPictureSet = 34;
constexpr std::uint8_t kAggregation = 48;
constexpr std::uint8_t kFragmentation = 49;
constexpr std::uint8_t kPaci = 50;

std::uint8_t type_of(base::ByteView nal) { return nal[0] >> 1 & 0x3f; }

bool uses_don(std::string_view fmtp) { return format_number(fmtp, "sprop-max-don-diff", 0) > 0; }

std::size_t held_units(std::string_view fmtp) {
    if (!uses_don(fmtp)) return 0;
    return std::min<std::size_t>(format_number(fmtp, "sprop-depack-buf-nalus", 0),
                                 kMaxHeldNalUnits);
}

// profile_tier_level(1, layers): section 7.3.3.
void skip_profile(BitReader& reader, std::uint32_t layers) {
    reader.skip(96);  // 88 bits of the general profile, 8 of its level
    std::array<std::size_t, 8> bits{};
    for (std::uint32_t i = 0; i < layers; ++i) {
        if (reader.flag()) bits.at(i) += 88;
        if (reader.flag()) bits.at(i) += 8;
    }
    if (layers > 0) reader.skip(std::size_t{2} * (8 - layers));
    for (const std::size_t count : bits) reader.skip(count);
}

// Behind the NAL unit header; at the id of the set.
BitReader at_sequence_id(base::ByteView raw) {
    BitReader reader(raw);
    reader.skip(4);
    const std::uint32_t layers = reader.bits(3);
    reader.skip(1);
    skip_profile(reader, layers);
    return reader;
}

std::optional<std::uint32_t> set_id(base::ByteView nal) {
    const base::Bytes raw =
        raw_payload(nal.subspan(kHeaderBytes).first(std::min<std::size_t>(nal.size() - 2, 128)));
    BitReader reader = type_of(nal) == kSequenceSet ? at_sequence_id(raw) : BitReader(raw);
    const std::uint32_t id = type_of(nal) == kVideoSet ? reader.bits(4) : reader.ue();
    if (!reader.ok() || id > 63) return std::nullopt;
    return std::uint32_t{type_of(nal)} << 8 | id;
}

}  // namespace

std::optional<PictureSize> h265_picture_size(base::ByteView sps) {
    if (sps.size() <= kHeaderBytes) return std::nullopt;
    const base::Bytes raw = raw_payload(sps.subspan(kHeaderBytes));
    BitReader reader = at_sequence_id(raw);
    reader.ue();  // id
    const std::uint32_t chroma = reader.ue();
    const bool apart = chroma == 3 && reader.flag();
    const std::uint64_t width = reader.ue();
    const std::uint64_t height = reader.ue();
    std::uint64_t across = 0;
    std::uint64_t down = 0;
    if (reader.flag()) {  // conformance window
        across = std::uint64_t{reader.ue()} + reader.ue();
        down = std::uint64_t{reader.ue()} + reader.ue();
    }
    if (!apart && (chroma == 1 || chroma == 2)) across *= 2;
    if (!apart && chroma == 1) down *= 2;
    if (!reader.ok() || across >= width || down >= height) return std::nullopt;
    if (width > 65'535 || height > 65'535) return std::nullopt;
    return PictureSize{.width = static_cast<std::uint32_t>(width - across),
                       .height = static_cast<std::uint32_t>(height - down)};
}

H265Depacketiser::H265Depacketiser(std::string_view fmtp, Framing framing)
    : NalDepacketiser(framing, held_units(fmtp)), has_don_(uses_don(fmtp)) {
    for (const char* const name : {"sprop-vps", "sprop-sps", "sprop-pps"})
        add_parameter_sets(format_parameter(fmtp, name));
}

NalFacts H265Depacketiser::facts_of(base::ByteView nal) const {
    NalFacts facts;
    facts.begins_picture = true;
    if (nal.size() <= kHeaderBytes) return facts;
    const std::uint8_t type = type_of(nal);
    facts.is_picture = type < kFirstNonPicture;
    facts.is_key = type >= kFirstKey && type <= kLastKey;
    // first_slice_segment_in_pic_flag (section 7.3.6.1).
    if (facts.is_picture) facts.begins_picture = (nal[2] & 0x80) != 0;
    if (type >= kVideoSet && type <= kPictureSet) facts.parameter_set = set_id(nal);
    if (type == kSequenceSet) facts.size = h265_picture_size(nal);
    return facts;
}

void H265Depacketiser::read(const Packet& packet) {
    read_payload(packet.timestamp, packet.payload);
}

void H265Depacketiser::read_payload(std::int64_t timestamp, base::ByteView payload) {
    if (payload.size() <= kHeaderBytes) return on_broken(timestamp);
    switch (type_of(payload)) {
        case kAggregation:
            return read_aggregation(timestamp, payload);
        case kFragmentation:
            return read_fragment(timestamp, payload);
        case kPaci:
            return read_paci(timestamp, payload);
        default:
            break;
    }
    if (type_of(payload) > kPaci) return on_broken(timestamp);  // unspecified (section 4.4)
    if (!has_don_) return on_nal(timestamp, payload);
    // Section 4.4.1: DONL behind the header.
    if (payload.size() <= kHeaderBytes + 2) return on_broken(timestamp);
    base::Bytes nal(payload.begin(), payload.begin() + kHeaderBytes);
    base::append(nal, payload.subspan(kHeaderBytes + 2));
    on_nal(timestamp, nal, base::load_u16(payload, kHeaderBytes));
}

// Section 4.4.2: [DONL 16] size 16, unit; then each [DOND 8] size 16, unit.
void H265Depacketiser::read_aggregation(std::int64_t timestamp, base::ByteView payload) {
    base::ByteView rest = payload.subspan(kHeaderBytes);
    std::optional<std::uint16_t> don;
    while (!rest.empty()) {
        const std::size_t don_bytes = !has_don_ ? 0 : don ? 1 : 2;
        if (rest.size() < don_bytes + 2) return on_broken(timestamp);
        if (don_bytes == 2) don = base::load_u16(rest, 0);
        if (don_bytes == 1) *don = static_cast<std::uint16_t>(*don + rest[0] + 1);
        const std::size_t size = base::load_u16(rest, don_bytes);
        rest = rest.subspan(don_bytes + 2);
        if (size <= kHeaderBytes || size > rest.size()) return on_broken(timestamp);
        on_nal(timestamp, rest.first(size), don);
        rest = rest.subspan(size);
    }
}

// Section 4.4.3: FU header |S|E|type 6|, [DONL 16] at the start.
void H265Depacketiser::read_fragment(std::int64_t timestamp, base::ByteView payload) {
    const std::uint8_t header = payload[2];
    const bool starts = (header & 0x80) != 0;
    const bool ends = (header & 0x40) != 0;
    const std::size_t head = kHeaderBytes + 1 + (has_don_ && starts ? 2 : 0);
    if (payload.size() <= head) return on_broken(timestamp);
    const base::ByteView part = payload.subspan(head);
    if (starts) {
        std::optional<std::uint16_t> don;
        if (has_don_) don = base::load_u16(payload, kHeaderBytes + 1);
        const std::array<std::uint8_t, kHeaderBytes> nal{
            static_cast<std::uint8_t>((payload[0] & 0x81) | (header & 0x3f) << 1), payload[1]};
        begin_fragment(timestamp, nal, part, don);
    } else {
        continue_fragment(timestamp, part);
    }
    if (ends) end_fragment();
}

// Section 4.4.4: |A|cType 6|PHSsize 5|F0..2|Y| and PHSsize bytes of extension, then a payload whose
// header is cType with layer and tid of the packet's own.
void H265Depacketiser::read_paci(std::int64_t timestamp, base::ByteView payload) {
    if (payload.size() < kHeaderBytes + 2) return on_broken(timestamp);
    const std::uint16_t fields = base::load_u16(payload, kHeaderBytes);
    const auto type = static_cast<std::uint8_t>(fields >> 9 & 0x3f);
    const std::size_t head = kHeaderBytes + 2 + (fields >> 4 & 0x1f);
    if (payload.size() <= head || type == kPaci) return on_broken(timestamp);
    base::Bytes inner{
        static_cast<std::uint8_t>((fields >> 8 & 0x80) | type << 1 | (payload[0] & 0x01)),
        payload[1]};
    base::append(inner, payload.subspan(head));
    read_payload(timestamp, inner);
}

}  // namespace earshot::payload
