#include "sdp/payload_type.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdp/limits.h"

namespace earshot::sdp {
namespace {

struct StaticType {
    std::uint8_t number;
    std::string_view encoding;
    std::uint32_t clock_rate;
    std::uint16_t channels;
};

// RFC 3551 §6, tables 4 and 5. G722's clock is 8000 by a historical error that stays.
constexpr std::array<StaticType, 24> kStaticTypes{{
    {0, "PCMU", 8000, 1},   {3, "GSM", 8000, 1},    {4, "G723", 8000, 1},   {5, "DVI4", 8000, 1},
    {6, "DVI4", 16000, 1},  {7, "LPC", 8000, 1},    {8, "PCMA", 8000, 1},   {9, "G722", 8000, 1},
    {10, "L16", 44100, 2},  {11, "L16", 44100, 1},  {12, "QCELP", 8000, 1}, {13, "CN", 8000, 1},
    {14, "MPA", 90000, 1},  {15, "G728", 8000, 1},  {16, "DVI4", 11025, 1}, {17, "DVI4", 22050, 1},
    {18, "G729", 8000, 1},  {25, "CelB", 90000, 1}, {26, "JPEG", 90000, 1}, {28, "nv", 90000, 1},
    {31, "H261", 90000, 1}, {32, "MPV", 90000, 1},  {33, "MP2T", 90000, 1}, {34, "H263", 90000, 1},
}};

// Index + 1 of each number in kStaticTypes; 0: unassigned or dynamic.
constexpr std::array<std::uint8_t, kMaxPayloadTypeNumber + 1> kIndexOfNumber = [] {
    std::array<std::uint8_t, kMaxPayloadTypeNumber + 1> table{};
    for (std::size_t i = 0; i < kStaticTypes.size(); ++i) {
        table[kStaticTypes[i].number] = static_cast<std::uint8_t>(i + 1);
    }
    return table;
}();

}  // namespace

bool PayloadType::is(std::string_view name) const { return base::iequals(encoding, name); }

std::optional<PayloadType> static_payload_type(std::uint8_t number) {
    if (number > kMaxPayloadTypeNumber || kIndexOfNumber[number] == 0) return std::nullopt;
    const StaticType& found = kStaticTypes[kIndexOfNumber[number] - 1U];
    PayloadType type;
    type.number = number;
    type.encoding = found.encoding;
    type.clock_rate = found.clock_rate;
    type.channels = found.channels;
    return type;
}

std::optional<PayloadType> parse_rtpmap(std::string_view value) {
    const auto number = base::take_number<std::uint8_t>(value);
    if (!number || *number > kMaxPayloadTypeNumber || !value.starts_with(' ')) return std::nullopt;
    value = base::trim(value);
    const std::string_view encoding = base::trim(base::take_until(value, '/'));
    const auto clock_rate = base::take_number<std::uint32_t>(value);
    if (encoding.empty() || !clock_rate) return std::nullopt;

    PayloadType type;
    type.number = *number;
    type.encoding = encoding;
    type.clock_rate = *clock_rate;
    type.has_rtpmap = true;
    if (value.empty() || value == "/") return type;
    const auto channels = base::parse_number<std::uint16_t>(value.substr(1));
    if (value.front() != '/' || !channels || *channels == 0) return std::nullopt;
    type.channels = *channels;
    return type;
}

}  // namespace earshot::sdp
