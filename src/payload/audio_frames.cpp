#include "payload/audio_frames.h"

#include <array>

#include "base/text.h"
#include "payload/bit_reader.h"

namespace earshot::payload {
namespace {

using base::ByteView;
using Kind = AudioFrame::Kind;

// Speech bits of a frame type (3GPP TS 26.101 table 1, 26.201 table 1); kInvalid: the packet is to
// be discarded (RFC 4867 section 4.3.2).
constexpr int kInvalid = -1;
constexpr std::array<int, 16> kNarrowBits{
    95, 103,      118,      134,      148,      159,      204,      244,
    39, kInvalid, kInvalid, kInvalid, kInvalid, kInvalid, kInvalid, 0};
constexpr std::array<int, 16> kWideBits{132, 177, 253,      285,      317,      365,      397, 461,
                                        477, 40,  kInvalid, kInvalid, kInvalid, kInvalid, 0,   0};
constexpr unsigned kNarrowNoise = 8;
constexpr unsigned kWideNoise = 9;
constexpr unsigned kLostSpeech = 14;
constexpr std::size_t kMaxAmrFrames = 64;  // of a packet: more than a second

// The value of `name` in "a=1; b=2"; nullopt: it is not there.
std::optional<std::string_view> parameter(std::string_view fmtp, std::string_view name) {
    while (!fmtp.empty()) {
        const std::string_view item = base::trim(base::take_until(fmtp, ';'));
        const std::size_t equals = item.find('=');
        if (!base::iequals(base::trim(item.substr(0, equals)), name)) continue;
        return equals == std::string_view::npos ? "" : base::trim(item.substr(equals + 1));
    }
    return std::nullopt;
}
bool is_set(std::string_view fmtp, std::string_view name) {
    const auto value = parameter(fmtp, name);
    return value && *value != "0";
}

bool is_amr(std::string_view encoding) {
    return base::iequals(encoding, "AMR") || base::iequals(encoding, "AMR-WB");
}

// Bits as bytes, the last one filled up with zeros.
void copy_bits(BitReader& bits, std::size_t count, base::Bytes& out) {
    for (; count >= 8; count -= 8) out.push_back(static_cast<std::uint8_t>(bits.bits(8)));
    if (count > 0) out.push_back(static_cast<std::uint8_t>(bits.bits(count) << (8 - count)));
}

struct TocEntry {
    unsigned type = 0;
    bool is_good = true;  // the Q bit
    std::size_t bits = 0;
};

struct Amr {
    bool is_wide;

