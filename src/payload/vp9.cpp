#include "payload/vp9.h"

#include <algorithm>
#include <array>
#include <utility>

#include "payload/bit_reader.h"
#include "payload/limits.h"

namespace earshot::payload {

namespace {

// Takes what is read off the front of a descriptor that may be cut anywhere.
class Taker {
public:
    explicit Taker(base::ByteView bytes) : bytes_(bytes) {}
    std::uint8_t byte() {
        if (at_ >= bytes_.size()) {
            ok_ = false;
            return 0;
        }
        return bytes_[at_++];
    }
    void skip(std::size_t count) {
        at_ += count;
        if (at_ > bytes_.size()) ok_ = false;
    }
    std::size_t at() const { return at_; }
    bool ok() const { return ok_; }

private:
    base::ByteView bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

// |N_S 3|Y|G|...|; Y: width and height of N_S + 1 layers; G: count, each |TID|U|R 2|..| and R
// differences.
std::optional<PictureSize> take_structure(Taker& taker) {
    const std::uint8_t head = taker.byte();
    std::optional<PictureSize> largest;
    if ((head & 0x10) != 0) {
        for (int layer = 0; layer <= head >> 5 && taker.ok(); ++layer) {
            std::array<std::uint8_t, 4> b{};
            for (std::uint8_t& byte : b) byte = taker.byte();
            largest = PictureSize{.width = base::load_u16(b, 0), .height = base::load_u16(b, 2)};
        }
    }
    if ((head & 0x08) != 0) {
        for (int left = taker.byte(); left > 0 && taker.ok(); --left)
            taker.skip(taker.byte() >> 2 & 0x03);
    }
    return largest;
}

}  // namespace

// |I|P|L|F|B|E|V|Z|  I: |M|picture id 7 or 15|  L: |TID 3|U|SID 3|D| and TL0PICIDX if not F
// F and P: up to three |P_DIFF 7|N|  V: the scalability structure
std::optional<Vp9Descriptor> parse_vp9_descriptor(base::ByteView payload) {
    Taker taker(payload);
    const std::uint8_t head = taker.byte();
    const bool is_flexible = (head & 0x10) != 0;
    Vp9Descriptor found;
    found.is_predicted = (head & 0x40) != 0;
    found.begins_frame = (head & 0x08) != 0;
    found.ends_frame = (head & 0x04) != 0;
    if ((head & 0x80) != 0 && (taker.byte() & 0x80) != 0) taker.skip(1);
    if ((head & 0x20) != 0) {
        found.spatial_layer = taker.byte() >> 1 & 0x07;
        if (!is_flexible) taker.skip(1);
    }
    if (is_flexible && found.is_predicted) {
        for (int left = 3; left > 0 && (taker.byte() & 0x01) != 0; --left) {
        }
    }
    if ((head & 0x02) != 0) found.largest = take_structure(taker);
    if (!taker.ok()) return std::nullopt;
    found.size = taker.at();
    return found;
}

Vp9Frame parse_vp9_frame(base::ByteView frame) {
    BitReader reader(frame);
    if (reader.bits(2) != 2) return {};  // frame_marker
    const std::uint32_t low = reader.bit();
    const std::uint32_t profile = reader.bit() << 1 | low;
    if (profile == 3) reader.skip(1);
    if (reader.flag()) return {};  // show_existing_frame
    const bool is_key = !reader.flag() && reader.ok();
    if (!is_key) return {};
    reader.skip(2);  // show_frame, error_resilient_mode
    if (reader.bits(24) != 0x498342) return {.is_key = true, .size = std::nullopt};
    if (profile >= 2) reader.skip(1);  // bit depth
    constexpr std::uint32_t kSrgb = 7;
    const bool is_srgb = reader.bits(3) == kSrgb;
    if (!is_srgb) reader.skip(1);  // color_range
    if (profile == 1 || profile == 3) reader.skip(is_srgb ? 1 : 3);
    const std::uint32_t width = reader.bits(16) + 1;
    const std::uint32_t height = reader.bits(16) + 1;
    if (!reader.ok()) return {.is_key = true, .size = std::nullopt};
    return {.is_key = true, .size = PictureSize{.width = width, .height = height}};
}

void Vp9Depacketiser::read(const Packet& packet) {
    const auto descriptor = parse_vp9_descriptor(packet.payload);
    const bool begins = descriptor && descriptor->begins_frame;
    // A picture begins with its lowest layer, unless whoever forwards it has left that out.
    enter(packet.timestamp, begins && (descriptor->spatial_layer == 0 || !is_cut_));
    if (!descriptor || descriptor->size == packet.payload.size()) {
        damage();
        is_cut_ = true;
        return;
    }
    if (begins) {
        is_cut_ = false;
        begins_.push_back(unit().bytes.size());
        if (begins_.size() > kMaxLayerFrames) damage();
    } else if (unit().bytes.empty()) {
        is_cut_ = true;
    }
    if (descriptor->largest) largest_ = descriptor->largest;
    if (is_cut_) return damage();
    append(packet.payload.subspan(descriptor->size));
}

namespace {

// Annex B of the VP9 bitstream: |110|size bytes - 1|frames - 1| around the sizes, little-endian.
base::Bytes superframe_index(const std::vector<std::size_t>& begins, std::size_t end) {
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < begins.size(); ++i)
        sizes.push_back((i + 1 < begins.size() ? begins[i + 1] : end) - begins[i]);
    std::size_t width = 1;
    while (*std::max_element(sizes.begin(), sizes.end()) >> (8 * width) != 0) ++width;
    const auto marker = static_cast<std::uint8_t>(0xc0 | (width - 1) << 3 | (sizes.size() - 1));
    base::Bytes index{marker};
    for (const std::size_t size : sizes)
        for (std::size_t i = 0; i < width; ++i)
            index.push_back(static_cast<std::uint8_t>(size >> (8 * i)));
    index.push_back(marker);
    return index;
}

}  // namespace

bool Vp9Depacketiser::complete(AccessUnit& unit) {
    const std::vector<std::size_t> begins = std::exchange(begins_, {});
    const auto largest = std::exchange(largest_, std::nullopt);
    const Vp9Frame frame = parse_vp9_frame(unit.bytes);
    unit.key_frame = frame.is_key;
    // Of several layers the topmost is what is shown; the structure names all of them.
    unit.size = largest && begins.size() > 1 ? largest : frame.size;
    if (begins.size() > 1 && begins.size() <= kMaxLayerFrames && !unit.damaged)
        base::append(unit.bytes, superframe_index(begins, unit.bytes.size()));
    return true;
}

}  // namespace earshot::payload
