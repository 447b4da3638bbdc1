#include "payload/av1.h"

#include <utility>

#include "payload/bit_reader.h"
#include "payload/limits.h"

namespace earshot::payload {

namespace {

constexpr std::uint8_t kSequenceHeader = 1;  // AV1 section 6.2.2
constexpr std::uint8_t kTemporalDelimiter = 2;
constexpr std::uint8_t kFrameHeader = 3;
constexpr std::uint8_t kFrame = 6;
constexpr std::uint8_t kTileList = 8;

constexpr std::uint8_t kHasExtension = 0x04;  // |F|type 4|X|has size|-|
constexpr std::uint8_t kHasSize = 0x02;

// LEB128 (AV1 section 4.10.5), at most 8 bytes; taken off the front.
std::optional<std::size_t> take_leb128(base::ByteView& rest) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8 && i < rest.size(); ++i) {
        value |= std::uint64_t{rest[i] & 0x7fU} << (7 * i);
        if ((rest[i] & 0x80) != 0) continue;
        rest = rest.subspan(i + 1);
        return value;
    }
    return std::nullopt;
}

base::Bytes to_leb128(std::size_t value) {
    base::Bytes out;
    do {
        const auto low = static_cast<std::uint8_t>(value & 0x7f);
        value >>= 7;
        out.push_back(value != 0 ? low | 0x80 : low);
    } while (value != 0);
    return out;
}

struct Obu {
    std::uint8_t header = 0;
    base::ByteView extension;  // one byte or none
    base::ByteView payload;
    std::uint8_t type() const { return header >> 3 & 0x0f; }
};

// A whole element; its own size field is optional ("should not" be there).
std::optional<Obu> parse_obu(base::ByteView bytes) {
    if (bytes.empty() || (bytes[0] & 0x80) != 0) return std::nullopt;
    Obu obu{.header = bytes[0], .extension = {}, .payload = {}};
    base::ByteView rest = bytes.subspan(1);
    if ((obu.header & kHasExtension) != 0) {
        if (rest.empty()) return std::nullopt;
        obu.extension = rest.first(1);
        rest = rest.subspan(1);
    }
    if ((obu.header & kHasSize) != 0) {
        const auto size = take_leb128(rest);
        if (!size || *size > rest.size()) return std::nullopt;
        rest = rest.first(*size);
    }
    obu.payload = rest;
    return obu;
}

base::Bytes with_size(const Obu& obu) {
    base::Bytes out{static_cast<std::uint8_t>(obu.header | kHasSize)};
    base::append(out, obu.extension);
    base::append(out, to_leb128(obu.payload.size()));
    base::append(out, obu.payload);
    return out;
}

// uvlc() (section 4.10.3) is Exp-Golomb by another name.
void skip_timing(BitReader& reader, bool& has_decoder_model, std::size_t& delay_bits) {
    reader.skip(64);                 // units in a tick, time scale
    if (reader.flag()) reader.ue();  // ticks a picture
    has_decoder_model = reader.flag();
    if (!has_decoder_model) return;
    delay_bits = reader.bits(5) + 1;
    reader.skip(32 + 5 + 5);
}

void skip_operating_points(BitReader& reader) {
    bool has_decoder_model = false;
    std::size_t delay_bits = 0;
    if (reader.flag()) skip_timing(reader, has_decoder_model, delay_bits);
    const bool has_display_delay = reader.flag();
    for (std::uint32_t left = reader.bits(5) + 1; left > 0; --left) {
        reader.skip(12);
        constexpr std::uint32_t kLastWithoutTier = 7;
        if (reader.bits(5) > kLastWithoutTier) reader.skip(1);
        if (has_decoder_model && reader.flag()) reader.skip(2 * delay_bits + 1);
        if (has_display_delay && reader.flag()) reader.skip(4);
    }
}

// frame_header_obu (section 5.9.2): is it a key frame that is not a repetition?
bool is_key_frame(base::ByteView payload, bool is_reduced) {
    if (is_reduced) return true;
    BitReader reader(payload);
    const bool shows_existing = reader.flag();
    return !shows_existing && reader.bits(2) == 0 && reader.ok();
}

}  // namespace

std::optional<Av1Sequence> parse_av1_sequence(base::ByteView payload) {
    BitReader reader(payload);
    reader.skip(4);  // profile, still_picture
    Av1Sequence found;
    found.is_reduced = reader.flag();
    if (found.is_reduced) {
        reader.skip(5);  // level
    } else {
        skip_operating_points(reader);
    }
    const std::size_t width_bits = reader.bits(4) + 1;
    const std::size_t height_bits = reader.bits(4) + 1;
    found.largest = {.width = reader.bits(width_bits) + 1, .height = reader.bits(height_bits) + 1};
    if (!reader.ok()) return std::nullopt;
    return found;
}

void Av1Depacketiser::on_loss() {
    fragment_.clear();
    has_fragment_ = false;
}

// Aggregation header |Z|Y|W 2|N|-|-|-|. Z: the first element continues the last one of the packet
// before; Y: the last one goes on in the next; W: how many there are, the last without its size, or
// 0: each has its size.
void Av1Depacketiser::read(const Packet& packet) {
    const std::uint8_t head = packet.payload[0];
    const bool continues = (head & 0x80) != 0;
    const bool goes_on = (head & 0x40) != 0;
    const std::size_t count = head >> 4 & 0x03;
    // The fragment of a unit that never ended is of no use to this one.
    if (has_fragment_ && (!continues || !has_unit() || unit().timestamp != packet.timestamp)) {
        if (has_unit()) damage();
        on_loss();
    }
    enter(packet.timestamp, !continues);
    base::ByteView rest = packet.payload.subspan(1);
    if (rest.empty()) return damage();
    for (std::size_t index = 1; !rest.empty(); ++index) {
        std::size_t size = rest.size();
        if (count == 0 || index < count) {
            const auto told = take_leb128(rest);
            if (!told || *told > rest.size()) return damage();
            size = *told;
        }
        const bool is_last = size == rest.size();
        on_element(rest.first(size), continues && index == 1, goes_on && is_last);
        rest = rest.subspan(size);
    }
}

void Av1Depacketiser::on_element(base::ByteView element, bool continues, bool goes_on) {
    if (continues && !has_fragment_) return damage();  // its beginning is missing
    if (fragment_.size() + element.size() > kMaxUnitBytes) {
        on_loss();
        return damage();
    }
    if (continues || goes_on) base::append(fragment_, element);
    has_fragment_ = goes_on;
    if (goes_on) return;
    if (!continues) return on_obu(element);
    const base::Bytes whole = std::exchange(fragment_, {});
    on_obu(whole);
}

void Av1Depacketiser::on_obu(base::ByteView bytes) {
    if (bytes.empty()) return;  // legal where W counts an element that is not there
    const auto obu = parse_obu(bytes);
    if (!obu) return damage();
    const std::uint8_t type = obu->type();
    if (type == kTemporalDelimiter || type == kTileList) return;
    const base::Bytes framed = with_size(*obu);
    if (type == kSequenceHeader) {
        const auto sequence = parse_av1_sequence(obu->payload);
        if (!sequence) return damage();
        is_reduced_ = sequence->is_reduced;
        size_ = sequence->largest;
        unit().size = size_;
        if (framed.size() <= kMaxSequenceHeaderBytes) sequence_header_ = framed;
    }
    if ((type == kFrame || type == kFrameHeader) && is_key_frame(obu->payload, is_reduced_)) {
        unit().key_frame = true;
        unit().size = size_;
    }
    append(framed);
}

}  // namespace earshot::payload
