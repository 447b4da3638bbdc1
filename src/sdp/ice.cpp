#include "sdp/ice.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sdp/limits.h"

namespace earshot::sdp {

namespace {

constexpr std::uint16_t kDiscardPort = 9;  // RFC 8840 section 4.1.3: no address yet

std::string_view take_word(std::string_view& rest) {
    rest = base::trim(rest);
    return base::take_until(rest, ' ');
}

bool is_ice_char(char c) {
    return base::is_digit(c) || (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z') ||
           c == '+' || c == '/';
}

bool is_credential(std::string_view text, std::size_t min_chars) {
    return text.size() >= min_chars && text.size() <= kMaxIceCredentialChars &&
           std::all_of(text.begin(), text.end(), is_ice_char);
}

std::string_view value_of(const SessionDescription& description, const MediaDescription& medium,
                          std::string_view name) {
    const Attribute* attribute = description.find_attribute(medium, name);
    if (attribute == nullptr) attribute = description.find_session_attribute(name);
    return attribute == nullptr ? std::string_view{} : base::trim(attribute->value);
}

bool is_mismatch(const SessionDescription& description, const MediaDescription& medium) {
    const auto address = rtp_address(description, medium);
    // Without an address there is nothing that could have been changed.
    if (!address || address->is_unspecified() || address->port == kDiscardPort) return false;
    bool has_candidate = false;
    for (const Attribute& attribute : description.attributes_of(medium)) {
        if (!base::iequals(attribute.name, "candidate")) continue;
        const auto candidate = parse_candidate(attribute.value);
        if (!candidate || candidate->component != 1) continue;
        has_candidate = true;
        // A name cannot be compared: it may be the address.
        const auto where = base::parse_host(candidate->address, candidate->port);
        if (!where || *where == *address) return false;
    }
    return has_candidate;
}

}  // namespace

std::optional<IceCandidate> parse_candidate(std::string_view value) {
    IceCandidate candidate;
    candidate.foundation = take_word(value);
    const auto component = base::parse_number<std::uint16_t>(take_word(value));
    candidate.transport = take_word(value);
    const auto priority = base::parse_number<std::uint32_t>(take_word(value));
    candidate.address = take_word(value);
    const auto port = base::parse_number<std::uint16_t>(take_word(value));
    const std::string_view typ = take_word(value);
    candidate.type = take_word(value);
    if (!component || *component == 0 || *component > 256 || !priority || !port || typ != "typ" ||
        candidate.type.empty())
        return std::nullopt;
    candidate.component = *component;
    candidate.priority = *priority;
    candidate.port = *port;
    return candidate;
}

std::string to_string(const IceCandidate& candidate) {
    return fmt::format("{} {} {} {} {} {} typ {}", candidate.foundation, candidate.component,
                       candidate.transport, candidate.priority, candidate.address, candidate.port,
                       candidate.type);
}

std::optional<IceOffer> ice_of(const SessionDescription& description,
                               const MediaDescription& medium) {
    IceOffer offer;
    offer.ufrag = value_of(description, medium, "ice-ufrag");
    offer.password = value_of(description, medium, "ice-pwd");
    if (!is_credential(offer.ufrag, kMinIceUfragChars) ||
        !is_credential(offer.password, kMinIcePasswordChars))
        return std::nullopt;
    offer.is_lite = description.find_session_attribute("ice-lite") != nullptr;
    offer.is_mismatch = is_mismatch(description, medium);
    return offer;
}

std::string host_candidate(const base::NetAddress& address, std::uint16_t component) {
    // RFC 8445 section 5.1.2.1: type preference 126, local preference of the one address,
    // component.
    const std::uint32_t priority = 126U << 24U | 65535U << 8U | (256U - component);
    const std::string host = base::host_to_string(address);
    return to_string({.foundation = "1",
                      .component = component,
                      .transport = "UDP",
                      .priority = priority,
                      .address = host,
                      .port = address.port,
                      .type = "host"});
}

}  // namespace earshot::sdp
