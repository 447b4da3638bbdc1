#include "stun/message.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/hmac.h"

namespace earshot::stun {

namespace {

using base::Errc;
using base::Error;

constexpr std::size_t kCookieAt = 4;
constexpr std::uint32_t kCookie = 0x2112a442;
constexpr std::size_t kTransactionAt = 8;
constexpr std::size_t kAttributeHeaderBytes = 4;
constexpr std::uint16_t kFirstOptional = 0x8000;
constexpr std::uint32_t kFingerprintXor = 0x5354554e;  // "STUN"
constexpr std::uint8_t kFamilyIpv4 = 1;
constexpr std::uint8_t kFamilyIpv6 = 2;

constexpr std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    constexpr std::uint32_t kReversedPolynomial = 0xedb88320;  // ITU V.42, as zlib's
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t rest = i;
        for (int bit = 0; bit < 8; ++bit)
            rest = (rest & 1U) != 0 ? rest >> 1U ^ kReversedPolynomial : rest >> 1U;
        table[i] = rest;
    }
    return table;
}

// Over at most kMaxMessageBytes, so a table of bytes is quick enough.
std::uint32_t crc32(base::ByteView bytes) {
    static constexpr std::array<std::uint32_t, 256> kTable = make_crc_table();
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xffU] ^ crc >> 8U;
    return ~crc;
}

void store_u16(std::span<std::uint8_t> bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// RFC 8489 section 14.5: what stands before the attribute, with the length that the message would
// have if it ended behind the attribute.
crypto::HmacSha1 integrity_of(base::ByteView before, base::ByteView key) {
    base::Bytes text(before.begin(), before.end());
    store_u16(text, 2,
              before.size() - kHeaderBytes + kAttributeHeaderBytes + crypto::kHmacSha1Bytes);
    return crypto::hmac_sha1(key, text);
}

// RFC 8489 section 5: the class is in bits 4 and 8 of the type, the method around them.
std::uint16_t to_type(MessageClass message_class, std::uint16_t method) {
    const auto bits = static_cast<unsigned>(message_class);
    return static_cast<std::uint16_t>((method & 0xf80U) << 2U | (method & 0x070U) << 1U |
                                      (method & 0x00fU) | (bits & 2U) << 7U | (bits & 1U) << 4U);
}

bool is_known(std::uint16_t type) {
    constexpr std::array kKnown{AttributeType::MappedAddress,
                                AttributeType::Username,
                                AttributeType::MessageIntegrity,
                                AttributeType::ErrorCode,
                                AttributeType::XorMappedAddress,
                                AttributeType::UnknownAttributes,
                                AttributeType::Priority,
                                AttributeType::UseCandidate,
                                AttributeType::MessageIntegritySha256};
    return std::any_of(kKnown.begin(), kKnown.end(), [&](AttributeType known) {
        return static_cast<std::uint16_t>(known) == type;
    });
}

base::ByteView octets_of(const base::NetAddress& address) {
    return address.is_v4() ? base::ByteView(address.ip).subspan(12) : base::ByteView(address.ip);
}

}  // namespace

const Attribute* Message::find(AttributeType type) const {
    for (const Attribute& attribute : attributes)
        if (attribute.type == static_cast<std::uint16_t>(type)) return &attribute;
    return nullptr;
}

bool is_stun(base::ByteView datagram) {
    return datagram.size() >= kHeaderBytes && datagram[0] < 4 &&
           base::load_u32(datagram, kCookieAt) == kCookie;
}

base::Result<Message> parse(base::ByteView datagram) {
    if (!is_stun(datagram)) return Error{Errc::Malformed, "STUN: no header of it"};
    if (datagram.size() > kMaxMessageBytes) return Error{Errc::TooLarge, "STUN: message too long"};
    const std::size_t length = base::load_u16(datagram, 2);
    if (length % 4 != 0 || length != datagram.size() - kHeaderBytes)
        return Error{Errc::Malformed, "STUN: length is not the datagram's", 2};

    Message message;
    const unsigned type = base::load_u16(datagram, 0);
    message.message_class = static_cast<MessageClass>((type >> 7U & 2U) | (type >> 4U & 1U));
    message.method =
        static_cast<std::uint16_t>((type >> 2U & 0xf80U) | (type >> 1U & 0x070U) | (type & 0x00fU));
    std::copy_n(datagram.begin() + kTransactionAt, message.transaction.size(),
                message.transaction.begin());
    message.bytes = datagram;

    bool is_protected = false;  // by a MESSAGE-INTEGRITY before
    for (std::size_t at = kHeaderBytes; at < datagram.size();) {
        // The length is a multiple of 4, so the attribute's own header is there.
        Attribute attribute{
            .type = base::load_u16(datagram, at), .offset = at, .value = base::ByteView{}};
        const std::size_t size = base::load_u16(datagram, at + 2);
        if (padded(size) > datagram.size() - at - kAttributeHeaderBytes)
            return Error{Errc::Malformed, "STUN: attribute past the end", at};
        attribute.value = datagram.subspan(at + kAttributeHeaderBytes, size);
        at += kAttributeHeaderBytes + padded(size);

        const auto is = [&](AttributeType known) {
            return attribute.type == static_cast<std::uint16_t>(known);
        };
        if (is_protected && !is(AttributeType::Fingerprint)) continue;
        is_protected = is_protected || is(AttributeType::MessageIntegrity);
        if (message.attributes.size() == kMaxAttributes)
            return Error{Errc::TooLarge, "STUN: too many attributes", at};
        message.attributes.push_back(attribute);
    }
    return message;
}

