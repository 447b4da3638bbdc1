#include "rtp/header_extension.h"

namespace earshot::rtp {
namespace {

constexpr std::uint16_t kOneByteProfile = 0xbede;
constexpr std::uint16_t kTwoByteProfile = 0x1000;  // its low four bits are "appbits"

// RFC 8285 section 4.2: |  ID  | len - 1 | data; ID 0 is padding, 15 ends it.
std::optional<base::ByteView> find_one_byte(base::ByteView rest, std::uint8_t id) {
    constexpr std::uint8_t kStop = 15;
    while (!rest.empty()) {
        const auto found = static_cast<std::uint8_t>(rest[0] >> 4U);
        const std::size_t size = found == 0 ? 0 : (rest[0] & 0x0fU) + std::size_t{1};
        if (found == kStop || rest.size() < 1 + size) return std::nullopt;
        if (found == id && found != 0) return rest.subspan(1, size);
        rest = rest.subspan(1 + size);
    }
    return std::nullopt;
}

// Section 4.3: |  ID (8)  |  len (8)  | data; an ID of 0 is one byte of padding.
std::optional<base::ByteView> find_two_byte(base::ByteView rest, std::uint8_t id) {
    while (!rest.empty()) {
        if (rest[0] == 0) {
            rest = rest.subspan(1);
            continue;
        }
        if (rest.size() < 2 || rest.size() < std::size_t{2} + rest[1]) return std::nullopt;
        if (rest[0] == id) return rest.subspan(2, rest[1]);
        rest = rest.subspan(std::size_t{2} + rest[1]);
    }
    return std::nullopt;
}

}  // namespace

std::optional<base::ByteView> find_element(const RtpExtension& extension, std::uint8_t id) {
    if (extension.profile == kOneByteProfile) return find_one_byte(extension.bytes, id);
    if ((extension.profile & 0xfff0U) == kTwoByteProfile) return find_two_byte(extension.bytes, id);
    return std::nullopt;
}

}  // namespace earshot::rtp
