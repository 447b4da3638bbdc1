// STUN messages (RFC 8489) as ICE connectivity checks (RFC 8445) and keep-alives (RFC 5626) need
// them: reading, checking, writing. Pure; reads nothing past the bytes it was given.
//
//   0                   1                   2                   3
//  |0 0|  message type (14 bits)   |  length of what follows 20    |
//  |                     magic cookie: 0x2112a442                  |
//  |                     transaction id, 12 octets                 |
//  |  attributes: type (2), length (2), value, padding to 4        |
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/result.h"
#include "stun/limits.h"

namespace earshot::stun {

inline constexpr std::size_t kHeaderBytes = 20;
inline constexpr std::uint16_t kBinding = 0x001;  // the one method of ICE

enum class MessageClass : std::uint8_t { Request, Indication, Success, Error };

// RFC 8489 section 18.3, RFC 8445 section 16.1. Below 0x8000: to be understood, or the request is
// refused.
enum class AttributeType : std::uint16_t {
    MappedAddress = 0x0001,
    Username = 0x0006,
    MessageIntegrity = 0x0008,
    ErrorCode = 0x0009,
    UnknownAttributes = 0x000a,
    MessageIntegritySha256 = 0x001c,
    XorMappedAddress = 0x0020,
    Priority = 0x0024,
    UseCandidate = 0x0025,
    Software = 0x8022,
    Fingerprint = 0x8028,
    IceControlled = 0x8029,
    IceControlling = 0x802a,
};

using TransactionId = std::array<std::uint8_t, 12>;

struct Attribute {
    std::uint16_t type = 0;
    std::size_t offset = 0;  // of its header in the message
    base::ByteView value;    // without padding
};

// A message that could be read. Borrows the bytes that it was parsed from.
struct Message {
    MessageClass message_class = MessageClass::Request;
    std::uint16_t method = kBinding;  // 12 bits
    TransactionId transaction{};
    // Of those behind MESSAGE-INTEGRITY only FINGERPRINT is here: nothing protects the others (RFC
    // 8489 section 14.5).
    std::vector<Attribute> attributes;
    base::ByteView bytes;

    const Attribute* find(AttributeType type) const;  // the first of that type
};

// Whether a datagram on a port with other protocols is STUN's (RFC 7983, RFC 8489 section 5).
bool is_stun(base::ByteView datagram);

// Errors: Malformed (no STUN, a length that lies, an attribute cut), TooLarge (kMaxMessageBytes,
// kMaxAttributes).
base::Result<Message> parse(base::ByteView datagram);

// RFC 8489 section 14.7: FINGERPRINT is the last attribute and its CRC is right.
bool has_valid_fingerprint(const Message& message);
// RFC 8489 section 14.5 with the short-term key: the password itself.
bool has_valid_integrity(const Message& message, base::ByteView key);

std::optional<base::NetAddress> mapped_address(const Message& message);  // XOR-MAPPED-ADDRESS
// ERROR-CODE: 300 to 699.
std::optional<int> error_code(const Message& message);
// Types below 0x8000 that this room does not know.
std::vector<std::uint16_t> unknown_required(const Message& message);

// Builds one message; the calls follow the order of the attributes. What is added must keep to
// kMaxMessageBytes.
class Writer {
public:
    Writer(MessageClass message_class, std::uint16_t method, const TransactionId& transaction);

    Writer& add(AttributeType type, base::ByteView value = {});
    Writer& add_u32(AttributeType type, std::uint32_t value);
    Writer& add_u64(AttributeType type, std::uint64_t value);
    Writer& add_mapped_address(const base::NetAddress& address);  // XORed
    Writer& add_error(int code, std::string_view reason);
    Writer& add_unknown(const std::vector<std::uint16_t>& types);
    Writer& add_integrity(base::ByteView key);
    Writer& add_fingerprint();

    base::Bytes take() { return std::move(bytes_); }

private:
    void set_length(std::size_t total);

    base::Bytes bytes_;
};

}  // namespace earshot::stun