    int bits_of(unsigned type) const {
        return is_wide ? kWideBits.at(type & 15U) : kNarrowBits.at(type & 15U);
    }
    std::int64_t ticks() const { return is_wide ? 320 : 160; }
    AudioFrame frame(const TocEntry& entry, std::size_t index) const {
        AudioFrame frame{.kind = Kind::Sound,
                         .offset = static_cast<std::int64_t>(index) * ticks(),
                         .duration = ticks(),
                         .bytes = {}};
        if (entry.type == (is_wide ? kWideNoise : kNarrowNoise)) frame.kind = Kind::Noise;
        if (entry.bits == 0 || entry.type == kLostSpeech) frame.kind = Kind::Nothing;
        frame.bytes.push_back(
            static_cast<std::uint8_t>(entry.type << 3U | (entry.is_good ? 4U : 0U)));
        return frame;
    }
};

}  // namespace

std::int64_t opus_duration(ByteView packet) {
    if (packet.empty()) return 0;
    const unsigned toc = packet[0];
    const unsigned config = toc >> 3U;
    std::int64_t frame = 0;
    if (config < 12)
        frame = std::array<std::int64_t, 4>{480, 960, 1920, 2880}.at(config & 3U);
    else if (config < 16)
        frame = (config & 1U) != 0 ? 960 : 480;
    else
        frame = std::int64_t{120} << (config & 3U);
    std::int64_t count = 1;
    if ((toc & 3U) == 1 || (toc & 3U) == 2) count = 2;
    if ((toc & 3U) == 3) count = packet.size() > 1 ? packet[1] & 0x3fU : 0;
    const std::int64_t total = frame * count;
    return total <= 5760 ? total : 0;  // 120 ms at most
}

std::optional<AudioFramer> AudioFramer::make(std::string_view encoding, std::uint32_t clock_rate,
                                             std::uint16_t channels, std::string_view fmtp) {
    const auto is = [&](std::string_view name) { return base::iequals(encoding, name); };
    if (is("PCMU") || is("PCMA") || is("G722")) return AudioFramer(Form::Sampled, 8U * channels);
    if (is("L16")) return AudioFramer(Form::Sampled, 16U * channels);
    if (is("L24")) return AudioFramer(Form::Sampled, 24U * channels);
    if (is("G726-16")) return AudioFramer(Form::Sampled, 2);
    if (is("G726-24")) return AudioFramer(Form::Sampled, 3);
    if (is("G726-32")) return AudioFramer(Form::Sampled, 4);
    if (is("G726-40")) return AudioFramer(Form::Sampled, 5);
    if (is("opus")) return AudioFramer(Form::Opus, 0);
    if (is("speex")) return AudioFramer(Form::Whole, 0);
    if (is("G729")) return AudioFramer(Form::G729, 0);
    if (is("G723")) return AudioFramer(Form::G7231, 0);
    if (is("GSM")) return AudioFramer(Form::Gsm, 0);
    if (is("iLBC")) {  // RFC 3952 section 4.1: 30 ms when nothing is said
        const auto mode = parameter(fmtp, "mode");
        return AudioFramer(Form::Ilbc, mode && *mode == "20" ? 38 : 50);
    }
    if (is_amr(encoding)) {
        if (!why_not(encoding, channels, fmtp).empty()) return std::nullopt;
        const std::uint32_t rate = is("AMR-WB") ? 16'000 : 8000;
        if (clock_rate != rate) return std::nullopt;
        return AudioFramer(is_set(fmtp, "octet-align") ? Form::AmrAligned : Form::AmrPacked, rate);
    }
    return std::nullopt;
}

std::string_view AudioFramer::why_not(std::string_view encoding, std::uint16_t channels,
                                      std::string_view fmtp) {
    if (!is_amr(encoding)) return "no decoder for it is known here";
    if (channels > 1) return "AMR of several channels is not taken apart";
    for (const std::string_view name : {"interleaving", "crc", "robust-sorting"})
        if (is_set(fmtp, name)) return "AMR with interleaving, CRC or sorting is not taken apart";
    return {};
}

bool AudioFramer::split(ByteView payload, std::vector<AudioFrame>& out) const {
    const auto add_whole = [&](std::int64_t duration) {
        out.push_back({.kind = Kind::Sound,
                       .offset = 0,
                       .duration = duration,
                       .bytes = {payload.begin(), payload.end()}});
    };
    if (payload.empty()) return true;
    switch (form_) {
        case Form::Sampled:
            add_whole(static_cast<std::int64_t>(8 * payload.size() / parameter_));
            return 8 * payload.size() % parameter_ == 0;
        case Form::Whole:
            add_whole(0);
            return true;
        case Form::Opus: {
            const std::int64_t duration = opus_duration(payload);
            if (duration > 0) add_whole(duration);
            return duration > 0;
        }
        case Form::AmrAligned:
            return split_amr_aligned(payload, out);
        case Form::AmrPacked:
            return split_amr_packed(payload, out);
        case Form::G729:
            return split_g729(payload, out);
        case Form::G7231:
            return split_g7231(payload, out);
        case Form::Gsm:
            return split_fixed(payload, 33, 160, out);
        case Form::Ilbc: {
            const bool is_short = parameter_ == 38 || payload.size() % 50 != 0;
            return is_short ? split_fixed(payload, 38, 160, out)
                            : split_fixed(payload, 50, 240, out);
        }
    }
    return false;
}

// RFC 4867 section 4.4: CMR and reserved bits, an octet a ToC entry, frames that end on octets.
bool AudioFramer::split_amr_aligned(ByteView payload, std::vector<AudioFrame>& out) const {
    const Amr amr{is_wide()};
    std::vector<TocEntry> entries;
    std::size_t at = 1;
    for (bool more = true; more; ++at) {
        if (at >= payload.size() || entries.size() >= kMaxAmrFrames) return false;
        const unsigned toc = payload[at];
        more = (toc & 0x80U) != 0;
        const unsigned type = toc >> 3U & 15U;
        if (amr.bits_of(type) == kInvalid) return false;
        entries.push_back({type, (toc & 4U) != 0, static_cast<std::size_t>(amr.bits_of(type))});
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::size_t size = (entries[i].bits + 7) / 8;
        if (payload.size() - at < size) return false;
        AudioFrame frame = amr.frame(entries[i], i);
        base::append(frame.bytes, payload.subspan(at, size));
        at += size;
        out.push_back(std::move(frame));
    }
    return true;
}

// Section 4.3: CMR 4 bits, ToC entries 6 bits each, speech bits one after another.
bool AudioFramer::split_amr_packed(ByteView payload, std::vector<AudioFrame>& out) const {
    const Amr amr{is_wide()};
    BitReader bits(payload);
    std::vector<TocEntry> entries;
    bits.skip(4);
    for (bool more = true; more;) {
        more = bits.flag();
        const unsigned type = bits.bits(4);
        const bool is_good = bits.flag();
        if (!bits.ok() || entries.size() >= kMaxAmrFrames) return false;
        if (amr.bits_of(type) == kInvalid) return false;
        entries.push_back({type, is_good, static_cast<std::size_t>(amr.bits_of(type))});
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        AudioFrame frame = amr.frame(entries[i], i);
        copy_bits(bits, entries[i].bits, frame.bytes);
        if (!bits.ok()) return false;
        out.push_back(std::move(frame));
    }
    return true;
}

// Frames of 10 ms, the last one may be a noise frame of Annex B (RFC 3551 section 4.5.6).
bool AudioFramer::split_g729(ByteView payload, std::vector<AudioFrame>& out) const {
    constexpr std::size_t kFrame = 10;
    constexpr std::size_t kNoise = 2;
    const std::size_t rest = payload.size() % kFrame;
    const bool is_whole = split_fixed(payload.first(payload.size() - rest), kFrame, 80, out);
    if (rest == kNoise)
        out.push_back({.kind = Kind::Noise,
                       .offset = static_cast<std::int64_t>(payload.size() / kFrame) * 80,
                       .duration = 80,
                       .bytes = {payload.end() - kNoise, payload.end()}});
    return is_whole && (rest == 0 || rest == kNoise);
}

// The two low bits of a frame's first octet tell its size (section 4.5.3).
bool AudioFramer::split_g7231(ByteView payload, std::vector<AudioFrame>& out) const {
    constexpr std::array<std::size_t, 4> kSizes{24, 20, 4, 1};
    std::int64_t offset = 0;
    while (!payload.empty()) {
        const std::size_t type = payload[0] & 3U;
        const std::size_t size = kSizes.at(type);
        if (payload.size() < size) return false;
        const Kind kind = type == 2 ? Kind::Noise : (type == 3 ? Kind::Nothing : Kind::Sound);
        out.push_back({.kind = kind,
                       .offset = offset,
                       .duration = 240,
                       .bytes = {payload.begin(), payload.begin() + static_cast<long>(size)}});
        payload = payload.subspan(size);
        offset += 240;
    }
    return true;
}

bool AudioFramer::split_fixed(ByteView payload, std::size_t size, std::int64_t ticks,
                              std::vector<AudioFrame>& out) const {
    std::int64_t offset = 0;
    for (; payload.size() >= size; payload = payload.subspan(size), offset += ticks)
        out.push_back({.kind = Kind::Sound,
                       .offset = offset,
                       .duration = ticks,
                       .bytes = {payload.begin(), payload.begin() + static_cast<long>(size)}});
    return payload.empty();
}

}  // namespace earshot::payload
