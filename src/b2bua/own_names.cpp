#include "b2bua/own_names.h"

#include <algorithm>

#include "b2bua/limits.h"
#include "base/bytes.h"
#include "base/text.h"
#include "sip/dialog.h"
#include "sip/key_hash.h"
#include "sip/uri.h"

namespace earshot::b2bua {

namespace {

constexpr std::string_view kPrefix = "earshot-";
constexpr std::size_t kAddressBytes = 16;
constexpr std::size_t kHeadBytes = 1 + kAddressBytes + 2;  // transport, IP, port
constexpr std::size_t kSealBytes = 8;

std::uint16_t standard_port(const sip::Uri& uri) {
    const bool is_tls = uri.scheme == sip::UriScheme::Sips ||
                        base::iequals(uri.param("transport").value_or(""), "tls");
    return is_tls ? 5061 : 5060;
}

std::string key_of(std::string_view host, std::uint16_t port) {
    return base::to_lower(host) + ":" + std::to_string(port);
}

}  // namespace

OwnNames::OwnNames(const std::vector<sip::AgentListener>& listeners,
                   const std::vector<std::string>& more) {
    for (const sip::AgentListener& listener : listeners) {
        add(listener.sent_by);
        if (const auto uri = sip::parse_uri(listener.contact); uri && uri->is_sip())
            names_.insert(key_of(uri->host, uri->port.value_or(standard_port(*uri))));
    }
    for (const std::string& name : more) add(name);
}

void OwnNames::add(std::string_view host_and_port) {
    const std::string text = "sip:" + std::string(host_and_port);
    const auto uri = sip::parse_uri(text);
    if (uri && uri->is_sip()) names_.insert(key_of(uri->host, uri->port.value_or(5060)));
}

bool OwnNames::is_ours(std::string_view uri) const {
    const std::string text = sip::uri_of(uri);
    const auto parsed = sip::parse_uri(text);
    if (!parsed || !parsed->is_sip()) return false;
    return names_.contains(key_of(parsed->host, parsed->port.value_or(standard_port(*parsed))));
}

Places::Places(const PlaceSecret& secret)
    : low_(base::load_le<std::uint64_t>(secret, 0)),
      high_(base::load_le<std::uint64_t>(secret, 8)) {}

std::uint64_t Places::seal(base::ByteView bytes) const {
    return sip::KeyHasher(low_, high_).add(base::as_text(bytes)).finish().low;
}

std::string Places::to_user_part(const PlaceBehind& place) const {
    base::Bytes bytes;
    bytes.reserve(kHeadBytes + place.uri.size() + kSealBytes);
    bytes.push_back(static_cast<std::uint8_t>(place.flow.transport));
    bytes.insert(bytes.end(), place.flow.remote.ip.begin(), place.flow.remote.ip.end());
    bytes.push_back(static_cast<std::uint8_t>(place.flow.remote.port >> 8));
    bytes.push_back(static_cast<std::uint8_t>(place.flow.remote.port & 0xff));
    bytes.insert(bytes.end(), place.uri.begin(), place.uri.end());
    const std::uint64_t seal_of_it = seal(bytes);
    bytes.resize(bytes.size() + kSealBytes);
    base::store_le<std::uint64_t>(bytes, bytes.size() - kSealBytes, seal_of_it);
    return std::string(kPrefix) + base::to_base64url(bytes);
}

std::optional<PlaceBehind> Places::parse_user_part(std::string_view user) const {
    constexpr std::size_t kMaxBytes = kHeadBytes + kMaxContactBytes + kSealBytes;
    if (user.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
    if (user.size() > kPrefix.size() + 2 * kMaxBytes) return std::nullopt;
    std::string text(user.substr(kPrefix.size()));
    std::replace(text.begin(), text.end(), '-', '+');
    std::replace(text.begin(), text.end(), '_', '/');
    const auto decoded = base::parse_base64(text);
    if (!decoded || decoded->size() <= kHeadBytes + kSealBytes || decoded->size() > kMaxBytes)
        return std::nullopt;
    const base::ByteView bytes = base::ByteView(*decoded).first(decoded->size() - kSealBytes);
    if (base::load_le<std::uint64_t>(*decoded, bytes.size()) != seal(bytes) ||
        bytes[0] > static_cast<std::uint8_t>(sip::Transport::Tls))
        return std::nullopt;

    PlaceBehind place;
    place.flow.transport = static_cast<sip::Transport>(bytes[0]);
    std::copy_n(bytes.begin() + 1, kAddressBytes, place.flow.remote.ip.begin());
    place.flow.remote.port =
        static_cast<std::uint16_t>(bytes[kAddressBytes + 1] << 8 | bytes[kAddressBytes + 2]);
    place.uri = base::as_text(bytes.subspan(kHeadBytes));
    const auto uri = sip::parse_uri(place.uri);
    if (!uri || !uri->is_sip() || place.flow.remote.is_unspecified() || place.flow.remote.port == 0)
        return std::nullopt;
    return place;
}

std::optional<PlaceBehind> Places::find(std::string_view text) const {
    const auto uri = sip::parse_uri(text);
    return uri ? parse_user_part(uri->user) : std::nullopt;
}

std::string Places::to_uri(std::string_view contact, const PlaceBehind& place) const {
    const auto uri = sip::parse_uri(contact);
    if (!uri || !uri->is_sip()) return std::string(contact);
    std::string text(uri->scheme_name);
    text.append(":").append(to_user_part(place)).append("@").append(uri->host);
    if (uri->port) text.append(":").append(std::to_string(*uri->port));
    return text.append(uri->params);
}

}  // namespace earshot::b2bua