bool has_valid_fingerprint(const Message& message) {
    const Attribute* const found = message.find(AttributeType::Fingerprint);
    if (found == nullptr || found->value.size() != 4) return false;
    if (found->offset + kAttributeHeaderBytes + 4 != message.bytes.size()) return false;
    return base::load_u32(found->value, 0) ==
           (crc32(message.bytes.first(found->offset)) ^ kFingerprintXor);
}

bool has_valid_integrity(const Message& message, base::ByteView key) {
    const Attribute* const found = message.find(AttributeType::MessageIntegrity);
    if (found == nullptr) return false;
    return crypto::is_same_code(found->value,
                                integrity_of(message.bytes.first(found->offset), key));
}

std::optional<base::NetAddress> mapped_address(const Message& message) {
    const Attribute* const found = message.find(AttributeType::XorMappedAddress);
    if (found == nullptr || found->value.size() < 8) return std::nullopt;
    const bool is_v4 = found->value[1] == kFamilyIpv4;
    if (!is_v4 && found->value[1] != kFamilyIpv6) return std::nullopt;
    if (found->value.size() != (is_v4 ? 8U : 20U)) return std::nullopt;
    base::NetAddress address;
    address.port = static_cast<std::uint16_t>(base::load_u16(found->value, 2) ^ (kCookie >> 16U));
    if (is_v4) address.ip[10] = address.ip[11] = 0xff;
    const std::size_t first = is_v4 ? 12 : 0;
    for (std::size_t i = first; i < address.ip.size(); ++i)
        address.ip[i] = static_cast<std::uint8_t>(found->value[4 + i - first] ^
                                                  message.bytes[kCookieAt + i - first]);
    return address;
}

std::optional<int> error_code(const Message& message) {
    const Attribute* const found = message.find(AttributeType::ErrorCode);
    if (found == nullptr || found->value.size() < 4) return std::nullopt;
    const int hundreds = found->value[2] & 7;
    const int rest = found->value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
    return hundreds * 100 + rest;
}

std::vector<std::uint16_t> unknown_required(const Message& message) {
    std::vector<std::uint16_t> unknown;
    for (const Attribute& attribute : message.attributes)
        if (attribute.type < kFirstOptional && !is_known(attribute.type))
            unknown.push_back(attribute.type);
    return unknown;
}

Writer::Writer(MessageClass message_class, std::uint16_t method, const TransactionId& transaction) {
    base::append_u16(bytes_, to_type(message_class, method));
    base::append_u16(bytes_, 0);
    base::append_u32(bytes_, kCookie);
    base::append(bytes_, transaction);
}

Writer& Writer::add(AttributeType type, base::ByteView value) {
    base::append_u16(bytes_, static_cast<std::uint16_t>(type));
    base::append_u16(bytes_, static_cast<std::uint16_t>(value.size()));
    base::append(bytes_, value);
    bytes_.resize(padded(bytes_.size()));
    set_length(bytes_.size());
    return *this;
}

Writer& Writer::add_u32(AttributeType type, std::uint32_t value) {
    base::Bytes bytes;
    base::append_u32(bytes, value);
    return add(type, bytes);
}

Writer& Writer::add_u64(AttributeType type, std::uint64_t value) {
    base::Bytes bytes;
    base::append_u32(bytes, static_cast<std::uint32_t>(value >> 32U));
    base::append_u32(bytes, static_cast<std::uint32_t>(value));
    return add(type, bytes);
}

Writer& Writer::add_mapped_address(const base::NetAddress& address) {
    base::Bytes value{0, address.is_v4() ? kFamilyIpv4 : kFamilyIpv6};
    base::append_u16(value, static_cast<std::uint16_t>(address.port ^ (kCookie >> 16U)));
    // Section 14.2: XORed with cookie and transaction id, so that no NAT rewrites it.
    const base::ByteView octets = octets_of(address);
    for (std::size_t i = 0; i < octets.size(); ++i)
        value.push_back(static_cast<std::uint8_t>(octets[i] ^ bytes_[kCookieAt + i]));
    return add(AttributeType::XorMappedAddress, value);
}

Writer& Writer::add_error(int code, std::string_view reason) {
    base::Bytes value{0, 0, static_cast<std::uint8_t>(code / 100),
                      static_cast<std::uint8_t>(code % 100)};
    base::append(value, base::as_bytes(reason));
    return add(AttributeType::ErrorCode, value);
}

Writer& Writer::add_unknown(const std::vector<std::uint16_t>& types) {
    base::Bytes value;
    for (const std::uint16_t type : types) base::append_u16(value, type);
    return add(AttributeType::UnknownAttributes, value);
}

Writer& Writer::add_integrity(base::ByteView key) {
    return add(AttributeType::MessageIntegrity, integrity_of(bytes_, key));
}

Writer& Writer::add_fingerprint() {
    // The CRC is over a header whose length counts the attribute already.
    set_length(bytes_.size() + kAttributeHeaderBytes + 4);
    return add_u32(AttributeType::Fingerprint, crc32(bytes_) ^ kFingerprintXor);
}

void Writer::set_length(std::size_t total) { store_u16(bytes_, 2, total - kHeaderBytes); }

}  // namespace earshot::stun
