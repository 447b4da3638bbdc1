#include "sdp/crypto_attribute.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdp/limits.h"

namespace earshot::sdp {
namespace {

using base::Errc;
using base::Error;

constexpr unsigned kMaxLifetimeExponent = 48;  // RFC 3711 section 9.2

// "2^20" or "1048576" (section 6.1).
std::optional<std::uint64_t> read_lifetime(std::string_view text) {
    constexpr std::string_view kPower = "2^";
    constexpr std::uint64_t kMax = std::uint64_t{1} << kMaxLifetimeExponent;
    if (text.starts_with(kPower)) {
        const auto exponent = base::parse_number<std::uint32_t>(text.substr(kPower.size()));
        if (!exponent || *exponent > kMaxLifetimeExponent) return std::nullopt;
        return std::uint64_t{1} << *exponent;
    }
    const auto packets = base::parse_number<std::uint64_t>(text);
    if (!packets || *packets == 0 || *packets > kMax) return std::nullopt;
    return packets;
}

// "1:4": the identifier is a number, written in so many octets.
std::optional<base::Bytes> read_mki(std::string_view text) {
    const auto value = base::parse_number<std::uint64_t>(base::take_until(text, ':'));
    const auto octets = base::parse_number<std::uint32_t>(text);
    if (!value || !octets || *octets == 0 || *octets > base::kMaxMkiBytes) return std::nullopt;
    if (*octets < 8 && *value >> (8 * *octets) != 0) return std::nullopt;
    base::Bytes mki(*octets);
    for (std::size_t i = 0; i < std::min<std::size_t>(*octets, 8); ++i)
        mki[*octets - 1 - i] = static_cast<std::uint8_t>(*value >> (8 * i));
    return mki;
}

struct KeyParameter {
    base::SrtpMasterKey key;
    std::optional<std::uint64_t> lifetime;
};
base::Result<KeyParameter> read_key(base::SrtpSuite suite, std::string_view text) {
    constexpr std::string_view kInline = "inline:";
    if (!base::istarts_with(text, kInline))
        return Error{Errc::Malformed, "a=crypto: a key method other than inline"};
    text.remove_prefix(kInline.size());
    auto material = base::parse_base64(base::take_until(text, '|'));
    if (!material) return Error{Errc::Malformed, "a=crypto: the key is no base64"};

    // The MKI has a colon, the lifetime has none; both may be left out.
    std::optional<std::uint64_t> lifetime;
    base::Bytes mki;
    for (int i = 0; i < 2 && !text.empty(); ++i) {
        const std::string_view part = base::take_until(text, '|');
        if (part.find(':') != std::string_view::npos) {
            auto read = mki.empty() ? read_mki(part) : std::nullopt;
            if (!read) return Error{Errc::Malformed, "a=crypto: not an MKI"};
            mki = *std::move(read);
        } else {
            if (i != 0 || !(lifetime = read_lifetime(part)))
                return Error{Errc::Malformed, "a=crypto: not a lifetime"};
        }
    }
    if (!text.empty()) return Error{Errc::Malformed, "a=crypto: more after lifetime and MKI"};
    const auto key = base::SrtpMasterKey::from(suite, *material, mki);
    base::wipe(*material);
    if (!key) return key.error();
    return KeyParameter{*key, lifetime};
}

// Section 6.3. What begins with '-' need not be understood; all else must be.
std::optional<Error> find_refused_parameter(std::string_view parameters) {
    while (!(parameters = base::trim(parameters)).empty()) {
        const std::string_view one = base::take_until(parameters, ' ');
        if (one.starts_with("-") || base::istarts_with(one, "WSH=") ||
            base::iequals(one, "KDR=0") || base::iequals(one, "FEC_ORDER=FEC_SRTP"))
            continue;
        return Error{Errc::Unsupported, "a=crypto: a session parameter that is not taken"};
    }
    return std::nullopt;
}

bool fits(const std::vector<base::SrtpMasterKey>& keys, const base::SrtpMasterKey& next) {
    if (keys.empty()) return true;
    if (next.mki().empty() || next.mki().size() != keys.front().mki().size()) return false;
    return std::none_of(keys.begin(), keys.end(), [&](const base::SrtpMasterKey& key) {
        return std::equal(key.mki().begin(), key.mki().end(), next.mki().begin(), next.mki().end());
    });
}

}  // namespace

base::Result<OfferedKeys> read_crypto(std::string_view value) {
    const auto parts = parse_crypto(value);
    if (!parts) return Error{Errc::Malformed, "a=crypto: not tag, suite and key"};
    const auto suite = base::find_srtp_suite(parts->suite);
    if (!suite) return Error{Errc::Unsupported, "a=crypto: a suite that is not supported"};
    if (const auto refused = find_refused_parameter(parts->session_parameters)) return *refused;

    OfferedKeys offered;
    offered.tag = parts->tag;
    std::string_view rest = parts->key_parameters;
    while (!rest.empty()) {
        if (offered.keys.size() == kMaxSrtpKeys)
            return Error{Errc::TooLarge, "a=crypto: too many keys in a line"};
        const auto read = read_key(*suite, base::take_until(rest, ';'));
        if (!read) return read.error();
        if (!fits(offered.keys, read->key))
            return Error{Errc::Malformed, "a=crypto: keys that no MKI tells apart"};
        if (offered.keys.empty()) offered.lifetime = read->lifetime;
        offered.keys.push_back(read->key);
    }
    if (offered.keys.empty()) return Error{Errc::Malformed, "a=crypto: no key"};
    return offered;
}

base::Result<OfferedKeys> choose_crypto(const SessionDescription& description,
                                        const MediaDescription& medium,
                                        std::span<const base::SrtpSuite> suites) {
    std::optional<Error> first_fault;
    for (const Attribute& attribute : description.attributes_of(medium)) {
        if (!base::iequals(attribute.name, "crypto")) continue;
        auto read = read_crypto(attribute.value);
        const auto may_be_taken = [&](base::SrtpSuite suite) {
            return suites.empty() || std::find(suites.begin(), suites.end(), suite) != suites.end();
        };
        if (read && may_be_taken(read->suite())) return read;
        if (!first_fault)
            first_fault = read ? Error{Errc::Refused, "a=crypto: a suite that may not be taken"}
                               : read.error();
    }
    if (first_fault) return *first_fault;
    return Error{Errc::NotFound, "a=crypto: there is none"};
}

std::string write_crypto(std::uint32_t tag, const base::SrtpMasterKey& key) {
    std::string value = std::to_string(tag);
    value += ' ';
    value += base::to_string(key.suite());
    value += " inline:";
    value += base::to_base64(key.material());
    // A number of 64 bits is as long as ours may be (see read_mki).
    if (const base::ByteView mki = key.mki(); !mki.empty()) {
        std::uint64_t number = 0;
        for (const std::uint8_t octet : mki) number = number << 8U | octet;
        value += '|' + std::to_string(number) + ':' + std::to_string(mki.size());
    }
    return value;
}

}  // namespace earshot::sdp
