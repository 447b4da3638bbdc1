#include "base/uuid.h"

#include <algorithm>

#include "base/text.h"

namespace earshot::base {

namespace {

void set_version(Uuid& uuid, int version) {
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | version << 4);
    uuid.bytes[8] =
        static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);  // RFC 9562 section 4.1
}

std::optional<Uuid> uuid_from(const std::optional<Bytes>& raw) {
    if (!raw || raw->size() != 16) return std::nullopt;
    Uuid uuid;
    std::copy(raw->begin(), raw->end(), uuid.bytes.begin());
    return uuid;
}

}  // namespace

Uuid make_uuid_v4(Random& random) {
    Uuid uuid;
    random.fill(uuid.bytes);
    set_version(uuid, 4);
    return uuid;
}

Uuid make_uuid_v7(WallTime now, Random& random) {
    Uuid uuid;
    random.fill(uuid.bytes);
    const auto ms = static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count());
    for (std::size_t i = 0; i < 6; ++i)
        uuid.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    set_version(uuid, 7);
    return uuid;
}

std::string to_string(const Uuid& uuid) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text(36, '-');
    std::size_t at = 0;
    for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
        text[at++] = kDigits[uuid.bytes[i] >> 4];
        text[at++] = kDigits[uuid.bytes[i] & 15];
    }
    return text;
}

std::string to_base64(const Uuid& uuid) { return to_base64(ByteView{uuid.bytes}); }

std::optional<Uuid> parse_uuid(std::string_view text) {
    if (istarts_with(text, "urn:uuid:")) text.remove_prefix(9);
    if (text.size() == 32) return uuid_from(parse_hex(text));
    if (text.size() != 36) return std::nullopt;
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text[i] == '-')) return std::nullopt;
        if (!dash) digits += text[i];
    }
    return uuid_from(parse_hex(digits));
}

std::optional<Uuid> parse_uuid_base64(std::string_view text) {
    return uuid_from(parse_base64(text));
}

}  // namespace earshot::base
