#include "payload/h264.h"

#include <algorithm>
#include <array>

#include "payload/bit_reader.h"
#include "payload/format_parameters.h"
#include "payload/limits.h"

namespace earshot::payload {

namespace {

constexpr std::uint8_t kIdrSlice = 5;
constexpr std::uint8_t kSequenceSet = 7;
constexpr std::uint8_t kPictureSet = 8;
constexpr std::uint8_t kStapA = 24;
constexpr std::uint8_t kStapB = 25;
constexpr std::uint8_t kMtap16 = 26;
constexpr std::uint8_t kMtap24 = 27;
constexpr std::uint8_t kFuA = 28;
constexpr std::uint8_t kFuB = 29;

constexpr std::uint8_t type_of(std::uint8_t header) { return header & 0x1f; }

// RFC 6184 section 8.1: only the interleaved mode has a depth.
std::size_t interleaving_depth(std::string_view fmtp) {
    if (format_number(fmtp, "packetization-mode", 0) != 2) return 0;
    return std::min<std::size_t>(format_number(fmtp, "sprop-interleaving-depth", 0),
                                 kMaxHeldNalUnits);
}

std::optional<std::uint32_t> set_id(base::ByteView nal) {
    const std::size_t before = type_of(nal[0]) == kSequenceSet ? 4 : 1;  // header, profile, level
    if (nal.size() <= before) return std::nullopt;
    const base::Bytes raw =
        raw_payload(nal.subspan(before).first(std::min<std::size_t>(nal.size() - before, 8)));
    BitReader reader(raw);
    const std::uint32_t id = reader.ue();
    if (!reader.ok() || id > 255) return std::nullopt;
    return std::uint32_t{type_of(nal[0])} << 8 | id;
}

void skip_scaling_list(BitReader& reader, std::size_t size) {
    std::int32_t last = 8;
    std::int32_t next = 8;
    for (std::size_t i = 0; i < size && reader.ok(); ++i) {
        if (next != 0) next = (last + reader.se() + 256) % 256;
        if (next != 0) last = next;
    }
}

// Section 7.3.2.1.1: profiles whose SPS tells chroma format and bit depth.
bool has_chroma_format(std::uint32_t profile) {
    constexpr std::array<std::uint32_t, 13> kProfiles{100, 110, 122, 244, 44,  83, 86,
                                                      118, 128, 138, 139, 134, 135};
    return std::find(kProfiles.begin(), kProfiles.end(), profile) != kProfiles.end();
}

// chroma_format_idc; 0 where the planes are coded apart, which is cropped as monochrome is.
std::uint32_t read_chroma_format(BitReader& reader) {
    const std::uint32_t format = reader.ue();
    const bool apart = format == 3 && reader.flag();
    reader.ue();  // bit depths
    reader.ue();
    reader.skip(1);  // qpprime_y_zero_transform_bypass_flag
    if (reader.flag()) {
        const std::size_t lists = format == 3 ? 12 : 8;
        for (std::size_t i = 0; i < lists; ++i)
            if (reader.flag()) skip_scaling_list(reader, i < 6 ? 16 : 64);
    }
    return apart ? 0 : format;
}

void skip_picture_order(BitReader& reader) {
    const std::uint32_t type = reader.ue();
    if (type == 0) reader.ue();
    if (type != 1) return;
    reader.skip(1);
    reader.se();
    reader.se();
    const std::uint32_t count = reader.ue();
    for (std::uint32_t i = 0; i < count && reader.ok(); ++i) reader.se();
}

}  // namespace

std::optional<PictureSize> h264_picture_size(base::ByteView sps) {
    if (sps.size() < 4) return std::nullopt;
    const base::Bytes raw = raw_payload(sps.subspan(1));
    BitReader reader(raw);
    const std::uint32_t profile = reader.bits(8);
    reader.skip(16);  // constraints, level
    reader.ue();      // id
    const std::uint32_t chroma = has_chroma_format(profile) ? read_chroma_format(reader) : 1;
    reader.ue();  // log2_max_frame_num
    skip_picture_order(reader);
    reader.ue();     // max_num_ref_frames
    reader.skip(1);  // gaps_in_frame_num_value_allowed_flag
    const std::uint64_t width = (std::uint64_t{reader.ue()} + 1) * 16;
    const std::uint64_t map_units = std::uint64_t{reader.ue()} + 1;
    const std::uint32_t fields = reader.flag() ? 1 : 2;  // frame_mbs_only_flag
    if (fields == 2) reader.skip(1);
    const std::uint64_t height = map_units * 16 * fields;
    reader.skip(1);  // direct_8x8_inference_flag
    std::uint64_t across = 0;
    std::uint64_t down = 0;
    if (reader.flag()) {
        across = std::uint64_t{reader.ue()} + reader.ue();
        down = std::uint64_t{reader.ue()} + reader.ue();
    }
    across *= chroma == 1 || chroma == 2 ? 2 : 1;
    down *= (chroma == 1 ? 2 : 1) * fields;
    if (!reader.ok() || across >= width || down >= height) return std::nullopt;
    if (width > 65'535 || height > 65'535) return std::nullopt;
    return PictureSize{.width = static_cast<std::uint32_t>(width - across),
                       .height = static_cast<std::uint32_t>(height - down)};
}

H264Depacketiser::H264Depacketiser(std::string_view fmtp, Framing framing)
    : NalDepacketiser(framing, interleaving_depth(fmtp)) {
    add_parameter_sets(format_parameter(fmtp, "sprop-parameter-sets"));
}

NalFacts H264Depacketiser::facts_of(base::ByteView nal) const {
    const std::uint8_t type = type_of(nal[0]);
    NalFacts facts;
    facts.is_picture = type >= 1 && type <= kIdrSlice;
    facts.is_key = type == kIdrSlice;
    // first_mb_in_slice (section 7.3.3) is 0: its code is the single bit 1. Partitions B and C
    // (types 3 and 4) follow their A.
    facts.begins_picture =
        !facts.is_picture || (type != 3 && type != 4 && nal.size() > 1 && (nal[1] & 0x80) != 0);
    if (type == kSequenceSet || type == kPictureSet) facts.parameter_set = set_id(nal);
    if (type == kSequenceSet) facts.size = h264_picture_size(nal);
    return facts;
}

void H264Depacketiser::read(const Packet& packet) {
    switch (type_of(packet.payload[0])) {
        case kStapA:
            return read_stap(packet, false);
        case kStapB:
            return read_stap(packet, true);
        case kMtap16:
            return read_mtap(packet, 2);
        case kMtap24:
            return read_mtap(packet, 3);
        case kFuA:
            return read_fragment(packet, false);
        case kFuB:
            return read_fragment(packet, true);
        case 0:  // undefined (section 5.2), as 30 and 31
        case 30:
        case 31:
            return on_broken(packet.timestamp);
        default:
            return on_nal(packet.timestamp, packet.payload);
    }
}

// Section 5.7.1: [DON 16] then each unit behind its size.
void H264Depacketiser::read_stap(const Packet& packet, bool has_don) {
    base::ByteView rest = packet.payload.subspan(1);
    std::optional<std::uint16_t> don;
    if (has_don) {
        if (rest.size() < 2) return on_broken(packet.timestamp);
        don = base::load_u16(rest, 0);
        rest = rest.subspan(2);
    }
    if (rest.empty()) return on_broken(packet.timestamp);
    while (!rest.empty()) {
        if (rest.size() < 2) return on_broken(packet.timestamp);
        const std::size_t size = base::load_u16(rest, 0);
        rest = rest.subspan(2);
        if (size == 0 || size > rest.size()) return on_broken(packet.timestamp);
        on_nal(packet.timestamp, rest.first(size), don);
        if (don) ++*don;
        rest = rest.subspan(size);
    }
}

// Section 5.7.2: DON base 16, then each unit behind size 16, DON difference 8 and timestamp offset.
void H264Depacketiser::read_mtap(const Packet& packet, std::size_t offset_bytes) {
    base::ByteView rest = packet.payload.subspan(1);
    const std::size_t head = 3 + offset_bytes;
    if (rest.size() < 2 + head) return on_broken(packet.timestamp);
    const std::uint16_t don_base = base::load_u16(rest, 0);
    rest = rest.subspan(2);
    while (!rest.empty()) {
        if (rest.size() < head) return on_broken(packet.timestamp);
        const std::size_t size = base::load_u16(rest, 0);
        const auto don = static_cast<std::uint16_t>(don_base + rest[2]);
        std::int64_t offset = base::load_u16(rest, 3);
        if (offset_bytes == 3) offset = offset << 8 | rest[5];
        rest = rest.subspan(head);
        if (size == 0 || size > rest.size()) return on_broken(packet.timestamp);
        on_nal(packet.timestamp + offset, rest.first(size), don);
        rest = rest.subspan(size);
    }
}

// Section 5.8: FU indicator |F|NRI|28 or 29|, FU header |S|E|R|type|, [DON 16] at the start of an
// FU-B.
void H264Depacketiser::read_fragment(const Packet& packet, bool has_don) {
    const std::size_t head = has_don ? 4 : 2;
    if (packet.payload.size() <= head) return on_broken(packet.timestamp);
    const std::uint8_t header = packet.payload[1];
    const bool starts = (header & 0x80) != 0;
    const bool ends = (header & 0x40) != 0;
    std::optional<std::uint16_t> don;
    if (has_don) don = base::load_u16(packet.payload, 2);
    const base::ByteView part = packet.payload.subspan(head);
    if (starts) {
        const std::array<std::uint8_t, 1> nal{
            static_cast<std::uint8_t>((packet.payload[0] & 0xe0) | type_of(header))};
        begin_fragment(packet.timestamp, nal, part, don);
    } else {
        continue_fragment(packet.timestamp, part);
    }
    if (ends) end_fragment();
}

}  // namespace earshot::payload
