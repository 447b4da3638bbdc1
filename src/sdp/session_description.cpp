#include "sdp/session_description.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace earshot::sdp {
namespace {

const Attribute* find(std::span<const Attribute> attributes, std::string_view name) {
    const auto found = std::find_if(
        attributes.begin(), attributes.end(),
        [name](const Attribute& attribute) { return base::iequals(attribute.name, name); });
    return found == attributes.end() ? nullptr : &*found;
}

template <std::size_t N>
bool is_one_of(std::string_view proto, const std::array<std::string_view, N>& names) {
    return std::any_of(names.begin(), names.end(),
                       [proto](std::string_view name) { return base::iequals(proto, name); });
}

}  // namespace

std::string_view to_string(Direction direction) {
    switch (direction) {
        case Direction::SendRecv:
            return "sendrecv";
        case Direction::SendOnly:
            return "sendonly";
        case Direction::RecvOnly:
            return "recvonly";
        case Direction::Inactive:
            return "inactive";
    }
    return "inactive";
}

bool Connection::is_unspecified() const {
    const auto parsed = base::parse_host(address, 0);
    return parsed && parsed->is_unspecified();
}

bool MediaDescription::is_secure_rtp() const {
    constexpr std::array<std::string_view, 4> kSecure{"RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP",
                                                      "UDP/TLS/RTP/SAVPF"};
    return is_one_of(proto, kSecure);
}

bool MediaDescription::is_rtp() const {
    constexpr std::array<std::string_view, 4> kPlain{"RTP/AVP", "RTP/AVPF", "TCP/RTP/AVP",
                                                     "TCP/RTP/AVPF"};
    return is_one_of(proto, kPlain) || is_secure_rtp();
}

const PayloadType* MediaDescription::find_payload_type(std::uint8_t number) const {
    const auto found =
        std::find_if(payload_types.begin(), payload_types.end(),
                     [number](const PayloadType& type) { return type.number == number; });
    return found == payload_types.end() ? nullptr : &*found;
}

std::span<const Attribute> SessionDescription::session_attributes() const {
    return std::span{all_attributes}.first(session_attribute_count);
}

std::span<const Attribute> SessionDescription::attributes_of(const MediaDescription& medium) const {
    return std::span{all_attributes}.subspan(medium.first_attribute, medium.attribute_count);
}

const Attribute* SessionDescription::find_attribute(const MediaDescription& medium,
                                                    std::string_view attribute_name) const {
    return find(attributes_of(medium), attribute_name);
}

const Attribute* SessionDescription::find_session_attribute(std::string_view attribute_name) const {
    return find(session_attributes(), attribute_name);
}

const Connection* SessionDescription::connection_of(const MediaDescription& medium) const {
    if (medium.connection) return &*medium.connection;
    return connection ? &*connection : nullptr;
}

bool SessionDescription::is_held_by_address(const MediaDescription& medium) const {
    const Connection* applies = connection_of(medium);
    return applies != nullptr && applies->is_unspecified();
}

std::optional<base::NetAddress> rtp_address(const SessionDescription& description,
                                            const MediaDescription& medium) {
    const Connection* connection = description.connection_of(medium);
    if (connection == nullptr || medium.port == 0) return std::nullopt;
    return base::parse_host(connection->address, medium.port);
}

std::optional<base::NetAddress> rtcp_address(const SessionDescription& description,
                                             const MediaDescription& medium, bool uses_rtcp_mux) {
    auto address = rtp_address(description, medium);
    if (!address || uses_rtcp_mux) return address;
    if (medium.rtcp) {
        if (medium.rtcp->connection) {
            return base::parse_host(medium.rtcp->connection->address, medium.rtcp->port);
        }
        address->port = medium.rtcp->port;
        return address;
    }
    if (address->port == 0xffff) return std::nullopt;
    ++address->port;
    return address;
}

std::optional<CryptoAttribute> parse_crypto(std::string_view value) {
    value = base::trim(value);
    const auto tag = base::parse_number<std::uint32_t>(base::take_until(value, ' '));
    value = base::trim(value);
    CryptoAttribute crypto;
    crypto.suite = base::take_until(value, ' ');
    value = base::trim(value);
    crypto.key_parameters = base::take_until(value, ' ');
    crypto.session_parameters = base::trim(value);
    if (!tag || crypto.suite.empty() || crypto.key_parameters.empty()) return std::nullopt;
    crypto.tag = *tag;
    return crypto;
}

bool has_same_content(const SessionDescription& a, const SessionDescription& b) {
    return a.origin == b.origin && a.name == b.name && a.connection == b.connection &&
           a.timing == b.timing && a.bandwidths == b.bandwidths && a.record == b.record &&
           a.record_preference == b.record_preference && a.media == b.media &&
           a.all_attributes == b.all_attributes &&
           a.session_attribute_count == b.session_attribute_count;
}

}  // namespace earshot::sdp
