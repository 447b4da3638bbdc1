#include "transport/stun_binding.h"

#include <algorithm>

namespace earshot::transport {

namespace {

constexpr std::size_t kHeaderBytes = 20;
constexpr std::uint16_t kBindingRequest = 0x0001;
constexpr std::uint16_t kBindingResponse = 0x0101;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint16_t kFirstOptionalAttribute = 0x8000;  // below: to be understood or refused
constexpr std::size_t kCookieAt = 4;
constexpr std::uint32_t kCookie = 0x2112a442;

bool are_attributes_optional(base::ByteView attributes) {
    while (!attributes.empty()) {
        if (attributes.size() < 4) return false;
        if (base::load_u16(attributes, 0) < kFirstOptionalAttribute) return false;
        const std::size_t padded = (std::size_t{base::load_u16(attributes, 2)} + 3) / 4 * 4;
        if (attributes.size() - 4 < padded) return false;
        attributes = attributes.subspan(4 + padded);
    }
    return true;
}

}  // namespace

bool is_stun(base::ByteView datagram) {
    return datagram.size() >= kHeaderBytes && datagram[0] < 4 &&
           base::load_u32(datagram, kCookieAt) == kCookie;
}

std::optional<base::Bytes> answer_stun_binding(base::ByteView datagram,
                                               const base::NetAddress& source) {
    if (!is_stun(datagram) || base::load_u16(datagram, 0) != kBindingRequest ||
        base::load_u16(datagram, 2) != datagram.size() - kHeaderBytes ||
        !are_attributes_optional(datagram.subspan(kHeaderBytes)))
        return std::nullopt;

    const base::ByteView host =
        source.is_v4() ? base::ByteView(source.ip).subspan(12) : base::ByteView(source.ip);
    base::Bytes answer;
    base::append_u16(answer, kBindingResponse);
    base::append_u16(answer, static_cast<std::uint16_t>(8 + host.size()));
    base::append(answer, datagram.subspan(kCookieAt, kHeaderBytes - kCookieAt));
    base::append_u16(answer, kXorMappedAddress);
    base::append_u16(answer, static_cast<std::uint16_t>(4 + host.size()));
    base::append_u16(answer, source.is_v4() ? 0x0001 : 0x0002);
    base::append_u16(answer, static_cast<std::uint16_t>(source.port ^ (kCookie >> 16)));
    // RFC 5389 §15.2: XORed with cookie and transaction id, so that no NAT rewrites it.
    for (std::size_t i = 0; i < host.size(); ++i)
        answer.push_back(static_cast<std::uint8_t>(host[i] ^ datagram[kCookieAt + i]));
    return answer;
}

}  // namespace earshot::transport
